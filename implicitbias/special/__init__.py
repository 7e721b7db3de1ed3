"""Dimensionless scalar mathematics of depth-D diagonal networks.

Gradient flow on ``beta = w_+^D - w_-^D`` from ``w_+ = w_- = 1`` moves every coordinate along one curve,
``beta = h_D(s)``, where s is the dual variable; ``q_D`` with ``q_D' = h_D^{-1}`` is the implicit regularizer.

    D = 2:  h(s) = 2 sinh(s),                        q(z) = z asinh(z/2) - sqrt(4 + z^2) + 2   (hypentropy)
    D > 2:  h_D(s) = (1-s)^-p - (1+s)^-p,            p = D/(D-2), |s| < 1
            H_D(s) = ((D-2)/2) [(1-s)^{-2/(D-2)} + (1+s)^{-2/(D-2)} - 2],   H_D' = h_D
            q_D(z) = z s - H_D(s)  at  s = h_D^{-1}(z)

Every function takes NumPy arrays and Python numbers (float64 and float32 results within 4 units in the last
place), torch tensors (any device, differentiable to any order), mpmath numbers (full accuracy at the
precision in force, any magnitude) and SymPy expressions; the result is of the same kind and shape. `D` is any
real number ``>= 2`` or infinity.

Sources: Woodworth et al. (COLT 2020), Theorem 1 and eqs. (58)-(60); the closed conjugate and the forms used
for evaluation are derived in ``derivations/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._namespace import Kind, blockwise, kind_of, map_elements
from . import _float, _multiprecision
from ._depth import validate_depth
from ._tables import kernel_constants

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["h", "h_inverse", "h_inverse_complement", "q", "q_conjugate", "q_prime", "q_second", "r"]

_AT_TWO: dict[str, Callable[..., Any]] = {
    "q": _float.q2,
    "h_inverse": _float.q2_prime,
    "q_second": _float.q2_second,
    "q_conjugate": _float.q2_conjugate,
    "h": _float.h2,
}


def _dispatch(name: str, x: Any, D: Any, argument: str) -> Any:
    kind = kind_of(**{argument: x})
    D = validate_depth(D)
    if kind is Kind.TORCH:
        from . import _torch

        return _torch.FUNCTIONS[name](x, D)
    if kind is Kind.NUMPY:
        if D == 2:
            return blockwise(_AT_TWO[name], x, widen=False)
        kernel, c = getattr(_float, name), kernel_constants(name, D)
        return blockwise(lambda xp, block: kernel(xp, block, c), x, widen=True)
    if kind is Kind.MPMATH:
        function = getattr(_multiprecision, name)
    else:
        from . import _symbolic

        function = getattr(_symbolic, name)
    return map_elements(x, lambda _, element: function(element, D))


def q(z: Any, D: Any = 2) -> Any:
    """Coordinate function of the implicit regularizer, ``q_D(z) = int_0^z h_D^{-1}``.

    Even, convex, ``q(0) = 0``; ``z^2/(4p)`` near 0 (``z^2/4`` at D = 2), ``|z| (log|z| - 1) + 2 - ...`` (D = 2) or
    ``|z| - (D/2)|z|^{2/D} + ...`` (D > 2) far out. Infinite at infinity.

    Parameters
    ----------
    z
        Predictor coordinate in units of ``alpha^D``, any shape.
    D
        Depth, real and ``>= 2``, or infinity.

    Raises
    ------
    TypeError
        If `z` is complex, of an unknown kind, or mixes kinds; if `D` is not a number.
    ValueError
        If ``D < 2`` or nan.

    Notes
    -----
    Woodworth et al. (2020), Theorem 1 (D = 2) and eq. (60) (D > 2).
    """
    return _dispatch("q", z, D, "z")


def q_prime(z: Any, D: Any = 2) -> Any:
    """Derivative of `q`: ``asinh(z/2)`` at D = 2, ``h_D^{-1}(z)`` beyond. The same function as `h_inverse`."""
    return _dispatch("h_inverse", z, D, "z")


def q_second(z: Any, D: Any = 2) -> Any:
    """Second derivative of `q`: ``1/sqrt(4 + z^2)`` at D = 2, ``1/h_D'(h_D^{-1}(z))`` beyond.

    Positive and even; ``1/(2p)`` at 0. Arguments and errors as for `q`.
    """
    return _dispatch("q_second", z, D, "z")


def q_conjugate(s: Any, D: Any = 2) -> Any:
    """Convex conjugate of `q`: ``2 (cosh(s) - 1)`` at D = 2, ``H_D(s)`` beyond.

    For D > 2 it is ``+inf`` for ``|s| >= 1``, as a convex function outside its domain.

    Parameters
    ----------
    s
        Dual coordinate, any shape.
    D
        Depth, real and ``>= 2``.
    """
    return _dispatch("q_conjugate", s, D, "s")


def h(s: Any, D: Any = 2) -> Any:
    """Predictor as a function of the dual coordinate: ``2 sinh(s)`` at D = 2, ``(1-s)^-p - (1+s)^-p`` beyond.

    For D > 2 it is ``±inf`` at ``s = ±1`` and nan outside. Woodworth et al. (2020), eqs. (17) and (59).
    """
    return _dispatch("h", s, D, "s")


def h_inverse(t: Any, D: Any = 2) -> Any:
    """Inverse of `h`, the derivative of `q`: odd, increasing, onto ``(-1, 1)`` for D > 2.

    Far out ``h_D^{-1}(t) = 1 - t^{-(D-2)/D} + ...`` is 1 to rounding; use `h_inverse_complement` there.
    """
    return _dispatch("h_inverse", t, D, "t")


def h_inverse_complement(t: Any, D: Any = 2) -> Any:
    """``1 - |h_D^{-1}(t)|`` for D > 2, to full relative accuracy also when it is ``1e-3000``.

    Raises
    ------
    ValueError
        At D = 2, where ``h^{-1} = asinh(t/2)`` is unbounded; besides the errors of `q`.
    """
    if validate_depth(D) == 2:
        raise ValueError("D must be greater than 2 for h_inverse_complement, got 2: asinh(t/2) is unbounded")
    return _dispatch("h_inverse_complement", t, D, "t")


def r(z: Any) -> Any:
    """Coordinate function of the explicit regularizer at depth 2.

    ``r(z) = min (a-1)^2 + (b-1)^2`` over ``a^2 - b^2 = z``, the smallest real root u of
    ``u^4 - 6u^3 + (12 - 2z^2)u^2 - (8 + 10z^2)u + z^2 + z^4``; it equals ``q_4(z)``.

    Notes
    -----
    Woodworth et al. (2020), Section 4, where the root is called unique: for ``z != 0`` there are two real roots.
    """
    return _dispatch("q", z, 4, "z")
