"""The predicted end point of training against the trained one.

The prediction solves ``min Q(beta) s.t. X beta = y`` and never trains; the training follows gradients by
autograd and knows nothing of ``Q``. What the two share is this file and the data, so agreement to many
digits is evidence for both.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from ._report import MinimumNorms, Report
from ._result import ConvergenceError, InfeasibleError
from .certificates import residuals
from .problems import Interpolation
from .regularizer import Q
from .solvers import interpolate

__all__ = ["MinimumNorms", "Report", "crosscheck", "minimum_norms"]

_TRAINERS = ("flow", "descent")


def minimum_norms(X: ArrayLike, y: ArrayLike) -> MinimumNorms:
    """Solve ``X beta = y`` with the least l1 norm (HiGHS) and with the least Euclidean norm (LAPACK).

    Parameters
    ----------
    X, y
        As for :class:`implicitbias.problems.Interpolation`.

    Raises
    ------
    InfeasibleError
        If ``X beta = y`` has no solution.
    ConvergenceError
        If the linear program ends without one for another reason.

    Notes
    -----
    Where the least l1 norm has several solutions, one vertex of their set is returned.
    """
    problem = Interpolation(X, y)
    started = time.perf_counter()
    l2 = np.linalg.lstsq(problem.X, problem.y)[0]
    middle = time.perf_counter()
    split = np.hstack([problem.X, -problem.X])
    program = linprog(np.ones(split.shape[1]), A_eq=split, b_eq=problem.y, bounds=(0, None), method="highs")
    finished = time.perf_counter()
    if program.status == 2:
        raise InfeasibleError("X beta = y has no solution; crosscheck needs data that can be interpolated")
    if not program.success:
        raise ConvergenceError(f"the least l1 norm was not found: {program.message}")
    plus, minus = np.split(program.x, 2)
    return MinimumNorms(plus - minus, l2, {"l1": finished - middle, "l2": middle - started})


def crosscheck(
    X: ArrayLike,
    y: ArrayLike,
    alpha: float | str,
    D: float = 2,
    *,
    w0: ArrayLike | None = None,
    loss: str = "squared",
    device: str | None = None,
    trainer: str = "flow",
    agreement: float = 1e-6,
    minimum: MinimumNorms | None = None,
    **options: Any,
) -> Report:
    r"""Predict where training a diagonal network must end, train it, and compare.

    The prediction is ``argmin Q(beta) s.t. X beta = y`` for the regularizer `Q` of the initialization; the
    training minimizes ``||X beta - y||^2`` by autograd from the weights ``alpha * w0``.

    Parameters
    ----------
    X, y
        Design matrix ``(N, d)`` and targets ``(N,)``; there must be a `beta` with ``X beta = y``.
    alpha
        Scale of the initialization; also a string such as ``"1e-3"``.
    D
        Depth, a real number of at least 2.
    w0
        Shape of the initialization, ``(d,)``, positive; ones when None.
    loss
        Only ``"squared"``.
    device
        Torch device to train on; the CPU when None.
    trainer
        ``"flow"`` for the adaptive integrator of gradient flow, ``"descent"`` for gradient descent, whose
        end point is off by the first order of its step size.
    agreement
        Relative distance up to which the end points are said to agree.
    minimum
        :func:`minimum_norms` of the same data, where it is known already.
    **options
        Passed on to :func:`implicitbias.train.train_by_flow` or :func:`implicitbias.train.train_by_descent`:
        tolerances, limits, callback.

    Returns
    -------
    Report
        Whatever happened: a trainer or solver that ended early is in :attr:`Report.complaint`.

    Raises
    ------
    ValueError
        If an argument is out of range; `loss` other than squared, as the end points of the other losses lie
        at infinity.
    InfeasibleError
        If ``X beta = y`` has no solution.
    ModuleNotFoundError
        If torch is not installed.

    Notes
    -----
    Source: Woodworth et al. (2020), theorems 1 and 3.
    """
    if loss != "squared":
        raise ValueError(
            f"loss must be 'squared', got {loss!r}: training with another loss has no end point to compare"
        )
    if trainer not in _TRAINERS:
        raise ValueError(f"trainer must be one of {', '.join(_TRAINERS)}, got {trainer!r}")
    if not 0 < agreement < math.inf:
        raise ValueError(f"agreement must be positive and finite, got {agreement}")
    problem = Interpolation(X, y)
    reg = Q(alpha, D=D, w0=w0)
    # Before anything expensive: training is the long part, and a bad device or alpha shows here.
    network, closure = _network_and_loss(problem, alpha, D, w0, device)
    least = minimum_norms(problem.X, problem.y) if minimum is None else minimum
    predicted = interpolate(problem.X, problem.y, reg)

    from .train import train_by_descent, train_by_flow

    train = train_by_flow if trainer == "flow" else train_by_descent
    trained = train(network, closure, **options)
    size = float(np.linalg.norm(predicted.beta))
    gap = float(np.linalg.norm(predicted.beta - trained.beta))
    return Report(
        alpha=alpha,
        D=D,
        predicted=predicted,
        trained=trained,
        residuals={
            "predicted": residuals(problem, reg, predicted.beta, predicted.dual),
            "trained": residuals(problem, reg, trained.beta),
        },
        distance=gap / size if size else gap,
        agreement=agreement,
        minimum=least,
        trainer=trainer,
        device="cpu" if device is None else str(device),
        shape=problem.shape,
    )


def _network_and_loss(
    problem: Interpolation, alpha: float | str, D: float, w0: ArrayLike | None, device: str | None
) -> tuple[Any, Any]:
    import torch

    from .train import DiagonalNetwork

    try:
        place = torch.device("cpu" if device is None else device)
        X, y = torch.tensor(problem.X, device=place), torch.tensor(problem.y, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # torch answers with one of these for a device it does not know, does not have, or was not built for
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used: {reason}") from error
    network = DiagonalNetwork(problem.shape[1], D, alpha, w0, device=place)
    return network, lambda: (network(X) - y).square().sum()
