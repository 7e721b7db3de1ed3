"""Trajectories of classifiers on the sphere: scale of initialization against accuracy.

Gradient flow on the exponential loss of a diagonal network of depth 2, for three problems of three samples in
three dimensions and six scales of initialization alpha. Drawn are directions of predictors, as in figure 3 of
Moroshko et al. (2020). From the mean of the samples, large networks go to the l2 max-margin predictor and then
along the max-margin predictors for ``Q_mu`` towards l1; small ones go to l1 straight away. Cross lines join the
points of all trajectories at the loss ``exp(-alpha^2/mu)``. Where the support vectors stay the same they end at
the predictor for ``Q_mu``: (a), and (b), where a segment of predictors has the least l1 norm. Where they change,
(c), flow leaves the path for ``Q_mu`` however large its scale, well before the kink of that; it goes where
`flow_limit` says, and meets the path again at its end.

The largest networks are followed to a loss of 10 to the power -4e10, which takes a second or two.

Run ``python examples/trajectories_on_the_sphere.py [PICTURE]``; it takes about five seconds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke

import implicitbias as ib
from implicitbias import three_points

scales = (1e-2, 1e-1, 1.0, 10.0, 100.0, 1e4)
marks = np.array([1.0, 0.1, 0.01, 0.001])  # mu of the cross lines
colors = dict(zip(scales, plt.get_cmap("viridis")(np.linspace(0.93, 0.05, len(scales))), strict=True))
orange, green, pink = "#D55E00", "#009E73", "#CC79A7"


@dataclass
class Study:
    """One problem at one depth; `near` are the directions of each trajectory at the mu of `marks`."""

    name: str
    X: np.ndarray
    y: np.ndarray
    flows: dict[float, np.ndarray]
    near: dict[float, np.ndarray]
    log10_loss: dict[float, np.ndarray]
    path: ib.MarginPath
    limit: ib.FlowLimit
    kinks: list[np.ndarray]
    partings: list[np.ndarray]
    at: np.ndarray  # where `marks` are on path and limit
    l1: ib.Result
    l2: ib.Result

    @property
    def rows(self):
        """The samples times their labels, ``y_n x_n``."""
        return self.y[:, None] * self.X


def study(name, X, y, D) -> Study:
    """Follow the flow at all scales, and both candidates for its limit."""
    mus = np.union1d(np.geomspace(1e-6, 1e3, 64), marks)[::-1]
    path, limit = ib.max_margin_path(X, y, mus, D), ib.flow_limit(X, y, D, mus)
    flows, near, log10_loss = {}, {}, {}
    for alpha in scales:
        wanted = alpha**D / marks
        saved = np.geomspace(1e-3 * min(alpha**D, 1.0), max(wanted.max(), 1e4), 150)
        save_at = np.union1d(saved, wanted)
        flow = ib.gradient_flow(X, y, alpha, D, "exponential", save_at=save_at)
        here = np.searchsorted(save_at, wanted)
        flows[alpha] = flow.direction.astype(float)
        near[alpha], log10_loss[alpha] = flows[alpha][here], flow.log10_loss[here].astype(float)
    kinks = [ib.max_margin(X, y, ib.Q(kink.mu ** (1 / D), D)).beta for kink in path.kinks]
    partings = [event.mu for event in limit.events if event.kind == "leaves"]
    partings = list(ib.flow_limit(X, y, D, partings).beta) if partings else []
    at = np.searchsorted(-mus, -marks)
    l1, l2 = ib.max_margin(X, y, ib.L1()), ib.max_margin(X, y, ib.L2())
    return Study(name, X, y, flows, near, log10_loss, path, limit, kinks, partings, at, l1, l2)


def angle(u, v):
    """Angles between vectors along the last axis, in degrees; those of nearly equal vectors keep their digits."""
    u, v = (w / np.linalg.norm(w, axis=-1, keepdims=True) for w in (u, v))
    return np.degrees(2 * np.arcsin(np.linalg.norm(u - v, axis=-1) / 2))


def report(problem: Study) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Print where the trajectories are at the marks; their angles to the predictors for Q_mu and the limit."""
    print(f"{problem.name}\n   alpha      mu   log10 loss   degrees to Q_mu   to the limit of flow")
    angles = {}
    for alpha in scales:
        at_q, at_limit = problem.path.beta[problem.at], problem.limit.beta[problem.at]
        angles[alpha] = angle(problem.near[alpha], at_q), angle(problem.near[alpha], at_limit)
        for i in (1, 3):
            to_q, to_limit = (a[i] for a in angles[alpha])
            print(f"{alpha:8g} {marks[i]:7g} {problem.log10_loss[alpha][i]:12.5g} {to_q:17.2e} {to_limit:22.2e}")
    return angles


def draw(panel, problem: Study, view, sides, extra=()) -> None:
    """Draw a study.

    `view` is the order of the axes, the last of which is the pole, and the window in degrees; `sides` say where the
    labels of the squares stand.
    """
    axes, (left, right), (low, high) = view

    def sphere(w):
        w = np.atleast_2d(w)[:, axes]
        return np.degrees(np.arctan2(w[:, 1], w[:, 0])), np.degrees(np.arcsin(w[:, 2] / np.linalg.norm(w, axis=1)))

    azimuth, pitch = np.meshgrid(np.linspace(left, right, 300), np.linspace(low, high, 300))
    a, p = np.radians(azimuth), np.radians(pitch)
    grid = np.stack([np.cos(p) * np.cos(a), np.cos(p) * np.sin(a), np.sin(p)], axis=-1)
    margin = (grid @ problem.rows[:, axes].T).min(axis=-1)
    panel.contourf(azimuth, pitch, margin, [0, np.inf], colors=["0.93"])

    panel.plot(
        *sphere(problem.limit.beta), color=pink, lw=7, alpha=0.55, solid_capstyle="round", label="limit of flow"
    )
    for alpha in scales:
        panel.plot(*sphere(problem.flows[alpha]), color=colors[alpha], lw=1.6, label=rf"flow, $\alpha = {alpha:g}$")
    squares = problem.path.beta[problem.at]
    for i in range(len(marks)):
        ends = np.array([problem.near[alpha][i] for alpha in scales])
        panel.plot(*sphere(ends), ":", color="0.35", lw=1, marker=".", ms=3, label=r"loss $\exp(-\alpha^D/\mu)$")
    panel.plot(*sphere(problem.path.beta), "k--", lw=1.3, label=r"max margin for $Q_\mu$")
    solutions = problem.l1.info["solutions"].vertices()
    points = [
        *extra,
        (squares, "s", "white", 6, r"$Q_\mu$ at the $\mu$ written"),
        ([problem.rows.mean(axis=0)], "D", "0.5", 7, "start: mean of the samples"),
        ([problem.l2.beta], "o", green, 9, r"$\ell_2$ max margin"),
        (problem.kinks, "X", "white", 7, r"kink of the $Q_\mu$ path"),
        (solutions, "*", orange, 14, r"$\ell_1$ max margin"),
        (problem.partings, "<", pink, 8, r"flow leaves the $Q_\mu$ path"),
    ]
    for where, marker, color, size, label in points:
        if len(where):
            panel.plot(*sphere(where), marker, mfc=color, mec="k", ms=size, label=label, ls="none", zorder=4)
    if len(solutions) == 2:
        panel.plot(*sphere(np.linspace(*solutions)), color=orange, lw=2.5, zorder=3)
    for mu, x, y, side in zip(marks, *sphere(squares), sides, strict=True):
        place = {
            "<": ((-10, -3), "right"),
            ">": ((10, -3), "left"),
            "^": ((0, 7), "center"),
            "v": ((0, -14), "center"),
        }
        text = panel.annotate(f"{mu:g}", (x, y), place[side][0], textcoords="offset points", ha=place[side][1])
        text.set(fontsize=9, zorder=5, path_effects=[withStroke(linewidth=2, foreground="w")])
    panel.set(xlim=(left, right), ylim=(low, high), xlabel="azimuth (degrees)", title=problem.name)


def finish(figure, panels, picture: Path) -> None:
    """Give the panels one legend and save them."""
    panels[0].set_ylabel("pitch (degrees)")
    entries = {
        label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    figure.savefig(picture, dpi=100)
    print(f"wrote {picture}")


def main(picture: Path) -> None:
    """Study the three problems, check what the docstring says of them and draw them."""
    data = three_points.same_support()
    same = study("(a) support vectors equal", data.X, data.y, 2)
    data = three_points.many_l1_solutions()
    many = study("(b) a segment of l1 solutions", data.X, data.y, 2)
    data = three_points.wide_parting()
    changing = study("(c) support vectors change", data.X, data.y, 2)

    # what the problems are to be
    for problem in (same, many):
        assert (problem.path.support == problem.l2.info["support"]).all()
        assert (problem.path.kinks, problem.limit.events) == ((), ())
    assert np.array_equal(same.l1.info["support"], same.l2.info["support"])
    assert angle(same.l1.beta, same.l2.beta) > 40
    assert [problem.l1.info["dimension"] for problem in (same, many, changing)] == [0, 1, 0]
    assert changing.l1.info["support"].sum() < changing.l2.info["support"].sum()
    (kink,), (event,) = changing.path.kinks, changing.limit.events
    assert (kink.sample, kink.kind) == (event.sample, event.kind) == (2, "leaves")
    assert event.mu > 5 * kink.mu

    # what the flow does
    for problem in (same, many):
        assert report(problem)[1e4][0].max() < 1e-6
    angles = report(changing)
    assert angles[1e4][1].max() < 1e-5
    gaps = angles[100][0][2], angles[1e4][0][2]
    assert min(gaps) > 2
    assert abs(gaps[1] / gaps[0] - 1) < 1e-3  # a larger scale does not bring it nearer to the path

    figure, panels = plt.subplots(1, 3, figsize=(14, 6), layout="constrained")
    draw(panels[0], same, ([0, 2, 1], (-5, 95), (-40, 10)), "<<<<")
    draw(panels[1], many, ([0, 2, 1], (-110, -40), (-10, 40)), "<<><")
    draw(panels[2], changing, ([2, 0, 1], (-38, 4), (-22, 12)), "<vv>")
    finish(figure, panels, picture)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "trajectories_on_the_sphere.png"))
