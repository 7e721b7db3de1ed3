"""Diagonal networks as ordinary torch modules."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

__all__ = ["DiagonalNetwork", "ProductNetwork", "UntiedDiagonalNetwork"]


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
    unbiased
        Whether there is the second half; without, ``beta = w_plus**D`` starts at ``(alpha w0)^D`` and is positive.
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
    The parameters are ``w_plus`` and ``w_minus``, each of shape ``(d,)``. At the start the predictor is zero,
    unless the weights are given (:meth:`from_weights`).

    Source: Woodworth et al. (2020), equations (4) and (9); unbiased initialization.
    """

    w_plus: nn.Parameter
    w_minus: nn.Parameter | None

    def __init__(
        self,
        d: int,
        depth: float = 2,
        alpha: float | str = 1.0,
        w0: Any = None,
        *,
        unbiased: bool = True,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if not (2 <= depth < float("inf")):
            raise ValueError(f"depth must be a finite number of at least 2, got {depth}")
        start = _start(d, alpha, w0, dtype, device)
        # An integer exponent is exact for weights of either sign; torch computes a float one through
        # logarithms.
        self.depth: float = int(depth) if depth == int(depth) else float(depth)
        self.w_plus = nn.Parameter(start.clone())
        self.w_minus = nn.Parameter(start.clone()) if unbiased else None

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return self.depth

    @classmethod
    def from_weights(
        cls,
        w_plus: Any,
        w_minus: Any,
        depth: float = 2,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Self:
        """Network that starts at given weights, so that its predictor need not start at zero.

        Parameters
        ----------
        w_plus, w_minus
            Weights at the start, ``(d,)`` each, nonzero and finite; positive unless `depth` is an even integer.
        depth, dtype, device
            As for the class.

        Raises
        ------
        ValueError
            If the shapes differ or a weight is out of range.
        """
        kind = torch.float64 if dtype is None else dtype
        plus, minus = _pair("w_plus", w_plus, "w_minus", w_minus, kind)
        network = cls(len(plus), depth, dtype=kind, device=device)
        for name, weights in (("w_plus", plus), ("w_minus", minus)):
            bad = torch.nonzero(weights == 0.0 if depth % 2 == 0 else weights <= 0.0)
            if len(bad):
                i, accepted = int(bad[0]), "nonzero" if depth % 2 == 0 else "positive"
                raise ValueError(
                    f"{name} must be {accepted} at depth {depth}, got {float(weights[i])} at index {i}"
                )
        network.w_plus, network.w_minus = nn.Parameter(plus.to(device)), nn.Parameter(minus.to(device))
        return network

    def predictor(self) -> Tensor:
        """Return ``beta = w_plus**D - w_minus**D``, shape ``(d,)``."""
        power: Tensor = self.w_plus**self.depth
        return power if self.w_minus is None else power - self.w_minus**self.depth

    def forward(self, X: Tensor) -> Tensor:
        """Return ``X @ beta``, shape ``(N,)``, for `X` of shape ``(N, d)``."""
        return X @ self.predictor()

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"d={self.w_plus.numel()}, depth={self.depth}"


class UntiedDiagonalNetwork(nn.Module):
    r"""Linear model whose predictor is a difference of elementwise products of D weight vectors.

    .. math:: \beta = \prod_{k=1}^D w_{+,k} - \prod_{k=1}^D w_{-,k}, \qquad w_{\pm,k}(0) = \alpha w_0 .

    Gradient flow keeps the factors of a product equal if they are equal at the start, so that it goes the way of
    :class:`DiagonalNetwork` at 1/D of its speed.

    Parameters
    ----------
    d
        Number of features.
    depth
        Number of factors, a whole number of at least 2.
    alpha
        Scale of the initialization, positive.
    w0
        Shape of the initialization, ``(d,)`` or one for each factor, ``(D, d)``, positive; ones when None.
    unbiased
        Whether there is the second product; without, the predictor starts at ``alpha^D prod w0``.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        As for :class:`DiagonalNetwork`.

    Notes
    -----
    The parameters are ``w_plus`` and ``w_minus``, each ``(D, d)``.
    """

    w_plus: nn.Parameter
    w_minus: nn.Parameter | None

    def __init__(
        self,
        d: int,
        depth: int = 2,
        alpha: float | str = 1.0,
        w0: Any = None,
        *,
        unbiased: bool = True,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if depth != int(depth) or depth < 2:
            raise ValueError(f"depth must be a whole number of at least 2, got {depth}")
        start = _start(d, alpha, w0, dtype, device, factors=int(depth))
        self.w_plus = nn.Parameter(start.clone())
        self.w_minus = nn.Parameter(start.clone()) if unbiased else None

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return len(self.w_plus)

    def predictor(self) -> Tensor:
        """Return ``beta``, shape ``(d,)``."""
        product = self.w_plus.prod(0)
        return product if self.w_minus is None else product - self.w_minus.prod(0)

    def forward(self, X: Tensor) -> Tensor:
        """Return ``X @ beta``, shape ``(N,)``, for `X` of shape ``(N, d)``."""
        return X @ self.predictor()

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"d={self.w_plus.shape[1]}, depth={len(self.w_plus)}"


class ProductNetwork(nn.Module):
    r"""Linear model whose predictor is a product of two weights per feature, ``beta = u * v``.

    Parameters
    ----------
    u, v
        Weights at the start, ``(d,)`` each, finite.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If the shapes differ or a weight is not finite.

    Notes
    -----
    Where ``|u| = |v|`` at the start the product can never change its sign.

    Source: Woodworth et al. (2020), Section 4 and Appendix C.
    """

    u: nn.Parameter
    v: nn.Parameter

    def __init__(
        self, u: Any, v: Any, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> None:
        super().__init__()
        first, second = _pair("u", u, "v", v, torch.float64 if dtype is None else dtype)
        self.u, self.v = nn.Parameter(first.to(device)), nn.Parameter(second.to(device))

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return 2

    def predictor(self) -> Tensor:
        """Return ``beta = u * v``, shape ``(d,)``."""
        return self.u * self.v

    def forward(self, X: Tensor) -> Tensor:
        """Return ``X @ beta``, shape ``(N,)``, for `X` of shape ``(N, d)``."""
        return X @ self.predictor()

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"d={self.u.numel()}"


def _start(
    d: int,
    alpha: float | str,
    w0: Any,
    dtype: torch.dtype | None,
    device: torch.device | str | None,
    *,
    factors: int | None = None,
) -> Tensor:
    """Weights ``alpha w0`` at the start, ``(d,)``, or ``(factors, d)``."""
    if d < 1:
        raise ValueError(f"d must be at least 1, got {d}")
    if not (0 < float(alpha) < float("inf")):
        raise ValueError(f"alpha must be positive and representable as a float to be trained from, got {alpha}")
    kind = torch.float64 if dtype is None else dtype
    shape = torch.ones(d, dtype=kind) if w0 is None else torch.as_tensor(w0).detach().to("cpu", kind)
    whole = (d,) if factors is None else (factors, d)
    if shape.shape not in {(d,), whole}:
        also = "" if factors is None else f" or {whole}"
        raise ValueError(f"w0 must have shape ({d},){also}, got {tuple(shape.shape)}")
    if not bool(((shape > 0) & shape.isfinite()).all()):
        raise ValueError("w0 must be positive and finite in every entry")
    start = (float(alpha) * shape).expand(whole).to(device)
    if not bool(((start > 0) & start.isfinite()).all()):
        raise ValueError(f"alpha * w0 leaves the range of {kind} for alpha = {alpha}")
    return start


def _pair(name: str, one: Any, other_name: str, other: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two vectors ``(d,)`` on the CPU, copied."""
    first, second = (torch.as_tensor(given).detach().to("cpu", dtype, copy=True) for given in (one, other))
    if first.dim() != 1 or len(first) == 0 or first.shape != second.shape:
        raise ValueError(
            f"{name} and {other_name} must have one shape (d,), got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    for label, vector in ((name, first), (other_name, second)):
        bad = torch.nonzero(~vector.isfinite())
        if len(bad):
            raise ValueError(
                f"{label} must be finite in {dtype}, got {float(vector[bad[0]])} at index {int(bad[0])}"
            )
    return first, second
