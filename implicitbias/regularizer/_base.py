"""What every regularizer can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .._namespace import Kind, kind_of

__all__ = ["Regularizer"]


class Regularizer(ABC):
    """A separable convex function of the predictor, its derivatives and its convex conjugate."""

    @abstractmethod
    def _evaluate(self, name: str, x: Any, kind: Kind) -> Any:
        """Evaluate one of the six functions elementwise; `name` is that of a `ScaledCurve` kernel."""

    @property
    def dual_bound(self) -> Any:
        """Bound of ``|theta_i|`` in the domain of the conjugate, ``()`` or ``(d,)``; inf where there is none."""
        return np.float64(np.inf)

    @property
    def reference(self) -> Any:
        """Predictor at the start, ``(d,)``; None for zero."""
        return None

    def without_reference(self) -> Regularizer:
        """Return the same regularizer with no reference point."""
        return self

    @property
    def dual_origin(self) -> Any:
        """Gradient at the reference point before it was taken off, ``()`` or ``(d,)``; 0 without a reference.

        The domain of the conjugate is ``|theta + dual_origin| < dual_bound``.
        """
        return np.float64(0.0)

    def _elementwise(self, name: str, argument: str, x: Any) -> Any:
        return self._evaluate(name, x, kind_of(**{argument: x}))

    def _total(self, name: str, argument: str, x: Any) -> Any:
        kind = kind_of(**{argument: x})
        terms = self._evaluate(name, x, kind)
        if kind in {Kind.NUMPY, Kind.TORCH}:
            return terms.sum()
        if hasattr(terms, "rows"):
            return sum(terms)
        return sum(np.asarray(terms, dtype=object).ravel()) if isinstance(terms, list | np.ndarray) else terms

    def __call__(self, beta: Any) -> Any:
        """Value at `beta`, a scalar."""
        return self._total("value", "beta", beta)

    def grad(self, beta: Any) -> Any:
        """Gradient at `beta`, of the shape of `beta`."""
        return self._elementwise("slope", "beta", beta)

    def hess_diag(self, beta: Any) -> Any:
        """Diagonal of the Hessian at `beta`; the rest of it is zero."""
        return self._elementwise("curvature", "beta", beta)

    def conjugate(self, theta: Any) -> Any:
        """Convex conjugate ``sup_beta <theta, beta> - self(beta)``, a scalar."""
        return self._total("conjugate", "theta", theta)

    def grad_conjugate(self, theta: Any) -> Any:
        """Gradient of the conjugate, the inverse of :meth:`grad`."""
        return self._elementwise("curve", "theta", theta)

    def hess_diag_conjugate(self, theta: Any) -> Any:
        """Diagonal of the Hessian of the conjugate."""
        return self._elementwise("curve_slope", "theta", theta)
