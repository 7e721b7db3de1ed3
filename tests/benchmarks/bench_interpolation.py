"""Time of one end point, by the package and by peers that run in this process: ``pytest`` with this file's path.

Needs the extra ``bench``. ``implicitbias bench`` compares all peers, with limits; this file is for following a
change of the solver. Times are reported, never asserted; errors too, and those of the package are asserted.
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import implicitbias as ib
from implicitbias.bench import ALPHAS, PEERS, SIZES, Problem, ReferenceStore, cache_directory
from implicitbias.bench.problems import draw

IN_PROCESS = [p for p in PEERS if p.kind in {"package", "path"} or p.name in {"SciPy L-BFGS", "SciPy trust-exact"}]
CASES = [(p, alpha, D) for p in IN_PROCESS for alpha in ALPHAS for D in (2, 3) if p.applies(alpha.log, D)]
BUDGET = 5.0


@pytest.fixture(scope="module", params=["small", "medium"])
def data(request):
    return draw(SIZES[request.param], 0)


@pytest.fixture(scope="module")
def store():
    return ReferenceStore(cache_directory())


@pytest.mark.filterwarnings("ignore")  # overflow in SciPy's trial steps is its way of finding a step
@pytest.mark.parametrize(("peer", "alpha", "D"), CASES, ids=[f"{p.name}-{a.label}-{D}" for p, a, D in CASES])
def test_one_end_point(benchmark, data, store, peer, alpha, D):
    problem = Problem(*data, alpha, D)
    with threadpool_limits(1):
        answer = benchmark.pedantic(peer.run, args=(problem, BUDGET), rounds=3, warmup_rounds=1)
    assert answer.beta is not None, answer.claim
    error = store.end_point(problem).distance(answer.beta)
    benchmark.extra_info["relative error"] = error
    benchmark.extra_info["claim"] = answer.claim
    if peer.kind == "package":
        assert error < 1e-12


def test_least_l1(benchmark, data):
    with threadpool_limits(1):
        found = benchmark.pedantic(ib.interpolate, args=(*data, ib.L1()), rounds=1)
    benchmark.extra_info["l1"] = float(np.abs(found.beta).sum())
