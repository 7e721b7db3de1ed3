"""Which library an argument belongs to, and the two patterns every float kernel is run through.

NumPy (2.0 and later) and torch name the elementary functions alike (``asinh``, ``log1p``, ``pow``), so the
library's own module serves as the namespace ``xp`` of a kernel. torch and SymPy are looked up in
``sys.modules``: an argument cannot belong to a library that was never imported.
"""

from __future__ import annotations

import enum
import numbers
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kind", "apply_where", "blockwise", "kind_of", "map_elements", "shape_of"]

BLOCK = 16_384
"""Elements per block: the dozen temporaries of a kernel then stay within a private L2 cache."""


class Kind(enum.Enum):
    """The four kinds of argument; the value is the name used in messages."""

    NUMPY = "NumPy"
    TORCH = "torch"
    MPMATH = "mpmath"
    SYMPY = "SymPy"


def _loaded(module: str, *classes: str) -> tuple[type, ...]:
    found = sys.modules.get(module)
    return tuple(getattr(found, name) for name in classes if hasattr(found, name))


def _kind_of_one(name: str, value: Any) -> Kind | None:
    """Kind of a single argument, ``None`` for a plain Python number, which goes along with every kind."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        kinds = {_kind_of_one(name, element) for element in value.flat} - {None}
        if len(kinds) > 1:
            raise TypeError(f"{name} mixes {' and '.join(sorted(k.value for k in kinds if k))} numbers")
        return kinds.pop() if kinds else Kind.NUMPY
    if isinstance(value, list | tuple):
        return _kind_of_one(name, as_object_array(value)) if _holds_objects(value) else Kind.NUMPY
    if isinstance(value, _loaded("torch", "Tensor")):
        tensor: Any = value
        if tensor.is_complex():
            raise TypeError(f"{name} must be real, got a tensor of dtype {tensor.dtype}")
        return Kind.TORCH
    if isinstance(value, _loaded("sympy", "Basic", "MatrixBase")):
        return Kind.SYMPY
    if isinstance(value, _loaded("mpmath", "mpf", "matrix")) or type(value).__name__ == "mpf":
        return Kind.MPMATH
    if isinstance(value, complex | np.complexfloating) or type(value).__name__ == "mpc":
        raise TypeError(f"{name} must be real, got the complex number {value!r}")
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise TypeError(
                f"{name} must hold integers or floats of at most 64 bits, got dtype {value.dtype}; "
                "for higher precision pass mpmath numbers"
            )
        return Kind.NUMPY
    if isinstance(value, numbers.Real):
        return None
    raise TypeError(
        f"{name} must be a number, a NumPy array, a torch tensor, an mpmath number or a SymPy expression, "
        f"got {type(value).__name__}"
    )


def _holds_objects(value: Any) -> bool:
    """Whether a nested sequence holds anything but plain numbers and arrays of them."""
    if isinstance(value, list | tuple):
        return any(_holds_objects(v) for v in value)
    # mpmath and SymPy register their numbers as numbers.Real, so plain ones are named here
    return not isinstance(value, int | float | Fraction | np.ndarray | np.generic)


def as_object_array(value: Any) -> np.ndarray[Any, Any]:
    """Nested sequence of mpmath or SymPy numbers as an object array, never converted on the way."""
    if isinstance(value, list | tuple) and any(isinstance(v, list | tuple) for v in value):
        return np.array([as_object_array(v) for v in value], dtype=object)
    out = np.empty(len(value), dtype=object)
    out[:] = value
    return out


def kind_of(**arguments: Any) -> Kind:
    """Kind shared by the named arguments.

    Plain Python numbers go along with every kind; among themselves they count as NumPy.

    Raises
    ------
    TypeError
        If an argument is not a real number of a known kind, or two arguments differ in kind.
    """
    seen: dict[Kind, str] = {}
    for name, value in arguments.items():
        kind = _kind_of_one(name, value)
        if kind is not None:
            seen.setdefault(kind, name)
    if len(seen) > 1:
        parts = " and ".join(f"{name} is of kind {kind.value}" for kind, name in seen.items())
        raise TypeError(f"arguments must be of one kind, but {parts}; convert one of them")
    return next(iter(seen), Kind.NUMPY)


def apply_where(xp: Any, condition: Any, yes: Callable[..., Any], no: Callable[..., Any], *args: Any) -> Any:
    """Evaluate `yes` where `condition` holds and `no` elsewhere; each returns a tuple of arrays.

    NumPy evaluates either branch on its own elements only. torch evaluates both everywhere, since
    splitting would make the host wait for the device; kernels must therefore not raise on any input.
    """
    if xp is not np:
        return tuple(xp.where(condition, a, b) for a, b in zip(yes(*args), no(*args), strict=True))
    count = np.count_nonzero(condition)
    if count == condition.size:
        return yes(*args)
    if count == 0:
        return no(*args)
    here, there = np.flatnonzero(condition), np.flatnonzero(~condition)
    results = []
    for a, b in zip(yes(*(arg.take(here) for arg in args)), no(*(arg.take(there) for arg in args)), strict=True):
        out = np.empty_like(args[0])
        out[here], out[there] = a, b
        results.append(out)
    return tuple(results)


def blockwise(kernel: Callable[..., Any], x: Any, *, widen: bool) -> Any:
    """Run ``kernel(np, block)`` over cache-sized blocks of `x`; the result has the shape of `x`.

    float32 input gives a float32 result, computed in float64 where `widen` is set; half precision is
    computed one step wider; integers count as float64.
    """
    array = np.asarray(x)
    if array.dtype == object:  # Python numbers no dtype holds, such as Fractions and large integers
        array = array.astype(np.float64)
    result = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    work = np.dtype(np.float64) if widen or result.itemsize == 8 else np.dtype(np.float32)
    if array.ndim == 0:
        with np.errstate(all="ignore"):
            return kernel(np, array.astype(work).reshape(1))[0].astype(result)
    iterator = np.nditer(
        [array, None],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly", "allocate", "no_broadcast"]],
        op_dtypes=[work, result],
        casting="same_kind",
        buffersize=BLOCK,
    )
    # overflow to inf and underflow to 0 are the correctly rounded results where they occur
    with iterator, np.errstate(all="ignore"):
        for block, out in iterator:
            out[...] = kernel(np, block)
        return iterator.operands[1]


def shape_of(x: Any) -> tuple[int, ...]:
    """Shape of an argument of any kind; a number has shape ``()``, a matrix of one column shape ``(d,)``."""
    if hasattr(x, "rows"):  # mpmath and SymPy matrices
        return (x.rows * x.cols,) if 1 in (x.rows, x.cols) else (x.rows, x.cols)
    if isinstance(x, list | tuple):
        return as_object_array(x).shape if _holds_objects(x) else np.shape(x)
    return tuple(getattr(x, "shape", ()))


def map_elements(x: Any, function: Callable[[int, Any], Any]) -> Any:
    """Apply ``function(flat index, entry)`` to the mpmath or SymPy entries of `x`, keeping its container."""
    if hasattr(x, "rows"):
        out = x.as_mutable() if hasattr(x, "as_mutable") else x.copy()
        for i in range(x.rows):
            for j in range(x.cols):
                out[i, j] = function(i * x.cols + j, x[i, j])
        return type(x)(out)  # SymPy has immutable matrices too
    if isinstance(x, list | tuple | np.ndarray):
        array = as_object_array(x) if isinstance(x, list | tuple) else x
        out = np.empty(array.shape, dtype=object)
        for i, value in enumerate(array.flat):
            out.flat[i] = function(i, value)
        return out.tolist() if isinstance(x, list | tuple) else out
    return function(0, x)
