"""A sampler or pruner of the user's own that goes wrong: said to be theirs, with the line; the study is kept."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tuner
from tuner import plugins
from tuner.core.ports import Problem
from tuner.errors import PluginFailed, SweepError
from tuner.space import Categorical, Constant, Float, SearchSpace
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

OUTSIDERS = """
from random import Random
from tuner.core.ports import Promotion, Pruner, Sampler, Suggestion, Verdict

BROKEN = True


class Plain(Sampler):
    def __init__(self, problem):
        self.known = 0

    def ask(self, first, count):
        return [Suggestion(self.params(n)) for n in range(first, first + count)]

    def params(self, n):
        return {"x": Random(n).random()}

    def tell(self, trials):
        self.known += len(trials)


class Asks(Plain):
    def params(self, n):
        if n == 3 and BROKEN:
            raise ValueError("no idea")
        return super().params(n)


class Tells(Plain):
    def tell(self, trials):
        if trials[0].number == 3 and BROKEN:
            raise RuntimeError("cannot learn")


class Unbuilt(Plain):
    def __init__(self, problem):
        raise OSError("no table")


class Refusing(Plain):
    def __init__(self, problem):
        raise ValueError("needs a finite space")


class Canned(Plain):
    given = []

    def ask(self, first, count):
        return self.given


class Judge(Pruner):
    def __init__(self, metric):
        self.seen = 0

    def judge(self, trial, step, value):
        self.seen += 1
        if (trial, step) == (2, 3) and BROKEN:
            raise IndexError("no such curve")
        return None


class Says(Pruner):
    promotes = True
    said = promoted = None

    def __init__(self, metric):
        pass

    def judge(self, trial, step, value):
        return self.said

    def promote(self):
        return self.promoted


class Rests(Says):
    promotes = False
    said = Verdict("pause", "a rest")


class Rises(Says):
    promoted = Promotion(5, "why not")


class Rough(Says):
    brackets = 0


class Lost(Says):
    brackets = 2

    def bracket(self, trial):
        return 2
"""
SPACE = SearchSpace({"x": Float(0.0, 1.0), "kind": Categorical(["a", "b"]), "fixed": Constant(3)})
FITTING = {"x": 0.5, "kind": "a", "fixed": 3}


@pytest.fixture
def outsiders(tmp_path, monkeypatch):
    """A module of a user's classes, in the folder where the user works."""
    (tmp_path / "theirs.py").write_text(OUTSIDERS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    import theirs  # type: ignore[import-not-found]

    yield theirs
    sys.modules.pop("theirs", None)


def train(params, context):
    for step in range(1, 5):
        context.report(step, loss=params["x"] / step)
    return {"loss": params["x"]}


def run(**more):
    options = {
        "trials": 6,
        "name": "mine",
        "executor": "inline",
        "store": "sqlite:///tuner.db",
        "sampler": "theirs:Plain",
    }
    return tuner.run(train, space={"x": tuner.Float(0.0, 1.0)}, metric="loss", **{**options, **more})


@pytest.mark.parametrize(
    ("changes", "kept", "said"),
    [
        (
            {"sampler": "theirs:Asks"},
            3,
            r"the sampler theirs:Asks raised ValueError in ask for trial 3 \(theirs.py:25\): no idea",
        ),
        (
            {"sampler": "theirs:Tells"},
            4,
            r"the sampler theirs:Tells raised RuntimeError in tell for trial 3 \(theirs.py:32\): cannot learn",
        ),
        (
            {"pruner": "theirs:Judge"},
            2,
            r"the pruner theirs:Judge raised IndexError in judge for trial 2 at step 3 \(theirs.py:59\): no such curve",
        ),
        (
            {"pruner": {"type": "patient", "patience": 2, "pruner": "theirs:Judge"}},
            2,
            r"the pruner theirs:Judge raised IndexError in judge for trial 2 at step 3",
        ),
        (
            {"sampler": {"type": "partial_fixed", "fixed": {}, "base": "theirs:Asks"}},
            3,
            r"the sampler theirs:Asks raised ValueError in ask for trial 3",
        ),
    ],
)
def test_a_class_that_raises_fails_the_study_which_keeps_what_it_has_and_goes_on_when_mended(
    outsiders, changes, kept, said
):
    with pytest.raises(PluginFailed, match=said) as caught:
        run(**changes)
    assert "`tuner resume`" in (caught.value.hint or "")
    study = tuner.load_study("mine", "sqlite:///tuner.db")
    assert study.state == "FAILED"
    assert study.closed_reason == caught.value.message
    before = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    assert len(before) == kept
    outsiders.BROKEN = False
    study = tuner.resume("mine", objective=train, executor="inline", store="sqlite:///tuner.db")
    assert (study.state, len(study.trials)) == ("COMPLETE", 6)
    assert study.trials[: len(before)] == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Unbuilt", r"the sampler theirs:Unbuilt raised OSError in __init__ \(theirs.py:37\): no table"),
        ("Refusing", "sampler 'theirs:Refusing' refuses its options: needs a finite space"),
    ],
)
def test_a_class_that_cannot_be_built_is_told_before_anything_is_written(outsiders, tmp_path, name, said):
    with pytest.raises(SweepError, match=said):
        run(sampler=f"theirs:{name}")
    assert not (tmp_path / "tuner.db").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda S: None, "raised TypeError for trial 7: 'NoneType' object is not iterable"),
        (lambda S: [FITTING], "for trial 7, and not a tuner.core.ports.Suggestion"),
        (lambda S: [S(FITTING), S(FITTING)], "was asked for 1 from trial 7 on, and gave 2"),
        (lambda S: [S([("x", 0.5)])], "and not a mapping"),
        (lambda S: [S({**FITTING, "x": 7.0})], "gave trial 7 x: value out of range, got 7.0, expected"),
        (lambda S: [S({**FITTING, "y": 7.0})], "gave trial 7 y: unknown parameter, expected one of x, kind, fixed"),
        (lambda S: [S({"x": 0.5, "fixed": 3})], "gave trial 7 kind: no value for an active parameter"),
        (lambda S: [S({"x": 0.5, "kind": "a"})], "gave trial 7 no fixed: constants must be given too"),
        (lambda S: [S(FITTING, state={"a": 1})], "expected a text or None"),
        (lambda S: [S(FITTING, parent=7)], "gave trial 7 the parent 7, expected an earlier trial"),
    ],
)
def test_what_a_sampler_must_not_suggest_is_said_to_be_its_fault(outsiders, given, said):
    outsiders.Canned.given = given(outsiders.Suggestion)
    sampler = plugins.build("sampler", PluginSpec("theirs:Canned"), Problem(SPACE, (Metric("loss"),), 1))
    with pytest.raises(PluginFailed) as caught:
        sampler.ask(7, 1)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "call", "said"),
    [
        (
            "Rests",
            lambda pruner: pruner.judge(1, 2, 0.5),
            "pauses trial 1 at step 2, but its attribute `promotes` is false",
        ),
        ("Rises", lambda pruner: pruner.promote(), "promotes trial 5, which is not paused"),
        ("Lost", lambda pruner: pruner.bracket(1), "put trial 1 into bracket 2, expected 0 to 1"),
    ],
)
def test_what_a_pruner_must_not_say_is_said_to_be_its_fault(outsiders, name, call, said):
    pruner = plugins.build("pruner", PluginSpec(f"theirs:{name}"), Metric("loss"))
    with pytest.raises(PluginFailed, match=said):
        call(pruner)


@pytest.mark.parametrize("said", ["stop", True, 0.5])
def test_a_verdict_that_is_none_is_said_to_be_the_pruners_fault(outsiders, monkeypatch, said):
    monkeypatch.setattr(outsiders.Says, "said", said)
    pruner = plugins.build("pruner", PluginSpec("theirs:Says"), Metric("loss"))
    with pytest.raises(PluginFailed, match=r"of trial 1 at step 2, expected None or a tuner.core.ports.Verdict"):
        pruner.judge(1, 2, 0.5)


def test_a_pruner_without_brackets_is_refused_before_anything_runs(outsiders):
    with pytest.raises(PluginFailed, match="has 0 brackets, expected a whole number, at least 1"):
        plugins.build("pruner", PluginSpec("theirs:Rough"), Metric("loss"))


def test_a_paused_trial_may_be_promoted_once(outsiders, monkeypatch):
    monkeypatch.setattr(outsiders.Says, "said", outsiders.Verdict("pause", "a rest"))
    monkeypatch.setattr(outsiders.Says, "promoted", outsiders.Promotion(5, "it is time"))
    pruner = plugins.build("pruner", PluginSpec("theirs:Says"), Metric("loss"))
    pruner.judge(5, 1, 0.5)
    assert pruner.promote().trial == 5
    with pytest.raises(PluginFailed, match="promotes trial 5, which is not paused"):
        pruner.promote()
    pruner.finish(Trial(5, TrialState.PRUNED, {}, {}))


def test_a_class_of_optunas_kind_is_told_how_it_is_written(tmp_path, monkeypatch):
    (tmp_path / "theirs_too.py").write_text(
        "import optuna\nclass S(optuna.samplers.RandomSampler): pass\nclass P(optuna.pruners.NopPruner): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for kind, name, argument in (
        ("sampler", "S", Problem(SPACE, (Metric("loss"),), 1)),
        ("pruner", "P", Metric("loss")),
    ):
        with pytest.raises(SweepError) as caught:
            plugins.build(kind, PluginSpec(f"theirs_too:{name}"), argument)
        assert caught.value.hint == f"write {{type: optuna, class: 'theirs_too:{name}'}} for one of Optuna's kind"


SWEEP = """
name: mine
objective: {function: "work:train"}
metric: {name: loss, goal: minimize}
parameters: {x: {low: 0.0, high: 1.0}}
sampler: "beside:Asks"
pruner: "beside:Says"
limits: {trials: 6}
executor: inline
"""
WORK = """
def train(params, context):
    context.report(1, loss=params["x"])
    return {"loss": params["x"]}
"""


def test_classes_beside_the_sweep_file_are_found_again_from_anywhere(tmp_path, monkeypatch):
    folder = tmp_path / "sweeps"
    folder.mkdir()
    (folder / "beside.py").write_text(OUTSIDERS, encoding="utf-8")
    (folder / "work.py").write_text(WORK, encoding="utf-8")
    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def called(*arguments, exit_code):
        done = subprocess.run(
            [sys.executable, "-m", "tuner", *arguments], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == exit_code, done.stderr + done.stdout
        return done.stdout

    said = called("run", "sweeps/sweep.yaml", "-q", exit_code=1)
    assert "FAILED: the sampler beside:Asks raised ValueError in ask for trial 3 (sweeps/beside.py:25): no idea" in said
    assert "tuner resume mine" in said
    (folder / "beside.py").write_text(OUTSIDERS.replace("BROKEN = True", "BROKEN = False"), encoding="utf-8")
    assert "6: 6 complete" in called("resume", "mine", "-q", exit_code=0)
    assert "looked at 6 reports" in called("explain", "mine", exit_code=0)
    assert "COMPLETE" in called("explain", "mine", "2", exit_code=0)
