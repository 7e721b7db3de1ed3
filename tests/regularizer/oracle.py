"""The scalar functions from their definitions, in mpmath at a precision of its own, for the tests to compare with.

Nothing of the package is used. For D > 2 the root of ``h_D(s) = t`` is bracketed in ``phi = atanh(s)`` where
``log h_D = log 2 + p log cosh(phi) + log sinh(p phi)`` increases; ``1 - s = 2/(1 + e^{2 phi})`` keeps its digits
however small it is. For ``|t| < 1e-45`` the leading terms of the Taylor series are exact to the digits carried.
"""

from __future__ import annotations

from fractions import Fraction

import mpmath

ctx = mpmath.mp.clone()
ctx.dps = 90

NAMES = ("value", "grad", "hess_diag")
DUAL_NAMES = ("conjugate", "grad_conjugate", "hess_diag_conjugate")


def number(value):
    """Exact value of a decimal string or a number, as an mpf of the oracle."""
    if isinstance(value, str):
        return ctx.mpf(value)
    if hasattr(value, "_mpf_"):
        return ctx.make_mpf(value._mpf_)
    fraction = Fraction(value)
    return ctx.mpf(fraction.numerator) / fraction.denominator


def _exponent(D):
    D = number(D)
    return D / (D - 2)


def _root(t, p):
    """``(s, 1 - s)`` with ``(1-s)^-p - (1+s)^-p = t > 0``."""

    def excess(phi):
        # log sinh and log cosh with the growing exponential taken out
        log_sinh = p * phi + ctx.log(-ctx.expm1(-2 * p * phi) / 2)
        log_cosh = phi + ctx.log1p(ctx.expm1(-2 * phi) / 2)
        return ctx.log(2) + p * log_cosh + log_sinh - ctx.log(t)

    low, high = t / (8 * p * (1 + t)), ctx.asinh(t / 2) + 1
    while excess(low) > 0:
        low /= 2
    while excess(high) < 0:
        high *= 2
    phi = ctx.findroot(excess, (low, high), solver="anderson", tol=ctx.mpf(10) ** -160, verify=False, maxsteps=400)
    residual = abs(excess(phi))
    assert residual < ctx.mpf(10) ** (-60), f"the oracle did not settle at t = {t}: {residual}"
    return ctx.tanh(phi), 2 / (1 + ctx.exp(2 * phi))


def q(t, D):
    """``(q, q', q'')`` at t."""
    t = abs(t)
    if D == 2:
        if t < ctx.mpf("1e-45"):
            return t * t / 4 - t**4 / 192, t / 2 - t**3 / 48, 1 / ctx.sqrt(4 + t * t)
        with ctx.workdps(2 * ctx.dps + 100):
            value = t * ctx.asinh(t / 2) - ctx.sqrt(4 + t * t) + 2
        return value, ctx.asinh(t / 2), 1 / ctx.sqrt(4 + t * t)
    p = _exponent(D)
    if t < ctx.mpf("1e-45"):
        return t * t / (4 * p), t / (2 * p), 1 / (2 * p)
    with ctx.workdps(2 * ctx.dps + 100):
        p = _exponent(D)
        s, u = _root(t, p)
        m = p - 1
        value = t * s - (u**-m + (1 + s) ** -m - 2) / m
        second = 1 / (p * (u ** (-p - 1) + (1 + s) ** (-p - 1)))
    return value, s, second


def h(s, D):
    """``(H, h, h')`` at s."""
    with ctx.workdps(3 * ctx.dps):
        s = abs(s)
        if D == 2:
            tiny = s < ctx.mpf("1e-45")
            return s * s if tiny else 2 * (ctx.cosh(s) - 1), 2 * ctx.sinh(s), 2 * ctx.cosh(s)
        p = _exponent(D)
        m, u, v = p - 1, 1 - s, 1 + s
        slope = p * (u ** (-p - 1) + v ** (-p - 1))
        if s < ctx.mpf("1e-45"):
            return p * s * s, 2 * p * s, slope
        return (u**-m + v**-m - 2) / m, u**-p - v**-p, slope


def regularizer(name, x, alpha, D, *, w0=1, homogeneity=None):
    """One coordinate of Q, by the formulas of the class docstring; `homogeneity` is 2 and D is 4 for R."""
    k = number(D if homogeneity is None else homogeneity)
    a = number(alpha)
    c = a**k
    w = abs(number(w0))
    x = number(x)
    sign = -1 if x < 0 else 1
    if name in NAMES:
        value, first, second = q(x / (c * w**k), D)
        return {
            "value": w**2 * c * value,
            "grad": sign * w ** (2 - k) * first,
            "hess_diag": w ** (2 - 2 * k) * second / c,
        }[name]
    conjugate, curve, slope = h(x * w ** (k - 2), D)
    return {
        "conjugate": w**2 * c * conjugate,
        "grad_conjugate": sign * w**k * c * curve,
        "hess_diag_conjugate": w ** (2 * k - 2) * c * slope,
    }[name]


def divergence(b, b0, alpha, D, w0=1):
    """``S(b) - S(b0) - S'(b0)(b - b0)`` of one coordinate of Q, with digits enough for what cancels."""
    k, w = number(D), abs(number(w0))
    c = (number(alpha) * w) ** k
    b, b0 = number(b), number(b0)
    largest = max(abs(b), abs(b0)) / c
    # near each other the divergence is of second order; far out it is a power of b/c below b
    with ctx.workdps(80 + max(0, int(ctx.log10(largest)))):
        start, slope, _ = q(b0 / c, D)
        slope = -slope if b0 < 0 else slope
        return w ** (2 - k) * (c * (q(b / c, D)[0] - start) - slope * (b - b0))


def explicit(z, D):
    """``(r, r', r'')`` at depth D: the cost minimised over ``w_-``, and differences of that."""

    def least(z):
        def pull(log_y):  # derivative in w_- = 1 - y of (w_+ - 1)^2 + (w_- - 1)^2, decreasing in y
            y = ctx.exp(log_y)
            plus = (z + (1 - y) ** depth) ** (1 / depth)
            return (plus - 1) * ((1 - y) / plus) ** (depth - 1) - y

        low, high = -ctx.mpf(3000), -(ctx.mpf(10) ** -40)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if pull(middle) < 0 else (middle, high)
        log_y = ctx.findroot(pull, (low, high), solver="secant", tol=0, verify=False, maxsteps=14)
        y = ctx.exp(log_y)
        assert abs(pull(log_y)) < y * ctx.mpf(10) ** -200
        return ((z + (1 - y) ** depth) ** (1 / depth) - 1) ** 2 + y**2

    with ctx.workdps(450):
        depth, z = number(D), number(z)
        h = z * ctx.mpf(10) ** -60
        left, middle, right = least(z - h), least(z), least(z + h)
        return middle, (right - left) / (2 * h), (right - 2 * middle + left) / h**2


def ulps(got, exact):
    """Error of a float64 in units in the last place of the exact value; overflow must round to infinity."""
    exact = ctx.mpf(exact)
    largest = ctx.mpf(2) ** 1024
    if abs(exact) >= largest * (1 - ctx.mpf(2) ** -51):
        return 0.0 if abs(got) == ctx.inf and (got > 0) == (exact > 0) else float("inf")
    if not ctx.isfinite(ctx.mpf(got)):
        return float("inf")
    exponent = max(int(ctx.mag(exact)) if exact else -1074, -1021)
    return float(abs(ctx.mpf(float(got)) - exact) / ctx.mpf(2) ** (exponent - 53))
