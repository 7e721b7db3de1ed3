"""Gradient flow of the linearized model in closed form."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp

from ._tangent import tangent_kernel, weights_of

__all__ = ["KernelFlow", "kernel_flow"]


@dataclass(frozen=True, eq=False)
class KernelFlow:
    r"""Trajectory of the first-order model under the flow of the squared loss, at any time.

    .. math::
        \dot w = -\nabla_w \|\bar f(w, X) - y\|^2, \qquad
        w(t) = w_0 + J^\top a(t), \qquad
        a(t) = K^{-1}(I - e^{-2Kt})(y - f(w_0, X))

    Attributes
    ----------
    model : Module
        A copy of the model, at its start.
    X, y : Tensor
        Inputs ``(N, ...)`` and targets ``(N,)``.
    eigenvalues, eigenvectors : Tensor
        Of the kernel, ascending, ``(N,)`` and ``(N, N)``. Eigenvalues below rounding count as zero: what lies in
        their directions cannot be fitted.
    start : Tensor
        Outputs at the start, ``(N,)``.
    """

    model: nn.Module
    X: Tensor
    y: Tensor
    eigenvalues: Tensor
    eigenvectors: Tensor
    start: Tensor

    def coefficients(self, t: float = math.inf) -> Tensor:
        """Coefficients ``a(t)`` of the samples, ``(N,)``; the limit when `t` is infinite."""
        _require_time(t)
        rate = self.eigenvalues
        positive = rate > self._smallest
        safe = torch.where(positive, rate, torch.ones_like(rate))
        full = torch.where(positive, 1.0 / safe, torch.zeros_like(rate))
        share = full if math.isinf(t) else torch.where(positive, -torch.expm1(-2.0 * safe * t) / safe, 2.0 * t)
        return self.eigenvectors @ (share * (self.eigenvectors.T @ (self.y - self.start)))

    def outputs(self, t: float = math.inf) -> Tensor:
        """Outputs on the training inputs, ``(N,)``."""
        _require_time(t)
        decay = torch.exp(-2.0 * self.eigenvalues * t) if math.isfinite(t) else (~self._fitted).to(self.y)
        gap = self.eigenvectors.T @ (self.start - self.y)
        return self.y + self.eigenvectors @ (decay * gap)

    def weights(self, t: float = math.inf) -> Tensor:
        """All trainable weights, flat, ``(P,)``, in the order of ``model.parameters()``."""
        weights = weights_of(self.model)
        pulled: Any = vjp(lambda w: functional_call(self.model, w, (self.X,)), weights)
        (moved,) = pulled[1](self.coefficients(t))
        return torch.cat([(weights[name] + moved[name]).detach().reshape(-1) for name in weights])

    def predict(self, X: Tensor, t: float = math.inf) -> Tensor:
        """Outputs on new inputs ``(M, ...)``, ``(M,)``: the kernel predictor, at its limit unless `t` is finite."""
        with torch.no_grad():
            start: Tensor = self.model(X)
        return start + tangent_kernel(self.model, X, self.X) @ self.coefficients(t)

    @property
    def rkhs_norm(self) -> float:
        r"""Norm ``sqrt(a^T K a)`` of what the limit adds to the start: the least of all that fits the targets."""
        a = self.eigenvectors.T @ self.coefficients()
        return math.sqrt(float((self.eigenvalues.clamp(min=0.0) * a.square()).sum()))

    @property
    def _smallest(self) -> float:
        largest = float(self.eigenvalues.abs().max())
        return largest * len(self.eigenvalues) * torch.finfo(self.eigenvalues.dtype).eps

    @property
    def _fitted(self) -> Tensor:
        return self.eigenvalues > self._smallest


def kernel_flow(model: nn.Module, X: Tensor, y: Tensor, *, memory: int | None = None) -> KernelFlow:
    r"""Gradient flow of the linearized model under ``||f(X) - y||^2``, in closed form, and its limit.

    The limit is ``f(w_0, .)`` plus the function of least norm in the reproducing-kernel Hilbert space of the
    tangent kernel that makes the outputs equal the targets.

    Parameters
    ----------
    model
        Any module with outputs ``(N,)``, as for :func:`tangent_kernel`; copied.
    X, y
        Inputs ``(N, ...)`` and targets ``(N,)``.
    memory
        As for :func:`tangent_kernel`.

    Returns
    -------
    KernelFlow
        Outputs, predictions and weights at any time.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the model has more than one output.

    Notes
    -----
    Source: Chizat et al. (2019); Smith (2022), Section 2, equations (2)-(4).
    """
    kernel = tangent_kernel(model, X, memory=memory)
    if kernel.dim() != 2:
        raise ValueError("the model must have one output, (N,); look at the outputs one by one")
    targets = torch.as_tensor(y).detach().to(kernel)
    if targets.shape != (len(X),):
        raise ValueError(f"y must have shape ({len(X)},), got {tuple(targets.shape)}")
    with torch.no_grad():
        start: Tensor = model(X)
    eigenvalues, eigenvectors = torch.linalg.eigh(kernel)
    return KernelFlow(copy.deepcopy(model), X, targets, eigenvalues, eigenvectors, start)


def _require_time(t: float) -> None:
    if not t >= 0:
        raise ValueError(f"t must not be negative, got {t}")
