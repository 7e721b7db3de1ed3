"""What is solved: Gaussian designs with a sparse plant, at scales from the kernel to the rich regime."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..data import sparse_regression
from ..regularizer import Q

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["ALPHAS", "RICH", "SIZES", "Alpha", "Problem", "Size", "draw"]

_DECIMAL: Final = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_EXPONENTIAL: Final = re.compile(r"exp\(([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\)", re.IGNORECASE)
_PLANTED, _NOISE = 5, 0.1


@dataclass(frozen=True)
class Size:
    """Shape ``(N, d)`` of a problem, and the seconds one run may take by default."""

    name: str
    N: int
    d: int
    budget: float


SIZES: Final = {
    size.name: size
    for size in (
        Size("tiny", 6, 20, 10.0),  # for the tests of this package and for warming up
        Size("small", 100, 1_000, 6.0),
        Size("medium", 200, 10_000, 60.0),
        Size("large", 500, 50_000, 120.0),
        Size("wide", 100, 1_000_000, 120.0),
    )
}


@dataclass(frozen=True)
class Alpha:
    """A scale of initialization as people write it: ``"1e-30"`` or, beyond decimals, ``"exp(-5e5)"``."""

    label: str

    def __post_init__(self) -> None:
        if not (self._exponent or _DECIMAL.fullmatch(self.label)) or not math.isfinite(self.log):
            raise ValueError(f"alpha must be a positive number such as 1e-30 or exp(-1e4), got {self.label!r}")

    @property
    def _exponent(self) -> str | None:
        found = _EXPONENTIAL.fullmatch(self.label)
        return found[1] if found else None

    @property
    def log(self) -> float:
        """Natural logarithm, rounded to a float."""
        if self._exponent is not None:
            return float(self._exponent)
        mantissa, _, power = self.label.lower().partition("e")
        return math.log(float(mantissa)) + int(power or 0) * math.log(10.0) if float(mantissa) else -math.inf

    def regularizer(self, D: float) -> Q:
        """``Q(alpha, D)`` at exactly this scale."""
        if self._exponent is not None:
            return Q.from_log_alpha(float(self._exponent), D=D)
        return Q(self.label, D=D)

    def exact_log(self, flint: Any) -> Any:
        """Natural logarithm as a ball of the module `flint`, at its working precision."""
        if self._exponent is not None:
            return flint.arb(float(self._exponent))
        return flint.arb(self.label).log()


ALPHAS: Final = tuple(map(Alpha, ("1", "1e-1", "1e-3", "1e-8", "1e-30", "exp(-1e4)", "exp(-5e5)")))
RICH: Final = -1e3
"""Largest ``log alpha`` at which the l1 norm itself is a sensible target."""


@dataclass(frozen=True, eq=False)
class Problem:
    """``argmin Q(alpha, D) s.t. X beta = y``.

    Attributes
    ----------
    X, y
        Data, ``(N, d)`` and ``(N,)``.
    alpha, D
        Scale of initialization and depth.
    """

    X: Vector
    y: Vector
    alpha: Alpha
    D: float

    @property
    def reg(self) -> Q:
        """The regularizer."""
        return self.alpha.regularizer(self.D)


def draw(size: Size, seed: int) -> tuple[Vector, Vector]:
    """Data ``X (N, d)``, ``y (N,)`` of a size: Gaussian X, 5-sparse plant, noise 0.1; the same for a seed."""
    data = sparse_regression(size.N, size.d, min(_PLANTED, size.N), noise=_NOISE, rng=seed)
    return data.X, data.y
