"""From the kernel to the rich regime: end points of training over twelve orders of magnitude of alpha.

A sparse vector is planted in d = 300 dimensions and observed through N = 60 noisy samples. For every scale of
initialization alpha and depth D the end point of gradient flow is computed exactly, without training, and compared
with the minimum l1 and minimum l2 norm solutions and with the truth.

Run ``python examples/kernel_to_rich.py [PICTURE]``; it takes about ten seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import implicitbias as ib

N, d, sparsity, noise = 60, 300, 5, 0.1
depths = (2, 3, 5)
# the regime depends on alpha^D, the scale of the predictor, so that is what the depths share
scales = np.logspace(-10, 2, 37)


def main(picture: Path) -> None:
    """Solve the path for every depth and draw it."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, d))
    truth = np.zeros(d)
    truth[:sparsity] = 1 / np.sqrt(sparsity)
    y = X @ truth + noise * rng.standard_normal(N)

    l1 = ib.interpolate(X, y, ib.L1(), tol=1e-7).beta
    l2 = ib.interpolate(X, y, ib.L2()).beta
    figure, (norms, error) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for D, color in zip(depths, ("C0", "C1", "C2"), strict=True):
        path = [ib.interpolate(X, y, ib.Q(scale ** (1 / D), D)).beta for scale in scales]
        excess_l1 = [np.abs(beta).sum() / np.abs(l1).sum() - 1 for beta in path]
        excess_l2 = [np.linalg.norm(beta) / np.linalg.norm(l2) - 1 for beta in path]
        norms.loglog(scales, excess_l1, color=color, label=f"D = {D}: l1 norm")
        norms.loglog(scales, excess_l2, color=color, ls="--", label=f"D = {D}: l2 norm")
        error.semilogx(scales, [np.sum((beta - truth) ** 2) for beta in path], color=color, label=f"D = {D}")
        print(f"D = {D}: excess l1 norm {excess_l1[0]:.2e} (rich end) to {excess_l1[-1]:.2e} (kernel end)")

    norms.set(xlabel="scale of the predictor, $\\alpha^D$", ylabel="excess over the minimum", ylim=(1e-8, 300))
    norms.set_title("Which norm training minimizes")
    norms.legend(fontsize=8, loc="upper center", ncols=3)
    # each label at the end of the axis where the curves are elsewhere
    for beta, name, x in ((l1, "minimum l1 norm", 1e-1), (l2, "minimum l2 norm", scales[0])):
        level = np.sum((beta - truth) ** 2)
        error.axhline(level, color="0.5", lw=0.8)
        error.text(x, level + 0.005, name, va="bottom", fontsize=8, color="0.3")
    error.set(xlabel="scale of the predictor, $\\alpha^D$", ylabel="population error", ylim=(0, None))
    error.set_title("How well that generalizes")
    error.legend(fontsize=8, loc="center right")
    figure.savefig(picture, dpi=110)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "kernel_to_rich.png"))
