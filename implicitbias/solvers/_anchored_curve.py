"""The curve ``beta = b(theta)`` near an anchor, with what is small carried as a number of its own.

Along a trajectory theta nears the end of its domain (D > 2), and training converges: ``1 - |theta|`` and
``y - X beta`` lose their digits if they are formed from theta. Here theta is an anchor plus a small displacement,
and both are followed from anchor to anchor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..special import h_inverse, h_inverse_complement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..regularizer import Q

    Vector = NDArray[np.float64]

__all__ = ["AnchoredCurve"]

_MOST = 600.0
"""Largest exponent that is evaluated: beyond it a step was too long, and sums of such terms must stay finite."""
_OUTSIDE = 1e-6
"""Slack, relative to the anchor's, that stands for what is outside the domain; accepted steps stay far from it."""
_SMALL_ANGLE = 0.3
_SMALL_STEP = 1.0


class AnchoredCurve:
    """``beta`` and ``W = d beta / d theta`` at ``theta = anchor + displacement``.

    Parameters
    ----------
    reg
        Implicit regularizer without a reference point; its gradient is theta.
    beta
        Predictor at the anchor, ``(d,)``.
    """

    def __init__(self, reg: Q, beta: Vector) -> None:
        k = float(reg.homogeneity)
        self.power = np.inf if k == 2.0 else k / (k - 2.0)
        w0 = np.ones(1) if reg.w0 is None else reg.w0
        self.log_level = k * reg.log_alpha + k * np.log(w0)
        self.squeeze = w0 ** (k - 2.0)
        self.beta = beta
        if np.isinf(self.power):
            self._theta = np.asarray(reg.grad(beta))
            return
        with np.errstate(under="ignore"):
            ratio = _log_scaled(beta, self.log_level)
        self._s = np.copysign(np.asarray(h_inverse(ratio, k)), beta)
        near = np.asarray(h_inverse_complement(ratio, k))
        self._plus = np.where(beta > 0.0, near, 1.0 - self._s)
        self._minus = np.where(beta < 0.0, near, 1.0 + self._s)

    @property
    def room(self) -> float:
        """Smallest distance of the anchor from the end of the domain, in units of theta; infinite at D = 2."""
        if np.isinf(self.power):
            return np.inf
        return float((np.minimum(self._plus, self._minus) / self.squeeze).min())

    def __call__(self, displacement: Vector) -> tuple[Vector, Vector, float]:
        """Predictor, W, and the slack left, relative to the anchor's, where it fell the most."""
        if np.isinf(self.power):
            theta = self._theta + displacement
            size = np.abs(theta)
            high = np.exp(np.minimum(size + self.log_level, _MOST))
            ratio = np.expm1(-2.0 * size)
            return np.copysign(high * -ratio, theta), high * (2.0 + ratio), 1.0
        p = self.power
        step = displacement * self.squeeze
        s = self._s + step
        upward = s > 0.0
        before = np.where(upward, self._plus, self._minus)
        near = np.maximum(before - np.where(upward, step, -step), _OUTSIDE * before)
        far = np.where(upward, self._minus + step, self._plus - step)
        log_near = np.log(near)
        # log(near/far) = -2 artanh|s|, in whichever form does not cancel
        small = np.arctanh(np.minimum(np.abs(s), _SMALL_ANGLE))
        angle = np.where(np.abs(s) < _SMALL_ANGLE, -2.0 * small, log_near - np.log(np.maximum(far, near)))
        high = np.exp(np.minimum(self.log_level - p * log_near, _MOST))
        ratio = np.expm1(p * angle)
        weights = p * high * (1.0 / near + (1.0 + ratio) / far) * self.squeeze
        return np.copysign(high * -ratio, s), weights, float((near / before).min())

    def change(self, displacement: Vector, beta: Vector) -> Vector:
        """Change of the predictor from the anchor to `beta`, the predictor there, to its own digits."""
        if np.isinf(self.power):
            half = 0.5 * np.clip(displacement, -_SMALL_STEP, _SMALL_STEP)
            middle = np.abs(self._theta + half)
            cosine = np.exp(np.minimum(middle + self.log_level, _MOST)) * (1.0 + np.exp(-2.0 * middle))
            small = np.abs(displacement) < _SMALL_STEP
            return np.where(small, 2.0 * np.sinh(half) * cosine, beta - self.beta)
        step = displacement * self.squeeze
        up = self._power_change(self._plus, -step)
        return up - self._power_change(self._minus, step)

    def _power_change(self, slack: Vector, step: Vector) -> Vector:
        """``level ((slack + step)^-p - slack^-p)``."""
        growth = np.log1p(np.maximum(step / slack, _OUTSIDE - 1.0))
        high = np.exp(np.minimum(self.log_level - self.power * np.log(slack), _MOST))
        return np.asarray(high * np.expm1(np.minimum(-self.power * growth, _MOST)))

    def move(self, displacement: Vector) -> None:
        """Make ``anchor + displacement`` the anchor."""
        self.beta = self(displacement)[0]
        if np.isinf(self.power):
            self._theta = self._theta + displacement
            return
        step = displacement * self.squeeze
        self._s = self._s + step
        self._plus = np.maximum(self._plus - step, _OUTSIDE * self._plus)
        self._minus = np.maximum(self._minus + step, _OUTSIDE * self._minus)


def _log_scaled(beta: Vector, log_level: Vector) -> Vector:
    """``|beta| / level``, at most the largest float: the slack is then below the range of floats all the same."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.minimum(np.log(np.abs(beta)) - log_level, 709.0)))
