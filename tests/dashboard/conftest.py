"""A story of a study, told to a view or a display event by event."""

import pytest

from tuner.core import events as ev
from tuner.dashboard.view import View
from tuner.resources import Node, Resources
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.trial import Attempt, Completed, Failed, Pruned, Trial, TrialState

T0 = 1_700_000_000.0
ONE = Resources(1.0, 0.0, 512.0)
STATES = {Completed: TrialState.COMPLETE, Pruned: TrialState.PRUNED, Failed: TrialState.FAIL}


def make_spec(**limits):
    return StudySpec(
        name="demo",
        metrics=(Metric("auc", "maximize"),),
        space=SearchSpace({"x": Float(0.0, 1.0)}),
        objective=PluginSpec("function"),
        limits=Limits(**limits),
    )


class Story:
    """Tells ``fold`` what the core would record."""

    T0, ONE = T0, ONE

    def __init__(self, fold):
        self.fold = fold

    def opening(self, **limits):
        node = Node("n", Resources(2.0, 0.0, 4096.0))
        self.fold([ev.StudyOpened(T0, make_spec(**limits)), ev.NodeJoined(T0, node)], [])

    def start(self, number, at_s, attempt=1):
        self.fold(
            [ev.Suggested(at_s, number, {"x": 0.5}), ev.Started(at_s, number, attempt, "n")],
            [
                Attempt(number, attempt, ONE, "n", started_at=at_s),
                Trial(number, TrialState.RUNNING, {"x": 0.5}, {}, attempts=attempt, started_at=at_s),
            ],
        )

    def finish(self, number, at_s, outcome, attempt=1, state=None):
        state = state or STATES[type(outcome)]
        values = outcome.values if isinstance(outcome, Completed) else {}
        failure = outcome if state is TrialState.FAIL else None
        self.fold(
            [ev.Finished(at_s, number, attempt, outcome)],
            [
                Attempt(number, attempt, ONE, "n", at_s - 1, at_s, outcome),
                Trial(number, state, {"x": 0.5}, values, attempt, finished_at=at_s, failure=failure),
            ],
        )

    def trial(self, number, at_s, auc):
        self.start(number, at_s)
        self.finish(number, at_s + 1, Completed({"auc": auc}))


class Opened(Story):
    """A story told to a view that was opened."""

    def __init__(self, **limits):
        self.view = View()
        self.view.opened(make_spec(**limits), {"store": "memory:"})
        super().__init__(self.view.fold)
        self.opening(**limits)

    def snapshot(self, after_s=0.0, **options):
        return self.view.snapshot(T0 + after_s, **options)


@pytest.fixture
def opened():
    return Opened


@pytest.fixture
def story():
    return Story


@pytest.fixture
def spec():
    return make_spec
