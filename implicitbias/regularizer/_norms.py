"""The limits of the implicit regularizer: the l1 and the squared l2 norm, weighted."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._namespace import Kind, map_elements, shape_of
from ._base import Regularizer
from ._scaled import vector_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["L1", "L2"]


class _Weighted(Regularizer):
    """A norm with positive weights, or with ones."""

    def __init__(self, weights: ArrayLike | None = None) -> None:
        self._weights = None if weights is None else _positive_vector(weights)

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Weights, ``(d,)``, read-only, or None."""
        return self._weights

    def _check_length(self, x: Any) -> None:
        if self._weights is not None and shape_of(x)[-1:] != self._weights.shape:
            raise ValueError(
                f"the argument must have the length of weights along its last axis, got shape {shape_of(x)} "
                f"for weights of shape {self._weights.shape}"
            )

    def restricted(self, columns: Any) -> Self:
        """Return the same regularizer on some of the coordinates (an index array, mask or slice)."""
        other = copy.copy(self)
        other._weights = None if self._weights is None else self._weights[columns]
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._weights is None else f'weights={vector_text(self._weights)}'})"

    def _key(self) -> tuple[Any, ...]:
        return type(self), None if self._weights is None else self._weights.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Weighted) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


class L1(_Weighted):
    """The weighted l1 norm, ``sum_i weights_i |beta_i|``; its gradient is ``weights_i`` times the sign, 0 at 0.

    The rich limit of `Q` at depth D is this with ``weights = w0^{2-D}``. The conjugate is the indicator of
    ``|theta_i| <= weights_i`` and has no gradient.

    Parameters
    ----------
    weights
        Positive finite weights, ``(d,)``; None for all ones.

    Raises
    ------
    ValueError
        If a weight is not positive and finite, or an argument is of another length.
    """

    @property
    def dual_bound(self) -> Any:
        """Bound of ``|theta_i|``: the weights."""
        return np.float64(1.0) if self._weights is None else self._weights

    def _evaluate(self, name: str, x: Any, kind: Kind) -> Any:
        if name in {"curve", "curve_slope"}:
            raise NotImplementedError("the conjugate of the l1 norm is an indicator: it has no gradient")
        self._check_length(x)
        weights = self._weights
        if kind is Kind.NUMPY:
            with np.errstate(over="ignore"):  # infinity is the correctly rounded result
                return self._float(np, name, _float_array(x), weights)
        if kind is Kind.TORCH:
            import torch

            from . import _curve_torch

            real = _curve_torch.as_real(x)
            return self._float(
                torch, name, real, None if weights is None else _curve_torch.constant_like(weights, real)
            )
        import mpmath
        import sympy

        sign = sympy.sign if kind is Kind.SYMPY else mpmath.sign
        infinity = sympy.oo if kind is Kind.SYMPY else mpmath.inf
        entry: dict[str, Callable[[Any, Any], Any]] = {
            "value": lambda v, w: w * abs(v),
            "slope": lambda v, w: w * sign(v),
            "curvature": lambda v, w: v * 0,
            "conjugate": lambda v, w: v * 0 if bool(abs(v) <= w) else infinity,
        }
        # a float64 weight multiplies an mpmath or SymPy number exactly as it stands
        return map_elements(
            x, lambda i, v: entry[name](v, 1 if weights is None else float(weights[i % weights.size]))
        )

    @staticmethod
    def _float(xp: Any, name: str, x: Any, weights: Any) -> Any:
        if name == "curvature":
            return xp.zeros_like(x)
        if name == "conjugate":
            return xp.where(xp.abs(x) <= (1.0 if weights is None else weights), 0.0, math.inf)
        plain = xp.abs(x) if name == "value" else xp.sign(x)
        return plain if weights is None else weights * plain


class L2(_Weighted):
    """Half the squared weighted l2 norm, ``sum_i weights_i beta_i^2 / 2``.

    The kernel limit of `Q` orders predictors as ``weights = w0^{-2(D-1)}`` does.

    Parameters
    ----------
    weights
        Positive finite weights, ``(d,)``; None for all ones.

    Raises
    ------
    ValueError
        If a weight is not positive and finite, or an argument is of another length.
    """

    def _evaluate(self, name: str, x: Any, kind: Kind) -> Any:
        self._check_length(x)
        weights = self._weights
        terms: dict[str, Callable[[Any, Any], Any]] = {
            "value": lambda v, w: w * (v * v) / 2,
            "slope": lambda v, w: w * v,
            "curvature": lambda v, w: w + v * 0,
            "conjugate": lambda v, w: (v * v) / (w * 2),
            "curve": lambda v, w: v / w,
            "curve_slope": lambda v, w: 1 / (w + v * 0),
        }
        term = terms[name]
        if kind is Kind.NUMPY:
            with np.errstate(over="ignore"):  # infinity is the correctly rounded result
                return term(_float_array(x), 1.0 if weights is None else weights)
        if kind is Kind.TORCH:
            from . import _curve_torch

            return term(_curve_torch.as_real(x), 1 if weights is None else _curve_torch.constant_like(weights, x))
        # a float64 weight multiplies an mpmath or SymPy number exactly as it stands
        return map_elements(x, lambda i, v: term(v, 1 if weights is None else float(weights[i % weights.size])))


def _float_array(x: Any) -> NDArray[Any]:
    """`x` as an array of floats: products of short integers would wrap around."""
    array: NDArray[Any] = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _positive_vector(weights: ArrayLike) -> NDArray[np.float64]:
    array: NDArray[np.float64] = np.array(weights, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"weights must have shape (d,), got an array of shape {array.shape}")
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0.0)))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"weights must be positive and finite, got {array[i]} at index {i}")
    array.setflags(write=False)
    return array
