"""The scaled curve on torch tensors, with stated derivatives, where the scale is beyond the range of floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..special._torch import (
    FUNCTIONS,
    Scalar,
    differentiable,
    h_prime,
    literal_constants,
    literal_kernel_constants,
    traced,
)
from ._curve import ScaledCurve
from ._explicit import ExplicitCurve
from ._scale import BinaryPower

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["evaluate", "evaluate_explicit", "kernels", "third"]

_MODERATE = {torch.float64: 300, torch.float32: 30, torch.bfloat16: 30}
"""Binary exponents of c up to which ``c q(b/c)`` is formed directly.

In float64 that keeps full accuracy for ``1e-200 < |b| < 1e200``, in float32 for ``1e-28 < |b| < 1e28``.
"""


def _kernel(name: str) -> Callable[..., Any]:
    def value(x: Any, D: Any, mantissa: float, exponent: int) -> Any:
        result = x.dtype if x.dtype.is_floating_point else torch.get_default_dtype()
        return getattr(kernels(D, BinaryPower(mantissa, exponent)), name)(torch, x.to(torch.float64)).to(result)

    return value


def third(b: Any, D: Any, mantissa: float, exponent: int) -> Any:
    """``S''' = S'' T(x)/b`` with ``T = x q'''/q''``, which tends to -(1 + 1/p) far out (-1 at D = 2).

    At b = 0 it vanishes, S'' being even.
    """
    away = torch.where(b == 0.0, torch.ones_like(b), b)
    order = 1.0 if D == 2 else 1.0 + 1.0 / literal_constants(D).p
    wide = away.to(torch.float64)
    log2_x = torch.log2(torch.abs(wide)) - exponent
    x = torch.exp2(torch.clamp(log2_x, -60.0, 60.0)) / mantissa
    # near x = 0, T is O(x^2); far out it has reached its limit to rounding
    second, third = FUNCTIONS["q_second"], torch.func.vmap(torch.func.grad(lambda t: FUNCTIONS["q_second"](t, D)))
    T = x * third(x.reshape(-1)).reshape(x.shape) / second(x, D)
    T = torch.where(log2_x > 59.0, -order, T)
    slope = _CURVATURE.apply(b, D, mantissa, exponent) * T / wide
    return torch.where(b == 0.0, torch.zeros_like(b), slope).to(b.dtype)


_CURVATURE = differentiable("scaled_curvature", _kernel("curvature"), traced(third))
_SLOPE = differentiable("scaled_slope", _kernel("slope"), _CURVATURE)
_CURVE_SLOPE = traced(_kernel("curve_slope"))
_CURVE = differentiable("scaled_curve", _kernel("curve"), _CURVE_SLOPE)
_EXTREME = {
    "value": differentiable("scaled_value", _kernel("value"), _SLOPE).apply,
    "slope": _SLOPE.apply,
    "curvature": _CURVATURE.apply,
    "conjugate": differentiable("scaled_conjugate", _kernel("conjugate"), _CURVE).apply,
    "curve": _CURVE.apply,
    "curve_slope": _CURVE_SLOPE.apply,
}


def evaluate(name: str, x: Any, D: Any, c: BinaryPower) -> Any:
    """Kernel `name` of :class:`._curve.ScaledCurve`, differentiable."""
    x = as_real(x)
    if abs(c.exponent) > _MODERATE.get(x.dtype, -1):
        return _EXTREME[name](x, D, c.mantissa, c.exponent)
    scale = c.mantissa * 2.0**c.exponent
    if name == "value":
        return scale * FUNCTIONS["q"](x / scale, D)
    if name == "slope":
        return FUNCTIONS["h_inverse"](x / scale, D)
    if name == "curvature":
        return FUNCTIONS["q_second"](x / scale, D) / scale
    if name == "conjugate":
        return scale * FUNCTIONS["q_conjugate"](x, D)
    if name == "curve":
        return scale * FUNCTIONS["h"](x, D)
    return scale * h_prime(x, D)


def _explicit_kernel(name: str) -> Callable[..., Any]:
    def value(x: Any, D: Any, mantissa: float, exponent: int, c_mantissa: float, c_exponent: int) -> Any:
        result = x.dtype if x.dtype.is_floating_point else torch.get_default_dtype()
        curve = ExplicitCurve(D, BinaryPower(mantissa, exponent), BinaryPower(c_mantissa, c_exponent))
        return getattr(curve, name)(torch, x.to(torch.float64)).to(result)

    return value


def _no_further(*_: Any) -> Any:
    raise NotImplementedError("R at a depth other than 2 has no derivatives beyond the third")


_EXPLICIT_THIRD = differentiable("explicit_third", _explicit_kernel("third"), Scalar(_no_further, _no_further))
_EXPLICIT_CURVATURE = differentiable("explicit_curvature", _explicit_kernel("curvature"), _EXPLICIT_THIRD)
_EXPLICIT_SLOPE = differentiable("explicit_slope", _explicit_kernel("slope"), _EXPLICIT_CURVATURE)
_EXPLICIT = {
    "value": differentiable("explicit_value", _explicit_kernel("value"), _EXPLICIT_SLOPE).apply,
    "slope": _EXPLICIT_SLOPE.apply,
    "curvature": _EXPLICIT_CURVATURE.apply,
}


def evaluate_explicit(name: str, x: Any, D: Any, alpha: BinaryPower, c: BinaryPower) -> Any:
    """Kernel `name` of :class:`._explicit.ExplicitCurve`, differentiable."""
    return _EXPLICIT[name](as_real(x), D, *alpha, *c)


def kernels(D: Any, c: BinaryPower) -> ScaledCurve:
    """Float kernels whose constants a compiled graph takes as literals; c of numbers or of tensors."""
    return ScaledCurve(D, c, literal_constants, literal_kernel_constants)


def constant_like(array: Any, x: Any) -> Any:
    """`array` as a tensor of the device and floating dtype of `x`."""
    return torch.as_tensor(array.copy(), dtype=as_real(x).dtype, device=x.device)


def as_real(x: Any) -> Any:
    """`x` in a floating dtype; integers in the default one."""
    if x.dtype.is_complex:
        raise TypeError(f"the argument must be real, got a tensor of dtype {x.dtype}")
    return x if x.dtype.is_floating_point else x.to(torch.get_default_dtype())


def kept_constant_like(array: Any, x: Any, kept: dict[Any, Any], name: str) -> Any:
    """:func:`constant_like`, copied once per device under `name`: a copy in every call would make the host wait.

    Traced, fake and inference tensors are not kept, nor is a real one handed to them.
    """
    if type(x) not in {torch.Tensor, torch.nn.Parameter}:
        return constant_like(array, x)
    key = (name, x.device, x.dtype)
    if key in kept:
        return kept[key]
    constant = constant_like(array, x)
    if not torch.compiler.is_compiling() and type(constant) is torch.Tensor and not constant.is_inference():
        kept[key] = constant
    return constant
