"""The scalar functions on SymPy expressions.

`h` and `q_conjugate` are elementary at every depth. The others are elementary at D = 2, at D = 4 (radicals) and in
the limit of infinite depth; elsewhere they are SymPy functions of ``(t, D)`` that know their derivatives

    q' = h_inverse,    h_inverse' = q_second = 1/h',    q_second' = -h''(z) q_second^3  at  z = h_inverse,

their power series at 0, their signs, and their values to any number of digits at any magnitude. Exact numbers
of many digits stay inside the function also where it is elementary: SymPy would try to factor them.

The radicals of D = 4 contain the cube root of ``t**2``, which has no derivative at 0 although the function is
analytic: take values there from `h_inverse` and `q_second`, which need no limit, not from ``diff``.

A floating-point argument is evaluated at its own precision. Depths are kept as exact rational numbers.
"""

from __future__ import annotations

from typing import Any

from sympy import Abs, S, asinh, atanh, log, sign, sinh, sqrt, sympify

from ._symbolic_base import DepthFunction, float_value, rational_depth, require_real

__all__ = ["h", "h_inverse", "h_inverse_complement", "q", "q_conjugate", "q_second"]


class q(DepthFunction):  # noqa: N801  # SymPy functions are named in lower case
    """Regularizer ``q_D(t)``: even, convex, positive but for ``q_D(0) = 0``."""

    _latex_name = "q_{{{D}}}"
    _imp_ = staticmethod(DepthFunction._imp_for("q"))

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Infinity

    @classmethod
    def _at_depth_two(cls, t: Any) -> Any:
        return t * asinh(t / 2) - t**2 / (2 + sqrt(4 + t**2))

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        w = sqrt(1 + t**2)
        first = t**2 / (1 + w)
        if t.is_number and abs(t) < 1:
            # the same logarithm, near 0 without the rounding of 1 + t^2
            return first - 2 * atanh(first / (3 + w))
        return first - log((1 + w) / 2)

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return (s - 1) * t**2 / s**3

    @staticmethod
    def _term(k: int, c: Any) -> tuple[Any, int]:
        return c / (2 * k + 2), 2 * k + 2

    def _slope(self) -> Any:
        return h_inverse(*self.args)

    def _eval_rewrite_as_h_inverse(self, t: Any, D: Any, **hints: Any) -> Any:
        z = h_inverse(t, D)
        return z * t - q_conjugate(z, D)

    def _eval_is_extended_nonnegative(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_finite(self) -> Any:
        t = self.args[0]
        return t.is_finite if t.is_extended_real else None


class h_inverse(DepthFunction):  # noqa: N801  # SymPy functions are named in lower case
    """Inverse ``h_D^{-1}(t)`` of `h`, the derivative of `q`: odd and increasing, between -1 and 1 for D > 2."""

    _odd = True
    _latex_name = "h_{{{D}}}^{{-1}}"
    _imp_ = staticmethod(DepthFunction._imp_for("h_inverse"))

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Infinity if D == 2 else S.One

    @classmethod
    def _at_depth_two(cls, t: Any) -> Any:
        return asinh(t / 2)

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        return t / (1 + sqrt(1 + t**2))

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return t / s**2

    @staticmethod
    def _term(k: int, c: Any) -> tuple[Any, int]:
        return c, 2 * k + 1

    def _slope(self) -> Any:
        return q_second(*self.args)

    def _eval_is_finite(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_extended_positive(self) -> Any:
        return self.args[0].is_extended_positive

    def _eval_is_extended_negative(self) -> Any:
        return self.args[0].is_extended_negative


class h_inverse_complement(DepthFunction):  # noqa: N801  # SymPy functions are named in lower case
    """``1 - |h_D^{-1}(t)|`` for D > 2: even, between 0 and 1."""

    _latex_name = r"\left(1 - \left|h_{{{D}}}^{{-1}}\right|\right)"
    _imp_ = staticmethod(DepthFunction._imp_for("h_inverse_complement"))

    @classmethod
    def _at_zero(cls, D: Any) -> Any:
        return S.One

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Zero

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        return 2 / (1 + sqrt(1 + t**2) + Abs(t))

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return 2 * s / (s**2 + Abs(t))

    def _slope(self) -> Any:
        t, D = self.args
        return -sign(t) * q_second(t, D)

    def _eval_nseries(self, x: Any, n: int, logx: Any, cdir: Any = 0) -> Any:
        # not analytic at 0: leave |h_inverse| to SymPy
        return self.rewrite(h_inverse)._eval_nseries(x, n, logx, cdir)

    def _eval_rewrite_as_h_inverse(self, t: Any, D: Any, **hints: Any) -> Any:
        return 1 - Abs(h_inverse(t, D))

    def _eval_is_zero(self) -> Any:
        return self.args[0].is_infinite

    def _eval_is_finite(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_extended_nonnegative(self) -> Any:
        return True if self.args[0].is_extended_real else None


class q_second(DepthFunction):  # noqa: N801  # SymPy functions are named in lower case
    """Second derivative ``q_D''(t) = 1/h_D'(h_D^{-1}(t))``: even, positive."""

    _latex_name = "q_{{{D}}}''"
    _imp_ = staticmethod(DepthFunction._imp_for("q_second"))

    @classmethod
    def _at_zero(cls, D: Any) -> Any:
        return S.Half if D is S.Infinity else (D - 2) / (2 * D) if D != 2 else S.Half

    @classmethod
    def _at_infinity(cls, D: Any) -> Any:
        return S.Zero

    @classmethod
    def _at_depth_two(cls, t: Any) -> Any:
        return 1 / sqrt(4 + t**2)

    @classmethod
    def _at_infinite_depth(cls, t: Any) -> Any:
        w = sqrt(1 + t**2)
        return 1 / (w * (1 + w))

    @classmethod
    def _at_depth_four(cls, t: Any, s: Any) -> Any:
        return 1 / (s**2 * (2 * s - 3))

    @staticmethod
    def _term(k: int, c: Any) -> tuple[Any, int]:
        return (2 * k + 1) * c, 2 * k

    def _slope(self) -> Any:
        t, D = self.args
        p, z = D / (D - 2), h_inverse(t, D)
        return -p * (p + 1) * ((1 - z) ** (-p - 2) - (1 + z) ** (-p - 2)) * self**3

    def _eval_rewrite_as_h_inverse(self, t: Any, D: Any, **hints: Any) -> Any:
        p, z = D / (D - 2), h_inverse(t, D)
        return 1 / (p * ((1 - z) ** (-p - 1) + (1 + z) ** (-p - 1)))

    def _eval_is_zero(self) -> Any:
        return self.args[0].is_infinite

    def _eval_is_finite(self) -> Any:
        return True if self.args[0].is_extended_real else None

    def _eval_is_extended_nonnegative(self) -> Any:
        return True if self.args[0].is_extended_real else None


def _outside(s: Any, D: Any) -> bool:
    """Whether s is a number known to lie outside the domain ``|s| < 1`` of `h` and `q_conjugate` at D > 2."""
    return bool(D != 2 and s.is_number and s.is_extended_real and abs(s) >= 1)


def h(s: Any, D: Any) -> Any:
    """``h_D(s) = (1-s)^-p - (1+s)^-p``, for ``|s| < 1``; ``2 sinh(s)`` at D = 2; `h_inverse` is undone."""
    s, D = sympify(s), rational_depth(D)
    require_real("s", s)
    if isinstance(s, h_inverse) and s.args[1] == D:
        return s.args[0]
    if s.is_Float:
        return float_value("h", s, D, s._prec)
    if D == 2:
        return 2 * sinh(s)
    if _outside(s, D):
        return s * S.Infinity if abs(s) == 1 else S.NaN
    if D is S.Infinity:
        return 2 * s / (1 - s**2)
    p = D / (D - 2)
    return (1 - s) ** -p - (1 + s) ** -p


def q_conjugate(s: Any, D: Any) -> Any:
    """``H_D(s)``, the integral of `h`, for ``|s| < 1``; ``2 (cosh(s) - 1) = 4 sinh(s/2)^2`` at D = 2."""
    s, D = sympify(s), rational_depth(D)
    require_real("s", s)
    if s.is_Float:
        return float_value("q_conjugate", s, D, s._prec)
    if D == 2:
        return 4 * sinh(s / 2) ** 2
    if _outside(s, D):
        return S.Infinity
    if D is S.Infinity:
        return -log(1 - s**2)
    m = 2 / (D - 2)
    return ((1 - s) ** -m + (1 + s) ** -m - 2) / m
