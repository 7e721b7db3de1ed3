"""End points to fifty digits, each with a proven bound on its error, by ball arithmetic.

The dual of ``min Q(beta) s.t. X beta = y`` is solved again, by a chord iteration in multiprecision started from any
float64 solution, and what comes out is not trusted but bounded. With ``beta = b(X^T nu)``, ``b = Q*'``, the
gradient ``r = y - X b(X^T nu)`` and the Hessian ``H = X diag(b'(X^T nu)) X^T``, let e be the distance of nu to the
solution. Along the segment between them no weight ``b'`` falls below ``exp(-t c |e|)`` of its value, where
``c = max_i |x_i| sup |b''/b'|`` (at D = 2, ``b''/b' = tanh``), so

    <e, r> >= |e|^2 lambda_min(H) (1 - exp(-c |e|)) / (c |e|),   hence   |e| <= -log(1 - c |r| / lambda_min(H)) / c.

``1/lambda_min`` is at most the Frobenius norm of an enclosure of ``H^{-1}``, and leaving columns out of H only
makes it smaller, so a few columns are enough for the bound. Nothing here is shared with the solvers of the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .._result import ImplicitBiasError
from ._balls import Curve, Matrix, column, frobenius, precision, to_float, workprec
from .vertex import vertex, vertex_end_point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .problems import Problem, Vector

__all__ = ["Matrix", "Reference", "ReferenceFailure", "solve_reference"]

_MAX_BITS: Final = 2_000
"""Longest mantissa of the dual that is iterated on; beyond, the end point is a vertex to all digits asked for."""
_STEPS: Final = 40
_CHORD: Final = 0.01
"""Relative change of the weights, or of that change, up to which a Hessian is used again."""
_SINGULAR: Final = (
    "no reference: the Hessian is singular at the working precision, as it is for dependent rows of X"
)
_EDGE: Final = 0.99
_FEW: Final = 2_000
"""Columns that a Hessian in ball arithmetic may have."""


class ReferenceFailure(ImplicitBiasError):  # noqa: N818  no error of the caller's
    """The iteration that should have given a reference did not get there."""


@dataclass(frozen=True, eq=False)
class Reference:
    """An end point with a bound on its error.

    Attributes
    ----------
    high, low
        ``beta = high + low`` to 32 digits, ``(d,)`` each; coordinates below the range of float64 are zero.
    error
        Proven bound on ``||beta - exact|| / ||exact||`` of the multiprecision result (not of high + low).
    worst
        The same for the worst single coordinate within the range of float64.
    l1
        Its l1 norm, 50 digits.
    """

    high: Vector
    low: Vector
    error: float
    worst: float
    l1: str

    def distance(self, beta: Vector) -> float:
        """``||beta - reference|| / ||reference||``."""
        # the difference of nearby floats is exact, so the low parts count
        return float(np.linalg.norm((beta - self.high) - self.low) / np.linalg.norm(self.high))

    def tiny(self, beta: Vector, below: float = 1e-6) -> float | None:
        """Median relative error of the coordinates smaller than `below` times the largest; None if none is."""
        size = np.abs(self.high)
        chosen = (size < below * size.max()) & (size > 1e-290)
        if not chosen.any():
            return None
        off = np.abs((beta - self.high) - self.low)[chosen] / size[chosen]
        return float(np.median(np.where(np.isnan(off), np.inf, off)))


def solve_reference(
    problem: Problem, start: Vector, digits: int = 50, *, matrix: Matrix | None = None
) -> Reference:
    """``argmin Q(alpha, D) s.t. X beta = y`` to `digits` digits.

    Parameters
    ----------
    problem
        With linearly independent rows of X.
    start
        Any approximation of the solution, ``(d,)``, good enough for Newton's method.
    digits
        Bound on the relative error that the result must come with, as a power of ten.
    matrix
        ``problem.X`` as balls, where it is at hand.

    Raises
    ------
    ReferenceFailure
        If that bound is not reached; the message says what was.
    """
    bits = int(3.33 * (digits + 16)) + 32 + precision(problem.alpha.log, problem.D)
    if bits > _MAX_BITS:
        with workprec(int(3.33 * (digits + 16)) + 32):
            return _collect(*vertex_end_point(problem, vertex(problem.X, problem.y, start)), digits)
    with workprec(bits):
        return _Iteration(problem, start, matrix or Matrix(problem.X)).run(digits)


class _Iteration:
    """Chord iteration on the dual, and the bound on where it ends."""

    def __init__(self, problem: Problem, start: Vector, matrix: Matrix) -> None:
        self.problem, self.start = problem, start
        self.X, self.y = matrix, column(problem.y)
        self.curve = Curve(problem.alpha, problem.D)
        self.sizes = np.linalg.norm(problem.X, axis=0)

    def run(self, digits: int) -> Reference:
        """Iterate until the bound on the error is below ``10^-digits``."""
        import flint

        theta = [self.curve.inverse(b) for b in self.start]
        beta, weights, _ = self._evaluate(theta)
        solve = self._solver(weights)
        shift = [w * t - b for w, t, b in zip(weights, theta, beta, strict=True)]
        nu = self._inside(solve(self.y + self.X.times(shift)))
        fresh, before = False, np.inf
        for _ in range(_STEPS):
            theta = self.X.transposed_times(nu)
            beta, weights, slack = self._evaluate(theta)
            gradient = self.y - self.X.times(beta)
            if not fresh:
                solve = self._solver(weights)
            step = solve(gradient.mid())
            # what the step changes, relatively, in any weight
            change = float(np.max(np.abs(to_float(self.X.transposed_times(step))) * slack))
            if change < 1e-5 * 10.0**-digits:
                return _collect(*self._enclose(theta, self._bound(weights, slack, gradient)), digits)
            if not np.isfinite(change):
                break
            # the Hessian is kept while it serves; far off, steps are damped as for self-concordant functions
            fresh = change < min(_CHORD, _CHORD * before)
            if change > _CHORD:
                step = step * (1 / flint.arb(1.0 + change))
            before = change
            nu = (nu + step).mid()
        raise ReferenceFailure(
            f"no reference at D = {self.problem.D:g}, alpha = {self.problem.alpha.label}: the iteration in "
            f"multiprecision did not settle (last relative change {change:.1e}); its start was too far off"
        )

    def _inside(self, nu: Any) -> Any:
        """The same multipliers, drawn into the domain of the dual where they lie outside."""
        if self.problem.D == 2:
            return nu
        largest = max(abs(t).upper() for t in self.X.transposed_times(nu))
        return nu if largest < 1 else (nu * (_EDGE / largest)).mid()

    def _evaluate(self, theta: Sequence[Any]) -> tuple[list[Any], list[Any], Vector]:
        """``b``, ``b'`` and ``sup |b''/b'|``, up to a few units in its last place, at every theta."""
        beta, weights, slack = zip(*map(self.curve, theta), strict=True)
        return list(beta), list(weights), np.array(slack)

    def _influence(self, weights: list[Any]) -> tuple[Vector, Any]:
        """What each column contributes to the Hessian, over the largest such number, and the largest weight."""
        largest = max(w.mid() for w in weights)
        influence = to_float(w / largest for w in weights) * self.sizes**2
        return influence / influence.max(), largest

    def _solver(self, weights: list[Any]) -> Callable[[Any], Any]:
        """Approximate inverse of the Hessian, as a function of a column of balls."""
        influence, largest = self._influence(weights)
        matters = np.flatnonzero(influence > 1e-40)
        if len(matters) <= _FEW:
            inverse = self._inverse(weights, matters).mid()
            return lambda right: (inverse * right).mid()
        # many columns carry weight: the Hessian is well conditioned
        X = self.problem.X
        matrix = (X * to_float(w / largest for w in weights)) @ X.T
        try:
            factor = cho_factor(matrix)
        except np.linalg.LinAlgError as error:
            raise ReferenceFailure(_SINGULAR) from error

        def solve(right: Any) -> Any:
            unit = max(abs(entry).mid() for entry in right.entries())
            if unit == 0:
                return right
            return column(cho_solve(factor, to_float(entry / unit for entry in right.entries()))) * (unit / largest)

        return solve

    def _inverse(self, weights: list[Any], columns: NDArray[np.intp]) -> Any:
        """Enclosure of the inverse of the part of the Hessian that some columns make up."""
        part = Matrix(self.problem.X[:, columns])
        try:
            return part.weighted_gram([weights[i] for i in columns]).inv()
        except ZeroDivisionError as error:
            raise ReferenceFailure(_SINGULAR) from error

    def _bound(self, weights: list[Any], slack: Vector, residual: Any) -> Any:
        """Proven bound on the distance of nu to the solution of the dual."""
        import flint

        influence, _ = self._influence(weights)
        columns = np.argsort(-influence, kind="stable")[:_FEW]
        inverse = self._inverse(weights, columns)
        c = flint.arb(float(np.max(self.sizes * slack)) * (1 + 1e-6))  # generous against rounding of float64
        reach = c * frobenius(residual) * frobenius(inverse)
        if not reach < 1:
            raise ReferenceFailure("the residual is too large for a bound")
        return (-((-reach).log1p()) / c).upper()

    def _enclose(self, theta: Sequence[Any], bound: Any) -> tuple[list[Any], Vector]:
        """Balls that contain the exact beta."""
        import flint

        wide = [t + flint.arb(0, bound * float(s) * (1 + 1e-9)) for t, s in zip(theta, self.sizes, strict=True)]
        return [self.curve(t)[0] for t in wide], np.ones(len(wide), dtype=bool)


def _collect(beta: list[Any], judged: Vector, digits: int) -> Reference:
    """Round balls to pairs of floats; `judged` marks coordinates whose own relative error is bounded."""
    high = to_float(beta)
    low = to_float(b - h for b, h in zip(beta, high, strict=True))
    radius = column([b.rad() for b in beta])
    norm = frobenius(column([b.mid() for b in beta]))
    error = float((frobenius(radius) / norm).upper())
    relative = [float(b.rad() / abs(b.mid())) for b, h, j in zip(beta, high, judged, strict=True) if h and j]
    if not error <= 10.0**-digits:
        raise ReferenceFailure(f"the bound on the error of the reference is {error:.1e}, not 1e-{digits}")
    l1 = sum((abs(b) for b in beta), start=radius[0, 0] * 0)
    return Reference(high, low, error, max(relative, default=0.0), l1.mid().str(digits, radius=False))
