"""Three samples in three dimensions, for pictures of trajectories on the sphere.

Moroshko et al. (2020), section 5, describe such problems and print none of them. These have the properties
described there (``tests/test_three_points.py`` computes each anew), and entries that are small integers. All have
two samples of one label and one of the other.
"""

from __future__ import annotations

import numpy as np

from .data import Dataset

__all__ = [
    "changing_support",
    "deeper_norm",
    "local_minimum",
    "many_l1_solutions",
    "same_support",
    "wide_parting",
]


def same_support() -> Dataset:
    r"""Equal support vectors everywhere: the flow follows the ``Q_mu`` path from end to end.

    Returns
    -------
    Dataset
        ``X (3, 3)`` and labels.

    Notes
    -----
    The support vectors are samples 0 and 2 at every mu, at depths 2, 3 and 10 alike, the margin of sample 1 is at
    least 2.2 times the smallest one. The l2 max-margin direction, along ``(1.66, -1.29, 1.17)``, is 42 degrees
    away from the unique l1 max-margin predictor ``(8/5, 0, 1/5)``, which also has the least ``l_{2/3}`` and
    ``l_{2/10}`` quasi-norm. The l1 dual certificate is 3/5 on the coordinate at zero: at depth 2 ``Q_mu`` gets
    there like ``mu^{2/5}``.

    Stands for figures 3(a), 3(b) and 5 of Moroshko et al. (2020).
    """
    return _dataset(
        "same support", [[0, 3, 5], [1, 0, 3], [1, -3, -3]], "support vectors equal for l2, l1 and all between"
    )


def many_l1_solutions() -> Dataset:
    r"""A segment of l1 max-margin predictors: where on it the flow ends depends on its initialization.

    Returns
    -------
    Dataset
        ``X (3, 3)`` and labels.

    Notes
    -----
    The segment runs from ``(-1/10, 0, -7/10)`` to ``(0, 1/5, -3/5)``, 20 degrees. At depth 2 the support vectors
    are samples 0 and 2 at every mu, the margin of sample 1 is at least 1.4 times the smallest one, and the
    ``Q_mu`` path ends at ``(-0.0306, 0.1389, -0.6306)``, inside. Flow from small scales ends near ``(0, 1/5,
    -3/5)``.

    Stands for figure 3(c) of Moroshko et al. (2020).
    """
    return _dataset(
        "many l1 solutions", [[-3, 2, -1], [3, 2, -2], [4, -1, -2]], "a segment of l1 max-margin predictors"
    )


def changing_support() -> Dataset:
    r"""A support vector of the l2 solution that the l1 solution lacks: flow gets ahead of the ``Q_mu`` path.

    Returns
    -------
    Dataset
        ``X (3, 3)`` and labels.

    Notes
    -----
    At depth 2 samples 0, 1 and 2 start as support vectors, which leaves one direction, ``(2, -1, 4)``. On the
    ``Q_mu`` path sample 1 ceases to be one at ``mu = 0.03774``, a kink. The multiplier of sample 1 would have to
    fall from ``mu = 0.1223`` on, which that of the flow cannot: there the limit of the flow parts from the path,
    by 4 degrees at the kink. The line is the same, as samples 0 and 2 remain support vectors of both, and so is the
    end, the unique l1 max-margin predictor ``(1/8, 0, 1/2)``: a picture of directions does not tell flow from path.
    For that there is :func:`wide_parting`.
    """
    return _dataset(
        "changing support", [[4, 2, 1], [1, 0, 2], [0, -2, 2]], "support vectors differ between l2 and l1"
    )


def wide_parting() -> Dataset:
    r"""A support vector of the l2 solution that the l1 solution lacks: flow leaves the line of the ``Q_mu`` path.

    Returns
    -------
    Dataset
        ``X (3, 3)`` and labels.

    Notes
    -----
    At depth 2 samples 0 and 2 start as support vectors. On the ``Q_mu`` path sample 2 ceases to be one at ``mu =
    0.008861``, a kink. Its multiplier would have to fall from ``mu = 0.04534`` on, which that of the flow cannot:
    there the limit of the flow parts from the path, by 4.5 degrees at the kink. With sample 0 alone as a support
    vector it is free to go beside the path, up to 3.4 degrees from the nearest of its points. Both end at the
    unique l1 max-margin predictor ``(0, 0, 1/3)``.

    Stands for figure 3(d) of Moroshko et al. (2020).
    """
    return _dataset(
        "wide parting", [[-2, -2, 3], [1, -1, 6], [-3, 5, 5]], "flow leaves the line of the max-margin predictors"
    )


def deeper_norm() -> Dataset:
    r"""An l1 max-margin predictor that is not stationary for ``l_{2/3}``: flow at depth 3 goes elsewhere.

    Returns
    -------
    Dataset
        ``X (3, 3)`` and labels.

    Notes
    -----
    At depth 3 the ``Q_mu`` path has support vectors 0 and 2 throughout and ends at the unique l1 max-margin
    predictor ``(2/23, 5/23, 0)``. At ``mu = 0.0208`` the limit of the flow leaves it for ``(0, 1/3, 0)``, the
    least ``l_{2/3}`` quasi-norm with margins of 1.

    Stands for figure 4(a) of Moroshko et al. (2020).
    """
    return _dataset(
        "deeper norm", [[-1, 5, -1], [5, 4, -3], [4, 3, 3]], "the l1 solution is not stationary for l_{2/3}"
    )


def local_minimum() -> Dataset:
    r"""A local minimum of ``l_{2/3}`` that catches small networks of depth 3, and not large ones.

    Returns
    -------
    Dataset
        ``X (3, 3)`` and labels.

    Notes
    -----
    At depth 3 the ``Q_mu`` path has support vectors 0 and 1 until sample 2 enters at ``mu = 0.01294``; from there
    on it rests at the unique l1 max-margin predictor ``(3, 9, 14)/53``, which is not stationary for ``l_{2/3}``. At
    the same mu the multiplier of sample 1 comes to rest, and the limit of the flow leaves for ``(0, 1/6, 1/3)``,
    the least ``l_{2/3}`` quasi-norm with margins of 1. Flow at alpha = 0.1 ends at another local minimum instead,
    ``(0, 0, 1)``, 27 degrees away; at alpha = 0.3 it does not.

    Stands for figure 4(b) of Moroshko et al. (2020).
    """
    return _dataset(
        "local minimum", [[1, 4, 1], [2, -1, 4], [5, -2, 4]], "a local minimum of l_{2/3} catches small networks"
    )


def _dataset(name: str, signed: list[list[int]], description: str) -> Dataset:
    """From the rows ``y_n x_n``; the middle sample gets the other label."""
    labels = np.array([1.0, -1.0, 1.0])
    # adding 0 turns -0 into 0
    X = labels[:, None] * np.array(signed, dtype=np.float64) + 0.0
    return Dataset(name, X, labels, ("x0", "x1", "x2"), f"3 samples in 3 dimensions: {description}")
