"""A convolutional network without biases."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from ._relu import he_uniform

__all__ = ["VGG11"]

_LAYERS: Final = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, "M")


class VGG11(nn.Module):
    """VGG11-like network without biases: 64-M-128-M-256-256-M-512-512-M-512-M-FC, with M for max-pooling by two.

    Parameters
    ----------
    alpha
        Scale of the uniform He initialization, positive.
    channels, classes
        Of the images and of the outputs.
    width
        Factor of the numbers of channels, for smaller networks of the same kind; at most 1.
    seed
        Of the initialization.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Images need sides that are positive multiples of 32; larger ones than 32 are averaged over what is left of them
    before the last layer. Source: Woodworth et al. (2020), Appendix B.2.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        channels: int = 3,
        classes: int = 10,
        width: float = 1.0,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if not 0 < alpha < float("inf"):
            raise ValueError(f"alpha must be positive and finite, got {alpha}")
        if channels < 1 or classes < 1:
            raise ValueError(f"channels and classes must be at least 1, got {channels} and {classes}")
        if not 0 < width <= 1:
            raise ValueError(f"width must lie in (0, 1], got {width}")
        kind = torch.float64 if dtype is None else dtype
        layers: list[nn.Module] = []
        before = channels
        for layer in _LAYERS:
            if isinstance(layer, str):
                layers.append(nn.MaxPool2d(2))
            else:
                size = max(round(layer * width), 1)
                layers += [nn.Conv2d(before, size, 3, padding=1, bias=False), nn.ReLU()]
                before = size
        self.features = nn.Sequential(*layers).to(device, kind)
        self.classifier = nn.Linear(before, classes, bias=False, dtype=kind, device=device)
        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            he_uniform(weight, alpha, generator)

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return 8

    def forward(self, X: Tensor) -> Tensor:
        """Return outputs ``(N, classes)`` for images ``(N, channels, height, width)``."""
        outputs: Tensor = self.classifier(self.features(X).mean((2, 3)))
        return outputs
