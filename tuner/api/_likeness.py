"""What a trial with any parameters would be like, from the few that ran."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.core._gaussian import GaussianProcess
from tuner.core._inputs import Inputs
from tuner.space import SearchSpace
from tuner.trial import Params

__all__ = ["Like", "Likeness", "Measured"]

FEWEST = 6  # trials from which anything is learned of what depends on parameters
MOST = 120  # that are learned from: the latest
NEAREST = 3  # trials one of which a new one is like, at least
DRIFT = 0.3  # standard deviations by which a learning sampler moves to longer or shorter trials (seen on LCBench)


@dataclass(frozen=True, slots=True)
class Measured:
    """One trial that ran.

    Attributes:
        params: Its parameters.
        wall_s: How long all of it takes.
        memory_mib: Its peak.
        value: Its final value of the first metric; None where it has none.
    """

    params: Params
    wall_s: float
    memory_mib: float
    value: float | None


@dataclass(frozen=True, slots=True)
class Like:
    """A trial is like one that ran, but for this.

    Attributes:
        index: Of the one that ran.
        slower: Times its duration.
        larger: Times its memory.
        offset: Added to its values of the first metric.
    """

    index: int
    slower: float = 1.0
    larger: float = 1.0
    offset: float = 0.0


class Likeness:
    """Says which trial that ran a new one is like, and in what it differs.

    Duration and memory (their logarithms) and the final value are functions of the parameters, learned by a
    ``GaussianProcess`` each. A new trial takes one of the nearest that ran, with what the functions say of the difference, so
    that the error made on that one, when it was left out, is made again: what is forecast scatters as it should. Each
    function is trusted as far as it foretells trials that were left out, (1 - error variance / variance): one that does not is
    flat, and trials are drawn as they were (the bootstrap: Efron 1979).

    Args:
        space: What the parameters mean.
        measured: The trials, oldest first.
    """

    def __init__(self, space: SearchSpace, measured: Sequence[Measured]) -> None:
        self._inputs = Inputs(space)
        self._rows = [self._inputs.row(one.params) for one in measured]
        recent = range(max(0, len(measured) - MOST), len(measured))
        valued = [i for i in recent if measured[i].value is not None]
        self._wall = _Function(self._rows, recent, [math.log(max(1e-3, one.wall_s)) for one in measured])
        self._memory = _Function(self._rows, recent, [math.log(max(1.0, one.memory_mib)) for one in measured])
        self._value = _Function(self._rows, valued, [one.value or 0.0 for one in measured])
        self._recent = list(recent)

    def like(self, params: Params, draw: float) -> Like:
        """A trial that ran, and what is different.

        Args:
            params: Of the new one.
            draw: From 0 up to 1: which of the nearest.
        """
        row = self._inputs.row(params)
        near = sorted(self._recent, key=lambda i: (self._distance(row, self._rows[i]), i))
        near = near[: max(NEAREST, len(near) // 10)]
        index = near[int(draw * len(near))]
        return Like(
            index,
            math.exp(self._wall.difference(row, index)),
            math.exp(self._memory.difference(row, index)),
            self._value.difference(row, index),
        )

    def uncertainty(self, *, learns: bool) -> float:
        """Standard error of the logarithm of durations on average: how far all of them together may be off.

        Args:
            learns: Whether the sampler moves to a corner of the space, where trials may be other than those that ran.
        """
        return math.hypot(self._wall.error, DRIFT * self._wall.unknown if learns else 0.0)

    def _distance(self, row: Sequence[float], other: Sequence[float]) -> float:
        """Squared, of what matters for duration or value most."""
        return sum(w * (a - b) ** 2 for w, a, b in zip(self._weights, row, other, strict=True))

    @property
    def _weights(self) -> Sequence[float]:
        return [max(a, b, 0.01) for a, b in zip(self._wall.relevance, self._value.relevance, strict=True)]


class _Function:
    """One quantity as a function of the parameters."""

    def __init__(self, rows: Sequence[list[float]], known: Sequence[int], targets: Sequence[float]) -> None:
        width = len(rows[0]) if rows else 0
        self.relevance: Sequence[float] = [0.0] * width
        self._trust, self._foretold = 0.0, dict[int, float]()
        self.error = self.unknown = 0.0  # of the mean; and the standard deviation of what parameters do not tell
        if len(known) < 2:
            return
        self._targets = [targets[i] for i in known]
        mean = sum(self._targets) / len(known)
        spread = sum((target - mean) ** 2 for target in self._targets)
        self.unknown = math.sqrt(spread / (len(known) - 1))
        self.error = self.unknown / math.sqrt(len(known))
        if len(known) < FEWEST or not width or spread <= 1e-12 * len(known):
            return
        self._process, self._low, self._high = GaussianProcess(width), min(self._targets), max(self._targets)
        scale = self._scale = math.sqrt(spread / len(known))
        self._mean = mean
        self._process.fit([rows[i] for i in known], [(target - mean) / scale for target in self._targets])
        errors = [error * scale for error in self._process.left_out()]
        self._trust = max(0.0, 1.0 - sum(error * error for error in errors) / spread)
        # Few trials in many dimensions tell less of others than of those that were left out among them.
        left = math.sqrt(1.0 - self._trust * len(known) / (len(known) + width))
        self.unknown, self.error = left * self.unknown, left * self.error
        self._foretold = {i: self._within(t - e) for i, t, e in zip(known, self._targets, errors, strict=True)}
        self.relevance = [self._trust * w for w in self._process.relevance]

    def _within(self, value: float) -> float:
        """A trend goes no further beyond what was seen than half of what was seen is wide."""
        beyond = 0.5 * (self._high - self._low)
        return min(max(value, self._low - beyond), self._high + beyond)

    def difference(self, row: list[float], index: int) -> float:
        """By how much it is more at ``row`` than what was foretold of a trial."""
        foretold = self._foretold.get(index)
        if foretold is None or self._trust <= 0.0:
            return 0.0
        return self._trust * (self._within(self._mean + self._scale * self._process.mean(row)) - foretold)
