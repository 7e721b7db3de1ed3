"""A scalar function with a scale and a shape: what `Q` and `R` share."""

from __future__ import annotations

import copy
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._namespace import Kind, blockwise, map_elements, shape_of
from . import _exact
from ._base import Regularizer
from ._scale import Scale, working_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Scaled", "vector_text"]


class Scaled(Regularizer):
    """``sum_i w0_i^2 S(beta_i / w0_i^k)``, S being the scalar function of depth D at scale alpha.

    `k` is the power that turns the scale of the weights into that of the predictor.
    """

    _k: Any
    _w0: NDArray[np.float64] | None

    def __init__(self, alpha: Any, k: Any, w0: ArrayLike | None) -> None:
        self._k = k
        self._w0 = None if w0 is None else _shape_vector(w0, k)
        self._hold(alpha)

    def _hold(self, alpha: Any) -> None:
        """Take `alpha` for the scale: a :class:`Scale`, a tensor, or what a :class:`Scale` is made of."""
        self._tensor = _checked_tensor(alpha)
        self._held = None if self._tensor is not None else alpha if isinstance(alpha, Scale) else Scale(alpha)
        # now, not at first use: a compiled graph would trace how it is made
        held = self._held
        self._kept_curve: Any = None if held is None or held.symbol is not None else self._curve_of(held)
        self._tensors: dict[Any, Any] = {}

    # ---- what the scale and the shape are ----

    @property
    def alpha(self) -> Any:
        """Scale of initialization as it was given; None where its logarithm was."""
        if self._held is None:
            return self._tensor
        return None if self._held.is_log else self._held.source

    @property
    def alpha_tensor(self) -> Any:
        """The torch tensor that alpha was given as, or None."""
        return self._tensor

    @property
    def log_alpha(self) -> float:
        """Natural logarithm of alpha, as a float."""
        return self._scale.log_float()

    @property
    def w0(self) -> NDArray[np.float64] | None:
        """Shape of the initialization, ``(d,)``, read-only; None for all ones."""
        return self._w0

    @property
    def homogeneity(self) -> Any:
        """Power k by which the predictor grows with the weights: ``beta`` scales as ``alpha^k w0^k``."""
        return self._k

    @property
    def _scale(self) -> Scale:
        # a tensor may have been optimized since the last look
        return Scale(float(self._tensor.detach())) if self._held is None else self._held

    def at_log_alpha(self, log_alpha: Any) -> Self:
        """Return the same regularizer at another scale, given by its natural logarithm."""
        other = copy.copy(self)  # shares the shape, which is not validated again
        other._hold(Scale(log_alpha, is_log=True, name="log_alpha"))
        return other

    def restricted(self, columns: Any) -> Self:
        """Return the same regularizer on some of the coordinates (an index array, mask or slice)."""
        other = copy.copy(self)
        other._tensors = {}
        if self._w0 is not None:
            other._w0 = self._w0[columns]
        return other

    def in_units(self, exponent: int) -> Self:
        """Return the regularizer of the predictor in units of ``2^exponent``; self is ``2^exponent`` times that."""
        from ..special._multiprecision import as_mpf  # with mpmath, which few callers need

        ctx = working_context()
        log_alpha = self._scale.log(ctx) - exponent * ctx.log(2) / as_mpf(ctx, self._k)
        return self.at_log_alpha(log_alpha)

    # ---- evaluation ----

    @abstractmethod
    def _curve_of(self, scale: Scale) -> Any:
        """Float kernels of S."""

    @abstractmethod
    def _torch_curve(self, name: str, x: Any) -> Any:
        """Evaluate the named relative of S on a torch tensor."""

    @abstractmethod
    def _exact_entry(self, name: str, x: Any, index: int, w0: float | None) -> Any:
        """Evaluate the named function of one coordinate on an mpmath number or SymPy expression."""

    def _lengths(self) -> dict[str, NDArray[np.float64] | None]:
        """Vectors ``(d,)`` that an argument must match, by name."""
        return {"w0": self._w0}

    def _evaluate(self, name: str, x: Any, kind: Kind) -> Any:
        for what, vector in self._lengths().items():
            if vector is not None and shape_of(x)[-1:] != vector.shape:
                raise ValueError(
                    f"the argument must have the length of {what} along its last axis, "
                    f"got shape {shape_of(x)} for {what} of shape {vector.shape}"
                )
        return {Kind.NUMPY: self._numpy, Kind.TORCH: self._torch}.get(kind, self._exact)(name, x)

    def _shaped(self, name: str, x: Any, w0: Any, function: Callable[[Any], Any]) -> Any:
        """Apply the named relative of S inside the powers of `w0` that belong to it."""
        if w0 is None:
            return function(x)
        inner, outer = _exact.shape_exponents(name, self._k)
        return w0**outer * function(x * w0**inner)

    def _float_curve(self) -> Any:
        if self._held is None:
            return self._curve_of(self._scale)
        self._held.require_number()
        return self._kept_curve

    def _numpy(self, name: str, x: Any) -> Any:
        kernel = getattr(self._float_curve(), name)
        with np.errstate(all="ignore"):  # 0 and infinity are the correctly rounded results where they occur
            return self._shaped(name, np.asarray(x), self._w0, lambda b: blockwise(kernel, b, widen=True))

    def _torch(self, name: str, x: Any) -> Any:
        return self._shaped(name, x, self._as_tensor("w0", x), lambda b: self._torch_curve(name, b))

    def _as_tensor(self, name: str, x: Any) -> Any:
        """The vector called `name` as a tensor like `x`, or None."""
        from . import _curve_torch

        vector = self._lengths()[name]
        return None if vector is None else _curve_torch.kept_constant_like(vector, x, self._tensors, name)

    def _exact(self, name: str, x: Any) -> Any:
        """Evaluate on mpmath numbers and SymPy expressions, entry by entry."""
        w0 = self._w0
        return map_elements(
            x, lambda i, v: self._exact_entry(name, v, i, None if w0 is None else float(w0[i % len(w0)]))
        )

    # ---- identity ----

    def _key(self) -> tuple[Any, ...]:
        scale = id(self._tensor) if self._held is None else self._held
        return scale, self._k, *(None if v is None else v.tobytes() for v in self._lengths().values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scaled):
            return NotImplemented
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tensors": {}}

    def _repr(self, **arguments: Any) -> str:
        source, way = self._tensor, ""
        if self._held is not None:
            source, way = self._held.source, ".from_log_alpha" if self._held.is_log else ""
        first = repr(source)
        if self._tensor is not None:
            first = f"torch.tensor({float(source.detach())!r}, dtype={source.dtype})"
        given = [f"{k}={vector_text(v) if isinstance(v, np.ndarray) else repr(v)}" for k, v in arguments.items()]
        return f"{type(self).__name__}{way}({', '.join([first, *given])})"


def vector_text(vector: NDArray[np.float64]) -> str:
    """A vector as it is typed; a summary beyond 12 entries."""
    if vector.size <= 12:
        return repr(vector.tolist())
    return f"<{vector.size} entries from {vector.min():.4g} to {vector.max():.4g}>"


def _checked_tensor(alpha: Any) -> Any:
    """`alpha` if it is a torch tensor that can be a scale, None if it is no tensor."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(alpha, torch.Tensor):
        return None
    if alpha.dim() != 0 or not alpha.dtype.is_floating_point:
        raise TypeError(
            f"alpha must be a 0-d floating-point tensor where it is a tensor, "
            f"got one of shape {tuple(alpha.shape)} and dtype {alpha.dtype}"
        )
    Scale(float(alpha.detach()))  # positive and finite, or the error of any other number
    return alpha


def _shape_vector(w0: ArrayLike, k: Any) -> NDArray[np.float64]:
    array: NDArray[Any] = np.array(w0)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"w0 must hold real numbers, got dtype {array.dtype}")
    array = np.abs(array.astype(np.float64))  # the flow does not depend on the signs
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"w0 must have shape (d,), got an array of shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array) | (array == 0.0))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"w0 must have nonzero finite entries, got {np.asarray(w0)[i]} at index {i}")
    largest = max(abs(np.log(array))) * max(2.0 * float(k) - 2.0, float(k))
    if largest > _MAX_LOG_SHAPE:
        raise ValueError(
            f"w0 must vary moderately: its entries to the power 2D - 2 = {2 * float(k) - 2:g} must stay within "
            f"1e±300, got entries between {array.min():g} and {array.max():g}; put a common factor into alpha"
        )
    array.setflags(write=False)
    return array


_MAX_LOG_SHAPE = 690.0
