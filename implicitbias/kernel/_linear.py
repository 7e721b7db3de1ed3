"""The first-order model of a network at its start."""

from __future__ import annotations

import copy
import functools
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from ._tangent import weights_of

__all__ = ["LinearizedModel", "linearize"]


class LinearizedModel(nn.Module):
    r"""A model that is affine in its weights: the first-order expansion of another at its present weights.

    .. math:: \bar f(w, x) = f(w_0, x) + \langle\nabla_w f(w_0, x), w - w_0\rangle

    Parameters
    ----------
    model
        The model, which is copied: it may be trained on without changing this one.

    Notes
    -----
    The parameters are those of the model, under the same names but for dots, which become ``__``, and start at
    ``w_0``; training moves them. Where the model has a ``predictor()`` this one has its expansion. The gradient
    is a forward-mode derivative, so that nothing of the size of a Jacobian is formed.

    Source: Chizat et al. (2019); Woodworth et al. (2020), Section 3.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        _prepare_forward_mode()
        weights = weights_of(model)
        # not a submodule: its parameters are not those that are trained
        self._base: list[nn.Module] = [copy.deepcopy(model).requires_grad_(False)]
        for name, weight in weights.items():
            self.register_parameter(_flat(name), nn.Parameter(weight.clone()))
            self.register_buffer(_start(name), weight.clone())
        self._names = tuple(weights)
        if callable(getattr(model, "predictor", None)):
            self.predictor = self._predictor

    def forward(self, X: Tensor) -> Tensor:
        """Return the outputs of the expansion, in the shape of the model's."""
        return self._expand(lambda weights: functional_call(self._base[0], weights, (X,)))

    def _predictor(self) -> Tensor:
        wrapped = _Predictor(self._base[0])
        return self._expand(
            lambda weights: functional_call(wrapped, {f"model.{n}": w for n, w in weights.items()}, ())
        )

    def _expand(self, function: Any) -> Tensor:
        start = {name: getattr(self, _start(name)) for name in self._names}
        moved = {name: getattr(self, _flat(name)) - start[name] for name in self._names}
        expansion: Any = jvp(function, (start,), (moved,))
        total: Tensor = expansion[0] + expansion[1]
        return total

    def _apply(self, fn: Any, recurse: bool = True) -> LinearizedModel:
        self._base[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


class _Predictor(nn.Module):
    """A module's ``predictor()`` as a forward pass, which is what weights can be put into."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self) -> Tensor:
        predictor: Any = self.model.predictor
        vector: Tensor = predictor()
        return vector


def linearize(model: nn.Module) -> LinearizedModel:
    """First-order model at the present weights, trainable; see :class:`LinearizedModel`."""
    return LinearizedModel(model)


@functools.cache
def _prepare_forward_mode() -> None:
    """Have torch load its rules for forward-mode derivatives, which gives a warning that is torch's own affair."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=DeprecationWarning)
        jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))


def _flat(name: str) -> str:
    return name.replace(".", "__")


def _start(name: str) -> str:
    return f"{_flat(name)}__start"
