"""The predicted outcome of training against the trained one.

A prediction solves a convex problem or a differential equation in one variable per sample and never trains; the
training follows gradients by autograd and knows nothing of ``Q``. What the two share is this package and the data,
so agreement to many digits is evidence for both.
"""

from ._crosscheck import crosscheck
from ._devices import check_device
from ._minimum import minimum_norms

__all__ = ["check_device", "crosscheck", "minimum_norms"]
