"""Separable regularizers of the predictor: the implicit one, `Q`, the explicit one, `R`, and their limits.

A regularizer is a sum over coordinates of a scalar function, convex for all but `R` beyond depth 2 and `Lp` below
1; `Q` and `R` compose the functions of :mod:`implicitbias.special` with a scale that is held exactly, so that
``Q("1e-4350")`` is as good as ``Q(1)``. Every method takes NumPy arrays, torch tensors, mpmath numbers (alone, in
a list or in a matrix) and SymPy expressions (likewise), and returns the same kind and shape. The value is the sum
over all entries.
"""

from __future__ import annotations

from ._base import Regularizer
from ._cost import R
from ._implicit import Q
from ._lp import Lp
from ._norms import L1, L2

__all__ = ["L1", "L2", "Lp", "Q", "R", "Regularizer"]
