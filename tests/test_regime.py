"""Excesses against exact minima in mpmath, crossings against those excesses, guarantees against what happens."""

import itertools
import math

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy import sparse

import implicitbias as ib
from implicitbias._regime import Regime, regime
from implicitbias._regime._limits import _is_only_minimizer, bent
from implicitbias._regime._thresholds import guarantees
from implicitbias.theorems import theorem2_kernel_alpha, theorem2_rich_log_alpha


def with_digits(digits):
    """Run the test at that many digits of mpmath and leave its precision as it was."""

    def decorate(test):
        def run(*args, **kwargs):
            with mp.workdps(digits):
                return test(*args, **kwargs)

        run.__name__ = test.__name__
        run.__wrapped__ = test  # so that pytest sees the parameters
        return run

    return decorate


def curve_inverse(t, D):
    """h_D^{-1}(t): asinh at D = 2, else tanh(phi) with 2 cosh(phi)^p sinh(p phi) = t by Newton on its logarithm."""
    if t == 0:
        return mpf(0)
    if D == 2:
        return mp.asinh(t / 2)
    p, size = mpf(D) / (D - 2), abs(t)
    phi = mp.asinh(size / 2) / p
    for _ in range(60):
        error = mp.log(2) + p * mp.log(mp.cosh(phi)) + mp.log(mp.sinh(p * phi)) - mp.log(size)
        change = error / (p * mp.tanh(phi) + p * mp.coth(p * phi))
        phi = phi - change if change < phi else phi / 2
        if abs(change) < mp.eps * abs(phi) * 100:
            return mp.sign(t) * mp.tanh(phi)
    raise AssertionError("Newton's method for h_inverse did not settle")


class Line:
    """Solutions ``base + u along`` of N equations in N + 1 unknowns: everything is a problem in u alone."""

    def __init__(self, X, y, D, w0=None):
        X, self.D = mp.matrix(X.tolist()), D
        N, d = X.rows, X.cols
        self.w0 = [mpf(1)] * d if w0 is None else [mpf(float(w)) for w in w0]
        y = mp.matrix([mpf(float(v)) for v in y])
        base = mp.lu_solve(X[:, :N], y)
        along = mp.lu_solve(X[:, :N], -X[:, N])
        self.base, self.along = [*base, mpf(0)], [*along, mpf(1)]

    def at(self, u):
        return [b + u * a for b, a in zip(self.base, self.along, strict=True)]

    def l1(self, beta):
        return mp.fsum(w ** (2 - self.D) * abs(b) for w, b in zip(self.w0, beta, strict=True))

    def l2(self, beta):
        return mp.fsum((b / w ** (self.D - 1)) ** 2 for w, b in zip(self.w0, beta, strict=True))

    def minimum_l1(self):
        return min(self.l1(self.at(-b / a)) for b, a in zip(self.base, self.along, strict=True))

    def minimum_l2(self):
        squares = [w ** (2 - 2 * self.D) for w in self.w0]
        u = -mp.fsum(s * a * b for s, a, b in zip(squares, self.along, self.base, strict=True))
        return self.l2(self.at(u / mp.fsum(s * a * a for s, a in zip(squares, self.along, strict=True))))

    def end_point(self, log_alpha, near):
        """Zero of the derivative of Q along the line, which increases: secants from a float solution, then a check.

        The unknown is the distance from the point where the coordinate that is smallest vanishes, since all digits
        of that coordinate count.
        """
        scales = [mp.exp(self.D * mpf(log_alpha)) * w**self.D for w in self.w0]
        j = int(np.argmin(np.abs(near)))
        knot = self.at(-self.base[j] / self.along[j])
        knot[j] = mpf(0)

        def at(v):
            return [b + v * a for b, a in zip(knot, self.along, strict=True)]

        def slope(v):
            return mp.fsum(
                a * w ** (2 - self.D) * curve_inverse(b / c, self.D)
                for a, b, w, c in zip(self.along, at(v), self.w0, scales, strict=True)
            )

        start = mpf(float(near[j])) / self.along[j]
        v = mp.findroot(slope, (start, start * (1 + mpf(10) ** -10)), tol=mp.eps**1.5, verify=False)
        nearly = mpf(10) ** (-mp.dps // 2)
        assert slope(v - nearly * abs(v)) < 0 < slope(v + nearly * abs(v))
        return at(v)

    def excesses(self, log_alpha, near):
        beta = self.end_point(log_alpha, near)
        return self.l1(beta) / self.minimum_l1() - 1, self.l2(beta) / self.minimum_l2() - 1


def line_problem(seed, N=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, N + 1)), rng.standard_normal(N), np.exp(rng.uniform(-0.7, 0.7, N + 1))


def predictor(X, y, log_alpha, D, w0):
    return np.asarray(ib.interpolate(X, y, ib.Q.from_log_alpha(log_alpha, D, w0)).beta)


@pytest.mark.parametrize(
    ("D", "smallest", "shaped"), [(2, -250, False), (2, -250, True), (2.5, -40, True), (4, -40, False)]
)
@with_digits(250)
def test_excesses_are_right_from_one_limit_to_the_other(D, smallest, shaped):
    X, y, w0 = line_problem(seed=4)
    w0 = w0 if shaped else None
    line = Line(X, y, D, w0)
    for log_alpha in (20.0, -1.0, smallest):
        here = regime(X, y, mp.exp(mpf(log_alpha)), D, w0)
        l1, l2 = line.excesses(mpf(log_alpha), predictor(X, y, log_alpha, D, w0))
        # a small l1 excess is a small coordinate, whose relative error is the absolute one of theta ~ log alpha
        assert here.l1_excess == pytest.approx(float(l1), rel=1e-10, abs=0.0)
        assert here.l2_excess == pytest.approx(float(l2), rel=1e-10, abs=0.0)
        assert log_alpha < 20.0 or l2 < 1e-25  # out of reach of a difference of float norms
    assert l1 < 1e-30


@pytest.mark.parametrize("D", [2, 3])
@with_digits(60)
def test_excesses_cross_the_tolerance_where_it_says(D):
    X, y, w0 = line_problem(seed=1)
    line = Line(X, y, D, w0)
    here = regime(X, y, 1.0, D, w0, tolerance=1e-3)
    for log_alpha, which in ((here.rich_log_alpha, 0), (here.kernel_log_alpha, 1)):
        excess = line.excesses(log_alpha, predictor(X, y, log_alpha, D, w0))[which]
        assert excess == pytest.approx(1e-3, rel=1e-8)
    assert here.rich_guarantee <= here.rich_log_alpha < here.kernel_log_alpha <= here.kernel_guarantee


@with_digits(400)
def test_bend_of_the_curve():
    for D in (2.0, 2.01, 3.0, 7.0, 1e6):
        b0 = mpf(1) if D == 2 else mpf(D) / (D - 2)
        t = np.concatenate([np.logspace(-150, 10, 17), -np.logspace(-3, 3, 7), [1.0, np.nextafter(1.0, 2.0)]])
        exact = [curve_inverse(mpf(float(v)), mpf(D)) for v in t]
        found = bent(t, np.array([float(s) for s in exact]), np.zeros_like(t), D)
        expected = [float(1 - 2 * b0 * s / mpf(float(v))) for s, v in zip(exact, t, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_array_equal(bent(np.zeros(2), np.zeros(2), np.zeros(2), 3.0), 0.0)


def minimum_l1(X, y, weights):
    """By enumeration of all choices of N columns."""
    N, d = X.shape
    choices = (list(chosen) for chosen in itertools.combinations(range(d), N))
    return min(np.abs(np.linalg.solve(X[:, chosen], y)) @ weights[chosen] for chosen in choices)


def minimum_l2(X, y, metric):
    return np.sum((np.linalg.pinv(X * metric) @ y) ** 2)


@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize("D", [2, 3, 6])
def test_crossings_and_guarantees_against_plain_norms(D, shaped):
    rng = np.random.default_rng(D)
    for N, d in ((1, 6), (4, 9)):
        X, y = rng.standard_normal((N, d)), np.exp(rng.uniform(-5, 5)) * rng.standard_normal(N)
        w0 = np.exp(rng.uniform(-0.7, 0.7, d)) if shaped else np.ones(d)
        best = minimum_l1(X, y, w0 ** (2.0 - D)), minimum_l2(X, y, w0 ** (D - 1.0))

        def excesses(log_alpha, X=X, y=y, w0=w0, best=best):
            beta = predictor(X, y, log_alpha, D, w0)
            norms = np.sum(w0 ** (2.0 - D) * np.abs(beta)), np.sum((beta / w0 ** (D - 1.0)) ** 2)
            return norms[0] / best[0] - 1, norms[1] / best[1] - 1

        tolerance = 0.02
        here = regime(sparse.csr_array(X), y, 0.1, D, w0, tolerance=tolerance)
        np.testing.assert_allclose((here.l1_excess, here.l2_excess), excesses(math.log(0.1)), rtol=1e-9, atol=1e-12)
        for which, crossing, inwards in ((0, here.rich_log_alpha, 1e-3), (1, here.kernel_log_alpha, -1e-3)):
            if math.isfinite(crossing):
                assert excesses(crossing - inwards)[which] < tolerance < excesses(crossing + inwards)[which]
            else:
                assert all(excesses(log_alpha)[which] < tolerance for log_alpha in np.linspace(-20.0, 8.0, 15))
        for further in (0.0, 1.0):
            assert excesses(here.rich_guarantee - further)[0] <= tolerance
            assert excesses(here.kernel_guarantee + further)[1] <= tolerance


@pytest.mark.parametrize("D", [2, 3])
def test_guarantees_against_the_worst_data(D):
    # with one sample, X = grad Q(beta): the end point is beta, and its excesses are quotients of norms
    d, tolerance = 5, 0.05
    worst = [-math.inf, math.inf]
    for k in (0.03, 0.1, 0.3):
        beta = np.array([1.0, *[k] * (d - 1)])
        for log_alpha in np.linspace(-12.0, 2.0, 15):
            x = np.asarray(ib.Q.from_log_alpha(log_alpha, D).grad(beta))
            least = (x @ beta) / x.max(), (x @ beta) / np.linalg.norm(x)
            l1, l2 = beta.sum() / least[0] - 1, (beta @ beta) / least[1] ** 2 - 1
            rich, kernel = guarantees(*least, float(D), np.ones(d), tolerance)
            assert l1 <= tolerance or rich < log_alpha
            assert l2 <= tolerance or kernel > log_alpha
            if l1 > tolerance:
                worst[0] = max(worst[0], rich - log_alpha)
            if l2 > tolerance:
                worst[1] = min(worst[1], kernel - log_alpha)
    # and they are not far off: some data miss the tolerance within a few decades of the guarantee
    assert worst[0] > -20.0
    assert worst[1] < 4.0


@pytest.mark.parametrize("D", [2, 4])
@with_digits(40)
def test_guarantees_are_the_scales_in_the_docstring(D):
    def q(t):
        s = curve_inverse(t, D)
        conjugate = 2 * mp.cosh(s) - 2 if D == 2 else 1 / (1 - s) + 1 / (1 + s) - 2
        return t * s - conjugate

    S, B, eps, w0 = 0.7, 0.4, 0.03, np.array([0.5, 1.0, 1.5])
    rich, kernel = guarantees(S, B, float(D), w0, eps)
    L, least = (mp.exp(D * mpf(rich)) * mpf(v) for v in (3.5, 0.25))
    assert L * q((1 + eps) * S / L) == pytest.approx(least * q(S / least), rel=1e-9)
    L, least = (mp.exp(D * mpf(kernel)) * mpf(v) for v in (3.5, 0.25))
    inner, outer = least * q(0.5 * mp.sqrt(1 + eps) * B / least), L * q(mp.sqrt(3.5) * B / L)
    assert inner == pytest.approx(outer, rel=1e-9)


def test_theorem_2_of_the_paper():
    # the printed formulas, at numbers where they can be worked out by hand
    rich = theorem2_rich_log_alpha(1.0, 2.0, 10)
    kernel = math.log(theorem2_kernel_alpha(1.0, 3.0))
    assert rich == pytest.approx(min(-1.5 * math.log(8.0), -5.0))
    assert kernel == pytest.approx(0.5 * math.log(36.0))
    assert theorem2_rich_log_alpha(0.5, 100.0, 1) == pytest.approx(-2.5 * math.log(300.0))
    X, y, w0 = line_problem(seed=2)
    for tolerance in (1e-3, 0.1, 3.0, 50.0):
        here = regime(X, y, 1.0, tolerance=tolerance)
        assert here.theorem2_rich <= here.rich_guarantee
        assert here.theorem2_kernel >= here.kernel_guarantee
    for other in (regime(X, y, 1.0, 3), regime(X, y, 1.0, 2, w0)):
        assert other.theorem2_rich is None
        assert other.theorem2_kernel is None


@with_digits(40)
def test_elasticity_falls():
    # what makes "at or below" and "at or above" of the guarantees right
    for D in (2, mpf("2.1"), 3, 4, 20):
        previous = mpf(2)
        for exponent in np.linspace(-3, 8, 45):
            t = mpf(10) ** mpf(float(exponent))
            elasticity = t * curve_inverse(t, D) / mp.mpf(ib.special.q(t, D))
            assert 1 < elasticity < previous
            previous = elasticity


@pytest.mark.parametrize(
    ("X", "y", "unique"),
    [
        ([[1.0, 2.0, 0.5]], [1.0], True),
        ([[1.0, 1.0]], [1.0], False),
        ([[1.0, -1.0]], [1.0], False),
        ([[2.0, 2.0, 1.0], [1.0, 1.0, 3.0]], [2.0, 1.0], False),
        # equal columns that the minimizer does not use
        ([[1.0, 0.3, 0.3], [0.0, 0.2, 0.2]], [1.0, 0.0], True),
        # a vertex with fewer entries than samples, whose multipliers are not unique
        ([[1.0, 0.0, 0.9, 0.4], [0.0, 1.0, 0.1, 0.7]], [1.0, 0.0], True),
        # the same with more multipliers at their bounds than samples, whichever end of their range is found
        ([[1.0, 0.5, 0.25, 0.5, 0.25], [0.0, 1.0, 1.5, -1.0, -1.5]], [1.0, 0.0], True),
        # the third column is the middle of the first two: all on one face
        ([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], [1.0, 1.0], False),
        ([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], [1.0, 0.0], True),
    ],
)
def test_uniqueness_of_the_l1_minimum(X, y, unique):
    here = regime(X, y, 1e-3)
    assert here.l1_unique is unique
    assert ("many minimizers" in str(here)) is not unique


def test_uniqueness_when_the_multipliers_are_at_a_corner():
    # three columns at their bounds in two dimensions; none can replace the first, as both others point up
    X = np.array([[1.0, 0.5, 0.25], [0.0, 1.0, 1.5]])
    support, tight = np.array([True, False, False]), np.ones(3, dtype=bool)
    assert _is_only_minimizer(X, support, tight, np.ones(3))
    X[1, 2] = -1.5  # now they can
    assert not _is_only_minimizer(X, support, tight, np.ones(3))


def test_rich_limit_among_many_minimizers():
    X, y, _ = line_problem(seed=0)
    X = np.hstack([X, X])
    here = regime(X, y, 1e-30)
    assert here.verdict == "rich"
    assert here.l1_excess < 1e-20
    assert math.isfinite(here.rich_log_alpha)
    assert math.isfinite(here.kernel_log_alpha)


def test_verdicts():
    X, y, _ = line_problem(seed=3)
    middle = regime(X, y, 1.0)
    assert middle.rich_log_alpha < middle.kernel_log_alpha
    for log_alpha, verdict in (
        (middle.rich_log_alpha - 0.01, "rich"),
        (middle.rich_log_alpha + 0.01, "between"),
        (middle.kernel_log_alpha - 0.01, "between"),
        (middle.kernel_log_alpha + 0.01, "kernel"),
    ):
        here = regime(X, y, math.exp(log_alpha))
        assert here.verdict == verdict
        assert str(here).startswith(verdict)


def test_scales_beyond_floats():
    X, y, _ = line_problem(seed=3)
    rich, kernel = regime(X, y, "1e-4350"), regime(X, y, "1e4350")
    assert (rich.verdict, rich.l1_excess) == ("rich", 0.0)
    assert (kernel.verdict, kernel.l2_excess) == ("kernel", 0.0)
    assert "alpha = 1.00e-4350" in str(rich)
    assert rich.rich_log_alpha == kernel.rich_log_alpha
    assert regime(X, y, 1e-3, tolerance=1e-9).theorem2_rich < -1e8


def test_where_the_data_leave_no_choice():
    X, y, _ = line_problem(seed=3)
    for here in (
        regime(X[:, :3], y, 1.0),
        regime([[2.0]], [3.0], 1.0, 3),
        regime(X, np.zeros(3), 1.0, 3),
        regime(X, y, 1.0, tolerance=1e3),
    ):
        assert here.verdict == "both"
        assert (here.rich_log_alpha, here.kernel_log_alpha) == (math.inf, -math.inf)
        assert str(here).count("at every alpha") == 2
    assert regime(X[:, :3], y, 1.0).l2_excess == 0.0


def test_scaling_laws():
    # beta scales with alpha^D; and with w0 = c the pair (alpha, c) acts as alpha c
    X, y, w0 = line_problem(seed=5)
    for D in (2, 3):
        here, larger = regime(X, y, 0.5, D, w0), regime(X, 64 * y, 0.5 * 64 ** (1 / D), D, w0)
        shaped = regime(X, y, 0.25, D, 2 * w0)
        for other, shift in ((larger, math.log(64) / D), (shaped, -math.log(2))):
            assert other.l1_excess == pytest.approx(here.l1_excess, rel=1e-9)
            assert other.l2_excess == pytest.approx(here.l2_excess, rel=1e-9)
            for name in ("rich_log_alpha", "kernel_log_alpha", "rich_guarantee", "kernel_guarantee"):
                assert getattr(other, name) == pytest.approx(getattr(here, name) + shift, abs=1e-7)


def test_text():
    here = Regime(
        log_alpha=math.log(0.5),
        D=2.0,
        tolerance=0.01,
        shape=(3, 4),
        l1_excess=0.25,
        l2_excess=1e-30,
        rich_log_alpha=-7.0,
        kernel_log_alpha=-1.0,
        rich_guarantee=-1000.0,
        kernel_guarantee=0.0,
        theorem2_rich=-1e8,
        theorem2_kernel=2.0,
        l1_unique=True,
    )
    assert str(here).splitlines() == [
        "kernel: training ends near the minimum l2 norm (alpha = 0.5, depth 2, N = 3, d = 4)",
        "  l1 norm: 25% above its minimum, within 1% for alpha <= 0.000912 "
        "(guaranteed for <= 5.08e-435, by Theorem 2 for <= 10^-4.34294e+07)",
        "  squared l2 norm: 1e-28% above its minimum, within 1% for alpha >= 0.368 "
        "(guaranteed for >= 1, by Theorem 2 for >= 7.39)",
    ]


@pytest.mark.parametrize("tolerance", [0, -1.0, math.nan, math.inf, 1e-13, "0.1", True])
def test_tolerance_is_checked(tolerance):
    with pytest.raises(ValueError, match="tolerance must be a finite number, at least 1e-12, got"):
        regime([[1.0, 2.0]], [1.0], 1.0, tolerance=tolerance)


def test_bad_problems():
    with pytest.raises(ib.InfeasibleError, match="no solution"):
        regime([[1.0, 2.0], [1.0, 2.0]], [1.0, 2.0], 1.0)
    with pytest.raises(ValueError, match="w0 must have one entry per column of X: X has 2 columns, w0 has 3"):
        regime([[1.0, 2.0]], [1.0], 1.0, 2, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="alpha must be"):
        regime([[1.0, 2.0]], [1.0], -1.0)
