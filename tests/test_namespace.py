"""Which library an argument belongs to, and the containers of each."""

import subprocess
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
import torch

from implicitbias._namespace import Kind, apply_where, blockwise, kind_of, map_elements, shape_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.0, Kind.NUMPY),
        (3, Kind.NUMPY),
        (Fraction(1, 3), Kind.NUMPY),
        (np.float32(1), Kind.NUMPY),
        (np.ones(3), Kind.NUMPY),
        ([1.0, 2], Kind.NUMPY),
        ([[1.0], (2,)], Kind.NUMPY),
        ([], Kind.NUMPY),
        (np.array([Fraction(1, 2), 3], dtype=object), Kind.NUMPY),
        (torch.ones(2), Kind.TORCH),
        (torch.nn.Parameter(torch.ones(2)), Kind.TORCH),
        (mpmath.mpf(1), Kind.MPMATH),
        (mpmath.mp.clone().mpf(1), Kind.MPMATH),
        (mpmath.matrix([1, 2]), Kind.MPMATH),
        ([1.0, mpmath.mpf(1)], Kind.MPMATH),
        ([[mpmath.mpf(1), 2]], Kind.MPMATH),
        (np.array([mpmath.mpf(1), 2]), Kind.MPMATH),
        (sympy.Symbol("x"), Kind.SYMPY),
        (sympy.Float(0.5), Kind.SYMPY),
        (sympy.Integer(2), Kind.SYMPY),
        (sympy.Matrix([1, 2]), Kind.SYMPY),
        ([1, sympy.pi], Kind.SYMPY),
    ],
    ids=repr,
)
def test_kinds(value, kind):
    assert kind_of(x=value) is kind
    assert kind_of(x=1.0, y=value) is kind


def test_kinds_do_not_mix():
    with pytest.raises(TypeError, match="a is of kind NumPy and b is of kind torch; convert one of them"):
        kind_of(a=np.ones(2), b=torch.ones(2))
    with pytest.raises(TypeError, match="a is of kind mpmath and b is of kind SymPy"):
        kind_of(a=mpmath.mpf(1), b=sympy.Integer(1))
    with pytest.raises(TypeError, match="a mixes SymPy and mpmath numbers"):
        kind_of(a=[mpmath.mpf(1), sympy.Integer(1)])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1j, "x must be real, got the complex number 1j"),
        (mpmath.mpc(1, 2), "x must be real, got the complex number"),
        (np.array([1j]), "got dtype complex128; for higher precision pass mpmath numbers"),
        (np.ones(1, dtype=np.longdouble), "floats of at most 64 bits"),
        (np.array(["a"]), "got dtype <U1"),
        ("1", "got str"),
        (None, "got NoneType"),
        ({1.0}, "got set"),
        ([1.0, "2"], "got str"),
    ],
    ids=repr,
)
def test_refusals(value, text):
    with pytest.raises(TypeError, match=text):
        kind_of(x=value)


def test_branches_see_their_own_elements_only():
    seen = []

    def branch(name):
        def run(v):
            seen.append((name, v.tolist()))
            return (v + 1.0,)

        return run

    x = np.array([1.0, -2.0, 3.0])
    assert apply_where(np, x > 0, branch("yes"), branch("no"), x)[0].tolist() == [2.0, -1.0, 4.0]
    assert seen == [("yes", [1.0, 3.0]), ("no", [-2.0])]
    seen.clear()
    for condition in (x < 9, x > 9):
        apply_where(np, condition, branch("yes"), branch("no"), x)
    assert [name for name, _ in seen] == ["yes", "no"]
    t = torch.tensor(x)
    assert apply_where(torch, t > 0, lambda v: (v,), lambda v: (-v,), t)[0].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 0, 3), (40_000,)])
def test_blocks_cover_everything_once(shape):
    x = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    got = blockwise(lambda xp, block: block + 1.0, x, widen=False)
    np.testing.assert_array_equal(got, x + 1.0)
    assert np.shape(got) == shape


@pytest.mark.parametrize(
    ("dtype", "widen", "work", "result"),
    [
        (np.float64, False, np.float64, np.float64),
        (np.float32, False, np.float32, np.float32),
        (np.float32, True, np.float64, np.float32),
        (np.float16, False, np.float32, np.float16),
        (np.int32, False, np.float64, np.float64),
        (bool, True, np.float64, np.float64),
    ],
)
def test_working_precision(dtype, widen, work, result):
    def kernel(xp, block):
        assert block.dtype == work
        return block

    assert blockwise(kernel, np.ones(3, dtype=dtype), widen=widen).dtype == result
    assert np.asarray(blockwise(kernel, np.ones((), dtype=dtype), widen=widen)).dtype == result


def test_shapes():
    assert shape_of(1.0) == ()
    assert shape_of([1, 2]) == (2,)
    assert shape_of([[mpmath.mpf(1), 2]]) == (1, 2)
    assert shape_of(mpmath.matrix([1, 2, 3])) == (3,)
    assert shape_of(sympy.Matrix([[1, 2], [3, 4]])) == (2, 2)
    assert shape_of(torch.ones(2, 3)) == (2, 3)


def test_elements_keep_their_container_and_the_argument_is_not_changed():
    def add(i, v):
        return v + i

    one = mpmath.mpf(1)
    assert map_elements(one, add) == 1
    assert map_elements([one, one], add) == [1, 2]
    assert map_elements([[one], [one]], add) == [[1], [2]]
    assert map_elements(np.array([one, one]), add).tolist() == [1, 2]
    given = sympy.Matrix([[1, 2], [3, 4]])
    assert map_elements(given, add) == sympy.Matrix([[1, 3], [5, 7]])
    assert given == sympy.Matrix([[1, 2], [3, 4]])
    numbers = mpmath.matrix([1, 2])
    assert list(map_elements(numbers, add)) == [1, 3]
    assert list(numbers) == [1, 2]


def test_no_optional_library_is_imported_to_find_out():
    code = (
        "import sys; from implicitbias._namespace import kind_of; kind_of(x=1.0); "
        "assert not {'torch', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
