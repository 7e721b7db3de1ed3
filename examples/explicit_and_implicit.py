"""Two ways of staying near the initialization: what training minimizes, Q, and the distance the weights move, R.

For a network of depth 2 both turn from the l2 norm into the l1 norm as the scale of initialization alpha falls,
but the explicit regularizer R gets there like a power of alpha and the implicit one, Q, only like
1/log(1/alpha): training needs an exponentially smaller initialization than the interpolant nearest to where the
weights started would.

The picture shows the functions of one coordinate (Figure 2 of Woodworth et al. 2020), how far each regularizer is
from the l1 norm at a sparse vector, and the end points of both: on random data, and where many columns of X are
nearly as good as the one that the l1 norm prefers, which is where Q is slowest.

Run ``python examples/explicit_and_implicit.py [PICTURE]``; it takes a few seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import implicitbias as ib

N, d = 40, 100
alphas = np.logspace(-14, 1, 46)


def main(picture: Path) -> None:
    """Evaluate, solve and draw."""
    figure, (functions, values, ends) = plt.subplots(1, 3, figsize=(13.5, 4.2), layout="constrained")

    z = np.linspace(-6.0, 6.0, 301)
    functions.plot(z, ib.special.q(z), color="C0", label="$q(z)$, implicit")
    functions.plot(z, ib.special.r(z), color="C3", label="$r(z)$, explicit")
    functions.set(xlabel="$z = \\beta_i / \\alpha^2$", title="One coordinate")
    functions.legend()

    # the value of each in units in which the l1 norm is its limit
    sparse = np.zeros(d)
    sparse[:4] = 1.0, -0.5, 0.25, 2.0
    norm = np.abs(sparse).sum()
    small = alphas[alphas < 0.5]
    log_scale = np.log(1 / small**2)
    implicit = [abs(ib.Q(alpha)(sparse) / log / norm - 1) for alpha, log in zip(small, log_scale, strict=True)]
    explicit = [abs(ib.R(alpha)(sparse) / norm - 1) for alpha in small]
    values.loglog(small, implicit, color="C0", label="Q / log(1/$\\alpha^2$)")
    values.loglog(small, explicit, color="C3", label="R")
    values.set(xlabel="$\\alpha$", ylabel="relative distance from the l1 norm", title="Value at a sparse vector")
    values.legend(loc="lower right")
    slope = np.polyfit(np.log(small[:20]), np.log(explicit[:20]), 1)[0]
    print(f"R comes to the l1 norm like alpha^{slope:.2f}")

    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, d))
    problems = {
        "Gaussian X": (X, X @ sparse + 0.1 * rng.standard_normal(N)),
        # one column, and many that are nearly as good: the l1 norm prefers the one by a tenth
        "near tie": (np.array([[1.0] + (d - 1) * [0.9]]), np.ones(1)),
    }
    for (problem, data), line in zip(problems.items(), ("-", "--"), strict=True):
        least = np.abs(ib.interpolate(*data, ib.L1(), tol=1e-7).beta).sum()
        # R's excess is off the picture where its scales end
        for kind, color, scales in ((ib.Q, "C0", alphas), (ib.R, "C3", alphas[alphas > 1e-7])):
            path = [ib.interpolate(*data, kind(alpha)).beta for alpha in scales]
            excess = np.array([np.abs(beta).sum() / least - 1 for beta in path])
            ends.loglog(scales, excess, color=color, ls=line, label=f"{kind.__name__}, {problem}")
            within = scales[excess < 0.01]
            reached = f"from alpha = {within.max():.0e} down" if within.size else "not yet"
            print(f"{problem}, {kind.__name__}: within 1 % of the least l1 norm {reached}")
    ends.set(xlabel="$\\alpha$", ylabel="excess over the least l1 norm", title="End points", ylim=(1e-7, 3))
    ends.legend(loc="lower right", fontsize=8)
    figure.savefig(picture, dpi=110)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "explicit_and_implicit.png"))
