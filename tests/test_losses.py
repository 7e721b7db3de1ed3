"""Losses of margins in log scale against mpmath."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implicitbias.losses import EXPONENTIAL, LOGISTIC

MARGINS = st.lists(
    st.one_of(st.floats(-50, 50), st.floats(-1e3, 1e3), st.floats(-1e7, 1e7), st.floats(34, 40)),
    min_size=1,
    max_size=6,
)


def exact(loss, margins):
    """-log L, shares, stiffness and log slope at 60 digits."""
    with mpmath.workdps(60):
        m = [mpmath.mpf(v) for v in margins]
        if loss is EXPONENTIAL:
            # in log scale all the same: mpmath holds exponents of any size
            values = slopes = [mpmath.exp(-v) for v in m]
            stiffness = [mpmath.mpf(1)] * len(m)
        else:
            values = [mpmath.log1p(mpmath.exp(-v)) for v in m]
            slopes = [1 / (1 + mpmath.exp(v)) for v in m]
            stiffness = [1 / (1 + mpmath.exp(-v)) for v in m]
        total = sum(slopes)
        accuracy = -mpmath.log(sum(values) / len(m))
        return accuracy, [s / total for s in slopes], stiffness, mpmath.log(total / len(m))


@pytest.mark.parametrize("loss", [EXPONENTIAL, LOGISTIC], ids=lambda loss: loss.name)
@given(margins=MARGINS)
def test_against_mpmath(loss, margins):
    pull = loss.pull(np.array(margins))
    accuracy, shares, stiffness, log_slope = exact(loss, margins)
    size = max(1.0, max(map(abs, margins)))
    # margins are given to rounding of their own size, and so are logarithms
    assert abs(pull.accuracy - accuracy) <= 4e-16 * size
    assert loss.accuracy(np.array(margins)) == pull.accuracy
    assert abs(pull.log_slope - log_slope) <= 4e-16 * size
    np.testing.assert_allclose(pull.share, [float(s) for s in shares], rtol=1e-15 * size, atol=1e-300)
    np.testing.assert_allclose(
        np.broadcast_to(pull.stiffness, len(margins)), [float(s) for s in stiffness], rtol=1e-14, atol=1e-300
    )


def test_losses_agree_where_margins_are_large():
    margins = np.array([300.0, 301.0, 1e5])
    assert LOGISTIC.accuracy(margins) == pytest.approx(EXPONENTIAL.accuracy(margins), rel=1e-15)
