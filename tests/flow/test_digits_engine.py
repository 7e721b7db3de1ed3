"""The integrator of many digits: digits kept, order, backends, interruption, what it says when it cannot go on."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from implicitbias import Q, Status
from implicitbias.flow._state import FlowStopped, State
from implicitbias.flow.digits import BACKENDS, DigitsFlow, _arithmetic
from implicitbias.flow.digits._collocation import radau
from implicitbias.flow.digits._stages import solve
from implicitbias.flow.digits._system import System

X = np.array([[1.0, 0.2, 0.3], [0.4, 1.0, -0.3], [0.2, -0.5, 1.0]])
# of these four samples the first and the last carry weight at first, the first two in the end
CHANGING = np.array([[1.0, 0.2], [0.3, 1.0], [1.0, 1.4], [0.6, 0.62]])


def reached(alpha, D, loss, target, digits, data=X, **options):
    flow = DigitsFlow(data, np.ones(len(data)), Q(alpha, D), loss, digits=digits, **options)
    state = flow.advance_to(target)
    return flow, state, flow.observe(state)


def distance(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) / max(map(abs, b))


def unit(v):
    size = mp.sqrt(mp.fsum(x * x for x in v))
    return [x / size for x in v]


@pytest.mark.parametrize(
    ("alpha", "D", "loss", "target", "data"),
    [
        ("100", 2, "exponential", 20000, X),
        ("100", 2, "exponential", 10**7, X),
        ("1e4", 2, "exponential", 2 * 10**8, X),
        ("100", 3, "exponential", 10**6, X),
        ("100", 10, "exponential", 10**5, X),
        ("1e-4350", 2, "exponential", 10**5, X),
        ("1e-60", 3, "exponential", 20, X),
        ("1e300", 2, "exponential", 20000, X),
        ("10", 2, "exponential", 10**6, CHANGING),
        ("100", 2, "logistic", 10**6, X),
        ("0.01", 2, "squared", 460, X),
        ("10", 3, "squared", 460, X),
    ],
)
def test_thirty_digits_are_those_of_forty(alpha, D, loss, target, data):
    _, rough, (beta, _, p) = reached(alpha, D, loss, target, 30, data)
    flow, fine, (fine_beta, _, fine_p) = reached(alpha, D, loss, target, 40, data)
    with mp.workdps(60):
        assert abs(rough.accuracy / target - 1) < mpf("1e-32")
        assert distance(rough.nu, fine.nu) < mpf("1e-30")
        assert distance(unit(beta), unit(fine_beta)) < mpf("1e-30")
        assert distance(p, fine_p) < mpf("1e-30")
        assert abs(rough.log_time - fine.log_time) < 1e-13
    assert distance(fine.beta, fine_beta) < mpf("1e-40")
    assert flow.info["accuracy_drift"] < 1e-40
    assert flow.info["conserved"] < 1e-40
    assert flow.info["error_estimate"] < 1e-38


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(-3, 4),
    st.sampled_from([2, 2.5, 3, 6]),
    st.sampled_from(["exponential", "logistic", "squared"]),
)
def test_digits_are_kept_on_any_data(seed, log_alpha, D, loss):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((3, 5))
    alpha = f"{10**log_alpha:.6g}"
    _, rough, (beta, _, _) = reached(alpha, D, loss, 30, 10, data)
    _, fine, (fine_beta, _, _) = reached(alpha, D, loss, 30, 20, data)
    with mp.workdps(40):
        assert distance(rough.nu, fine.nu) < mpf("1e-10")
        assert distance(unit(beta), unit(fine_beta)) < mpf("1e-10")


def steps_of(arithmetic, system, s, count):
    """Dual variable after a span of 0.8 in `count` steps of equal length, which no control has touched."""
    bits = 400
    with arithmetic.bits(bits):
        system.prepare(bits)
        tables = radau(arithmetic, s, bits)
        h = arithmetic.number(0.8) / count
        nu = [arithmetic.number(0)] * 3
        for _ in range(count):
            start = [system.targets_of(system.points([nu])[0].margins)] * s
            nu = solve(system, tables, nu, h, start, arithmetic.number(mpf("1e-60"))).nu[-1]
        return [arithmetic.to_mpmath(v) for v in nu]


@pytest.mark.parametrize("loss", ["exponential", "squared"])
@pytest.mark.parametrize("s", [2, 3, 5])
def test_order_is_twice_the_stages_less_one(loss, s):
    arithmetic = _arithmetic.arithmetic()
    system = System(X, np.ones(3), Q("0.5", 2), loss, arithmetic)
    exact = steps_of(arithmetic, system, 20, 8)
    with mp.workdps(60):
        errors = [distance(steps_of(arithmetic, system, s, count), exact) for count in (32, 64)]
        order = float(mp.log(errors[0] / errors[1], 2))
    assert order == pytest.approx(2 * s - 1, abs=0.15)


@pytest.mark.parametrize("name", BACKENDS)
def test_backends_agree_and_leave_precision_alone(name):
    flint, gmpy2 = pytest.importorskip("flint"), pytest.importorskip("gmpy2")
    before = mp.prec, flint.ctx.prec, gmpy2.get_context().precision
    flow, state, _ = reached("10", 3, "exponential", 1000, 15, backend=name)
    with pytest.raises(FlowStopped):
        DigitsFlow(X, np.ones(3), Q(1), "exponential", digits=20, backend=name, max_steps=1).advance_to(100)
    assert (mp.prec, flint.ctx.prec, gmpy2.get_context().precision) == before
    assert flow.info["backend"] == name
    assert all(isinstance(v, mpmath.mpf) for v in (*state.nu, state.accuracy, state.log_time))
    _, fine, _ = reached("10", 3, "exponential", 1000, 25)
    with mp.workdps(40):
        assert distance(state.nu, fine.nu) < mpf("1e-15")


def test_without_fast_libraries_mpmath_computes(monkeypatch):
    real = _arithmetic.importlib.import_module
    hidden = {"flint", "gmpy2"}

    def without(name):
        if name in hidden:
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(_arithmetic.importlib, "import_module", without)
    assert _arithmetic.arithmetic().name == "mpmath"
    hidden.remove("gmpy2")
    assert _arithmetic.arithmetic().name == "gmpy2"


@pytest.mark.parametrize("loss", ["exponential", "squared"])
def test_interrupted_and_resumed(loss):
    target = 60
    whole = reached("1", 2, loss, target, 25)[1]
    seen = []

    def interrupt(state):
        seen.append(state)
        if len(seen) == 5:
            raise KeyboardInterrupt

    flow = DigitsFlow(X, np.ones(3), Q("1"), loss, digits=25, on_step=interrupt)
    with pytest.raises(KeyboardInterrupt):
        flow.advance_to(target)
    assert flow.state is seen[-1]
    resumed = DigitsFlow(X, np.ones(3), Q("1"), loss, digits=25, start=flow.state)
    assert resumed.state.accuracy == pytest.approx(flow.state.accuracy, rel=1e-15)
    for state in (resumed.advance_to(target), flow.advance_to(target)):
        with mp.workdps(40):
            assert distance(state.nu, whole.nu) < mpf("1e-25")
            assert abs(state.log_time - whole.log_time) < 1e-13
    assert [s.accuracy for s in seen] == sorted({s.accuracy for s in seen})


def test_points_on_the_way_change_nothing():
    flow = DigitsFlow(X, np.ones(3), Q("100"), "exponential", digits=30)
    states = [flow.advance_to(v) for v in ("1e-3", 0.5, 3, 50, 51, 20000)]
    whole = reached("100", 2, "exponential", 20000, 30)[1]
    middle = reached("100", 2, "exponential", 51, 40)[1]
    with mp.workdps(40):
        assert distance(states[-1].nu, whole.nu) < mpf("1e-30")
        assert distance(states[-2].nu, middle.nu) < mpf("1e-30")
    assert flow.advance_to(flow.state.accuracy) is flow.state


def test_a_state_of_floats_is_a_start():
    state = State(np.array([0.5, 0.25, 0.125]), 0.0, -np.inf)
    flow = DigitsFlow(X, np.ones(3), Q("1"), "exponential", digits=20, start=state)
    assert flow.state.accuracy > 0.5
    assert flow.advance_to(10).accuracy == pytest.approx(10, rel=1e-20)


def test_an_accuracy_already_passed_is_an_error():
    flow = reached("1", 2, "exponential", 10, 15)[0]
    with pytest.raises(ValueError, match=r"accuracy must not be below that of the present state, 10\.0, got 9\.5"):
        flow.advance_to(9.5)


CONTRADICTING = np.array([[1.0, 0.2], [-1.0, 0.3], [0.2, -1.0]])


@pytest.mark.parametrize(
    ("loss", "reason"),
    [("exponential", "not separable"), ("logistic", "not separable"), ("squared", "has no solution")],
)
@pytest.mark.parametrize("D", [2, 3])
def test_a_flow_at_rest_is_noticed(loss, reason, D):
    flow = DigitsFlow(CONTRADICTING, np.ones(3), Q(1, D), loss, digits=15)
    with pytest.raises(FlowStopped, match=reason) as stopped:
        flow.advance_to(1000)
    assert stopped.value.status is Status.STALLED


def test_the_limit_of_steps():
    flow = DigitsFlow(X, np.ones(3), Q(100), "exponential", digits=15, max_steps=3)
    with pytest.raises(FlowStopped, match="3 steps led to accuracy") as stopped:
        flow.advance_to(1000)
    assert stopped.value.status is Status.ITERATION_LIMIT
    assert flow.steps == 3


@pytest.mark.parametrize("s", [2, 7, 40])
def test_radau_tables(s):
    arithmetic = _arithmetic.arithmetic()
    tables = radau(arithmetic, s, 300)
    with mp.workprec(300):
        nodes = [arithmetic.to_mpmath(v) for v in tables.nodes]
        weights = [arithmetic.to_mpmath(v) for v in tables.weights]
        for k in range(2 * s - 1):
            assert abs(mp.fdot(weights, [v**k for v in nodes]) - mpf(1) / (k + 1)) < mpf(2) ** -290
        with arithmetic.bits(300):
            powers = [[v ** (s - 1)] for v in tables.nodes]
            integrals = [arithmetic.to_mpmath(row[0]) for row in arithmetic.times(tables.matrix, powers)]
        assert max(abs(a - v**s / s) for a, v in zip(integrals, nodes, strict=True)) < mpf(2) ** -280


def test_through_an_accuracy_of_zero():
    flow = DigitsFlow(X, np.full(3, 2.0), Q(1), "squared", digits=20)
    assert flow.state.accuracy == pytest.approx(-np.log(12))
    assert abs(flow.advance_to(0).accuracy) < 1e-20
    assert flow.advance_to(1e-5).accuracy == pytest.approx(1e-5, rel=1e-15)


def test_a_node_is_a_point_like_any_other():
    steps = []
    reached("100", 2, "exponential", 100, 20, on_step=steps.append)
    for step in steps[2:5]:
        state = reached("100", 2, "exponential", step.accuracy, 20)[1]
        with mp.workdps(40):
            assert distance(state.nu, step.nu) < mpf("1e-20")
            assert abs(state.log_time - step.log_time) < 1e-13
