"""A core in a few words: ``story.node()``, ``story.suggest()``, ``story.finish(0)`` ..."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from tuner.core import events as ev
from tuner.core.actions import Action, Record, Start, Stop, Suggest
from tuner.core.ports import Pruner, Verdict
from tuner.core.scheduler import Scheduler
from tuner.resources import Node, Resources, Usage
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.trial import Completed, Failed, FailureKind, Outcome, Trial

A = TypeVar("A")


class Threshold(Pruner):
    """Stops every report above 10."""

    def __init__(self) -> None:
        self.judged: list[tuple[int, int, float]] = []
        self.ended: list[Trial] = []

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        self.judged.append((trial, step, value))
        return Verdict("stop", "above 10") if value > 10 else None

    def finish(self, trial: Trial) -> None:
        self.ended.append(trial)


class Story:
    """Feeds events to a core and keeps what it said."""

    def __init__(self, **changes: Any) -> None:
        limits = Limits(**{name: changes.pop(name) for name in list(changes) if name in Limits.__dataclass_fields__})
        target = changes.pop("target", None)
        base = StudySpec(
            "s", (Metric("loss", "minimize", target),), SearchSpace({"x": Float(0, 1)}), PluginSpec("m"), limits=limits
        )
        self.spec = replace(base, **changes)
        self.pruner = Threshold()
        self.core = Scheduler(self.spec, self.pruner)
        self.actions: list[Action] = []
        self.at_s = 0.0
        self.do(ev.StudyOpened(0.0, self.spec))

    def do(self, event: ev.Event) -> list[Action]:
        made = self.core.handle(event)
        self.actions.extend(made)
        self.at_s = max(self.at_s, event.at_s)
        return made

    def said(self, kind: type[A]) -> list[A]:
        return [action for action in self.actions if isinstance(action, kind)]

    def node(self, name: str = "n0", cpu: float = 2.0, memory_mib: float = 1000.0) -> list[Action]:
        return self.do(ev.NodeJoined(self.at_s, Node(name, Resources(cpu, 0.0, memory_mib))))

    def suggest(self, count: int | None = None) -> list[Action]:
        """Answer what was asked for (or the next ``count``)."""
        n = self.core._trials.n_suggested
        count = self.core._outstanding if count is None else count
        return [a for i in range(count) for a in self.do(ev.Suggested(self.at_s, n + i, {"x": 0.5}))]

    def begin(self, trial: int, attempt: int = 1, at_s: float | None = None) -> list[Action]:
        return self.do(ev.Started(self.at_s if at_s is None else at_s, trial, attempt, "n0"))

    def report(self, trial: int, step: int, loss: float, attempt: int = 1) -> list[Action]:
        return self.do(ev.Reported(self.at_s, trial, attempt, step, {"loss": loss}))

    def finish(
        self, trial: int, result: float | Outcome = 1.0, attempt: int = 1, wall_s: float = 1.0, peak: float = 0.0
    ) -> list[Action]:
        outcome = Completed({"loss": result}) if isinstance(result, int | float) else result
        usage = Usage(wall_s=wall_s, peak_memory_mib=peak)
        return self.do(ev.Finished(self.at_s, trial, attempt, outcome, usage))

    def fail(self, trial: int, kind: FailureKind, attempt: int = 1, **more: Any) -> list[Action]:
        return self.finish(trial, Failed(kind, "because"), attempt, **more)

    def starts(self) -> list[tuple[int, int]]:
        return [(s.trial, s.attempt) for s in self.said(Start)]

    def stops(self) -> list[Stop]:
        return self.said(Stop)

    def asked(self) -> list[tuple[int, int]]:
        return [(s.first, s.count) for s in self.said(Suggest)]

    def trial(self, number: int) -> Trial:
        """The trial as it was last recorded."""
        rows = [r.entry for r in self.said(Record) if isinstance(r.entry, Trial) and r.entry.number == number]
        return rows[-1]

    def finals(self, number: int) -> int:
        rows = [r.entry for r in self.said(Record) if isinstance(r.entry, Trial) and r.entry.number == number]
        return sum(row.state.finished for row in rows)


@pytest.fixture
def story() -> Callable[..., Story]:
    return Story
