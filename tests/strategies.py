"""Hypothesis strategies for numbers whose magnitude matters more than their digits."""

import math
import random

from hypothesis import strategies as st

LARGEST = math.log10(1.7e308)
SMALLEST = math.log10(5e-324)


def magnitudes(low=SMALLEST, high=LARGEST):
    """Positive floats, uniform in the logarithm between powers of ten, with the ends themselves."""
    ends = st.sampled_from([10.0**low if low > SMALLEST else 5e-324, 10.0**high if high < LARGEST else 1.7e308])
    # Hypothesis shrinks floats towards 0, hence the simplest magnitude is near 1
    return st.one_of(st.floats(low, high).map(lambda e: max(10.0**e, 5e-324)), ends)


def signed(positive):
    """Either sign of what `positive` gives."""
    return st.builds(math.copysign, positive, st.sampled_from([1.0, -1.0]))


def reals(low=SMALLEST, high=LARGEST):
    """Finite floats of any sign and magnitude, and both zeros."""
    return st.one_of(signed(magnitudes(low, high)), st.sampled_from([0.0, -0.0]))


def dual_points(closest=1e-15):
    """Numbers in (-1, 1), as near to 0 and to the ends as floats go."""
    inside = st.one_of(
        magnitudes(high=-1.0), st.floats(0.01, 0.99), magnitudes(math.log10(closest), -1.0).map(lambda u: 1.0 - u)
    )
    return signed(inside)


FIXED_DEPTHS = [3, 4, 5, 6, 10, 100, math.inf, 2.01, 2.5, 2.0 + 1e-10]
# a float kernel fits its tables once for each depth: a few real depths, drawn once, keep the tests short
FIXED_DEPTHS += [round(random.Random(seed).uniform(2.01, 100.0), 6) for seed in range(6)]


def depths(two=False, anew=False):
    """Depths beyond 2, or from 2: real, whole, hardly more than 2, infinite; any number at all if `anew`."""
    beyond = st.sampled_from(FIXED_DEPTHS)
    if anew:
        beyond = st.one_of(beyond, st.floats(2.01, 100.0), st.integers(3, 100))
    return st.one_of(st.just(2), beyond) if two else beyond
