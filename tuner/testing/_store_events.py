"""What the store suite stores: one of every kind of event, and any event that Hypothesis can think of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tuner.core.events import (
    Checkpointed,
    CommandReceived,
    Event,
    Finished,
    Informed,
    NodeJoined,
    NodeLost,
    Reported,
    SpaceExhausted,
    Started,
    StudyOpened,
    StudyResumed,
    Suggested,
    TimerFired,
)
from tuner.resources import Node, Resources, Usage
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Pruned, Trial, TrialState

__all__ = ["ANY_EVENT", "EVERY_EVENT", "example_spec", "finished_trial", "plain"]


def example_spec(name: str, goal: str = "minimize") -> StudySpec:
    """A small specification with every kind of parameter."""
    space = SearchSpace(
        {
            "booster": Categorical(["gbtree", "dart", None, True, 1]),
            "rate": Float(1e-5, 0.5, log=True),
            "drop": Float(0.0, 1.0, step=0.25, when={"booster": "dart"}),
            "depth": Int(1, 12),
            "rounds": Constant(500),
        },
        forbidden=[{"booster": "dart", "depth": {"low": 10}}],
    )
    metrics = (Metric("loss", goal, target=0.1), Metric("accuracy", "maximize"))  # type: ignore[arg-type]
    return StudySpec(name, metrics, space, PluginSpec("function", {"path": "pkg:train"}), limits=Limits(trials=10))


EVERY_EVENT: tuple[Event, ...] = (
    StudyOpened(1.0, example_spec("every")),
    Informed(
        1.25,
        "an earlier one",
        (
            Trial(-1, TrialState.COMPLETE, {"depth": 3, "flag": None}, {"loss": 0.5}, last_step=9, violation=0.25),
            Trial(-2, TrialState.PRUNED, {"rate": 1e-5}, {"loss": 2.5}, last_step=3),
        ),
    ),
    StudyResumed(1.5),
    StudyResumed(1.5, Limits(trials=20, time_s=60.5)),
    NodeJoined(
        2.0, Node("node-1", Resources(2.0, 0.5, 1024.0), {"ray.io/market-type": "spot", "n": 1, "list": [1, None]})
    ),
    Suggested(3.0, 0, {"booster": "dart", "rate": 1e-5, "drop": None, "depth": 3, "flag": True}),
    Suggested(3.0, 1, {"rate": 0.1}, "state\0 of \ud800 the sampler \U0001f600"),
    Suggested(3.0, 2, {"rate": 0.2}, None, 1, "from trial 1's checkpoint, its rate doubled: ü"),
    SpaceExhausted(4.0),
    Started(5.0, 0, 1, "node-1"),
    Started(5.0, 1, 1),
    Reported(6.0, 0, 1, 0, {"loss": 0.1, "accuracy": 1.0, "Größe": -1e-308}),
    Reported(6.0, 0, 1, 1, {"loss": math.nan, "accuracy": math.inf, "low": -math.inf}),
    Reported(6.0, 0, 1, 2, {}),
    Reported(6.0, 0, 1, 3, {"nul\0": 1.0, "nul": 2.0}),
    Reported(6.0, 1, 1, 2**62, {"": 0.0}),
    Checkpointed(6.5, 1, 1, Checkpoint(2**40, "file:///a folder/%20/ü", 12.5)),
    Finished(
        7.0,
        0,
        1,
        Completed({"loss": 0.25, "accuracy": math.nan}),
        Usage(100.5, 1.5, 2.5, 0.5, 2048.0, 90.0, 50.0, 4, 12.5, 16384.0),
    ),
    Finished(7.0, 1, 1, Pruned(5), Usage()),
    Finished(7.0, 1, 2, Pruned()),
    *(Finished(7.5, 2, n, Failed(kind, f"Traceback ü \0 {kind}")) for n, kind in enumerate(FailureKind, 1)),
    NodeLost(8.0, "node-1", "preempted"),
    CommandReceived(9.0, "drain", {"by": "somebody", "nested": {"$float": "nan", "deep": [1.5, {"x": math.inf}]}}),
    TimerFired(10.0),
)
"""One of every kind of event, with what is awkward to store."""


def finished_trial(number: int, value: float, state: TrialState = TrialState.COMPLETE) -> Trial:
    """A trial that ended with ``value`` as its ``loss``."""
    return Trial(number, state, {"rate": value}, {"loss": value}, 1, 0, None, 1.0, 2.0, 1.0)


def plain(value: Any) -> Any:
    """``value`` in a form in which equal means the same: NaN equals itself, mappings do not mind their type."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, StudySpec):
        return plain(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *(plain(getattr(value, f.name)) for f in dataclasses.fields(value)))
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


_numbers = st.integers(0, 2**63 - 1)
_times = st.floats(0, 4e9)
_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text()
_params = st.dictionaries(st.text(), _scalars, max_size=4)
_values = st.dictionaries(st.text(), st.floats(), max_size=3)
_data = st.recursive(
    _scalars | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("$float"), inner, max_size=3),
    max_leaves=6,
)
_usages = st.builds(
    Usage,
    *(st.floats(0, 1e9),) * 3,
    *(st.none() | st.floats(0, 1e9),) * 2,
    *(st.floats(0, 1e9),) * 2,
    st.integers(0, 9999),
    st.floats(0, 1e9),
    st.none() | st.floats(0, 1e9),
)
_outcomes = (
    st.builds(Completed, _values)
    | st.builds(Pruned, st.none() | _numbers)
    | st.builds(Failed, st.sampled_from(FailureKind), st.text())
)
ANY_EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(Suggested, _times, _numbers, _params, st.none() | st.text(), st.none() | _numbers, st.none() | st.text()),
    st.builds(Checkpointed, _times, _numbers, _numbers, st.builds(Checkpoint, _numbers, st.text(), st.floats(0, 1e9))),
    st.builds(Started, _times, _numbers, _numbers, st.none() | st.text()),
    st.builds(Reported, _times, _numbers, _numbers, _numbers, _values),
    st.builds(Finished, _times, _numbers, _numbers, _outcomes, st.none() | _usages),
    st.builds(NodeLost, _times, st.text(), st.text()),
    st.builds(CommandReceived, _times, st.text(), st.dictionaries(st.text(), _data, max_size=3)),
)
"""An event of any kind whose fields may be anything."""
