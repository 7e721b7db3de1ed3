"""The path of training a classifier, predicted and trained, at the same accuracies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._result import Result, Status
from ._common import Comparison, FloatArray, MinimumNorms, new_figure, plain

if TYPE_CHECKING:
    from ..flow import Trajectory

__all__ = ["TrajectoryReport", "direction_gap"]

_DRAWN = 10  # coordinates of the direction in a picture, the largest ones


@dataclass(frozen=True, eq=False)
class TrajectoryReport(Comparison):
    """One comparison of the predicted with the trained path of a classifier.

    Attributes
    ----------
    alpha, D
        Scale of the initialization, as given, and depth.
    loss
        ``"exponential"`` or ``"logistic"``.
    predicted
        Trajectory of gradient flow at the accuracies at which the training has a state.
    trained
        Result of the trainer.
    accuracy
        ``-log loss`` of the states compared, ``(k,)``, increasing.
    beta
        Predictors trained, ``(k, d)``.
    distances
        ``||predicted - trained|| / ||predicted||`` of the predictors, ``(k,)``.
    direction_distances
        Distance of the directions ``beta / ||beta||``, ``(k,)``.
    agreement
        Largest distance that counts as agreement.
    minimum
        Predictors of least l1 and l2 norm with margins of 1, for orientation.
    path
        Predictor of least ``Q_mu`` with margins of 1, at ``mu = alpha^D / accuracy`` of the last state.
    trainer, device
        How and where the network was trained.
    shape
        ``(N, d)``.
    """

    alpha: Any
    D: float
    loss: str
    predicted: Trajectory
    trained: Result
    accuracy: FloatArray
    beta: FloatArray
    distances: FloatArray
    direction_distances: FloatArray
    agreement: float
    minimum: MinimumNorms
    path: Result
    trainer: str
    device: str
    shape: tuple[int, int]

    @property
    def distance(self) -> float:
        """Largest of the distances; nan where no state could be compared."""
        return float(self.distances.max()) if len(self.distances) else float("nan")

    @property
    def success(self) -> bool:
        """Whether both paths reached the accuracy asked for and agree all the way."""
        return self.agrees

    @property
    def verdict(self) -> str:
        """``"agree"``, ``"interrupted"`` or ``"DIFFER"``; ``"short"`` if they agree as far as the training got."""
        usual = super().verdict
        if self.predicted.status is Status.INTERRUPTED:
            return "interrupted"
        if usual == "DIFFER" and self.predicted.success and self.distance <= self.agreement:
            return "short"
        return usual

    @property
    def complaint(self) -> str:
        """What stands against agreement, in one line; empty where nothing does."""
        label = f"D = {self.D:g}, alpha = {self.alpha}, {self.loss} loss"
        if len(self.distances) and not self.distance <= self.agreement:
            at = float(self.accuracy[int(np.argmax(np.nan_to_num(self.distances, nan=np.inf)))])
            crossings = self.trained.info.get("zero_crossings", 0)
            falls = self.trained.info.get("falls", 0)
            why = f"; {crossings} weights crossed zero, where the theory stops" if crossings else ""
            why += f"; the accuracy fell in {falls} steps, which are too long" if falls else ""
            return (
                f"{label}: the predictors differ by {self.distance:.1e} at accuracy {at:.6g}, "
                f"more than {self.agreement:.0e}{why}"
            )
        for what, status in (("flow", self.predicted.status), (f"trainer ({self.trainer})", self.trained.status)):
            if not status.success:
                reached = f"accuracy {self.accuracy[-1]:.6g}" if len(self.accuracy) else "no state to compare"
                return f"{label}: the {what} did not finish: {status.value} ({reached})"
        return "" if len(self.distances) else f"{label}: no state to compare"

    def limit_distances(self) -> dict[str, float]:
        """Distance of the last trained direction to that of the least ``"l2"``, ``"path"`` and ``"l1"`` norm."""
        limits = {"l2": self.minimum.l2, "path": self.path, "l1": self.minimum.l1}
        if not len(self.beta):
            return dict.fromkeys(limits, float("nan"))
        return {name: float(direction_gap(self.beta[-1], end.beta)) for name, end in limits.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, numbers and strings; a number that is not finite becomes None."""
        info = {name: value for name, value in self.trained.info.items() if not name.startswith("saved_")}
        everything: dict[str, Any] = plain(
            {
                "alpha": str(self.alpha),
                "depth": self.D,
                "samples": self.shape[0],
                "features": self.shape[1],
                "loss": self.loss,
                "trainer": self.trainer,
                "device": self.device,
                "accuracy": self.accuracy,
                "distances": self.distances,
                "direction_distances": self.direction_distances,
                "distance": self.distance,
                "agreement": self.agreement,
                "agrees": self.agrees,
                "complaint": self.complaint,
                "predicted": {
                    "status": self.predicted.status.name.lower(),
                    "steps": self.predicted.steps,
                    "seconds": self.predicted.seconds,
                    "beta": self.predicted.beta,
                },
                "trained": {
                    "status": self.trained.status.name.lower(),
                    "iterations": self.trained.iterations,
                    "seconds": self.trained.seconds,
                    "info": info,
                    "beta": self.beta,
                },
                "limit_distances": self.limit_distances(),
            }
        )
        return everything

    def __str__(self) -> str:
        reached = f"{self.accuracy[-1]:.6g}" if len(self.accuracy) else "none"
        limits = self.limit_distances()
        lines = [
            f"crosscheck: N = {self.shape[0]}, d = {self.shape[1]}, D = {self.D:g}, alpha = {self.alpha}, "
            f"{self.loss} loss, trained by {self.trainer} on {self.device}",
            f"  largest relative distance of the predictors  {self.distance:.2e}  "
            f"({'agree' if self.agrees else 'DO NOT agree'} within {self.agreement:.0e})",
            f"  accuracy reached {reached}; flow {self.predicted.seconds:.3f} s, "
            f"training {self.trained.seconds:.3f} s",
            "  distance of the last direction to the max-margin ones: "
            f"l2 {limits['l2']:.3e}, Q_mu {limits['path']:.3e}, l1 {limits['l1']:.3e}",
            f"  {'accuracy':>14}{'predictor':>12}{'direction':>12}",
        ]
        for row in zip(self.accuracy, self.distances, self.direction_distances, strict=True):
            lines.append("  {:14.8g}{:12.2e}{:12.2e}".format(*row))
        if self.complaint:
            lines.append(f"  {self.complaint}")
        return "\n".join(lines)

    def plot(self) -> Any:
        """Draw the largest coordinates of the direction against the accuracy, predicted and trained.

        Returns
        -------
        matplotlib.figure.Figure
            Two panels that share the accuracy: coordinates above, distances below.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        """
        figure = new_figure((8, 5.5))
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        predicted = self.predicted.direction[: len(self.beta)]
        trained = self.beta / np.linalg.norm(self.beta, axis=1, keepdims=True)
        drawn: list[int] = []
        if len(predicted):
            drawn = np.argsort(-np.abs(predicted[-1]), kind="stable")[:_DRAWN].tolist()
        for index, i in enumerate(drawn):
            color = f"C{index % 10}"
            top.semilogx(self.accuracy, predicted[:, i], color=color, linewidth=1.2)
            top.semilogx(self.accuracy, trained[:, i], "o", markersize=3.5, color=color, markerfacecolor="white")
        top.axhline(0, color="0.8", linewidth=0.8)
        count = "the" if len(drawn) == self.shape[1] else f"{len(drawn)} largest of {self.shape[1]}"
        top.set_ylabel(r"$\beta_i \,/\, \|\beta\|$")
        top.set_title(
            rf"$D = {self.D:g}$, $\alpha = {self.alpha}$, {count} coordinates: predicted (line), trained (o)",
            fontsize=10,
        )
        seen = self.distances > 0
        bottom.loglog(self.accuracy[seen], self.distances[seen], ".-", color="#7570b3", markersize=4)
        bottom.set_ylabel("distance")
        bottom.set_xlabel(r"accuracy, $-\log L$")
        return figure


def direction_gap(one: FloatArray, other: FloatArray) -> FloatArray:
    """``||a/||a|| - b/||b||||`` along the last axis; nan where a vector is zero or not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        first = one / np.linalg.norm(one, axis=-1, keepdims=True)
        second = other / np.linalg.norm(other, axis=-1, keepdims=True)
        gap: FloatArray = np.linalg.norm(first - second, axis=-1)
    return gap
