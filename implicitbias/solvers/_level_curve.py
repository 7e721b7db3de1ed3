"""Predictor and curvature as functions of the dual point, for the iterations: fast, and in log scale throughout.

``beta = level h_D(s)`` and ``W = d beta / d theta`` with ``s = theta w0^{k-2}``, ``level = (alpha w0)^k``. They are
right to rounding relative to W, which is what Newton's method needs. What is returned to a user is computed by the
regularizer itself, to the last place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..regularizer import R

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q

    Vector = NDArray[np.float64]

__all__ = ["LevelCurve"]


class LevelCurve:
    """The curve of a regularizer at one scale.

    Attributes
    ----------
    invertible
        Whether it has an inverse in closed form.
    power
        ``p = D/(D-2)``, infinite at D = 2.
    log_level
        Logarithm of the level, ``()`` or ``(d,)``.

    Parameters
    ----------
    reg
        Regularizer with a depth, a scale and perhaps a shape.
    """

    def __init__(self, reg: Q | R) -> None:
        k = float(reg.homogeneity)
        depth = 4.0 if isinstance(reg, R) else k  # at depth 2, r = q_4
        self.invertible = depth == 2.0
        self.power = np.inf if depth == 2.0 else depth / (depth - 2.0)
        self.log_level: Any = np.float64(k * reg.log_alpha)
        self._squeeze: Any = None
        self._origin = reg.dual_origin
        if reg.w0 is not None:
            self.log_level = self.log_level + k * np.log(reg.w0)
            self._squeeze = None if k == 2.0 else reg.w0 ** (k - 2.0)
        self._shifted = np.ndim(self._origin) > 0 or self._origin != 0.0

    def __call__(self, theta: Vector) -> tuple[Vector, Vector]:
        """``(beta, W)`` at ``theta = X^T nu``; infinite outside the domain."""
        s = theta + self._origin if self._shifted else theta
        if self._squeeze is not None:
            s = s * self._squeeze
        size = np.abs(s)
        if np.isinf(self.power):
            high = np.exp(size + self.log_level)
            ratio = np.expm1(-2.0 * size)  # the other exponential over this one, less 1
            return np.copysign(high * -ratio, s), high * (2.0 + ratio)
        p = self.power
        slack = np.maximum(1.0 - size, 0.0)
        log_slack = np.log(slack)
        high = np.exp(self.log_level - p * log_slack)
        ratio = np.expm1(-2.0 * p * np.arctanh(np.minimum(size, 1.0)))
        weight = p * high * (1.0 / slack + (1.0 + ratio) / (1.0 + size))
        if self._squeeze is not None:
            weight = weight * self._squeeze
        return np.copysign(high * -ratio, s), weight

    def inverse(self, beta: Vector) -> tuple[Vector, Vector]:
        """``(theta, W)`` at a predictor, at depth 2."""
        level = np.exp(self.log_level)
        weight = np.hypot(beta, 2.0 * level)
        size = np.abs(beta)
        # arcsinh(beta / (2 level)), in whichever form neither cancels nor overflows
        small = np.arcsinh(0.5 * size / np.maximum(level, np.finfo(float).tiny))
        theta = np.where(size > level, np.log(0.5 * (size + weight)) - self.log_level, small)
        return np.copysign(theta, beta) - self._origin, weight
