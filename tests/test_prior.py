"""Warm starts from earlier studies: what is re-used, what is only resembled, and what is refused before anything runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import tuner
from tuner.api import open_store
from tuner.api import prior as priors
from tuner.core.events import Informed, Suggested
from tuner.errors import SweepError
from tuner.samplers.random import RandomSampler
from tuner.sweep import DEFAULTS_NOTE
from tuner.trial import Trial, TrialState

SPACE = {"x": tuner.Float(-1.0, 1.0), "n": tuner.Int(1, 8), "k": tuner.Constant(3)}


def bowl(params, context):
    return {"loss": params["x"] ** 2 + params["n"] / 100, "size": float(params["n"])}


def other(params, context):
    return {"loss": (params["x"] - 0.5) ** 2, "size": 1.0}


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/tuner.db"


def run(store: str, name: str, objective: Any = bowl, **more: Any) -> Any:
    arguments = {"space": SPACE, "metric": "loss", "goal": "minimize", "trials": 10, "executor": "inline", "seed": 3}
    return tuner.run(objective, **{**arguments, "store": store, "name": name, "sampler": "random", **more})


def events(store: str, name: str, kind: type) -> list[Any]:
    opened = open_store(store)
    try:
        return [event for _, event in opened.events(name) if isinstance(event, kind)]
    finally:
        opened.close()


def notes(study: Any) -> str:
    return "; ".join(study.info.provenance["prior"])


def test_trials_of_the_same_study_in_another_time_are_reused_and_its_best_is_tried_again(store):
    before = run(store, "before")
    study = run(store, "after", prior="before", trials=4)
    (informed,) = events(store, "after", Informed)
    assert informed.study == "before"
    assert [t.number for t in informed.trials] == list(range(-1, -11, -1))
    assert [dict(t.values) for t in informed.trials] == [{"loss": t.values["loss"]} for t in before.trials]
    first = events(store, "after", Suggested)[0]
    assert first.note == "best of study before"
    assert first.params == before.best_params
    assert study.best_value <= before.best_value
    assert notes(study) == "10 of the 10 finished trials of study 'before' are re-used"


def test_the_sampler_is_told_before_it_chooses_and_again_on_a_resume(store, monkeypatch):
    heard: list[Any] = []
    inform, ask = RandomSampler.inform, RandomSampler.ask

    def informed(self: RandomSampler, trials: Any) -> None:
        heard.append(len(trials))
        inform(self, trials)

    def asked(self: RandomSampler, first: int, count: int) -> Any:
        heard.append("ask")
        return ask(self, first, count)

    monkeypatch.setattr(RandomSampler, "inform", informed)
    monkeypatch.setattr(RandomSampler, "ask", asked)
    run(store, "before")
    heard.clear()
    run(store, "after", prior="before", trials=3)
    assert heard[:2] == [10, "ask"]
    heard.clear()
    tuner.resume("after", objective=bowl, store=store, trials=5, executor="inline")
    assert heard[:2] == [10, "ask"]


def test_trials_out_of_the_new_ranges_are_left_out(store):
    before = run(store, "before")
    narrow = {**SPACE, "x": tuner.Float(-0.5, 2.0), "n": tuner.Int(1, 6)}
    study = run(store, "after", prior="before", space=narrow, trials=3)
    fitting = [t for t in before.trials if t.params["x"] >= -0.5 and t.params["n"] <= 6]
    (informed,) = events(store, "after", Informed)
    assert 0 < len(informed.trials) == len(fitting) < 10
    assert f"{len(fitting)} of the 10" in notes(study)


def test_an_earlier_trial_whose_constraint_is_not_known_is_left_out_and_others_get_their_violation(store):
    run(store, "with", constraints={"name": "size", "max": 100}, trials=6)
    run(store, "after", prior="with", constraints={"name": "size", "max": 4}, trials=2)
    (informed,) = events(store, "after", Informed)
    assert {t.violation > 0 for t in informed.trials} == {t.values["size"] > 4 for t in informed.trials}
    run(store, "without", trials=6)
    study = run(store, "later", prior="without", constraints={"name": "peak_memory_mib", "max": 1e9}, trials=2)
    assert "no finished trial of it has all that is asked" in notes(study)
    assert "tried first" in notes(study)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"space": {**SPACE, "extra": tuner.Categorical(["a", "b"])}}, "other parameters: extra"),
        ({"space": {"x": SPACE["x"], "k": SPACE["k"]}}, "other parameters: n"),
        ({"space": {**SPACE, "k": tuner.Constant(4)}}, "other constants: k"),
        ({"space": {**SPACE, "n": tuner.Categorical([1, 2, 3, 4, 5, 6, 7, 8])}}, "of another kind: n"),
        ({"objective": other}, "another objective"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_a_study_that_only_resembles_it_the_best_few_are_tried_first(store, change, says):
    before = run(store, "before")
    study = run(store, "after", prior="before", trials=6, **change)
    assert not events(store, "after", Informed)
    assert says in notes(study)
    firsts = [e for e in events(store, "after", Suggested) if e.note == "best of study before"]
    assert 1 <= len(firsts) <= priors.FEW
    ranked = sorted(before.trials, key=lambda t: t.values["loss"])
    assert firsts[0].params["x"] == ranked[0].params["x"]


def test_projected_configurations_are_moved_to_the_nearest_place_and_distinct(store):
    run(store, "before")
    far = {"x": tuner.Float(2.0, 3.0), "other": tuner.Float(0.0, 1.0)}
    run(store, "after", prior="before", space=far, trials=3)
    firsts = [e for e in events(store, "after", Suggested) if e.note]
    assert [e.params["x"] for e in firsts] == [2.0]


def test_changed_data_are_only_resembled(store, tmp_path):
    iris = {"estimator": "sklearn.neighbors.KNeighborsClassifier", "data": {"sklearn": "iris"}}
    wine = {**iris, "data": {"sklearn": "wine"}}
    more: dict[str, Any] = {"space": {"n_neighbors": tuner.Int(1, 30)}, "metric": "accuracy", "goal": None, "trials": 2}
    run(store, "iris", iris, **more)
    assert "re-used" in notes(run(store, "again", iris, prior="iris", **more))
    assert "other data" in notes(run(store, "wine", wine, prior="iris", **more))


def test_several_studies_and_other_stores_are_read_together(store, tmp_path):
    elsewhere = f"sqlite:///{tmp_path}/other.db"
    run(store, "one")
    run(elsewhere, "two", seed=4)
    study = run(store, "after", prior=["one", {"study": "two", "store": elsewhere}], trials=4)
    (informed,) = events(store, "after", Informed)
    assert informed.study == "one, two"
    assert len(informed.trials) == 20
    assert len([e for e in events(store, "after", Suggested) if e.note]) == 2
    assert notes(study).count("re-used") == 2


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("nothing", {}, "no study called 'nothing'"),
        ("before", {"goal": "maximize"}, "minimize 'loss'"),
        ("before", {"metric": "size"}, "minimize 'loss'"),
        (
            "before",
            {"space": {"y": tuner.Float(0.0, 1.0)}, "objective": lambda params: params["y"]},
            "nothing in it fits",
        ),
    ],
)
def test_what_cannot_be_used_at_all_is_an_error_before_anything_is_written(store, name, change, says):
    run(store, "before")
    with pytest.raises(SweepError, match=says) as caught:
        run(store, "after", prior=name, **change)
    assert (caught.value.path or "").startswith("prior")
    assert [study.name for study in open_store(store).studies()] == ["before"]


def test_one_that_cannot_be_used_beside_one_that_can_is_told(store):
    run(store, "good")
    run(store, "bad", goal="maximize")
    study = run(store, "after", prior=["bad", "good"], trials=2)
    assert "study 'bad' cannot be used: it is to maximize 'loss'" in notes(study)


def test_the_spaces_defaults_are_not_run_again_when_an_earlier_study_has_them(store):
    knn = {"estimator": "sklearn.neighbors.KNeighborsClassifier", "data": {"sklearn": "iris"}}
    more: dict[str, Any] = {"space": "knn/classifier", "metric": "accuracy", "goal": None, "trials": 2}
    run(store, "before", knn, **more)
    assert next(e.note for e in events(store, "before", Suggested)) == DEFAULTS_NOTE
    run(store, "after", knn, prior="before", **more)
    assert DEFAULTS_NOTE not in [e.note for e in events(store, "after", Suggested)]


def test_of_very_many_trials_the_best_and_the_latest_are_told(store, monkeypatch):
    monkeypatch.setattr(priors, "MOST", 6)
    before = run(store, "before", trials=20)
    study = run(store, "after", prior="before", trials=1)
    (informed,) = events(store, "after", Informed)
    values = [t.values["loss"] for t in informed.trials]
    assert len(values) == 6
    assert values[3:] == [t.values["loss"] for t in before.trials[-3:]]
    assert min(values) == before.best_value
    assert "told of 6 of these 20" in notes(study)


def test_pruned_trials_are_reused_at_the_step_they_reached(store):
    opened = open_store(store)
    try:
        run(store, "before", trials=2)
        spec = opened.study("before").spec
        pruned = Trial(1, TrialState.PRUNED, {"x": 0.5, "n": 2, "k": 3}, {"loss": 0.7}, last_step=4)
        moved = priors._translated(spec, pruned)
        assert moved == replace(pruned, values={"loss": 0.7})
        assert priors._translated(spec, replace(pruned, values={})) is None
    finally:
        opened.close()
