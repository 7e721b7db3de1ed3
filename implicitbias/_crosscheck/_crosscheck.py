"""The comparison, whatever the loss."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

from numpy.typing import ArrayLike

from .._report import MinimumNorms, Report, TrajectoryReport
from ..losses import LOSSES
from ._end_points import TRAINERS, compare_end_points
from ._trajectories import PATH_TRAINERS, compare_trajectories

__all__ = ["crosscheck"]


@overload
def crosscheck(
    X: ArrayLike,
    y: ArrayLike,
    alpha: float | str | None = None,
    D: float = 2,
    *,
    loss: Literal["squared"] = "squared",
    **options: Any,
) -> Report: ...


@overload
def crosscheck(
    X: ArrayLike,
    y: ArrayLike,
    alpha: float | str | None = None,
    D: float = 2,
    *,
    loss: Literal["exponential", "logistic"],
    **options: Any,
) -> TrajectoryReport: ...


def crosscheck(
    X: ArrayLike,
    y: ArrayLike,
    alpha: float | str | None = None,
    D: float = 2,
    *,
    w0: ArrayLike | None = None,
    initial: tuple[ArrayLike, ArrayLike] | None = None,
    model: str = "difference",
    loss: str = "squared",
    device: str | None = None,
    trainer: str = "flow",
    agreement: float = 1e-6,
    minimum: MinimumNorms | None = None,
    **options: Any,
) -> Report | TrajectoryReport:
    r"""Predict what training a diagonal network must come to, train it, and compare.

    With the squared loss training has an end point. The prediction is ``argmin Q(beta) s.t. X beta = y`` for the
    regularizer `Q` of the initialization; the training minimizes ``||X beta - y||^2`` by autograd from the weights
    ``alpha * w0``, or from those given. With a loss of classification there is none, and the paths are compared:
    the states that the training passes with those of :func:`implicitbias.gradient_flow` at the same accuracies
    ``-log loss``.

    Parameters
    ----------
    X, y
        Design matrix ``(N, d)`` and targets ``(N,)``; there must be a `beta` with ``X beta = y``. For a loss of
        classification labels -1 and +1 that some `beta` separates.
    alpha
        Scale of the initialization; also a string such as ``"1e-3"``. None where `initial` is given.
    D
        Depth, a real number of at least 2; the product has depth 2.
    w0
        Shape of the initialization, ``(d,)``, positive; ones when None.
    initial
        Weights at the start, two vectors ``(d,)``, in place of `alpha` and `w0`: ``(w_plus, w_minus)``, or
        ``(u, v)`` for the product. They may differ, so that the predictor does not start at zero. Only with the
        squared loss.
    model
        ``"difference"`` for ``beta = w_+^D - w_-^D``; ``"product"`` for ``beta = u * v``, from `initial` only.
    loss
        ``"squared"``, ``"exponential"`` or ``"logistic"``.
    device
        Torch device to train on; the CPU when None.
    trainer
        ``"flow"`` for the adaptive integrator of gradient flow. With the squared loss also ``"descent"`` for
        gradient descent, with the others ``"normalized"`` for normalized gradient descent; either is off by the
        first order of its step size.
    agreement
        Relative distance of predictors up to which they are said to agree.
    minimum
        :func:`minimum_norms` of the same data and loss, where it is known already.
    **options
        Passed on to the trainer: :func:`implicitbias.train.train_by_flow` or
        :func:`implicitbias.train.train_by_descent`; :func:`implicitbias.train.train_by_log_flow` or
        :func:`implicitbias.train.train_by_normalized_descent` for a loss of classification, where `until_accuracy`
        is 1000 and `save_at` has a dozen accuracies up to it when they are not given.

    Returns
    -------
    Report
        Of the end points; a :class:`TrajectoryReport` of the paths for a loss of classification. Whatever happened:
        a trainer or solver that ended early is in :attr:`Report.complaint`. A training that is interrupted
        (KeyboardInterrupt, Ctrl-C) does not raise: what it reached is returned with the status
        :attr:`~implicitbias.Status.INTERRUPTED`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    InfeasibleError
        If ``X beta = y`` has no solution, or no `beta` separates the classes.
    TypeError
        If an option is not one of the trainer's.
    ModuleNotFoundError
        If torch is not installed.

    Notes
    -----
    Source: Woodworth et al. (2020), theorems 1 and 3; footnote 2 for biased and unbalanced weights
    (:meth:`implicitbias.Q.from_weights`, :meth:`implicitbias.Q.from_product`). Moroshko et al. (2020), Section 5,
    for normalized gradient descent at the accuracies of classification.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    trainers = TRAINERS if loss == "squared" else PATH_TRAINERS
    if trainer not in trainers:
        raise ValueError(f"trainer must be one of {', '.join(trainers)} with loss {loss!r}, got {trainer!r}")
    if not 0 < agreement < math.inf:
        raise ValueError(f"agreement must be positive and finite, got {agreement}")
    common: dict[str, Any] = {
        "w0": w0,
        "device": device,
        "trainer": trainer,
        "agreement": agreement,
        "minimum": minimum,
        "options": options,
    }
    if loss == "squared":
        return compare_end_points(X, y, alpha, D, initial=initial, model=model, **common)
    if initial is not None or model != "difference":
        raise ValueError(f"initial and model must be left out with loss {loss!r}: the flow starts from alpha * w0")
    if alpha is None:
        raise ValueError("alpha must be given")
    return compare_trajectories(X, y, alpha, D, loss=loss, **common)
