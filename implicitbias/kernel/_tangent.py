"""The Jacobian of a module's outputs in its weights, and the tangent kernel, in pieces that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

__all__ = ["jacobian", "tangent_kernel", "weights_of"]

_MEMORY: Final = 2**28  # bytes for Jacobians at a time, when the caller names no budget


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters by name, detached.

    Raises
    ------
    ValueError
        If there is none.
    """
    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    if not weights:
        raise ValueError("the model has no parameter that requires a gradient")
    return weights


def jacobian(model: nn.Module, X: Tensor) -> Tensor:
    r"""Gradient of the outputs in the trainable weights, sample by sample.

    .. math:: J_{n k p} = \partial f_k(w, x_n) / \partial w_p

    Parameters
    ----------
    model
        Any module that treats the samples of a batch one by one (no batch normalization in training mode).
    X
        Inputs, ``(N, ...)``.

    Returns
    -------
    Tensor
        ``(N, P)`` of a model with outputs ``(N,)``, ``(N, k, P)`` of one with outputs ``(N, k)``; the weights in
        the order of ``model.parameters()``, each flattened.

    Raises
    ------
    ValueError
        If there is nothing to differentiate by, or no sample.
    """
    scalar = _outputs(model, X).dim() == 1
    whole = torch.cat([block.flatten(2) for block in _blocks(model, X).values()], 2)
    return whole[:, 0] if scalar else whole


def tangent_kernel(model: nn.Module, X1: Tensor, X2: Tensor | None = None, *, memory: int | None = None) -> Tensor:
    r"""Tangent kernel of a module at its present weights.

    .. math:: K_{nm} = \langle\nabla_w f(w, x_n), \nabla_w f(w, x'_m)\rangle

    Parameters
    ----------
    model
        As for :func:`jacobian`; the kernel is of the trainable parameters.
    X1, X2
        Inputs, ``(N, ...)`` and ``(M, ...)``; the second like the first when None.
    memory
        Bytes that Jacobians may take at a time, 256 MiB when None. Less memory means more passes over `X2`, and at
        least one sample of each side is held whatever the budget is.

    Returns
    -------
    Tensor
        ``(N, M)`` of a model with outputs ``(N,)``, ``(N, M, k, k)`` of one with outputs ``(N, k)``. With `X2` None
        it is symmetric to the last bit.

    Raises
    ------
    ValueError
        If there is nothing to differentiate by, or no sample, or `memory` is not positive.

    Notes
    -----
    The kernel is the product of two Jacobians, ``N M k^2 P`` multiplications; they are formed for a few samples
    at a time by :mod:`torch.func`, and each block of the kernel is written once.
    """
    budget = _MEMORY if memory is None else memory
    if budget <= 0:
        raise ValueError(f"memory must be a positive number of bytes, got {memory}")
    weights, one = weights_of(model), _outputs(model, X1)
    outputs = one.shape[1] if one.dim() == 2 else 1
    per_sample = outputs * sum(w.numel() * w.element_size() for w in weights.values())
    # two blocks of samples are held at a time, and jacrev needs as much again while it makes one of them
    chunk = max(int(budget // (3 * per_sample)), 1)
    other = X1 if X2 is None else X2
    like = next(iter(weights.values()))
    kernel = torch.empty(len(X1), len(other), outputs, outputs, dtype=like.dtype, device=like.device)
    for rows in _pieces(len(X1), chunk):
        left = _blocks(model, X1[rows])
        for columns in _pieces(len(other), chunk):
            if X2 is None and columns.start < rows.start:
                continue  # known from the other side of the diagonal
            right = left if X2 is None and columns == rows else _blocks(model, other[columns])
            products = [
                torch.einsum("nap,mbp->nmab", left[name].flatten(2), right[name].flatten(2)) for name in left
            ]
            block = torch.stack(products).sum(0)
            if X2 is not None:
                kernel[rows, columns] = block
                continue
            mirrored = block.permute(1, 0, 3, 2)
            kernel[rows, columns] = 0.5 * (block + mirrored) if columns == rows else block
            if columns != rows:
                kernel[columns, rows] = mirrored
    return kernel[:, :, 0, 0] if one.dim() == 1 else kernel


def _pieces(length: int, chunk: int) -> Iterator[slice]:
    return (slice(start, min(start + chunk, length)) for start in range(0, length, chunk))


def _outputs(model: nn.Module, X: Tensor) -> Tensor:
    if len(X) == 0:
        raise ValueError("the inputs must hold at least one sample")
    with torch.no_grad():
        outputs: Tensor = model(X[:1])
    if outputs.dim() not in (1, 2) or len(outputs) != 1:
        raise ValueError(f"the model must map (N, ...) to (N,) or (N, k); one sample gives {tuple(outputs.shape)}")
    return outputs


def _blocks(model: nn.Module, X: Tensor) -> dict[str, Tensor]:
    """Jacobian by parameter, ``(n, k, *shape)`` each, with k = 1 for a scalar output."""
    buffers = dict(model.named_buffers()) | {n: p for n, p in model.named_parameters() if not p.requires_grad}

    def one(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        outputs: Tensor = functional_call(model, (weights, buffers), (x[None],))
        return outputs.reshape(-1)

    with torch.enable_grad():
        blocks: dict[str, Tensor] = vmap(jacrev(one), in_dims=(None, 0))(weights_of(model), X)
    return blocks
