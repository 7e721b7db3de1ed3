"""Many interpolation problems in one call: many targets for one design, or many designs.

The problems go down in log alpha side by side (`_continuation`) and are refined and judged together
(`_refine`). One that does not settle is handed to the solver of single problems; the result says which were.
NumPy arrays and torch tensors, of any device, take the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._result import InfeasibleError, Status
from ...regularizer import L1, L2, Q, R
from ._continuation import follow
from ._problems import Problems, constant, namespace
from ._refine import refine, residuals
from ._result import BatchResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ...regularizer import Regularizer

__all__ = ["Flat", "broadcast", "solve_batch", "solve_flat", "solve_one", "to_result"]

_ELEMENTS = 2**24
"""Entries of ``X W`` or ``X W X^T`` formed at a time; larger batches are solved in parts."""
_PASSES = 2
"""Corrections of the minimum l2 norm."""


@dataclass
class Flat:
    """Results of B problems along the first axis; statuses and what is read by people are on the host."""

    beta: Any
    nu: Any
    value: Any
    residuals: dict[str, Any]
    steps: Any
    statuses: Any
    single: Any

    def map(self, function: Callable[[Any], Any]) -> Flat:
        """Return the results with the arrays that are not for the host replaced."""
        found = {name: function(values) for name, values in self.residuals.items()}
        beta, nu, value = (function(a) for a in (self.beta, self.nu, self.value))
        return Flat(beta, nu, value, found, self.steps, self.statuses, self.single)


def solve_batch(
    X: ArrayLike, y: ArrayLike, reg: Regularizer, *, tol: float = 1e-12, max_iterations: int = 2000
) -> BatchResult:
    """Minimize a regularizer among the predictors that fit the data, for every problem of a batch.

    Parameters
    ----------
    X
        Designs, ``(..., N, d)``.
    y
        Targets, ``(..., N)``; the leading axes of `X` and `y` are broadcast. What problems with one X can share
        (``X (N, d)``, ``y (..., N)``) they do.
    reg
        A `Q`, `R`, `L2` or `L1` regularizer, the same for all problems. `L1` is solved problem by problem.
    tol
        Largest residual (:func:`implicitbias.certificates.residuals`) that counts as converged.
    max_iterations
        Limit on Newton steps, for each problem.

    Returns
    -------
    BatchResult
        Not checked: :meth:`BatchResult.raise_for_status` does that.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.
    """
    X, y = _as_floats("X", X), _as_floats("y", y)
    flat_X, flat_y, shape = broadcast(X, y, reg)
    return to_result(solve_flat(flat_X, flat_y, reg, tol=tol, max_iterations=max_iterations), shape)


def _as_floats(name: str, value: ArrayLike) -> Any:
    array: Any = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(np.float64, copy=False)


def broadcast(X: Any, y: Any, reg: Regularizer) -> tuple[Any, Any, tuple[int, ...]]:
    """Check the data and bring them to ``X (N, d)`` or ``(B, N, d)``, ``y (B, N)``; also the shape of the batch.

    Raises
    ------
    ValueError
        If the shapes do not go together, or an entry is not finite.
    """
    xp = namespace(X)
    if X.ndim < 2 or y.ndim < 1:
        raise ValueError(
            f"X must have shape (..., N, d) and y shape (..., N), got shapes {tuple(X.shape)} and {tuple(y.shape)}"
        )
    N, d = (int(n) for n in X.shape[-2:])
    if N == 0 or d == 0:
        raise ValueError(f"X must have at least one row and one column, got shape {tuple(X.shape)}")
    if y.shape[-1] != N:
        raise ValueError(f"y must have one entry per row of X: X has {N} rows, y has {y.shape[-1]}")
    for name in ("w0", "weights", "reference"):
        vector = getattr(reg, name, None)
        if vector is not None and vector.shape != (d,):
            raise ValueError(
                f"{name} must have one entry per column of X: X has {d} columns, {name} has {len(vector)} entries"
            )
    for name, array in (("X", X), ("y", y)):
        finite = xp.isfinite(array)
        if not bool(finite.all()):
            where = tuple(int(i) for i in xp.argwhere(~finite)[0])
            raise ValueError(
                f"{name} must be finite, got {array[where].item()} at index {where} "
                f"({int((~finite).sum())} such entries in all)"
            )
    try:
        shape = np.broadcast_shapes(tuple(X.shape[:-2]), tuple(y.shape[:-1]))
    except ValueError:
        raise ValueError(
            "the leading axes of X and y must go together by broadcasting, "
            f"got X of shape {tuple(X.shape)} and y of shape {tuple(y.shape)}"
        ) from None
    y = xp.broadcast_to(y, (*shape, N)).reshape(-1, N)
    if all(n == 1 for n in X.shape[:-2]):
        return X.reshape(N, d), y, shape
    return xp.broadcast_to(X, (*shape, N, d)).reshape(-1, N, d), y, shape


def to_result(flat: Flat, shape: tuple[int, ...]) -> BatchResult:
    """Results of the problems, in the shape of the batch."""
    statuses = flat.statuses.reshape(shape)
    failed = [status for status in flat.statuses if status is not Status.CONVERGED]
    return BatchResult(
        flat.beta.reshape(*shape, flat.beta.shape[-1]),
        failed[0] if failed else Status.CONVERGED,
        {name: values.reshape(shape) for name, values in flat.residuals.items()},
        int(flat.steps.max()) if len(flat.steps) else 0,
        dual=flat.nu.reshape(*shape, flat.nu.shape[-1]),
        value=flat.value.reshape(shape),
        info={"iterations": flat.steps.reshape(shape), "single": flat.single.reshape(shape)},
        statuses=statuses,
    )


def solve_flat(X: Any, y: Any, reg: Any, *, tol: float, max_iterations: int) -> Flat:
    """Solve the problems ``X (N, d)`` or ``(B, N, d)``, ``y (B, N)``, all in float64."""
    if not isinstance(reg, Q | R | L2 | L1):
        raise TypeError(f"reg must be a Q, R, L1 or L2 regularizer, got {type(reg).__name__}")
    if isinstance(reg, R) and getattr(reg, "D", 2) != 2:
        raise ValueError(
            f"reg must be convex, got {reg!r}: R is not beyond D = 2, and its minimum need not be unique"
        )
    N, d = X.shape[-2:]
    size = max(1, _ELEMENTS // (N * max(N, d)))
    parts = []
    for i in range(0, max(len(y), 1), size):
        some, targets = X if X.ndim == 2 else X[i : i + size], y[i : i + size]
        if isinstance(reg, L1) or len(targets) == 0:
            part = _blank(some, targets, reg)
        else:
            with np.errstate(all="ignore"):  # what is not finite is turned back, or judged
                part = _solve_together(some, targets, reg, tol, max_iterations)
        for j in np.flatnonzero(part.single):
            _solve_single(part, int(j), some if X.ndim == 2 else some[j], targets[j], reg, tol, max_iterations)
        parts.append(part)
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Flat]) -> Flat:
    xp = namespace(parts[0].beta)

    def joined(name: str) -> Any:
        return (np if name in {"steps", "statuses", "single"} else xp).concatenate(
            [getattr(p, name) for p in parts]
        )

    found = {name: xp.concatenate([part.residuals[name] for part in parts]) for name in parts[0].residuals}
    return Flat(**{f.name: found if f.name == "residuals" else joined(f.name) for f in fields(Flat)})


def _blank(X: Any, y: Any, reg: Any) -> Flat:
    """Nothing yet: every problem is for the solver of single ones."""
    xp, B = namespace(y), len(y)
    beta = xp.zeros_like(y[:, :1]) + xp.zeros_like(X[..., 0, :])
    names = ("primal", "dual" if isinstance(reg, L1) else "stationarity", "gap")
    found = {name: xp.zeros_like(y[:, 0]) for name in names}
    statuses = np.full(B, Status.STALLED, dtype=object)
    return Flat(beta, y + 0.0, beta.sum(-1), found, np.zeros(B, dtype=np.int64), statuses, np.full(B, True))


def _solve_together(X: Any, y: Any, reg: Any, tol: float, max_iterations: int) -> Flat:
    xp = namespace(y)
    unit = _row_units(X)
    problems = Problems.of(X, y) if unit is None else Problems.of(X * unit[..., None], y * unit)
    if isinstance(reg, L2):
        beta, nu = _minimum_l2(problems, reg)
        steps: Any = np.ones(len(y), dtype=np.int64)
    else:
        beta, nu, steps = follow(problems, reg, max_iterations)
        beta, nu, steps = refine(problems, reg, beta, nu, steps, tol=tol, limit=max_iterations)
        steps = _on_host(steps)
    value = reg._elementwise("value", "beta", beta).sum(-1)
    found = residuals(problems, reg, beta, nu, value)
    solved = _on_host(xp.amax(xp.stack(tuple(found.values())), 0) <= tol)
    single = ~solved & (steps < max_iterations)
    statuses = np.full(len(y), Status.ITERATION_LIMIT, dtype=object)
    statuses[solved] = Status.CONVERGED
    return Flat(beta, nu if unit is None else nu * unit, value, found, steps, statuses, single)


def _row_units(X: Any) -> Any:
    """Powers of two that bring rows to a like size; None where they are."""
    xp = namespace(X)
    size = xp.amax(xp.abs(X), -1)
    size = xp.where(size > 0.0, size, 1.0)
    smallest, largest = float(size.min()), float(size.max())
    if smallest > 1e-3 * largest and 1e-100 < largest < 1e100:
        return None
    return xp.exp2(-xp.floor(xp.log2(size)))


def _minimum_l2(problems: Problems, reg: L2) -> tuple[Any, Any]:
    """``beta = W X^T nu`` with ``X W X^T nu = y``, each further pass with the same factor gaining digits."""
    y = problems.y
    weights = constant(np.ones(problems.X.shape[-1]) if reg.weights is None else 1.0 / reg.weights, y)
    solve = problems.solver(weights[None])
    nu = solve(y)
    for _ in range(_PASSES):
        nu = nu + solve(y - problems.forward(weights * problems.adjoint(nu)))
    return weights * problems.adjoint(nu), nu


def _solve_single(part: Flat, i: int, X: Any, y: Any, reg: Any, tol: float, max_iterations: int) -> None:
    """Replace what was found for one problem by what the solver of single problems finds."""
    try:
        found = solve_one(X, y, reg, tol=tol, max_iterations=max_iterations - int(part.steps[i]))
    except InfeasibleError:
        part.statuses[i] = Status.INFEASIBLE
        part.beta[i], part.nu[i], part.value[i] = np.nan, np.nan, np.inf
        for values in part.residuals.values():
            values[i] = np.nan
        return
    part.beta[i], part.nu[i] = constant(found.beta[0], y), constant(found.nu[0], y)
    part.value[i], part.statuses[i] = float(found.value[0]), found.statuses[0]
    part.steps[i] += found.steps[0]
    for name, values in part.residuals.items():
        values[i] = float(found.residuals[name][0])


def solve_one(X: Any, y: Any, reg: Any, *, tol: float, max_iterations: int) -> Flat:
    """Solve one problem by the solver of single ones, on the host; an error of its input is not caught."""
    from .. import interpolate  # the caller of this module

    found = interpolate(_on_host(X), _on_host(y), reg, tol=tol, max_iterations=max_iterations, throw=False)
    beta, nu, value = (np.array(v, dtype=np.float64)[None] for v in (found.beta, found.dual, found.value))
    judged = {name: np.array([residual]) for name, residual in found.residuals.items()}
    statuses = np.array([found.status], dtype=object)
    return Flat(beta, nu, value, judged, np.array([found.iterations]), statuses, np.array([True]))


def _on_host(x: Any) -> Any:
    return x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()
