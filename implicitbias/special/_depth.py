"""The depth D: its validation, and the constants a float kernel derives from it."""

from __future__ import annotations

import functools
import math
import numbers
import sys
from fractions import Fraction
from typing import Any, NamedTuple

__all__ = ["DepthConstants", "constants", "exact_depth", "validate_depth"]


def validate_depth(D: Any) -> Any:
    """Return `D` in an exact form: an ``int``, ``float``, ``Fraction`` or the mpmath/SymPy number itself.

    Raises
    ------
    TypeError
        If `D` is not a real number.
    ValueError
        If `D` is below 2 or not a number; infinity is accepted.
    """
    sympy = sys.modules.get("sympy")
    if sympy is not None and isinstance(D, sympy.Basic):
        if D.is_Integer:
            D = int(D)
        elif D.is_Rational:
            D = Fraction(int(D.p), int(D.q))
        elif D is sympy.oo:
            D = math.inf
        elif D.is_number:
            D = float(D)
        else:
            raise TypeError(f"D must be a number, got the expression {D}; symbolic depth is not supported")
    is_mpf = type(D).__name__ == "mpf"
    if isinstance(D, bool) or not (is_mpf or isinstance(D, numbers.Real)):
        raise TypeError(f"D must be a real number >= 2, got {D!r} of type {type(D).__name__}")
    if not D >= 2:
        raise ValueError(f"D must be a real number >= 2, got {D!r}")
    if isinstance(D, int | Fraction) or is_mpf:
        return D
    D = float(D)
    return int(D) if D.is_integer() else D


class DepthConstants(NamedTuple):
    """Exponents of depth D > 2, each as a float64 and what rounding it left over.

    ``p = D/(D-2)`` is the exponent of `h_D`, ``1/p`` that of its inverse far out, ``m = p - 1 = 2/(D-2)``
    that of the conjugate. Rounding `p` alone would cost ``|log t|`` units in the last place.
    """

    p: float
    p_low: float
    inverse_p: float
    inverse_p_low: float
    m: float
    m_low: float


def _split(value: Fraction) -> tuple[float, float]:
    high = float(value)
    return high, float(value - Fraction(high))


def exact_depth(D: Any) -> Fraction:
    """Return a validated finite depth as a fraction, without rounding."""
    if type(D).__name__ == "mpf":
        sign, mantissa, exponent, _ = D._mpf_
        return Fraction(-int(mantissa) if sign else int(mantissa)) * Fraction(2) ** int(exponent)
    return Fraction(D)


@functools.lru_cache(maxsize=256)
def constants(D: Any) -> DepthConstants:
    """Constants of a validated depth ``D > 2``, infinity included."""
    if D == math.inf:
        return DepthConstants(1.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    exact = exact_depth(D)
    gap = exact - 2
    return DepthConstants(*_split(exact / gap), *_split(gap / exact), *_split(2 / gap))
