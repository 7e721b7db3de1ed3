"""NumPy: shapes, memory layouts and dtypes in, the same out, without a warning."""

import math

import numpy as np
import pytest

from implicitbias import special

NAMES = ["q", "q_prime", "q_second", "q_conjugate", "h", "h_inverse_complement"]
CASES = [(n, D) for n in NAMES for D in (2, 3, 4, 2.5, math.inf) if not (n == "h_inverse_complement" and D == 2)]


@pytest.mark.parametrize(("name", "D"), CASES)
def test_shapes_and_layouts(name, D):
    function = getattr(special, name)
    x = np.linspace(-0.9, 0.9, 24).reshape(2, 3, 4)
    expected = np.array([function(float(e), D) for e in x.flat]).reshape(x.shape)
    frozen = x.copy()
    frozen.setflags(write=False)
    layouts = [
        x,
        np.asfortranarray(x),
        x[::-1, :, ::-2][::-1, :, ::-1],
        x.transpose(2, 0, 1),
        frozen,
        np.broadcast_to(x, (5, 2, 3, 4)),
    ]
    wanted = [expected, expected, expected[::-1, :, ::-2][::-1, :, ::-1], expected.transpose(2, 0, 1), expected]
    wanted.append(np.broadcast_to(expected, (5, 2, 3, 4)))
    for layout, values in zip(layouts, wanted, strict=True):
        before = layout.copy()
        result = function(layout, D)
        assert result.shape == layout.shape
        assert result.dtype == np.float64
        np.testing.assert_allclose(result, values, rtol=4 * np.finfo(float).eps)
        np.testing.assert_array_equal(layout, before)
        assert not np.shares_memory(result, layout)


@pytest.mark.parametrize(("name", "D"), CASES)
def test_empty_scalars_lists_integers_and_booleans(name, D):
    function = getattr(special, name)
    assert function(np.empty((0, 3)), D).shape == (0, 3)
    for scalar in (0.25, np.float64(0.25), np.array(0.25)):
        result = function(scalar, D)
        assert np.shape(result) == ()
        assert float(result) == float(function(np.array([0.25]), D)[0])
    assert isinstance(function(0.25, D), float)
    nested = function([[0.25, 0.5], [0.0, -0.25]], D)
    np.testing.assert_array_equal(nested, function(np.array([[0.25, 0.5], [0.0, -0.25]]), D))
    for dtype in (np.int8, np.uint16, np.int64, bool):
        result = function(np.array([0, 0], dtype=dtype), D)
        assert result.dtype == np.float64
    if name in ("q", "q_prime"):
        np.testing.assert_array_equal(function(np.array([0, 1, 7]), D), function(np.array([0.0, 1.0, 7.0]), D))
        np.testing.assert_array_equal(function(np.array([True]), D), function(np.array([1.0]), D))


@pytest.mark.parametrize(("name", "D"), CASES)
def test_half_precision_is_rounded_once_from_a_wider_result(name, D):
    x = np.array([1e-3, 0.25, 0.5], dtype=np.float16)
    result = getattr(special, name)(x, D)
    assert result.dtype == np.float16
    wide = getattr(special, name)(x.astype(np.float64), D)
    assert (abs(result.astype(float) - wide) <= 0.51 * np.spacing(wide.astype(np.float16)).astype(float)).all()


def test_wider_than_double_is_refused():
    if np.dtype(np.longdouble).itemsize == 8:
        return
    with pytest.raises(TypeError, match="at most 64 bits"):
        special.q(np.array([1.0], dtype=np.longdouble))


@pytest.mark.parametrize(("name", "D"), CASES)
def test_more_than_one_block_and_every_range_at_once(name, D):
    rng = np.random.default_rng(0)
    x = 10.0 ** rng.uniform(-320, 305, 40_001) if name not in ("h", "q_conjugate") else rng.uniform(-1, 1, 40_001)
    x[::1000] = [0.0]
    whole = getattr(special, name)(x, D)
    some = slice(0, None, 97)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(
        whole[some], getattr(special, name)(x[some], D), rtol=4 * np.finfo(float).eps, atol=5e-324
    )


@pytest.mark.parametrize(("name", "D"), CASES)
def test_extremes_give_no_warning(name, D):
    with np.errstate(all="raise"):
        getattr(special, name)(np.array([0.0, -0.0, 5e-324, 1.7e308, -1.7e308, np.inf, -np.inf, np.nan]), D)
    assert np.geterr()["over"] == "warn"
