"""Networks of rectified linear units, positively homogeneous in their weights."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["FullyConnected", "TwoLayerReLU", "Unbiased", "UnivariateReLU", "he_uniform"]


def he_uniform(weight: Tensor, alpha: float, generator: torch.Generator) -> None:
    """Fill in place with uniform numbers in ``+-alpha sqrt(6 / fan_in)`` (He et al. 2015, times alpha)."""
    fan_in = weight[0].numel()
    bound = alpha * math.sqrt(6.0 / fan_in)
    with torch.no_grad():
        # drawn in double precision on the CPU, so that a seed means one network on every device and in every type
        drawn = torch.rand(weight.shape, dtype=torch.float64, generator=generator)
        weight.copy_((2.0 * drawn - 1.0) * bound)


class FullyConnected(nn.Module):
    r"""Fully connected network without biases, ``f(x) = W_D s(W_{D-1} ... s(W_1 x))`` with ``s = max(., 0)``.

    Parameters
    ----------
    sizes
        Numbers of units, inputs first and outputs last: ``D + 1`` of them for depth D.
    alpha
        Scale of the uniform He initialization, positive.
    seed
        Of the initialization.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or one or `alpha` is out of range.

    Notes
    -----
    Source: Woodworth et al. (2020), Figure 6 (depths 2, 3, 5, 30 units a layer).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        alpha: float = 1.0,
        *,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or any(size < 1 for size in sizes):
            raise ValueError(f"sizes must hold at least two positive numbers, got {list(sizes)}")
        _require_scale("alpha", alpha)
        kind = torch.float64 if dtype is None else dtype
        self.layers = nn.ModuleList(
            nn.Linear(a, b, bias=False, dtype=kind, device=device) for a, b in itertools.pairwise(sizes)
        )
        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            he_uniform(weight, alpha, generator)

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return len(self.layers)

    def forward(self, X: Tensor) -> Tensor:
        """Return outputs ``(N, k)``, or ``(N,)`` of a network with one, for inputs ``(N, d)``."""
        for layer in self.layers[:-1]:
            X = torch.relu(layer(X))
        outputs: Tensor = self.layers[-1](X)
        return outputs.squeeze(-1) if outputs.shape[-1] == 1 else outputs


class TwoLayerReLU(nn.Module):
    r"""Two-layer network ``f(x) = sum_j v_j max(u_j^T x, 0)``, started at normal weights with a scale per layer.

    Parameters
    ----------
    d, width
        Numbers of inputs and of hidden units.
    scale_u, scale_v
        Standard deviations ``r_u`` and ``r_v`` of the weights of the first and of the second layer, positive.
    seed
        Of the initialization.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If a size or scale is out of range.

    Notes
    -----
    Source: Wei et al. (2019), as used in Smith (2022), Section 5.2, equation (10).
    """

    u: nn.Parameter
    v: nn.Parameter

    def __init__(
        self,
        d: int,
        width: int,
        scale_u: float = 1.0,
        scale_v: float = 1.0,
        *,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if d < 1 or width < 1:
            raise ValueError(f"d and width must be at least 1, got {d} and {width}")
        _require_scale("scale_u", scale_u)
        _require_scale("scale_v", scale_v)
        kind = torch.float64 if dtype is None else dtype
        drawn = torch.randn(width, d + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        self.u = nn.Parameter((scale_u * drawn[:, :d]).to(device, kind))
        self.v = nn.Parameter((scale_v * drawn[:, d]).to(device, kind))

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return 2

    def forward(self, X: Tensor) -> Tensor:
        """Return outputs ``(N,)`` for inputs ``(N, d)``."""
        return torch.relu(X @ self.u.T) @ self.v

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"d={self.u.shape[1]}, width={self.u.shape[0]}"


class UnivariateReLU(nn.Module):
    r"""Two-layer network of one input with unbiased start, and the relative scale of its layers to choose.

    .. math:: f(x) = \sum_j v_j \max(u_j x + b_j, 0), \qquad
              u_j, b_j \sim \lambda\alpha\,\mathcal{N}(0, 1), \quad
              v_j \sim \frac{\alpha}{\lambda}\,\mathcal{N}(0, 2/k)

    Half of the `k` units repeat the other half with the opposite sign of ``v``, so that the network starts at zero.

    Parameters
    ----------
    width
        Number of hidden units ``k``, even.
    alpha
        Scale of the initialization, positive.
    layer_scale
        ``lambda``, positive: the first layer is larger by it and the second smaller, which leaves every function of
        the network as it is and changes its tangent kernel.
    seed
        Of the initialization.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If `width` is not a positive even number, or a scale is out of range.

    Notes
    -----
    Source: Woodworth et al. (2020), Appendix B.1. There is no bias of the output here: it would be of degree 1, and
    the network not homogeneous.
    """

    u: nn.Parameter
    b: nn.Parameter
    v: nn.Parameter

    def __init__(
        self,
        width: int,
        alpha: float = 1.0,
        *,
        layer_scale: float = 1.0,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"width must be a positive even number, got {width}")
        _require_scale("alpha", alpha)
        _require_scale("layer_scale", layer_scale)
        kind = torch.float64 if dtype is None else dtype
        half = torch.randn(3, width // 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        first = layer_scale * alpha * half[:2].repeat(1, 2)
        second = alpha / layer_scale * math.sqrt(2.0 / width) * torch.cat([half[2], -half[2]])
        self.u, self.b = nn.Parameter(first[0].to(device, kind)), nn.Parameter(first[1].to(device, kind))
        self.v = nn.Parameter(second.to(device, kind))

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return 2

    def forward(self, X: Tensor) -> Tensor:
        """Return outputs ``(N,)`` for inputs ``(N,)`` or ``(N, 1)``."""
        hidden, half = torch.relu(X.reshape(-1, 1) * self.u + self.b), len(self.v) // 2
        # in two halves, so that they cancel to the last bit at the start
        return hidden[:, :half] @ self.v[:half] + hidden[:, half:] @ self.v[half:]

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"width={len(self.v)}"


class Unbiased(nn.Module):
    """Difference of two copies of a module, which starts at zero: ``f(x) = g(x; w_+) - g(x; w_-)``, ``w_+ = w_-``.

    Parameters
    ----------
    module
        The module, which is copied.

    Notes
    -----
    Source: Chizat et al. (2019), and Woodworth et al. (2020), Section 3.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.plus, self.minus = copy.deepcopy(module), copy.deepcopy(module)

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights, that of the module."""
        return float(self.plus.homogeneity)  # type: ignore[arg-type]  # a module's attributes have any type

    def forward(self, X: Tensor) -> Tensor:
        """Return the difference of the outputs."""
        difference: Tensor = self.plus(X) - self.minus(X)
        return difference


def _require_scale(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
