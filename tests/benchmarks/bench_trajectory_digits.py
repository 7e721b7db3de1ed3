"""Time of trajectories to many digits, by backend: ``pytest`` with this file's path.

Needs the extra ``bench``. Times are reported, never asserted; the digits are, against ten more of them.
"""

import mpmath
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from implicitbias import Q
from implicitbias.flow.digits import BACKENDS, DigitsFlow

SMALL = np.array([[1.0, 0.2, 0.3], [0.4, 1.0, -0.3], [0.2, -0.5, 1.0]])
LARGE = np.random.default_rng(3).standard_normal((10, 30))
# the loss at an accuracy of 2e4 is 1e-8686, at 1e7 it is 10^-4343000, at 461 it is 1e-200
CASES = {
    "2e4": (SMALL, "100", 2, "exponential", 20000, 30),
    "2e4, 50 digits": (SMALL, "100", 2, "exponential", 20000, 50),
    "1e7": (SMALL, "100", 2, "exponential", 10**7, 30),
    "1e7, 50 digits": (SMALL, "100", 2, "exponential", 10**7, 50),
    "alpha 1e4": (SMALL, "1e4", 2, "exponential", 2 * 10**8, 30),
    "alpha 1e-4350": (SMALL, "1e-4350", 2, "exponential", 10**5, 30),
    "alpha 1e300": (SMALL, "1e300", 2, "exponential", 20000, 30),
    "depth 3": (SMALL, "100", 3, "exponential", 10**7, 30),
    "depth 4": (SMALL, "100", 4, "exponential", 10**7, 30),
    "depth 10": (SMALL, "100", 10, "exponential", 10**6, 30),
    "logistic": (SMALL, "100", 2, "logistic", 10**7, 30),
    "squared": (SMALL, "0.01", 2, "squared", 461, 30),
    "squared, alpha 1e-4350": (SMALL, "1e-4350", 2, "squared", 461, 30),
    "10 x 30": (LARGE, "100", 2, "exponential", 10**6, 30),
}


def run(case, digits, backend=None):
    X, alpha, D, loss, target, _ = case
    flow = DigitsFlow(X, np.ones(len(X)), Q(alpha, D), loss, digits=digits, backend=backend)
    return flow, flow.advance_to(target)


@pytest.mark.parametrize("name", CASES)
def test_trajectory(benchmark, name):
    case = CASES[name]
    with threadpool_limits(1):
        flow, state = benchmark.pedantic(run, args=(case, case[-1]), rounds=1)
        fine = run(case, case[-1] + 10)[1]
    with mpmath.mp.workdps(case[-1] + 30):
        gaps = [abs(a - b) for a, b in zip(state.nu, fine.nu, strict=True)]
        error = max(gaps) / max(map(abs, fine.nu))
        assert error < mpmath.mpf(10) ** -case[-1]
        benchmark.extra_info["error of the dual"] = mpmath.nstr(error, 2)
    benchmark.extra_info |= {"steps": flow.steps, **flow.info}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("digits", [15, 30, 50])
def test_backend(benchmark, backend, digits):
    with threadpool_limits(1):
        benchmark.pedantic(run, args=(CASES["2e4"], digits, backend), rounds=1)
