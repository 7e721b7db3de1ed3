"""The implicit regularizer `Q` and the explicit one, `R`: a scalar function, a scale and a shape."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._namespace import Kind, blockwise, map_elements, shape_of
from ..special._depth import validate_depth
from . import _exact
from ._base import Regularizer
from ._curve import ScaledCurve
from ._scale import Scale

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Q", "R"]


class _Scaled(Regularizer):
    """``sum_i w0_i^2 S(beta_i / w0_i^k)`` with ``S(b) = alpha^k q_D(b / alpha^k)``.

    `D` is the depth of the scalar function, `k` the power that turns the scale of the weights into that of
    the predictor.
    """

    def __init__(self, scale: Scale, D: Any, k: Any, w0: ArrayLike | None) -> None:
        self._D, self._k = D, k
        self._w0 = None if w0 is None else _shape_vector(w0, k)
        self._set_scale(scale)
        self._w0_tensors: dict[Any, Any] = {}

    def _set_scale(self, scale: Scale) -> None:
        self._scale = scale
        self._curve = None if scale.symbol is not None else ScaledCurve(self._D, scale.binary_power(self._k))

    @property
    def w0(self) -> NDArray[np.float64] | None:
        """Shape of the initialization, ``(d,)``, read-only; None for all ones."""
        return self._w0

    @property
    def log_alpha(self) -> float:
        """Natural logarithm of alpha, as a float."""
        return self._scale.log_float()

    @property
    def dual_bound(self) -> Any:
        """Bound of ``|theta_i|``: ``w0_i^{2-D}`` for Q at D > 2, infinite at D = 2."""
        if self._D == 2:
            return np.float64(np.inf)
        return np.float64(1.0) if self._w0 is None else self._w0 ** (2.0 - float(self._k))

    @property
    def homogeneity(self) -> Any:
        """Power k by which the predictor grows with the weights: ``beta`` scales as ``alpha^k w0^k``."""
        return self._k

    def at_log_alpha(self, log_alpha: Any) -> Self:
        """Return the same regularizer at another scale, given by its natural logarithm."""
        other = copy.copy(self)  # shares the shape, which is not validated again
        other._set_scale(Scale(log_alpha, is_log=True, name="log_alpha"))
        return other

    def _evaluate(self, name: str, x: Any, kind: Kind) -> Any:
        if self._w0 is not None:
            shape = shape_of(x)
            if shape[-1:] != self._w0.shape:
                raise ValueError(
                    f"the argument must have the length of w0 along its last axis, "
                    f"got shape {shape} for w0 of shape {self._w0.shape}"
                )
        return {Kind.NUMPY: self._numpy, Kind.TORCH: self._torch}.get(kind, self._exact)(name, x)

    def _shaped(self, name: str, x: Any, w0: Any, function: Callable[[Any], Any]) -> Any:
        """Apply the named relative of S inside the powers of `w0` that belong to it."""
        if w0 is None:
            return function(x)
        inner, outer = _exact.shape_exponents(name, self._k)
        return w0**outer * function(x * w0**inner)

    def _float_curve(self) -> ScaledCurve:
        if self._curve is None:
            self._scale.require_number()
        return self._curve  # type: ignore[return-value]  # None only for a symbolic alpha, which has raised

    def _numpy(self, name: str, x: Any) -> Any:
        kernel = getattr(self._float_curve(), name)
        with np.errstate(all="ignore"):  # 0 and infinity are the correctly rounded results where they occur
            return self._shaped(name, np.asarray(x), self._w0, lambda b: blockwise(kernel, b, widen=True))

    def _torch(self, name: str, x: Any) -> Any:
        from . import _curve_torch

        c, w0 = self._float_curve().c, None
        if self._w0 is not None:
            w0 = _curve_torch.kept_constant_like(self._w0, x, self._w0_tensors)
        return self._shaped(name, x, w0, lambda b: _curve_torch.evaluate(name, b, self._D, c))

    def _exact(self, name: str, x: Any) -> Any:
        """Evaluate on mpmath numbers and SymPy expressions, entry by entry."""

        def entry(index: int, value: Any) -> Any:
            w0 = None if self._w0 is None else float(self._w0[index % len(self._w0)])
            return _exact.evaluate(name, value, self._D, self._scale, self._k, w0)

        return map_elements(x, entry)

    def _key(self) -> tuple[Any, ...]:
        return self._scale, self._D, self._k, None if self._w0 is None else self._w0.tobytes()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Scaled):
            return NotImplemented
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_w0_tensors": {}}

    def _repr(self, *extra: str) -> str:
        arguments = [*extra]
        if self._w0 is not None:
            arguments.append(f"w0={self._w0.tolist()!r}")
        if self._scale.is_log:
            return f"{type(self).__name__}.from_log_alpha({', '.join([repr(self._scale.source), *arguments])})"
        return f"{type(self).__name__}({', '.join([repr(self._scale.source), *arguments])})"


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


class Q(_Scaled):
    """Implicit regularizer of gradient flow on a depth-D diagonal network started at scale alpha.

    ``Q(beta) = alpha^D sum_i w0_i^2 q_D(beta_i / (alpha w0_i)^D)``

    Gradient flow on the squared loss of ``beta = w_+^D - w_-^D`` from ``w_+ = w_- = alpha w0`` ends, if it fits
    the data, at the minimizer of Q among all predictors that do.

    Parameters
    ----------
    alpha
        Scale of initialization, positive: ``float``, ``int``, decimal string (``"1e-4350"``), mpmath number, or a
        SymPy expression (then Q takes SymPy expressions only). Held exactly.
    D
        Depth, a real number ``>= 2``, finite.
    w0
        Shape of the initialization, ``(d,)``, nonzero; signs do not matter. None means all ones.

    Raises
    ------
    TypeError
        If an argument is not real, or kinds are mixed.
    ValueError
        If ``alpha <= 0``, ``D < 2``, an entry of `w0` is zero, an argument is not finite, or shapes differ.

    Notes
    -----
    Woodworth et al. (2020): Theorem 1 (eq. 5, D = 2, any shape) and Theorem 3 (eq. 60, D > 2, ``w0 = 1``); the
    shape for D > 2 is derived in ``derivations/depth.py``. As ``alpha -> 0`` minimizing Q means minimizing
    ``sum w0_i^{2-D} |beta_i|``, as ``alpha -> inf`` ``sum beta_i^2 / w0_i^{2(D-1)}``.

    In float64 every value is right to a few units in the last place, from ``alpha = 1e300`` to
    ``alpha = 10^-4000000``. Two roundings of `w0` powers add to that where a shape is given.

    Examples
    --------
    >>> Q(1)([3.0])
    np.float64(1.978743151175391)
    >>> Q("1e-4350").grad(0.5)
    np.float64(20031.79698370704)
    """

    def __init__(self, alpha: Any, D: Any = 2, w0: ArrayLike | None = None) -> None:
        D = _finite_depth(D)
        super().__init__(alpha if isinstance(alpha, Scale) else Scale(alpha), D, D, w0)

    @classmethod
    def from_log_alpha(cls, log_alpha: Any, D: Any = 2, w0: ArrayLike | None = None) -> Q:
        """Regularizer given the natural logarithm of alpha, for scales that no float holds."""
        return cls(Scale(log_alpha, is_log=True, name="log_alpha"), D, w0)

    @property
    def D(self) -> Any:
        """Depth."""
        return self._D

    def __repr__(self) -> str:
        return self._repr(f"D={self._D!r}")


def _finite_depth(D: Any) -> Any:
    D = validate_depth(D)
    if D == float("inf"):
        raise ValueError("D must be a finite real number >= 2, got inf; special.q takes the limit D = inf")
    return D


class R(_Scaled):
    """Explicit regularizer at depth 2: the cost of moving the weights away from where they started.

    ``R(beta) = min ||w - alpha w0||^2  s.t.  w_+^2 - w_-^2 = beta``
    ``        = alpha^2 sum_i w0_i^2 r(beta_i / (alpha w0_i)^2)``,  with ``r = q_4``

    Parameters
    ----------
    alpha, w0
        As for :class:`Q`.

    Notes
    -----
    Woodworth et al. (2020), Section 4; printed there without the factor ``alpha^2``.
    """

    def __init__(self, alpha: Any, w0: ArrayLike | None = None) -> None:
        super().__init__(alpha if isinstance(alpha, Scale) else Scale(alpha), 4, 2, w0)

    @classmethod
    def from_log_alpha(cls, log_alpha: Any, w0: ArrayLike | None = None) -> R:
        """Regularizer given the natural logarithm of alpha."""
        return cls(Scale(log_alpha, is_log=True, name="log_alpha"), w0)

    def __repr__(self) -> str:
        return self._repr()
