"""Depths at which no formula in radicals inverts h_D: the number ``h_D^{-1}(1)`` is beyond radicals.

Statement. For every integer depth from 3 to 10 except 4, ``h_D^{-1}(1)``, the ``z`` in (0, 1) with
``h_D(z) = 1``, is not obtained from rational numbers by field operations and roots. Hence no such formula
gives ``h_D^{-1}(t)`` for all ``t``.

Source. Woodworth et al. (2020), Appendix F, below eq. (59), says without proof that the inverse "does not
have a simple closed form" for all D; `derivations.radicals` has the exception D = 4.

Method. With ``D/(D-2) = m/k`` in lowest terms, ``A^k (1-z) = 1``, ``B^k (1+z) = 1``, ``A^m - B^m = 1``;
resultants eliminate A and B. If the polynomial of z is irreducible and its Galois group is not solvable,
its roots are not expressible in radicals. Degree 6 is within reach of SymPy's `galois_group`. Above it: a
factorization modulo a prime without repeated factors has the degrees of the cycles of some element of the
group (Dedekind). If one degree is a prime l with ``degree/2 < l < degree - 2``, a power of that element is
a single l-cycle; a transitive group with a cycle longer than half the degree is primitive, and a primitive
group with an l-cycle fixing three points contains the alternating group (Jordan), which is not solvable
from degree 5 on.
"""

from __future__ import annotations

from sympy import Poly, Rational, isprime, primerange, resultant, symbols
from sympy.polys.numberfields.galoisgroups import galois_group

from implicitbias.ledger import Check, Claim, Correction, Refutation, Verdict, counterexample, proof

from .radicals import inverse_depth4

__all__ = ["CLAIMS", "DEPTHS", "cycle_type", "depth_polynomial", "derive", "is_solvable", "jordan_prime"]

DEPTHS = (3, 5, 6, 7, 8, 9, 10)
LARGEST_PRIME = 2000
DIRECT_DEGREE = 6

z, A, B = symbols("z A B")


def depth_polynomial(depth: int, t: Rational) -> Poly:
    """Return an integer polynomial of ``z = h_D^{-1}(t)``, or of ``z^2`` if only even powers occur."""
    exponent = Rational(depth, depth - 2)
    m, k = exponent.p, exponent.q
    without_a = resultant(A**k * (1 - z) - 1, A**m - B**m - t, A)
    polynomial = Poly(resultant(without_a, B**k * (1 + z) - 1, B), z)
    coefficients = polynomial.all_coeffs()
    even = len(coefficients) % 2 == 1 and not any(coefficients[1::2])
    return (Poly(coefficients[::2], z) if even else polynomial).primitive()[1]


def cycle_type(polynomial: Poly, prime: int) -> tuple[int, ...] | None:
    """Return the degrees of the factors modulo ``prime``; None if the degree drops or a factor repeats."""
    if polynomial.LC() % prime == 0:
        return None
    factors = Poly(polynomial.as_expr(), z, modulus=prime).factor_list()[1]
    if any(multiplicity > 1 for _, multiplicity in factors):
        return None
    return tuple(sorted(factor.degree() for factor, _ in factors))


def jordan_prime(cycles: tuple[int, ...]) -> int | None:
    """Return a prime cycle length ``l`` with ``degree/2 < l < degree - 2``, if there is one."""
    degree = sum(cycles)
    return next((length for length in cycles if isprime(length) and degree / 2 < length < degree - 2), None)


def is_solvable(polynomial: Poly) -> tuple[bool | None, str]:
    """Decide whether the group of an irreducible polynomial is solvable, and why; None if undecided."""
    if polynomial.degree() <= DIRECT_DEGREE:
        group, _ = galois_group(polynomial)
        return bool(group.is_solvable), f"group of order {group.order()}"
    for prime in primerange(2, LARGEST_PRIME):
        cycles = cycle_type(polynomial, prime)
        if cycles and (length := jordan_prime(cycles)):
            return False, f"a {length}-cycle (cycles {cycles} modulo {prime})"
    return None, f"no suitable cycle modulo any prime below {LARGEST_PRIME}"


def derive(check: Check) -> str:
    """Decide each depth at ``t = 1``, with depth 4 as the control."""
    control, reason = is_solvable(depth_polynomial(4, Rational(1)))
    check(control is True, f"D = 4: degree 4, {reason}, solvable")
    degrees = []
    for depth in DEPTHS:
        polynomial = depth_polynomial(depth, Rational(1))
        check(
            polynomial.is_irreducible,
            f"D = {depth}: the polynomial of degree {polynomial.degree()} is irreducible",
        )
        solvable, reason = is_solvable(polynomial)
        check(solvable is False, f"D = {depth}: {reason}, not solvable")
        degrees.append(f"{depth}:{polynomial.degree()}")
    return f"h_D^-1(1) is not in radicals; D:degree {', '.join(degrees)}"


def depth_four_has_one(refute: Refutation) -> str:
    """``h_4`` at the number that radicals give for ``h_4^{-1}(1)``."""
    found = inverse_depth4(Rational(1))
    value = (1 - found) ** -2 - (1 + found) ** -2
    refute.holds(abs((value - 1).evalf(60)) < Rational(1, 10**50), "the radicals satisfy h_4(z) = 1 to 50 digits")
    return f"h_4^-1(1) = {found.evalf(20)}, in square and cube roots"


CLAIMS = (
    Claim(
        "woodworth.appendix-f-no-closed-form",
        "Woodworth et al. (2020), Appendix F, below equation (59)",
        "The inverse of h_D(z) = (1-z)^(-D/(D-2)) - (1+z)^(-D/(D-2)) is said to have no simple closed form, for "
        "all D; here 'closed form' is read as a formula in radicals, and D is a whole number.",
        r"h_D^{-1} \text{ is not expressible in radicals}",
        Verdict.FALSE,
        (counterexample(depth_four_has_one),),
        Correction(
            "At D = 4 there is one; for D = 3 and 5 to 10 there is none, since h_D^{-1}(1) is not in radicals.",
            r"h_4^{-1}(t) = t/s^2,\; s^4-2s^3=t^2; \qquad h_D^{-1}(1) \text{ not in radicals for } D = 3, 5, "
            r"\ldots, 10",
            Verdict.PROVED,
            (proof(derive),),
        ),
        "A side remark of the paper, which needs no closed form. Galois groups by SymPy and by cycles of Dedekind.",
    ),
)
