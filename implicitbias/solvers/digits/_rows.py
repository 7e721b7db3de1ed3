"""Which samples are independent, as exact numbers, and whether the others contradict them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._result import InfeasibleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["independent_rows"]

_PRIMES = (2**31 - 1, 2**31 - 19, 2**31 - 61)


def independent_rows(X: Floats, y: Floats) -> NDArray[np.intp]:
    """Indices of rows of X that span the others, as exact numbers.

    Rows that are independent modulo a prime are independent. The converse may fail, with probability ``N/2^31`` for
    each of three primes; a row that was left out wrongly would show in the residual, which is taken over all rows.

    Raises
    ------
    InfeasibleError
        If ``X beta = y`` has no exact solution.
    """
    best: tuple[list[int], list[int]] = ([], [])
    for prime in _PRIMES:
        found = _eliminate(_modulo(X, prime), _modulo(y, prime), prime)
        if len(found[0]) > len(best[0]):
            best = found
        if len(best[0]) == min(X.shape) and not best[1]:
            break
    rows, contradicting = best
    if contradicting:
        listed = ", ".join(map(str, contradicting[:5]))
        raise InfeasibleError(
            f"X beta = y has no exact solution: X has rank {len(rows)}, and as exact binary numbers the other rows "
            f"contradict these (row {listed}); it fits to the rounding of float64 only, so ask for no digits, or "
            "leave out dependent rows"
        )
    return np.array(rows, dtype=np.intp)


def _modulo(values: Floats, prime: int) -> NDArray[np.int64]:
    fraction, exponents = np.frexp(values)
    mantissas = np.ldexp(fraction, 53).astype(np.int64) % prime
    least = int(exponents.min())
    powers = np.array([pow(2, k, prime) for k in range(int(exponents.max()) - least + 1)], dtype=np.int64)
    # one power of two in common to X and y makes all exponents positive
    offset = pow(2, least + 2000, prime)
    residues: NDArray[np.int64] = mantissas * (powers[exponents - least] * offset % prime) % prime
    return residues


def _eliminate(X: NDArray[np.int64], y: NDArray[np.int64], prime: int) -> tuple[list[int], list[int]]:
    """Independent rows, and those that reduce to ``0 = nonzero``."""
    if X.shape[1] > 2 * X.shape[0] + 64:  # random combinations of columns have the same rank, but for chance
        rng = np.random.default_rng(prime)
        mixed = np.zeros((X.shape[0], X.shape[0] + 16), dtype=np.int64)
        for start in range(0, X.shape[1], 256):
            block = X[:, start : start + 256]
            mix = rng.integers(0, prime, (block.shape[1], mixed.shape[1]))
            mixed = (mixed + _product(block, mix, prime)) % prime
        X = mixed
    table = np.column_stack([X, y])
    rows: list[int] = []
    contradicting: list[int] = []
    for i in range(len(table)):
        pivots = np.flatnonzero(table[i, :-1])
        if not pivots.size:
            if table[i, -1]:
                contradicting.append(i)
            continue
        rows.append(i)
        pivot = pivots[0]
        unit = table[i] * pow(int(table[i, pivot]), -1, prime) % prime
        below = i + 1 + np.flatnonzero(table[i + 1 :, pivot])
        table[below] = (table[below] - table[below, pivot][:, None] * unit) % prime
    return rows, contradicting


def _product(a: NDArray[np.int64], b: NDArray[np.int64], prime: int) -> NDArray[np.int64]:
    """``a b`` modulo a 31-bit prime by float64 products of 16-bit halves, exact up to 2^20 terms."""
    result = np.zeros((a.shape[0], b.shape[1]), dtype=np.int64)
    for i, high in enumerate((a & 0xFFFF, a >> 16)):
        for j, low in enumerate((b & 0xFFFF, b >> 16)):
            part = (high.astype(float) @ low.astype(float)).astype(np.int64) % prime
            result = (result + part * pow(2, 16 * (i + j), prime)) % prime
    return result
