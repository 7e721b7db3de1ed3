"""The diagonal network as an ordinary torch module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["DiagonalNetwork"]


class DiagonalNetwork(nn.Module):
    r"""Linear model whose predictor is a difference of elementwise powers of its weights.

    .. math:: f(x) = \langle\beta, x\rangle, \qquad \beta = w_+^D - w_-^D, \qquad w_\pm(0) = \alpha w_0 .

    Parameters
    ----------
    d
        Number of features.
    depth
        ``D >= 2``, a real number. A depth that is not an integer needs weights that stay positive, which
        gradient flow keeps and gradient descent with large steps does not.
    alpha
        Scale of the initialization, positive; a string such as ``"1e-3"`` is read as a float.
    w0
        Shape of the initialization, ``(d,)``, positive; ones when None.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If `d`, `depth`, `alpha` or `w0` is out of range, or if `alpha` is too small or too large for `dtype`.

    Notes
    -----
    The parameters are ``w_plus`` and ``w_minus``, each of shape ``(d,)``. At the start the predictor is zero.

    Source: Woodworth et al. (2020), equations (4) and (9); unbiased initialization.
    """

    w_plus: nn.Parameter
    w_minus: nn.Parameter

    def __init__(
        self,
        d: int,
        depth: float = 2,
        alpha: float | str = 1.0,
        w0: Any = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if d < 1:
            raise ValueError(f"d must be at least 1, got {d}")
        if not (2 <= depth < float("inf")):
            raise ValueError(f"depth must be a finite number of at least 2, got {depth}")
        if not (0 < float(alpha) < float("inf")):
            raise ValueError(f"alpha must be positive and representable as a float to be trained from, got {alpha}")
        kind = torch.float64 if dtype is None else dtype
        shape = torch.ones(d, dtype=kind) if w0 is None else torch.as_tensor(w0).detach().to("cpu", kind)
        if shape.shape != (d,):
            raise ValueError(f"w0 must have shape ({d},), got {tuple(shape.shape)}")
        if not bool(((shape > 0) & shape.isfinite()).all()):
            raise ValueError("w0 must be positive and finite in every entry")
        start = (float(alpha) * shape).to(device)
        if not bool(((start > 0) & start.isfinite()).all()):
            raise ValueError(f"alpha * w0 leaves the range of {kind} for alpha = {alpha}")
        # An integer exponent is exact for weights of either sign; torch computes a float one through
        # logarithms.
        self.depth: float = int(depth) if depth == int(depth) else float(depth)
        self.w_plus = nn.Parameter(start.clone())
        self.w_minus = nn.Parameter(start.clone())

    def predictor(self) -> Tensor:
        """Return ``beta = w_plus**D - w_minus**D``, shape ``(d,)``."""
        power: Tensor = self.w_plus**self.depth - self.w_minus**self.depth
        return power

    def forward(self, X: Tensor) -> Tensor:
        """Return ``X @ beta``, shape ``(N,)``, for `X` of shape ``(N, d)``."""
        return X @ self.predictor()

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"d={self.w_plus.numel()}, depth={self.depth}"
