"""The explicit regularizer `R`: the cost of moving the weights away from where they started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _exact
from ._curve import ScaledCurve
from ._explicit import ExplicitCurve
from ._implicit import finite_depth
from ._scale import Scale
from ._scaled import Scaled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .._namespace import Kind

__all__ = ["R"]


class R(Scaled):
    """Explicit regularizer at depth D: the cost of moving the weights away from where they started.

    ``R(beta) = min ||w - alpha w0||^2  s.t.  w_+^D - w_-^D = beta,  w >= 0``
    ``        = alpha^2 sum_i w0_i^2 r_D(beta_i / (alpha w0_i)^D)``,  with ``r_2 = q_4``

    Parameters
    ----------
    alpha, w0
        As for :class:`Q`.
    D
        Depth, a real number ``>= 2``, finite.

    Raises
    ------
    NotImplementedError
        At D > 2, for the conjugate and its derivatives, and for SymPy expressions.
    TypeError, ValueError
        As for :class:`Q`.

    Notes
    -----
    Woodworth et al. (2020), Section 4 (D = 2; printed there without the factor ``alpha^2``) and Section 5, where
    ``alpha = 0`` gives ``sum |beta_i|^{2/D}``.

    At D = 2, R is convex, and is ``Q(sqrt(alpha), 4)`` at ``w0 = 1``. At D > 2 it is convex where
    ``|beta_i| <= (alpha w0_i)^D z*`` only (:attr:`convex_radius`); beyond, it is concave and grows like
    ``|beta_i|^{2/D}``, slower than any linear function, so that its conjugate is infinite but at 0
    (``derivations/explicit_depth.py``). In float64 value, gradient and Hessian are then right to 2e-15,
    relatively, up to D = 10 and to ``D * 2e-16`` beyond, at every magnitude; near the point where the Hessian
    changes sign, that is relative to its size at some distance. R has no reference point: it is a distance
    between weights, and taking its tangent plane off would leave no such distance.
    """

    def __init__(self, alpha: Any, w0: ArrayLike | None = None, *, D: Any = 2) -> None:
        self._D = finite_depth(D)
        super().__init__(alpha, self._D, w0)

    @classmethod
    def from_log_alpha(cls, log_alpha: Any, w0: ArrayLike | None = None, *, D: Any = 2) -> R:
        """Regularizer given the natural logarithm of alpha."""
        return cls(Scale(log_alpha, is_log=True, name="log_alpha"), w0, D=D)

    @property
    def D(self) -> Any:
        """Depth of the network whose weights are measured."""
        return self._D

    @property
    def convex_radius(self) -> float:
        """``z*``: coordinate i is convex exactly where ``|beta_i| <= (alpha w0_i)^D z*``; infinite at D = 2.

        ``z* = (1+x)^D - (1-y)^D`` with ``x = 1/(D-2)`` and ``y (1-y)^{1-D} = x (1+x)^{1-D}``.
        """
        if self._D == 2:
            return float("inf")
        return _radius(float(self._D))

    @property
    def dual_bound(self) -> Any:
        """Bound of ``|theta_i|`` at D = 2: 1. At D > 2 there is no conjugate."""
        return np.float64(1.0)

    def _curve_of(self, scale: Scale) -> Any:
        c = scale.binary_power(self._k)
        if self._D == 2:
            return ScaledCurve(4, c)
        return ExplicitCurve(self._D, scale.binary_power(1), c)

    def _evaluate(self, name: str, x: Any, kind: Kind) -> Any:
        if self._D != 2 and name in {"conjugate", "curve", "curve_slope"}:
            raise NotImplementedError(
                f"R at depth {self._D} grows like |beta|^(2/D), slower than any linear function: its conjugate "
                f"is infinite but at 0 and has no gradient; R has one at D = 2, and Q at every depth"
            )
        return super()._evaluate(name, x, kind)

    def _torch_curve(self, name: str, x: Any) -> Any:
        if self._tensor is not None:
            from . import _learnable

            family = _learnable.Family(4 if self._D == 2 else self._D, self._k, 2, explicit=self._D != 2)
            return _learnable.evaluate(name, x, self._tensor, family)
        from . import _curve_torch

        curve = self._float_curve()
        if self._D == 2:
            return _curve_torch.evaluate(name, x, 4, curve.c)
        return _curve_torch.evaluate_explicit(name, x, self._D, curve.alpha, curve.c)

    def _exact_entry(self, name: str, x: Any, index: int, w0: float | None) -> Any:
        if self._D == 2:
            return _exact.evaluate(name, x, 4, self._scale, self._k, w0)
        return _exact.evaluate_explicit(name, x, self._D, self._scale, w0)

    def __repr__(self) -> str:
        arguments = {} if self._w0 is None else {"w0": self._w0}
        return self._repr(**arguments, **({} if self._D == 2 else {"D": self._D}))


def _radius(D: float) -> float:
    x = 1.0 / (D - 2.0)
    mu = x * (1.0 + x) ** (1.0 - D)
    y = 2.0 * mu / (1.0 + np.sqrt(1.0 + 4.0 * (D - 1.0) * mu))
    for _ in range(60):
        # log y - (D-1) log(1-y) is concave in y: Newton's method from above
        step = (np.log(y / mu) - (D - 1.0) * np.log1p(-y)) * y * (1.0 - y) / (1.0 + (D - 2.0) * y)
        y -= step
        if abs(step) <= 4e-16 * y:
            break
    return float(np.expm1(D * np.log1p(x)) - np.expm1(D * np.log1p(-y)))
