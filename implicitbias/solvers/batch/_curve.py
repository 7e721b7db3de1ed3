"""The curve of a regularizer at a scale of its own for every problem of a batch.

With ``level = (alpha w0)^k`` and ``s = (theta + origin) w0^{k-2}``, ``|s| < 1`` at D > 2:

    beta = level h_D(s),    W = d beta / d theta = level w0^{k-2} h_D'(s),    origin = grad reg(beta_0)

`k` is the homogeneity, `D` the depth of the scalar function, ``beta_0`` the reference point. The level is held by
its logarithm, so that alpha may have any size, and differs between problems. What is found here is followed, not
returned: the end is refined with the regularizer itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import special
from ...regularizer import R
from ._problems import constant, namespace

if TYPE_CHECKING:
    from ...regularizer import Q

__all__ = ["BatchCurve"]

_FAR = 200.0
"""Logarithm of ``beta/level`` from which on the leading asymptotics are exact to rounding at every depth."""


class BatchCurve:
    """The curve of `reg` at any scales.

    Parameters
    ----------
    reg
        Where depth, shape and reference point come from.
    like
        An array of the kind and device wanted.
    """

    def __init__(self, reg: Q | R, like: Any) -> None:
        self.xp = namespace(like)
        self.k = float(reg.homogeneity)
        self.D = 4 if isinstance(reg, R) else reg.D  # r = q_4
        self.p = np.inf if self.D == 2 else 1.0 if self.D == np.inf else float(self.D) / (float(self.D) - 2.0)
        w0 = np.ones(1) if reg.w0 is None else reg.w0
        self._log_w0 = constant(np.log(w0), like)
        self._squeeze = constant(w0 ** (self.k - 2.0), like)
        self.bounded = self.D != 2
        reference = getattr(reg, "reference", None)
        self.reference = None if reference is None else constant(reference, like)

    def level(self, log_alpha: Any) -> Any:
        """Logarithm of ``(alpha w0)^k``, ``(B, d)`` or ``(B, 1)``, for ``log_alpha (B,)``."""
        return self.k * (log_alpha[:, None] + self._log_w0)

    def origin(self, level: Any) -> Any:
        """Gradient at the reference point, taken off every gradient; 0 without one."""
        if self.reference is None:
            return self.xp.zeros_like(level)
        return self._gradient(self.reference + 0.0 * level, level)[0]

    def gradient(self, beta: Any, level: Any, origin: Any) -> tuple[Any, Any]:
        """Dual point of a predictor, and W there."""
        theta, weights = self._gradient(beta, level)
        return theta - origin, weights

    def _gradient(self, beta: Any, level: Any) -> tuple[Any, Any]:
        xp = self.xp
        size = xp.log(xp.abs(beta)) - level
        x, far = xp.exp(xp.clip(size, None, _FAR)), size > _FAR
        if self.D == 2:
            s = xp.where(far, size, xp.asinh(0.5 * x))
            weights = xp.hypot(beta, 2.0 * xp.exp(level))
        else:
            slack = xp.where(far, xp.exp(-size / self.p), special.h_inverse_complement(x, self.D))
            s = xp.where(slack < 0.5, 1.0 - slack, special.h_inverse(x, self.D))
            weights = self._slope(slack, level)
        return xp.copysign(s, beta) / self._squeeze, weights

    def _slope(self, slack: Any, level: Any) -> Any:
        """W from ``1 - |s|``."""
        xp, p = self.xp, self.p
        log_slack = xp.log(slack)
        high = xp.exp(level - (p + 1.0) * log_slack)
        low = xp.exp((p + 1.0) * (log_slack - xp.log(2.0 - slack)))
        return p * high * (1.0 + low) * self._squeeze

    def weights_at_zero(self, level: Any) -> Any:
        """W at ``theta = -origin``, where beta is 0."""
        return 2.0 * (1.0 if self.D == 2 else self.p) * self.xp.exp(level) * self._squeeze

    def predictor(self, theta: Any, level: Any, origin: Any) -> Any:
        """Predictor at a dual point; infinite where that is outside the domain."""
        xp = self.xp
        s = (theta + origin) * self._squeeze
        size = xp.abs(s)
        if self.D == 2:
            # the other exponential is taken off as a share of this one
            return xp.copysign(-xp.exp(size + level) * xp.expm1(-2.0 * size), s)
        log_slack = xp.log1p(-xp.clip(size, None, 1.0))
        low = xp.expm1(self.p * (log_slack - xp.log1p(size)))
        return xp.copysign(-xp.exp(level - self.p * log_slack) * low, s)

    def weights(self, theta: Any, level: Any, origin: Any) -> Any:
        """W at a dual point."""
        xp = self.xp
        size = xp.abs((theta + origin) * self._squeeze)
        if self.D == 2:
            return xp.exp(size + level) * (1.0 + xp.exp(-2.0 * size))
        return self._slope(xp.clip(1.0 - size, 0.0, None), level)

    def slack(self, theta: Any, origin: Any) -> Any:
        """Distance of a dual point from the bound, relative to it, ``(B, d)``."""
        return 1.0 - self.xp.abs((theta + origin) * self._squeeze)

    def room(self, theta: Any, along: Any, origin: Any) -> Any:
        """Largest t for which ``theta + t along`` is in the domain, ``(B,)``."""
        xp = self.xp
        if self.D == 2:
            return xp.full_like(theta[:, 0], np.inf)
        s, change = (theta + origin) * self._squeeze, along * self._squeeze
        return xp.amin((1.0 - xp.sign(change) * s) / xp.abs(change), -1)
