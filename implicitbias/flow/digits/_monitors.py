"""What the exact flow conserves, recomputed from the predictor by other code than that of the integrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mpmath

from ...special._depth import exact_depth
from ...special._multiprecision import as_mpf

if TYPE_CHECKING:
    from ._system import System

__all__ = ["conserved_drift"]


def conserved_drift(system: System, nu: list[Any], bits: int) -> float:
    """Largest relative deviation of ``u_+ u_-`` (D = 2) or ``u_+^{2-D} + u_-^{2-D}`` from its value at the start.

    The smaller weight comes from the dual variable, the larger one from the predictor as the regularizer has it:
    ``u_L^D = |w| + u_S^D``.
    """
    ctx = mpmath.mp.clone()
    ctx.prec = bits + 32
    reg = system.reg
    depth = as_mpf(ctx, exact_depth(reg.D))
    alpha = reg._scale.power(ctx, ctx.one)
    dual = [ctx.make_mpf(v._mpf_) for v in nu]
    worst = ctx.zero
    base = reg if reg.reference is None else reg.without_reference()
    theta = [
        ctx.fdot([(v, ctx.mpf(float(a))) for v, a in zip(dual, column, strict=True)]) for column in system.rows.T
    ]
    if reg.reference is not None:
        origin = base.grad([ctx.mpf(float(v)) for v in reg.reference])
        theta = [t + o for t, o in zip(theta, origin, strict=True)]
    predictor = base.grad_conjugate(theta)
    for i, (t, w) in enumerate(zip(theta, predictor, strict=True)):
        unit = alpha * (1 if reg.w0 is None else ctx.mpf(float(abs(reg.w0[i]))))
        if reg.D == 2:
            small = unit * ctx.exp(-abs(t) / 2)
            large = ctx.sqrt(abs(w) + small * small)
            deviation = small * large / unit**2 - 1
        else:
            z = abs(t) * (1 if reg.w0 is None else ctx.mpf(float(abs(reg.w0[i]))) ** (depth - 2))
            small = unit * (1 + z) ** (-1 / (depth - 2))
            large = (abs(w) + small**depth) ** (1 / depth)
            deviation = (small ** (2 - depth) + large ** (2 - depth)) / (2 * unit ** (2 - depth)) - 1
        worst = max(worst, abs(deviation))
    return float(worst)
