"""Strategies for regression problems, and a counter of the examples that meet a hypothesis."""

from collections import Counter

import numpy as np
from hypothesis import event
from hypothesis import strategies as st

EXERCISED = Counter()
"""Examples by property: ``(name, True)`` where the hypothesis of the theorem is met."""


def exercise(name, met):
    """Count an example; return whether it counts."""
    EXERCISED[name, bool(met)] += 1
    event(f"hypothesis {'met' if met else 'not met'}")
    return met


def exercised(*names, least=0.6):
    """Run a property, then require that its hypotheses were met in at least this share of the examples."""

    def wrap(run):
        def test():
            run()
            for name in names:
                met, missed = EXERCISED[name, True], EXERCISED[name, False]
                assert met > 0, f"{name}: never met"
                assert met >= least * (met + missed), f"{name}: met by {met} of {met + missed} examples"

        test.__name__, test.__doc__ = run.__name__, run.__doc__
        return test

    return wrap


@st.composite
def regressions(draw, samples=3, features=5, decades=6.0):
    """``X, y`` with a solution: any rank, sparse or tied columns, targets over many orders of magnitude."""
    N, d = draw(st.integers(1, samples)), draw(st.integers(2, features))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((N, d)) * 10.0 ** rng.uniform(-1, 1, d)
    kind = draw(st.sampled_from(["plain", "plain", "tied", "deficient", "sparse"]))
    if kind == "tied":
        X[:, 1] = X[:, 0]
    if kind == "deficient" and N > 1:
        X[-1] = 2 * X[0]
    beta = rng.standard_normal(d)
    if kind == "sparse":
        beta[1:] = 0
    size = 10.0 ** draw(st.floats(-decades, decades))
    return X, X @ beta * size


def least_l2(X, y):
    return float(np.linalg.norm(np.linalg.lstsq(X, y, rcond=1e-12)[0]))
