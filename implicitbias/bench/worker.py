"""A child process that runs one peer at a time, and can be ended when it does not end by itself.

Conic solvers and linear programs run in compiled code that neither looks at a clock nor at an interrupt, and a
large one can take the process with it. So every timed run happens in a child; between runs it stays alive, with
its libraries loaded and its data drawn.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import statistics
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .peers import Answer, Peer
from .problems import SIZES, Alpha, Problem, Size, draw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection

    from .problems import Vector

__all__ = ["Outcome", "Worker"]

_GRACE: Final = 1.5
"""Seconds past its budget after which a run is ended."""
_WARM_UP: Final = 120.0
"""Seconds for loading libraries, compiling and drawing data, before the clock starts."""
_SHORT: Final = 0.2
_MOST: Final = 7
"""A run is repeated on the spot until so many seconds or repetitions are spent; its time is their median."""
_MEMORY: Final = 0.8
"""Part of the machine's memory that a child may take."""
_THREADS: Final = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "VECLIB", "BLIS", "NUMEXPR")
}


@dataclass(frozen=True, eq=False)
class Outcome:
    """How one run ended.

    Attributes
    ----------
    seconds
        Median time of the runs, or the time after which it was ended.
    beta
        Solution, ``(d,)``; None where there is none.
    claim
        Empty where the peer reported success, else what it reported.
    failure
        ``"time limit"``, ``"solver error: ..."`` or ``"crashed: ..."``; empty where it returned.
    info
        Numbers particular to the peer.
    """

    seconds: float
    beta: Vector | None = None
    claim: str = ""
    failure: str = ""
    info: Mapping[str, float] = field(default_factory=dict)


class Worker:
    """Runs peers on the problems of one size, one after the other, each in its time.

    Parameters
    ----------
    size, seed
        Of the data, which the child draws itself.
    """

    def __init__(self, size: Size, seed: int) -> None:
        self._arguments = (size, seed)
        self._process: Any = None
        self._connection: Any = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, peer: Peer, alpha: Alpha, D: float, budget: float) -> Outcome:
        """Run a peer; it has `budget` seconds, which loading and compiling do not count against."""
        self._start()
        started = time.perf_counter()
        try:
            self._connection.send((peer, alpha, D, budget))
            if not self._connection.poll(_WARM_UP):
                self.close()
                return Outcome(time.perf_counter() - started, failure="time limit, while warming up")
            self._connection.recv()
            started = time.perf_counter()
            if not self._connection.poll(budget + _GRACE):
                self.close()
                return Outcome(time.perf_counter() - started, failure="time limit")
            outcome: Outcome = self._connection.recv()
            return outcome
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join(5)
            code = self._process.exitcode
            self.close()
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            return Outcome(time.perf_counter() - started, failure=f"crashed: {how}")
        except BaseException:
            self.close()  # what it still sends would be taken for the answer to the next question
            raise

    def close(self) -> None:
        """End the child, whatever it does."""
        if self._process is None:
            return
        self._connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()
        self._process = self._connection = None

    def _start(self) -> None:
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")  # a fork would inherit thread pools in any state
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        with _environment(_THREADS):  # libraries read these when they are loaded
            self._process.start()
        theirs.close()


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Any:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection[Any, Any], size: Size, seed: int) -> None:
    """Body of the child: answer requests until the parent hangs up."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's affair, which ends this process
    warnings.simplefilter("ignore")
    _limit_memory()
    with open(os.devnull, "w") as nowhere:  # solvers print, and the parent's screen is a table
        os.dup2(nowhere.fileno(), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        os.dup2(nowhere.fileno(), sys.__stderr__.fileno() if sys.__stderr__ else 2)
    small, data = draw(SIZES["tiny"], 0), draw(size, seed)
    warm: set[tuple[str, float]] = set()
    with threadpool_limits(1):
        while True:
            try:
                peer, alpha, D, budget = connection.recv()
            except EOFError:
                return
            if (peer.name, D) not in warm:
                with contextlib.suppress(Exception):  # what goes wrong will again, on the clock
                    peer.run(Problem(*small, alpha, D), min(budget, 1.0))
                    _limit_torch()
                warm.add((peer.name, D))
            connection.send(None)
            connection.send(_timed(peer, Problem(*data, alpha, D), budget))


def _timed(peer: Peer, problem: Problem, budget: float) -> Outcome:
    seconds: list[float] = []
    while not seconds or (sum(seconds) < _SHORT and len(seconds) < _MOST):
        started = time.perf_counter()
        try:
            answer: Answer = peer.run(problem, budget)
        except Exception as error:  # whatever a foreign library may raise is a finding
            text = " ".join(str(error).split()) or type(error).__name__
            return Outcome(time.perf_counter() - started, failure=f"solver error: {text[:200]}")
        seconds.append(time.perf_counter() - started)
    return Outcome(statistics.median(seconds), answer.beta, answer.claim, info=dict(answer.info))


def _limit_torch() -> None:
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _limit_memory() -> None:
    """Make a solver that wants more than the machine has fail alone, where the system can do that."""
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_DATA, (int(_MEMORY * total), int(_MEMORY * total)))
