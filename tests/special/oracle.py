"""The functions from their definitions, at whatever precision hides every cancellation, and errors in ulp.

Nothing here calls the package. The root of ``h_D(z) = t`` is bracketed by a change of sign of ``h_D`` itself.
"""

import math
from fractions import Fraction

import mpmath
import numpy as np
from mpmath import mp


def exponents(D):
    """``(p, m)``, exactly."""
    if D == math.inf:
        return Fraction(1), Fraction(0)
    depth = Fraction(D)
    return depth / (depth - 2), 2 / (depth - 2)


def as_mpf(value):
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else mpmath.mpf(value)


def digits_for(name, x, D, digits):
    """Working precision: the square of a small argument must be seen beside 1, ``1 - s`` beside s, 1 beside t."""
    size = mpmath.log10(x)
    lost = -2 * size if size < 0 else size
    if name in {"h", "q_conjugate"} and D != 2:
        lost = max(lost, -2 * mpmath.log10(1 - x))
    extra = math.log10(exponents(D)[0]) if D != 2 else 0
    return int(digits + lost + 4 * extra + 20)


def root(t, D):
    """``phi > 0`` with ``h_D(tanh(phi)) = t > 0`` at the precision in force."""
    p = as_mpf(exponents(D)[0])

    def excess(phi):
        return p * mpmath.log(mpmath.cosh(phi)) + mpmath.log(mpmath.sinh(p * phi)) - mpmath.log(t / 2)

    phi = mpmath.asinh(t / 2) / p  # where 2 sinh(p phi) = t, hence not below the root
    tolerance = mpmath.mpf(10) ** (10 - mp.dps)
    for _ in range(200):
        step = excess(phi) / (p * (mpmath.tanh(phi) + mpmath.coth(p * phi)))
        phi = max(phi - step, phi / 2)
        if abs(step) < phi * tolerance / 10:
            break
    assert excess(phi * (1 - tolerance)) < 0 < excess(phi * (1 + tolerance))
    return phi


def of_root(name, phi, t, D):
    p, m = map(as_mpf, exponents(D))
    if name == "h_inverse":
        return mpmath.tanh(phi)
    if name == "h_inverse_complement":
        return 2 / (mpmath.exp(2 * phi) + 1)
    if name == "q_second":
        up, down = 1 / (1 - mpmath.tanh(phi)), 1 / (1 + mpmath.tanh(phi))
        return 1 / (p * (up ** (p + 1) + down ** (p + 1)))
    return mpmath.tanh(phi) * t - conjugate(mpmath.tanh(phi), p, m)


def conjugate(s, p, m):
    if m == 0:
        return -mpmath.log(1 - s * s)
    return ((1 - s) ** -m + (1 + s) ** -m - 2) / m


def at_two(name, x):
    return {
        "q": lambda: x * mpmath.asinh(x / 2) - mpmath.sqrt(4 + x * x) + 2,
        "h_inverse": lambda: mpmath.asinh(x / 2),
        "q_second": lambda: 1 / mpmath.sqrt(4 + x * x),
        "q_conjugate": lambda: mpmath.exp(x) + mpmath.exp(-x) - 2,
        "h": lambda: mpmath.exp(x) - mpmath.exp(-x),
    }[name]()


def oracle(name, x, D, digits=30):
    """Value of the named function at a positive finite `x` (a float or mpf), to at least `digits` digits."""
    x = mpmath.mpf(x)
    with mpmath.workdps(digits_for(name, x, D, digits)):
        if D == 2:
            return at_two(name, x)
        p, m = map(as_mpf, exponents(D))
        if name == "h":
            return (1 - x) ** -p - (1 + x) ** -p
        if name == "q_conjugate":
            return conjugate(x, p, m)
        return of_root(name, root(x, D), x, D)


def ulps(value, truth, dtype=np.float64):
    """Distance of a float from the true value in units in the last place of the latter."""
    with np.errstate(over="ignore"):
        rounded = dtype(float(truth))
    if not np.isfinite(rounded):
        return 0.0 if value == rounded else math.inf
    if not np.isfinite(value):
        return math.inf
    return float(abs(mpmath.mpf(float(value)) - truth) / mpmath.mpf(float(np.spacing(abs(rounded)))))
