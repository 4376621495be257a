"""What the Gaussian-process sampler remembers of trials, as the arrays that its surrogates are fitted to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tuner.core.ports import Problem
from tuner.samplers._encoding import Encoding, Rows
from tuner.samplers._gp_curves import Curves, Partial
from tuner.trial import Trial, TrialState

__all__ = ["Observations", "Records"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """Values of one quantity, by rising number of the trial (earlier studies first).

    Attributes:
        rows: Encoded parameters, shape (n, d).
        values: Shape (n,); small is good.
        spread: Standard deviation of each value, shape (n,), 0.0 where it was measured.
        whole: Which are of trials that ran to their end and are feasible, shape (n,): the best is chosen among them.
        earlier: Which are of earlier studies, shape (n,).
    """

    rows: Rows
    values: Array
    spread: Array
    whole: NDArray[np.bool_]
    earlier: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(slots=True)
class _Ended:
    """A trial that ran to its end: its metrics (small is good), its constraints' slack (feasible at most 0; NaN unknown)."""

    row: Rows
    values: tuple[float, ...]
    slack: tuple[float, ...]
    feasible: bool


@dataclass(slots=True)
class Records:
    """Everything told so far; every result follows from what is known, not from the order in which it came.

    Attributes:
        running: Trial -> its row, of those that were suggested and have not ended.
        invalid: Trial -> its row, of those whose parameters were bad themselves.
    """

    problem: Problem
    encoding: Encoding
    running: dict[int, Rows] = field(default_factory=dict)
    invalid: dict[int, Rows] = field(default_factory=dict)
    _ended: dict[int, _Ended] = field(default_factory=dict)
    _stopped: dict[int, tuple[Rows, Partial]] = field(default_factory=dict)
    _curves: Curves = field(default_factory=Curves)

    def begin(self, number: int, row: Rows) -> None:
        """A trial was suggested."""
        self.running[number] = row

    def report(self, number: int, step: int, value: float) -> None:
        """A running trial reported its metric."""
        if number in self.running and math.isfinite(value):
            self._curves.add(number, step, self._signed(0, value))

    def end(self, trial: Trial) -> None:
        """A trial ended, of this study or an earlier one."""
        row = self.running.pop(trial.number, None)
        if row is None:
            row = self.encoding.encode(trial.params)
        if trial.state == TrialState.COMPLETE:
            values = tuple(
                self._signed(k, trial.values.get(m.name, math.nan)) for k, m in enumerate(self.problem.metrics)
            )
            if all(map(math.isfinite, values)):  # an earlier study may lack a metric
                self._ended[trial.number] = _Ended(row, values, self._slack(trial.values), trial.violation <= 0.0)
        elif trial.state == TrialState.PRUNED:
            value = trial.values.get(self.problem.metrics[0].name, math.nan)
            if trial.last_step is not None and math.isfinite(value):
                partial = Partial(trial.last_step, self._signed(0, value))
                self._stopped[trial.number] = (row, partial)
                self._curves.add(trial.number, partial.step, partial.value)
        elif trial.failure is not None and trial.failure.kind.blames_params:
            self.invalid[trial.number] = row
        self._curves.end(trial.number)

    def _signed(self, k: int, value: float) -> float:
        return value if self.problem.metrics[k].goal == "minimize" else -value

    def _slack(self, values: Mapping[str, float]) -> tuple[float, ...]:
        slack = []
        for c in self.problem.constraints:
            value = values.get(c.name, math.nan)
            over = -math.inf if c.high is None else value - c.high
            under = -math.inf if c.low is None else c.low - value
            slack.append(max(over, under) if not math.isnan(value) else math.nan)
        return tuple(slack)

    def _observations(self, entries: Mapping[int, tuple[Rows, float, float, bool]]) -> Observations:
        numbers = sorted(entries)
        chosen = [entries[number] for number in numbers]
        return Observations(
            np.array([row for row, *_ in chosen]).reshape(len(chosen), len(self.encoding)),
            np.array([value for _, value, _, _ in chosen], dtype=np.float64),
            np.array([spread for _, _, spread, _ in chosen], dtype=np.float64),
            np.array([whole for *_, whole in chosen], dtype=np.bool_),
            np.array(numbers, dtype=np.int64) < 0,
        )

    def objective(self) -> Observations:
        """The first metric: of trials that ended as it was measured, of others as it is predicted from their last report."""
        entries = {n: (e.row, e.values[0], 0.0, e.feasible) for n, e in self._ended.items()}
        partial = {n: reached for n, (_, reached) in self._stopped.items()}
        if self.problem.by_step:
            reached = {n: self._curves.reached(n) for n in self.running}
            partial |= {n: last for n, last in reached.items() if last is not None}
        if partial and len(self.problem.metrics) == 1:
            predicted = self._curves.predict({n: e.values[0] for n, e in self._ended.items()}, partial)
            for n, (value, spread) in predicted.items():
                row = self.running[n] if n in self.running else self._stopped[n][0]
                entries[n] = (row, value, spread, False)
        return self._observations(entries)

    def metrics(self) -> tuple[Observations, Array]:
        """Trials that ended, with the first metric, and all metrics, shape (n, metrics)."""
        numbers = sorted(self._ended)
        table = np.array([self._ended[n].values for n in numbers]).reshape(len(numbers), len(self.problem.metrics))
        return self._observations({n: (e.row, e.values[0], 0.0, e.feasible) for n, e in self._ended.items()}), table

    def constraint(self, k: int) -> Observations:
        """Slack of constraint ``k``, feasible at most 0."""
        known = {n: e for n, e in self._ended.items() if not math.isnan(e.slack[k])}
        return self._observations({n: (e.row, e.slack[k], 0.0, True) for n, e in known.items()})

    def validity(self) -> Observations:
        """1 for trials whose parameters were bad themselves, -1 for those that had a result."""
        entries = {n: (e.row, -1.0, 0.0, True) for n, e in self._ended.items()}
        entries |= {n: (row, -1.0, 0.0, True) for n, (row, _) in self._stopped.items()}
        return self._observations(entries | {n: (row, 1.0, 0.0, True) for n, row in self.invalid.items()})

    def usable(self) -> int:
        """How many trials of this study have a result."""
        return sum(n >= 0 for n in self._ended) + sum(n >= 0 for n in self._stopped)

    def informed(self) -> int:
        """How many trials of earlier studies ran to their end."""
        return sum(n < 0 for n in self._ended)

    def pending(self) -> Sequence[int]:
        """Running trials by number."""
        return sorted(self.running)
