"""At which scales of initialization a model is trained lazily, and at which it is rich."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._result import Status
from ..train import fit
from ._distances import KernelObserver
from ._flow import kernel_flow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LazyOrRich", "lazy_or_rich"]

_SCALES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_FLOW_LIMIT: Final = 600  # parameters up to which the flow's dense Hessian is cheaper than small steps


@dataclass(frozen=True, eq=False)
class LazyOrRich:
    """What training did to the tangent kernel, by scale of initialization.

    Attributes
    ----------
    scales : ndarray
        Factors of the weights at the start, ascending, ``(k,)``.
    feature_distance, kernel_distance, kernel_change : ndarray
        Of the kernel at the end from that at the start, ``(k,)``: cosine distances of features and kernels,
        relative change of the kernel.
    movement : ndarray
        ``||w - w_0|| / ||w_0||``, ``(k,)``.
    test_loss : ndarray or None
        Mean squared error on held-out samples, ``(k,)``, where there are any.
    kernel_test_loss : ndarray or None
        The same of the kernel predictor of the start, ``(k,)``.
    statuses : tuple of Status
        How each training ended.
    threshold : float
        Feature distance at which lazy turns into rich.
    """

    scales: NDArray[np.float64]
    feature_distance: NDArray[np.float64]
    kernel_distance: NDArray[np.float64]
    kernel_change: NDArray[np.float64]
    movement: NDArray[np.float64]
    test_loss: NDArray[np.float64] | None
    kernel_test_loss: NDArray[np.float64] | None
    statuses: tuple[Status, ...]
    threshold: float

    @property
    def transition(self) -> float:
        """Largest scale at which the feature distance passes the threshold, by interpolation in logarithms.

        Zero where it is below it at every scale (lazy throughout), infinite where it is above at the largest one.
        """
        rich = self.feature_distance >= self.threshold
        if rich[-1]:
            return math.inf
        if not rich.any():
            return 0.0
        i = int(np.flatnonzero(rich)[-1])
        low, high = np.log(self.scales[i : i + 2])
        above, below = np.log(np.maximum(self.feature_distance[i : i + 2], 1e-300))
        return float(np.exp(low + (high - low) * (above - math.log(self.threshold)) / (above - below)))

    def regime(self, scale: float = 1.0) -> str:
        """``"lazy"`` or ``"rich"``, by the side of the transition that a scale is on."""
        return "rich" if scale < self.transition else "lazy"

    def __str__(self) -> str:
        where = self.transition
        if where == 0.0:
            words = f"lazy at all scales from {self.scales[0]:g} on"
        elif math.isinf(where):
            words = f"rich at all scales up to {self.scales[-1]:g}"
        else:
            words = f"rich below {where:.3g} times the given weights, lazy above; as given, {self.regime()}"
        return f"{words} (tangent features turn by a cosine distance of {self.threshold:g})"

    def draw(self, figure: Figure) -> None:
        """Distances, and test losses where there are any, against the scale."""
        axes = figure.subplots(1, 1 if self.test_loss is None else 2, squeeze=False)[0]
        curves = {"features (cosine)": self.feature_distance, "kernel (cosine)": self.kernel_distance}
        curves |= {"kernel (relative)": self.kernel_change, "weights (relative)": self.movement}
        for name, values in curves.items():
            axes[0].loglog(self.scales, np.maximum(values, 1e-16), "o-", ms=4, label=name)
        axes[0].axhline(self.threshold, color="0.6", lw=1, ls="--")
        axes[0].set(xlabel="factor of the weights at the start", ylabel="distance from the start")
        axes[0].legend(frameon=False)
        if self.test_loss is not None:
            axes[1].semilogx(self.scales, self.test_loss, "o-", ms=4, label="trained")
            axes[1].semilogx(self.scales, self.kernel_test_loss, "s--", ms=4, label="kernel of the start")
            axes[1].set(xlabel="factor of the weights at the start", ylabel="mean squared error, held out")
            axes[1].legend(frameon=False)
        if 0 < self.transition < math.inf:
            for panel in axes:
                panel.axvspan(self.scales[0], self.transition, color="C3", alpha=0.08, lw=0)


def lazy_or_rich(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    scales: Sequence[float] = _SCALES,
    test: tuple[Tensor, Tensor] | None = None,
    threshold: float = 0.1,
    tolerance: float = 1e-6,
    progress: bool = False,
    **options: Any,
) -> LazyOrRich:
    """Train copies of a model from several scales of its weights, and see how far each takes its tangent kernel.

    Parameters
    ----------
    model
        Any module with outputs ``(N,)``, at its initialization; left as it is.
    X, y
        Inputs ``(N, ...)`` and targets ``(N,)``.
    scales
        Factors of the weights at the start, positive.
    test
        Held-out inputs and targets, if any.
    threshold
        Feature distance, the cosine distance of the tangent features from those at the start, that counts as rich.
    tolerance
        Loss over its initial value at which a training ends.
    progress
        Whether to show a bar.
    **options
        For :func:`implicitbias.train.fit`, such as `method`, `loss`, `step_size` and `max_steps`. By default small
        models are trained by gradient flow and large ones by gradient descent with steps chosen from the curvature.

    Returns
    -------
    LazyOrRich
        The distances by scale and where the transition is; ``draw(figure)`` makes a picture.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    A model that is homogeneous of degree D is trained ``scale^(2D-2)`` times as fast; that is left to the method,
    which chooses its steps. Source: Chizat et al. (2019); Woodworth et al. (2020), Figure 6.
    """
    factors = np.unique(np.asarray(scales, dtype=np.float64))
    if not len(factors) or not (np.isfinite(factors).all() and factors[0] > 0):
        raise ValueError(f"scales must be positive and finite, got {list(scales)}")
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie in (0, 1), got {threshold}")
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    chosen = {"method": "flow" if size <= _FLOW_LIMIT else "gd", "rtol": 1e-6, "max_steps": 100_000} | options
    rows, statuses = [], []
    for factor in factors:
        row, status = _train(model, float(factor), X, y, test, tolerance, progress, chosen)
        rows.append(row)
        statuses.append(status)
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return LazyOrRich(
        factors,
        found["feature_distance"],
        found["kernel_distance"],
        found["kernel_change"],
        found["movement"],
        found.get("test_loss"),
        found.get("kernel_test_loss"),
        tuple(statuses),
        threshold,
    )


def _train(
    model: nn.Module,
    factor: float,
    X: Tensor,
    y: Tensor,
    test: tuple[Tensor, Tensor] | None,
    tolerance: float,
    progress: bool,
    options: dict[str, Any],
) -> tuple[dict[str, float], Status]:
    trained = copy.deepcopy(model)
    with torch.no_grad():
        for weight in trained.parameters():
            if weight.requires_grad:
                weight.mul_(factor)
    observe = KernelObserver(trained, X)
    row: dict[str, float] = {}
    if test is not None:
        row["kernel_test_loss"] = _error(kernel_flow(trained, X, y).predict(test[0]), test[1])
    start = nn.utils.parameters_to_vector(trained.parameters()).detach().clone()
    result = fit(trained, X, y, tolerance=tolerance, progress=progress, **options)
    end = nn.utils.parameters_to_vector(trained.parameters()).detach()
    row |= observe(trained)
    row["movement"] = float((end - start).norm() / start.norm())
    if test is not None:
        with torch.no_grad():
            row["test_loss"] = _error(trained(test[0]), test[1])
    return row, result.status


def _error(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs - targets).square().mean())
