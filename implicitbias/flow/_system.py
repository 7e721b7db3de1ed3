"""The flow of the dual variable in float64 as a system of ordinary differential equations, near an anchor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..losses import EXPONENTIAL, LOGISTIC, Pull
from ..solvers._anchored_curve import AnchoredCurve
from ..solvers._design import Design
from ._clock import Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..regularizer import Q
    from ._state import State

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["Look", "System"]

_ACTIVE = 1e-6
"""Share from which on the speed of nu tells it better than the margin does."""
_TINY = float(np.finfo(float).tiny)


class Look(NamedTuple):
    """What there is at a point.

    Attributes
    ----------
    velocity
        ``d nu / d clock``, ``(N,)``: shares of the samples in the slope, or ``y - X beta`` for the squared loss.
    accuracy
        ``-log loss``.
    beta, weights
        Predictor and its derivative in theta, ``(d,)``.
    slack
        Distance of the dual from the end of its domain, relative to that of the anchor, where it fell the most.
    pull
        How the loss pulls; None for the squared loss.
    """

    velocity: Vector
    accuracy: float
    beta: Vector
    weights: Vector
    slack: float
    pull: Pull | None


class System:
    """``nu' = p``, or ``nu' = y - X beta`` for the squared loss, as a function of nu less its anchor.

    Parameters
    ----------
    X, y
        Data; labels -1 or +1 unless the loss is squared.
    reg
        Regularizer of the initialization.
    loss
        ``"squared"``, ``"exponential"`` or ``"logistic"``.
    start
        The anchor; the initialization when None.

    Attributes
    ----------
    nu
        The anchor, ``(N,)``.
    """

    def __init__(self, X: Any, y: Vector, reg: Q, loss: str, start: State | None) -> None:
        self._loss = {"exponential": EXPONENTIAL, "logistic": LOGISTIC}.get(loss)
        self.squared = self._loss is None
        self._design = Design(X, None if self.squared else y)
        N, d = X.shape
        self.nu: Vector = np.zeros(N) if start is None else np.asarray(start.nu, dtype=np.float64)
        if start is None:
            beta = np.zeros(d)
        elif start.beta is not None:
            beta = np.asarray(start.beta, dtype=np.float64)
        else:
            beta = np.asarray(reg.grad_conjugate(self._design.adjoint(self.nu)))
        self._curve = AnchoredCurve(reg, beta)
        self._residual = y - self._design.forward(beta)

    @property
    def bounded(self) -> bool:
        """Whether the domain of the dual has an end: at D > 2."""
        return math.isfinite(self._curve.room)

    def look(self, moved: Vector) -> Look:
        """Everything at ``anchor + moved``."""
        theta = self._design.adjoint(moved)
        beta, weights, slack = self._curve(theta)
        if self._loss is None:
            # to its own digits, however small next to y
            residual = np.asarray(self._residual - self._design.forward(self._curve.change(theta, beta)))
            size = float(np.linalg.norm(residual))
            return Look(residual, -2.0 * math.log(size) if size else math.inf, beta, weights, slack, None)
        pull = self._loss.pull(self._design.forward(beta))
        return Look(pull.share, pull.accuracy, beta, weights, slack, pull)

    def jacobian(self, moved: Vector) -> Matrix:
        """Derivative of the velocity in nu, ``(N, N)``."""
        here = self.look(moved)
        gram = self._design.gram(here.weights)
        if here.pull is None:
            return -gram
        steep = here.pull.share * here.pull.stiffness
        matrix: Matrix = np.outer(here.pull.share, steep @ gram) - steep[:, None] * gram
        return matrix

    def point(self, here: Look) -> Point:
        """Where the time integral is, and how fast x grows in tau."""
        pull = here.pull
        assert pull is not None

        def speed() -> float:
            along = self._design.adjoint(pull.share)
            if np.ndim(pull.stiffness) == 0:
                return float((here.weights * along) @ along)
            return float((pull.share * pull.stiffness) @ self._design.forward(here.weights * along))

        return Point(-pull.log_slope, speed)

    def move(self, moved: Vector) -> None:
        """Make ``anchor + moved`` the anchor."""
        if self.squared:
            self._residual = self.look(moved).velocity
        self._curve.move(self._design.adjoint(moved))
        self.nu = self.nu + moved

    def scale(self, here: Look) -> tuple[float, float]:
        """Length of the clock over which something happens at the anchor, and how fast theta moves there."""
        along = self._design.adjoint(here.velocity)
        fastest = float(np.abs(self._design.forward(here.weights * along)).max())
        reach = float(np.abs(along).max())
        if self.squared:
            # from here on the residual decays, and nu moves no farther than that takes
            return 1.0 / max(fastest / float(np.linalg.norm(self._residual)), reach, _TINY), reach
        # on the slow manifold nothing happens sooner than the time nu itself has taken
        grown = float(self.nu.sum())
        return min(max(1.0 / max(fastest, reach, _TINY), grown), self._curve.room / max(reach, _TINY)), reach

    def settled(self, dense: Callable[[float], Vector], clock: float, width: float, accuracy: float) -> Vector:
        """Displacement of nu at a time within a step, with margins that go with its speed.

        Shares are exponentials of margins: at a large accuracy nu, which is right to a relative tolerance, is not
        right enough for them. But its speed is the shares, and right to that tolerance; the margins of active
        samples follow from it.
        """
        moved = dense(clock)
        share = np.maximum(dense(clock + width) - dense(clock - width), 0.0)
        share /= share.sum()
        active = np.flatnonzero(share > _ACTIVE)
        goal = accuracy - math.log(share.size) - np.log(share[active])
        here = self.look(moved)
        gram = self._design.gram(here.weights)[np.ix_(active, active)]
        missing = goal - self._design.forward(here.beta)[active]
        moved[active] += np.linalg.lstsq(gram, missing, rcond=None)[0]
        return moved
