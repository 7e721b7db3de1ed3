"""How accurately a classifier has to be trained to get near l1, by scale of initialization.

For depths 2, 3 and 10 and scales of the predictor ``alpha^D`` from 1e-3 to 1e8: the accuracy, minus the logarithm
of the loss, from which on ``||w/gamma||_1`` exceeds the least l1 norm with margins of 1 by less than 5 % (figure
5b of Moroshko et al. 2020; gamma is the smallest margin). In theory it is proportional to large ``alpha^D``: the
fitted slopes are 1. The factor can be predicted without training: it is 1/mu for the mu at which the max-margin
predictor for ``Q_mu`` has an excess of 5 %. The difference, below, is of order ``alpha^-D``. From small scales
more is needed than in proportion, since separating the data takes some accuracy at any scale; at depth 10 such
flow is below 5 % once before, in passing.

Run ``python examples/accuracy_by_scale.py [PICTURE]``; it takes about ten seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import BarycentricInterpolator
from scipy.optimize import brentq

import implicitbias as ib
from implicitbias import three_points

depths = (2, 3, 10)
scales = np.logspace(-3, 8, 12)  # alpha^D
large = scales >= 1e3  # those that slopes are fitted to
target = 0.05
colors = ("#0072B2", "#D55E00", "#009E73")


def accuracy_needed(X, y, scale, D, guess):
    """Accuracy from which on the excess l1 norm is below the target."""

    def follow(save_at):
        return ib.gradient_flow(X, y, scale ** (1 / D), D, "exponential", save_at=save_at).l1_excess

    grid = np.geomspace(1, 2 * max(guess, 1e3), 50)
    last = np.flatnonzero(~(follow(grid) < target))[-1]  # nan, before the data are separated, counts as above
    # again, at the points where a polynomial in the logarithm is exact to 1e-10
    nodes = np.cos(np.pi * np.arange(8, -1, -1) / 8)
    low, high = np.log(grid[[last, last + 1]])
    logs = (low + high) / 2 + (high - low) / 2 * nodes
    excess = BarycentricInterpolator(nodes, np.log(follow(np.exp(logs)) / target))
    return np.exp((low + high) / 2 + (high - low) / 2 * brentq(excess, -1, 1, xtol=1e-14))


def scale_predicted(X, y, D):
    """The mu at which the max-margin predictor for Q_mu has the excess aimed at."""
    least = ib.max_margin(X, y, ib.L1()).value

    def excess(log_mu):
        beta = ib.max_margin(X, y, ib.Q(np.exp(log_mu / D), D)).beta
        return np.log((np.abs(beta).sum() / least - 1) / target)

    return np.exp(brentq(excess, np.log(1e-8), np.log(1e2), xtol=1e-12))


def main(picture: Path) -> None:
    """Find the accuracies, compare them with the prediction and draw both."""
    data = three_points.same_support()
    X, y = data.X, data.y
    figure, (panel, below) = plt.subplots(
        2, 1, figsize=(8, 8), sharex=True, height_ratios=(3, 2), layout="constrained"
    )
    print(" D   slope   factor fitted   1/mu predicted   off at 1, 1e4, 1e8")
    for D, color, marker in zip(depths, colors, "os^", strict=True):
        factor = 1 / scale_predicted(X, y, D)
        needed = np.array([accuracy_needed(X, y, scale, D, factor * scale) for scale in scales])
        slope, _ = np.polyfit(np.log(scales[large]), np.log(needed[large]), 1)
        fitted = np.exp(np.mean(np.log(needed[large] / scales[large])))
        off = needed / (factor * scales) - 1
        print(f"{D:2d} {slope:8.5f} {fitted:13.4f} {factor:16.4f}      {off[3]:.1e} {off[7]:.1e} {off[11]:.1e}")
        assert abs(slope - 1) < 1e-3
        assert abs(fitted / factor - 1) < 1e-2
        assert abs(off[-1]) < 1e-6

        panel.loglog(
            scales,
            factor * scales,
            color=color,
            lw=1,
            label=rf"predicted: $\tilde\gamma = $ {factor:.5g} $\alpha^D$",
        )
        panel.loglog(
            scales, needed, marker, color=color, ms=6, label=f"$D = {D}$: slope {slope:.5f}, factor {fitted:.5g}"
        )
        below.loglog(scales, np.abs(off), marker + "-", color=color, lw=1, ms=6)
    panel.set(ylabel=r"accuracy $\tilde\gamma = -\log L$ needed", title=r"Accuracy for an $\ell_1$ norm within 5 %")
    panel.legend(fontsize=9, loc="upper left")
    below.set(
        xlabel=r"scale of the predictor at initialization, $\alpha^D$", ylabel="(needed - predicted) / predicted"
    )
    below.plot(scales[4:], 3 / scales[4:], "k:", lw=1)
    below.text(scales[8], 6 / scales[8], r"$\propto \alpha^{-D}$", fontsize=10, ha="left", va="bottom")
    figure.savefig(picture, dpi=110)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "accuracy_by_scale.png"))
