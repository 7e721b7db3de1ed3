"""Tangent kernels of any torch module: kernel, linearized model, its flow, and how far training leaves them.

The tangent kernel of a model ``f(w, x)`` is ``K(x, x') = <grad_w f(w, x), grad_w f(w, x')>``. Where it stays what
it was at the start, training is kernel regression with it: the kernel regime.
"""

try:
    import torch as _torch  # noqa: F401 - probed here so that the error below is the first one a person sees
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "tangent kernels need torch, which is not installed; run: pip install 'implicitbias[torch]'", name="torch"
    ) from None

from ._distances import KernelObserver, alignment, cosine_distance, feature_distance, relative_change
from ._flow import KernelFlow, kernel_flow
from ._lazy import LazyOrRich, lazy_or_rich
from ._linear import LinearizedModel, linearize
from ._tangent import jacobian, tangent_kernel

__all__ = [
    "KernelFlow",
    "KernelObserver",
    "LazyOrRich",
    "LinearizedModel",
    "alignment",
    "cosine_distance",
    "feature_distance",
    "jacobian",
    "kernel_flow",
    "lazy_or_rich",
    "linearize",
    "relative_change",
    "tangent_kernel",
]
