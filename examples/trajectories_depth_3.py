"""Trajectories of classifiers of depth 3: the l_{2/3} quasi-norm takes over from l1.

The same as ``trajectories_on_the_sphere.py`` at depth 3 (figure 4 of Moroshko et al. 2020). The max-margin
predictors for ``Q_mu`` tend to l1 at every depth, while flow that is followed for ever ends at a stationary point
of the ``l_{2/3}`` quasi-norm. Where the l1 predictor is one there is no conflict (a). Where it is none, (b) and
(c), flow leaves the path for ``Q_mu`` at the triangle, however large its scale, and goes where `flow_limit` says,
which leads to the least ``l_{2/3}`` quasi-norm. Small networks never come near the path: in (b) they end at the
same point, in (c) at a local minimum that is not the global one.

Run ``python examples/trajectories_depth_3.py [PICTURE]``; it takes about ten seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from trajectories_on_the_sphere import angle, draw, finish, report, study

import implicitbias as ib
from implicitbias import three_points


def quasi_norm(problem):
    """The predictor of least l_{2/3} quasi-norm with margins of 1, and the other local minima."""
    result = ib.max_margin(problem.X, problem.y, ib.Lp(2 / 3))
    assert result.info["global"]
    others = [point.beta for point in result.info["local_minima"] if angle(point.beta, result.beta) > 1e-3]
    return result.beta, others


def main(picture: Path) -> None:
    """Study the three problems, check what the docstring says of them and draw them."""
    same, deeper, trap = three_points.same_support(), three_points.deeper_norm(), three_points.local_minimum()
    agree = study("(a) the norms agree", same.X, same.y, 3)
    leave = study("(b) flow leaves for the quasi-norm", deeper.X, deeper.y, 3)
    catch = study("(c) a local minimum catches small networks", trap.X, trap.y, 3)
    problems = (agree, leave, catch)
    (best_a, _), (best_b, _), (best_c, local) = minima = [quasi_norm(problem) for problem in problems]

    # what the problems are to be
    assert all(problem.l1.info["unique"] for problem in problems)
    assert np.allclose(agree.l1.beta, best_a)
    for problem, (best, others) in zip((leave, catch), minima[1:], strict=True):
        # a stationary point is a local minimum here, for as many support vectors as coordinates
        assert min(angle(problem.l1.beta, point) for point in (best, *others)) > 9
        parting = problem.limit.events[-1]
        assert parting.kind == "leaves"
        before = problem.limit.mus > parting.mu
        assert angle(problem.path.beta[before], problem.limit.beta[before]).max() < 1e-6

    # what the flow does
    angles = [report(problem) for problem in problems]
    assert all(found[1e4][1].max() < 1e-8 for found in angles)  # degrees to the limit
    assert angles[0][1e4][0].max() < 1e-8  # to Q_mu
    assert min(angles[1][1e4][0][3], angles[2][1e4][0][3]) > 5
    assert all(angle(problem.path.beta[-1], problem.l1.beta) < 0.1 for problem in problems)
    assert angle(leave.limit.beta[-1], best_b) < 0.5
    assert angle(catch.limit.beta[-1], best_c) < 0.5
    for alpha in (0.01, 0.1):
        assert angle(leave.flows[alpha][-1], best_b) < 0.01
        assert min(angle(catch.flows[alpha][-1], point) for point in local) < 0.01

    figure, panels = plt.subplots(1, 3, figsize=(14, 6), layout="constrained")
    views = [
        (([0, 2, 1], (-5, 95), (-40, 14)), "<<<>"),
        (([0, 1, 2], (53, 93), (-6, 12)), "^<<<"),
        (([2, 1, 0], (-8, 50), (-8, 47)), "<<><"),
    ]
    for panel, problem, view, (best, others) in zip(panels, problems, views, minima, strict=True):
        extra = [
            ([best], "h", "#56B4E9", 17, r"$\ell_{2/3}$ max margin"),
            (others, "h", "white", 13, r"$\ell_{2/3}$ local minimum"),
        ]
        draw(panel, problem, *view, extra)
    finish(figure, panels, picture)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "trajectories_depth_3.png"))
