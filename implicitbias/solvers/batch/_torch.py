"""End points of torch tensors, differentiable with respect to the data and the scale by implicit differentiation.

The solution is defined by ``X beta = y`` and ``grad reg(beta) = X^T nu``. With ``H = hess_diag reg(beta)``,
``W = 1/H`` and ``a = log alpha`` its differential solves

    X dbeta = dy - dX beta,      H dbeta - X^T dnu = dX^T nu - (d grad reg / da) da,

and since the gradient depends on beta through ``beta/alpha^k``, ``d grad reg / da = -k (H beta - H_0 beta_0)`` at a
fixed reference point ``beta_0``, where the curvature is ``H_0``. For the derivatives ``(g, e)`` of a scalar with
respect to ``(beta, nu)`` the adjoint system is one linear system in one variable per sample,

    X W X^T m = X W g + e,      p = W (g - X^T m),

and the derivatives with respect to y, X and a are ``m``, ``nu p^T - m beta^T`` and ``k <p, H beta - H_0 beta_0>``.
The backward pass is itself written in differentiable operations, so derivatives of any order are right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..._result import Result, Status
from ...regularizer import L1, Regularizer
from . import _together
from ._problems import Problems
from ._result import BatchResult

__all__ = ["solve_torch"]


def solve_torch(
    X: torch.Tensor, y: torch.Tensor, reg: Regularizer, *, tol: float = 1e-12, max_iterations: int = 2000
) -> Result:
    """Minimize a regularizer among the predictors that fit the data, on the device of the data.

    Parameters
    ----------
    X
        Designs, ``(..., N, d)``.
    y
        Targets, ``(..., N)``, on the same device; leading axes are broadcast.
    reg
        A `Q`, `R`, `L2` or `L1` regularizer. Its scale may be a tensor, ``Q(alpha)``: the solution is then
        differentiable with respect to it too. Shape and reference point are constants. L1 is solved on the host,
        and has no derivatives.
    tol
        Largest residual that counts as converged.
    max_iterations
        Limit on Newton steps, for each problem.

    Returns
    -------
    Result
        For one problem, with ``beta (d,)``, ``dual (N,)`` and ``value ()`` tensors that carry derivatives; a
        :class:`BatchResult` where there are leading axes. They have the floating dtype of the data, rounded once:
        all is computed in float64. Not checked: see ``raise_for_status``. Derivatives of what is not a solution
        mean nothing.

    Raises
    ------
    InfeasibleError
        If a single problem has no solution.
    TypeError, ValueError
        If an argument is invalid.
    """
    dtype = _result_dtype(X, y)
    alpha = getattr(reg, "alpha_tensor", None)
    if isinstance(reg, L1) and torch.is_grad_enabled() and (X.requires_grad or y.requires_grad):
        raise ValueError(
            "reg must have a second derivative for its solutions to be differentiated; the l1 norm has none: "
            "use Q with a small alpha, or detach X and y"
        )
    wide_X, wide_y, shape = _together.broadcast(X.to(torch.float64), y.to(torch.float64), reg)
    constant: Any = reg if alpha is None else reg.at_log_alpha(reg.log_alpha)  # type: ignore[attr-defined]  # has alpha
    log_alpha = None if alpha is None else torch.log(alpha.to(wide_y))
    single = X.ndim == 2 and y.ndim == 1
    run = _Run(constant, tol, max_iterations, single)
    beta, nu = _EndPoint.apply(wide_X, wide_y, log_alpha, run)  # type: ignore[no-untyped-call]  # torch's own
    flat = run.flat
    flat.beta, flat.nu = beta.to(dtype), nu.to(dtype)
    flat.value = reg._elementwise("value", "beta", beta).sum(-1).to(dtype)
    result = _together.to_result(flat, shape)
    return _only(result) if single else result


def _result_dtype(X: torch.Tensor, y: torch.Tensor) -> torch.dtype:
    for name, tensor in (("X", X), ("y", y)):
        if tensor.is_complex():
            raise TypeError(f"{name} must be real, got a tensor of dtype {tensor.dtype}")
    if X.device != y.device:
        raise ValueError(f"X and y must be on one device, got X on {X.device} and y on {y.device}")
    dtype = torch.promote_types(X.dtype, y.dtype)
    return dtype if dtype.is_floating_point else torch.get_default_dtype()


def _only(batch: BatchResult) -> Result:
    """Result of a batch of shape ``()``."""
    residuals = {name: float(value) for name, value in batch.residuals.items()}
    return Result(batch.beta, batch.status, residuals, batch.iterations, batch.dual, batch.value)


class _Run:
    """The solver, and what it says besides beta and nu."""

    def __init__(self, reg: Any, tol: float, max_iterations: int, single: bool) -> None:
        self.reg, self.tol, self.max_iterations, self.single = reg, tol, max_iterations, single
        self.flat: Any = None

    def __call__(self, X: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Solve the problems."""
        options: Any = {"tol": self.tol, "max_iterations": self.max_iterations}
        on_host = X.device.type == "cpu"
        if on_host:  # NumPy, on the same memory, is the faster of the two there
            X, y = X.detach().numpy(), y.detach().numpy()  # type: ignore[assignment]  # same memory
        if on_host and self.single:
            self.flat = _together.solve_one(X, y[0], self.reg, **options)
        else:
            self.flat = _together.solve_flat(X, y, self.reg, **options)
        if self.single and self.flat.statuses[0] is Status.INFEASIBLE:
            _together.solve_one(X, y[0], self.reg, **options)  # raises, with more to say
        if on_host:
            self.flat = self.flat.map(torch.from_numpy)
        return self.flat.beta, self.flat.nu


class _EndPoint(torch.autograd.Function):
    """``(X, y, log alpha) -> (beta, nu)``; X is ``(N, d)`` or ``(B, N, d)``, y ``(B, N)``."""

    @staticmethod
    def forward(X: Any, y: Any, log_alpha: Any, run: _Run) -> Any:
        """Solve."""
        return run(X, y)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep what the adjoint system is made of."""
        X, _, log_alpha, run = inputs
        ctx.reg = run.reg
        ctx.save_for_backward(X, log_alpha, *output)

    @staticmethod
    def backward(ctx: Any, g: Any, e: Any) -> Any:
        """Solve the adjoint system."""
        X, log_alpha, beta, nu = ctx.saved_tensors
        k = 0.0 if log_alpha is None else float(ctx.reg.homogeneity)
        # 1, but for its derivatives: the curvature at alpha e^t is e^{-kt} that at beta e^{-kt}
        level = 1.0 if log_alpha is None else torch.exp(k * (log_alpha - log_alpha.detach()))
        weights = level / ctx.reg.hess_diag(beta / level)
        problems = Problems.of(X, nu)
        m = problems.solver(weights)(problems.forward(weights * g) + e)
        pull = g - problems.adjoint(m)
        p = weights * pull
        grad_X = grad_log_alpha = None
        if ctx.needs_input_grad[0]:
            outer = "bn,bd->nd" if problems.shared else "bn,bd->bnd"
            grad_X = torch.einsum(outer, nu, p) - torch.einsum(outer, m, beta)
        if ctx.needs_input_grad[2]:
            grad_log_alpha = k * (pull * beta).sum()
            reference = getattr(ctx.reg, "reference", None)
            if reference is not None:
                start = torch.as_tensor(np.array(reference), dtype=beta.dtype, device=beta.device)
                curvature = ctx.reg.hess_diag(start / level) / level
                grad_log_alpha = grad_log_alpha - k * (p * (start * curvature)).sum()
        return grad_X, m, grad_log_alpha, None
