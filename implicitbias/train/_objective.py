"""A module and its loss seen as one function of one flat vector, with derivatives by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__: list[str] = []

Loss = Callable[[], Tensor]
FloatArray = NDArray[np.float64]


class NonFiniteError(ArithmeticError):
    """The loss or its gradient is not finite; never leaves this package."""


class Objective:
    """The loss of a module as a function of its trainable parameters, flattened to a vector of length ``n``.

    Parameters
    ----------
    module
        Any module; parameters that do not require a gradient stay as they are.
    loss
        Closure without arguments that evaluates the module and returns a scalar tensor.
    """

    def __init__(self, module: nn.Module, loss: Loss) -> None:
        self.module: Final = module
        self.parameters: Final = [p for p in module.parameters() if p.requires_grad]
        if not self.parameters:
            raise ValueError("the module has no parameter that requires a gradient")
        self._loss = loss
        self._sizes = [p.numel() for p in self.parameters]
        self.gradients = 0
        self.hessians = 0

    @property
    def size(self) -> int:
        """Number of scalar parameters ``n``."""
        return sum(self._sizes)

    def get(self) -> Tensor:
        """Return the parameters as one vector, shape ``(n,)``."""
        return torch.cat([p.detach().reshape(-1) for p in self.parameters])

    def set(self, flat: Tensor) -> None:
        """Overwrite the parameters by the entries of `flat`, shape ``(n,)``."""
        with torch.no_grad():
            for parameter, part in zip(self.parameters, torch.split(flat, self._sizes), strict=True):
                parameter.copy_(part.view_as(parameter))

    def set_array(self, flat: FloatArray) -> None:
        """Overwrite the parameters by the entries of a NumPy vector, shape ``(n,)``."""
        self.set(torch.from_numpy(np.array(flat, dtype=np.float64)))

    def buffers(self) -> dict[str, Tensor]:
        """What the module holds beside its trainable parameters."""
        trained = {id(p) for p in self.parameters}
        own = {name: p for name, p in self.module.named_parameters() if id(p) not in trained}
        return {name: tensor.detach().clone() for name, tensor in (own | dict(self.module.named_buffers())).items()}

    def restore_buffers(self, kept: dict[str, Tensor]) -> None:
        """Put back what :meth:`buffers` returned."""
        self.module.load_state_dict(kept, strict=False)

    def value(self) -> float:
        """Loss at the present parameters."""
        with torch.no_grad():
            return self._scalar().item()

    def gradient(self, *, create_graph: bool = False) -> tuple[Tensor, Tensor]:
        """Return the loss, shape ``()``, and its gradient, shape ``(n,)``, at the present parameters."""
        self.gradients += 1
        with torch.enable_grad():
            loss = self._scalar()
            # A parameter the loss does not use has gradient zero.
            parts = torch.autograd.grad(loss, self.parameters, create_graph=create_graph, materialize_grads=True)
            return loss, torch.cat([part.reshape(-1) for part in parts])

    def hessian(self) -> Tensor:
        """Return the Hessian of the loss at the present parameters, shape ``(n, n)``, symmetric."""
        self.hessians += 1
        _, gradient = self.gradient(create_graph=True)
        self.gradients -= 1
        basis = torch.eye(self.size, dtype=gradient.dtype, device=gradient.device)
        return self.curve(gradient, basis)

    def curve(self, gradient: Tensor, directions: Tensor) -> Tensor:
        """Return the Hessian times one direction ``(n,)`` or several ``(k, n)``, in the shape of `directions`.

        Parameters
        ----------
        gradient
            From :meth:`gradient` with ``create_graph``, at the present parameters.
        directions
            One direction, or one per row.
        """
        if not gradient.requires_grad:  # the loss is linear in the parameters
            return torch.zeros_like(directions)
        batched = directions.dim() == 2
        parts = torch.autograd.grad(
            gradient,
            self.parameters,
            directions,
            retain_graph=True,
            is_grads_batched=batched,
            materialize_grads=True,
        )
        return torch.cat([part.reshape(*directions.shape[:-1], -1) for part in parts], dim=-1)

    def predictor(self) -> FloatArray:
        """Return the module's ``predictor()`` where it has one, its flat parameters otherwise."""
        made = getattr(self.module, "predictor", None)
        with torch.no_grad():
            vector = made() if callable(made) else self.get()
        array: FloatArray = vector.detach().to("cpu", torch.float64).numpy().copy()
        return array

    def _scalar(self) -> Tensor:
        loss = self._loss()
        if loss.dim() != 0:
            raise ValueError(f"the loss must be a scalar tensor, got shape {tuple(loss.shape)}")
        return loss
