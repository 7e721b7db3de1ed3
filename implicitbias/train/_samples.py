"""The losses of samples, whole or in batches, and their logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

from ._accuracy import log_softplus
from ._objective import Objective

__all__ = ["SAMPLE_LOSSES", "SampleObjective"]


def _squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().reshape(len(targets), -1).sum(1)


def _exponential(outputs: Tensor, labels: Tensor) -> Tensor:
    return (-labels * outputs).exp()


def _logistic(outputs: Tensor, labels: Tensor) -> Tensor:
    return torch.nn.functional.softplus(-labels * outputs)


def _cross_entropy(outputs: Tensor, classes: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(outputs, classes, reduction="none")


def _lead(outputs: Tensor, classes: Tensor) -> Tensor:
    """By how much the right class leads the log-sum-exp of the others: the cross entropy is ``softplus(-lead)``."""
    right = torch.nn.functional.one_hot(classes, outputs.shape[1]).bool()
    others = torch.logsumexp(outputs.masked_fill(right, -math.inf), 1)
    return outputs[right] - others


_TERMS: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "squared": _squared,
    "exponential": _exponential,
    "logistic": _logistic,
    "cross-entropy": _cross_entropy,
}
_LOG_TERMS: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "squared": lambda f, y: _squared(f, y).log(),
    "exponential": lambda f, y: -y * f,
    "logistic": lambda f, y: log_softplus(-y * f),
    "cross-entropy": lambda f, y: log_softplus(-_lead(f, y)),
}
SAMPLE_LOSSES: Final = tuple(_TERMS)
"""The squared loss is a sum over the samples, the others are means."""


class SampleObjective(Objective):
    """The loss of a module on samples, all of them or the batch that is selected.

    Parameters
    ----------
    module
        Maps inputs ``(N, ...)`` to outputs ``(N,)`` or ``(N, k)``.
    X, y
        Inputs, and targets: of the shape of the outputs for the squared loss, labels -1 and 1 for the exponential
        and the logistic one, numbers of classes for the cross entropy.
    loss
        One of :data:`SAMPLE_LOSSES`.
    logarithm
        Whether the objective is the logarithm of the loss, which a loss of classification needs far down.
    """

    def __init__(self, module: nn.Module, X: Any, y: Any, loss: str, *, logarithm: bool = False) -> None:
        if loss not in _TERMS:
            raise ValueError(f"loss must be one of {', '.join(_TERMS)}, got {loss!r}")
        super().__init__(module, self._whole)
        like = self.parameters[0]
        self.X = torch.as_tensor(X).detach().to(like.device)
        self.y = torch.as_tensor(y).detach().to(like.device)
        if self.X.is_floating_point() or self.X.dtype == torch.bool:
            self.X = self.X.to(like.dtype)
        self.y = self.y.long() if loss == "cross-entropy" else self.y.to(like.dtype)
        if self.X.dim() < 1 or len(self.X) == 0 or len(self.X) != len(self.y):
            raise ValueError(
                f"X and y must hold the same positive number of samples, got {tuple(self.X.shape)} "
                f"and {tuple(self.y.shape)}"
            )
        if loss in ("exponential", "logistic") and not bool((self.y.abs() == 1).all()):
            raise ValueError(f"y must hold the labels -1 and 1 for loss={loss!r}")
        self._logarithm = logarithm
        self._terms = (_LOG_TERMS if logarithm else _TERMS)[loss]
        # of the mean of the terms; the squared loss is their sum
        self._factor = len(self.X) if loss == "squared" else 1
        self._selected: Tensor | None = None
        self._classes = loss == "cross-entropy"

    def select(self, indices: Tensor | None) -> None:
        """Look at the samples with these indices, ``(B,)``, from now on; at all of them when None."""
        self._selected = indices

    def _whole(self) -> Tensor:
        X, y = (self.X, self.y) if self._selected is None else (self.X[self._selected], self.y[self._selected])
        outputs = self.module(X)
        if self._classes and outputs.dim() != 2:
            raise ValueError(f"the cross entropy needs outputs of shape (N, classes), got {tuple(outputs.shape)}")
        if not self._classes and outputs.shape != y.shape:
            raise ValueError(
                f"y must have the shape of the outputs, {tuple(outputs.shape)} for {len(y)} samples, "
                f"got {tuple(y.shape)}"
            )
        terms = self._terms(outputs, y).reshape(-1)
        if self._logarithm:
            return torch.logsumexp(terms, 0) + math.log(self._factor / len(y))
        return terms.sum() * (self._factor / len(y))
