"""The explicit regularizer of one coordinate on mpmath numbers; the mathematics is that of :mod:`._explicit`."""

from __future__ import annotations

from typing import Any

__all__ = ["explicit_point"]

_STEPS = 200


def explicit_point(ctx: Any, z: Any, D: Any) -> tuple[Any, Any, Any]:
    """``(r_D, r_D', r_D'')`` at ``z >= 0``, to the working precision of `ctx`, for ``D > 2`` in that context."""
    if z == 0:
        return z, z, 1 / D**2
    size = max(0, ctx.mag(ctx.log1p(z))) + max(0, ctx.mag(D))
    with ctx.workprec(ctx.prec + size + 20):
        A, x, y = _solve(ctx, z, D)
        m, whole = D - 2, D * (1 + A)
        E = 1 + (y / x) * (1 - y) ** D / (1 + A) * (1 - m * x) / (1 + m * y)
        slope = 2 * x * (1 + x) / whole
        curvature = 2 * (1 + x) * (1 - m * x) / (whole**2 * E)
        return x * x + y * y, slope, curvature


def _solve(ctx: Any, z: Any, D: Any) -> tuple[Any, Any, Any]:
    """``(A, x, y)``: Newton's method on ``A + B(y) = z`` and the equality of the multipliers."""
    A = max(z / 2, z - ctx.mpf(3) / 4 * z / (z + 1.5))
    x = ctx.expm1(ctx.log1p(A) / D)
    mu = x * (1 + x) / (1 + A)
    y = 2 * mu / (1 + ctx.sqrt(1 + 4 * (D - 1) * mu))
    for _ in range(_STEPS):
        excess = ctx.log(y / x) + (1 - 1 / D) * ctx.log1p(A) - (D - 1) * ctx.log1p(-y)
        B = -ctx.expm1(D * ctx.log1p(-y))
        gap = (A - z) + B
        rate_y = (1 + (D - 2) * y) / (y * (1 - y))
        rate_A = (1 - (D - 2) * x) / (x * D * (1 + A))
        B_y = D * (1 - B) / (1 - y)
        change = (gap - B_y * excess / rate_y) / (1 + B_y * rate_A / rate_y)
        y_change = (excess + rate_A * change) / rate_y
        A = min(max(A - change, z / 2), z)
        y = min(max(y - y_change, y / 4), (1 + y) / 2)
        x = ctx.expm1(ctx.log1p(A) / D)
        # quadratic convergence: the next step would be of the square of this one
        if max(abs(change) / A, abs(y_change) / y) < ctx.ldexp(1, -(ctx.prec // 2) - 4):
            return A, x, y
    raise ArithmeticError(f"Newton's method for the explicit regularizer did not settle at z = {z}, D = {D}")
