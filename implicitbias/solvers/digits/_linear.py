"""Exact linear algebra for end points to any number of digits: the data as integers, and normal equations.

Data are ``X_ij = M_ij 2^{e_j + f_i - shift}`` with integers ``M_ij`` and ``|M_ij| <= 2^shift``: products with X are
products of integers, exact. "Scaled" numbers are in the units of rows and columns: ``2^{f_i} nu_i``,
``2^{e_j} beta_j`` and ``2^{-f_i} (y - X beta)_i``. They are held as object arrays of integers with a common number
of fractional bits, plain or gmpy2's, whichever mpmath computes with.

Newton's method solves ``X W X^T v = r``. A factor in float64, or where that is singular one of as many bits as it
takes, serves as preconditioner; every round of iterative refinement costs two products with X and gains what the
factor is good for. It also bounds the smallest eigenvalue from below, which is what an error bound needs.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
from scipy.linalg import cho_solve, cholesky, eigvalsh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[Any]
    Floats = NDArray[np.float64]

__all__ = ["ZERO", "ExactData", "NormalEquations", "as_integers", "magnitudes", "shifted"]

_INTEGER = mpmath.libmp.MPZ
ZERO = -(2**40)
"""Stands for the binary exponent of zero."""


def magnitudes(values: Any) -> NDArray[np.int64]:
    """Binary exponents m with ``2^(m-1) <= |v| < 2^m`` of integers or mpmath numbers."""
    return np.array([_magnitude(v) for v in values], dtype=np.int64)


def _magnitude(value: Any) -> int:
    if hasattr(value, "_mpf_"):
        _, mantissa, exponent, bits = value._mpf_
        return int(exponent + bits) if mantissa else ZERO
    return int(abs(value)).bit_length() if value else ZERO


def shifted(values: Integers, bits: int) -> Integers:
    """``values * 2^bits``, rounded down."""
    return values << bits if bits >= 0 else values >> -bits


def as_integers(values: Any, bits: Any) -> Integers:
    """Integers nearest to ``v 2^bits`` of mpmath numbers, each wrong by at most one half; `bits` may vary."""
    out = np.empty(len(values), dtype=object)
    each = np.broadcast_to(np.asarray(bits, dtype=np.int64), len(values)).tolist()
    for i, v in enumerate(values):
        sign, mantissa, exponent, _ = v._mpf_
        up = exponent + each[i]
        whole = (
            mantissa << up if up >= 0 else (mantissa + (_INTEGER(1) << (-up - 1))) >> -up if mantissa else mantissa
        )
        out[i] = -whole if sign else whole
    return out


class ExactData:
    """``X (N, d)`` and ``y (N,)``, exactly; X has no zero row."""

    def __init__(self, X: Floats, y: Floats) -> None:
        exponents = np.frexp(X)[1].astype(np.int64)
        exponents[X == 0.0] = ZERO
        self.row_exponents = exponents.max(axis=1)
        exponents -= self.row_exponents[:, None]
        self.nonzero: NDArray[np.bool_] = np.any(X != 0.0, axis=0)
        self.column_exponents = np.where(self.nonzero, exponents.max(axis=0), 0)
        exponents -= self.column_exponents
        mantissas = np.ldexp(np.frexp(X)[0], 53).astype(np.int64)
        self.shift = int(53 - exponents[X != 0.0].min())
        up = np.where(X == 0.0, 0, exponents + (self.shift - 53))
        self.matrix: Integers = _integers(mantissas)
        if up.any():
            self.matrix = self.matrix << up.astype(object)
        self._transposed = np.ascontiguousarray(self.matrix.T)
        self.exponents = np.where(X == 0.0, ZERO, exponents)
        """Binary exponents of the scaled entries ``M_ij 2^-shift``."""
        # the entries within 2^-900 of the largest are exact, the others nothing in float64 next to those
        self.floats: Floats = np.ldexp(np.frexp(X)[0], np.maximum(exponents, -1000).astype(np.int32))
        self.shape = X.shape
        fraction, power = np.frexp(y)
        self._y = _integers(np.ldexp(fraction, 53).astype(np.int64))
        self._y_exponents = power.astype(np.int64) - 53 - self.row_exponents

    def target(self, bits: int) -> Integers:
        """Scaled y with `bits` fractional bits, rounded down."""
        up = self._y_exponents + bits
        pairs = zip(self._y, up.tolist(), strict=True)
        return _object([v << k if k >= 0 else v >> -k for v, k in pairs])

    def times(self, v: Integers) -> Integers:
        """``M v``; it has `shift` more fractional bits than `v`."""
        result: Integers = self.matrix @ v
        return result

    def transposed_times(self, v: Integers) -> Integers:
        """``M^T v``; it has `shift` more fractional bits than `v`."""
        result: Integers = self._transposed @ v
        return result


def _integers(values: NDArray[np.int64]) -> Integers:
    return _object([_INTEGER(v) for v in values.ravel().tolist()]).reshape(values.shape)


def _object(values: list[Any]) -> Integers:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


class NormalEquations:
    """``X diag(W) X^T v = r`` in scaled numbers, for weights given as mpmath numbers.

    The matrix is ``2^weight_exponent D S D`` with powers of two ``D_i = 2^diagonal_i`` that bring the diagonal of S
    between 1/16 and d; the smallest eigenvalue of S is at least ``2^-condition_bits``.

    Raises
    ------
    ArithmeticError
        If the matrix is singular to `most_bits` bits.
    """

    def __init__(self, ctx: Any, data: ExactData, weights: Any, *, most_bits: int, floats: bool = True) -> None:
        self.data, self.ctx = data, ctx
        exponents = magnitudes(weights) + 2 * data.column_exponents
        exponents[~data.nonzero] = ZERO
        self.weight_exponent = int(exponents.max())
        influence = 2 * data.exponents + (exponents - self.weight_exponent)
        self.diagonal = -(-influence.max(axis=1) // 2)
        self.weights = self._weights = weights
        self.cheap = True
        self._bits = self._factor_in_floats(exponents) if floats else 0
        bits: int = 128
        while not self._bits:
            self.cheap = False
            if bits > most_bits:
                raise ArithmeticError(f"the Hessian is singular to {most_bits} bits")
            self._bits = self._factor(bits)
            bits *= 3

    def integer_weights(self, bits: int) -> Integers:
        """Scaled weights over ``2^weight_exponent`` with `bits` fractional bits."""
        return as_integers(self._weights, bits - self.weight_exponent + 2 * self.data.column_exponents)

    def reweighted(self, weights: Any) -> NormalEquations:
        """The same for weights near these, with the factor, and hence its `weights`, as they are."""
        other = copy.copy(self)
        other._weights = weights
        return other

    def _factor_in_floats(self, exponents: NDArray[np.int64]) -> int:
        """Bits that a round of refinement gains with a float64 factor; 0 if the matrix is singular to rounding."""
        N, d = self.data.shape
        if self.diagonal.min() < -400:
            return 0
        fractions = np.array([_fraction(w) for w in self._weights])
        roots = np.sqrt(np.ldexp(fractions, np.maximum(exponents - self.weight_exponent, -1000).astype(np.int32)))
        rows = np.ldexp(self.data.floats, -self.diagonal[:, None].astype(np.int32)) * roots
        matrix = rows @ rows.T
        size = float(np.trace(matrix))
        # products of d terms and the eigenvalues of an N x N matrix in float64, by standard bounds, doubled
        rounding = 2.0 * np.finfo(float).eps * (d + 4 * N + 10) * size
        smallest = float(eigvalsh(matrix, subset_by_index=(0, 0))[0])
        if not smallest > 4.0 * rounding:
            return 0
        self.condition_bits = int(np.ceil(-np.log2(0.5 * smallest)))
        self._cholesky = cholesky(matrix, lower=True)
        self._inverse: Any = None
        return max(8, 44 - int(np.log2(size / smallest)))

    def _factor(self, bits: int) -> int:
        """The same with a factor of `bits` bits."""
        data, ctx = self.data, self.ctx
        N, d = data.shape
        weights = self.integer_weights(bits - 2 * int(self.diagonal.min()))
        gram = (data.matrix * weights) @ data.matrix.T
        fraction = bits - 2 * int(self.diagonal.min()) + 2 * data.shift
        guard = 2 * (N * d).bit_length() + 16
        with ctx.workprec(bits):
            scaled = np.empty((N, N), dtype=object)
            for i in range(N):
                for j in range(N):
                    scaled[i, j] = ctx.ldexp(
                        ctx.mpf(gram[i, j]), -fraction - int(self.diagonal[i] + self.diagonal[j])
                    )
            inverse = _inverse_of_cholesky(ctx, scaled, ctx.ldexp(1, guard - bits))
            if inverse is None:
                return 0
            norm = sum(v * v for v in inverse.ravel() if v)
            lost: int = _magnitude(norm)
        if lost + guard + 16 > bits:
            return 0
        self.condition_bits = lost + 1
        self._inverse = inverse
        gained: int = bits - lost - guard
        return gained

    def _approximate(self, right: Integers, bits: int, out_bits: int) -> Integers:
        """Solution of ``D S D v = right`` to the accuracy of the factor, as integers."""
        ctx = self.ctx
        powers = [int(k) for k in self.diagonal]
        if self._inverse is None:
            mags = magnitudes(right) - self.diagonal
            top = int(mags.max())
            down = [float(ctx.ldexp(ctx.mpf(v), -k - top)) for v, k in zip(right, powers, strict=True)]
            solved = cho_solve((self._cholesky, True), np.array(down))
            values = [ctx.ldexp(ctx.mpf(v), top - bits - k) for v, k in zip(solved.tolist(), powers, strict=True)]
        else:
            with ctx.workprec(max(64, self._bits + self.condition_bits + 16)):
                down = [ctx.ldexp(ctx.mpf(v), -k - bits) for v, k in zip(right, powers, strict=True)]
                solved = self._inverse.T @ (self._inverse @ np.array(down, dtype=object))
                values = [ctx.ldexp(v, -k) for v, k in zip(solved, powers, strict=True)]
        return as_integers(values, out_bits)

    def solve(self, right: Integers, bits: int, out_bits: int, goal: int) -> Integers | None:
        """Solution of ``2^-weight_exponent X W X^T v = right 2^-bits`` with `out_bits` fractional bits.

        It leaves a residual with ``|D^-1 residual| < 2^goal`` in every entry; None if refinement does not get
        there.
        """
        data = self.data
        solution = _object([_INTEGER(0)] * len(right))
        size = self._size(right) - bits
        # a weight counts as much as the smallest eigenvalue lets it
        weight_bits = max(0, size - goal) + self.condition_bits - 2 * int(self.diagonal.min())
        weight_bits += data.matrix.size.bit_length() + 8
        weights = self.integer_weights(weight_bits)
        while size > goal:
            step = self._approximate(right, bits, out_bits)
            along = data.transposed_times(step) * weights
            along = shifted(along, bits - out_bits - data.shift - weight_bits)
            right = right - shifted(data.times(along), -data.shift)
            solution = solution + step
            before, size = size, self._size(right) - bits
            if size > before - 2:
                return None
        return solution

    def _size(self, right: Integers) -> int:
        size: int = (magnitudes(right) - self.diagonal).max().item()
        return size


def _fraction(value: Any) -> float:
    """Mantissa of an mpmath number, in [1/2, 1)."""
    _, mantissa, _, bits = value._mpf_
    if not mantissa:
        return 0.0
    return float(np.ldexp(float(int(mantissa) >> max(0, bits - 64)), -min(int(bits), 64)))


def _inverse_of_cholesky(ctx: Any, matrix: Integers, least: Any) -> Integers | None:
    """``L^-1`` with ``L L^T`` the matrix, None if a pivot is not above `least`."""
    N = len(matrix)
    left = matrix.copy()
    inverse = np.array([[ctx.mpf(int(i == j)) for j in range(N)] for i in range(N)], dtype=object)
    for k in range(N):
        pivot = left[k, k]
        if not pivot > least:
            return None
        root = 1 / ctx.sqrt(pivot)
        column = left[k + 1 :, k] * root
        inverse[k, : k + 1] = inverse[k, : k + 1] * root
        left[k + 1 :, k + 1 :] = left[k + 1 :, k + 1 :] - np.multiply.outer(column, column)
        inverse[k + 1 :, : k + 1] = inverse[k + 1 :, : k + 1] - np.multiply.outer(column, inverse[k, : k + 1])
    return inverse
