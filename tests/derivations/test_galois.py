import mpmath
import pytest
from sympy import Poly, Rational, Symbol, cyclotomic_poly
from sympy.polys.numberfields.galoisgroups import galois_group

from derivations import galois

z = Symbol("z")
DEGREES = {3: 6, 4: 4, 5: 30, 6: 6, 7: 70, 8: 24, 9: 126, 10: 20}


def root(depth, t):
    """Return ``h_D^{-1}(t)`` by bisection and secant steps on the definition."""
    p = mpmath.mpf(depth) / (depth - 2)
    return mpmath.findroot(
        lambda x: (1 - x) ** -p - (1 + x) ** -p - t,
        (mpmath.mpf("0.001"), mpmath.mpf("0.999")),
        solver="anderson",
    )


@pytest.mark.parametrize("depth", DEGREES)
def test_polynomial_vanishes_at_the_inverse(depth):
    polynomial = galois.depth_polynomial(depth, Rational(1))
    assert polynomial.degree() == DEGREES[depth]
    coefficients = [int(c) for c in polynomial.all_coeffs()]
    with mpmath.workdps(120):
        value = root(depth, 1)
        arguments = (value, value**2)
        least = min(abs(mpmath.polyval(coefficients, argument)) for argument in arguments)
        assert least < max(abs(c) for c in coefficients) * mpmath.mpf(10) ** -60


@pytest.mark.parametrize(("depth", "order"), [(3, 720), (4, 24), (6, 720)])
def test_small_groups_are_symmetric(depth, order):
    group, alternating = galois_group(galois.depth_polynomial(depth, Rational(1)))
    assert (group.order(), alternating) == (order, False)


@pytest.mark.parametrize("depth", [3, 5, 6, 8, 10])
@pytest.mark.parametrize("t", [Rational(3), Rational(3, 7)])
def test_other_arguments_are_beyond_radicals_too(depth, t):
    polynomial = galois.depth_polynomial(depth, t)
    assert polynomial.is_irreducible
    assert galois.is_solvable(polynomial)[0] is False


def test_solvable_groups_are_recognized():
    assert galois.is_solvable(Poly(z**5 - 2, z))[0] is True
    assert galois.is_solvable(Poly(z**4 + 1, z))[0] is True


def test_cyclotomic_field_gives_no_verdict():
    undecided, reason = galois.is_solvable(Poly(cyclotomic_poly(11, z), z))
    assert undecided is None
    assert "no suitable cycle" in reason


def test_cycle_types_of_a_cyclic_extension():
    # x^4 + 1: two quadratics modulo 3, linear factors modulo 17; 2 divides its discriminant.
    fourth = Poly(z**4 + 1, z)
    assert galois.cycle_type(fourth, 3) == (2, 2)
    assert galois.cycle_type(fourth, 17) == (1, 1, 1, 1)
    assert galois.cycle_type(fourth, 2) is None
    assert galois.cycle_type(Poly(3 * z**2 + 1, z), 3) is None


@pytest.mark.parametrize(
    ("cycles", "length"),
    [
        ((3, 4, 6, 17), 17),
        ((9, 11), 11),
        ((1, 1, 1, 5), 5),
        ((1, 1, 5), None),  # fixes two points only: PGL(2, 5) has such elements in degree 6 and 7 stays open
        ((4, 4, 7, 15), None),  # 7 is not above half the degree
        ((1, 4, 10), None),  # 10 is not prime
    ],
)
def test_jordan_prime(cycles, length):
    assert galois.jordan_prime(cycles) == length
