r"""Training of classifiers on the logarithm of their loss: normalized gradient descent, and its exact limit.

The loss of a separable problem goes to zero and its gradient with it, so that gradient descent with a fixed step
slows down for ever; after ``10^7`` steps it is at 1e-7 or so. Descent on ``log L`` walks the same curve at a useful
pace, and never evaluates ``L``, which at an accuracy of 2e4 is 1e-8686.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from .._result import Result
from ._accuracy import AccuracyRun, MarginsOf, log_loss
from ._descend import Method, Step, descend
from ._objective import Objective
from ._run import Callback
from .flow import follow, require_method

__all__ = ["train_by_log_flow", "train_by_normalized_descent"]


def train_by_normalized_descent(
    module: nn.Module,
    margins: MarginsOf,
    *,
    loss: str = "exponential",
    step_size: float = 1e-3,
    until_accuracy: float | None = None,
    save_at: Iterable[float] | None = None,
    max_steps: int = 1_000_000,
    time_limit: float | None = None,
    callback: Callback | None = None,
) -> Result:
    r"""Train a classifier by normalized gradient descent.

    .. math::
        w \leftarrow w - \text{step\_size} \cdot \frac{\nabla L(w)}{L(w)}
          = w - \text{step\_size} \cdot \nabla \log L(w),
        \qquad L = \frac1N \sum_n e^{-m_n}

    Parameters
    ----------
    module
        Any torch module, on any device, evaluated in float64; left at the end point.
    margins
        Closure without arguments that evaluates the module and returns the margins ``y_n f(x_n)``, ``(N,)``.
    loss
        ``"exponential"``, or ``"logistic"`` for ``L = mean log(1 + e^{-m})``.
    step_size
        The step, constant. The path is off the gradient flow's by the first order of it. Where weights grow the
        curvature of ``log L`` grows with them, and past ``2 / step_size`` the iterates bounce between the samples:
        ``info["falls"]`` counts the steps after which the accuracy was lower than before.
    until_accuracy
        Stop when ``-log L`` is at least this; the largest of `save_at` when None.
    save_at
        Accuracies at which to keep the state. There is no interpolation: the first state at or past each mark is
        kept with the accuracy it has; one that passes several marks is kept once.
    max_steps, time_limit
        Limits on steps and on wall-clock seconds (None: no limit).
    callback
        Called with a :class:`Progress` after every step.

    Returns
    -------
    Result
        ``beta`` is the module's ``predictor()``, or its flat parameters where it has none;
        ``residuals["accuracy"]`` is the part of the way to `until_accuracy` that is missing. ``info`` has
        ``accuracy``, ``initial_accuracy``, the kept states as ``saved_accuracy (k,)``, ``saved_beta (k, d)`` and
        ``saved_steps (k,)``, the sum of the steps as ``time``, ``falls``, ``zero_crossings`` (scalar weights that
        changed sign, where the theory of the flow stops) and the number of gradients.

        Statuses other than CONVERGED: ITERATION_LIMIT, TIME_LIMIT, NON_FINITE, STALLED (no new highest accuracy
        for many steps: the step is too long, or the samples are not separable), INTERRUPTED (KeyboardInterrupt;
        the module keeps the last state).

    Raises
    ------
    ValueError
        If an option is out of range, neither `until_accuracy` nor `save_at` is given, or the margins are not a
        vector.

    Notes
    -----
    Source: Nacson et al. (2019), normalized gradient descent; Moroshko et al. (2020), Section 5, for this use.
    """
    step = Step(step_size)
    objective = Objective(module, log_loss(margins, loss))
    return descend(AccuracyRun(objective, until_accuracy, save_at, max_steps, time_limit, callback), Method(step))


def train_by_log_flow(
    module: nn.Module,
    margins: MarginsOf,
    *,
    loss: str = "exponential",
    until_accuracy: float | None = None,
    save_at: Iterable[float] | None = None,
    rtol: float = 1e-12,
    atol: float | None = None,
    method: str = "LSODA",
    max_steps: int = 200_000,
    time_limit: float | None = None,
    callback: Callback | None = None,
) -> Result:
    r"""Follow the gradient flow of a classifier's parameters, in a clock in which it does not slow down.

    .. math::
        \frac{dw}{ds} = -\nabla \log L(w), \qquad ds = L\,dt, \qquad
        \frac{d(-\log L)}{ds} = \|\nabla \log L\|^2

    The curve is that of ``dw/dt = -grad L``, and the limit of :func:`train_by_normalized_descent` for short steps.

    Parameters
    ----------
    module, margins, loss, until_accuracy, save_at
        As for :func:`train_by_normalized_descent`; here a step is one of the integrator's.
    rtol, atol, method
        As for :func:`train_by_flow`. The default is smaller, because at large scales of initialization the
        predictor is a small difference of powers of large weights. The rounding of float64 is amplified in any
        case, to some 1e-6 of a predictor of size 1 where the powers are 1e6.
    max_steps, time_limit, callback
        As for :func:`train_by_flow`.

    Returns
    -------
    Result
        As for :func:`train_by_normalized_descent`, with `s` as ``time``, and with the method, the number of
        Hessians and the integrator's last message in place of step size and crossings.

    Raises
    ------
    ValueError
        As for :func:`train_by_normalized_descent` and :func:`train_by_flow`.
    """
    objective = Objective(module, log_loss(margins, loss))
    require_method(objective, method, rtol, "train_by_normalized_descent")
    run = AccuracyRun(objective, until_accuracy, save_at, max_steps, time_limit, callback)
    return follow(run, method, rtol, atol)
