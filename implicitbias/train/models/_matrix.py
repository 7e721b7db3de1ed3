"""Matrix factorizations as torch modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["AsymmetricFactorization", "SymmetricFactorization"]


class _Factorization(nn.Module):
    """What the two kinds share: a matrix, and what a measurement sees of it."""

    @property
    def homogeneity(self) -> float:
        """Degree of the output in the weights."""
        return 2

    def matrix(self) -> Tensor:
        """Return the product of the factors."""
        raise NotImplementedError

    def predictor(self) -> Tensor:
        """Return the matrix row by row, as a vector."""
        return self.matrix().reshape(-1)

    def forward(self, X: Tensor) -> Tensor:
        """Return ``<X_n, M>``, ``(N,)``, for measurements `X` of shape ``(N, d, d')``.

        For whole numbers `X` of shape ``(N, 2)`` the entries ``M[i_n, j_n]`` are returned: matrix completion.
        """
        M = self.matrix()
        if not X.is_floating_point():
            return M[X[:, 0], X[:, 1]]
        return X.reshape(len(X), -1) @ M.reshape(-1)


class SymmetricFactorization(_Factorization):
    r"""Linear model of matrices whose predictor is ``M = W W^T``.

    .. math:: f(X) = \langle X, W W^\top\rangle, \qquad W \in \mathbb{R}^{d\times k} .

    Parameters
    ----------
    W
        Weights at the start, ``(d, k)``, finite. ``alpha * eye(d)`` is the start of Gunasekar et al. (2017).
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If `W` is not a matrix of finite numbers.

    Notes
    -----
    Source: Woodworth et al. (2020), Section 6; Gunasekar et al. (2017).
    """

    W: nn.Parameter

    def __init__(
        self, W: Any, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> None:
        super().__init__()
        self.W = nn.Parameter(_factor("W", W, dtype, device))

    @classmethod
    def gaussian(
        cls, d: int, width: int, alpha: float = 1.0, *, seed: int = 0, dtype: torch.dtype | None = None
    ) -> SymmetricFactorization:
        """Start at independent normal weights of standard deviation `alpha`, ``(d, width)``."""
        return cls(alpha * _normal(seed, d, width), dtype=dtype)

    def matrix(self) -> Tensor:
        """Return ``W W^T``, ``(d, d)``."""
        return self.W @ self.W.T

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"d={self.W.shape[0]}, width={self.W.shape[1]}"


class AsymmetricFactorization(_Factorization):
    r"""Linear model of matrices whose predictor is ``M = U V^T``.

    .. math:: f(X) = \langle X, U V^\top\rangle, \qquad U \in \mathbb{R}^{d\times k},\;
              V \in \mathbb{R}^{d'\times k} .

    Parameters
    ----------
    U, V
        Weights at the start, ``(d, k)`` and ``(d', k)``, finite.
    dtype
        Floating-point type of the weights; float64 when None, whatever torch's default is.
    device
        Where the weights live.

    Raises
    ------
    ValueError
        If `U` or `V` is not a matrix of finite numbers, or their widths differ.

    Notes
    -----
    Source: Woodworth et al. (2020), Section 6.
    """

    U: nn.Parameter
    V: nn.Parameter

    def __init__(
        self, U: Any, V: Any, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> None:
        super().__init__()
        first, second = _factor("U", U, dtype, device), _factor("V", V, dtype, device)
        if first.shape[1] != second.shape[1]:
            raise ValueError(f"U and V must have one width, got {first.shape[1]} and {second.shape[1]}")
        self.U, self.V = nn.Parameter(first), nn.Parameter(second)

    @classmethod
    def gaussian(
        cls,
        d: int,
        width: int,
        alpha: float = 1.0,
        *,
        columns: int | None = None,
        seed: int = 0,
        dtype: torch.dtype | None = None,
    ) -> AsymmetricFactorization:
        """Start at independent normal weights of standard deviation `alpha`; `columns` is ``d'``, `d` when None."""
        both = alpha * _normal(seed, d + (d if columns is None else columns), width)
        return cls(both[:d], both[d:], dtype=dtype)

    def matrix(self) -> Tensor:
        """Return ``U V^T``, ``(d, d')``."""
        return self.U @ self.V.T

    def extra_repr(self) -> str:
        """Describe the layer in the representation torch prints."""
        return f"d={self.U.shape[0]}, columns={self.V.shape[0]}, width={self.U.shape[1]}"


def _normal(seed: int, rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _factor(name: str, given: Any, dtype: torch.dtype | None, device: torch.device | str | None) -> Tensor:
    kind = torch.float64 if dtype is None else dtype
    factor = torch.as_tensor(given).detach().to("cpu", kind, copy=True)
    if factor.dim() != 2 or factor.numel() == 0:
        raise ValueError(f"{name} must be a matrix (d, k) with at least one entry, got {tuple(factor.shape)}")
    if not bool(factor.isfinite().all()):
        raise ValueError(f"{name} must be finite in {kind} in every entry")
    return factor.to(device)
