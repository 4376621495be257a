"""Functions of the BBOB suite (Hansen, Finck, Ros, Auger: "Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless
Functions Definitions", INRIA RR-6829), written from their definitions.

Deviations: the rotations, shifts and peaks of an instance come from NumPy's generator, so instances are not those of COCO;
the best value is 0; values are divided by the median of 512 uniform points, so 1 is what a blind guess gets. Runtimes are
drawn for each set of parameters: lognormal, median 60 s, sigma 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.problem import Course, Problem, chance_of
from tuner.space import Float, SearchSpace
from tuner.trial import Params

__all__ = ["BBOB", "FUNCTIONS"]

Vector = NDArray[np.float64]
Function = Callable[[Vector], float]

MEDIAN_S, SIGMA = 60.0, 0.5


class BBOB(Problem):
    """One instance of one function.

    Args:
        function: A key of ``FUNCTIONS``.
        dims: How many dimensions, at least 2; each from -5 to 5.
        instance: Which rotation and shift.
    """

    def __init__(self, function: str, dims: int, instance: int = 1) -> None:
        space = SearchSpace({f"x{i}": Float(-5.0, 5.0) for i in range(dims)})
        super().__init__(f"bbob-{function}-{dims}d-i{instance}", "bbob", space)
        self._names = list(space)
        rng = np.random.default_rng([sorted(FUNCTIONS).index(function), dims, instance])
        self.function = FUNCTIONS[function](_Frame(rng, dims))
        self.scale = float(np.median([self.function(x) for x in rng.uniform(-5.0, 5.0, (512, dims))]))

    def _course(self, params: Params) -> Course:
        x = np.array([params[name] for name in self._names], dtype=float)
        took_s = MEDIAN_S * math.exp(SIGMA * chance_of(self.name, params).gauss(0.0, 1.0))
        return Course((self.function(x) / self.scale,), (took_s,))


class _Frame:
    """Where the optimum lies, two rotations, and the suite's transformations."""

    def __init__(self, rng: np.random.Generator, dims: int) -> None:
        self.rng, self.dims = rng, dims
        self.ramp = np.arange(dims) / (dims - 1)
        self.best = rng.uniform(-4.0, 4.0, dims)
        self.r, self.q = (np.linalg.qr(rng.normal(size=(dims, dims)))[0] for _ in range(2))

    def stretch(self, alpha: float) -> Vector:
        return np.asarray(alpha ** (0.5 * self.ramp))

    def skewed(self, x: Vector, beta: float) -> Vector:
        positive = np.maximum(x, 0.0)
        return np.where(x > 0, positive ** (1 + beta * self.ramp * np.sqrt(positive)), x)


def _bumpy(x: Vector) -> Vector:
    """T_osz: smooth, local irregularities."""
    log = np.log(np.abs(np.where(x == 0, 1.0, x)))
    up = x > 0
    wave = np.sin(np.where(up, 10.0, 5.5) * log) + np.sin(np.where(up, 7.9, 3.1) * log)
    return np.asarray(np.sign(x) * np.exp(log + 0.049 * wave))


def _sphere(frame: _Frame) -> Function:
    return lambda x: float(np.sum((x - frame.best) ** 2))


def _ellipsoid(frame: _Frame) -> Function:
    weights = 10 ** (6 * frame.ramp)
    return lambda x: float(weights @ _bumpy(frame.r @ (x - frame.best)) ** 2)


def _separable_rastrigin(frame: _Frame) -> Function:
    def value(x: Vector) -> float:
        z = frame.stretch(10) * frame.skewed(_bumpy(x - frame.best), 0.2)
        return float(10 * (frame.dims - np.sum(np.cos(2 * np.pi * z))) + z @ z)

    return value


def _rastrigin(frame: _Frame) -> Function:
    def value(x: Vector) -> float:
        z = frame.r @ (frame.stretch(10) * (frame.q @ frame.skewed(_bumpy(frame.r @ (x - frame.best)), 0.2)))
        return float(10 * (frame.dims - np.sum(np.cos(2 * np.pi * z))) + z @ z)

    return value


def _attractive_sector(frame: _Frame) -> Function:
    def value(x: Vector) -> float:
        z = frame.q @ (frame.stretch(10) * (frame.r @ (x - frame.best)))
        side = np.where(z * frame.best > 0, 100.0, 1.0)
        return float(_bumpy(np.array([np.sum((side * z) ** 2)]))[0] ** 0.9)

    return value


def _rosenbrock(frame: _Frame) -> Function:
    factor, best = max(1.0, math.sqrt(frame.dims) / 8), 0.75 * frame.best

    def value(x: Vector) -> float:
        z = factor * (x - best) + 1
        return float(np.sum(100 * (z[:-1] ** 2 - z[1:]) ** 2 + (z[:-1] - 1) ** 2))

    return value


def _different_powers(frame: _Frame) -> Function:
    powers = 2 + 4 * frame.ramp
    return lambda x: float(np.sqrt(np.sum(np.abs(frame.r @ (x - frame.best)) ** powers)))


def _schaffers(frame: _Frame) -> Function:
    def value(x: Vector) -> float:
        z = frame.stretch(10) * (frame.q @ frame.skewed(frame.r @ (x - frame.best), 0.5))
        s = np.sqrt(z[:-1] ** 2 + z[1:] ** 2)
        return float(np.mean(np.sqrt(s) + np.sqrt(s) * np.sin(50 * s**0.2) ** 2) ** 2)

    return value


def _griewank_rosenbrock(frame: _Frame) -> Function:
    factor = max(1.0, math.sqrt(frame.dims) / 8)

    def value(x: Vector) -> float:
        z = factor * (frame.r @ x) + 0.5
        s = 100 * (z[:-1] ** 2 - z[1:]) ** 2 + (z[:-1] - 1) ** 2
        return float(10 * np.mean(s / 4000 - np.cos(s)) + 10)

    return value


def _gallagher(frame: _Frame) -> Function:
    rng, n = frame.rng, 101
    peaks = rng.uniform(-5.0, 5.0, (n, frame.dims))
    peaks[0] = frame.best
    heights = np.concatenate([[10.0], 1.1 + 8.0 * np.arange(n - 1) / (n - 2)])
    alphas = np.concatenate([[1000.0], 1000.0 ** (2 * rng.permutation(n - 1) / (n - 2))])
    widths = np.array([rng.permutation(alpha**frame.ramp) ** 0.5 / alpha**0.25 for alpha in alphas])

    def value(x: Vector) -> float:
        z = (x - peaks) @ frame.r.T
        height = np.max(heights * np.exp(-np.sum(widths * z**2, axis=1) / (2 * frame.dims)))
        return float(_bumpy(np.array([10 - height]))[0] ** 2)

    return value


FUNCTIONS: dict[str, Callable[[_Frame], Function]] = {
    "sphere": _sphere,
    "ellipsoid": _ellipsoid,
    "separable_rastrigin": _separable_rastrigin,
    "rastrigin": _rastrigin,
    "attractive_sector": _attractive_sector,
    "rosenbrock": _rosenbrock,
    "different_powers": _different_powers,
    "schaffers": _schaffers,
    "griewank_rosenbrock": _griewank_rosenbrock,
    "gallagher": _gallagher,
}
"""Name -> maker: f1, f10, f3, f15, f6, f8, f14, f17, f19 and f21 of the suite."""
