"""References against mpmath, vertices against exact enumeration, bounds, and the store that keeps them."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat
from scipy.optimize import linprog

import implicitbias as ib
from implicitbias.bench import SIZES, Alpha, Problem, ReferenceFailure, ReferenceStore, solve_reference
from implicitbias.bench import store as store_module
from implicitbias.bench._balls import Curve, Matrix, column, to_float, workprec
from implicitbias.bench.problems import draw
from implicitbias.bench.reference import _Iteration
from implicitbias.bench.vertex import VertexError, l1_minimum, vertex, vertex_end_point

TINY = SIZES["tiny"]
DATA = draw(TINY, 0)


def problem(alpha, D, data=DATA):
    return Problem(*data, Alpha(alpha), D)


def proposal(p):
    return ib.interpolate(p.X, p.y, p.reg, throw=False).beta


def by_mpmath(X, y, alpha, D, digits):
    """Damped Newton on the dual in mpmath, alpha lowered from 1; b and b' from the weights of the network."""
    N, d = X.shape
    with mpmath.workdps(digits):
        A, target, nu = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist()), mpmath.matrix(N, 1)

        def curve(theta, a):
            if D == 2:
                return 2 * a**2 * mpmath.sinh(theta), 2 * a**2 * mpmath.cosh(theta)
            # theta = 1 - (a/w_+)^{D-2} = (a/w_-)^{D-2} - 1, beta = w_+^D - w_-^D
            plus, minus = (
                (1 - theta) ** mpmath.mpf(-1 / mpmath.mpf(D - 2)),
                (1 + theta) ** mpmath.mpf(-1 / mpmath.mpf(D - 2)),
            )
            slope = mpmath.mpf(D) / (D - 2)
            return (a * plus) ** D - (a * minus) ** D, a**D * slope * (plus ** (2 * D - 2) + minus ** (2 * D - 2))

        steps = 1 + math.ceil(-float(mpmath.log(mpmath.mpf(alpha))) * 2)
        for k in range(1, steps + 1):
            a = mpmath.mpf(alpha) ** (mpmath.mpf(k) / steps)
            for _ in range(200):
                theta = A.T * nu
                b, w = zip(*(curve(t, a) for t in theta), strict=True)
                gradient = target - A * mpmath.matrix(b)
                hessian = mpmath.matrix(
                    [[sum(w[i] * A[n, i] * A[m, i] for i in range(d)) for m in range(N)] for n in range(N)]
                )
                step = mpmath.lu_solve(hessian, gradient)
                along = A.T * step
                room = mpmath.inf if D == 2 else min(1 - abs(t) for t in theta)
                change = max(abs(v) for v in along)
                length = min(mpmath.mpf(1), 1 / change if change else 1, room / (2 * change) if change else 1)
                nu += length * step
                if change < (1 if D == 2 else room) * mpmath.mpf(10) ** (-digits // 2):
                    break
            else:
                raise AssertionError("the oracle did not converge")
        return [curve(t, a)[0] for t in A.T * nu]


@pytest.mark.parametrize(("alpha", "D"), [("1", 2), ("1e-3", 2), ("1", 3), ("1e-1", 3), ("1e-2", 2.5), ("1e-2", 4)])
def test_references_agree_with_mpmath(alpha, D):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((2, 5)), rng.standard_normal(2)
    p = problem(alpha, D, (X, y))
    reference = solve_reference(p, proposal(p))
    expected = by_mpmath(X, y, alpha, D, 80)
    with mpmath.workdps(70):
        norm = mpmath.norm(expected)
        off = [
            mpmath.mpf(h) + mpmath.mpf(low) - e
            for h, low, e in zip(reference.high, reference.low, expected, strict=True)
        ]
        assert mpmath.norm(off) < norm * mpmath.mpf(2) ** -104  # two mantissas of 53 bits
        l1 = sum(abs(e) for e in expected)
        assert abs(mpmath.mpf(reference.l1) - l1) < l1 * mpmath.mpf("1e-49")
    assert reference.error <= 1e-50


def test_the_bound_holds_and_is_not_idle():
    p = problem("1e-3", 2)
    with workprec(300):
        iteration = _Iteration(p, proposal(p), Matrix(p.X))
        exact = solve_reference(p, proposal(p))
        theta = [iteration.curve.inverse(b) for b in exact.high]
        # least squares: the multipliers of a solution good to 16 digits
        nu = column(np.linalg.lstsq(p.X.T, to_float(theta), rcond=None)[0])
        beta, weights, slack = iteration._evaluate(iteration.X.transposed_times(nu))
        bound = iteration._bound(weights, slack, iteration.y - iteration.X.times(beta))
        balls, _ = iteration._enclose(iteration.X.transposed_times(nu), bound)
        for ball, high, low in zip(balls, exact.high, exact.low, strict=True):
            assert ball.overlaps(arb(float(high)) + arb(float(low), 1e-30))
        # bounds a distance that is there: its size is that of the step that Newton would take
        step = iteration._solver(weights)(iteration.y - iteration.X.times(beta))
        size = float(np.linalg.norm(to_float(step)))
        assert size <= float(bound) < 1e4 * size
        assert size > 1e-20


def test_a_start_that_is_far_off_is_no_obstacle():
    p = problem("1e-3", 3)
    good, bad = solve_reference(p, proposal(p)), solve_reference(p, np.linalg.lstsq(p.X, p.y)[0])
    assert good.l1 == bad.l1


def test_no_reference_without_a_bound():
    X = np.vstack([DATA[0], DATA[0][:1]])
    p = problem("1e-1", 2, (X, np.append(DATA[1], DATA[1][0])))
    with pytest.raises(ReferenceFailure, match="dependent rows of X"):
        solve_reference(p, proposal(p))


@pytest.mark.parametrize("D", [2, 2.5, 3, 6])
def test_curves_are_those_of_the_regularizer(D):
    with workprec(200):
        curve = Curve(Alpha("1e-2"), D)
        theta = np.array([-0.99, -0.5, 1e-3, 0.2, 0.9])
        values, weights, slack = zip(*(curve(arb(t)) for t in theta), strict=True)
        reg = ib.Q("1e-2", D=D)
        np.testing.assert_allclose(to_float(values), reg.grad_conjugate(theta), rtol=1e-14)
        np.testing.assert_allclose(to_float(weights), reg.hess_diag_conjugate(theta), rtol=1e-14)
        for t, value, weight, s in zip(theta, to_float(values), weights, slack, strict=True):
            assert abs(float(curve.inverse(value).mid()) - t) < 1e-14
            for shift in (-5e-3, 1e-4, 5e-3):
                there = curve(arb(t) + arb(shift))[1]
                assert there > weight * (-abs(arb(shift)) * arb(s)).exp()


# --- vertices


def by_enumeration(X, y):
    """Least l1 norm over all bases, in rational arithmetic."""
    N, d = X.shape
    best = None
    for support in itertools.combinations(range(d), N):
        (a, b), (c, e) = ([Fraction(X[n, i]) for i in support] for n in range(2))
        u, v = map(Fraction, y)
        det = a * e - b * c
        if det:
            norm = abs((u * e - b * v) / det) + abs((a * v - u * c) / det)
            best = norm if best is None else min(best, norm)
    return best


def test_vertices_against_exact_enumeration():
    rng = np.random.default_rng(3)
    for _ in range(5):
        X, y = rng.standard_normal((2, 7)), rng.standard_normal(2)
        found = linprog(np.ones(14), A_eq=np.hstack([X, -X]), b_eq=y, bounds=(0, None))
        value = Fraction(l1_minimum(X, y, found.x[:7] - found.x[7:]))
        exact = by_enumeration(X, y)
        assert abs(value - exact) < exact * Fraction(1, 10**49)


def test_what_is_not_the_vertex_is_refused():
    X, y = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), np.array([1.0, 1.1])
    assert l1_minimum(X, y, np.array([0.0, 0.1, 1.0])).startswith("1.1")
    with pytest.raises(VertexError, match="smaller l1 norm"):
        l1_minimum(X, y, np.array([1.0, 1.1, 0.0]))
    with pytest.raises(VertexError, match="degenerate"):
        l1_minimum(X, np.array([1.0, 1.0]), np.array([0.0, 0.1, 1.0]))
    with pytest.raises(VertexError, match="dependent"):
        l1_minimum(X[:, [0, 0, 1]], y, np.array([1.0, 0.9, 0.0]))
    with pytest.raises(VertexError, match="or the same"):  # twice the same column
        l1_minimum(np.hstack([X, X]), y, np.array([0.0, 0.1, 1.0, 0.0, 0.0, 0.0]))


def test_the_vertex_is_the_end_point_of_deep_networks_at_tiny_alpha():
    p = problem("1e-60", 3)
    start = proposal(problem("1e-20", 3))
    newton = solve_reference(p, start)
    with workprec(300):
        beta, judged = vertex_end_point(p, vertex(p.X, p.y, start))
        assert judged.sum() == TINY.N
        for ball, high, low in zip(beta, newton.high, newton.low, strict=True):
            assert ball.overlaps(arb(float(high)) + arb(float(low), 1e-30))
        with pytest.raises(VertexError, match="not small enough"):
            vertex_end_point(problem("1e-1", 3), vertex(p.X, p.y, start))


# --- the store


def test_references_are_kept(tmp_path, monkeypatch):
    p, keep = problem("1e-3", 2), ReferenceStore(tmp_path / "deep" / "down")
    first = keep.end_point(p)
    l1 = keep.least_l1(*DATA)
    honest = store_module.solve_reference
    monkeypatch.setattr(store_module, "solve_reference", None)
    monkeypatch.setattr(store_module, "l1_minimum", None)
    again = ReferenceStore(tmp_path / "deep" / "down").end_point(p)
    np.testing.assert_array_equal(first.low, again.low)
    assert (first.error, first.l1) == (again.error, again.l1)
    assert keep.least_l1(*DATA) == l1
    for other in (problem("1e-3", 3), problem("1e-2", 2), problem("1e-3", 2, draw(TINY, 1))):
        with pytest.raises(TypeError):  # not in the store, and the function that computes it is gone
            keep.end_point(other)
    monkeypatch.setattr(store_module, "solve_reference", honest)
    for file in (tmp_path / "deep" / "down").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    assert keep.end_point(p).l1 == first.l1


def test_a_wrong_proposal_does_not_make_a_wrong_reference(tmp_path, monkeypatch):
    p = problem("1e-30", 3)
    good = ReferenceStore(tmp_path / "a").end_point(p)
    honest = store_module.interpolate

    def nonsense(X, y, reg, **options):
        found = honest(X, y, reg, **options)
        if isinstance(reg, ib.Q):
            found.beta[:] = np.nan
        return found

    monkeypatch.setattr(store_module, "interpolate", nonsense)
    assert ReferenceStore(tmp_path / "b").end_point(p).l1 == good.l1


def test_inverse_of_balls_is_an_enclosure():
    # what the bounds rest on
    with workprec(100):
        matrix = arb_mat(2, 2, [arb(2, 0.1), arb(1), arb(1), arb(3, 0.1)])
        for a in (1.95, 2.05):
            exact = 1 / (a * 3.02 - 1)
            assert matrix.inv()[0, 0].contains(arb(3.02 * exact))
