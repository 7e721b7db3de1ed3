"""One end point of training, predicted and trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._result import Result
from ._common import Comparison, MinimumNorms, l1_and_l2, new_figure, plain

__all__ = ["Report"]


@dataclass(frozen=True, eq=False)
class Report(Comparison):
    """One comparison of the predicted with the trained end point.

    Attributes
    ----------
    alpha, D
        Scale of the initialization, as given, and depth.
    predicted, trained
        Results of the solver and of the trainer.
    residuals
        Residuals of both end points under the one certificate, by ``"predicted"`` and ``"trained"``.
    distance
        ``||predicted - trained|| / ||predicted||``.
    agreement
        Largest distance that counts as agreement.
    minimum
        Interpolants of least l1 and l2 norm, for orientation.
    trainer, device
        How and where the network was trained.
    shape
        ``(N, d)``.
    """

    alpha: Any
    D: float
    predicted: Result
    trained: Result
    residuals: Mapping[str, Mapping[str, float]]
    distance: float
    agreement: float
    minimum: MinimumNorms
    trainer: str
    device: str
    shape: tuple[int, int]

    @property
    def success(self) -> bool:
        """Whether solver and trainer both reached their tolerance and their end points agree."""
        return self.predicted.success and self.trained.success and self.agrees

    @property
    def complaint(self) -> str:
        """What stands against agreement, in one line; empty where nothing does."""
        label = f"D = {self.D:g}, alpha = {self.alpha}"
        for what, result in (("solver", self.predicted), (f"trainer ({self.trainer})", self.trained)):
            if not result.success:
                worst = ", ".join(f"{name} {value:.1e}" for name, value in result.residuals.items())
                return f"{label}: the {what} did not finish: {result.status.value} ({worst})"
        if not self.distance <= self.agreement:
            crossings = self.trained.info.get("zero_crossings", 0)
            why = f"; {crossings} weights crossed zero, where the theory stops" if crossings else ""
            return f"{label}: the end points differ by {self.distance:.1e}, more than {self.agreement:.0e}{why}"
        return ""

    def norms(self) -> dict[str, dict[str, float]]:
        """Return ``{"l1": .., "l2": ..}``, the norms of each of the four vectors, by name."""
        vectors = {
            "predicted": self.predicted.beta,
            "trained": self.trained.beta,
            "minimum_l1": self.minimum.l1.beta,
            "minimum_l2": self.minimum.l2.beta,
        }
        return {name: l1_and_l2(vector) for name, vector in vectors.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, numbers and strings; a number that is not finite becomes None."""
        norms = self.norms()

        def end_point(name: str, result: Result) -> dict[str, Any]:
            return {
                "status": result.status.name.lower(),
                "iterations": result.iterations,
                "seconds": result.seconds,
                "residuals": dict(self.residuals[name]),
                "norms": norms[name],
                "beta": result.beta.tolist(),
            }

        trained = end_point("trained", self.trained)
        trained["relative_loss"] = self.trained.residuals["loss"]
        trained["info"] = dict(self.trained.info)
        everything: dict[str, Any] = plain(
            {
                "alpha": str(self.alpha),
                "depth": self.D,
                "samples": self.shape[0],
                "features": self.shape[1],
                "loss": "squared",
                "trainer": self.trainer,
                "device": self.device,
                "distance": self.distance,
                "agreement": self.agreement,
                "agrees": self.agrees,
                "complaint": self.complaint,
                "predicted": end_point("predicted", self.predicted),
                "trained": trained,
                "minimum_l1": {"norms": norms["minimum_l1"], "seconds": self.minimum.l1.seconds},
                "minimum_l2": {"norms": norms["minimum_l2"], "seconds": self.minimum.l2.seconds},
            }
        )
        return everything

    def __str__(self) -> str:
        norms = self.norms()
        lines = [
            f"crosscheck: N = {self.shape[0]}, d = {self.shape[1]}, D = {self.D:g}, alpha = {self.alpha}, "
            f"trained by {self.trainer} on {self.device}",
            f"  relative distance of the end points  {self.distance:.2e}  "
            f"({'agree' if self.agrees else 'DO NOT agree'} within {self.agreement:.0e})",
            f"  {'':24}{'l1 norm':>16}{'l2 norm':>16}{'seconds':>10}",
        ]
        seconds = {
            "predicted": self.predicted.seconds,
            "trained": self.trained.seconds,
            "minimum_l1": self.minimum.l1.seconds,
            "minimum_l2": self.minimum.l2.seconds,
        }
        for name, spent in seconds.items():
            row = norms[name]
            lines.append(f"  {name.replace('_', ' '):24}{row['l1']:16.10g}{row['l2']:16.10g}{spent:10.3f}")
        for name, values in self.residuals.items():
            lines.append(f"  residuals, {name}: " + ", ".join(f"{k} {v:.1e}" for k, v in values.items()))
        if self.complaint:
            lines.append(f"  {self.complaint}")
        return "\n".join(lines)

    def plot(self) -> Any:
        """Draw the predicted coordinates, largest first, with the trained ones on them.

        Returns
        -------
        matplotlib.figure.Figure
            Two panels that share the order of coordinates: values above, absolute difference below.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        """
        figure = new_figure((8, 5.5))
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        order = np.argsort(-np.abs(self.predicted.beta), kind="stable")
        place = np.arange(1, len(order) + 1)
        top.axhline(0, color="0.8", linewidth=0.8)
        for vector, label, color in (
            (self.minimum.l1.beta, "least $\\ell_1$ norm", "#d95f02"),
            (self.minimum.l2.beta, "least $\\ell_2$ norm", "#1b9e77"),
        ):
            top.plot(place, vector[order], drawstyle="steps-mid", color=color, linewidth=1, alpha=0.7, label=label)
        top.plot(place, self.predicted.beta[order], color="black", linewidth=1.2, label="predicted")
        top.plot(place, self.trained.beta[order], "o", markersize=3.5, color="#7570b3", label="trained")
        top.set_ylabel(r"$\beta_i$")
        top.legend(frameon=False)
        top.set_title(rf"$D = {self.D:g}$, $\alpha = {self.alpha}$: relative distance {self.distance:.1e}")
        gap = np.abs(self.predicted.beta - self.trained.beta)[order]
        seen = gap > 0  # a coordinate on which both agree to the last bit has no place on a logarithmic axis
        bottom.semilogy(place[seen], gap[seen], ".", color="#7570b3", markersize=4)
        bottom.set_ylabel("difference")
        bottom.set_xlabel("coordinate, largest prediction first")
        return figure
