"""The set of all predictors of maximum l1 margin, a face of a polyhedron, and what can be asked of it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linprog

from ..._result import ConvergenceError
from ._l1_choice import choose

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ...problems import Margins

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["L1Solutions", "ScaledMargins"]

_RANK = 1e-11
"""Singular values below this, relative to the largest, count as zero; rows and columns are scaled alike."""
_BATCH = 20_000
"""Systems of equations solved at once."""


@dataclass(frozen=True, eq=False)
class ScaledMargins:
    """``rows c >= bounds`` in place of ``A beta >= 1``, entries of both at most 1, plain l1 norm.

    ``beta = size c / weights``; ``nu = units multipliers`` (then ``sum nu = sum w |beta|`` at the optimum).
    """

    rows: NDArray[np.float64]
    bounds: Vector
    units: Vector
    size: float
    weights: Vector

    @classmethod
    def of(cls, problem: Margins, weights: Vector | None) -> ScaledMargins:
        """Scale a problem."""
        w = np.ones(problem.shape[1]) if weights is None else weights
        rows = problem.signed / w
        largest = np.abs(rows).max(axis=1)
        # a row of zeros cannot have a margin, whatever its unit
        units = 1.0 / np.where(largest > 0.0, largest, 1.0)
        size = float(units.max())
        return cls(rows * units[:, None], units / size, units, size, w)

    def refined(
        self, c: Vector, multipliers: Vector, support: Mask, tight: Mask
    ) -> tuple[Vector, Vector, NDArray[np.float64]]:
        """The nearest that meet the equations of support and tight rows to rounding; what these leave free.

        The latter as an orthonormal basis of directions of ``|c|`` on the support.
        """
        signs = np.sign(c[support])
        active = self.rows[np.ix_(tight, support)] * signs
        inner, outer = np.abs(c[support]), multipliers[tight]
        U, singular, Vt = np.linalg.svd(active)
        rank = int(np.count_nonzero(singular > _RANK * singular[0]))
        inverse = (Vt[:rank].T / singular[:rank]) @ U[:, :rank].T
        for _ in range(3):  # what the linear programming solver left, and then the rounding of that
            inner = inner + inverse @ (self.bounds[tight] - active @ inner)
            outer = outer + inverse.T @ (1.0 - active.T @ outer)
        c, multipliers = np.zeros_like(c), np.zeros_like(multipliers)
        c[support], multipliers[tight] = inner * signs, outer
        return c, multipliers, Vt[rank:].T

    def beta(self, c: Vector) -> Vector:
        """Predictors, from the scaled ones along the last axis."""
        return self.size * c / self.weights


@dataclass(frozen=True, eq=False)
class L1Solutions:
    r"""All predictors of least weighted l1 norm among those with margins of at least 1.

    With multipliers nu that are strictly complementary to a solution the set is

    .. math:: \{\beta : \beta_i = 0 \text{ off the support}, \; s_i \beta_i \ge 0, \; (A\beta)_n = 1
        \text{ on tight rows}, \; (A\beta)_n \ge 1 \text{ on the others}\},

    the support being where :math:`|A^T\nu|_i = w_i`, with :math:`s_i` the sign of :math:`(A^T\nu)_i`, and rows
    being tight where :math:`\nu_n > 0` (complementary slackness; :math:`\nu` proves it for all solutions at once).
    It is a bounded polyhedron.

    Attributes
    ----------
    interior
        A solution in the relative interior, ``(d,)``: nonzero on all of the support, margins above 1 on all rows
        that are not tight.
    dual
        The multipliers, ``(N,)``.
    support
        Coordinates that are nonzero in some solution, ``(d,)``.
    signs
        Their signs, the same in all solutions, ``(d,)``; 0 elsewhere.
    tight
        Rows with margin 1 in all solutions, ``(N,)``.
    dimension
        Of the set; 0 where the solution is unique.
    complementarity
        The least, over coordinates and rows, of what is at work: ``w |beta|`` over its largest where it is in the
        support, ``1 - |A^T nu|/w`` where not; ``nu`` over its largest on tight rows, on others the margin above 1,
        over the sum of ``|A_ni beta_i|``. Positive and well above 1e-9, it proves support and tight rows.
    residual
        Largest error, relative, of the equations that hold on support and tight rows.
    """

    interior: Vector
    dual: Vector
    support: Mask
    signs: Vector
    tight: Mask
    dimension: int
    complementarity: float
    residual: float
    _scaled: ScaledMargins
    _c: Vector
    """The interior solution, scaled, on the support and in its signs."""
    _directions: NDArray[np.float64]
    """Orthonormal basis of the directions of the set, in the same coordinates."""

    @classmethod
    def on(cls, scaled: ScaledMargins, c: Vector, multipliers: Vector, support: Mask, tight: Mask) -> L1Solutions:
        """The set with a given support and tight rows, from a solution and multipliers that have them."""
        rows, signs = scaled.rows, np.where(support, np.sign(c), 0.0)
        c, multipliers, directions = scaled.refined(c, multipliers, support, tight)
        inner, outer = np.abs(c[support]), multipliers[tight]
        margins, theta = rows @ c - scaled.bounds, rows.T @ multipliers
        error = max(
            float(np.abs(margins[tight] / (np.abs(rows[tight]) @ np.abs(c))).max()),
            float(np.abs(theta[support] - signs[support]).max()),
        )
        slack = margins[~tight] / (np.abs(rows[~tight]) @ np.abs(c)) if (~tight).any() else np.ones(1)
        strict = min(
            float((inner / inner.max()).min()),
            float((outer / outer.max()).min()),
            float((1.0 - np.abs(theta[~support])).min(initial=1.0)),
            float(slack.min(initial=1.0)),
        )
        return cls(
            interior=scaled.beta(c),
            dual=np.maximum(multipliers, 0.0) * scaled.units,
            support=support,
            signs=signs,
            tight=tight,
            dimension=directions.shape[1],
            complementarity=strict,
            residual=error,
            _scaled=scaled,
            _c=inner,
            _directions=directions,
        )

    @property
    def unique(self) -> bool:
        """Whether there is one solution only."""
        return self.dimension == 0

    def contains(self, beta: ArrayLike, *, tol: float = 1e-9) -> bool:
        """Whether a predictor, ``(d,)``, is a solution, up to errors of `tol` relative to its parts."""
        b = np.asarray(beta, dtype=np.float64)
        if b.shape != self.support.shape:
            raise ValueError(f"beta must have shape {self.support.shape}, got {b.shape}")
        c = b * self._scaled.weights / self._scaled.size
        margins = self._scaled.rows @ c - self._scaled.bounds
        error = tol * (np.abs(self._scaled.rows) @ np.abs(c))
        largest = tol * np.abs(c).max()
        return bool(
            (np.abs(c[~self.support]) <= largest).all()
            and (c * self.signs >= -largest).all()
            and (np.abs(margins) <= error)[self.tight].all()
            and (margins >= -error).all()
        )

    def bounds(self) -> tuple[Vector, Vector]:
        """Least and largest value of each coordinate over the set, both ``(d,)``, by linear programs."""
        low, high = self.interior.copy(), self.interior.copy()
        if self.unique:
            return low, high
        left, right = self._inequalities()
        for i, at in enumerate(np.flatnonzero(self.support)):
            ends = []
            for sense in (1.0, -1.0):
                cost = sense * self._directions[i]
                found = linprog(cost, A_ub=-left, b_ub=-right, bounds=(None, None), method="highs-ds")
                if found.x is None:
                    raise ConvergenceError(f"the linear programming solver gave up: {found.message}")
                ends.append(max(0.0, float(self._c[i] + self._directions[i] @ found.x)))
            scale = self.signs[at] * self._scaled.size / self._scaled.weights[at]
            low[at], high[at] = sorted(scale * end for end in ends)
        return low, high

    def vertices(self, *, limit: int = 500_000) -> NDArray[np.float64]:
        """Vertices of the set, ``(k, d)``, in lexicographic order.

        They are found by trying every choice of as many inequalities as the set has dimensions.

        Parameters
        ----------
        limit
            Largest number of choices to try.

        Raises
        ------
        ValueError
            If there are more.
        """
        if self.unique:
            return self.interior[None, :].copy()
        left, right = self._inequalities()
        choices = math.comb(len(left), self.dimension)
        if choices > limit:
            raise ValueError(
                f"the set of solutions has dimension {self.dimension} and {len(left)} inequalities: finding its "
                f"vertices would take {choices} systems of equations, more than limit = {limit}"
            )
        picks = itertools.combinations(range(len(left)), self.dimension)
        size = np.abs(self._c).max()
        kept: list[NDArray[np.float64]] = []
        while batch := list(itertools.islice(picks, _BATCH)):
            index = np.array(batch)
            matrices, targets = left[index], right[index]
            regular = np.abs(np.linalg.det(matrices)) > 1e-12  # rows are of length 1: that of parallel ones is 0
            if not regular.any():
                continue
            points = np.linalg.solve(matrices[regular], targets[regular][..., None])[..., 0]
            inside = (points @ left.T >= right - 1e-10 * size).all(axis=1)
            kept.append(points[inside])
        scaled = np.maximum(self._c + np.concatenate(kept) @ self._directions.T, 0.0)
        scaled[scaled < 1e-10 * size] = 0.0
        _, first = np.unique(np.round(scaled / size, 9), axis=0, return_index=True)
        out = np.zeros((len(first), len(self.support)))
        out[:, self.support] = scaled[first] * self.signs[self.support]
        out = self._scaled.beta(out)
        return out[np.lexsort(out.T[::-1])]

    def limit(self, D: float = 2, w0: ArrayLike | None = None) -> tuple[Vector, float]:
        r"""The solution to which those for ``Q_mu`` of depth D tend as ``mu -> 0``, and the residual of the choice.

        At depth 2 it minimizes :math:`\sum_i b_i (\log b_i - 2 \log w_{0i})`, ``b = w |beta|``, over the set: the
        one of largest entropy for equal ``w0``. Beyond, it maximizes :math:`\sum_i |\beta_i|^{2/D}`, whatever the
        shape ``w0``, given that the weights are ``w = w0^{2-D}``.

        Parameters
        ----------
        D
            Depth, ``>= 2``.
        w0
            Shape of the initialization, ``(d,)``, at depth 2; None for all ones.

        Returns
        -------
        tuple
            The solution, ``(d,)``, and the largest relative error of the conditions of optimality; 0 where there is
            one solution only.

        Notes
        -----
        Source: the term after the norm in the expansion of ``Q_mu`` in small ``mu``; for regression Woodworth et
        al. (2020), equations (61) and (62), which leave the choice open.
        """
        if not 2.0 <= D < math.inf:
            raise ValueError(f"D must be a finite real number >= 2, got {D!r}")
        if self.unique:
            return self.interior.copy(), 0.0
        scale = self._scaled.weights if D > 2 else np.ones(len(self.support)) if w0 is None else np.square(w0)
        if np.shape(scale) != self.support.shape:
            raise ValueError(f"w0 must have shape {self.support.shape}, got {np.shape(scale)}")
        loose = self._scaled.rows[np.ix_(~self.tight, self.support)] * self.signs[self.support]
        chosen, residual = choose(
            self._c, self._directions, loose, self._scaled.bounds[~self.tight], scale[self.support], power=2.0 / D
        )
        c = np.zeros(len(self.support))
        c[self.support] = chosen * self.signs[self.support]
        return self._scaled.beta(c), residual

    def _inequalities(self) -> tuple[Any, Vector]:
        """``left z >= right`` for ``_c + _directions z``, rows of length 1; those that never bind are left out."""
        loose = self._scaled.rows[np.ix_(~self.tight, self.support)] * self.signs[self.support]
        left = np.vstack([self._directions, loose @ self._directions])
        right = np.concatenate([-self._c, self._scaled.bounds[~self.tight] - loose @ self._c])
        length = np.linalg.norm(left, axis=1)
        moves = length > _RANK
        return left[moves] / length[moves, None], right[moves] / length[moves]
