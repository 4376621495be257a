"""A bench for the command objective: a folder with programs, and attempts that run them."""

from __future__ import annotations

import stat
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tuner.core.actions import Start, Stop
from tuner.objectives.command import Command
from tuner.resources import Resources
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.trial import Checkpoint, Failed, ParamValue
from tuner.worker import AttemptResult, release_bounds, run_attempt

SPACE = SearchSpace(
    {
        "lr": Float(1e-6, 1, log=True),
        "depth": Int(1, 9),
        "booster": Categorical(["tree", "dart", None]),
        "rate_drop": Float(0, 1, when={"booster": "dart"}),
    }
)
PARAMS: dict[str, ParamValue] = {"lr": 1e-05, "depth": 3, "booster": "tree"}
PRUNE = Stop(4, 1, "worse than the median")


@dataclass
class RecordingLink:
    stop: Stop | None = None
    reports: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    stop_at: int | None = None
    on_log: Any = None
    keeper: Any = None
    received_mib: float = 0.0
    end_process: Any = None
    checkpoints: list[Checkpoint] = field(default_factory=list)

    def saved(self, checkpoint: Checkpoint) -> None:
        self.checkpoints.append(checkpoint)

    def report(self, step: int, values: Mapping[str, float]) -> None:
        self.reports.append((step, dict(values)))
        if step == self.stop_at:
            self.stop = PRUNE

    def log(self, text: str) -> None:
        if self.on_log:
            self.on_log(text)


def spec(metrics: tuple[str, ...] = ("loss",), space: SearchSpace = SPACE, stop_grace_s: float = 30.0) -> StudySpec:
    named = tuple(Metric(name) for name in metrics)
    return StudySpec("c", named, space, PluginSpec("command"), stop_grace_s=stop_grace_s)


def outcome_of(result: AttemptResult) -> Failed:
    assert isinstance(result.outcome, Failed), (result.outcome, result.log)
    return result.outcome


@dataclass
class Bench:
    """A folder with programs, and attempts that run them.

    Options that ``run`` and ``shell`` do not know go to ``Command``; ``stop_at`` and ``on_log`` are the link's.
    """

    params = PARAMS
    spec = staticmethod(spec)
    new_link = RecordingLink
    failure = staticmethod(outcome_of)

    base: Path
    link: RecordingLink = field(default_factory=RecordingLink)
    grant: Resources = field(default_factory=lambda: Resources(1, 0, 512))

    def write(self, name: str, text: str, executable: bool = False) -> Path:
        path = self.base / name
        path.write_text(textwrap.dedent(text))
        if executable:
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def objective(self, command: Any, *, study: StudySpec | None = None, **options: Any) -> Command:
        objective = Command(command, base=str(self.base), **options)
        objective.prepare(study or spec())
        return objective

    def run(
        self,
        command: Any,
        values: Mapping[str, Any] = PARAMS,
        study: StudySpec | None = None,
        link: RecordingLink | None = None,
        stop_at: int | None = None,
        on_log: Any = None,
        **options: Any,
    ) -> AttemptResult:
        study = study or spec()
        self.link = link or RecordingLink(stop_at=stop_at, on_log=on_log)
        objective = self.objective(command, study=study, **options)
        start = Start(4, 1, values, self.grant, lane=0, seed=99)
        return run_attempt(objective, start, study.metrics, self.link, self.base / "scratch")

    def shell(self, script: str, **rest: Any) -> AttemptResult:
        return self.run(["sh", "-c", textwrap.dedent(script)], **{"params": "json", **rest})


@pytest.fixture
def bench(tmp_path: Path):
    yield Bench(tmp_path)
    release_bounds()
