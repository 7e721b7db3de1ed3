"""Follow gradient flow from its start, or from where it was left, to an accuracy."""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ..losses import LOSSES
from ..problems import Interpolation, Margins
from ..regularizer import Q
from ..solvers._options import check_lengths
from ._marks import Marks, as_accuracy
from ._progress import progress_bar
from ._rounded import exact_predictor
from ._run import Run
from ._separable import require_separable
from ._state import State
from ._trajectory import Trajectory

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["gradient_flow"]

_MOST_DIGITS = 100_000


def gradient_flow(
    X: ArrayLike,
    y: ArrayLike,
    alpha: Any,
    D: Any = 2,
    loss: str = "squared",
    *,
    w0: ArrayLike | None = None,
    until_loss: Any = None,
    until_accuracy: Any = None,
    save_at: Any = None,
    digits: int | None = None,
    rtol: float = 1e-11,
    max_steps: int = 1_000_000,
    resume: Trajectory | None = None,
    progress: bool | Callable[[State], None] = False,
    throw: bool = True,
) -> Trajectory:
    r"""Trajectory of gradient flow on a depth-D diagonal linear network, without a network.

    The weights ``w_+``, ``w_-`` of ``beta = w_+^D - w_-^D`` start at ``alpha w0`` and follow ``-grad L``. What is
    integrated is one variable per sample, ``grad Q(beta) = sum_n nu_n y_n x_n``: for the exponential loss ``d nu/d
    tau = softmax(-margins)`` with the clock ``tau = sum nu``. Neither the loss nor the time is ever formed, so
    that a loss of ``10^-4000000`` takes some hundred steps.

    Parameters
    ----------
    X, y
        Data ``(N, d)`` and ``(N,)``: targets for the squared loss, labels -1 and +1 (or 0 and 1, where 0 stands for
        -1) for the others.
    alpha
        Scale of initialization, as :class:`implicitbias.Q` takes it, so also ``"1e-4350"``.
    D
        Depth, real, at least 2.
    loss
        ``"squared"``: ``||X beta - y||^2``; ``"exponential"``: ``(1/N) sum exp(-m_n)``, ``m_n = y_n <x_n, beta>``;
        ``"logistic"``: ``(1/N) sum log(1 + exp(-m_n))``.
    w0
        Shape of the initialization, ``(d,)``; ones when None.
    until_loss
        Loss to stop at, positive: a number, or a string such as ``"1e-8700"``.
    until_accuracy
        ``-log loss`` to stop at, in place of `until_loss`. Without either the last of `save_at`; without that ``100
        max(1, alpha^D)`` for losses of margins, deep in the rich regime, and a loss of 1e-16 of its start for the
        squared loss.
    save_at
        Accuracies to save the state at, or how many of them, spread over the logarithm of what has been gained. 100
        of them when None. The end is always saved.
    digits
        None for float64. Otherwise this many digits of every number are correct and all are mpmath numbers. Some
        trajectories float64 cannot follow: to accuracies beyond 1e12, or at D > 2 from a tiny alpha past its first
        coordinates. For data of up to 150 entries they are then followed with more digits for some ten seconds, and
        rounded (``info["method"]`` tells); larger data end with the advice to give `digits`.
    rtol
        Relative tolerance of nu per step in float64. Errors of directions come out at most some hundred times as
        large: with the default at 1e-9, mostly below 1e-11.
    max_steps
        Limit on steps.
    resume
        A trajectory of the same problem to go on from: its last state is the start, and its states come first in
        the result.
    progress
        True shows a bar; or a function, called with the state reached some ten times a second.
    throw
        Whether to raise where the accuracy is not reached. After Ctrl-C the trajectory is returned in any case,
        with the last state reached as its last and the status ``INTERRUPTED``.

    Returns
    -------
    Trajectory
        The states saved, and what follows from them. Its `info` holds error monitors: ``dual_residual``, how far
        the last state is off the curve on which the weights conserve ``w_+ w_-`` (D = 2) or ``w_+^{2-D} +
        w_-^{2-D}``; with `digits` ``conserved``, ``accuracy_drift`` and ``error_estimate``.

    Raises
    ------
    NotSeparableError
        If the data are not separable and the loss asked for is below what that allows for certain.
    ConvergenceError
        If the accuracy is not reached and `throw` is set; its ``result`` is the trajectory up to there.
    TypeError, ValueError
        If an argument is invalid; among others labels other than these, a single class, a sample of zeros, a loss
        to stop at that is not below the loss at the start.

    Notes
    -----
    Moroshko et al. (2020), Section 5, use normalized gradient descent for this, whose error is of first order in
    the step. In float64 the squared loss can be followed down to some 1e-22 of its start: y - X beta has no more
    digits; with `digits` there is no limit.
    """
    started = time.perf_counter()
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    _check_options(digits, rtol, max_steps)
    problem = Interpolation(X, y) if loss == "squared" else Margins(X, y)
    reg = Q(alpha, D, w0)
    if reg.alpha_tensor is not None or reg._scale.symbol is not None:
        raise TypeError("alpha must be a number, a string or an mpmath number for a trajectory")
    check_lengths(problem, reg)
    if resume is not None:
        _check_same(resume, problem, reg, loss, digits)
    marks = Marks.of(problem, reg, loss, until_loss, until_accuracy, save_at, digits, resume)
    require_separable(problem, loss, marks.end)

    with ExitStack() as stack:
        run = Run(
            problem,
            reg,
            loss,
            digits,
            rtol,
            max_steps,
            start=None if resume is None else _last_state(resume),
            on_step=_reporter(stack, progress, marks),
        )
        run.follow(marks)
    info = dict(run.engine.info)
    if run.message and run.message != run.status.value:
        info["message"] = run.message
    found = _gather(problem, reg, loss, digits, run.states, resume)
    if digits is None and len(found["beta"]):
        info["dual_residual"] = _dual_residual(problem, reg, loss, found["beta"][-1], found["dual"][-1])
    trajectory = Trajectory(
        X=problem.X,
        y=problem.y,
        reg=reg,
        loss=loss,
        **found,
        status=run.status,
        digits=digits,
        steps=run.engine.steps + (0 if resume is None else resume.steps),
        seconds=time.perf_counter() - started + (0.0 if resume is None else resume.seconds),
        info=info,
    )
    return trajectory.raise_for_status() if throw else trajectory


def _check_options(digits: Any, rtol: Any, max_steps: Any) -> None:
    whole = isinstance(digits, numbers.Integral) and not isinstance(digits, bool)
    if digits is not None and not (whole and 1 <= digits <= _MOST_DIGITS):
        raise ValueError(f"digits must be a positive integer, at most {_MOST_DIGITS}, or None, got {digits!r}")
    if not isinstance(rtol, numbers.Real) or isinstance(rtol, bool) or not 1e-13 <= float(rtol) <= 1e-3:
        raise ValueError(f"rtol must be a number from 1e-13 to 1e-3, got {rtol!r}")
    if not isinstance(max_steps, numbers.Integral) or max_steps < 1:
        raise ValueError(f"max_steps must be a positive integer, got {max_steps!r}")


def _check_same(before: Trajectory, problem: Any, reg: Q, loss: str, digits: int | None) -> None:
    """Raise `TypeError` or `ValueError` unless it is a trajectory of this problem."""
    if not isinstance(before, Trajectory):
        raise TypeError(f"resume must be a Trajectory, got {type(before).__name__}; Trajectory.load reads a file")
    different = [
        name
        for name, same in (
            ("X", np.array_equal(before.X, problem.X)),
            ("y", np.array_equal(before.y, problem.y)),
            ("alpha, D or w0", before.reg == reg),
            ("loss", before.loss == loss),
            ("digits", before.digits == digits),
        )
        if not same
    ]
    if different:
        raise ValueError(f"resume must be a trajectory of the same problem; it differs in {', '.join(different)}")
    if not len(before):
        raise ValueError("resume must hold at least one state, got none")


def _last_state(before: Trajectory) -> State:
    nu, log10_time = before.dual[-1], before.log10_time[-1]
    if before.digits is None:
        return State(nu, before.accuracy[-1], float(log10_time) * math.log(10.0), before.beta[-1])
    import mpmath

    with mpmath.workdps(before.digits + 15):
        return State(list(nu), before.accuracy[-1], log10_time * mpmath.log(10))


def _gather(
    problem: Any, reg: Q, loss: str, digits: int | None, states: list[State], resume: Trajectory | None
) -> dict[str, Any]:
    """Arrays of the states, those of `resume` first."""
    N, d = problem.shape
    kind: Any = np.float64 if digits is None else object
    if digits is None:
        log10_time = [s.log_time / math.log(10.0) for s in states]
        beta = [s.beta for s in states]
    else:
        import mpmath

        signed = problem.X if loss == "squared" else problem.signed
        with mpmath.workdps(digits + 15):
            log10_time = [s.log_time / mpmath.log(10) for s in states]
        beta = [exact_predictor(signed, reg, s, digits) for s in states]
    found = {
        "accuracy": np.array([as_accuracy(s.accuracy, digits) for s in states], dtype=kind),
        "beta": np.array(beta, dtype=kind).reshape(len(states), d),
        "dual": np.array([list(s.nu) for s in states], dtype=kind).reshape(len(states), N),
        "log10_time": np.array(log10_time, dtype=kind),
    }
    if resume is None:
        return found
    return {name: np.concatenate([getattr(resume, name), values]) for name, values in found.items()}


def _dual_residual(problem: Any, reg: Q, loss: str, beta: Any, dual: Any) -> float:
    """``||grad Q(beta) - sum nu_n y_n x_n|| / ||grad Q(beta)||``: 0 where the weights conserve what they must."""
    gradient = np.asarray(reg.grad(beta))
    theta = problem.X.T @ (dual if loss == "squared" else problem.y * dual)
    size = float(np.linalg.norm(gradient))
    return float(np.linalg.norm(gradient - theta)) / size if size else 0.0


def _reporter(stack: ExitStack, progress: Any, marks: Marks) -> Callable[[State], None] | None:
    """What is called after steps: nothing, the function given, or a bar in the logarithm of the accuracy gained."""
    if not progress:
        return None
    if callable(progress):
        function: Callable[[State], None] = progress
        return function
    bar: Callable[[State], None] = stack.enter_context(progress_bar(float(marks.start), float(marks.end)))
    return bar
