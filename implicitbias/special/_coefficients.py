"""Constants taken from a computation that the tests repeat and compare (``tests/special/test_tables.py``)."""

Q2_FIT = (
    0.25,
    -0.005208333333333252,
    0.000390624999996133,
    -4.35965401059077e-05,
    5.933972816419695e-06,
    -9.103213967997707e-07,
    1.5128904765365168e-07,
    -2.6599010972211293e-08,
    4.8353536805378085e-09,
    -8.626331660603935e-10,
    1.3085471830435626e-10,
    -1.17747558208184e-11,
)
"""``q(z)/z**2`` on [0, 1] in ascending powers of ``z**2``: Chebyshev fit, relative error below 2^-57."""
