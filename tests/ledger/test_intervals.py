import pytest
from mpmath import iv

from implicitbias.ledger import positive_on


def test_a_quadratic_needs_a_few_pieces():
    assert positive_on(lambda t: t * t - t + 1, [(-10, 10)]) > 1


def test_two_variables():
    # x^2 + y^2 + 1 > 2 x y / 1.01: hard near the diagonal
    assert positive_on(lambda x, y: x * x + y * y + 1 - 2 * x * y / iv.mpf("1.01"), [(-1, 1), (-1, 1)]) > 1


def test_a_point_below_zero_is_found_and_named():
    with pytest.raises(ArithmeticError, match=r"not positive on \[|too near to it, at \["):
        positive_on(lambda t: (t - iv.mpf("0.3")) ** 2 - iv.mpf("1e-6"), [(0, 1)])


def test_a_zero_is_never_decided():
    with pytest.raises(ArithmeticError, match="too near to it, at"):
        positive_on(lambda t: t * t, [(-1, 1)])


def test_the_number_of_pieces_is_limited():
    with pytest.raises(ArithmeticError, match="not decided after 50 pieces"):
        positive_on(lambda x, y: x * x + y * y - 2 * x * y + iv.mpf("1e-6"), [(-1, 1), (-1, 1)], limit=50)


def test_ends_are_taken_exactly_and_precision_is_put_back():
    before = iv.dps
    seen = []
    positive_on(lambda t: seen.append(t) or iv.mpf(1), [("0.1", "0.2")])
    assert iv.dps == before
    # the interval holds the decimal numbers, which no binary number does
    assert seen[0].a < seen[0].b
    assert 10 * seen[0].a <= 1
    assert 5 * seen[0].b >= 1
