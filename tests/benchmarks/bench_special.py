"""Elements per second and peak memory of the float kernels: ``pytest tests/benchmarks/bench_special.py``.

Needs the extra ``bench``. The name keeps the file out of the default run, which collects ``test_*.py`` only.
Times are reported, never asserted; memory is.
"""

import tracemalloc

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from implicitbias import special

COUNT = 10**7
BEYOND_THE_RESULT = 4 * 2**20


@pytest.fixture(scope="module", params=["log-uniform", "normal"])
def data(request):
    rng = np.random.default_rng(0)
    if request.param == "normal":
        return rng.standard_normal(COUNT)
    return rng.choice([-1.0, 1.0], COUNT) * 10.0 ** rng.uniform(-300, 300, COUNT)


FUNCTIONS = {
    "arcsinh": np.arcsinh,
    "q-2": special.q,
    "q_prime-2": special.q_prime,
    "h_inverse-3": lambda x: special.h_inverse(x, 3),
    "h_inverse-4": lambda x: special.h_inverse(x, 4),
    "h_inverse-10": lambda x: special.h_inverse(x, 10),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_throughput_and_memory(benchmark, data, name):
    function = FUNCTIONS[name]
    function(data[:10])  # tables of the depth are fitted on first use
    with threadpool_limits(1):
        benchmark.pedantic(function, args=(data,), rounds=3, iterations=1)
    benchmark.extra_info["elements per second"] = f"{COUNT / benchmark.stats.stats.min:.3g}"
    tracemalloc.start()
    try:
        result = function(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    benchmark.extra_info["peak beyond the result, MiB"] = round((peak - result.nbytes) / 2**20, 2)
    assert peak - result.nbytes < BEYOND_THE_RESULT
