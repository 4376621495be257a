"""An attempt to play with: any function as the objective, a link that remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tuner.core.actions import Start, Stop
from tuner.core.ports import Context, Objective
from tuner.resources import Resources
from tuner.study import Metric
from tuner.trial import Checkpoint, Params
from tuner.worker import AttemptResult, release_bounds, run_attempt

ONE_CPU = Resources(1, 0, 0)


@dataclass
class RecordingLink:
    stop_after: int | None = None
    stop_as: Stop | None = None
    stop_at_checkpoint: Stop | None = None
    reports: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    keeper: Any = None
    received_mib: float = 0.0
    end_process: Any = None

    def report(self, step: int, values: Mapping[str, float]) -> None:
        self.reports.append((step, dict(values)))

    def saved(self, checkpoint: Checkpoint) -> None:
        self.checkpoints.append(checkpoint)

    @property
    def stop(self) -> Stop | None:
        if self.stop_at_checkpoint is not None and self.checkpoints:
            return self.stop_at_checkpoint
        asked = self.stop_after is not None and len(self.reports) >= self.stop_after
        return self.stop_as if asked else None

    def log(self, text: str) -> None:
        self.logged.append(text)


class FunctionObjective(Objective):
    def __init__(self, function: Callable[[Params, Context], Any]) -> None:
        self.function = function

    def run(self, params: Params, context: Context) -> Any:
        return self.function(params, context)


@dataclass
class Bench:
    """Runs functions as attempts and keeps the last one's link."""

    scratch: Path
    link: RecordingLink = field(default_factory=RecordingLink)
    start_from: Checkpoint | None = None

    def run(
        self,
        function: Callable[[Params, Context], Any],
        metrics: tuple[str, ...] = ("loss",),
        grant: Resources = ONE_CPU,
        passing: tuple[type[BaseException], ...] = (),
        **link: Any,
    ) -> AttemptResult:
        self.link = RecordingLink(**link)
        start = Start(3, 2, {"x": 1.5}, grant, lane=0, seed=99, checkpoint=self.start_from)
        named = tuple(Metric(name) for name in metrics)
        return run_attempt(FunctionObjective(function), start, named, self.link, self.scratch, passing)


@pytest.fixture
def bench(tmp_path: Path):
    yield Bench(tmp_path / "scratch")
    release_bounds()
