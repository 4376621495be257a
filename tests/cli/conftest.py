"""A store with studies in it, and the command line to look at them with."""

import json
import time
from dataclasses import dataclass, replace

import pytest
from typer.testing import CliRunner

from tuner.api.stores import open_store, store_folder
from tuner.cli._app import app
from tuner.core import events as ev
from tuner.resources import Node, Resources, Usage
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.trial import Attempt, Completed, Failed, FailureKind, Pruned, Trial, TrialState

GRANT = Resources(1.0, 0.0, 512.0)
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 3, in train\nValueError: lr is too large\n'
SPEC = StudySpec(
    name="digits",
    metrics=(Metric("accuracy", "maximize"),),
    space=SearchSpace(
        {
            "lr": Float(1e-4, 1e-1, log=True),
            "layers": Int(1, 4),
            "kind": Categorical(["relu", "tanh"]),
            "slope": Float(0.0, 1.0, when={"kind": "relu"}),
        }
    ),
    objective=PluginSpec("function", {"function": "train:train"}),
    limits=Limits(trials=6),
)


@dataclass
class Answer:
    """What a call of the program gave."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def lines(self):
        return [line.rstrip() for line in self.stdout.splitlines()]


@pytest.fixture
def tuner(tmp_path, monkeypatch):
    """Calls the program in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("TUNER_STORE", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb")

    def call(*arguments, exit_code=0):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="tuner")
        assert result.exit_code == exit_code, result.output
        return Answer(result.exit_code, result.stdout, result.stderr)

    return call


def _trial(number, state, at_s, **fields):
    params = {"lr": 0.01 * (number + 1), "layers": 2, "kind": "relu", "slope": 0.25}
    return Trial(number, state, params, fields.pop("values", {}), 1, started_at=at_s, **fields)


class Keeper:
    """Writes studies as an engine would."""

    def __init__(self, folder):
        self.url = f"sqlite:///{folder}/.tuner/tuner.db"

    def make(self, name="digits", state="COMPLETE", spec=SPEC, reason="6 trials were run"):
        """A study with two complete trials, one stopped early and one failed, six seconds long, begun a minute ago."""
        at_s = time.time() - 60
        spec = replace(spec, name=name)
        store = open_store(self.url)
        log = store.create(spec, {"python": "3.11.9", "packages": {f"package-{n}": "1.0" for n in range(30)}})
        log.append([ev.StudyOpened(at_s, spec), ev.NodeJoined(at_s, Node("node-1", Resources(2.0, 0.0, 4096.0)))], [])
        ends = [
            Completed({"accuracy": 0.75, "loss": 0.5}),
            Completed({"accuracy": 0.875, "loss": 0.25}),
            Pruned(3),
            Failed(FailureKind.RAISED, TRACEBACK),
        ]
        for number, outcome in enumerate(ends):
            self._end(log, number, outcome, at_s + number)
        if state != "RUNNING":
            log.close(state, reason)
        store.close()
        logs = store_folder(self.url) / "logs" / name
        logs.mkdir(parents=True)
        (logs / "3.1.log").write_text("epoch 1\n" + TRACEBACK, encoding="utf-8")
        return log

    def _end(self, log, number, outcome, at_s):
        states = {Completed: TrialState.COMPLETE, Pruned: TrialState.PRUNED, Failed: TrialState.FAIL}
        values = outcome.values if isinstance(outcome, Completed) else {}
        failure = outcome if isinstance(outcome, Failed) else None
        steps = range(1, 21 if number == 0 else 4)
        trial = _trial(
            number,
            states[type(outcome)],
            at_s,
            values=values,
            steps=len(steps),
            last_step=steps[-1],
            finished_at=at_s + 2.5,
            wall_s=2.5,
            failure=failure,
        )
        attempt = Attempt(number, 1, GRANT, "node-1", at_s, at_s + 2.5, outcome, Usage(256.0, 2.25, 2.5))
        reports = [ev.Reported(at_s + step / 100, number, 1, step, {"accuracy": step / 40}) for step in steps]
        log.append(
            [
                ev.Suggested(at_s, number, trial.params),
                ev.Started(at_s, number, 1, "node-1"),
                *reports,
                ev.Finished(at_s + 2.5, number, 1, outcome, attempt.usage),
            ],
            [trial, attempt],
        )


@pytest.fixture
def keeper(tmp_path):
    return Keeper(tmp_path)


@pytest.fixture
def digits(keeper):
    """A store with one complete study."""
    keeper.make()
    return keeper
