"""Whether Ray starts here and runs a trial."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from tuner import plugins
from tuner.cli._checks import Finding
from tuner.core.actions import Start
from tuner.core.events import Event, Finished, NodeJoined
from tuner.core.ports import Context, Executor, Objective
from tuner.dashboard import text
from tuner.dashboard.snapshot import headline
from tuner.errors import TunerError
from tuner.resources import Resources
from tuner.space import Constant, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.trial import Completed, Failed, Params

__all__ = ["ray_runs_a_trial"]

_TIMEOUT_S = 60.0
_MEND = "look at the message above; `tuner run --executor inline` works without Ray"


class _Trivial(Objective):
    def run(self, params: Params, context: Context) -> Mapping[str, float]:
        return {"value": 1.0}


def ray_runs_a_trial() -> Finding:
    """Start a Ray of our own, run one trial on it, and end it."""
    spec = StudySpec(
        name="doctor",
        metrics=(Metric("value"),),
        space=SearchSpace({"one": Constant(1)}),
        objective=PluginSpec("function"),
    )
    executor = cast(Executor, plugins.build("executor", PluginSpec("ray")))
    began_s = executor.now_s()
    try:
        with tempfile.TemporaryDirectory(prefix="tuner-doctor-") as folder:
            executor.open(spec, _Trivial(), Path(folder))
            outcome = _one_trial(executor, began_s + _TIMEOUT_S)
    except TunerError as error:
        return Finding("fail", "Ray", error.message, error.hint or _MEND)
    finally:
        executor.close()
    if outcome is None:
        return Finding("fail", "Ray", f"a trial had not ended after {_TIMEOUT_S:.0f} s", _MEND)
    if not isinstance(outcome.outcome, Completed):
        message = headline(outcome.outcome.message) if isinstance(outcome.outcome, Failed) else "it stopped early"
        return Finding("fail", "Ray", f"a trial failed: {message}", _MEND)
    return Finding("ok", "Ray", f"started and ran a trial in {text.duration(outcome.at_s - began_s)}")


def _one_trial(executor: Executor, until_s: float) -> Finished | None:
    started = False
    while executor.now_s() < until_s:
        events: list[Event] = list(executor.poll(until_s))
        for event in events:
            if isinstance(event, NodeJoined) and not started:
                started = True
                executor.start([Start(0, 1, {"one": 1}, Resources(1.0), lane=0, seed=0)])
            if isinstance(event, Finished):
                return event
    return None
