"""Gradient flow of any torch module, by an implicit integrator with the exact Hessian of the loss.

Why SciPy's LSODA
-----------------
Towards its end gradient flow is a linear decay whose rates are spread like the spectrum of ``X
diag(w^{2D-2}) X^T``, and before that it leaves one saddle after another. An explicit method is held to the
fastest rate while the slowest decides when the loss is down; an implicit one is not, and a module's
Jacobian is a Hessian, which autograd gives exactly. Measured on the scaled diabetes data (N = 40, d = 64,
condition number of ``X`` 100, loss driven to 1e-20 of its start, one core; error of the end point in the
last column but one):

=====================  =======  ==========================  =========  ========
method, rtol           steps    gradients / Hessians        error      seconds
=====================  =======  ==========================  =========  ========
LSODA, 1e-10           1998     3487 / 115                  6e-10      1.8
BDF, 1e-10             1364     4448 / 49                   6e-10      2.5
Radau, 1e-10           1833     13586 / 244                 4e-10      8.0
exponential, order 5   1654     6617 / 1654                 2e-10      23
DOP853, 1e-10          5069     71726 / -                   1e-1       20 (cut)
=====================  =======  ==========================  =========  ========

(D = 2, alpha = 0.1; the exponential Rosenbrock method of order 5 was our own, on eigenvectors of the
Hessian.) With N = 100, d = 1000 Gaussian data the order is the same: 0.8 s for LSODA against over 40 s for
DOP853. torchdiffeq 0.2.5 is explicit or iterates without a Jacobian: at N = 30, D = 2, alpha = 1 its dopri8
took 1626 gradients for the first 0.05 of a flow that ends at 1.6, all of which costs LSODA 999 gradients and
37 Hessians; its other way, LSODA through SciPy, is this one without the Hessian.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import BDF, DOP853, LSODA, Radau
from torch import nn

from .._result import Result, Status
from ._checkpoint import Checkpoint
from ._objective import Loss, NonFiniteError, Objective
from ._run import Callback, Run

__all__ = ["train_by_flow"]

_IMPLICIT: Final[dict[str, Any]] = {"LSODA": LSODA, "BDF": BDF, "Radau": Radau}
_EXPLICIT: Final[dict[str, Any]] = {"DOP853": DOP853}
_DENSE_LIMIT: Final = 10_000  # parameters; a Hessian of this size takes 0.8 GB, and its factorization minutes
_PATIENCE: Final = 2000  # steps without a new smallest loss: the integrator rings around the end, at its tolerance
_FOREVER: Final = 1e100  # LSODA needs a finite end; a flow that gets this far stands still


def train_by_flow(
    module: nn.Module,
    loss: Loss,
    *,
    tolerance: float = 1e-20,
    rtol: float = 1e-10,
    atol: float | None = None,
    method: str = "LSODA",
    max_steps: int = 200_000,
    time_limit: float | None = None,
    callback: Callback | None = None,
) -> Result:
    r"""Follow the gradient flow of a module's trainable parameters until its loss is small.

    .. math:: \dot w = -\nabla L(w)

    Parameters
    ----------
    module
        Any torch module, on any device; left at the end point. Evaluate it in float64: with float32 weights
        the gradient is noise long before the default tolerance, and the flow stalls.
    loss
        Closure without arguments that evaluates the module and returns a scalar tensor whose infimum is zero.
    tolerance
        Stop when the loss is at most this fraction of its initial value. The end point is off by about the
        square root of it times the condition number of the linearised problem.
    rtol, atol
        Relative and absolute tolerance per step of the integrator, on the parameters. `atol` is `rtol`
        times the smallest nonzero initial weight when None: a weight that starts at 1e-3 and grows later
        needs its digits now.
    method
        ``"LSODA"``, ``"BDF"`` or ``"Radau"``, which use the dense Hessian, or the explicit ``"DOP853"``.
    max_steps, time_limit
        Limits on accepted steps and on wall-clock seconds (None: no limit).
    callback
        Called with a :class:`Progress` after every accepted step.

    Returns
    -------
    Result
        ``beta`` is the module's ``predictor()``, or its flat parameters where it has none;
        ``residuals["loss"]`` is the loss over its initial value; ``info`` has the final time of the flow,
        the numbers of gradients and Hessians evaluated and the integrator's last message.

        Statuses other than CONVERGED: ITERATION_LIMIT, TIME_LIMIT, NON_FINITE (a loss or gradient that is
        not finite), STALLED (the integrator gave up or rings around the end, or the flow came to rest above
        the tolerance, as it must where the loss has no zero), INTERRUPTED (KeyboardInterrupt; the module
        keeps the last accepted state).

    Raises
    ------
    ValueError
        If an option is out of range, or the module has too many parameters for a dense Hessian.
    """
    objective = Objective(module, loss)
    require_method(objective, method, rtol, "train_by_descent")
    return follow(Run(objective, tolerance, max_steps, time_limit, callback), method, rtol, atol)


def require_method(objective: Objective, method: str, rtol: float, instead: str) -> None:
    """Raise ValueError for an integrator that does not exist or that the module is too large for."""
    solvers = _IMPLICIT | _EXPLICIT
    if method not in solvers:
        raise ValueError(f"method must be one of {', '.join(solvers)}, got {method!r}")
    if not 0 < rtol < 1:
        raise ValueError(f"rtol must lie in (0, 1), got {rtol}")
    if method in _IMPLICIT and objective.size > _DENSE_LIMIT:
        raise ValueError(
            f"{method} needs a dense Hessian and the module has {objective.size} parameters "
            f"(limit {_DENSE_LIMIT}); use method='DOP853' or {instead}"
        )


def follow(
    run: Run, method: str, rtol: float, atol: float | None, *, checkpoint: Checkpoint | None = None
) -> Result:
    """Integrate the gradient flow of a run's objective until the run says stop, whatever its goal is.

    With a checkpoint the integrator is started anew wherever one is written, interrupted or not: what an
    integrator remembers of its last steps cannot be written down, and so a resumed run takes the same steps.
    """
    objective = run.objective
    state = objective.get().to("cpu", torch.float64).numpy().copy()
    sizes = np.abs(state[state != 0])
    absolute = rtol * (float(sizes.min()) if sizes.size else 1.0) if atol is None else atol
    kept = None if checkpoint is None else checkpoint.load()
    if kept is not None:
        state, absolute = kept["state"].numpy().copy(), kept["atol"]
        objective.set_array(state)
        run.restore(kept["run"])
    status = run.check()
    message = ""
    try:
        while status is None:
            integrator = _integrator(objective, method, state, run, rtol, absolute)
            left = math.inf if checkpoint is None else checkpoint.every
            while status is None and left > 0:
                message = _step(integrator)
                if integrator.status == "failed":
                    status = Status.STALLED
                    break
                state = integrator.y.copy()
                objective.set_array(state)
                run.advance(objective.value(), float(integrator.t))
                left -= 1
                status = run.check()
                if status is None and (integrator.status == "finished" or run.stale >= _PATIENCE):
                    status, message = Status.STALLED, "the flow came to rest above the tolerance"
            if checkpoint is not None and left == 0:
                checkpoint.save(state=torch.from_numpy(state), atol=absolute, run=run.memory())
    except NonFiniteError as error:
        status, message = Status.NON_FINITE, str(error)
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    objective.set_array(state)
    return run.result(status, method=method, message=message)


def _integrator(
    objective: Objective, method: str, state: NDArray[np.float64], run: Run, rtol: float, atol: float
) -> Any:
    options: dict[str, Any] = {"rtol": rtol, "atol": atol}
    if method in _IMPLICIT:
        options["jac"] = lambda _, w: _negative_hessian(objective, w)
    end = min(run.until_time, _FOREVER)
    return (_IMPLICIT | _EXPLICIT)[method](lambda _, w: _velocity(objective, w), run.time, state, end, **options)


def _step(integrator: Any) -> str:
    with warnings.catch_warnings():
        # LSODA warns where it also reports failure; the status says it once.
        warnings.filterwarnings("ignore", message=".*lsoda.*", category=UserWarning)
        return integrator.step() or ""


def _velocity(objective: Objective, w: NDArray[np.float64]) -> NDArray[np.float64]:
    objective.set_array(w)
    _, gradient = objective.gradient()
    velocity: NDArray[np.float64] = -gradient.to("cpu", torch.float64).numpy()
    if not np.isfinite(velocity).all():
        raise NonFiniteError("the gradient of the loss is not finite")
    return velocity


def _negative_hessian(objective: Objective, w: NDArray[np.float64]) -> NDArray[np.float64]:
    objective.set_array(w)
    matrix: NDArray[np.float64] = -objective.hessian().to("cpu", torch.float64).numpy()
    return matrix
