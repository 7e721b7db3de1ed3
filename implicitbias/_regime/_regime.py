"""The verdict: kernel, rich or between."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scipy import sparse

from ..problems import Interpolation
from ..regularizer import Q
from ..theorems import theorem2_kernel_alpha, theorem2_rich_log_alpha
from ._thresholds import EndPoints, crossings, guarantees

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Regime", "regime"]

_SMALLEST_TOLERANCE = 1e-12
"""Below that ``1 + tolerance`` has too few digits for the guarantees."""


@dataclass(frozen=True)
class Regime:
    """Place of a regression problem between the kernel and the rich limit; made by :func:`regime`.

    Attributes
    ----------
    log_alpha
        Natural logarithm of the scale of initialization.
    D
        Depth.
    tolerance
        Excess up to which a limit counts as reached.
    shape
        ``(N, d)``.
    l1_excess
        ``||beta||_1 / min - 1``, in the weighted norm of the rich limit.
    l2_excess
        ``||beta||_2^2 / min - 1``, of the squares, in the weighted norm of the kernel limit.
    rich_log_alpha
        Log alpha at which `l1_excess` falls to the tolerance, the first met coming from large alpha; inf if it
        is below it at every scale.
    kernel_log_alpha
        Log alpha at which `l2_excess` rises to the tolerance, the first met coming from large alpha; -inf if it is
        below it at every scale.
    rich_guarantee, kernel_guarantee
        Log alphas up to which (from which on) the same is certain from the two minimum norms alone, for any X.
    theorem2_rich, theorem2_kernel
        The same by the bounds of Woodworth et al. (2020), Theorem 2; None but at depth 2 with uniform shape.
    l1_unique
        Whether the l1 norm has one minimizer. If not, the rich limit is a particular one, and `l1_excess` does not
        tell how near that is.
    """

    log_alpha: float
    D: float
    tolerance: float
    shape: tuple[int, int]
    l1_excess: float
    l2_excess: float
    rich_log_alpha: float
    kernel_log_alpha: float
    rich_guarantee: float
    kernel_guarantee: float
    theorem2_rich: float | None
    theorem2_kernel: float | None
    l1_unique: bool

    @property
    def verdict(self) -> str:
        """``"rich"``, ``"kernel"``, ``"between"``, or ``"both"`` where one point is near both minima."""
        rich, kernel = self.l1_excess <= self.tolerance, self.l2_excess <= self.tolerance
        if rich and kernel:
            return "both"
        return "rich" if rich else "kernel" if kernel else "between"

    def __str__(self) -> str:
        N, d = self.shape
        meaning = {
            "rich": "training ends near the minimum l1 norm",
            "kernel": "training ends near the minimum l2 norm",
            "between": "training ends near neither minimum norm",
            "both": "training ends near the minimum of both norms",
        }[self.verdict]
        l1 = self._line(
            "l1 norm", self.l1_excess, "<=", self.rich_log_alpha, self.rich_guarantee, self.theorem2_rich
        )
        l2 = self._line(
            "squared l2 norm",
            self.l2_excess,
            ">=",
            self.kernel_log_alpha,
            self.kernel_guarantee,
            self.theorem2_kernel,
        )
        lines = [
            f"{self.verdict}: {meaning} (alpha = {_scale(self.log_alpha)}, depth {self.D:g}, N = {N}, d = {d})",
            l1,
            l2,
        ]
        if not self.l1_unique:
            lines.append("  the l1 norm has many minimizers; the rich limit is one of them")
        return "\n".join(lines)

    def _line(
        self, name: str, excess: float, relation: str, found: float, certain: float, theorem: float | None
    ) -> str:
        here = f"  {name}: {100.0 * excess:.3g}% above its minimum, within {100.0 * self.tolerance:g}%"
        if math.isinf(found):
            return f"{here} at every alpha"
        known = (
            f"guaranteed for {relation} {_scale(certain)}" if math.isfinite(certain) else "guaranteed everywhere"
        )
        paper = "" if theorem is None else f", by Theorem 2 for {relation} {_scale(theorem)}"
        return f"{here} for alpha {relation} {_scale(found)} ({known}{paper})"


def regime(
    X: ArrayLike, y: ArrayLike, alpha: Any, D: float = 2, w0: ArrayLike | None = None, *, tolerance: float = 0.01
) -> Regime:
    r"""Measure where from kernel to rich the end point of training sits, and at which scales the regimes begin.

    .. math::
        \text{rich:}\ \min \sum_i w_{0i}^{2-D} |\beta_i|, \qquad
        \text{kernel:}\ \min \sum_i \beta_i^2 / w_{0i}^{2(D-1)}, \qquad \text{both s.t. } X\beta = y

    Parameters
    ----------
    X
        Design matrix, ``(N, d)``; a sparse one is made dense.
    y
        Targets, ``(N,)``.
    alpha, D, w0
        Scale of initialization, depth and shape, as for :class:`~implicitbias.Q`.
    tolerance
        Excess of a norm over its minimum up to which that limit counts as reached, at least 1e-12.

    Returns
    -------
    Regime
        Excesses, verdict, and the scales at which it changes; ``print`` it. An excess is right to several digits
        also where it is 1e-80, and 0 where rounding hides it.

    Raises
    ------
    InfeasibleError
        If no predictor fits the data.
    ConvergenceError
        If an end point is not found.
    TypeError, ValueError
        If an argument is invalid.

    Notes
    -----
    The scales at which an excess crosses the tolerance come from root finding on exact end points. That an excess
    is monotone in alpha is not proved; should it cross more than once, the crossing nearest to the kernel end that
    the search meets is returned.

    The guarantees follow from ``Q(beta) <= Q(minimizer of the norm)``. Let ``g_i = w0_i^{2-D} |beta_i|``, ``L_i =
    alpha^D w0_i^2``, so that ``Q = sum L_i q(g_i / L_i)``, and ``L = sum L_i``, ``l = min L_i``, ``S = sum g_i``,
    ``B^2 = sum g_i^2 / w0_i^2``. As q is convex and ``q(sqrt x)`` concave,

    * ``L q(S / L) <= Q <= l q(S / l)``: the l1 excess is at most eps if ``L q((1 + eps) S* / L) >= l q(S* / l)``,
      where S* is the minimum of S;
    * ``l q(min(w0) B / l) <= Q <= L q(||w0|| B / L)``: the l2 excess is at most eps if
      ``l q(min(w0) (1 + eps)^{1/2} B* / l) >= L q(||w0|| B* / L)``.

    The bounds of Woodworth et al. (2020), Theorem 2, are true as stated for every positive tolerance, and weaker.

    Examples
    --------
    >>> here = regime([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]], [2.0, 1.0], 1e-3)
    >>> here.verdict
    'rich'
    """
    accepted = isinstance(tolerance, numbers.Real) and not isinstance(tolerance, bool)
    if not accepted or not _SMALLEST_TOLERANCE <= tolerance < math.inf:
        raise ValueError(f"tolerance must be a finite number, at least {_SMALLEST_TOLERANCE:g}, got {tolerance!r}")
    reg, eps = Q(alpha, D, w0), float(tolerance)
    matrix: Any = X
    problem = Interpolation(matrix.toarray() if sparse.issparse(X) else matrix, y)
    d = problem.shape[1]
    if reg.w0 is not None and reg.w0.shape != (d,):
        raise ValueError(f"w0 must have one entry per column of X: X has {d} columns, w0 has {len(reg.w0)} entries")
    end = EndPoints(problem, reg)
    l1_excess, l2_excess = end.excesses(reg.log_alpha)
    certain = guarantees(end.rich.minimum, end.kernel.minimum, end.D, end.w0, eps)
    rich, kernel = crossings(end, eps, certain)
    proved: tuple[float | None, float | None] = None, None
    if reg.D == 2 and reg.w0 is None and end.kernel.minimum > 0.0:
        printed = theorem2_kernel_alpha(eps, end.kernel.minimum)
        proved = theorem2_rich_log_alpha(eps, end.rich.minimum, d), math.log(printed)
    return Regime(
        log_alpha=reg.log_alpha,
        D=float(reg.D),
        tolerance=eps,
        shape=problem.shape,
        l1_excess=l1_excess,
        l2_excess=l2_excess,
        rich_log_alpha=rich,
        kernel_log_alpha=kernel,
        rich_guarantee=certain[0],
        kernel_guarantee=certain[1],
        theorem2_rich=proved[0],
        theorem2_kernel=proved[1],
        l1_unique=end.rich.unique,
    )


def _scale(log_alpha: float) -> str:
    """Alpha to three digits, also where no float holds it."""
    decades = log_alpha / math.log(10.0)
    if abs(decades) < 300.0:
        return f"{10.0**decades:.3g}"
    exponent = math.floor(decades)
    return f"{10.0 ** (decades - exponent):.2f}e{exponent:+d}" if abs(exponent) < 1e6 else f"10^{decades:.6g}"
