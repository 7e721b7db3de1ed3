"""Validation of problems: what is accepted, what is refused, and in which words."""

import dataclasses
import re

import numpy as np
import pytest

import implicitbias as ib

KINDS = [ib.Interpolation, ib.Margins]
X, y = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([1.0, -1.0])


@pytest.mark.parametrize("kind", KINDS)
def test_holds_float64(kind):
    for given in (X.tolist(), X.astype(int), X.astype(np.float32), np.asfortranarray(X)):
        held = kind(given, [1, -1])
        assert held.X.dtype == held.y.dtype == np.float64
        np.testing.assert_array_equal(held.X, X)
        assert held.shape == (2, 3)
    assert kind(X, y).X is X  # not copied


@pytest.mark.parametrize("kind", KINDS)
def test_frozen(kind):
    held = kind(X, y)
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.X = X


@pytest.mark.parametrize(
    ("matrix", "target", "error", "text"),
    [
        (X[0], y, ValueError, "X must have shape (N, d), got an array of shape (3,)"),
        (X, X, ValueError, "y must have shape (N,), got an array of shape (2, 3)"),
        (X, 1.0, ValueError, "y must have shape (N,), got an array of shape ()"),
        (X, y[:1], ValueError, "y must have one entry per row of X: X has 2 rows, y has 1"),
        (X[:0], y[:0], ValueError, "X must have at least one row and one column, got shape (0, 3)"),
        (X[:, :0], y, ValueError, "X must have at least one row and one column, got shape (2, 0)"),
        (X * [1, np.nan, 1], y, ValueError, "X must be finite, got nan at index (0, 1) (2 such entries in all)"),
        (X, [1, np.inf], ValueError, "y must be finite, got inf at index (1,) (1 such entries in all)"),
        (X * 1j, y, TypeError, "X must hold real numbers, got dtype complex128"),
        (X, ["a", "b"], TypeError, "y must hold real numbers, got dtype <U1"),
        (X, [None, 1], TypeError, "y must hold real numbers, got dtype object"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_refusals(kind, matrix, target, error, text):
    with pytest.raises(error) as caught:
        kind(matrix, target)
    assert str(caught.value) == text


def test_labels():
    np.testing.assert_array_equal(ib.Margins(X, y).signed, y[:, None] * X)
    for same in ([1, 0], [True, False], np.array([1.0, 0.0]), np.array([1, -1], dtype=np.int8)):
        np.testing.assert_array_equal(ib.Margins(X, same).y, y)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([1, 0.5, -1], "y must hold labels -1 or +1 (or 0 and 1), got 0.5 at index 1"),
        ([1, 2, 2], "y must hold labels -1 or +1 (or 0 and 1), got 2.0 at index 1"),
        ([1, 1, 1], "y must hold both classes, -1 and +1 (or 0 and 1), got only 1"),
        ([-1, -1, -1], "y must hold both classes, -1 and +1 (or 0 and 1), got only -1"),
        ([0, 0, 0], "y must hold both classes, -1 and +1 (or 0 and 1), got only 0"),
        ([-1, 0, 0], "y must hold labels -1 and +1, or 0 and 1, got -1 and 0"),
        ([-1, 0, 1], "y must hold labels -1 and +1, or 0 and 1, got all of -1, 0 and 1"),
    ],
)
def test_refused_labels(labels, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        ib.Margins(np.ones((3, 2)), labels)


def test_zero_samples():
    with pytest.raises(ValueError, match=r"X must have no sample that is all zeros, .* got row 1 \(2 such rows"):
        ib.Margins([[1.0, 2.0], [0.0, 0.0], [-0.0, 0.0]], [1, -1, 1])
