"""The l1 end in ball arithmetic: a vertex proven to be the one solution, and what is left of alpha there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .._result import ImplicitBiasError
from ._balls import Matrix, column, frobenius, workprec

if TYPE_CHECKING:
    from .problems import Problem, Vector

__all__ = ["Vertex", "VertexError", "l1_minimum", "vertex"]

_BITS: Final = 300


class VertexError(ImplicitBiasError):
    """The support proposed is not that of a unique, nondegenerate solution of the l1 problem."""


@dataclass(frozen=True, eq=False)
class Vertex:
    """Solution of ``min ||beta||_1 s.t. X beta = y``.

    Attributes
    ----------
    support
        Its N coordinates that are not zero.
    values
        What they are: balls.
    margin
        Lower bound, a ball, on ``1 - |x_j^T nu|`` over all others.
    inverse
        Upper bound on the norm of the inverse of ``X[:, support]``.
    """

    support: Any
    values: list[Any]
    margin: Any
    inverse: Any


def vertex(X: Vector, y: Vector, start: Vector) -> Vertex:
    """Prove that the l1 solution lives on the N largest entries of `start`, and return it.

    With ``X_S beta_S = y`` and ``X_S^T nu = sign(beta_S)`` it is the only solution if ``|x_j^T nu| < 1`` elsewhere.

    Raises
    ------
    VertexError
        If a sign or an inequality fails, or cannot be decided at the working precision.
    """
    from flint import arb, arb_mat

    N, d = X.shape
    support = np.sort(np.argsort(-np.abs(start), kind="stable")[:N])
    basis = arb_mat(N, N, [arb(v) for v in X[:, support].ravel().tolist()])
    try:
        inverse = basis.inv()
    except ZeroDivisionError as error:
        raise VertexError("the columns of the support are dependent") from error
    values = (inverse * column(y)).entries()
    if any(v.contains(0) for v in values):
        raise VertexError("a coordinate of the vertex is zero: it is degenerate")
    nu = inverse.transpose() * column([1 if v > 0 else -1 for v in values])
    rest = np.setdiff1d(np.arange(d), support, assume_unique=True)
    margin = arb(1)
    if rest.size:
        theta = np.abs(X.T @ np.array([float(v.mid()) for v in nu.entries()]))
        # float64 is off by far less than 1e-3: only what is near 1 needs more digits
        close = rest[theta[rest] > 0.99]
        margin = arb("0.009")
        if close.size:
            bounds = [1 - abs(t) for t in Matrix(X[:, close]).transposed_times(nu)]
            margin = min([margin, *(b.lower() for b in bounds)])
        if not margin > 0:
            raise VertexError("another vertex has a smaller l1 norm, or the same")
    return Vertex(support, values, margin, frobenius(inverse))


def l1_minimum(X: Vector, y: Vector, start: Vector, digits: int = 50) -> str:
    """Least l1 norm, proven, to `digits` digits; `start` has the right support (:func:`vertex`)."""
    with workprec(_BITS):
        return str(sum(abs(v) for v in vertex(X, y, start).values).mid().str(digits, radius=False))


def vertex_end_point(problem: Problem, at: Vertex) -> tuple[list[Any], Vector]:
    """Balls around the solution for ``Q(alpha, D)``, D > 2, when alpha is tiny, and which coordinates they judge.

    Let ``2 |z|`` stand for twice the least entry of ``beta_S``. While no entry of beta_S falls below half its size,
    ``1 - |theta_S| <= u = (|z|/alpha^D)^{-1/p}``, ``p = D/(D-2)``; nu, and with it every other theta, moves from
    its place at the vertex by no more than ``k u``, ``k = N^{1/2} |X_S^{-1}| max_j |x_j|``. If that is half the
    margin m, other coordinates stay below ``alpha^D (m/2)^{-p}``, which moves beta_S by at most ``k d`` times that.
    If this is less than ``|z|`` the map of that box into itself has a fixed point (Brouwer): the optimum.
    """
    import flint
    from flint import arb

    X, D = problem.X, problem.D
    N, d = X.shape
    p = arb(D) / (arb(D) - 2)
    log_scale = problem.alpha.exact_log(flint) * arb(D)
    half = min(abs(v).lower() for v in at.values) / 2
    widest = arb(float(np.linalg.norm(X, axis=0).max()) * (1 + 1e-9))
    k = (arb(N).sqrt() * at.inverse * widest).upper()
    u = ((log_scale - half.log()) / p).exp()
    other = (log_scale - p * (at.margin / 2).log()).exp().upper()
    move = (k * d * other).upper()
    if not (k * u < at.margin / 2 and move < half):
        raise VertexError("alpha is not small enough for the end point to be the vertex")
    beta = [arb(0, other)] * d
    for i, value in zip(at.support, at.values, strict=True):
        beta[int(i)] = value + arb(0, move)
    judged = np.zeros(d, dtype=bool)
    judged[at.support] = True
    return beta, judged
