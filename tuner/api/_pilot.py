"""The pilot of a plan: a few trials for real, each to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuner.api.options import Observer, RunOptions
from tuner.api.runs import run_sweep
from tuner.api.stores import open_store
from tuner.api.study import Study
from tuner.core.events import Event, Started
from tuner.core.ports import Objective
from tuner.study import PluginSpec, StudySpec
from tuner.sweep import Sweep
from tuner.trial import Attempt, Trial

__all__ = ["FEWEST", "Pilot", "run_pilot"]

FEWEST = 3  # trials to forecast from
USUAL, MOST = 8, 40
GOES_ON_S = (
    20.0  # the pilot goes on while it has run for less, since trials that are short scatter more and cost little
)
ENOUGH = "it was a pilot, and had run long enough to plan from"
BUSY = 0.25  # share of the machine's CPUs that others use, from which on a note says so


@dataclass(frozen=True, slots=True)
class Pilot:
    """A pilot that has run.

    Attributes:
        study: Its name.
        told: What it says of times that no forecast has in it, in words, by what it is about.
    """

    study: str
    told: Mapping[str, str] = field(default_factory=dict)


def run_pilot(
    sweep: Sweep,
    run: RunOptions,
    *,
    n: int | None,
    time_s: float,
    observer: Observer | None = None,
    objective: Objective | None = None,
) -> Pilot:
    """Run some trials without the pruner, as a study of their own, and fit no model after them.

    Args:
        sweep: What is planned.
        run: How; its store is known.
        n: How many trials; None for 8, and more while they take less than 20 s, 40 at most.
        time_s: How long it may take.
        observer: Who watches.
        objective: What is trained when the sweep cannot name it.

    Raises:
        KeyboardInterrupt: It was killed (Ctrl-C twice, SIGTERM). Ctrl-C once ends it early.
    """
    name = f"{run.name or sweep.spec.name}-pilot"
    metrics = tuple(replace(metric, target=None) for metric in sweep.spec.metrics)
    spec = replace(sweep.spec, pruner=PluginSpec("none"), metrics=metrics)
    most = MOST if n is None else n
    if n is None and spec.limits.trials is not None:
        most = max(FEWEST, min(most, spec.limits.trials))
    nothing = dict.fromkeys(("steps", "patience", "regret", *(("cost",) if spec.prices is None else ())))
    options = replace(
        run,
        name=name,
        if_exists="new",
        limits={**run.limits, **nothing, "trials": most, "time_s": time_s},
        fits_best=False,
    )
    watch = _Watch(observer, run.store or "", USUAL if n is None else most)
    began_s = time.time()
    study = run_sweep(replace(sweep, spec=spec), options, watch, objective)
    if study.state == "INTERRUPTED" and any(attempt.finished_at is None for attempt in study.attempts()):
        raise KeyboardInterrupt  # killed; a pilot that was drained is a short one, and serves
    return Pilot(study.name, watch.told(began_s))


class _Watch:
    """Ends the pilot when it has run long enough, lets everything running end, and passes on what happens."""

    def __init__(self, observer: Observer | None, store: str, least: int) -> None:
        self._observer, self._store, self._least = observer, store, least
        self._name = ""
        self._ended = 0
        self._first_s: float | None = None
        self._enough = False
        self._opened_s: float | None = None
        self._load = _Load()

    def phase(self, text: str) -> None:
        if self._observer:
            self._observer.phase(text)

    def opened(self, spec: StudySpec, details: Mapping[str, str]) -> None:
        self._name, self._opened_s = spec.name, time.time()
        if self._observer:
            self._observer.opened(spec, details)

    def update(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        for event in events:
            if isinstance(event, Started) and self._first_s is None:
                self._first_s = event.at_s
                self._load.begin()
        self._ended += sum(isinstance(entry, Trial) and entry.state.finished for entry in entries)
        self._load.used(entries)
        at_s = events[-1].at_s if events else 0.0
        if not self._enough and self._ended >= self._least and self._first_s is not None:
            self._enough = at_s >= self._first_s + GOES_ON_S
            if self._enough:
                self._end()
        if self._observer:
            self._observer.update(events, entries)

    def closed(self, study: Study) -> None:
        if self._observer and self._enough:
            self._observer.phase(f"the pilot has run long enough: {self._ended} trials")
        elif self._observer:
            self._observer.closed(study)

    def _end(self) -> None:
        store = open_store(self._store)
        try:
            store.send(self._name, "end", {"reason": "enough", "message": ENOUGH, "lets_end": True})
        finally:
            store.close()

    def told(self, began_s: float) -> dict[str, str]:
        """What it says of times that no forecast has in it."""
        told = {}
        if self._opened_s is not None:
            before_s = max(0.0, self._opened_s - began_s)
            told["not in it"] = (
                f"what comes before, Ray and the data ({before_s:.0f} s in the pilot), and the final fit"
            )
        others = self._load.others
        if others is not None and others >= BUSY:
            told["machine"] = f"other work took {others:.0%} of its CPUs during the pilot, and is taken to go on"
        return told


class _Load:
    """What others than the pilot's trials use of this machine's CPUs while it runs."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._ended: tuple[float, float] | None = None
        self._trials_s = 0.0

    def begin(self) -> None:
        self._began = _busy_s()

    def used(self, entries: Sequence[Trial | Attempt]) -> None:
        if self._began is None:
            return
        ended = [entry for entry in entries if isinstance(entry, Attempt) and entry.finished_at is not None]
        self._trials_s += sum(entry.usage.cpu_s for entry in ended if entry.usage is not None)
        if ended:
            self._ended = _busy_s()

    @property
    def others(self) -> float | None:
        """Share of all CPUs; None when it is not known. The engine and Ray itself count as others: some tenths of a CPU."""
        if self._began is None or self._ended is None:
            return None
        busy_s, passed_s = self._ended[0] - self._began[0], self._ended[1] - self._began[1]
        if passed_s < 1.0:
            return None
        return max(0.0, busy_s - self._trials_s) / (passed_s * (os.cpu_count() or 1))


def _busy_s() -> tuple[float, float]:
    """CPU seconds of the whole machine that were not idle, and the time."""
    import psutil

    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    guests_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return sum(times) - idle_s - guests_s, time.monotonic()
