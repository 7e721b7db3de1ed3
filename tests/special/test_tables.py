"""Frozen coefficients, computed anew."""

import mpmath
import numpy as np

from implicitbias.special._coefficients import Q2_FIT


def test_coefficients_of_q_at_depth_two():
    def scaled(square):
        y = mpmath.sqrt(square)
        a = mpmath.asinh(y / 2)
        return (a - mpmath.tanh(a / 2)) / y if y else mpmath.mpf(1) / 4

    with mpmath.workprec(120):
        fit, error = mpmath.chebyfit(scaled, [0, 1], len(Q2_FIT), error=True)
        assert error < mpmath.mpf(2) ** -57 / 4
        for found, frozen in zip(reversed(fit), Q2_FIT, strict=True):
            assert abs(float(found) - frozen) <= 2 * np.spacing(abs(frozen))
