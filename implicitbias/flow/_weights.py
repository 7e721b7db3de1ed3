"""Weights of the network from its predictor: on the flow's curve the one determines the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..special import h_inverse, h_inverse_complement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q

__all__ = ["network_weights"]


def network_weights(reg: Q, beta: NDArray[Any], *, exact: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """``w_+`` and ``w_-``, ``(k, d)`` each, with ``beta = w_+^D - w_-^D``, from the conserved quantity.

    ``w_+ w_- = a^2`` at D = 2, ``w_+^{2-D} + w_-^{2-D} = 2 a^{2-D}`` beyond, with ``a = alpha w0``. With `exact`,
    mpmath numbers at the precision in force.
    """
    if exact:
        return _exact(reg, beta)
    D = float(reg.D)
    log_a = reg.log_alpha + np.log(np.ones(beta.shape[1]) if reg.w0 is None else reg.w0)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        if D == 2.0:
            half = 0.5 * np.asarray(reg.without_reference().grad(beta))
            return np.exp(log_a + half), np.exp(log_a - half)
        ratio = np.exp(np.minimum(np.log(np.abs(beta)) - D * log_a, 709.0))
        near = np.log(np.asarray(h_inverse_complement(ratio, D)))
        far = np.log1p(np.asarray(h_inverse(ratio, D)))
    large, small = np.exp(log_a - near / (D - 2.0)), np.exp(log_a - far / (D - 2.0))
    return np.where(beta >= 0.0, large, small), np.where(beta >= 0.0, small, large)


def _exact(reg: Q, beta: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    import mpmath

    from ..special._multiprecision import as_mpf

    D = as_mpf(mpmath.mp, reg.D)
    alpha = mpmath.exp(reg._scale.log(mpmath.mp))
    plus, minus = np.empty_like(beta), np.empty_like(beta)
    for (i, j), b in np.ndenumerate(beta):
        a = alpha if reg.w0 is None else alpha * mpmath.mpf(float(reg.w0[j]))
        if D == 2:
            root = mpmath.hypot(b, 2 * a * a)
            large = mpmath.sqrt((abs(b) + root) / 2)
            small = a * a / large
        else:
            t = abs(b) / a**D
            large = a * h_inverse_complement(t, reg.D) ** (-1 / (D - 2))
            small = a * (1 + h_inverse(t, reg.D)) ** (-1 / (D - 2))
        plus[i, j], minus[i, j] = (large, small) if b >= 0 else (small, large)
    return plus, minus
