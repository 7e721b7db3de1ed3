"""One end point of training, predicted and trained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._report import MinimumNorms, Report
from ..certificates import residuals
from ..problems import Interpolation
from ..regularizer import Q
from ..solvers import interpolate
from ._devices import on_device
from ._minimum import minimum_norms
from ._options import check_options

if TYPE_CHECKING:
    from ..train import DiagonalNetwork, ProductNetwork

__all__ = ["TRAINERS", "compare_end_points"]

TRAINERS = ("flow", "descent")
_MODELS = ("difference", "product")

_Start = tuple[ArrayLike, ArrayLike] | None


def compare_end_points(
    X: ArrayLike,
    y: ArrayLike,
    alpha: float | str | None,
    D: float,
    *,
    w0: ArrayLike | None,
    initial: _Start,
    model: str,
    device: str | None,
    trainer: str,
    agreement: float,
    minimum: MinimumNorms | None,
    options: dict[str, Any],
) -> Report:
    """Solve, train and compare; arguments as for :func:`implicitbias.crosscheck`."""
    problem = Interpolation(X, y)
    reg = _regularizer(alpha, D, w0, initial, model)
    from ..train import train_by_descent, train_by_flow

    train = train_by_flow if trainer == "flow" else train_by_descent
    check_options(trainer, train, options)
    # Before anything expensive: training is the long part, and a bad device or alpha shows here.
    points, targets = on_device(problem, device)
    network = _network(problem.shape[1], alpha, D, w0, initial, model, points.device)
    least = minimum_norms(problem.X, problem.y) if minimum is None else minimum
    predicted = interpolate(problem.X, problem.y, reg, throw=False)

    trained = train(network, lambda: (network(points) - targets).square().sum(), **options)
    size = float(np.linalg.norm(predicted.beta))
    gap = float(np.linalg.norm(predicted.beta - trained.beta))
    certified = residuals(problem, reg, predicted.beta, predicted.dual)
    # A training that overflowed has no residuals; the least squares behind them would fail on nan.
    usable = bool(np.isfinite(trained.beta).all())
    reached = residuals(problem, reg, trained.beta) if usable else dict.fromkeys(certified, math.nan)
    return Report(
        alpha="given weights" if alpha is None else alpha,
        D=D,
        predicted=predicted,
        trained=trained,
        residuals={"predicted": certified, "trained": reached},
        distance=gap / size if size else gap,
        agreement=agreement,
        minimum=least,
        trainer=trainer,
        device="cpu" if device is None else str(device),
        shape=problem.shape,
    )


def _regularizer(alpha: Any, D: float, w0: ArrayLike | None, initial: _Start, model: str) -> Q:
    """The regularizer of a start, which must be given in one of the two ways."""
    if model not in _MODELS:
        raise ValueError(f"model must be one of {', '.join(_MODELS)}, got {model!r}")
    if initial is None:
        if alpha is None:
            raise ValueError("alpha must be given, or the weights themselves as initial")
        if model == "product":
            raise ValueError("model='product' needs initial=(u, v): with u = v at the start no weight changes sign")
        return Q(alpha, D=D, w0=w0)
    if alpha is not None or w0 is not None:
        raise ValueError("alpha and w0 must be None where initial gives the weights themselves")
    if not isinstance(initial, tuple | list) or len(initial) != 2:
        raise ValueError("initial must be a pair of vectors, (w_plus, w_minus) or (u, v)")
    if model == "difference":
        return Q.from_weights(*initial, D)
    if D != 2:
        raise ValueError(f"D must be 2 for model='product', got {D}")
    return Q.from_product(*initial)


def _network(
    d: int, alpha: Any, D: float, w0: ArrayLike | None, initial: _Start, model: str, device: Any
) -> DiagonalNetwork | ProductNetwork:
    """The network to train, from a start that has given a regularizer already."""
    from ..train import DiagonalNetwork, ProductNetwork

    if initial is None:
        return DiagonalNetwork(d, D, alpha, w0, device=device)
    if len(np.asarray(initial[0])) != d:
        raise ValueError(f"initial must hold two vectors of shape ({d},) to match X, got {np.shape(initial[0])}")
    if model == "product":
        return ProductNetwork(*initial, device=device)
    return DiagonalNetwork.from_weights(*initial, D, device=device)
