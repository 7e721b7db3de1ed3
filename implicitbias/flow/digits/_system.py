"""The flow's right-hand side at any precision: from the dual variable to predictor, margins and forces.

The clock is chosen so that the right-hand side p is of order one:

* exponential and logistic loss: ``p = softmax(s(m))`` with ``s = log(-dL/dm)``, that is ``s = -m``, and
  ``-log(1 + e^m)``; the equation that p and nu satisfy, ``log p - s(m(nu)) = const``, stays well scaled however
  stiff the flow (index-1 form);
* squared loss: ``p = y - X beta``.

In units of time of the flow, ``d tau/dt = c sum(-dL/dm)`` or ``c``: ``c`` is 4 and 8 at depth 2,
``D (D-2) alpha^{D-2}`` and twice that beyond (``du_pm/dt = -+D u_pm^{D-1} X^T L'`` and ``theta = alpha^{2-D} z``,
``z`` from ``u_pm = alpha w0 (1 -+ z)^{-1/(D-2)}``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

from ...special._depth import exact_depth
from ...special._multiprecision import as_mpf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...regularizer import Q
    from ._arithmetic import Arithmetic

    Rows = list[list[Any]]

__all__ = ["OutOfDomainError", "Point", "System"]


class OutOfDomainError(ArithmeticError):
    """A dual point at which the predictor is infinite."""


@dataclass(frozen=True, eq=False)
class Point:
    """Values at one dual point: predictor and weights ``(d,)``, margins or predictions ``(N,)``.

    `lost_bits` is how many more bits than those wanted the numbers need: for the size of margins and angles, for
    the distance to the end of the domain, for what cancels in residuals.
    """

    beta: list[Any]
    weights: list[Any]
    margins: list[Any]
    lost_bits: float


class System:
    """``m(nu)`` and what follows from it; constants are made for one precision by :meth:`prepare`."""

    def __init__(
        self, X: NDArray[np.float64], y: NDArray[np.float64], reg: Q, loss: str, number: Arithmetic
    ) -> None:
        self.squared, self.logistic = loss == "squared", loss == "logistic"
        self.reg, self.number = reg, number
        self.rows = X if self.squared else y[:, None] * X
        self.targets = y
        self.N, self.d = X.shape
        self.column_sizes = np.max(np.abs(self.rows), axis=0)
        self.unit_rows = self.rows / np.where(self.column_sizes > 0.0, self.column_sizes, 1.0)
        self._constants: dict[int, Any] = {}
        self._squeezed = reg.D != 2 and reg.w0 is not None

    def prepare(self, bits: int) -> None:
        """Make the constants right to `bits`, which is the precision in force."""
        if bits not in self._constants:
            self._constants[bits] = self._make(bits)
        names = ("A", "A_transposed", "y", "levels", "origin", "squeeze", "p", "log_rate", "zero")
        for name, value in zip(names, self._constants[bits], strict=True):
            setattr(self, name, value)

    A: Any
    A_transposed: Any
    y: list[Any]
    levels: list[Any]
    origin: list[Any]
    squeeze: list[Any]
    p: Any
    log_rate: Any
    zero: Any

    def _make(self, bits: int) -> tuple[Any, ...]:
        number, reg = self.number.number, self.reg
        ctx = mpmath.mp.clone()
        ctx.prec = bits + 32
        depth = as_mpf(ctx, exact_depth(reg.D))
        scale = reg._scale
        w0 = [ctx.mpf(float(v)) for v in (np.ones(self.d) if reg.w0 is None else reg.w0)]
        level = scale.power(ctx, depth)
        if reg.D == 2:
            rate, power = ctx.mpf(4), ctx.inf
        else:
            rate, power = depth * (depth - 2) * scale.power(ctx, depth - 2), depth / (depth - 2)
        origin = [ctx.zero] * self.d
        if reg.reference is not None:
            origin = list(reg.without_reference().grad([ctx.mpf(float(v)) for v in reg.reference]))
        A = [[number(float(v)) for v in row] for row in self.rows]
        return (
            self.number.table(A),
            self.number.table([list(column) for column in zip(*A, strict=True)]),
            [number(float(v)) for v in self.targets],
            [number(level * w**depth) for w in w0],
            [number(v) for v in origin],
            [number(w ** (depth - 2)) for w in w0],
            number(power),
            number(ctx.log(2 * rate if self.squared else rate)),
            number(0),
        )

    # ---- the predictor ----

    def points(self, nu: Rows) -> list[Point]:
        """Values at dual points, ``(k, N)``.

        Raises
        ------
        OutOfDomainError
            If the predictor is infinite at one of them.
        """
        theta = self.number.times_table(nu, self.A)
        curve = self._exponential if self.reg.D == 2 else self._power
        values = [[curve(i, t + o) for i, (t, o) in enumerate(zip(row, self.origin, strict=True))] for row in theta]
        margins = self.number.times_table([[v[0] for v in row] for row in values], self.A_transposed)
        points = []
        for row, m in zip(values, margins, strict=True):
            size = max(float(v[2]) for v in row)
            lost = self._lost(m)
            points.append(Point([v[0] for v in row], [v[1] for v in row], m, size + lost))
        return points

    def distances(self, nu: list[Any], direction: list[Any]) -> list[Any]:
        """Distances of theta from the end of the domain in a direction, ``(d,)``; None where there is no end."""
        if self.reg.D == 2:
            return [None] * self.d
        theta = self.number.times_table([nu], self.A)[0]
        out = []
        for t, o, v, w in zip(theta, self.origin, direction, self.squeeze, strict=True):
            bound = 1 / w if self._squeezed else self.zero + 1
            out.append(self.number.settled(bound - (t + o if v > 0 else -t - o)))
        return out

    def _lost(self, margins: list[Any]) -> float:
        if not self.squared:
            return max(0.0, log2(self.number, max(abs(m) for m in margins)))
        left = max(abs(m - y) for m, y in zip(margins, self.y, strict=True))
        whole = max(abs(y) for y in self.y)
        return log2(self.number, whole / left) if whole and left else 0.0

    def _exponential(self, i: int, theta: Any) -> tuple[Any, Any, float]:
        """``2 c sinh(theta)``, its derivative, and the bits that the size of theta costs."""
        sinh, cosh = self.number.sinh_cosh(theta)
        level = 2 * self.levels[i]
        return level * sinh, level * cosh, max(0.0, log2(self.number, abs(theta)))

    def _power(self, i: int, theta: Any) -> tuple[Any, Any, float]:
        """``c h_D(z) = 2 c cosh(phi)^p sinh(p phi)``, ``z = tanh(phi)``, its derivative, bits of ``1 - |z|``."""
        z = theta * self.squeeze[i] if self._squeezed else theta
        slack = 1 - abs(z)
        if not slack > 0:
            raise OutOfDomainError
        log_more, log_less = self.number.log1p(z), self.number.log1p(-z)
        sinh, cosh = self.number.sinh_cosh(self.p * (log_more - log_less) / 2)
        level = 2 * self.levels[i] * self.number.exp(-self.p * (log_more + log_less) / 2)
        weight = level * self.p * (cosh + z * sinh) / ((1 - z) * (1 + z))
        if self._squeezed:
            weight = weight * self.squeeze[i]
        return level * sinh, weight, -log2(self.number, slack)

    # ---- the loss ----

    def targets_of(self, margins: list[Any]) -> list[Any]:
        """``s(m)``, or ``y - X beta``: what ``log p`` is up to a constant, or what p is."""
        if self.squared:
            return [y - m for m, y in zip(margins, self.y, strict=True)]
        return [self._log_force(m) for m in margins] if self.logistic else [-m for m in margins]

    def right_hand_side(self, margins: list[Any]) -> list[Any]:
        """``d nu / d tau``."""
        values = self.targets_of(margins)
        if self.squared:
            return values
        total = self.log_sum(values)
        return [self.number.exp(v - total) for v in values]

    def power_of_ten(self, exponent: float) -> Any:
        """``10^exponent`` in the numbers of the arithmetic."""
        number = self.number
        return number.exp(number.number(exponent) * number.log(number.number(10)))

    def _log_force(self, m: Any) -> Any:
        return -m - self.number.log1p(self.number.exp(-m)) if m > 0 else -self.number.log1p(self.number.exp(m))

    def slopes(self, margins: list[Any]) -> NDArray[np.float64]:
        """``-ds/dm``, between 0 and 1."""
        if not self.logistic:
            return np.ones(self.N)
        return np.array([1.0 / (1.0 + math.exp(-min(max(float(m), -700.0), 700.0))) for m in margins])

    def log_sum(self, values: list[Any]) -> Any:
        """``log sum exp``."""
        top = max(values)
        return top + self.number.log(sum((self.number.exp(v - top) for v in values), self.zero))

    def accuracy(self, margins: list[Any]) -> Any:
        """``-log loss``; accurate next to 0 too for the exponential loss."""
        number = self.number
        if self.squared:
            total = sum(((y - m) ** 2 for m, y in zip(margins, self.y, strict=True)), self.zero)
            return -number.log(total) if total > 0 else number.number(mpmath.inf)
        if self.logistic:
            return number.log(self.zero + self.N) - self.log_sum([self._log_of_term(m) for m in margins])
        if max(abs(m) for m in margins) < 1:
            return -number.log1p(sum((number.expm1(-m) for m in margins), self.zero) / self.N)
        return number.log(self.zero + self.N) - self.log_sum([-m for m in margins])

    def _log_term(self, m: Any) -> Any:
        """``log(1 + e^-m)``."""
        return self.number.log1p(self.number.exp(-m)) if m > 0 else self.number.log1p(self.number.exp(m)) - m

    def _log_of_term(self, m: Any) -> Any:
        """``log log(1 + e^-m)``."""
        if m < 10:
            return self.number.log(self._log_term(m))
        small = self.number.exp(-m)
        return -m + self.number.log(self.number.log1p(small) / small) if small > 0 else -m

    def gain(self, margins: list[Any], p: list[Any]) -> Any:
        """Factor k of ``d accuracy / d tau = k p^T G p``."""
        if self.squared:
            return 2 / sum((v * v for v in p), self.zero)
        if not self.logistic:
            return self.zero + 1
        forces = self.log_sum([self._log_force(m) for m in margins])
        return self.number.exp(forces - self.log_sum([self._log_of_term(m) for m in margins]))


def log2(number: Arithmetic, x: Any) -> float:
    """Binary logarithm of a nonnegative number of any size, to a few digits; ``-1e9`` for zero."""
    value = float(x)
    if 1e-300 < value < 1e300:
        return float(np.log2(value))
    if not x > 0:
        return -1e9
    return float(number.log(x)) / 0.6931471805599453
