"""Training any module on samples: one front door for every method, loss, goal and record."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from torch import nn

from .._result import Result
from ._accuracy import AccuracyRun
from ._batches import Batches
from ._checkpoint import Checkpoint, digest
from ._descend import Method, Step, Watcher, descend
from ._progress import bar
from ._records import Observer, Records
from ._run import Callback, Run
from ._samples import SAMPLE_LOSSES, SampleObjective
from .descent import CurvatureStep
from .flow import follow, require_method

__all__ = ["METHODS", "fit"]

METHODS: Final = ("gd", "sgd", "momentum", "nesterov", "normalized", "flow")
"""Methods that :func:`fit` knows."""


def fit(
    module: nn.Module,
    X: Any,
    y: Any,
    *,
    method: str = "gd",
    loss: str = "squared",
    step_size: float | None = None,
    momentum: float = 0.9,
    batch_size: int = 1,
    replacement: bool = False,
    seed: int = 0,
    rtol: float = 1e-10,
    atol: float | None = None,
    integrator: str = "LSODA",
    tolerance: float = 0.0,
    until_loss: float | None = None,
    until_accuracy: float | None = None,
    until_time: float | None = None,
    until_steps: int | None = None,
    max_steps: int = 1_000_000,
    time_limit: float | None = None,
    check_every: int | None = None,
    record: int | Iterable[int] | None = None,
    observe: Observer | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    watcher: Watcher | None = None,
    callback: Callback | None = None,
    progress: bool = False,
) -> Result:
    r"""Train a module on samples.

    Parameters
    ----------
    module
        Any torch module, on any device, in float32 or float64; left at the end point. It maps `X` to outputs
        ``(N,)``, or ``(N, k)`` for the cross entropy and for vector targets.
    X, y
        Inputs ``(N, ...)``, and targets: of the shape of the outputs for the squared loss, labels -1 and 1 for the
        exponential and the logistic loss, numbers of classes for the cross entropy. They are moved to the device
        and type of the module.
    method
        ``"gd"`` for gradient descent, ``w <- w - h grad L``; ``"sgd"`` on batches, whose gradient is scaled to
        estimate that of `L`; ``"momentum"`` for the heavy ball, ``v <- m v - h grad L``, ``w <- w + v``;
        ``"nesterov"`` for Nesterov's form of it; ``"normalized"`` for descent on ``log L``; ``"flow"`` for
        gradient flow, of ``log L`` if the goal is an accuracy.
    loss
        ``"squared"``, a sum over samples; or a mean over them of the ``"exponential"``, ``"logistic"`` or
        ``"cross-entropy"`` loss.
    step_size
        ``h``. When None, for ``"gd"`` alone, well inside the limit of stability (:func:`train_by_descent`).
    momentum
        ``m``, from 0 to 1, of the two methods that have one.
    batch_size, replacement, seed
        Of ``"sgd"``: samples per batch; whether each is drawn anew, or all samples are shuffled once per epoch;
        and the seed of the random numbers.
    rtol, atol, integrator
        Of ``"flow"``: tolerances per step and integrator, as for :func:`train_by_flow`.
    tolerance, until_loss, until_accuracy, until_time, until_steps
        Goals, of which one at least is needed: the loss over its initial value, the loss itself, ``-log L``, the
        time of the flow or the sum of step sizes, the number of steps. Training ends at the first that is met.
    max_steps, time_limit
        Limits, which are no goals; `time_limit` in seconds.
    check_every
        Of ``"sgd"``: steps between two evaluations of the whole loss; an epoch when None.
    record, observe
        What is kept on the way: every `record`-th step, or the steps listed, and the start. `observe` is called
        with the module at each and returns numbers by name, such as the distance of its kernel.
    checkpoint, checkpoint_every
        A file that keeps the run, every so many steps. Where it exists already, and is of the same run, training
        goes on from it, to the same bits as without a break.
    watcher
        Sees every step (:class:`Watcher`); not for ``"flow"``.
    callback
        Called with a :class:`Progress` whenever the loss is known.
    progress
        Whether to show a bar on standard error.

    Returns
    -------
    Result
        ``beta`` is the module's ``predictor()``, or its flat parameters where it has none. ``info`` has ``time``,
        numbers of ``gradients`` and ``hessians``, ``initial_loss`` (with the loss itself as objective) or
        ``accuracy`` and ``initial_accuracy`` (with its logarithm), ``step_size`` and ``zero_crossings`` of methods
        with steps, and the records as ``record_step``, ``record_time``, ``record_loss`` (log L where that is the
        objective), ``(k,)`` each, ``record_beta``, ``(k, d)``, and ``record_`` with the names of the observer.
        Statuses as for :func:`train_by_descent`.

    Raises
    ------
    ValueError
        If an argument is out of range, no goal is given, or the checkpoint is of another run.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "flow" and watcher is not None:
        raise ValueError("watcher must be None for method='flow', which has no steps of its own")
    if (tolerance, until_loss, until_accuracy, until_time, until_steps) == (0.0, None, None, None, None):
        raise ValueError(
            "one of tolerance, until_loss, until_accuracy, until_time and until_steps must say where to stop"
        )
    logarithm = method == "normalized" or (
        until_accuracy is not None and method == "flow" and loss in SAMPLE_LOSSES[1:]
    )
    objective = SampleObjective(module, X, y, loss, logarithm=logarithm)
    settings = {
        "method": method,
        "loss": loss,
        "parameters": objective.size,
        "data": digest(objective.X, objective.y),
        "checkpoint_every": checkpoint_every,
    }
    goals: dict[str, Any] = {
        "until_time": math.inf if until_time is None else until_time,
        "until_steps": until_steps,
        "records": None if record is None else Records(objective, record, observe),
    }
    until = _accuracy_goal(until_loss, until_accuracy)

    with bar(progress, max_steps if until_steps is None else until_steps, callback) as report:
        run: Run
        if logarithm:
            if tolerance:
                until = min(until, -objective.value() - math.log(tolerance))
            run = AccuracyRun(objective, until, None, max_steps, time_limit, report, **goals)
        else:
            floor = math.exp(-max(until, -700.0))  # e^700 is still a float
            run = Run(objective, tolerance, max_steps, time_limit, report, until_loss=floor, **goals)
        if method == "flow":
            require_method(objective, integrator, rtol, "method='gd'")
            settings |= {"rtol": rtol, "atol": atol, "integrator": integrator}
            return follow(
                run, integrator, rtol, atol, checkpoint=_checkpoint(checkpoint, checkpoint_every, settings)
            )
        how = _method(objective, method, step_size, momentum, batch_size, replacement, seed, check_every)
        settings |= {"step_size": step_size, "momentum": how.momentum}
        if method == "sgd":
            settings |= {"batch_size": batch_size, "replacement": replacement, "seed": seed}
        kept = _checkpoint(checkpoint, checkpoint_every, settings)
        return descend(run, how, checkpoint=kept, watcher=watcher)


def _accuracy_goal(until_loss: float | None, until_accuracy: float | None) -> float:
    """``-log L`` to stop at, whichever of the two is met first; infinite where neither is given."""
    if until_loss is not None and not 0 < until_loss < math.inf:
        raise ValueError(f"until_loss must be positive and finite, got {until_loss}")
    if until_accuracy is not None and not -math.inf < until_accuracy < math.inf:
        raise ValueError(f"until_accuracy must be finite, got {until_accuracy}")
    by_loss = math.inf if until_loss is None else -math.log(until_loss)
    return min(by_loss, math.inf if until_accuracy is None else until_accuracy)


def _method(
    objective: SampleObjective,
    method: str,
    step_size: float | None,
    momentum: float,
    batch_size: int,
    replacement: bool,
    seed: int,
    check_every: int | None,
) -> Method:
    if step_size is None and method != "gd":
        raise ValueError(f"step_size must be given for method={method!r}")
    step = CurvatureStep() if step_size is None else Step(step_size)
    if method in ("momentum", "nesterov"):
        return Method(step, momentum, method == "nesterov")
    if method != "sgd":
        return Method(step)
    batches = Batches(len(objective.X), batch_size, replacement, seed, objective.X.device)
    return Method(step, batches=batches, check_every=batches.per_epoch if check_every is None else check_every)


def _checkpoint(path: str | Path | None, every: int, settings: dict[str, Any]) -> Checkpoint | None:
    return None if path is None else Checkpoint(path, every, settings)
