"""Powers of the entries, ``sum_i |beta_i|^p``: the cost of a deep network's weights is one with ``p < 1``."""

from __future__ import annotations

import math
import numbers
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._namespace import Kind, map_elements
from ._base import Regularizer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lp"]


class Lp(Regularizer):
    r"""The p-th power of the l_p (quasi-)norm, convex for ``p >= 1`` only.

    .. math:: \sum_i |\beta_i|^p, \qquad p > 0

    At ``p = 2/D`` it is the least ``||w_+||^2 + ||w_-||^2`` over the weights of a depth-D diagonal network with
    ``w_+^D - w_-^D = beta``. Its stationary points under margin constraints are the directions in which training
    from a small scale can end.

    The gradient ``p |beta_i|^{p-1} sign(beta_i)`` is 0 at 0; for ``p < 1`` that stands for every real number, each
    of which supports the function at its cusp. The second derivative at 0 is its limit: 0 for ``p > 2`` and
    ``p = 1``, 2 at ``p = 2``, infinity between 1 and 2, minus infinity for ``p < 1``.

    The conjugate is ``(p - 1) sum_i (|theta_i|/p)^{p/(p-1)}`` for ``p > 1``, the indicator of ``|theta_i| <= 1`` at
    ``p = 1`` and that of 0 for ``p < 1``, where any line but the constant one outgrows the function.

    Parameters
    ----------
    p
        Exponent, positive and finite: a number, or a ``Fraction`` such as ``Fraction(2, 3)``, which is not rounded.

    Raises
    ------
    TypeError, ValueError
        If `p` is not a positive finite real number.
    NotImplementedError
        From derivatives of the conjugate for ``p <= 1``: an indicator has none.

    Notes
    -----
    Source: Moroshko et al. (2020), section 3 (the l_{2/D} quasi-norm); Woodworth et al. (2020), equation (10).
    """

    def __init__(self, p: Any) -> None:
        self._p = _exact(p)

    @property
    def p(self) -> int | float | Fraction:
        """Exponent: an integer or a float where one holds it exactly, else a fraction."""
        if self._p.denominator == 1:
            return int(self._p)
        return float(self._p) if Fraction(float(self._p)) == self._p else self._p

    @property
    def is_convex(self) -> bool:
        """Whether ``p >= 1``."""
        return self._p >= 1

    @property
    def dual_bound(self) -> Any:
        """Bound of ``|theta_i|``: infinite for ``p > 1``, 1 at ``p = 1``, 0 below."""
        return np.float64(np.inf if self._p > 1 else 1.0 if self._p == 1 else 0.0)

    def restricted(self, columns: Any) -> Self:
        """Return the same regularizer on some of the coordinates: itself."""
        return self

    def _evaluate(self, name: str, x: Any, kind: Kind) -> Any:
        p = self._p
        if p <= 1 and name in {"curve", "curve_slope"}:
            raise NotImplementedError(
                f"the conjugate of the sum of |beta_i|^p is an indicator for p <= 1, here p = {self.p}: "
                "it has no gradient"
            )
        outside = None if p > 1 or name != "conjugate" else self.dual_bound
        terms: dict[str, Callable[[], tuple[Fraction, Fraction, bool]]] = {
            "value": lambda: (Fraction(1), p, False),
            "slope": lambda: (p, p - 1, True),
            "curvature": lambda: (p * (p - 1), p - 2, False),
            # (p-1) (|t|/p)^{p/(p-1)} and its derivatives, p^p and the like being no rational numbers
            "conjugate": lambda: (p - 1, p / (p - 1), False),
            "curve": lambda: (Fraction(1), 1 / (p - 1), True),
            "curve_slope": lambda: (1 / (p * (p - 1)), (2 - p) / (p - 1), False),
        }
        if outside is not None:
            return _indicator(x, outside, kind)
        factor, power, odd = terms[name]()
        unit = p if name in {"conjugate", "curve", "curve_slope"} else Fraction(1)
        if kind is Kind.NUMPY:
            return _numpy(x, factor, power, unit, odd)
        if kind is Kind.TORCH:
            return _torch(x, factor, power, unit, odd)
        entry = _mpmath_entry if kind is Kind.MPMATH else _sympy_entry
        return map_elements(x, lambda _, v: entry(v, factor, power, unit, odd))

    def __repr__(self) -> str:
        return f"Lp({self.p!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lp) and self._p == other._p

    def __hash__(self) -> int:
        return hash((Lp, self._p))


def _exact(p: Any) -> Fraction:
    if isinstance(p, bool | np.bool_) or not isinstance(p, numbers.Real):
        raise TypeError(f"p must be a real number, got {type(p).__name__}")
    if not 0.0 < float(p) < math.inf:  # also false for nan
        raise ValueError(f"p must be a positive finite number, got {p}")
    if hasattr(p, "_mpf_"):
        _, mantissa, exponent, _ = p._mpf_
        return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    if isinstance(p, numbers.Rational):
        return Fraction(int(p.numerator), int(p.denominator))
    return Fraction(float(p))


def _at_zero(factor: Fraction, power: Fraction) -> float:
    """Limit of ``factor |x|^power`` at 0."""
    if factor == 0 or power > 0:
        return 0.0
    return float(factor) if power == 0 else math.copysign(math.inf, factor)


def _numpy(x: Any, factor: Fraction, power: Fraction, unit: Fraction, odd: bool) -> Any:
    array = np.asarray(x)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    wide = array.astype(np.float64, copy=False)
    size = np.abs(wide)
    exponent = float(power)
    with np.errstate(all="ignore"):  # 0 and infinity are the correctly rounded results where they occur
        out = np.asarray(size / float(unit)) ** exponent
        rest = float(power - Fraction(exponent))
        if rest:  # no float holds 1/3; at 1e300 that would cost two digits
            out = out * (1.0 + rest * np.log(np.where((size > 0.0) & (size < np.inf), size, 1.0)))
        out = np.where(size == 0.0, 0.0 if odd else _at_zero(factor, power), out * float(factor))
        if factor == 0:
            out = np.where(np.isnan(size), np.nan, 0.0)
        out = np.sign(wide) * out if odd else out
        return out.astype(array.dtype)[()]


def _torch(x: Any, factor: Fraction, power: Fraction, unit: Fraction, odd: bool) -> Any:
    import torch

    from ._curve_torch import as_real

    real = as_real(x)
    zero = real == 0.0
    # off the branch as well nothing may be infinite: its derivative is multiplied by 0, not left out
    size = torch.abs(torch.where(zero, torch.ones_like(real), real))
    out = torch.pow(size / float(unit), float(power)) * float(factor)
    if odd:
        out = out * torch.sign(real)
    return torch.where(zero, torch.full_like(out, 0.0 if odd else _at_zero(factor, power)), out)


def _mpmath_entry(x: Any, factor: Fraction, power: Fraction, unit: Fraction, odd: bool) -> Any:
    import mpmath

    ctx = getattr(x, "context", mpmath.mp)
    x = ctx.convert(x)
    if x == 0:
        return ctx.zero if odd else ctx.mpf(_at_zero(factor, power))
    with ctx.workprec(ctx.prec + 30 + max(0, abs(ctx.mag(x)).bit_length())):
        ratio = abs(x) * unit.denominator / unit.numerator
        scale = ctx.mpf(factor.numerator) / factor.denominator
        out = scale * ratio ** (ctx.mpf(power.numerator) / power.denominator)
        out = ctx.sign(x) * out if odd else out
    return +out


def _sympy_entry(x: Any, factor: Fraction, power: Fraction, unit: Fraction, odd: bool) -> Any:
    import sympy

    rational = [sympy.Rational(v.numerator, v.denominator) for v in (factor, power, unit)]
    x = sympy.sympify(x)
    if x.is_zero:
        limit = _at_zero(factor, power)
        return sympy.S.Zero if odd else rational[0] if math.isfinite(limit) and limit else sympy.sympify(limit)
    out = rational[0] * (abs(x) / rational[2]) ** rational[1]
    return sympy.sign(x) * out if odd else out


def _indicator(x: Any, bound: float, kind: Kind) -> Any:
    """0 where ``|x| <= bound``, infinity beyond."""
    if kind is Kind.NUMPY:
        array = np.asarray(x, dtype=np.float64)
        return np.where(np.abs(array) <= bound, 0.0, np.where(np.isnan(array), np.nan, np.inf))
    if kind is Kind.TORCH:
        torch = sys.modules["torch"]
        from ._curve_torch import as_real

        real = as_real(x)
        return torch.where(torch.abs(real) <= bound, torch.zeros_like(real), torch.full_like(real, math.inf))
    import mpmath
    import sympy

    infinity = sympy.oo if kind is Kind.SYMPY else mpmath.inf
    return map_elements(x, lambda _, v: v * 0 if bool(abs(v) <= bound) else infinity)
