"""From the weights at the start of training to the scale that the flow conserves and the predictor it starts at.

Along the flow ``w_+ w_-`` (D = 2) or ``w_+^{2-D} + w_-^{2-D}`` (D > 2) keeps its value: the weights move on the
curve of a balanced start of scale a, where that value is ``a^2`` or ``2 a^{2-D}``, only from another point of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

__all__ = ["common_factor", "of_network", "of_product", "reference_vector"]


def of_network(w_plus: ArrayLike, w_minus: ArrayLike, D: Any) -> tuple[Vector, Vector]:
    """Scales ``a (d,)`` and predictor ``w_+^D - w_-^D (d,)`` of a network of validated depth D."""
    plus, minus = _pair("w_plus", w_plus, "w_minus", w_minus)
    even = float(D) % 2.0 == 0.0
    for name, vector in (("w_plus", plus), ("w_minus", minus)):
        bad = np.flatnonzero(vector == 0.0 if even else vector <= 0.0)
        if bad.size:
            i, accepted = int(bad[0]), "nonzero (a weight of zero stays there)" if even else "positive"
            raise ValueError(f"{name} must be {accepted} at depth {D}, got {vector[i]} at index {i}")
    plus, minus = np.abs(plus), np.abs(minus)
    depth, excess = float(D), float(D) - 2.0
    low, high = np.minimum(plus, minus), np.maximum(plus, minus)
    with np.errstate(all="ignore"):
        # log(low/high), accurate also where the two are close
        ratio = np.where(low > 0.5 * high, np.log1p((low - high) / high), np.log(low) - np.log(high))
        size = np.where(depth * ratio < -1.0, high**depth - low**depth, high**depth * -np.expm1(depth * ratio))
        reference = np.copysign(size, plus - minus)
        # a = low ((1 + (low/high)^{D-2})/2)^{-1/(D-2)}
        mean = -0.5 * ratio if excess == 0.0 else -np.log1p(0.5 * np.expm1(excess * ratio)) / excess
        scale = low * np.exp(mean)
    bad = np.flatnonzero(~np.isfinite(reference) | ((reference == 0.0) & (plus != minus)) | ~np.isfinite(scale))
    if bad.size:
        i = int(bad[0])
        raise ValueError(
            f"w_plus**D - w_minus**D must stay within the range of float64, got w_plus = {plus[i]} and "
            f"w_minus = {minus[i]} at index {i} with D = {D}"
        )
    return scale, reference


def of_product(u: ArrayLike, v: ArrayLike) -> tuple[Vector, Vector]:
    """Scales ``a (d,)``, ``2 a^2 = |u^2 - v^2|/2``, and predictor ``u * v (d,)``."""
    first, second = _pair("u", u, "v", v)
    bad = np.flatnonzero(np.abs(first) == np.abs(second))
    if bad.size:
        i = int(bad[0])
        raise ValueError(
            f"u and v must differ in absolute value, got u = {first[i]} and v = {second[i]} at index {i}: "
            f"from there the flow keeps |u| = |v| and the sign of u v"
        )
    with np.errstate(all="ignore"):
        reference = first * second
        # halves first: u + v may overflow where the scale does not
        scale = np.sqrt(np.abs(0.5 * first - 0.5 * second)) * np.sqrt(np.abs(0.5 * first + 0.5 * second))
    bad = np.flatnonzero(~np.isfinite(reference) | ((reference == 0.0) & (first != 0.0) & (second != 0.0)))
    if bad.size:
        i = int(bad[0])
        raise ValueError(
            f"u * v must stay within the range of float64, got u = {first[i]} and v = {second[i]} at index {i}"
        )
    return scale, reference


def common_factor(scale: Vector) -> tuple[float, Vector | None]:
    """``(alpha, w0)`` with ``scale = alpha w0`` exactly; alpha is the common value, or a power of two."""
    if (scale == scale[0]).all():
        return float(scale[0]), None
    alpha = math.ldexp(1.0, int(np.clip(np.rint(np.mean(np.log2(scale))), -1000, 1000)))
    return alpha, scale / alpha


def reference_vector(reference: ArrayLike, w0: Vector | None) -> Vector | None:
    """`reference` as a read-only vector, None where it is zero throughout."""
    vector = _real_vector("reference", reference)
    if w0 is not None and vector.shape != w0.shape:
        raise ValueError(f"reference must have the shape of w0, {w0.shape}, got {vector.shape}")
    if not vector.any():
        return None
    vector.setflags(write=False)
    return vector


def _pair(name: str, one: ArrayLike, other_name: str, other: ArrayLike) -> tuple[Vector, Vector]:
    vectors = _real_vector(name, one), _real_vector(other_name, other)
    if vectors[0].shape != vectors[1].shape:
        raise ValueError(
            f"{name} and {other_name} must have one shape (d,), got {vectors[0].shape} and {vectors[1].shape}"
        )
    return vectors


def _real_vector(name: str, given: ArrayLike) -> Vector:
    array: NDArray[Any] = np.array(given)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    array = array.astype(np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must have shape (d,), got an array of shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"{name} must be finite, got {array[i]} at index {i}")
    return array
