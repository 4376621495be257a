"""The conformance suite of stores: what every ``tuner.core.ports.Store`` must do, as a pytest class to derive from.

    class TestMine(StoreTestCase):
        store_type = MyStore

        @pytest.fixture
        def store_url(self, tmp_path: Path) -> str:
            return f"mine://{tmp_path}"

Two stores opened from the same ``store_url`` must see the same studies, and every test gets a URL of its own. The store's
class takes the keyword ``lease_s``, the length of its leases in seconds; with 0 a lease has ended as soon as it is taken.

Needs pytest and Hypothesis.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, overload

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.core.events import Event, Reported, Suggested, TimerFired
from tuner.core.ports import Store, StudyLog
from tuner.errors import StoreError, StoreFenced, StoreLocked, StudyExists, StudyNotFound
from tuner.resources import Resources, Usage
from tuner.testing._store_events import ANY_EVENT, EVERY_EVENT, example_spec, finished_trial, plain
from tuner.trial import Attempt, Completed, Failed, FailureKind, Pruned, Report, Trial, TrialState

__all__ = ["EVERY_EVENT", "StoreTestCase", "example_spec", "finished_trial", "plain"]


class _Breaking(Sequence[Trial | Attempt]):
    """Entries whose second one cannot be had."""

    def __len__(self) -> int:
        return 2

    @overload
    def __getitem__(self, index: int) -> Trial | Attempt: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial | Attempt]: ...
    def __getitem__(self, index: int | slice) -> Trial | Attempt | Sequence[Trial | Attempt]:
        if index == 0:
            return finished_trial(0, 0.5)
        raise RuntimeError("broke half-way")


class StoreTestCase:
    """Derive, set ``store_type`` and override ``store_url``."""

    store_type: ClassVar[Callable[..., Store]]

    @pytest.fixture
    def store_url(self) -> str:
        """Where a store without studies can be made; another for every test."""
        raise NotImplementedError("override the fixture store_url")

    def open_store(self, url: str, **options: Any) -> Store:
        """A store at ``url``."""
        return self.store_type(url, **options)

    @pytest.fixture
    def store(self, store_url: str) -> Iterator[Store]:
        """An empty store."""
        store = self.open_store(store_url)
        yield store
        store.close()

    @pytest.fixture
    def log(self, store: Store) -> Iterator[StudyLog]:
        """The empty log of the study ``demo``."""
        log = store.create(example_spec("demo"), {"python": "3.11"})
        yield log
        log.close("INTERRUPTED")

    # The log

    def test_a_new_log_is_empty(self, log: StudyLog, store: Store) -> None:
        """Nothing is written by creating a study."""
        assert list(log.read()) == []
        assert list(store.events("demo")) == []

    def test_every_kind_of_event_comes_back_in_order(self, log: StudyLog, store: Store) -> None:
        """What was appended is read, by the writer and by a reader."""
        log.append(EVERY_EVENT, [])
        assert plain(log.read()) == plain(EVERY_EVENT)
        assert plain(store.events("demo")) == plain([*enumerate(EVERY_EVENT, 1)])

    def test_positions_go_on_over_several_appends(self, log: StudyLog, store: Store) -> None:
        """Positions rise from 1 without a gap; ``after`` leaves out what a reader has."""
        for n in range(5):
            log.append([TimerFired(float(n)), Reported(float(n), 0, 1, n, {"loss": 1.0, "accuracy": 2.0})], [])
        assert [n for n, _ in store.events("demo")] == list(range(1, 11))
        assert [n for n, _ in store.events("demo", after=7)] == [8, 9, 10]
        assert list(store.events("demo", after=10)) == []

    def test_appending_nothing_leaves_the_log_as_it_was(self, log: StudyLog) -> None:
        """An empty append is allowed."""
        log.append([], [])
        assert list(log.read()) == []

    def test_reports_come_back_of_all_and_of_one_trial(self, log: StudyLog, store: Store) -> None:
        """Reports keep the order of the log and their values, NaN and infinities included."""
        log.append(EVERY_EVENT, [])
        expected = [
            Report(e.at_s, e.trial, e.attempt, e.step, e.values) for e in EVERY_EVENT if isinstance(e, Reported)
        ]
        assert plain(store.reports("demo")) == plain(expected)
        assert plain(store.reports("demo", 1)) == plain([r for r in expected if r.trial == 1])
        assert list(store.reports("demo", 99)) == []

    def test_an_append_that_fails_half_way_leaves_nothing(self, log: StudyLog, store: Store) -> None:
        """All of an append is kept or none, and the log goes on where it was."""
        log.append([TimerFired(1.0)], [])
        with pytest.raises(RuntimeError, match="half-way"):
            log.append([TimerFired(2.0), Reported(2.0, 0, 1, 0, {"loss": 1.0})], _Breaking())
        assert list(store.events("demo")) == [(1, TimerFired(1.0))]
        assert list(store.trials("demo")) == []
        log.append([TimerFired(3.0)], [])
        assert list(log.read()) == [TimerFired(1.0), TimerFired(3.0)]

    def test_a_large_append_is_kept_whole(self, log: StudyLog, store: Store) -> None:
        """Batches are not bounded by a database's limit on parameters."""
        events = [Reported(1.0, n % 50, 1, n, {"loss": n / 7}) for n in range(30_000)]
        trials = [finished_trial(n, n / 3) for n in range(5_000)]
        log.append(events, trials)
        assert list(log.read()) == events
        assert list(store.trials("demo")) == trials

    @given(st.lists(ANY_EVENT, max_size=8))
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    def test_any_events_come_back(self, store: Store, events: list[Event]) -> None:
        """Hypothesis finds no event that is changed by being stored."""
        log = store.create(example_spec(f"any {len(store.studies())}"), {})
        log.append(events, [])
        assert plain(log.read()) == plain(events)
        log.close("COMPLETE")

    # Trials and attempts

    def test_trials_and_attempts_come_back_as_they_stand(self, log: StudyLog, store: Store) -> None:
        """Every field is kept."""
        failed = Failed(FailureKind.RAISED, "Traceback\nValueError: ä")
        trials = [
            Trial(0, TrialState.WAITING, {"a": 1, "b": "x", "c": None, "d": True, "e": 0.1}, {}),
            Trial(1, TrialState.RUNNING, {}, {}, 1, 3, 7, 1.5),
            Trial(2, TrialState.COMPLETE, {"a": 2}, {"loss": 1e-300, "accuracy": -math.inf}, 2, 5, 4, 1.0, 9.0, 8.0),
            Trial(3, TrialState.PRUNED, {"a": 3}, {"loss": math.nan}, 1, 1, 0, 1.0, 2.0, 1.0),
            Trial(4, TrialState.FAIL, {"a": 4}, {}, 3, 0, None, None, 2.0, 0.0, failed),
            Trial(5, TrialState.COMPLETE, {"a": 5}, {"loss": 0.5}, 1, violation=0.1),
            Trial(6, TrialState.COMPLETE, {"a": 5}, {"loss": 0.5}, 1, violation=math.inf),
        ]
        grant = Resources(2.0, 0.25, 512.0)
        usage = Usage(10.5, 2.0, 3.0, 0.75, 100.0, 80.25, 7.5, 3, 1.25, 16384.0)
        attempts = [
            Attempt(2, 1, grant, "node-1", 1.0, 2.0, Failed(FailureKind.NODE_LOST), Usage(), None),
            Attempt(2, 2, grant, "node-2", 2.0, 9.0, Completed({"loss": 1e-300, "accuracy": -math.inf}), usage),
            Attempt(3, 1, Resources(), None, 1.0, 2.0, Pruned(0), None, "asha: rung 0"),
            Attempt(4, 1, Resources(), None, None, None, None),
            Attempt(4, 3, Resources(), None, None, 2.0, failed),
        ]
        log.append([], [*reversed(trials), *reversed(attempts)])
        assert plain(store.trials("demo")) == plain(trials)
        assert plain(store.attempts("demo")) == plain(attempts)
        assert plain(store.attempts("demo", 2)) == plain(attempts[:2])
        assert list(store.attempts("demo", 99)) == []

    def test_the_last_entry_of_a_key_counts(self, log: StudyLog, store: Store) -> None:
        """Within one append and over several."""
        waiting = Trial(0, TrialState.WAITING, {"a": 1}, {})
        log.append([], [finished_trial(0, 9.0), waiting, Attempt(0, 1, Resources()), Attempt(0, 1, Resources(2.0))])
        assert list(store.trials("demo")) == [waiting]
        assert list(store.attempts("demo")) == [Attempt(0, 1, Resources(2.0))]
        log.append([], [finished_trial(0, 3.0), Attempt(0, 1, Resources(4.0), "n", 1.0, 2.0, Pruned(1))])
        assert list(store.trials("demo")) == [finished_trial(0, 3.0)]
        assert list(store.attempts("demo")) == [Attempt(0, 1, Resources(4.0), "n", 1.0, 2.0, Pruned(1))]

    # What is known of studies

    def test_a_study_says_what_it_was_created_with(self, log: StudyLog, store: Store) -> None:
        """Specification, provenance, state and owner."""
        info = store.study("demo")
        assert info.spec == example_spec("demo")
        assert info.provenance == {"python": "3.11"}
        assert (info.name, info.state, info.closed_reason, info.model) == ("demo", "RUNNING", None, None)
        assert info.owner is not None
        assert info.owner.rpartition(":")[2].isdigit()
        assert (dict(info.counts), info.best_value) == ({}, None)

    def test_counts_and_best_value_follow_the_trials(self, store: Store) -> None:
        """Only finished trials count for the best; its direction is the metric's."""
        for goal, expected in (("minimize", -1.5), ("maximize", 7.0)):
            log = store.create(example_spec(goal, goal), {})
            values = (3.0, -1.5, 7.0, math.nan)
            trials = [finished_trial(n, value) for n, value in enumerate(values)]
            trials += [finished_trial(4, -99.0, TrialState.PRUNED), finished_trial(5, 99.0, TrialState.PRUNED)]
            log.append([], [*trials, Trial(6, TrialState.FAIL, {}, {}), Trial(7, TrialState.RUNNING, {}, {})])
            for info in (store.study(goal), store.studies()[0]):
                assert dict(info.counts) == {"COMPLETE": 4, "PRUNED": 2, "FAIL": 1, "RUNNING": 1}
                assert info.best_value == expected
            log.close("COMPLETE")

    def test_the_best_value_is_a_feasible_trials_first_then_the_least_violating_ones(self, store: Store) -> None:
        """However good the values of those that violate a constraint are."""
        for goal, better in (("minimize", -1.0), ("maximize", 1.0)):
            log = store.create(example_spec(goal, goal), {})
            for number, (violation, value, expected) in enumerate(
                (
                    (0.5, 9.0 * better, 9.0),
                    (0.25, 1.0 * better, 1.0),
                    (0.25, 2.0 * better, 2.0),
                    (0.0, -3.0 * better, -3.0),
                    (0.0, -2.0 * better, -2.0),
                    (1e-9, 99.0 * better, -2.0),
                    (0.0, math.nan, -2.0),
                )
            ):
                log.append([], [dataclasses.replace(finished_trial(number, value), violation=violation)])
                for info in (store.study(goal), store.studies()[0]):
                    assert info.best_value == expected * better
            log.close("COMPLETE")

    def test_studies_are_listed_newest_first(self, store: Store) -> None:
        """With what each was created with."""
        assert list(store.studies()) == []
        for name in ("one", "two", "three"):
            store.create(example_spec(name), {"name": name}).close("COMPLETE")
        assert [info.name for info in store.studies()] == ["three", "two", "one"]
        assert [dict(info.provenance) for info in store.studies()] == [{"name": n} for n in ("three", "two", "one")]

    def test_closing_notes_state_reason_and_model(self, log: StudyLog, store: Store) -> None:
        """And gives the lease back. Closing again changes nothing."""
        log.set_model("models/demo")
        log.close("COMPLETE", "all 10 trials done: ä")
        log.close("FAILED", "again")
        info = store.study("demo")
        assert (info.state, info.closed_reason, info.model) == ("COMPLETE", "all 10 trials done: ä", "models/demo")
        assert info.owner is None
        with pytest.raises(StoreError, match="closed"):
            log.append([TimerFired(1.0)], [])

    def test_names_and_texts_may_hold_any_character(self, store: Store) -> None:
        """Quotes, percent signs and what lies beyond ASCII."""
        name = 'o\'brien "50%" ?:x {0} ü 日本 \U0001f600'
        log = store.create(example_spec(name), {"text": "%s \0 \ud800", "n": math.nan})
        log.append([], [Trial(0, TrialState.FAIL, {}, {}, failure=Failed(FailureKind.RAISED, "a\0b"))])
        log.set_model("models/%(x)s")
        log.close("FAILED", "100% \0")
        info = store.study(name)
        assert plain(info.provenance) == {"text": "%s \0 \ud800", "n": "NaN"}
        assert info.model == "models/%(x)s"
        assert (info.closed_reason or "").startswith("100% ")
        failure = store.trials(name)[0].failure
        assert failure is not None
        assert failure.message[0] + failure.message[-1] == "ab"

    def test_an_unknown_study_is_named_with_the_nearest_one(self, log: StudyLog, store: Store) -> None:
        """Every method says so, and none makes it."""
        calls: list[Callable[[str], object]] = [
            *(store.study, store.trials, store.attempts, store.reports, store.events, store.acquire, store.delete),
            lambda name: store.send(name, "drain", {}),
        ]
        for call in calls:
            with pytest.raises(StudyNotFound, match=r"(?s)'dmeo'.*did you mean 'demo'"):
                call("dmeo")
        assert [info.name for info in store.studies()] == ["demo"]

    def test_reading_an_empty_store_finds_nothing(self, store: Store) -> None:
        """Before anything was ever created."""
        assert list(store.studies()) == []
        with pytest.raises(StudyNotFound):
            store.study("demo")
        with pytest.raises(StudyNotFound):
            store.acquire("demo")

    def test_a_name_is_taken_once(self, log: StudyLog, store: Store) -> None:
        """The first study stays as it was."""
        log.append([TimerFired(1.0)], [])
        with pytest.raises(StudyExists, match="demo"):
            store.create(example_spec("demo", "maximize"), {})
        assert store.study("demo").spec.metric.goal == "minimize"
        assert list(log.read()) == [TimerFired(1.0)]

    def test_what_cannot_be_stored_leaves_no_study(self, store: Store) -> None:
        """A provenance that is no plain data is refused before anything is written."""
        with pytest.raises(StoreError, match="cannot be stored"):
            store.create(example_spec("demo"), {"what": object()})
        assert list(store.studies()) == []

    # Commands

    def test_commands_reach_the_driver_in_order_and_once(self, log: StudyLog, store: Store, store_url: str) -> None:
        """Whoever sends them, while the log is written."""
        assert list(log.received()) == []
        other = self.open_store(store_url)
        other.send("demo", "release", {"node": "ü", "n": 1})
        log.append([TimerFired(1.0)], [])
        store.send("demo", "drain", {})
        assert list(log.received()) == [("release", {"node": "ü", "n": 1}), ("drain", {})]
        assert list(log.received()) == []
        store.send("demo", "stop", {})
        assert list(log.received()) == [("stop", {})]
        assert list(log.read()) == [TimerFired(1.0)]
        other.close()

    def test_commands_do_not_reach_another_study(self, log: StudyLog, store: Store) -> None:
        """Each driver hears of its own."""
        second = store.create(example_spec("two"), {})
        store.send("two", "drain", {})
        assert list(log.received()) == []
        assert list(second.received()) == [("drain", {})]
        second.close("COMPLETE")

    def test_commands_to_an_earlier_driver_are_gone(self, store: Store) -> None:
        """Who resumes a study is not stopped by what was meant for the one before."""
        store.create(example_spec("demo"), {}).close("INTERRUPTED")
        store.send("demo", "stop", {})
        log = store.acquire("demo")
        assert list(log.received()) == []
        store.send("demo", "drain", {})
        assert list(log.received()) == [("drain", {})]
        log.close("COMPLETE")

    def test_a_driver_that_was_shut_out_takes_no_commands(self, store_url: str) -> None:
        """They are the new one's."""
        store = self.open_store(store_url, lease_s=0.0)
        old = store.create(example_spec("demo"), {})
        new = self.open_store(store_url).acquire("demo")
        store.send("demo", "drain", {})
        with pytest.raises(StoreFenced):
            old.received()
        assert list(new.received()) == [("drain", {})]
        old.close("FAILED")
        new.close("COMPLETE")

    def test_what_is_no_plain_data_is_not_sent(self, log: StudyLog, store: Store) -> None:
        """And nothing is kept of it."""
        with pytest.raises(StoreError, match="cannot be stored"):
            store.send("demo", "release", {"node": object()})
        assert list(log.received()) == []

    # Leases

    def test_a_study_survives_being_closed_and_opened_again(self, store: Store, store_url: str) -> None:
        """Another store at the same URL goes on where the first one ended."""
        log = store.create(example_spec("demo"), {})
        log.append(EVERY_EVENT, [finished_trial(0, 1.0)])
        log.close("INTERRUPTED", "Ctrl-C")
        again = self.open_store(store_url)
        log = again.acquire("demo")
        assert again.study("demo").state == "RUNNING"
        assert plain(log.read()) == plain(EVERY_EVENT)
        log.append([TimerFired(11.0)], [finished_trial(1, 2.0)])
        assert again.events("demo")[-1] == (len(EVERY_EVENT) + 1, TimerFired(11.0))
        assert [trial.number for trial in again.trials("demo")] == [0, 1]
        log.close("COMPLETE")
        again.close()

    def test_a_living_drivers_study_is_locked(self, log: StudyLog, store: Store, store_url: str) -> None:
        """Neither taken over nor deleted; the message says who and until when."""
        other = self.open_store(store_url)
        for call in (other.acquire, other.delete):
            with pytest.raises(StoreLocked, match=r"'demo'.*process \d+ on .* until \d\d:\d\d:\d\d") as caught:
                call("demo")
            assert caught.value.hint
        log.append([TimerFired(1.0)], [])
        other.close()

    def test_an_ended_lease_is_taken_over_and_the_old_writer_is_shut_out(self, store_url: str) -> None:
        """Whatever the old one still tries leaves nothing."""
        store = self.open_store(store_url, lease_s=0.0)
        old = store.create(example_spec("demo"), {})
        old.append([TimerFired(1.0)], [])
        assert store.study("demo").owner is None
        new = self.open_store(store_url).acquire("demo")
        with pytest.raises(StoreFenced, match="taken over"):
            old.append([TimerFired(2.0), Reported(2.0, 0, 1, 0, {"loss": 1.0})], [finished_trial(0, 1.0)])
        with pytest.raises(StoreFenced):
            old.set_model("models/old")
        with pytest.raises(StoreFenced):
            old.renew()
        old.close("FAILED", "by the old one")
        new.append([TimerFired(3.0)], [])
        assert list(new.read()) == [TimerFired(1.0), TimerFired(3.0)]
        info = store.study("demo")
        assert (info.state, info.model, dict(info.counts)) == ("RUNNING", None, {})
        assert info.owner is not None
        new.close("COMPLETE")

    def test_an_ended_lease_that_nobody_took_goes_on(self, store_url: str) -> None:
        """A driver that was asleep for long need not stop."""
        log = self.open_store(store_url, lease_s=0.0).create(example_spec("demo"), {})
        log.renew()
        log.append([TimerFired(1.0)], [])
        log.set_model("models/demo")
        assert list(log.read()) == [TimerFired(1.0)]
        log.close("COMPLETE")

    def test_deleting_removes_everything_and_shuts_out_its_old_writer(self, store_url: str) -> None:
        """Also when another study of the name is made at once."""
        store = self.open_store(store_url, lease_s=0.0)
        old = store.create(example_spec("demo"), {})
        old.append(EVERY_EVENT, [finished_trial(0, 1.0), Attempt(0, 1, Resources())])
        store.delete("demo")
        assert list(store.studies()) == []
        new = store.create(example_spec("demo"), {})
        with pytest.raises(StoreFenced):
            old.append([TimerFired(2.0)], [finished_trial(1, 1.0)])
        old.close("FAILED")
        assert list(new.read()) == []
        assert (list(store.trials("demo")), list(store.attempts("demo")), list(store.reports("demo"))) == ([], [], [])
        assert store.study("demo").state == "RUNNING"
        new.close("COMPLETE")

    def test_studies_do_not_mix(self, store: Store) -> None:
        """Two writers at once, each in its own study."""
        logs = {name: store.create(example_spec(name), {}) for name in ("one", "two")}
        for n in range(3):
            for name, log in logs.items():
                log.append([Suggested(1.0, n, {"name": name})], [finished_trial(n, float(len(name)))])
        for name, log in logs.items():
            assert list(log.read()) == [Suggested(1.0, n, {"name": name}) for n in range(3)]
            log.close("COMPLETE")

    def test_readers_see_whole_appends_while_a_writer_writes(self, log: StudyLog, store: Store, store_url: str) -> None:
        """A reader's answers are the log up to some append, never a part of one, and never less than before."""
        seen: list[tuple[int, bool]] = []
        failures: list[BaseException] = []
        enough, ended = threading.Event(), threading.Event()

        def read() -> None:
            reader = self.open_store(store_url)
            try:
                while not ended.is_set():
                    positions = [n for n, _ in reader.events("demo")]
                    seen.append((len(positions), positions == list(range(1, len(positions) + 1))))
                    if len(seen) >= 5:
                        enough.set()
            except BaseException as error:
                failures.append(error)
                enough.set()
            finally:
                reader.close()

        thread = threading.Thread(target=read)
        thread.start()
        try:
            for n in range(2_000):
                log.append([TimerFired(float(n)), Reported(float(n), 0, 1, n, {"loss": 1.0}), TimerFired(float(n))], [])
                if n >= 100 and enough.is_set():
                    break
        finally:
            ended.set()
            thread.join(60)
        assert failures == []
        assert len(seen) >= 5
        assert all(count % 3 == 0 and whole for count, whole in seen)
        assert [count for count, _ in seen] == sorted(count for count, _ in seen)
