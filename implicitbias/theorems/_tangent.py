"""The kernel regime of matrix factorization: Theorem 9 and Corollary 10 of Woodworth et al. (2020)."""

from __future__ import annotations

import math

from ._arguments import require_positive

__all__ = [
    "corollary10_width",
    "lemma11_rate",
    "lemma13_deviation",
    "lemma13_probability",
    "theorem9_largest_gap",
    "theorem9_tangent",
    "theorem9_weights",
]


def theorem9_largest_gap(mu: float, gamma: float, lam: float, Lam: float) -> float:
    r"""Largest ``||y(0) - y*||`` to which Theorem 9 applies.

    .. math:: \frac{\mu\lambda}{\sqrt\Lambda}\left(1 - \sqrt{\frac{1+\gamma/\mu}{1+\lambda/(4\Lambda)}}\right),
              \qquad \mu > 4\Lambda\gamma/\lambda

    Parameters
    ----------
    mu, gamma
        Scale of the start, and how far from it: ``||W(0) W(0)^T - mu I|| <= gamma``, of the stacked weights.
    lam, Lam
        Least and largest eigenvalue of the Gram matrix ``X X^T`` of the measurements, as vectors.

    Returns
    -------
    float
        The bound of the initial residual, positive.

    Raises
    ------
    ValueError
        If an argument is out of range, or ``mu > 4 Lam gamma/lam`` does not hold.

    Notes
    -----
    Woodworth et al. (2020), Theorem 9. The width has to be at least twice the side of the matrix for `gamma` to be
    less than `mu`.
    """
    require_positive(mu=mu, lam=lam, Lam=Lam)
    if not 0.0 <= gamma < math.inf:
        raise ValueError(f"gamma must not be negative, got {gamma}")
    if lam > Lam:
        raise ValueError(f"lam must not exceed Lam, got {lam} and {Lam}")
    if not mu * lam > 4.0 * Lam * gamma:
        raise ValueError(f"mu must exceed 4 Lam gamma/lam = {4.0 * Lam * gamma / lam}, got {mu}")
    return mu * lam / math.sqrt(Lam) * (1.0 - math.sqrt((1.0 + gamma / mu) / (1.0 + lam / (4.0 * Lam))))


def theorem9_weights(gap: float, mu: float, gamma: float, lam: float, Lam: float) -> float:
    r"""How far the weights of a matrix factorization ever move from their start.

    .. math:: \|W(T) - W(0)\|_F \le \frac{\sqrt{\Lambda + \lambda/4}\;\|y(0)-y^*\|}{\lambda\sqrt\mu}

    Parameters
    ----------
    gap
        ``||y(0) - y*||``, at most :func:`theorem9_largest_gap`.
    mu, gamma, lam, Lam
        As there.

    Returns
    -------
    float
        The bound, for all times, for the flow of the squared loss or of half of it.

    Raises
    ------
    ValueError
        If a hypothesis does not hold; the message says which.

    Notes
    -----
    Woodworth et al. (2020), Theorem 9, as printed. A factor is lost in its proof (80) and gained in (74); together
    they leave room for ``2 sqrt 2/3``: ``implicitbias verify woodworth.theorem-9-weights``.
    """
    _require(gap, mu, gamma, lam, Lam)
    return math.sqrt(Lam + lam / 4.0) * gap / (lam * math.sqrt(mu))


def theorem9_tangent(
    gap: float, mu: float, gamma: float, lam: float, Lam: float, *, printed: bool = False
) -> float:
    r"""How far the weights ever are from those of the tangent model.

    .. math:: \sqrt{2\Lambda}\left[\frac{\rho\delta}{c}
              + 2\Lambda\sqrt{\mu+\gamma}\,(\rho^2 + 2\rho\sqrt{\mu+\gamma})\frac{\delta}{c^2}\right],
              \qquad c = \tfrac32\mu\lambda, \quad \rho = \tfrac{2\sqrt2}{3}\|W-W(0)\|_{\text{Theorem 9}}

    Parameters
    ----------
    gap
        ``delta = ||y(0) - y*||``, at most :func:`theorem9_largest_gap`.
    mu, gamma, lam, Lam
        As there.
    printed
        The bound of the paper in place of this one: true too, but of the first order in `gap`, where this one is of
        the second.

    Returns
    -------
    float
        The bound, for all times.

    Raises
    ------
    ValueError
        If a hypothesis does not hold; the message says which.

    Notes
    -----
    Woodworth et al. (2020), Theorem 9, for the printed one; ``implicitbias verify new.theorem-9-second-order``.
    """
    _require(gap, mu, gamma, lam, Lam)
    if printed:
        first: float = Lam * math.sqrt(1.0 + lam / (4.0 * Lam)) * gap**2 / (lam**2 * mu * math.sqrt(mu))
        return first + 2.0 * math.sqrt(Lam) * math.sqrt(1.0 + gamma / mu) * gap / (lam * math.sqrt(mu))
    c, size = 1.5 * mu * lam, math.sqrt(mu + gamma)
    rho = 2.0 * math.sqrt(2.0) / 3.0 * theorem9_weights(gap, mu, gamma, lam, Lam)
    return math.sqrt(2.0 * Lam) * (rho * gap / c + 2.0 * Lam * size * (rho**2 + 2.0 * rho * size) * gap / c**2)


def lemma11_rate(R: float, mu: float, gamma: float, lam: float, Lam: float, *, printed: bool = False) -> float:
    r"""Rate at which the residual decays as long as the weights are within R of their start.

    .. math:: \|y(t) - y^*\| \le \|y(0) - y^*\| e^{-\text{rate}\cdot t}, \qquad
              \text{rate} = 2\lambda\left(\mu - \gamma - R^2 - 2R\sqrt{\mu+\gamma}\right)

    Parameters
    ----------
    R
        Bound of ``||W(t) - W(0)||_F``; 0 for the tangent model.
    mu, gamma, lam, Lam
        As for :func:`theorem9_largest_gap`.
    printed
        ``2 mu lam - 4 Lam (gamma + R^2 + 2R sqrt(mu + gamma))`` instead, which is less.

    Returns
    -------
    float
        The rate, of any sign, for half the squared loss; twice that for the squared loss.

    Notes
    -----
    Woodworth et al. (2020), Lemma 11, equations (74), (75), (77).
    """
    off = gamma + R**2 + 2.0 * R * math.sqrt(mu + gamma)
    return 2.0 * mu * lam - (4.0 * Lam if printed else 2.0 * lam) * off


def lemma13_deviation(d: int, k: int, sigma: float = 1.0) -> float:
    """Size ``8 sigma^2 sqrt(k d)`` that ``||W W^T - sigma^2 k I||`` rarely exceeds, W normal, ``(d, k)``.

    Raises
    ------
    ValueError
        If ``d <= k`` does not hold.

    Notes
    -----
    Woodworth et al. (2020), Lemma 13; the probability is :func:`lemma13_probability`.
    """
    if not 1 <= d <= k:
        raise ValueError(f"d must lie between 1 and k, got d = {d}, k = {k}")
    return 8.0 * sigma**2 * math.sqrt(k * d)


def lemma13_probability(d: int) -> float:
    """``2 exp(-d/2)``: bound of the probability of a deviation of :func:`lemma13_deviation` or more."""
    return min(1.0, 2.0 * math.exp(-0.5 * d))


def corollary10_width(Y: float, alpha: float, d: int, lam: float, Lam: float, *, printed: bool = False) -> float:
    r"""Width from which on Theorem 9 applies, with probability ``1 - 2 e^{-d}``, to a start at normal weights.

    .. math:: k \ge \max\left\{\frac{8192\Lambda^2 d}{\lambda^2},
              \frac{512 d^2\Lambda^2(4 + 16\Lambda/\lambda)^2}{\lambda^2},
              \frac{8 Y\sqrt\Lambda(\lambda+4\Lambda)}{\alpha^2\lambda^2}\right\}

    Parameters
    ----------
    Y
        Bound of ``||y*||``.
    alpha
        Standard deviation of the weights.
    d
        Side of the matrix.
    lam, Lam
        As for :func:`theorem9_largest_gap`.
    printed
        With ``d^3 Lambda^3`` in the second and ``Y/(2 alpha^2 sqrt(Lambda)(lambda + 4 Lambda))`` in place of
        the third term: too small in general.

    Returns
    -------
    float
        The width, a real number.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Woodworth et al. (2020), equations (89), (93), (94), (97), corrected: ``implicitbias verify woodworth.eq-94``.
    """
    require_positive(Y=Y, alpha=alpha, d=d, lam=lam, Lam=Lam)
    first, ratio = 8192.0 * Lam**2 * d / lam**2, 4.0 + 16.0 * Lam / lam
    if printed:
        second = 512.0 * d**3 * Lam**3 * ratio**2 / lam**2
        return max(first, second, Y / (2.0 * alpha**2 * math.sqrt(Lam) * (lam + 4.0 * Lam)))
    second = 512.0 * d**2 * Lam**2 * ratio**2 / lam**2
    return max(first, second, 8.0 * Y * math.sqrt(Lam) * (lam + 4.0 * Lam) / (alpha**2 * lam**2))


def _require(gap: float, mu: float, gamma: float, lam: float, Lam: float) -> None:
    largest = theorem9_largest_gap(mu, gamma, lam, Lam)
    # the largest one itself, rounded, is meant
    if not 0.0 <= gap <= largest * (1.0 + 1e-12):
        raise ValueError(f"gap must lie between 0 and {largest}, got {gap}")
