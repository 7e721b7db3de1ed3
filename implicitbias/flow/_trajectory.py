"""A trajectory of gradient flow: the states that were saved, and what a person wants to know of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._result import ConvergenceError, Status
from ..regularizer import L1, L2, Q
from ._numbers import Numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Trajectory"]

_ACTIVE = 1e-8
"""Share of the slope, relative to the largest, from which on a sample counts as a support vector: one that is none
has a share that falls exponentially in the accuracy, one that is keeps a constant one."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Gradient flow on a diagonal linear network, at several accuracies.

    Numbers are float64, or mpmath numbers (in object arrays) where digits were asked for.

    Attributes
    ----------
    X, y
        The data, ``(N, d)`` and ``(N,)``.
    reg
        The implicit regularizer of the initialization; ``alpha``, ``D`` and ``w0`` are its.
    loss
        ``"squared"``, ``"exponential"`` or ``"logistic"``.
    accuracy
        ``-log loss``, ``(k,)``, increasing; of each state as computed from its predictor.
    beta
        Predictors, ``(k, d)``.
    dual
        Dual variables, ``(k, N)``: ``grad Q(beta) = sum_n dual_n y_n x_n``; for the squared loss without the
        labels.
    log10_time
        Decimal logarithm of the time of the flow, ``(k,)``; ``-inf`` at the start.
    status
        How the integration ended.
    digits
        Number of correct digits asked for, or None in float64.
    steps, seconds
        Steps of the integrator and wall-clock time.
    info
        Error monitors and costs, by name.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    reg: Q
    loss: str
    accuracy: NDArray[Any]
    beta: NDArray[Any]
    dual: NDArray[Any]
    log10_time: NDArray[Any]
    status: Status
    digits: int | None = None
    steps: int = 0
    seconds: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.accuracy)

    def __repr__(self) -> str:
        span = f"accuracy {float(self.accuracy[0]):.6g} to {float(self.accuracy[-1]):.6g}" if len(self) else "empty"
        digits = "" if self.digits is None else f", {self.digits} digits"
        return (
            f"<Trajectory: {self.loss} loss, D = {self.D}, log(alpha) = {self.log_alpha:.6g}, {len(self)} states, "
            f"{span}{digits}, {self.status.name}>"
        )

    @property
    def success(self) -> bool:
        """Whether the accuracy asked for was reached."""
        return self.status.success

    def raise_for_status(self) -> Trajectory:
        """Return the trajectory itself, or raise :class:`ConvergenceError` unless it is whole or interrupted."""
        if self.success or self.status is Status.INTERRUPTED:
            return self
        reached = f"accuracy {float(self.accuracy[-1]):.6g} reached" if len(self) else "nothing reached"
        message = self.info.get("message") or ""
        raise ConvergenceError(
            f"{self.status.value} ({reached} after {self.steps} steps{'; ' if message else ''}{message})",
            self,  # type: ignore[arg-type]  # what was reached, in the shape it was asked for
        )

    # ---- scales ----

    @property
    def alpha(self) -> Any:
        """Scale of initialization as it was given."""
        return self.reg.alpha

    @property
    def log_alpha(self) -> float:
        """Its natural logarithm."""
        return self.reg.log_alpha

    @property
    def D(self) -> Any:
        """Depth."""
        return self.reg.D

    @property
    def w0(self) -> NDArray[np.float64] | None:
        """Shape of the initialization, ``(d,)``, or None for ones."""
        return self.reg.w0

    @property
    def log10_loss(self) -> NDArray[Any]:
        """Decimal logarithm of the loss, ``(k,)``."""
        numbers = self._numbers
        with numbers.precision():
            return numbers.rounded(-self.accuracy / numbers.log(10))

    @property
    def log_mu(self) -> NDArray[np.float64]:
        """Logarithm of ``mu = alpha^D / accuracy``, ``(k,)``, the scale at which the flow is next to ``Q_mu``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(self.D) * self.log_alpha - np.log(self.accuracy.astype(np.float64))

    # ---- the network and its predictor ----

    @property
    def w(self) -> NDArray[Any]:
        """Another name of `beta`: the predictor as Moroshko et al. write it."""
        return self.beta

    @property
    def w_plus(self) -> NDArray[Any]:
        """Weights ``w_+``, ``(k, d)``; 0 where they are below the range of the numbers."""
        return self._weights[0]

    @property
    def w_minus(self) -> NDArray[Any]:
        """Weights ``w_-``, ``(k, d)``, with ``beta = w_+^D - w_-^D``."""
        return self._weights[1]

    @functools.cached_property
    def _weights(self) -> tuple[NDArray[Any], NDArray[Any]]:
        from ._weights import network_weights

        with self._numbers.precision():
            return network_weights(self.reg, self.beta, exact=self.digits is not None)

    @functools.cached_property
    def direction(self) -> NDArray[Any]:
        """``beta / ||beta||_2``, ``(k, d)``; 0 where beta is."""
        numbers = self._numbers
        with numbers.precision():
            return numbers.rounded(self.beta / numbers.norms(self.beta))

    @property
    def signed(self) -> NDArray[np.float64]:
        """Rows ``y_n x_n``, ``(N, d)``."""
        self._classification("margins")
        return self.y[:, None] * self.X

    @functools.cached_property
    def margins(self) -> NDArray[Any]:
        """``y_n <x_n, beta>``, ``(k, N)``."""
        signed, numbers = self.signed, self._numbers
        with numbers.precision():
            return numbers.rounded(self.beta @ numbers.exactly(signed.T))

    @property
    def margin(self) -> NDArray[Any]:
        """Smallest margin ``gamma``, ``(k,)``."""
        smallest: NDArray[Any] = np.min(self.margins, axis=1)
        return smallest

    @functools.cached_property
    def normalized_margins(self) -> NDArray[Any]:
        """Margins over ``||beta||_2``, ``(k, N)``."""
        numbers = self._numbers
        with numbers.precision():
            return numbers.rounded(self.margins / numbers.norms(self.beta))

    @functools.cached_property
    def softmax(self) -> NDArray[Any]:
        """Shares ``p_n`` of the samples in the slope of the loss, ``(k, N)``, which the dual moves along."""
        margins, numbers = self.margins, self._numbers
        with numbers.precision():
            if self.loss == "logistic":
                large = np.maximum(margins, 0)  # sigmoid(-m) = e^-max(m, 0) / (1 + e^-|m|)
                shares = numbers.exp(np.min(large, axis=1)[:, None] - large) / (1 + numbers.exp(-abs(margins)))
            else:
                shares = numbers.exp(np.min(margins, axis=1)[:, None] - margins)
            return numbers.rounded(shares / shares.sum(axis=1)[:, None])

    @property
    def support(self) -> NDArray[np.bool_]:
        """Samples that are active, ``(k, N)``: their share of the slope is no less than 1e-8 of the largest."""
        shares = self.softmax.astype(np.float64)
        active: NDArray[np.bool_] = shares >= _ACTIVE * shares.max(axis=1)[:, None]
        return active

    # ---- against the end points that theory knows ----

    @functools.cached_property
    def normalized(self) -> NDArray[np.float64]:
        """``beta / gamma``, ``(k, d)`` in float64, which has the least margin 1; beta itself for the squared loss.

        nan where the margin is not positive, that is, before the data are separated.
        """
        if self.loss == "squared":
            return self.beta.astype(np.float64)
        with self._numbers.precision(), np.errstate(invalid="ignore"):
            margin = np.where(self.margin > 0, self.margin, np.nan)
            ratio: NDArray[np.float64] = (self.beta / margin[:, None]).astype(np.float64)
        return ratio

    @functools.cached_property
    def l1_excess(self) -> NDArray[np.float64]:
        """``||beta/gamma||_1`` over the least l1 norm with margins 1, less 1, ``(k,)``.

        Weighted as the rich limit is; for the squared loss over the least l1 norm that fits the data.
        """
        k = float(self.reg.homogeneity)
        return self._excess(L1() if self.w0 is None or k == 2.0 else L1(self.w0 ** (2.0 - k)))

    @functools.cached_property
    def l2_excess(self) -> NDArray[np.float64]:
        """The same for the squared l2 norm, weighted as the kernel limit is."""
        k = float(self.reg.homogeneity)
        return self._excess(L2() if self.w0 is None else L2(self.w0 ** (2.0 - 2.0 * k)))

    def _excess(self, norm: L1 | L2) -> NDArray[np.float64]:
        from ..solvers import interpolate
        from ..solvers.margin import max_margin

        solve: Callable[..., Any] = interpolate if self.loss == "squared" else max_margin
        least = float(norm(solve(self.X, self.y, norm, tol=1e-7).beta))
        return np.array([float(norm(beta)) for beta in self.normalized]) / least - 1.0

    @functools.cached_property
    def path_distance(self) -> NDArray[np.float64]:
        """Distance of ``beta/gamma`` to the ``Q_mu`` solution at ``mu = alpha^D / accuracy``, relative, ``(k,)``.

        For the squared loss of beta to the end point of training. nan where there is no such mu (accuracy 0).
        """
        from ..solvers import interpolate
        from ..solvers.margin import max_margin_path

        if self.loss == "squared":
            targets = np.broadcast_to(interpolate(self.X, self.y, self.reg).beta, self.normalized.shape)
            known = np.ones(len(self), dtype=bool)
        else:
            known = np.asarray(self.accuracy > 0) & np.isfinite(self.normalized).all(axis=1)
            targets = np.full(self.normalized.shape, np.nan)
            if known.any():
                import mpmath

                with mpmath.workdps(30):
                    mus = [mpmath.exp(v) for v in self.log_mu[known].tolist()]
                targets[known] = max_margin_path(self.X, self.y, mus, self.D, self.w0).beta
        away = np.full(len(self), np.nan)
        gap = np.linalg.norm(self.normalized[known] - targets[known], axis=1)
        away[known] = gap / np.linalg.norm(targets[known], axis=1)
        return away

    # ---- files ----

    def save(self, path: str | Path) -> None:
        """Write everything to an ``.npz`` file, from which :meth:`load` reads it back bit by bit."""
        from ._files import write

        write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is not a trajectory.
        """
        from ._files import read

        return cls(**read(Path(path)))

    @property
    def _numbers(self) -> Numbers:
        return Numbers(self.digits)

    def _classification(self, what: str) -> None:
        if self.loss == "squared":
            raise AttributeError(f"a trajectory of the squared loss has no {what}")
