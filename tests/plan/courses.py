"""A small study to plan, trials to plan it from, and where it runs."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.api._courses import Course, Learned
from tuner.api._forecast import Ask, Forecast, Site, forecast
from tuner.api.options import RunOptions
from tuner.resources import Resources
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, ResourceRequest, StudySpec
from tuner.trial import Completed

NODE = Resources(2.0, 0.0, 8000.0)
SPEC = StudySpec(
    name="planned",
    metrics=(Metric("loss"),),
    space=SearchSpace({"x": Float(0.0, 1.0)}),
    objective=PluginSpec("model"),
    sampler=PluginSpec("random"),
    limits=Limits(trials=60),
    resources=ResourceRequest(cpu=1.0, memory_mib=0.0),
    seed=3,
)


def course(wall_s: float = 10.0, *, x: float = 0.5, done: bool = True, mib: float = 100.0, busy: float = 1.0) -> Course:
    """Five reports in equal steps; one that was not done stopped after the second."""
    n = 5 if done else 2
    rows = tuple((wall_s / 5, step, {"loss": 1.0 / step + x}) for step in range(1, n + 1))
    return Course({"x": x}, rows, 0.0, Completed({"loss": x + 0.2}) if done else None, 50.0, mib, 1.0, busy)


def learned(*courses: Course) -> Learned:
    return Learned(courses, 0.0)


def expected(spec: StudySpec, what: Learned, sites: Sequence[Site], n_seeds: int = 3) -> Forecast:
    return forecast(spec, what, sites, Ask(source="pilot", n_seeds=n_seeds))


def spread(n: int = 24, **more) -> list[Course]:
    """Trials whose duration and loss fall with x: from 30 s at 0 to 10 s at 1."""
    return [course(30.0 - 20.0 * k / (n - 1), x=k / (n - 1), **more) for k in range(n)]


def ran(url: str, nodes: int, **limits) -> RunOptions:
    where = PluginSpec("simulated", {"nodes": nodes, "cpu": 2.0, "memory_mib": 8000.0})
    return RunOptions(store=url, executor=where, limits=limits)
