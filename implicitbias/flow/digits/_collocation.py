"""Collocation at the right Radau points (Radau IIA), to any precision, and polynomials in Legendre's basis.

On ``x in [0, 1]`` the right-hand side of ``y' = p`` is the polynomial of degree s - 1 through its values at the
nodes, ``p(x) = sum_k c_k P_k(2x - 1)``. The quadrature is exact to degree 2s - 2, so ``c_k = (2k + 1) sum_j w_j
P_k p_j``, and ``int_0^x P_k = (P_{k+1} - P_{k-1}) / (2 (2k + 1))``. Hairer, Wanner (1996), chapter IV.5.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import roots_jacobi

from ._arithmetic import Arithmetic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["TAIL", "Radau", "legendre", "legendre_integrals", "radau"]

TAIL = 4
"""How many of the last coefficients tell whether a polynomial resolves its function."""


def legendre(x: Any, count: int) -> list[Any]:
    """``P_k(x)``, k < count, on ``[-1, 1]`` and beyond."""
    values = [x * 0 + 1, x]
    for k in range(1, count - 1):
        values.append(((2 * k + 1) * x * values[k] - k * values[k - 1]) / (k + 1))
    return values[:count]


def legendre_integrals(x: Any, count: int) -> list[Any]:
    """``int_0^x P_k(2u - 1) du``, k < count."""
    values = legendre(2 * x - 1, count + 1)
    return [x, *((values[k + 1] - values[k - 1]) / (2 * (2 * k + 1)) for k in range(1, count))]


@dataclass(frozen=True, eq=False)
class Radau:
    """The method with s stages.

    Attributes
    ----------
    nodes, weights
        Of the quadrature on ``[0, 1]``, ``(s,)``; the last node is 1.
    matrix
        Prepared ``(s, s)`` matrix of integrals of the Lagrange polynomials.
    coefficients, tail
        Prepared matrix from values at the nodes to coefficients ``c_k``, ``(s, s)``, and its last rows.
    matrix_floats, coefficients_floats, nodes_floats
        The same in float64.
    """

    s: int
    nodes: list[Any]
    weights: list[Any]
    matrix: Any
    coefficients: Any
    tail: Any
    matrix_floats: Floats
    coefficients_floats: Floats
    nodes_floats: Floats


@functools.lru_cache(maxsize=32)
def radau(arithmetic: Arithmetic, s: int, bits: int) -> Radau:
    """Tables of the method with `s` stages, right to `bits` bits."""
    with arithmetic.bits(bits + 2 * s + 32):
        points = [*(_root(arithmetic, x, s) for x in roots_jacobi(s - 1, 1, 0)[0]), arithmetic.number(1)]
        tables = [legendre(x, s + 1) for x in points]
        weights = [(1 + x) / (s * t[s - 1]) ** 2 / 2 for x, t in zip(points, tables, strict=True)]
        weights[-1] = arithmetic.number(1) / s**2
        coefficients = [[w * t[k] * (2 * k + 1) for w, t in zip(weights, tables, strict=True)] for k in range(s)]
        nodes = [(1 + x) / 2 for x in points]
        integrals = [legendre_integrals(x, s) for x in nodes]
        matrix = arithmetic.times(arithmetic.table(integrals), coefficients)

    def settle(rows: list[list[Any]]) -> list[list[Any]]:
        return [[arithmetic.settled(v) for v in row] for row in rows]

    def floats(rows: list[list[Any]]) -> Floats:
        return np.array([[float(v) for v in row] for row in rows])

    matrix, coefficients = settle(matrix), settle(coefficients)
    nodes, weights = settle([nodes, weights])
    return Radau(
        s=s,
        nodes=nodes,
        weights=weights,
        matrix=arithmetic.table(matrix),
        coefficients=arithmetic.table(coefficients),
        tail=arithmetic.table(coefficients[-TAIL:]),
        matrix_floats=floats(matrix),
        coefficients_floats=floats(coefficients),
        nodes_floats=np.array([float(x) for x in nodes]),
    )


def _root(arithmetic: Arithmetic, start: float, s: int) -> Any:
    """The root of ``P_s - P_{s-1}`` near a float."""
    x = arithmetic.number(float(start))
    step = abs(x) + 1
    while True:
        values = legendre(x, s + 1)
        value = values[s] - values[s - 1]
        # (x^2 - 1) P_k' = k (x P_k - P_{k-1})
        slope = s * (x * values[s] - values[s - 1]) - (s - 1) * (x * values[s - 1] - values[s - 2])
        change = arithmetic.settled(value * (x * x - 1) / slope)
        if not abs(change) < step / 2:  # quadratic convergence has come down to rounding
            return x
        x, step = arithmetic.settled(x - change), abs(change)
