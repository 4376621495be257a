"""The sampler in the loop: what it learns in which order, how it may wait, and when it is asked ahead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuner.core.actions import Suggest
from tuner.core.asking import Asking
from tuner.core.events import (
    Event,
    Finished,
    Informed,
    NodeJoined,
    Reported,
    SpaceExhausted,
    Started,
    StudyOpened,
    StudyResumed,
    Suggested,
)
from tuner.core.ports import Executor, Sampler, Suggestion
from tuner.core.scheduler import Scheduler
from tuner.engine import Engine, replay
from tuner.executors.simulated import Faults, Simulated
from tuner.pruners.none import NonePruner
from tuner.resources import Node, Resources, Usage
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.testing.simulation import ListLog, ModelObjective, driver_parts
from tuner.trial import Completed, Trial, TrialState


def spec(trials: int, pruner: str = "none") -> StudySpec:
    return StudySpec(
        "s",
        (Metric("loss"),),
        SearchSpace({"x": Float(0, 1)}),
        PluginSpec("model"),
        PluginSpec("random"),
        PluginSpec(pruner),
        Limits(trials=trials),
    )


class Diary(Sampler):
    """Writes down everything."""

    wants_reports = True

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        found = [
            Suggestion({"x": 0.5}, f"state {n}", n - 1 if n else None, f"note {n}") for n in range(first, first + count)
        ]
        self.lines += [("suggested", n, one) for n, one in enumerate(found, first)]
        return found

    def replay(self, number: int, suggestion: Suggestion) -> None:
        self.lines.append(("suggested", number, suggestion))

    def tell(self, trials: Sequence[Trial]) -> None:
        self.lines.append(("told", [(trial.number, trial.state) for trial in trials]))

    def report(self, trial, step, values):
        self.lines.append(("reported", trial, step, dict(values)))

    def inform(self, trials: Sequence[Trial]) -> None:
        self.lines.append(("informed", list(trials)))


def drive(sampler, plan, cluster, first, log=None, core=None):
    cluster.open(plan, ModelObjective(), Path())
    core = core or driver_parts(plan)[0]
    log = log or ListLog()
    closed = Engine(core, sampler, cluster, log).run(first)
    return log, closed


PRIOR = Trial(-1, TrialState.COMPLETE, {"x": 0.1}, {"loss": 0.5})


def test_a_replayed_sampler_is_called_exactly_as_the_one_that_ran():
    plan = spec(40, "median")
    faults = Faults(crash=0.1, lose=0.1, duplicate=0.3, delay_s=3.0)
    live = Diary()
    first = [StudyOpened(0.0, plan), Informed(0.0, "before", (PRIOR,))]
    log, _ = drive(live, plan, Simulated(nodes=5, faults=faults), first)
    again = Diary()
    replay(driver_parts(plan)[0], again, log.events)
    assert again.lines == live.lines
    kinds = {line[0] for line in live.lines}
    assert kinds == {"suggested", "told", "reported", "informed"}


def test_reports_that_the_core_drops_do_not_reach_the_sampler():
    plan = spec(20)
    live = Diary()
    log, _ = drive(live, plan, Simulated(nodes=3, faults=Faults(duplicate=0.5, delay_s=5.0)), [StudyOpened(0.0, plan)])
    heard = [line[1:3] for line in live.lines if line[0] == "reported"]
    sent = [(event.trial, event.step) for event in log.events if isinstance(event, Reported)]
    assert len(heard) == len(set(heard)) < len(sent)


def test_what_a_suggestion_says_of_itself_is_in_the_log():
    plan = spec(3)
    log, _ = drive(Diary(), plan, Simulated(), [StudyOpened(0.0, plan)])
    said = [(e.sampler_state, e.parent, e.note) for e in log.events if isinstance(e, Suggested)]
    assert said == [("state 0", None, "note 0"), ("state 1", 0, "note 1"), ("state 2", 1, "note 2")]


class Generations(Sampler):
    """Two at a time, the next two only when both have finished."""

    def __init__(self, patient_for_ever: bool = False) -> None:
        self.running = 0
        self.asked = 0
        self._stuck = patient_for_ever

    @property
    def waits(self) -> bool:
        return self.running > 0 or self._stuck

    def ask(self, first, count):
        self.asked += 1
        if self.running:
            return []
        self.running = min(count, 2) if first < 2 or not self._stuck else 0
        return [Suggestion({"x": 0.5})] * self.running

    def tell(self, trials):
        self.running -= len(trials)


def test_a_sampler_that_waits_is_asked_again_after_the_next_result():
    plan = spec(6)
    sampler = Generations()
    log, closed = drive(sampler, plan, Simulated(nodes=4), [StudyOpened(0.0, plan)])
    assert closed.reason == "trials"
    assert not [event for event in log.events if isinstance(event, SpaceExhausted)]
    assert sampler.asked < 20


def test_a_sampler_that_waits_although_nothing_runs_is_exhausted():
    plan = spec(6)
    _, closed = drive(Generations(patient_for_ever=True), plan, Simulated(nodes=4), [StudyOpened(0.0, plan)])
    assert closed.reason == "exhausted"


class Paced(Sampler):
    """Takes its time for every suggestion, on a clock of its own."""

    order_free = True

    def __init__(self, took_s: float = 0.5, space: int = 10**9) -> None:
        self.clock_s = 0.0
        self.took_s = took_s
        self.space = space
        self.numbers: list[int] = []

    def ask(self, first, count):
        self.clock_s += self.took_s * count
        numbers = list(range(first, min(first + count, self.space)))
        self.numbers += numbers
        return [Suggestion({"x": float(n)}) for n in numbers]


def hungry(sampler, running=10):
    """An ``Asking`` whose workers have waited a tenth of their time."""
    asking = Asking(sampler, lambda: sampler.clock_s)
    asking.observe(running)
    asking.want(Suggest(0, running))
    sampler.clock_s += 1.0
    asking.observe(running - 1)
    while asking.is_due(idle=False):
        asking.ask(idle=False)
    sampler.clock_s += 1.0
    asking.observe(running)
    return asking


def test_what_was_asked_ahead_is_at_hand_when_it_is_wanted():
    sampler = Paced()
    asking = hungry(sampler)
    assert asking.ask_ahead(10, None)
    before_s = sampler.clock_s
    asking.want(Suggest(10, 1))
    [event] = asking.ask(idle=False)
    assert sampler.clock_s == before_s
    assert (event.trial, event.params) == (10, {"x": 10.0})


def test_numbers_go_on_after_those_that_were_asked_ahead():
    sampler = Paced(took_s=0.0001)
    asking = hungry(sampler, running=30)
    while asking.ask_ahead(30, None):
        pass
    asking.want(Suggest(30, 5))
    events = asking.ask(idle=False)
    assert [event.trial for event in events] == [30, 31, 32, 33, 34]
    assert sampler.numbers == sorted(set(sampler.numbers))


def test_one_is_asked_ahead_for_every_ten_that_run():
    sampler = Paced(took_s=0.0001)
    asking = hungry(sampler, running=50)
    while asking.ask_ahead(50, None):
        pass
    assert len(sampler.numbers) == 50 + 5


def test_no_more_are_asked_ahead_than_the_limit_leaves():
    asking = hungry(Paced(), running=30)
    assert asking.ask_ahead(30, 1)
    assert not asking.ask_ahead(30, 1)
    assert not hungry(Paced()).ask_ahead(10, 0)


def test_nothing_is_asked_ahead_where_suggestions_keep_nobody_waiting():
    sampler = Paced(took_s=0.00001)
    asking = Asking(sampler, lambda: sampler.clock_s)
    for _ in range(100):
        asking.want(Suggest(len(sampler.numbers), 1))
        asking.ask(idle=False)
        sampler.clock_s += 1.0
        asking.observe(10)
    assert not asking.ask_ahead(10, None)


def test_time_before_anything_was_wanted_is_no_waiting():
    sampler = Paced(took_s=0.0)
    asking = Asking(sampler, lambda: sampler.clock_s)
    for _ in range(20):
        asking.observe(10)
        sampler.clock_s += 1.0  # the executor is polled
        asking.want(Suggest(len(sampler.numbers), 3))
        asking.observe(7)
        asking.ask(idle=False)
    assert not asking.is_worth_it(10)


def test_nothing_is_asked_ahead_in_virtual_time():
    plan = spec(60, "asha")
    core, sampler = driver_parts(plan)
    asked: list[tuple[int, int]] = []
    ask = sampler.ask

    def noted(first, count):
        asked.append((first, core._outstanding))
        return ask(first, count)

    sampler.ask = noted  # type: ignore[method-assign]
    drive(sampler, plan, Simulated(nodes=8), [StudyOpened(0.0, plan)], core=core)
    assert asked
    assert all(outstanding > 0 for _, outstanding in asked)


def test_nothing_is_asked_ahead_of_a_sampler_whose_suggestions_depend_on_the_order_of_calls():
    class Ordered(Paced):
        order_free = False

    assert not hungry(Ordered()).ask_ahead(10, None)


def test_nothing_is_asked_ahead_for_a_few_workers():
    assert not hungry(Paced()).ask_ahead(3, None)


def test_what_was_asked_ahead_is_dropped_with_what_was_wanted():
    asking = hungry(Paced())
    assert asking.ask_ahead(10, None)
    asking.want(Suggest(10, 0))
    asking.want(Suggest(10, 1))
    [event] = asking.ask(idle=False)
    assert event.trial == 10


def test_an_ask_ahead_that_finds_nothing_exhausts_nothing():
    sampler = Paced(space=10)
    asking = hungry(sampler)
    assert not asking.ask_ahead(10, None)
    asks = len(sampler.numbers)
    assert not asking.ask_ahead(10, None)
    assert len(sampler.numbers) == asks
    asking.want(Suggest(10, 1))
    [event] = asking.ask(idle=False)
    assert isinstance(event, SpaceExhausted)


class Slow(Executor):
    """Attempts take two seconds of the clock that the sampler moves, too."""

    def __init__(self, sampler: Paced) -> None:
        self._sampler = sampler
        self._agenda: list[Event] = [NodeJoined(0.0, Node("n", Resources(10.0)))]

    def open(self, spec, objective, directory, checkpoints=None):
        pass

    def now_s(self) -> float:
        return self._sampler.clock_s

    def start(self, starts):
        now_s = self.now_s()
        for start in starts:
            self._agenda.append(Started(now_s, start.trial, start.attempt))
            self._agenda.append(
                Finished(now_s + 2.0, start.trial, start.attempt, Completed({"loss": 0.0}), Usage(wall_s=2.0))
            )
        self._agenda.sort(key=lambda event: event.at_s)

    def stop(self, stops):
        pass

    def poll(self, until_s):
        if self._agenda and self._agenda[0].at_s <= until_s:
            self._sampler.clock_s = max(self.now_s(), self._agenda[0].at_s)
        else:
            self._sampler.clock_s = max(self.now_s(), until_s)
        due = [event for event in self._agenda if event.at_s <= self.now_s()]
        self._agenda = self._agenda[len(due) :]
        return due

    def close(self):
        pass


def run_paced(sampler, trials=200):
    plan = spec(trials)
    log = ListLog()
    cluster = Slow(sampler)
    core = Scheduler(plan, NonePruner(plan.metric))
    closed = Engine(core, sampler, cluster, log).run([StudyOpened(0.0, plan)])
    assert closed is not None
    assert closed.reason == "trials"
    return sampler.clock_s, log, plan


def test_workers_are_busier_with_suggestions_asked_ahead():
    class NeverAhead(Paced):
        order_free = False

    ahead_s, log, _ = run_paced(Paced(took_s=0.15))
    without_s, _, _ = run_paced(NeverAhead(took_s=0.15))
    assert ahead_s < without_s
    assert [event.trial for event in log.events if isinstance(event, Suggested)] == list(range(200))


def test_a_resumed_study_asks_again_for_what_was_asked_ahead_and_never_used():
    first = Paced(took_s=0.15)
    _, log, plan = run_paced(first, trials=60)
    cut = max(i for i, event in enumerate(log.events) if isinstance(event, Suggested) and event.trial == 40)
    second = Paced(took_s=0.15)
    core = Scheduler(plan, NonePruner(plan.metric))
    replay(core, second, log.events[: cut + 1])
    again = ListLog(log.events[: cut + 1])
    cluster = Slow(second)
    Engine(core, second, cluster, again).run([StudyResumed(0.0)])
    assert [event.trial for event in again.events if isinstance(event, Suggested)] == list(range(60))
