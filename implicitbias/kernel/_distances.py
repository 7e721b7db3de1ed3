"""How far a tangent kernel is from another, and from the labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._tangent import jacobian

__all__ = ["KernelObserver", "alignment", "cosine_distance", "feature_distance", "relative_change"]


def relative_change(before: Tensor, after: Tensor) -> float:
    r"""Change of a kernel, ``||K' - K||_F / ||K||_F``.

    Parameters
    ----------
    before, after
        Kernels of one shape.
    """
    _require_same(before, after)
    return float((after - before).norm() / before.norm())


def cosine_distance(before: Tensor, after: Tensor) -> float:
    r"""One minus the cosine of the angle between two kernels, or two feature maps, which no scaling changes.

    .. math:: 1 - \frac{\langle K, K'\rangle_F}{\|K\|_F\,\|K'\|_F}

    Parameters
    ----------
    before, after
        Tensors of one shape, not zero.

    Returns
    -------
    float
        From 0 to 1 for kernels, from 0 to 2 for feature maps; accurate also where it is tiny.
    """
    _require_same(before, after)
    # half the squared distance of the unit vectors does not cancel where they nearly agree
    gap = before / before.norm() - after / after.norm()
    return 0.5 * float(gap.square().sum())


def feature_distance(before: nn.Module, after: nn.Module, X: Tensor) -> float:
    """Cosine distance of the tangent features ``grad_w f(w, x)`` of two states of a model on inputs `X`.

    It is the "grad distance" of Woodworth et al. (2020), Figure 6.

    Parameters
    ----------
    before, after
        One model at two places of its training.
    X
        Inputs ``(N, ...)``; the two Jacobians are held in memory.
    """
    return cosine_distance(jacobian(before, X), jacobian(after, X))


def alignment(kernel: Tensor, y: Tensor) -> float:
    r"""Alignment of a kernel with labels.

    .. math:: \frac{y^\top K y}{\|K\|_F\,\|y\|^2}

    Parameters
    ----------
    kernel
        ``(N, N)``.
    y
        Labels ``(N,)``.

    Returns
    -------
    float
        From 0 to 1; 1 where ``K`` is a multiple of ``y y^T``.

    Notes
    -----
    Source: Cristianini et al. (2001).
    """
    labels = torch.as_tensor(y).to(kernel)
    if kernel.dim() != 2 or kernel.shape != (len(labels), len(labels)):
        raise ValueError(f"kernel must be (N, N) for N = {len(labels)} labels, got {tuple(kernel.shape)}")
    return float(labels @ kernel @ labels / (kernel.norm() * labels.square().sum()))


class KernelObserver:
    """What the tangent kernel does along a training; give it to ``implicitbias.train.fit`` as `observe`.

    Parameters
    ----------
    model
        The model at its start.
    X, y
        Inputs the kernel is looked at on, ``(N, ...)``, and labels ``(N,)`` for the alignment, if any.

    Notes
    -----
    Called with the model it returns ``kernel_change``, ``kernel_distance`` (cosine), ``feature_distance`` and, with
    labels and one output, ``alignment``.
    """

    def __init__(self, model: nn.Module, X: Tensor, y: Tensor | None = None) -> None:
        self._X, self._y = X, y
        self._features = jacobian(model, X).detach()
        self._kernel = _product(self._features)

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Numbers by name at the present weights."""
        features = jacobian(model, self._X).detach()
        kernel = _product(features)
        seen = {
            "kernel_change": relative_change(self._kernel, kernel),
            "kernel_distance": cosine_distance(self._kernel, kernel),
            "feature_distance": cosine_distance(self._features, features),
        }
        if self._y is not None and kernel.dim() == 2:
            seen["alignment"] = alignment(kernel, self._y)
        return seen


def _product(features: Tensor) -> Tensor:
    """Tangent kernel of a Jacobian that is at hand, ``(N, P)`` or ``(N, k, P)``."""
    if features.dim() == 2:
        return features @ features.T
    return torch.einsum("nap,mbp->nmab", features, features)


def _require_same(before: Tensor, after: Tensor) -> None:
    if before.shape != after.shape:
        raise ValueError(f"both must have one shape, got {tuple(before.shape)} and {tuple(after.shape)}")
    for name, one in (("before", before), ("after", after)):
        if not bool(one.abs().max() > 0):
            raise ValueError(f"{name} must not be zero")
