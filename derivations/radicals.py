"""The two depths at which the inverse of h_D is a formula in radicals: D = 4 and D = infinity.

Statement. With ``e = (2 t^2)^(1/3)``, ``c = (1 + sqrt(1 + 16 t^2/27))^(1/3)``, ``f = 2 e/(3 c)``,
``k = 2 (c^2 + c f + f^2)^(-3/2)`` and ``s = (1 + k)/2 (1 + sqrt((2 - k)/k))``

    h_4^{-1}(t) = t/s^2,    1 - h_4^{-1}(t)^2 = 2/s,    q_4(t) = (s - 1) t^2/s^3,

for every real t; and ``h_inf^{-1}(t) = t/(1 + sqrt(1 + t^2))``.

Source. Woodworth et al. (2020), Appendix F, below eq. (59): "This inverse mapping unfortunately does not
have a simple closed form". True of the other depths that were examined (`derivations.galois`), not of these
two.
"""

from __future__ import annotations

from sympy import Expr, Rational, cancel, cbrt, discriminant, limit, reduced, resultant, solve, sqrt, symbols

from implicitbias.ledger import Check, Claim, Verdict, proof

__all__ = ["CLAIMS", "depth4_formula", "derive", "inverse_depth4", "inverse_infinite", "sum_depth4"]


def sum_depth4(t: Expr) -> Expr:
    """Return the root ``s >= 2`` of ``s^4 - 2 s^3 = t^2``.

    At depth 4 it is ``(w_+^2 + w_-^2)/a^2`` where ``beta = a^4 t``. Only positive numbers are added,
    multiplied and divided (``2 - k`` is at least 1), so nothing cancels for any real ``t``, and ``t = 0``
    gives 2 without a limit.
    """
    e = cbrt(2 * t**2)
    c = cbrt(1 + sqrt(1 + Rational(16, 27) * t**2))
    f = 2 * e / (3 * c)
    k = 2 / sqrt(c**2 + c * f + f**2) ** 3
    return (1 + k) / 2 * (1 + sqrt((2 - k) / k))


def inverse_depth4(t: Expr) -> Expr:
    """Return ``h_4^{-1}(t)``, the ``z`` in (-1, 1) with ``4 z/(1 - z^2)^2 = t``, in radicals.

    Valid for every real ``t``. There is no ``0/0`` at ``t = 0``, but the cube root of ``t^2`` has no
    derivative there although the whole is analytic: take derivatives at 0 from the inverse function.
    """
    return t / sum_depth4(t) ** 2


def inverse_infinite(t: Expr) -> Expr:
    """Return ``h_D^{-1}(t)`` in the limit ``D -> infinity``: ``z`` in (-1, 1) with ``2 z/(1 - z^2) = t``."""
    return t / (1 + sqrt(1 + t**2))


def _resolvent(check: Check, s: Expr, t: Expr, y: Expr) -> Expr:
    """Complete ``s^4 - 2 s^3 - t^2`` to a difference of squares (Ferrari); return the cubic for ``y``."""
    square = s**2 - s + y / 2
    rest = (square**2 - (s**4 - 2 * s**3 - t**2)).expand()
    check(rest.as_poly(s).degree() == 2, "(s^2 - s + y/2)^2 minus the quartic is quadratic in s")
    cubic = -discriminant(rest, s)
    check.equal(cubic, y**3 + 4 * t**2 * y + 4 * t**2, "it is a perfect square when y^3 + 4 t^2 y + 4 t^2 = 0")
    check(
        discriminant(cubic, y).subs(t**2, symbols("T", positive=True)).is_negative is True,
        "one real y if t != 0",
    )
    return cubic


def depth4_formula(check: Check, cubic: Expr, s: Expr, t: Expr, y: Expr) -> None:
    """Solve the cubic by Cardano without differences, then the quartic as a product of two quadratics."""
    c, f, k = symbols("c f k", positive=True)
    # With e = 3 c f/2 the definitions of c and e say c^3 - f^3 = 2, and then c^2 + c f + f^2 = 2/(c - f).
    e = 3 * c * f / 2
    check.equal(
        ((c**3 - 1) ** 2 - 1 - Rational(16, 27) * e**3 / 2).subs(f, cbrt(c**3 - 2)),
        0,
        "c^3 = f^3 + 2 gives e^3 = 2 t^2",
    )
    relation = [c**3 - f**3 - 2]
    root = -e * (c - f)
    _, left = reduced(cubic.subs({t: sqrt(e**3 / 2), y: root}).expand(), relation, c, f)
    check(left == 0, "y = -e (c - f) = -2 e/(c^2 + c f + f^2) solves the cubic")
    _, left = reduced((1 + root - (c - f) ** 3 / 2).expand(), relation, c, f)
    check(left == 0, "k^2 = 1 + y = (c - f)^3/2 = 4/(c^2 + c f + f^2)^3, so 0 < k <= 1")

    y_of_k = k**2 - 1
    (t_squared,) = solve(cubic.subs(t, sqrt(symbols("T"))).subs(y, y_of_k), symbols("T"))
    plus = s**2 - (1 + k) * s + y_of_k * (1 + 1 / k) / 2
    minus = plus.subs(k, -k)
    check.equal(plus * minus, s**4 - 2 * s**3 - t_squared, "the quartic is a product of two quadratics in s")
    check.equal(discriminant(plus, s), (1 + k) ** 2 * (2 - k) / k, "the first has real roots")
    check.equal(discriminant(minus, s), -((1 - k) ** 2) * (2 + k) / k, "the second has none (k < 1)")
    largest = (1 + k) / 2 * (1 + sqrt((2 - k) / k))
    check.equal(plus.subs(s, largest), 0, "s is a root of the first; being positive, it is at least 2")


def derive(check: Check) -> str:
    """Invert h_4 and h_infinity by hand-made algebra and compare with the functions above."""
    s, t, y, z, p = symbols("s t y z p", real=True)
    h4 = (1 - z) ** -2 - (1 + z) ** -2
    total = 1 / (1 - z) + 1 / (1 + z)
    check.equal(h4, z * total**2, "h_4(z) = z s^2 with s = 1/(1-z) + 1/(1+z)")
    eliminated = resultant(s * (1 - z**2) - cancel(total * (1 - z**2)), z * s**2 - t, z)
    check.equal(
        eliminated,
        s * (s**4 - 2 * s**3 - t**2),
        "eliminating z: s^4 - 2 s^3 = t^2, or s = 0, which is foreign",
    )
    cubic = _resolvent(check, s, t, y)
    depth4_formula(check, cubic, s, t, y)

    integral = total - 2
    check.equal(integral.diff(z), h4, "H_4(z) = 1/(1-z) + 1/(1+z) - 2 integrates h_4")
    q4 = (t * z - (s - 2)).subs(z, t / s**2)
    check.equal(q4 - (s - 1) * t**2 / s**3, (t**2 - s**3 * (s - 2)) / s**3, "q_4 = z t - H_4(z) = (s - 1) t^2/s^3")
    for value in (0, Rational(1, 10**12), Rational(-1, 3), 1, Rational(27, 4), -(10**15)):
        found = inverse_depth4(Rational(value)).evalf(50)
        check(abs(found) < 1 and abs(h4.subs(z, found) - value) <= abs(value) * 10**-30, f"h_4(h_4^-1({value}))")

    h_infinite = limit((1 - z) ** -p - (1 + z) ** -p, p, 1)
    check.equal(h_infinite, 2 * z / (1 - z**2), "p = D/(D-2) -> 1 gives h_inf(z) = 2 z/(1 - z^2)")
    found = inverse_infinite(t)
    check.equal(h_infinite.subs(z, found), t, "h_inf(t/(1 + sqrt(1 + t^2))) = t")
    check.equal(1 - found**2, 2 / (1 + sqrt(1 + t**2)), "which lies in (-1, 1): 1 - z^2 is positive")
    return "h_4^-1(t) = t/s^2, s^4 - 2 s^3 = t^2 in radicals; h_inf^-1(t) = t/(1 + sqrt(1 + t^2))"


CLAIMS = (
    Claim(
        "new.inverse-in-radicals",
        "This package",
        "The inverse of h_D, the slope of q_D, is a formula in radicals at D = 4 and in the limit of infinite "
        "depth.",
        r"h_4^{-1}(t) = t/s^2,\; s^4 - 2s^3 = t^2; \qquad h_\infty^{-1}(t) = \frac{t}{1+\sqrt{1+t^2}}",
        Verdict.PROVED,
        (proof(derive),),
    ),
)
