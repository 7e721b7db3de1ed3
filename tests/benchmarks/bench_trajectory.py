"""Trajectories of classification beside SciPy's Radau and normalized gradient descent: run this file with Python.

One table for the whole run, one BLAS thread. ``--large`` adds 100 samples in 100,000 dimensions, ``--repeat`` takes
the best of so many runs, ``--limit`` stops a peer. Times are reported, never asserted.

Radau integrates the multipliers in the clock ``-log loss`` as one would write it down: ``2 alpha^2 sinh`` (or the
powers at D > 2), the shares by SciPy's softmax, a Jacobian by differences, at two tolerances. Normalized gradient
descent follows ``grad log L`` of the weights in NumPy, with two step sizes; from its error at the smaller the steps
for `TARGET` are extrapolated, at first order.
"""

import argparse
import os
import time
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import softmax
from threadpoolctl import threadpool_limits

import implicitbias as ib

THREE = np.array([[1.0, 0.2, 0.3], [-0.4, -1.0, 0.3], [0.2, -0.5, 1.0]])
LABELS = np.array([1.0, -1.0, 1.0])
TARGET = 1e-8


@dataclass(frozen=True)
class Case:
    """Problem, scale, depth and accuracy; what was aimed at, in seconds; steps of descent, about."""

    name: str
    X: np.ndarray
    y: np.ndarray
    alpha: float
    D: float
    end: float
    aim: str
    descent: int = 20_000

    @property
    def signed(self):
        return self.y[:, None] * self.X

    def flow(self, **options):
        return ib.gradient_flow(
            self.X, self.y, self.alpha, self.D, "exponential", until_accuracy=self.end, save_at=1, **options
        )


def cases(large):
    def gauss(N, d):
        return np.random.default_rng(0).standard_normal((N, d)), np.where(np.arange(N) % 2, 1.0, -1.0)

    small, wide = (THREE, LABELS), gauss(100, 1000)
    yield Case("3 x 3", *small, 100.0, 2, 2e4, "0.05")
    yield Case("3 x 3", *small, 100.0, 2, 1e7, "0.2")
    yield Case("3 x 3", *small, 1e4, 2, 2e8, "1")
    for D in (3, 4, 10):
        yield Case("3 x 3", *small, 1e4 ** (1 / D), D, 1e6, "-")
    yield Case("100 x 1000", *wide, 100.0, 2, 1e7, "0.5", 5_000)
    yield Case("100 x 1000", *wide, 1e4 ** (1 / 3), 3, 1e6, "-", 5_000)
    if large:
        yield Case("100 x 100,000", *gauss(100, 100_000), 100.0, 2, 1e6, "seconds", 100)


def best(function, repeat):
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - started)
    return result, min(times)


def accuracy_of(case, beta):
    margins = case.signed @ beta
    low = margins.min()
    return low - np.log(np.mean(np.exp(low - margins)))


def distance(beta, direction):
    return float(np.linalg.norm(beta / np.linalg.norm(beta) - direction))


def reference(case):
    """Direction by another method, or by the same one at a tighter tolerance where that takes too long."""
    if case.X.size < 100:
        return case.flow(digits=30).direction[-1].astype(float), "30 digits"
    return case.flow(rtol=1e-13).direction[-1], "rtol 1e-13"


def residual(case, found):
    """``grad Q(beta)`` against ``A^T nu``, relative."""
    gradient, combined = ib.Q(case.alpha, case.D).grad(found.beta[-1]), case.signed.T @ found.dual[-1]
    return float(np.abs(gradient - combined).max() / np.abs(combined).max())


class OutOfTime(Exception):
    pass


def plain(case):
    """Predictor and its derivative from ``theta``, written down as they stand."""
    level, D = case.alpha**case.D, float(case.D)
    if D == 2.0:
        return lambda theta: (2.0 * level * np.sinh(theta), 2.0 * level * np.cosh(theta))
    p = D / (D - 2.0)
    return lambda theta: (
        level * ((1.0 - theta) ** -p - (1.0 + theta) ** -p),
        level * p * ((1.0 - theta) ** (-p - 1.0) + (1.0 + theta) ** (-p - 1.0)),
    )


def radau(case, rtol, limit):
    """``(beta, note)``; beta is None where it got nowhere."""
    A, curve, started, reached = case.signed, plain(case), time.perf_counter(), [0.0]

    def velocity(clock, nu):
        if time.perf_counter() - started > limit:
            raise OutOfTime
        reached[0] = clock
        beta, W = curve(nu @ A)
        share = softmax(-(A @ beta))
        along = share @ A
        return share / ((W * along) @ along)

    try:
        with np.errstate(all="ignore"):
            run = solve_ivp(
                velocity, (0.0, case.end), np.zeros(len(A)), method="Radau", rtol=rtol, atol=1e-5 * rtol
            )
    except OutOfTime:
        return None, f"at {reached[0]:.1e} after {limit:.0f} s"
    except (ValueError, np.linalg.LinAlgError) as error:
        return None, f"{type(error).__name__} at {reached[0]:.1e}"
    if not run.success:
        return None, f"stops at {run.t[-1]:.1e}"
    return curve(run.y[:, -1] @ A)[0], ""


def descend(case, step, limit):
    """``(beta, steps, seconds)`` of ``u -= step grad log L``, at the accuracy asked for between two steps."""
    A, D = case.signed, case.D
    plus = np.full(A.shape[1], case.alpha)
    minus, before, at, steps = plus.copy(), np.zeros(A.shape[1]), 0.0, 0
    started = time.perf_counter()
    while True:
        beta = plus**D - minus**D
        margins = A @ beta
        low = margins.min()
        share = np.exp(low - margins)
        total = share.sum()
        now = low - np.log(total / len(A))
        if now >= case.end:
            weight = (case.end - at) / (now - at)
            return before + weight * (beta - before), steps, time.perf_counter() - started
        if time.perf_counter() - started > limit:
            raise OutOfTime
        pull = (step * D / total) * (share @ A)
        plus += plus ** (D - 1) * pull
        minus -= minus ** (D - 1) * pull
        before, at, steps = beta, now, steps + 1


def descent(case, found, direction, limit):
    """Steps and seconds for `TARGET`, and the errors at the two step sizes they are extrapolated from."""
    rate = 4.0 if case.D == 2 else case.D * (case.D - 2.0) * case.alpha ** (case.D - 2.0)
    length = float(found.dual[-1].sum()) / rate
    errors, cost = [], 0.0
    try:
        for count in (case.descent, 2 * case.descent):
            beta, steps, seconds = descend(case, length / count, limit)
            errors.append(distance(beta, direction))
            cost = seconds / steps
    except OutOfTime:
        return None
    needed = steps * max(errors[-1] / TARGET, 1.0)
    return needed, needed * cost, errors


def row(case, repeat, limit):
    case.flow()  # tables of the depth are fitted on first use
    found, seconds = best(case.flow, repeat)
    direction, kind = reference(case)
    error = distance(found.beta[-1], direction)
    off = abs(accuracy_of(case, found.beta[-1]) / case.end - 1.0)
    evaluations = found.info["evaluations"]
    yield f"{case.name}, D = {case.D:g}, alpha = {case.alpha:.3g}, to {case.end:.0e} (aim {case.aim} s)"
    yield (
        f"    implicitbias  {seconds:9.3f} s  direction {error:.1e} ({kind})  accuracy {off:.1e}  "
        f"grad Q = A^T nu {residual(case, found):.1e}  {evaluations} evaluations, {found.info['method']}"
    )
    for rtol in (1e-7, 1e-10):
        (beta, note), other = best(lambda tolerance=rtol: radau(case, tolerance, limit), 1)
        if beta is None:
            yield f"    Radau {rtol:.0e}   {other:9.3f} s  {note}"
            continue
        wrong = abs(accuracy_of(case, beta) / case.end - 1.0)
        yield (
            f"    Radau {rtol:.0e}   {other:9.3f} s  direction {distance(beta, direction):.1e}  "
            f"accuracy {wrong:.1e}  ratio {other / seconds:.1f}"
        )
    told = descent(case, found, direction, limit)
    if told is None:
        yield f"    descent       no {2 * case.descent} steps within {limit:.0f} s"
    else:
        needed, spent, (coarse, fine) = told
        yield (
            f"    descent       {spent:9.3g} s  for {TARGET:.0e}: {needed:.1e} steps, extrapolated from errors "
            f"{coarse:.1e}, {fine:.1e} at {case.descent}, {2 * case.descent} steps;  ratio {spent / seconds:.1e}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one run of a peer")
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; NumPy {np.__version__}")
    with threadpool_limits(1):
        for case in cases(given.large):
            for line in row(case, given.repeat if case.X.size < 1e6 else 1, given.limit):
                print(line, flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
