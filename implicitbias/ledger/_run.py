"""Running the evidence, on several processes."""

from __future__ import annotations

import difflib
import fnmatch
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from ._check import Search
from ._claim import Claim, Evidence

__all__ = ["Outcome", "Verification", "carry_out", "select", "verify"]


@dataclass(frozen=True)
class Outcome:
    """What became of a piece of evidence.

    Attributes
    ----------
    name, kind : str
        Of the evidence.
    state : str
        ``"holds"``, ``"fails"``, ``"left out"`` (a long one, in the short pass) or ``"not run"`` (interrupted).
    result : str
        What was established, or what went wrong, in one line.
    steps : tuple of str
        The steps that hold.
    cases : int
        Cases of a search that meet the hypothesis.
    seconds : float
        How long it took.
    """

    name: str
    kind: str
    state: str
    result: str
    steps: tuple[str, ...] = ()
    cases: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Verification:
    """Claims with the outcome of their evidence.

    Attributes
    ----------
    claims : dict
        Claims by id.
    outcomes : dict
        Outcomes by name of evidence.
    quick : bool
        Whether it was the short pass.
    seconds : float
        How long it took.
    """

    claims: Mapping[str, Claim]
    outcomes: Mapping[str, Outcome]
    quick: bool
    seconds: float

    def of(self, evidence: Iterable[Evidence]) -> list[Outcome]:
        """The outcomes of some evidence, in its order."""
        return [self.outcomes[e.name] for e in evidence]

    @property
    def failures(self) -> list[Outcome]:
        """Outcomes that fail."""
        return [outcome for outcome in self.outcomes.values() if outcome.state == "fails"]

    @property
    def interrupted(self) -> bool:
        """Whether something was not run."""
        return any(outcome.state == "not run" for outcome in self.outcomes.values())


def select(claims: Mapping[str, Claim], patterns: Sequence[str]) -> dict[str, Claim]:
    """The claims that are named: by id, by the start of an id, or by a pattern with ``*``; all without any.

    Raises
    ------
    ValueError
        If a pattern names none; the message has similar ids.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = {
            name
            for name in claims
            if name == pattern or name.startswith((f"{pattern}.", f"{pattern}-")) or fnmatch.fnmatch(name, pattern)
        }
        if not found:
            near = difflib.get_close_matches(pattern, claims, n=3, cutoff=0.4)
            hint = f"; similar: {', '.join(near)}" if near else ""
            raise ValueError(f"no claim is called {pattern!r}{hint}; --list shows all")
        chosen |= found
    return {name: claim for name, claim in claims.items() if name in chosen or not patterns}


def carry_out(evidence: Evidence, *, quick: bool = False) -> Outcome:
    """Run one piece of evidence here; whatever it raises makes it fail."""
    recorder = evidence.recorder(quick=quick)
    start = time.perf_counter()
    try:
        result, state = evidence.function(recorder), "holds"
        if not recorder.steps:
            result, state = f"nothing was checked ({result})", "fails"
    except Exception as error:
        # a step that fails says so itself; anything else needs its kind to be understood
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        result, state = f"{kind}{error}", "fails"
    cases = recorder.exercised if isinstance(recorder, Search) else 0
    seconds = time.perf_counter() - start
    return Outcome(evidence.name, evidence.kind, state, result, tuple(recorder.steps), cases, seconds)


def verify(
    claims: Mapping[str, Claim],
    *,
    quick: bool = False,
    jobs: int | None = None,
    follow: Callable[[Outcome, int], None] | None = None,
) -> Verification:
    """Run the evidence of claims, each piece once.

    Parameters
    ----------
    claims
        Claims by id.
    quick
        Fewer cases in every search, and no long proofs.
    jobs
        Processes; as many as there are cores when None.
    follow
        Called after each piece with its outcome and the number of pieces in all.

    Returns
    -------
    Verification
        With what was done so far if it is interrupted (``KeyboardInterrupt``).
    """
    pieces = {e.name: e for claim in claims.values() for e in claim.all_evidence}
    wanted = [e for e in pieces.values() if not (quick and e.slow)]
    # the long ones first, so that none is alone at the end
    wanted.sort(key=lambda e: (not e.slow, e.kind != "search"))
    start, done = time.perf_counter(), dict[str, Outcome]()
    outcomes = _outcomes(wanted, quick, jobs or os.cpu_count() or 1)
    try:
        for outcome in outcomes:
            done[outcome.name] = outcome
            if follow is not None:
                follow(outcome, len(wanted))
    except KeyboardInterrupt:
        outcomes.close()
    for name, e in pieces.items():
        if name not in done:
            left_out = quick and e.slow
            words = ("left out", "only in the full pass") if left_out else ("not run", "interrupted")
            done[name] = Outcome(name, e.kind, *words)
    return Verification(claims, {name: done[name] for name in pieces}, quick, time.perf_counter() - start)


def _outcomes(wanted: Sequence[Evidence], quick: bool, jobs: int) -> Generator[Outcome, None, None]:
    if jobs == 1 or len(wanted) < 2:
        yield from (carry_out(e, quick=quick) for e in wanted)
        return
    # fresh processes, not forked ones: BLAS and the progress bar have threads
    context = multiprocessing.get_context("spawn")
    with _one_thread_each():
        pool = ProcessPoolExecutor(min(jobs, len(wanted)), mp_context=context, initializer=_die_when_interrupted)
        futures: dict[Future[Outcome], Evidence] = {pool.submit(carry_out, e, quick=quick): e for e in wanted}
        try:
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    e = futures[future]
                    yield Outcome(e.name, e.kind, "fails", "its process died (memory?); try --jobs 1")
        except (GeneratorExit, KeyboardInterrupt):  # nobody waits for the rest
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        pool.shutdown()


def _die_when_interrupted() -> None:
    """Let an interruption from the terminal end the process, without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that start inside use one BLAS thread: there is one of them per core."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
