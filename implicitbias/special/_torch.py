"""The scalar functions on torch tensors: the float kernels, with derivatives stated rather than traced.

Each function of the chain ``q -> q' -> q'' -> ...`` is a `torch.autograd.Function` whose derivative is the next
one, so gradients of any order are as accurate as values. No branch depends on data: nothing waits for the
device. Half precision is computed in float32, and float32 in float64 where a root has to be found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from . import _float
from ._depth import constants
from ._tables import kernel_constants

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FUNCTIONS",
    "Scalar",
    "differentiable",
    "h_prime",
    "literal_constants",
    "literal_kernel_constants",
    "traced",
]


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # torch leaves it unannotated
def literal_kernel_constants(kernel: str, D: Any) -> Any:
    """Constants of a kernel; a compiled graph takes them as literals instead of tracing how they are fitted."""
    return kernel_constants(kernel, D)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # torch leaves it unannotated
def literal_constants(D: Any) -> Any:
    """Exponents of the depth, likewise literals in a compiled graph."""
    return constants(D)


class Scalar(NamedTuple):
    """A function of ``(x, *parameters)``: bare, for compiled graphs, and with its stated derivative."""

    value: Callable[..., Any]
    apply: Callable[..., Any]


def differentiable(name: str, value: Callable[..., Any], derivative: Scalar) -> Scalar:
    """Scalar with the given value ``(x, *parameters)``; parameters are Python numbers."""
    # the compiler traces closures over functions, but not over objects of ours
    derivative_value, derivative_apply = derivative

    def slope(x: Any, parameters: tuple[Any, ...]) -> Any:
        # a compiled graph is differentiated once only, and may not nest autograd functions
        compiling = torch.compiler.is_compiling()
        return derivative_value(x, *parameters) if compiling else derivative_apply(x, *parameters)

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, *parameters = inputs
        ctx.parameters = tuple(parameters)
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    def backward(ctx: Any, grad: Any) -> tuple[Any, ...]:
        (x,) = ctx.saved_tensors
        return grad * slope(x, ctx.parameters), *(None for _ in ctx.parameters)

    def jvp(ctx: Any, tangent: Any, *_: None) -> Any:
        (x,) = ctx.saved_tensors
        return tangent * slope(x, ctx.parameters)

    members = {
        "forward": staticmethod(value),
        "setup_context": staticmethod(setup_context),
        "backward": staticmethod(backward),
        "generate_vmap_rule": True,
        "__doc__": f"``{name}`` with its stated derivative.",
    }
    base = (torch.autograd.Function,)
    reverse: Any = type(name, base, members)
    # torch.compile refuses functions that also define a forward-mode rule; torch.func.hessian needs one
    both: Any = type(name, base, {**members, "jvp": staticmethod(jvp)})

    def apply(x: Any, *parameters: Any) -> Any:
        if torch.compiler.is_compiling():
            # hashing makes the compiler treat a parameter that changed between calls as a constant again
            return reverse.apply(x, *(next(iter({value})) for value in parameters))
        return both.apply(x, *parameters)

    return Scalar(value, apply)


def _scalar(name: str, at_two: Callable[..., Any] | None, beyond: Callable[..., Any], derivative: Scalar) -> Scalar:
    """Scalar of ``(x, D)`` with kernels ``at_two(xp, x)`` at D = 2 and ``beyond(xp, x, constants)`` for D > 2."""

    def value(x: Any, D: Any) -> Any:
        result = x.dtype if x.dtype.is_floating_point else torch.get_default_dtype()
        if D == 2 and at_two is not None:
            work = torch.float64 if result == torch.float64 else torch.float32
            return at_two(torch, x.to(work)).to(result)
        return beyond(torch, x.to(torch.float64), literal_kernel_constants(beyond.__name__, D)).to(result)

    return differentiable(name, value, derivative)


def _q_third(t: Any, D: Any) -> Any:
    """``q'''``, from functions that are themselves differentiable.

    D = 2: ``-z (4 + z^2)^(-3/2)``. D > 2: ``-h''(z)/h'(z)^3``, written with powers of ``u = 1 - |z|`` and
    ``v = 1 + |z|`` relative to ``u^-p`` so that nothing overflows.
    """
    if D == 2:
        return -t * _Q_SECOND.apply(t, D) ** 3
    c = literal_constants(D)
    wide = t.to(torch.float64)
    u = _COMPLEMENT.apply(wide, D)
    v = 2.0 - u
    ratio = u / v
    power = ratio**c.p
    # h' = p u^{-p-1} (1 + ratio^{p+1}), h'' = p (p+1) u^{-p-2} (1 - ratio^{p+2})
    slope = 1.0 + power * ratio
    value = -((c.p + 1.0) / c.p) * (u**c.p / c.p) * (u ** (c.p + 1.0))
    value = value * (1.0 - power * ratio * ratio) / slope**3
    return (torch.sign(wide) * value).to(t.dtype)


def h_prime(s: Any, D: Any) -> Any:
    """``h'``: ``2 cosh(s)``, or ``p [(1-|s|)^{-p-1} + (1+|s|)^{-p-1}]``; differentiable by tracing."""
    if D == 2:
        return 2.0 * torch.cosh(s)
    p, z = literal_constants(D).p, torch.abs(s)
    return p * ((1.0 - z) ** (-p - 1.0) + (1.0 + z) ** (-p - 1.0))


def traced(function: Callable[..., Any]) -> Scalar:
    """Scalar whose derivative is left to tracing."""
    return Scalar(function, function)


_Q_SECOND = _scalar("q_second", _float.q2_second, _float.q_second, traced(_q_third))
_Q_PRIME = _scalar("q_prime", _float.q2_prime, _float.h_inverse, _Q_SECOND)
_Q = _scalar("q", _float.q2, _float.q, _Q_PRIME)
_H = _scalar("h", _float.h2, _float.h, traced(h_prime))
_CONJUGATE = _scalar("q_conjugate", _float.q2_conjugate, _float.q_conjugate, _H)
_COMPLEMENT_PRIME = Scalar(
    lambda t, D: -torch.sign(t) * _Q_SECOND.value(t, D), lambda t, D: -torch.sign(t) * _Q_SECOND.apply(t, D)
)
_COMPLEMENT = _scalar("h_inverse_complement", None, _float.h_inverse_complement, _COMPLEMENT_PRIME)

FUNCTIONS = {
    "q": _Q.apply,
    "q_second": _Q_SECOND.apply,
    "q_conjugate": _CONJUGATE.apply,
    "h": _H.apply,
    "h_inverse": _Q_PRIME.apply,
    "h_inverse_complement": _COMPLEMENT.apply,
}
