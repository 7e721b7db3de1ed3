"""The package against its peers: conic solvers, SciPy, linear programming, training.

Every peer is a small function behind one table (:data:`PEERS`), every run happens in a child process with a time
limit, and every answer is judged against references that carry a proven bound on their own error.
"""

from __future__ import annotations

from .peers import PEERS, Answer, Peer
from .problems import ALPHAS, SIZES, Alpha, Problem, Size
from .reference import Reference, ReferenceFailure, solve_reference
from .run import QUICK, Plan, Record, run_plan
from .store import ReferenceStore, cache_directory

__all__ = [
    "ALPHAS",
    "PEERS",
    "QUICK",
    "SIZES",
    "Alpha",
    "Answer",
    "Peer",
    "Plan",
    "Problem",
    "Record",
    "Reference",
    "ReferenceFailure",
    "ReferenceStore",
    "Size",
    "cache_directory",
    "run_plan",
    "solve_reference",
]
