"""The comparison: which runs, in which order, until when."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from .measurement import Log, Measurement, judge
from .peers import PEERS, Peer
from .problems import ALPHAS, RICH, SIZES, Alpha, Problem, Size, draw
from .store import ReferenceStore
from .vertex import VertexError
from .worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from .reference import Reference

__all__ = ["QUICK", "Plan", "Record", "run_plan"]

_LIBRARIES: Final = (
    *("implicitbias", "numpy", "scipy", "cvxpy", "clarabel", "ecos", "scs"),
    *("celer", "skglm", "torch", "torchdiffeq", "python-flint"),
)
_PATIENCE: Final = 2.0
"""Seconds that all repetitions of one run may take together before no further one is made."""
_LATE: Final = 2
"""Alphas in a row at which a peer may run out of time before the smaller ones are left out."""


@dataclass(frozen=True)
class Plan:
    """What to compare.

    Attributes
    ----------
    size, seed
        Of the data.
    alphas, depths
        Scales, from large to small, and depths.
    peers
        Those that are not installed are reported as such.
    repetitions
        Rounds over everything; each peer's repetitions are spread over the whole run, so that drift hits all alike.
    budget
        Seconds that one run may take.
    """

    size: Size = SIZES["small"]
    seed: int = 0
    alphas: tuple[Alpha, ...] = ALPHAS
    depths: tuple[float, ...] = (2, 3)
    peers: tuple[Peer, ...] = PEERS
    repetitions: int = 5
    budget: float = SIZES["small"].budget

    @property
    def settings(self) -> dict[str, Any]:
        """What measurements must have in common to be compared."""
        return {
            "size": self.size.name,
            "N": self.size.N,
            "d": self.size.d,
            "seed": self.seed,
            "budget": self.budget,
            "version": version("implicitbias"),
        }


_QUICK: Final = {
    *("implicitbias", "implicitbias, path", "ECOS, primal", "SCS, primal", "SCS, dual"),
    *("SciPy trust-constr", "SciPy L-BFGS", "SciPy trust-exact", "HiGHS simplex"),
    *("gradient descent (torch)", "gradient flow on the dual"),
}
QUICK: Final = {
    "alphas": tuple(map(Alpha, ("1", "1e-3", "1e-30", "exp(-5e5)"))),
    "depths": (2,),
    "peers": tuple(peer for peer in PEERS if peer.name in _QUICK),
    "repetitions": 1,
    "budget": 3.0,
}
"""Settings that end within about a minute: what is slow or nearly the same as another is left out."""


@dataclass
class Record:
    """What came of a plan.

    Attributes
    ----------
    plan
        What was to be compared.
    measurements
        In the order they were made.
    references
        By depth and alpha: proven bound on the error, and l1 norm.
    least_l1
        Least l1 norm, 50 digits; None where it was not needed or there is no unique solution.
    missing
        Names of peers that are not installed, with the module they lack.
    late
        ``(peer, D, alpha)`` left out because the peer had run out of time before.
    interrupted
        Whether runs are missing.
    """

    plan: Plan
    measurements: list[Measurement] = field(default_factory=list)
    references: dict[tuple[float, str], tuple[float, str]] = field(default_factory=dict)
    least_l1: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    late: list[tuple[str, float, str]] = field(default_factory=list)
    interrupted: bool = False
    machine: dict[str, Any] = field(default_factory=lambda: machine())


Step = Callable[[str, int, int], None]
"""Told what comes next, how much is done and how much there is."""


def run_plan(
    plan: Plan, store: ReferenceStore, log_file: Path, *, resume: bool = False, step: Step | None = None
) -> Record:
    """Measure; what there is when interrupted is returned, and on disk.

    Parameters
    ----------
    plan
        What to compare.
    store
        References, computed here where missing.
    log_file
        Where measurements go as they are made.
    resume
        Whether to keep those that the file has.
    step
        Told of every run before it starts.

    Raises
    ------
    ReferenceFailure
        If there is no reference to compare with.
    """
    from threadpoolctl import threadpool_limits

    record = Record(plan)
    log = Log(log_file, plan.settings, resume=resume)
    record.measurements = log.measurements
    record.missing = {peer.name: peer.missing for peer in plan.peers if peer.missing}
    tell: Step = step or (lambda what, done, total: None)
    try:
        with threadpool_limits(1):
            _measure(plan, store, log, record, tell)
    except KeyboardInterrupt:
        record.interrupted = True
    return record


def _measure(plan: Plan, store: ReferenceStore, log: Log, record: Record, tell: Step) -> None:
    X, y = draw(plan.size, plan.seed)
    cells = [(D, alpha) for D in plan.depths for alpha in plan.alphas]
    references: dict[tuple[float, str], Reference] = {}
    for done, (D, alpha) in enumerate(cells):
        tell(f"reference, D = {D:g}, alpha = {alpha.label}", done, len(cells))
        reference = references[D, alpha.label] = store.end_point(Problem(X, y, alpha, D))
        record.references[D, alpha.label] = reference.error, reference.l1
    if any(alpha.log <= RICH for alpha in plan.alphas):
        try:
            record.least_l1 = store.least_l1(X, y)
        except VertexError:
            record.least_l1 = None
    known = {m.key: m for m in log.measurements}
    history: defaultdict[tuple[str, float, str], list[Measurement]] = defaultdict(list)
    runs = [
        (repetition, D, alpha, peer)
        for repetition in range(plan.repetitions)
        for D, alpha in cells
        for peer in plan.peers
        if peer.name not in record.missing and peer.applies(alpha.log, D)
    ]
    late: defaultdict[tuple[str, float], int] = defaultdict(int)
    with Worker(plan.size, plan.seed) as worker:
        for done, (repetition, D, alpha, peer) in enumerate(runs):
            past = history[peer.name, D, alpha.label]
            measurement = known.get((peer.name, D, alpha.label, repetition))
            if measurement is None:
                if repetition == 0 and late[peer.name, D] >= _LATE:
                    record.late.append((peer.name, D, alpha.label))
                    continue
                if repetition and not _worth_repeating(past):
                    continue
                tell(f"{peer.name}, D = {D:g}, alpha = {alpha.label}", done, len(runs))
                outcome = worker.run(peer, alpha, D, plan.budget)
                least = float(record.least_l1) if record.least_l1 and alpha.log <= RICH else None
                measurement = judge(
                    peer, D, alpha.label, repetition, outcome, (X, y), references[D, alpha.label], least
                )
                log.add(measurement)
            past.append(measurement)
            if repetition == 0:
                spent = "time limit" in measurement.reason + measurement.note
                late[peer.name, D] = late[peer.name, D] + 1 if spent else 0


def _worth_repeating(past: Sequence[Measurement]) -> bool:
    return bool(past) and past[-1].usable and sum(m.seconds for m in past) < _PATIENCE


def machine() -> dict[str, Any]:
    """Where and with which versions a comparison ran."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "threads": 1,
        "libraries": found,
    }
