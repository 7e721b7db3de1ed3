"""Regularizers on torch tensors that are differentiable in their scale alpha as well.

With ``S(b) = alpha^o s(b/alpha^k)``, o = k for `Q` and o = 2 for `R` (where both are 2 at depth 2, ``s = q_4``),
derivatives along ``log alpha`` are closed:

    dS = o S - k b S',    dS' = (o-k) S' - k b S'',    dS'' = (o-2k) S'' - k b S'''.

The first cancels where S is nearly linear. For Q it is ``-k S*(S'(b))``, the divergence of 0 from b; for R the
envelope theorem gives ``-2 alpha^2 (x - y)``. All kernels take alpha as mantissa and exponent, computed on its
device: no value is read by the host, and no alpha under- or overflows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from ..special._torch import literal_constants
from ._curve import _ldexp, _power
from ._curve_torch import as_real, kernels, third
from ._divergence import divergence
from ._explicit import ExplicitCurve
from ._scale import BinaryPower

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = Callable[..., Any]

__all__ = ["Family", "evaluate"]


@dataclass(frozen=True)
class Family:
    """The scalar functions ``alpha^outer s(b/alpha^k)`` of a regularizer; s of depth `D`, explicit or implicit."""

    D: Any
    k: Any
    outer: Any
    explicit: bool = False
    bare: bool = False
    """Whether functions are evaluated without their derivatives."""

    def curve(self, alpha: Any) -> Any:
        """Float kernels at the scale `alpha`, a float64 tensor."""
        c = _binary_power(alpha, float(self.k))
        if self.explicit:
            return ExplicitCurve(self.D, _binary_power(alpha, 1.0), c)
        return kernels(self.D, c)


def _binary_power(alpha: Any, exponent: float) -> BinaryPower:
    """``alpha ** exponent`` with tensors for mantissa and exponent."""
    fraction, shift = torch.frexp(alpha)
    mantissa, whole = _power(torch, fraction, shift.to(torch.float64), exponent, 0.0)
    mantissa, more = torch.frexp(mantissa)
    return BinaryPower(2.0 * mantissa, whole + more - 1.0)  # type: ignore[arg-type]  # tensors do what numbers do


def _node(
    name: str, kernel: Callable[..., Any], by_x: Callable[..., Any], by_log_alpha: Callable[..., Any]
) -> Callable[..., Any]:
    """Differentiable function of ``(x, alpha, family)`` from its kernel and its stated partial derivatives."""

    def forward(x: Any, alpha: Any, family: Family) -> Any:
        return kernel(x, alpha, family)

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, alpha, ctx.family = inputs
        ctx.save_for_backward(x, alpha)
        ctx.save_for_forward(x, alpha)

    def partials(ctx: Any) -> tuple[Any, Any]:
        x, alpha = ctx.saved_tensors
        # a compiled graph is differentiated once only, and may not nest autograd functions
        family = replace(ctx.family, bare=True) if torch.compiler.is_compiling() else ctx.family
        return by_x(x, alpha, family), by_log_alpha(x, alpha, family) / alpha

    def backward(ctx: Any, grad: Any) -> tuple[Any, ...]:
        x_part, alpha_part = partials(ctx)
        return grad * x_part, grad * alpha_part, None

    def jvp(ctx: Any, x_tangent: Any, alpha_tangent: Any, _: None) -> Any:
        x_part, alpha_part = partials(ctx)
        total = 0.0 if x_tangent is None else x_tangent * x_part
        return total if alpha_tangent is None else total + alpha_tangent * alpha_part

    members = {
        "forward": staticmethod(forward),
        "setup_context": staticmethod(setup_context),
        "backward": staticmethod(backward),
        "generate_vmap_rule": True,
        "__doc__": f"``{name}`` with its stated derivatives.",
    }
    base = (torch.autograd.Function,)
    reverse: Any = type(name, base, members)
    # torch.compile refuses functions that also define a forward-mode rule; torch.func.hessian needs one
    both: Any = type(name, base, {**members, "jvp": staticmethod(jvp)})

    def apply(x: Any, alpha: Any, family: Family) -> Any:
        if family.bare:
            return kernel(x, alpha, family)
        return (reverse if torch.compiler.is_compiling() else both).apply(x, alpha, family)

    return apply


def _kernel(name: str) -> Callable[..., Any]:
    return lambda x, alpha, family: getattr(family.curve(alpha), name)(torch, x)


def _no_further(*_: Any) -> Any:
    raise NotImplementedError("third derivatives of a regularizer with a learnable alpha cannot be differentiated")


def _third_kernel(b: Any, alpha: Any, family: Family) -> Any:
    if family.explicit:
        return family.curve(alpha).third(torch, b)
    return third(b, family.D, *_binary_power(alpha, float(family.k)))


def _along_kernel(b: Any, alpha: Any, family: Family) -> Any:
    curve = family.curve(alpha)
    if family.explicit:
        return curve.along_scale(torch, b)
    zero = torch.zeros_like(b)
    return -float(family.k) * divergence(curve, torch, zero, torch.abs(b), -torch.abs(b))


def _along_slope(b: Any, alpha: Any, f: Family) -> Any:
    return _degree(f, 1) * _SLOPE(b, alpha, f) - float(f.k) * b * _CURVATURE(b, alpha, f)


def _degree(f: Family, order: int) -> float:
    """Degree of homogeneity in alpha, at fixed z, of the derivative of S of an order."""
    return float(f.outer) - order * float(f.k)


_THIRD: _Function = _node("learnable_third", _third_kernel, _no_further, _no_further)
_CURVATURE: _Function = _node(
    "learnable_curvature",
    _kernel("curvature"),
    _THIRD,
    lambda b, a, f: _degree(f, 2) * _CURVATURE(b, a, f) - float(f.k) * b * _THIRD(b, a, f),
)
_SLOPE: _Function = _node("learnable_slope", _kernel("slope"), _CURVATURE, _along_slope)
_ALONG: _Function = _node(
    "learnable_along",
    _along_kernel,
    _along_slope,
    lambda b, a, f: _degree(f, 0) * _ALONG(b, a, f) - float(f.k) * b * _along_slope(b, a, f),
)
_VALUE: _Function = _node("learnable_value", _kernel("value"), _SLOPE, _ALONG)


def _curve_second(s: Any, alpha: Any, f: Family) -> Any:
    """``c h''``, h'' = h at D = 2 and ``p (p+1) [(1-|s|)^{-p-2} - (1+|s|)^{-p-2}]`` beyond."""
    curve = f.curve(alpha)
    if f.D == 2:
        return curve.curve(torch, s)
    p, z = literal_constants(f.D).p, torch.abs(s)
    plain = (p * (p + 1.0)) * ((1.0 - z) ** (-p - 2.0) - (1.0 + z) ** (-p - 2.0))
    return torch.sign(s) * _ldexp(torch, curve.c.mantissa * plain, curve.c.exponent + torch.zeros_like(s))


_CURVE_SECOND: _Function = _node("learnable_curve_second", _curve_second, _no_further, _no_further)
_CURVE_SLOPE: _Function = _node(
    "learnable_curve_slope",
    _kernel("curve_slope"),
    _CURVE_SECOND,
    lambda s, a, f: float(f.k) * _CURVE_SLOPE(s, a, f),
)
_CURVE: _Function = _node(
    "learnable_curve", _kernel("curve"), _CURVE_SLOPE, lambda s, a, f: float(f.k) * _CURVE(s, a, f)
)
_CONJUGATE: _Function = _node(
    "learnable_conjugate", _kernel("conjugate"), _CURVE, lambda s, a, f: float(f.k) * _CONJUGATE(s, a, f)
)
_NODES = {
    "value": _VALUE,
    "slope": _SLOPE,
    "curvature": _CURVATURE,
    "conjugate": _CONJUGATE,
    "curve": _CURVE,
    "curve_slope": _CURVE_SLOPE,
}


def evaluate(name: str, x: Any, alpha: Any, family: Family) -> Any:
    """Function `name` of S, differentiable in `x` and in the 0-d tensor `alpha`."""
    real = as_real(x)
    scale = alpha.to(device=real.device, dtype=torch.float64).expand_as(real)
    return _NODES[name](real.to(torch.float64), scale, family).to(real.dtype)
