"""A step that cannot fail proves nothing: feed the helpers a wrong constant and see them object."""

from dataclasses import replace

import pytest
from sympy import Integer, Poly, Rational, cosh, sinh, sqrt, symbols

from derivations import depth, depth_limits, explicit, hypentropy, radicals
from derivations._flow import dual_constant, gradient_flow, velocity_constant
from implicitbias.ledger import Check, StepError

theta, beta = symbols("theta beta", real=True)
scale, z = symbols("a z", positive=True)
TWO = Integer(2)
Q = 2 - sqrt(4 + z**2) + z * hypentropy.asinh(z / 2)


def fails(function, *arguments):
    with pytest.raises(StepError) as caught:
        function(Check(), *arguments)
    return str(caught.value)


def test_constants_follow_the_factor_of_the_loss():
    constants = {
        factor: (
            velocity_constant(Check(), flow),
            dual_constant(Check(), flow, hypentropy.dual_of_weights(flow)),
        )
        for factor in (Integer(1), Rational(1, 2))
        for flow in [gradient_flow(TWO, factor)]
    }
    assert constants == {1: (4, 8), Rational(1, 2): (2, 4)}


def test_flow_with_one_velocity_doubled():
    flow = gradient_flow(TWO)
    fails(velocity_constant, replace(flow, velocity_plus=2 * flow.velocity_plus))


@pytest.mark.parametrize("power", [1, 2])
def test_wrong_dual_coordinate_leaves_the_row_space(power):
    flow = gradient_flow(TWO)
    wrong = flow.plus.applyfunc(lambda w: w**power) - flow.minus.applyfunc(lambda w: w**power)
    assert "row space" in fails(dual_constant, flow, wrong)


def test_dual_of_another_depth():
    flow = gradient_flow(Integer(3))
    assert dual_constant(Check(), flow, depth.dual_of_weights(flow).subs(depth.n, 1)) == 6
    fails(dual_constant, flow, depth.dual_of_weights(flow).subs(depth.n, 2))


@pytest.mark.parametrize("curve", [4 * scale**2 * sinh(theta), 2 * scale * sinh(theta), 2 * scale**2 * theta])
def test_wrong_curve(curve):
    assert "(19)" in fails(hypentropy.hypentropy, curve, theta, beta, scale)


def test_conjugate_of_another_curve():
    fails(hypentropy.conjugate, 2 * scale**2 * theta, theta, Q, z)
    fails(hypentropy.conjugate, 2 * scale**2 * sinh(theta), theta, Q + z**2, z)
    assert hypentropy.conjugate(Check(), 2 * scale**2 * sinh(theta), theta, Q, z).has(cosh)


@pytest.mark.parametrize("step", [hypentropy.kkt, hypentropy.stable_forms, hypentropy.limits])
def test_wrong_hypentropy(step):
    fails(step, Q + z**2 / 1000, z)


def test_shape_needs_squared_weights():
    w0 = symbols("w0", positive=True)
    alpha = symbols("alpha", positive=True)
    a = alpha * w0
    assert depth.shape(alpha**depth.n * a**2, a**depth.D) == alpha**depth.n
    for weight in (a**depth.D, a**2 * w0, a):
        assert w0 in depth.shape(weight, a**depth.D).free_symbols


def test_weights_do_not_solve_a_flow_of_twice_the_speed():
    clock = symbols("G", real=True)
    slow = depth.solve_flow(Check(), scale, clock, 2 * depth.D)
    fast = depth.solve_flow(Check(), scale, clock, 4 * depth.D)
    assert slow[0].subs(clock, 2 * clock).equals(fast[0])
    assert not slow[0].equals(fast[0])


def test_explicit_regularizer_with_a_wrong_distance():
    z_of_m, u_of_m = explicit.stationary_curve(Check())
    assert "printed" in fails(explicit.eliminate, z_of_m, 2 * u_of_m)
    assert "p_z" in fails(explicit.eliminate, 2 * z_of_m, u_of_m)
    fails(explicit.depth_four, z_of_m, 2 * u_of_m)
    fails(explicit.ends, z_of_m, 2 * u_of_m)


def test_another_quartic_has_another_discriminant():
    fails(explicit.two_real_roots, explicit.printed_quartic(explicit.z) + explicit.u)


def test_cardano_needs_the_right_cubic():
    s, t, y = symbols("s t y", real=True)
    radicals.depth4_formula(Check(), y**3 + 4 * t**2 * y + 4 * t**2, s, t, y)
    assert "cubic" in fails(radicals.depth4_formula, y**3 + 4 * t**2 * y + 5 * t**2, s, t, y)


def test_unique_real_root_is_refuted_at_one():
    roots = Poly(explicit.printed_quartic(Integer(1)), explicit.u).real_roots(radicals=False)
    assert [float(root) for root in roots] == pytest.approx([0.11835108572270261, 4.66363807741], abs=1e-11)


@pytest.mark.parametrize("step", [depth_limits.large_argument, depth_limits.slope_at_two])
def test_limits_need_the_right_conjugate(monkeypatch, step):
    monkeypatch.setattr(depth_limits, "curve_integral", lambda z: 2 * depth.curve_integral(z))
    fails(step)
