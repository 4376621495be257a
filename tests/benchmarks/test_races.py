"""The benchmarks' own machinery: a clock that charges, the same for peers and for the engine, and standings from runs."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from benchmarks import methods, verdict
from benchmarks.engine_race import engine_race
from benchmarks.field import Level
from benchmarks.ledger import Ledger, Record
from benchmarks.problems import Course, Problem, problem
from benchmarks.problems.bbob import BBOB, FUNCTIONS
from benchmarks.problems.hartmann import PRESETS, Hartmann
from benchmarks.race import Job, Method, Race, Run, race
from benchmarks.standing import standings
from benchmarks.verdict import Protocol
from tuner.space import Float, SearchSpace
from tuner.trial import Params


class Ladder(Problem):
    """Ten steps of one second; the regret falls to x."""

    def __init__(self) -> None:
        super().__init__("ladder", "test", SearchSpace({"x": Float(0.0, 1.0)}), tuple(range(1, 11)))

    def _course(self, params: Params) -> Course:
        x = float(params["x"] or 0.0)
        return Course(tuple(x + (10 - step) for step in self.steps), tuple(float(step) for step in self.steps))


class Counting(Method):
    """Asks for rising x; stops the odd ones at their third step; every ask may take CPU time."""

    asks_for_s = 0.0
    stops = False

    def __init__(self, problem: Problem, race: Race) -> None:
        super().__init__(problem, race)
        self.n = 0
        self.told: list[tuple[int, int, bool]] = []

    def ask(self) -> Job:
        until = time.process_time() + self.asks_for_s
        while time.process_time() < until:
            pass
        self.n += 1
        return Job(self.n, {"x": 1 / self.n})

    def report(self, job: Job, step: int, value: float) -> bool:
        return not (self.stops and job.key % 2 and step == 3)

    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        self.told.append((job.key, step, stopped))


class Slow(Counting):
    asks_for_s = 0.05


class Stopping(Counting):
    stops = True


def test_workers_run_side_by_side_in_virtual_time():
    run = race(Counting, Ladder(), Race("ladder", workers=5, seed=0, trials=10))
    assert run.end_s == pytest.approx(20.0, abs=0.5)
    assert run.n_full == 10


def test_a_slow_ask_keeps_workers_waiting():
    run = race(Slow, Ladder(), Race("ladder", workers=40, seed=0, trials=120))
    assert run.utilisation < 0.95  # forty asks of 0.05 s in ten seconds of work
    assert run.driver_s == pytest.approx(6.0, rel=0.3)


def test_a_run_whose_driver_takes_too_long_is_cut_and_says_so():
    run = race(Slow, Ladder(), Race("ladder", workers=4, seed=0, trials=1000, cap_s=0.3))
    assert run.cut
    assert run.n_trials < 20


def test_a_stopped_trial_frees_its_worker_and_counts_for_nothing():
    method: list[Stopping] = []

    def make(problem: Problem, race: Race) -> Method:
        method.append(Stopping(problem, race))
        return method[0]

    run = race(make, Ladder(), Race("ladder", workers=1, seed=0, trials=4))
    assert method[0].told == [(1, 3, True), (2, 10, False), (3, 3, True), (4, 10, False)]
    assert run.n_full == 2
    assert run.end_s == pytest.approx(26.0, abs=0.5)


def test_what_ends_after_the_time_limit_was_not_found():
    run = race(Counting, Ladder(), Race("ladder", workers=1, seed=0, time_s=25.0))
    assert run.n_full == 2


def test_the_engine_and_the_peers_live_in_the_same_time():
    how = Race("bbob-sphere-2d-i1", workers=7, seed=3, trials=50)
    tried: list[Params] = []

    class Watched(BBOB):
        def simulate(self, params, seed, grant, resume_step=None):
            tried.append(params)
            return super().simulate(params, seed, grant, resume_step)

    class Again(Method):
        """What the engine tried, in its order."""

        def ask(self) -> Job:
            return Job(None, params.pop(0))

        def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
            pass

    ours = engine_race(Watched("sphere", 2), how, {"type": "random"})
    params = list(tried)
    theirs = race(Again, BBOB("sphere", 2), how)
    assert theirs.end_s == pytest.approx(ours.end_s, rel=0.01)
    assert [regret for _, regret in theirs.curve] == [regret for _, regret in ours.curve]
    assert theirs.utilisation == pytest.approx(ours.utilisation, abs=0.01)


def test_a_promoted_trial_goes_on_from_its_checkpoint():
    how = Race("mfhartmann6-good", workers=4, seed=1, time_s=300.0)
    promoting = {"type": "asha", "promote": True, "min": 4, "max": 100}
    run = engine_race(problem(how.problem), how, {"type": "random"}, promoting)
    stopping = engine_race(problem(how.problem), how, {"type": "random"}, {"type": "asha", "min": 4, "max": 100})
    assert run.n_full >= 1
    assert run.n_trials > 40
    assert run.utilisation > 0.95
    assert stopping.n_trials > 40


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_bbob_functions_are_above_their_best_value(function):
    asked = BBOB(function, 3)
    values = [asked({"x0": a, "x1": b, "x2": c}) for a in (-4.0, 0.5, 3.0) for b in (-2.0, 1.0) for c in (-1.0, 4.0)]
    assert min(values) > 0
    assert all(math.isfinite(value) for value in values)


@pytest.mark.parametrize(
    ("dims", "best"),
    [
        (3, (0.114614, 0.555649, 0.852547)),
        (6, (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573)),
    ],
)
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_hartmann_at_full_fidelity_is_exact_at_the_published_optimum(dims, best, preset):
    asked = Hartmann(dims, preset)
    assert asked({f"x{i}": x for i, x in enumerate(best)}) == pytest.approx(0.0, abs=1e-5)


def test_a_course_repeats_and_time_rises():
    params = {f"x{i}": 0.3 for i in range(6)}
    first, second = Hartmann(6).course(params), Hartmann(6).course(params)
    assert first == second
    assert list(first.at_s) == sorted(first.at_s)


def mean(interval: tuple[float, float, float] | None) -> float:
    assert interval is not None
    return interval[0]


GOOD = methods.Contestant("good", None)


def record(method: str, seed: int, regret: float, at_s: float = 1.0, task: str = "t") -> Record:
    run = Run([(0.5, 1.0), (at_s, regret)], 10, 10, 1.0, 0.1, 2.0)
    return Record(task, method, 8, seed, run, "abc")


def test_kept_runs_come_back_and_the_last_of_a_key_counts(tmp_path):
    book = Ledger("b", tmp_path)
    book.add(record("a", 0, 0.5))
    book.add(record("a", 0, 0.25))
    book.add(record("a", 1, 0.75))
    again = Ledger("b", tmp_path)
    assert again.records == book.records
    assert again.records["t", "a", 8, 0].run.curve[-1] == (1.0, 0.25)


def test_ranks_share_ties_and_slow_methods_are_ranked_on_the_runs_they_have():
    runs = [record("random", s, 0.8) for s in range(4)] + [record("good", s, 0.2) for s in range(4)]
    runs += [record("same", s, 0.2) for s in range(4)] + [record("dear", 0, 0.1)]
    table = {s.who: s for s in standings(runs, ["dear"], reference="random", target="good")}
    assert mean(table["good"].rank) == mean(table["same"].rank) == 1.5
    assert mean(table["random"].rank) == 3
    assert table["dear"].rank is None
    assert mean(table["dear"].rank_few) == 1
    assert mean(table["good"].rank_few) == 2.5


def test_time_to_the_target_counts_the_runs_that_never_got_there():
    runs = [record("random", s, 0.8) for s in range(2)]
    runs += [record("target", s, 0.4, at_s=1.0) for s in range(2)]
    runs += [record("half", 0, 0.3, at_s=1.0), record("half", 1, 0.9)]
    table = {s.who: s for s in standings(runs, [], reference="random", target="target")}
    assert table["target"].ert == pytest.approx(1.0)
    assert table["half"].ert == pytest.approx(3.0)  # 1 s and a failure of 2 s, for one success


def test_relative_regret_is_one_for_random_search():
    runs = [record("random", s, 0.8) for s in range(3)] + [record("good", s, 0.2) for s in range(3)]
    table = {s.who: s for s in standings(runs, [], reference="random", target="good")}
    assert mean(table["random"].regret) == pytest.approx(1.0)
    assert mean(table["good"].regret) == pytest.approx(0.25)


def test_a_level_stays_as_it_was_judged_where_fewer_runs_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(verdict, "RESULTS", tmp_path)
    protocol, known = Protocol("b", "random", "random", ["good"]), {"random": methods.FULL["random"], "good": GOOD}
    levels = [Level(workers, ["t"], 2, {"t": 10}) for workers in (8, 64)]
    first, second = Ledger("b", tmp_path / "first"), Ledger("b", tmp_path / "second")
    for seed in range(2):
        for book, workers, regret in ((first, 8, 0.2), (first, 64, 0.2), (second, 64, 0.1)):
            book.add(replace(record("good", seed, regret), workers=workers))
            book.add(replace(record("random", seed, 0.8), workers=workers))
    second.add(replace(record("good", 0, 0.1), workers=8))  # one seed of two
    second.add(replace(record("random", 0, 0.8), workers=8))
    before = verdict.write(protocol, levels, known, first)["levels"]
    after = verdict.write(protocol, levels, known, second)["levels"]
    assert after[0] == before[0]
    assert [mean(row["standings"][0]["regret"]) for row in after] == pytest.approx([0.25, 0.125])
