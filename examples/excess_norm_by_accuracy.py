"""How the l1 norm of a classifier falls to the least possible while training goes on, at depths 2, 3 and 10.

Three samples in three dimensions, with one predictor of least norm for l1, l_{2/3} and l_{2/10} alike; gradient
flow on the exponential loss from two scales of initialization, followed to a loss of 10 to the power -43,000,000.
The excess of ``||w/gamma||_1``, gamma the smallest margin, over the least l1 norm with margins of 1 is drawn
against the accuracy, minus the logarithm of the loss (figure 5a of Moroshko et al. 2020). Depth helps: in the end
the excess falls like the inverse of the accuracy at depths above 2, but like its power 2/5 at depth 2. The
max-margin predictors for ``Q_mu`` at ``mu = alpha^D / accuracy``, thin lines, fall with the same powers. Flow is
close to them from a scale of 1, and behind from smaller ones: leaving its start takes accuracy as well, the more
the deeper the network.

Run ``python examples/excess_norm_by_accuracy.py [PICTURE]``; it takes about ten seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import implicitbias as ib
from implicitbias import three_points

depths = (2, 3, 10)
scales = (0.1, 1.0)  # alpha^D
colors = ("#0072B2", "#D55E00", "#009E73")
accuracies = np.geomspace(1, 1e8, 120)


def main(picture: Path) -> None:
    """Follow six trajectories and draw their excess norms."""
    data = three_points.same_support()
    rows = data.y[:, None] * data.X
    least = ib.max_margin(data.X, data.y, ib.L1())
    assert least.info["unique"]
    for norm in (ib.L1(), ib.Lp(2 / 3), ib.Lp(2 / 10)):
        assert np.allclose(ib.max_margin(data.X, data.y, norm).beta, [8 / 5, 0, 1 / 5])
    # the dual solution says how much slope is left where the solution is zero; at depth 2 that sets the power
    slope = np.abs(rows.T @ least.dual)[1]
    powers = {2: 1 - slope, 3: 1.0, 10: 1.0}

    figure, panel = plt.subplots(figsize=(8, 5.6), layout="constrained")
    print(" D  alpha^D   accuracy at 5 %   power of the fall   predicted   excess at the end   over Q_mu's")
    for D, color in zip(depths, colors, strict=True):
        for scale, style in zip(scales, ("--", "-"), strict=True):
            # an excess of 1e-8 is a difference of norms: 12 digits of these leave 4 of it
            flow = ib.gradient_flow(
                data.X, data.y, scale ** (1 / D), D, "exponential", save_at=accuracies, digits=12
            )
            accuracy, excess = flow.accuracy.astype(float), flow.l1_excess
            ideal = ib.max_margin_path(data.X, data.y, scale / accuracy, D).l1_excess
            panel.loglog(accuracy, ideal, style, color=color, lw=0.7)
            panel.loglog(accuracy, excess, style, color=color, lw=2, label=rf"$D = {D}$, $\alpha^D = {scale:g}$")

            reached = accuracy[np.flatnonzero(~(excess < 0.05))[-1] + 1]
            power = -np.polyfit(np.log(accuracy[-15:]), np.log(excess[-15:]), 1)[0]
            over = excess[-1] / ideal[-1]
            print(
                f"{D:2d} {scale:8g} {reached:17.3g} {power:19.3f} {powers[D]:11.3f} {excess[-1]:19.2e} {over:13.2f}"
            )
            assert abs(power - powers[D]) < 0.03

    panel.plot([], [], color="k", lw=0.7, label=r"thin: max margin for $Q_\mu$, $\mu = \alpha^D / \tilde\gamma$")
    panel.axhline(0.05, color="0.5", lw=0.8, ls=":")
    panel.text(accuracies[-1], 0.052, "5 %", fontsize=9, color="0.3", ha="right", va="bottom")
    panel.set(
        xlim=(accuracies[0], accuracies[-1]),
        ylim=(1e-8, 1),
        xlabel=r"accuracy $\tilde\gamma = -\log L$",
        ylabel=r"excess $\ell_1$ norm, $\|w/\gamma\|_1 / \|w_{\ell_1}\|_1 - 1$",
        title=r"Falling to the least $\ell_1$ norm",
    )
    panel.legend(fontsize=9, loc="lower left")
    figure.savefig(picture, dpi=110)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "excess_norm_by_accuracy.png"))
