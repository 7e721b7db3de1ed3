from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.datasets import load_digits

from implicitbias.data import diabetes, digits, load_table, sparse_regression, standardize


def test_sparse_regression():
    data = sparse_regression(20, 50, 4, noise=0.0, rng=1)
    assert data.shape == (20, 50)
    np.testing.assert_array_equal(data.planted[:4], 0.5)
    assert np.count_nonzero(data.planted) == 4
    np.testing.assert_allclose(data.y, data.X @ data.planted)
    assert "4-sparse vector in 50 dimensions" in data.description
    same = sparse_regression(20, 50, 4, noise=0.0, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(same.X, data.X)
    noisy = sparse_regression(4000, 3, 1, noise=0.1, rng=1)
    assert np.std(noisy.y - noisy.X @ noisy.planted) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5, 1), "n_samples must be at least 1, got 0"),
        ((3, 5, 6), "n_nonzero must lie between 1 and n_features = 5, got 6"),
        ((3, 5, 0), "n_nonzero must lie between 1"),
    ],
)
def test_sparse_regression_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        sparse_regression(*arguments)
    with pytest.raises(ValueError, match="noise must be finite and not negative, got -1"):
        sparse_regression(3, 5, 1, noise=-1)


@pytest.mark.parametrize(("degree", "features", "samples"), [(1, 10, 6), (2, 64, 30)])
def test_diabetes(degree, features, samples):
    data = diabetes(samples, degree, rng=0)
    assert data.shape == (samples, features) == (len(data.y), len(data.feature_names))
    assert np.linalg.matrix_rank(data.X) == samples
    assert np.abs(data.X).max() < 20
    assert 0.5 < np.std(data.y) < 2
    # no column is another one up to sign: the minimum l1 norm would not be unique
    cosine = np.abs(data.X.T @ data.X) / np.outer(*[np.linalg.norm(data.X, axis=0)] * 2)
    assert np.triu(cosine, 1).max() < 1 - 1e-6
    assert f"{samples} diabetes patients" in data.description
    assert not np.array_equal(diabetes(samples, degree, rng=1).X, data.X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((64, 2), "degree 2 gives 64 features, so n_samples must be below that, got 64"),
        ((443, 2), "n_samples must lie between 1 and 442, got 443"),
        ((5, 0), "degree must be at least 1, got 0"),
    ],
)
def test_diabetes_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        diabetes(*arguments)


def separable(data):
    """Whether a linear program finds margins of 1, through the origin."""
    A = -data.y[:, None] * data.X
    found = linprog(np.zeros(A.shape[1]), A_ub=A, b_ub=-np.ones(len(A)), bounds=(None, None))
    return found.status == 0


def test_digits():
    data = digits()
    bunch = load_digits()
    assert data.shape == (357, 54) == (len(data.y), len(data.feature_names))
    assert [np.sum(data.y == label) for label in (1, -1)] == [np.sum(bunch.target == digit) for digit in (3, 8)]
    assert (data.X.min(), data.X.max()) == (0.0, 1.0)
    assert (np.ptp(data.X, axis=0) > 0.0).all()
    image = bunch.data[bunch.target == 3][0] / 16
    assert np.sum(data.X[data.y == 1][0]) == image.sum()  # what was left out is dark
    assert data.feature_names[0] == "pixel_0_1"
    assert data.description == "357 handwritten digits, 3 (+1) against 8 (-1), by 54 pixels of 8 x 8 images"
    assert separable(data)


@pytest.mark.parametrize("negative", range(9))
def test_any_two_digits_are_separable(negative):
    for positive in range(negative + 1, 10):
        assert separable(digits(positive, negative))


@pytest.mark.parametrize("n_samples", [2, 3, 40, 357])
def test_few_digits(n_samples):
    data = digits(8, 3, n_samples, rng=1)
    assert data.shape[0] == n_samples
    assert abs(np.sum(data.y == 1) - n_samples * 174 / 357) <= 0.5
    assert set(data.y) == {-1.0, 1.0}
    assert (np.ptp(data.X, axis=0) > 0.0).all()
    np.testing.assert_array_equal(digits(8, 3, n_samples, rng=np.random.default_rng(1)).X, data.X)
    if n_samples < 357:
        assert digits(8, 3, n_samples, rng=2).X.tobytes() != data.X.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 3), "positive must be a digit from 0 to 9, got 10"),
        ((3, "8"), "negative must be a digit from 0 to 9, got '8'"),
        ((3, 3), "positive and negative must be different digits, got 3 twice"),
        ((3, 8, 1), "n_samples must lie between 2 and 357, got 1"),
        ((3, 8, 358), "n_samples must lie between 2 and 357, got 358"),
    ],
)
def test_digits_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        digits(*arguments)


def test_labels_in_tables(tmp_path):
    file = tmp_path / "toy.csv"
    file.write_text("size,weight,label\n1,2,0\n3,5,1\n4,4,1\n", encoding="utf-8")
    data = load_table(file)
    np.testing.assert_array_equal(data.y, [0, 1, 1])
    scaled = standardize(data, target=False)
    np.testing.assert_array_equal(scaled.y, [0, 1, 1])
    np.testing.assert_allclose(scaled.X.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(scaled.X.std(axis=0), 1)
    np.savez(tmp_path / "toy.npz", X=data.X, y=np.array([-1, 1, 1]))
    one = load_table(tmp_path / "toy.npz")
    np.testing.assert_array_equal(standardize(one, target=False).y, [-1, 1, 1])
    one.y[:] = 1.0
    assert standardize(one, target=False).shape == (3, 2)  # a constant target is no trouble where it stays


def test_csv(tmp_path):
    file = tmp_path / "toy.csv"
    file.write_text("\ufeffage, dose ,effect\n1,2,3\n4,5e-1,6\n\n", encoding="utf-8")
    data = load_table(file)
    assert data.name == "toy"
    assert data.feature_names == ("age", "dose")
    np.testing.assert_array_equal(data.X, [[1, 2], [4, 0.5]])
    np.testing.assert_array_equal(data.y, [3, 6])
    other = load_table(str(file), "dose")
    assert other.feature_names == ("age", "effect")
    np.testing.assert_array_equal(other.y, [2, 0.5])


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", None, "the file is empty"),
        ("1,2\n3,4\n", None, "line 1: column names expected, got numbers only"),
        (",a,b\n0,1,2\n", None, "line 1: column 1 has no name; .*index=False"),
        ("a,b\n1,2\n3\n", None, "line 3: 1 entries where the header has 2"),
        ("a,b\n1,2\n3,x\n", None, "line 3, column 'b': a number expected, got 'x'"),
        ("a,b\n1,\n", None, "line 2, column 'b': a number expected, got ''"),
        ("a,b\nnan,2\n", None, "line 2, column 'a': a finite number expected, got nan"),
        ("a,b\n", None, "at least two columns and one row"),
        ("a,b\n1,2\n", "c", "no column named 'c'; the columns are a, b"),
        ("a,a\n1,2\n", "a", "more than one column named 'a'"),
    ],
)
def test_csv_errors_name_the_place(tmp_path, text, target, message):
    file = tmp_path / "bad.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        load_table(file, target)
    assert str(caught.value).startswith(str(file))


def test_npz(tmp_path):
    file = tmp_path / "toy.npz"
    np.savez(file, X=np.arange(6).reshape(2, 3), y=np.array([1, -1]))
    data = load_table(file)
    assert data.X.dtype == data.y.dtype == np.float64
    assert data.shape == (2, 3)
    with pytest.raises(ValueError, match="names its target itself"):
        load_table(file, "y")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.ones((2, 3))}, "no array y, only X"),
        ({"X": np.ones(3), "y": np.ones(3)}, r"X must have shape \(N, d\) and y \(N,\), got \(3,\) and \(3,\)"),
        ({"X": np.ones((2, 3)), "y": np.array(["a", "b"])}, "y must hold real numbers, got dtype <U1"),
        ({"X": np.array([[1.0, np.inf]]), "y": np.ones(1)}, r"X must be finite, entry \(0, 1\) is not"),
    ],
)
def test_npz_errors(tmp_path, arrays, message):
    file = tmp_path / "bad.npz"
    np.savez(file, **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        load_table(file)
    assert str(caught.value).startswith(str(file))


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
        load_table(tmp_path / "none.csv")
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.txt: the name must end in \.csv or \.npz"):
        load_table(tmp_path / "a.txt")
    (tmp_path / "a.npz").write_text("not an archive", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.npz: not an \.npz archive") as caught:
        load_table(tmp_path / "a.npz")
    assert "pickle" not in str(caught.value)
    with pytest.raises(IsADirectoryError, match=r"a directory; a \.csv or \.npz file"):
        load_table(tmp_path)
    (tmp_path / "a.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.csv: not a text file in UTF-8"):
        load_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text(f"a,b\n1,{'2' * 200_000}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"b\.csv: not a CSV file"):
        load_table(tmp_path / "b.csv")


def test_broken_archive(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, X=np.ones((2, 3)), y=np.array([1, "a"], dtype=object))
    with pytest.raises(ValueError, match="y is not an array of numbers") as caught:
        load_table(file)
    assert "pickle" not in str(caught.value)
    np.savez(file, X=np.ones((200, 3)), y=np.ones(200))
    content = bytearray(file.read_bytes())
    content[1000] ^= 255
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz: the archive cannot be read"):
        load_table(file)


def test_standardize():
    data = sparse_regression(10, 20, 3, rng=0)
    scaled = standardize(data)
    for values in (scaled.X, scaled.y):
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-14)
        np.testing.assert_allclose(values.std(axis=0), 1, rtol=1e-14)
    assert scaled.planted is None
    data.X[:, 7] = 2.0
    with pytest.raises(ValueError, match="x7 is constant and cannot be standardized; leave it out"):
        standardize(data)


@pytest.mark.parametrize("size", [1e308, 1e-300, 5e-324])
def test_standardize_at_the_ends_of_the_range(size):
    shape = np.array([[1.0, -1.0], [0.0, 1.0], [-1.0, 1.0]])
    data = sparse_regression(3, 2, 1, rng=0)
    data.X[:] = shape * size
    data.y[:] = shape[:, 0] * size
    scaled = standardize(data)
    expected = (shape - shape.mean(axis=0)) / shape.std(axis=0)
    np.testing.assert_allclose(scaled.X, expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(scaled.y, expected[:, 0], rtol=1e-14, atol=1e-15)
