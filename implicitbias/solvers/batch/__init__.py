"""Many problems in one call, and problems in torch tensors, differentiable through their solutions."""

from ._result import BatchResult, InfeasibleBatchError
from ._together import solve_batch

__all__ = ["BatchResult", "InfeasibleBatchError", "solve_batch"]
