"""Models and trainers in torch: diagonal networks, gradient flow and gradient descent through autograd.

Nothing here knows where training must end: there is no mirror map, no dual variable and no conserved
quantity in this package, so that an end point found here is evidence for or against those that do.
"""

try:
    import torch as _torch  # noqa: F401 - probed here so that the error below is the first one a person sees
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "training needs torch, which is not installed; run: pip install 'implicitbias[torch]'", name="torch"
    ) from None

from ._descend import Watcher
from ._run import Progress
from .descent import curvature, train_by_descent
from .fit import METHODS, fit
from .flow import train_by_flow
from .models import DiagonalNetwork, ProductNetwork
from .normalized import train_by_log_flow, train_by_normalized_descent

__all__ = [
    "METHODS",
    "DiagonalNetwork",
    "ProductNetwork",
    "Progress",
    "Watcher",
    "curvature",
    "fit",
    "train_by_descent",
    "train_by_flow",
    "train_by_log_flow",
    "train_by_normalized_descent",
]
