"""Losses as a trajectory sees them: their logarithm, and how they spread their slope over the samples.

With margins ``m_n = y_n f(x_n)`` and per-sample slopes ``e_n = -d l(m_n) / d m_n`` gradient flow moves the dual
variable along ``p_n = e_n / sum e``. Only logarithms are formed: a loss of ``10^-4000000`` is as good as any.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["EXPONENTIAL", "LOGISTIC", "LOSSES", "MARGIN_LOSSES", "MarginLoss", "Pull"]

_TAIL = 36.0
"""Margin from which on ``log log(1 + e^-m)`` is ``-m - e^-m/2`` to rounding."""


@dataclass(frozen=True)
class Pull:
    """How a loss pulls at given margins.

    Attributes
    ----------
    share
        ``p_n = e_n / sum e``, ``(N,)``.
    stiffness
        ``s_n = -d log e_n / d m_n``, ``(N,)`` or ``()``: 1 for the exponential loss.
    accuracy
        ``-log L``.
    log_slope
        ``log (1/N) sum e_n``.
    """

    share: Vector
    stiffness: Vector | float
    accuracy: float
    log_slope: float


class MarginLoss(ABC):
    """A mean over samples of a decreasing function of the margin."""

    name: str

    @abstractmethod
    def pull(self, margins: Vector) -> Pull:
        """Everything the flow needs at margins ``(N,)``."""

    @abstractmethod
    def accuracy(self, margins: Vector) -> float:
        """``-log L`` at margins ``(N,)``."""


class _Exponential(MarginLoss):
    """``L = (1/N) sum exp(-m_n)``."""

    name = "exponential"

    def pull(self, margins: Vector) -> Pull:
        lowest = margins.min()
        shares = np.exp(lowest - margins)
        total = shares.sum()
        accuracy = float(lowest) + math.log(margins.size / float(total))
        return Pull(shares / total, 1.0, accuracy, -accuracy)

    def accuracy(self, margins: Vector) -> float:
        return self.pull(margins).accuracy


class _Logistic(MarginLoss):
    """``L = (1/N) sum log(1 + exp(-m_n))``."""

    name = "logistic"

    def pull(self, margins: Vector) -> Pull:
        logs = log_expit(-margins)
        slope = _log_sum_exp(logs)
        return Pull(
            np.exp(logs - slope),
            np.exp(log_expit(margins)),
            self.accuracy(margins),
            slope - math.log(margins.size),
        )

    def accuracy(self, margins: Vector) -> float:
        losses = -log_expit(np.minimum(margins, _TAIL))
        logs = np.where(margins < _TAIL, np.log(losses), -margins - 0.5 * np.exp(-np.maximum(margins, _TAIL)))
        return math.log(margins.size) - _log_sum_exp(logs)


def _log_sum_exp(logs: Vector) -> float:
    """``log sum e^logs`` of finite numbers, without the many checks of SciPy's."""
    highest = float(logs.max())
    return highest + math.log(float(np.exp(logs - highest).sum()))


EXPONENTIAL: MarginLoss = _Exponential()
LOGISTIC: MarginLoss = _Logistic()
MARGIN_LOSSES = (EXPONENTIAL.name, LOGISTIC.name)
"""Names of the losses of margins."""
LOSSES = ("squared", *MARGIN_LOSSES)
"""Names of the losses a trajectory takes."""
