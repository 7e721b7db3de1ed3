"""Balls of python-flint: matrices in blocks of columns, and the curve ``beta = b(theta)`` of every depth."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .problems import Alpha, Vector

__all__ = ["Curve", "Matrix", "column", "frobenius", "precision", "to_float", "workprec"]

_BLOCK: Final = 4096
_NEWTON: Final = 200


@contextlib.contextmanager
def workprec(bits: int) -> Iterator[None]:
    """Work with mantissas of `bits` bits."""
    import flint

    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def precision(log_alpha: float, D: float) -> int:
    """Bits that the dual needs on top of those wanted in beta.

    At D = 2 its size is some ``2 |log alpha|``; at D > 2 its distance from 1, some ``alpha^{D-2}``, counts.
    """
    if D == 2:
        return max(0, math.frexp(log_alpha)[1])
    return max(0, math.ceil(-(D - 2) * log_alpha / math.log(2.0)))


def column(values: Iterable[Any]) -> Any:
    """Column of balls."""
    from flint import arb, arb_mat

    entries = [arb(v) for v in (values.tolist() if isinstance(values, np.ndarray) else values)]
    return arb_mat(len(entries), 1, entries)


def to_float(values: Any) -> Vector:
    """Midpoints, rounded to float64."""
    entries = values.entries() if hasattr(values, "entries") else values
    return np.array([float(v.mid()) for v in entries])


def frobenius(matrix: Any) -> Any:
    """Frobenius norm, an upper bound."""
    from flint import arb

    return sum((entry * entry for entry in matrix.entries()), start=arb(0)).abs_upper().sqrt().upper()


class Matrix:
    """Matrix ``(N, d)`` of exact numbers, in blocks of columns."""

    def __init__(self, X: Vector) -> None:
        from flint import arb, arb_mat

        self._blocks = []
        for begin in range(0, X.shape[1], _BLOCK):
            part = X[:, begin : begin + _BLOCK]
            self._blocks.append(arb_mat(part.shape[0], part.shape[1], [arb(v) for v in part.ravel().tolist()]))

    def times(self, v: Sequence[Any]) -> Any:
        """``X v``, ``(N, 1)``."""
        total, begin = None, 0
        for block in self._blocks:
            end = begin + block.ncols()
            term = block * column(v[begin:end])
            total, begin = term if total is None else total + term, end
        return total

    def transposed_times(self, v: Any) -> list[Any]:
        """``X^T v``, a list of d balls."""
        row = v.transpose()
        return [entry for block in self._blocks for entry in (row * block).entries()]

    def weighted_gram(self, weights: Sequence[Any]) -> Any:
        """``X diag(weights) X^T``."""
        from flint import arb_mat

        total, begin = None, 0
        for block in self._blocks:
            end = begin + block.ncols()
            part = weights[begin:end]
            scaled = arb_mat([[x * w for x, w in zip(row, part, strict=True)] for row in block.tolist()])
            term = scaled * block.transpose()
            total, begin = term if total is None else total + term, end
        return total


class Curve:
    """``b = (Q*)'`` for ``Q(alpha, D)``, D real, with its derivative and how fast that can change.

    D = 2: ``b = 2 alpha^2 sinh(theta)``. D > 2: ``b = alpha^D [(1 - theta)^{-p} - (1 + theta)^{-p}]``,
    ``p = D/(D-2)``, ``|theta| < 1``.
    """

    def __init__(self, alpha: Alpha, D: float) -> None:
        import flint

        self._two = D == 2
        self._p = flint.arb(1) if self._two else flint.arb(D) / (flint.arb(D) - 2)
        self._scale = (alpha.exact_log(flint) * flint.arb(D)).exp()

    def __call__(self, theta: Any) -> tuple[Any, Any, float]:
        """``b``, ``b'`` and a slack such that ``b'(theta + s) >= b'(theta) exp(-|s| slack)`` within the domain."""
        if self._two:
            sinh, cosh = theta.sinh_cosh()
            return 2 * self._scale * sinh, 2 * self._scale * cosh, 1.0
        p, scale = self._p, self._scale
        left, right = (1 - theta).log(), (1 + theta).log()
        beta = scale * ((-p * left).exp() - (-p * right).exp())
        weight = scale * p * ((-(p + 1) * left).exp() + (-(p + 1) * right).exp())
        # (1 -+ theta)^{-p-1} falls by (1 + |s| / (1 -+ theta))^{-p-1} at most, and that is above exp of its slope
        nearest = (1 - abs(theta)).lower()
        return beta, weight, float(((p + 1) / nearest).upper()) if nearest > 0 else math.inf

    def inverse(self, beta: float) -> Any:
        """``theta`` with ``b(theta) = beta``, to the working precision near the edge of the domain."""
        from flint import arb, ctx

        if beta == 0:
            return arb(0)
        if self._two:
            return (arb(float(beta)) / (2 * self._scale)).asinh().mid()
        t, p = (arb(abs(float(beta))) / self._scale).mid(), self._p
        # u = 1 - |theta| is the zero of a convex falling function; from the left of it Newton climbs up
        u = (-(1 + t).log() / p).exp().mid()
        for _ in range(_NEWTON):
            inner, outer = (-p * u.log()).exp(), (-p * (2 - u).log()).exp()
            step = ((inner - outer - t) / (p * (inner / u + outer / (2 - u)))).mid()
            u = (u + step).mid()
            if abs(step) < u * arb(2) ** (
                16 - ctx.prec // 2
            ):  # quadratic: the next one would be below the last bit
                return (1 - u if beta > 0 else u - 1).mid()
        raise ArithmeticError(f"no theta found at beta = {beta!r}")
