"""Sparse recovery on real data: networks trained until they fit, against the lasso and ridge regression.

Two targets are predicted from 40 training samples and more features than that, the products of measurements. The
area of cell nuclei (scikit-learn's breast cancer data) has hardly any noise and depends on few of its 405 features,
radius times radius above all: a network started small does as well as the lasso, one started large as badly as
ridge regression. The progression of diabetes is mostly noise: whatever fits it exactly fails, and the lasso and
ridge, which do not, win.

Run ``python examples/sparse_recovery.py [PICTURE]``; it takes about ten seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LassoCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from implicitbias.estimators import ImplicitBiasRegressor, ImplicitBiasRegressorCV

training_samples, splits = 40, 3
depths = (2, 3)
scales = np.logspace(-9, 3, 13)  # alpha^D, the scale of the predictor, which is what the depths share
chosen = {
    "lasso": lambda: LassoCV(max_iter=100_000, tol=1e-3),
    "ridge": lambda: RidgeCV(np.logspace(-6, 6, 25)),
    "network, depth 2": lambda: ImplicitBiasRegressorCV(10),
}


def cell_area():
    """Mean area of the nuclei in 569 images, from the 27 other measurements that are not areas."""
    data = load_breast_cancer()
    area = np.array(["area" in name for name in data.feature_names])
    return data.data[:, ~area], data.data[:, data.feature_names == "mean area"][:, 0], data.feature_names[~area]


def diabetes():
    """Disease progression of 442 patients from ten measurements."""
    data = load_diabetes(scaled=False)
    return data.data, data.target, data.feature_names


def compare(X, y, names):
    """Test errors, in standard deviations of the target: along the paths (split, depth, scale), and by method."""
    rng = np.random.default_rng(0)
    path = np.empty((splits, len(depths), len(scales)))
    others = {name: [] for name in chosen}
    for split in range(splits):
        order = rng.permutation(len(y))
        train, test = order[:training_samples], order[training_samples:]
        expansion = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler())
        seen, unseen = expansion.fit_transform(X[train]), expansion.transform(X[test])
        target, truth = ((y[rows] - y[train].mean()) / y[train].std() for rows in (train, test))

        def error(model, seen=seen, target=target, unseen=unseen, truth=truth):
            return np.sqrt(np.mean((model.fit(seen, target).predict(unseen) - truth) ** 2)) / truth.std()

        for i, D in enumerate(depths):
            path[split, i] = [error(ImplicitBiasRegressor(scale ** (1 / D), D)) for scale in scales]
        for name, make in chosen.items():
            model = make()
            others[name].append(error(model))
            if split == 0:
                features = expansion[0].get_feature_names_out(names)
                top = np.argsort(-np.abs(model.coef_))[:3]
                print(f"  {name}: " + ", ".join(f"{model.coef_[i]:+.2f} {features[i]}" for i in top))
    return path, {name: np.mean(values) for name, values in others.items()}


def main(picture: Path) -> None:
    """Compare on both targets and draw the errors."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    titles = ("Area of cell nuclei: hardly any noise", "Progression of diabetes: mostly noise")
    for panel, title, data in zip(panels, titles, (cell_area, diabetes), strict=True):
        print(title)
        path, others = compare(*data())
        for i, D in enumerate(depths):
            panel.loglog(scales, path[:, i].T, color=f"C{i}", lw=0.7, alpha=0.4)
            panel.loglog(scales, path[:, i].mean(axis=0), color=f"C{i}", lw=2, label=f"network of depth {D}")
        # names where lines do not meet: ends of the axis, above or below
        for name, level in others.items():
            panel.axhline(level, color="0.25", ls="--", lw=0.9)
            above = name == "ridge" or (name != "lasso" and panel is panels[0])
            panel.annotate(
                f"{name}, cross-validated",
                (scales[-1], level),
                (0, 3 if above else -3),
                textcoords="offset points",
                fontsize=8,
                ha="right",
                va="bottom" if above else "top",
            )
        print("  test errors: " + ", ".join(f"{name} {level:.3f}" for name, level in others.items()))
        panel.set(title=title, xlabel="scale of the predictor at initialization, $\\alpha^D$")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.tick_params(which="both", labelsize=8)
    panels[0].set(ylabel="test error / standard deviation of the target", ylim=(0.03, 0.15))
    panels[1].set(ylim=(0.6, 5))
    panels[0].legend(fontsize=8, loc="upper left")
    figure.savefig(picture, dpi=110)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "sparse_recovery.png"))
