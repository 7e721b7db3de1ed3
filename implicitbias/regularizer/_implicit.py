"""The implicit regularizer `Q`: where gradient flow on a diagonal network ends, from wherever it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..special._depth import validate_depth
from . import _exact, _weights
from ._curve import ScaledCurve
from ._divergence import divergence
from ._scale import Scale
from ._scaled import Scaled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Q", "finite_depth"]


class Q(Scaled):
    """Implicit regularizer of gradient flow on a depth-D diagonal network started at scale alpha.

    ``Q(beta) = alpha^D sum_i w0_i^2 q_D(beta_i / (alpha w0_i)^D)``

    Gradient flow on the squared loss of ``beta = w_+^D - w_-^D`` from ``w_+ = w_- = alpha w0`` ends, if it fits
    the data, at the minimizer of Q among all predictors that do. Started elsewhere (:meth:`from_weights`), its
    predictor begins at some ``beta_0``, the `reference`, and it ends at the minimizer of the Bregman divergence

    ``Q(beta) - Q(beta_0) - <theta_0, beta - beta_0>``,  ``theta_0 = grad Q(beta_0)``,

    which the regularizer then is: zero at beta_0, positive elsewhere, with gradient ``grad Q - theta_0`` and
    conjugate ``Q*(theta + theta_0) - Q*(theta_0)``.

    Parameters
    ----------
    alpha
        Scale of initialization, positive: ``float``, ``int``, decimal string (``"1e-4350"``), mpmath number, or a
        SymPy expression (then Q takes SymPy expressions only). Held exactly. A floating-point torch tensor of
        shape ``()`` is learnable: values and derivatives on torch tensors are differentiable in it too, and
        everything else takes the value it has at that moment.
    D
        Depth, a real number ``>= 2``, finite.
    w0
        Shape of the initialization, ``(d,)``, nonzero; signs do not matter. None means all ones.
    reference
        Predictor ``beta_0`` at the start, ``(d,)``, finite. None means zero.

    Raises
    ------
    TypeError
        If an argument is not real, or kinds are mixed.
    ValueError
        If ``alpha <= 0``, ``D < 2``, an entry of `w0` is zero, an argument is not finite, or shapes differ.

    Notes
    -----
    Woodworth et al. (2020): Theorem 1 (eq. 5, D = 2, any shape) and Theorem 3 (eq. 60, D > 2, ``w0 = 1``); the
    shape for D > 2 is derived in ``derivations/depth.py``, the reference (footnote 2 there) in
    ``derivations/reference.py``. As ``alpha -> 0`` minimizing Q means minimizing
    ``sum w0_i^{2-D} |beta_i|``, as ``alpha -> inf`` ``sum beta_i^2 / w0_i^{2(D-1)}``.

    In float64 every value is right to a few units in the last place, from ``alpha = 1e300`` to
    ``alpha = 10^-4000000``. Two roundings of `w0` powers add to that where a shape is given. With a reference
    the value is still right to some 1e-14, relatively, at any distance from beta_0 (the three terms are never
    subtracted); the gradient, a plain difference, is right relative to ``theta_0``.

    Two regularizers with a learnable alpha are equal if they share the tensor.

    Examples
    --------
    >>> Q(1)([3.0])
    np.float64(1.978743151175391)
    >>> Q("1e-4350").grad(0.5)
    np.float64(20031.79698370704)
    >>> Q.from_weights([0.2, 0.1], [0.1, 0.2]).reference.round(6)
    array([ 0.03, -0.03])
    """

    def __init__(
        self, alpha: Any, D: Any = 2, w0: ArrayLike | None = None, *, reference: ArrayLike | None = None
    ) -> None:
        self._D = finite_depth(D)
        super().__init__(alpha, self._D, w0)
        self._reference = None if reference is None else _weights.reference_vector(reference, self._w0)
        self._origin: Any = None

    @classmethod
    def from_log_alpha(
        cls, log_alpha: Any, D: Any = 2, w0: ArrayLike | None = None, *, reference: ArrayLike | None = None
    ) -> Q:
        """Regularizer given the natural logarithm of alpha, for scales that no float holds."""
        return cls(Scale(log_alpha, is_log=True, name="log_alpha"), D, w0, reference=reference)

    @classmethod
    def from_weights(cls, w_plus: ArrayLike, w_minus: ArrayLike, D: Any = 2) -> Q:
        """Regularizer of the flow started at the weights ``w_+`` and ``w_-``, which may differ.

        Parameters
        ----------
        w_plus, w_minus
            Weights at the start, ``(d,)``, nonzero; negative ones only where D is an even integer.
        D
            Depth.

        Returns
        -------
        Q
            With ``reference = w_+^D - w_-^D`` and with the scale ``alpha w0_i = a_i`` that the flow conserves:
            ``a_i^2 = |w_+ w_-|`` at D = 2, ``2 a_i^{2-D} = |w_+|^{2-D} + |w_-|^{2-D}`` beyond. `alpha` is a power
            of two near the a_i, unless they are all equal.

        Raises
        ------
        ValueError
            If a weight is zero, not finite or of the wrong sign, if shapes differ, or if the predictor at the
            start leaves the range of floats.
        """
        D = finite_depth(D)
        scale, reference = _weights.of_network(w_plus, w_minus, D)
        alpha, w0 = _weights.common_factor(scale)
        return cls(alpha, D, w0, reference=reference)

    @classmethod
    def from_product(cls, u: ArrayLike, v: ArrayLike) -> Q:
        """Regularizer of the flow of ``beta = u * v`` (elementwise), a network of depth 2 without a difference.

        Parameters
        ----------
        u, v
            Weights at the start, ``(d,)``, with ``|u_i| != |v_i|`` throughout.

        Returns
        -------
        Q
            ``argmin Q s.t. X beta = y`` is where the flow ends: ``beta = s sinh(theta)`` with the conserved
            ``s_i = |u_i^2 - v_i^2|/2 = 2 (alpha w0_i)^2``, from ``reference = u * v``.

        Raises
        ------
        ValueError
            If ``|u_i| = |v_i|`` somewhere (that product keeps its sign: no function of beta alone describes the
            flow past zero), an entry is not finite, or shapes differ.
        """
        scale, reference = _weights.of_product(u, v)
        alpha, w0 = _weights.common_factor(scale)
        return cls(alpha, 2, w0, reference=reference)

    @property
    def D(self) -> Any:
        """Depth."""
        return self._D

    @property
    def reference(self) -> NDArray[np.float64] | None:
        """Predictor ``beta_0`` at the start, ``(d,)``, read-only; None for zero."""
        return self._reference

    @property
    def dual_bound(self) -> Any:
        """Bound of ``|theta_i + theta_0i|``: ``w0_i^{2-D}`` at D > 2, infinite at D = 2."""
        if self._D == 2:
            return np.float64(np.inf)
        return np.float64(1.0) if self._w0 is None else self._w0 ** (2.0 - float(self._k))

    @property
    def dual_origin(self) -> Any:
        """Gradient ``theta_0`` of Q without the reference at the reference, ``(d,)``; 0 without one."""
        if self._reference is None:
            return np.float64(0.0)
        if self._origin is None or self._held is None:
            origin = np.asarray(super()._numpy("slope", self._reference))
            origin.setflags(write=False)
            self._origin = origin
        return self._origin

    def without_reference(self) -> Q:
        """Return the same regularizer with its least value at zero."""
        return self._with_reference(None)

    def _with_reference(self, reference: NDArray[np.float64] | None) -> Self:
        other = self.restricted(slice(None))
        other._reference, other._origin = reference, None
        return other

    def at_log_alpha(self, log_alpha: Any) -> Self:
        """Return the same regularizer, reference included, at another scale, given by its natural logarithm."""
        other = super().at_log_alpha(log_alpha)
        other._origin = None
        return other

    def in_units(self, exponent: int) -> Self:
        """Return the regularizer of the predictor in units of ``2^exponent``; self is ``2^exponent`` times that."""
        other = super().in_units(exponent)
        if self._reference is not None:
            other._reference = np.ldexp(self._reference, -exponent)
        return other

    def restricted(self, columns: Any) -> Self:
        """Return the same regularizer on some of the coordinates (an index array, mask or slice)."""
        other = super().restricted(columns)
        if self._reference is not None:
            other._reference, other._origin = self._reference[columns], None
        return other

    # ---- evaluation ----

    def _lengths(self) -> dict[str, NDArray[np.float64] | None]:
        return {"w0": self._w0, "reference": self._reference}

    def _curve_of(self, scale: Scale) -> ScaledCurve:
        return ScaledCurve(self._D, scale.binary_power(self._k))

    def _torch_curve(self, name: str, x: Any) -> Any:
        if self._tensor is not None:
            from . import _learnable

            return _learnable.evaluate(name, x, self._tensor, _learnable.Family(self._D, self._k, self._k))
        from . import _curve_torch

        return _curve_torch.evaluate(name, x, self._D, self._float_curve().c)

    def _exact_entry(self, name: str, x: Any, index: int, w0: float | None) -> Any:
        if self._reference is None:
            return _exact.evaluate(name, x, self._D, self._scale, self._k, w0)
        start = float(self._reference[index % len(self._reference)])
        return _exact.evaluate_from(start, name, x, self._D, self._scale, self._k, w0)

    def _numpy(self, name: str, x: Any) -> Any:
        if self._reference is None or name == "curvature":
            return super()._numpy(name, x)
        array = np.asarray(x)
        if array.dtype == object:  # Python numbers no dtype holds, such as Fractions and large integers
            array = array.astype(np.float64)
        result = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        array = array.astype(np.float64)
        with np.errstate(all="ignore"):  # as without a reference
            if name == "slope":
                shifted = super()._numpy(name, array) - self.dual_origin
            elif name in {"curve", "curve_slope"}:
                shifted = super()._numpy(name, array + self.dual_origin)
            else:
                # the kernels take flat arrays
                shape = np.broadcast_shapes(array.shape, self._reference.shape)
                b, start = (np.broadcast_to(v, shape).ravel() for v in (array, self._reference))
                w0 = None if self._w0 is None else np.broadcast_to(self._w0, shape).ravel()
                shifted = self._difference(np, name, b, start, w0, self._float_curve()).reshape(shape)
        return np.asarray(shifted).astype(result)[()]

    def _difference(self, xp: Any, name: str, x: Any, start: Any, w0: Any, curve: Any) -> Any:
        """The divergence or its conjugate on float64 arrays, without subtracting large terms from each other."""
        inner = outer = 1.0
        if w0 is not None:
            inner, outer = w0 ** -float(self._k), w0**2.0
        unit_start = start * inner
        if name == "value":
            step = (x - start) * inner
            unit_start = unit_start + xp.zeros_like(step)
            return outer * divergence(curve, xp, x * inner, unit_start, step)
        # S*(s + s0) - S*(s0) = s b0 + D_S(b0, b(s + s0)); b(s + s0) is infinite or nan where S* is infinite
        s = x * (inner * outer) ** -1.0 if w0 is not None else x
        end = s + curve.slope(xp, unit_start)
        reached = curve.curve(xp, end)
        beyond = curve.conjugate(xp, end)
        inside = xp.isfinite(beyond) & xp.isfinite(reached)
        reached = xp.where(inside, reached, 0.0)
        unit_start = unit_start + xp.zeros_like(reached)
        gap = divergence(curve, xp, unit_start, reached, unit_start - reached)
        return outer * xp.where(inside, s * unit_start + gap, beyond)

    def _torch(self, name: str, x: Any) -> Any:
        if self._reference is None or name == "curvature":
            return super()._torch(name, x)
        import torch

        from . import _curve_torch

        real = _curve_torch.as_real(x)
        wide, base = real.to(torch.float64), super()._torch
        start = self._as_tensor("reference", wide)
        origin = base("slope", start)
        if name == "slope":
            return (base(name, wide) - origin).to(real.dtype)
        if name in {"curve", "curve_slope"}:
            return base(name, wide + origin).to(real.dtype)
        # The derivatives come from the difference as it is written, the value from the form that does not cancel.
        if name == "value":
            plain = base(name, wide) - base(name, start) - origin * (wide - start)
        else:
            plain = base(name, wide + origin) - base(name, origin)
        w0, curve = self._as_tensor("w0", wide), self._torch_kernels()
        value = self._difference(torch, name, wide.detach(), start, w0, curve).detach()
        slope = plain - plain.detach()
        return (value + torch.where(torch.isfinite(plain.detach()), slope, 0.0)).to(real.dtype)

    def _torch_kernels(self) -> ScaledCurve:
        """Float kernels for torch, at the present value of a learnable alpha."""
        if self._tensor is None:
            from . import _curve_torch

            return _curve_torch.kernels(self._D, self._float_curve().c)
        from . import _learnable

        curve: ScaledCurve = _learnable.Family(self._D, self._k, self._k).curve(self._tensor.detach())
        return curve

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self._D)

    def __repr__(self) -> str:
        vectors = {name: v for name, v in self._lengths().items() if v is not None}
        return self._repr(D=self._D, **vectors)


def finite_depth(D: Any) -> Any:
    """`D` validated, and finite."""
    D = validate_depth(D)
    if D == float("inf"):
        raise ValueError("D must be a finite real number >= 2, got inf; special.q takes the limit D = inf")
    return D
