"""The predicted end point of training against the trained one.

The prediction solves ``min Q(beta) s.t. X beta = y`` and never trains; the training follows gradients by
autograd and knows nothing of ``Q``. What the two share is this file and the data, so agreement to many
digits is evidence for both.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._report import MinimumNorms, Report
from .certificates import residuals
from .problems import Interpolation
from .regularizer import L1, L2, Q
from .solvers import interpolate

if TYPE_CHECKING:
    from .train import DiagonalNetwork
    from .train.network import ProductNetwork

__all__ = ["MinimumNorms", "Report", "check_device", "crosscheck", "minimum_norms"]

_TRAINERS = ("flow", "descent")
_MODELS = ("difference", "product")


def minimum_norms(X: ArrayLike, y: ArrayLike) -> MinimumNorms:
    """Solve ``X beta = y`` with the least l1 norm and with the least Euclidean norm.

    Parameters
    ----------
    X, y
        As for :func:`implicitbias.interpolate`.

    Raises
    ------
    InfeasibleError
        If ``X beta = y`` has no solution.
    ConvergenceError
        If the linear program of the l1 norm ends without a solution for another reason.

    Notes
    -----
    Where the least l1 norm has several solutions, one of them is returned.
    """
    return MinimumNorms(l1=interpolate(X, y, L1(), tol=1e-7), l2=interpolate(X, y, L2()))


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
) -> Report:
    r"""Predict where training a diagonal network must end, train it, and compare.

    The prediction is ``argmin Q(beta) s.t. X beta = y`` for the regularizer `Q` of the initialization; the
    training minimizes ``||X beta - y||^2`` by autograd from the weights ``alpha * w0``, or from those given.

    Parameters
    ----------
    X, y
        Design matrix ``(N, d)`` and targets ``(N,)``; there must be a `beta` with ``X beta = y``.
    alpha
        Scale of the initialization; also a string such as ``"1e-3"``. None where `initial` is given.
    D
        Depth, a real number of at least 2; the product has depth 2.
    w0
        Shape of the initialization, ``(d,)``, positive; ones when None.
    initial
        Weights at the start, two vectors ``(d,)``, in place of `alpha` and `w0`: ``(w_plus, w_minus)``, or
        ``(u, v)`` for the product. They may differ, so that the predictor does not start at zero.
    model
        ``"difference"`` for ``beta = w_+^D - w_-^D``; ``"product"`` for ``beta = u * v``, from `initial` only.
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
        Passed on to the trainer. Both :func:`implicitbias.train.train_by_flow` and
        :func:`implicitbias.train.train_by_descent` take `tolerance`, `max_steps`, `time_limit` and `callback`;
        the flow also `rtol`, `atol` and `method`, gradient descent also `step_size`.

    Returns
    -------
    Report
        Whatever happened: a trainer or solver that ended early is in :attr:`Report.complaint`. A training
        that is interrupted (KeyboardInterrupt, Ctrl-C) does not raise: its last state is returned with the
        status :attr:`~implicitbias.Status.INTERRUPTED`.

    Raises
    ------
    ValueError
        If an argument is out of range; `loss` other than squared, as the end points of the other losses lie
        at infinity.
    InfeasibleError
        If ``X beta = y`` has no solution.
    TypeError
        If an option is not one of the trainer's.
    ModuleNotFoundError
        If torch is not installed.

    Notes
    -----
    Source: Woodworth et al. (2020), theorems 1 and 3; footnote 2 for biased and unbalanced weights
    (:meth:`implicitbias.Q.from_weights`, :meth:`implicitbias.Q.from_product`).
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
    reg = _regularizer(alpha, D, w0, initial, model)
    from .train import train_by_descent, train_by_flow

    train = train_by_flow if trainer == "flow" else train_by_descent
    _check_options(trainer, train, options)
    # Before anything expensive: training is the long part, and a bad device or alpha shows here.
    points, targets = _on_device(problem, device)
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


_Start = tuple[ArrayLike, ArrayLike] | None


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
    from .train import DiagonalNetwork
    from .train.network import ProductNetwork

    if initial is None:
        return DiagonalNetwork(d, D, alpha, w0, device=device)
    if len(np.asarray(initial[0])) != d:
        raise ValueError(f"initial must hold two vectors of shape ({d},) to match X, got {np.shape(initial[0])}")
    if model == "product":
        return ProductNetwork(*initial, device=device)
    return DiagonalNetwork.from_weights(*initial, D, device=device)


def check_device(device: str | None) -> None:
    """Raise what :func:`crosscheck` would raise for `device`, without any training.

    Raises
    ------
    ValueError
        If torch cannot compute on the device in double precision.
    ModuleNotFoundError
        If torch is not installed.
    """
    from .train import DiagonalNetwork  # says what to install where torch is missing

    points, _ = _on_device(Interpolation([[1.0]], [1.0]), device)
    DiagonalNetwork(1, device=points.device)


def _check_options(trainer: str, train: Callable[..., Any], options: dict[str, Any]) -> None:
    parameters = inspect.signature(train).parameters.values()
    accepted = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = [name for name in options if name not in accepted]
    if unknown:
        raise TypeError(
            f"crosscheck got an unexpected option {', '.join(map(repr, unknown))}; "
            f"those of trainer={trainer!r} are {', '.join(accepted)}"
        )


def _on_device(problem: Interpolation, device: str | None) -> tuple[Any, Any]:
    import torch

    try:
        place = torch.device("cpu" if device is None else device)
        points, targets = torch.tensor(problem.X, device=place), torch.tensor(problem.y, device=place)
        targets.sum().item()  # a device without storage (meta) takes tensors but gives nothing back
        return points, targets
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ImportError) as error:
        # torch answers with one of these for a device it does not know, does not have, or was not built for
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"device {device!r} cannot be used: {reason}") from error
