"""Population based training end to end: copies go on from checkpoints, and what was found is trained once more."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

import tuner
from tuner.api import open_store
from tuner.core.events import Checkpointed, Event, Reported, Suggested
from tuner.core.lineage import Segment, schedule
from tuner.errors import SweepError, TunerError
from tuner.objectives.function import Function
from tuner.study import PluginSpec, StudySpec
from tuner.sweep import parse, schedule_to_yaml
from tuner.trial import Checkpoint

STEPS = 12


def walk(params, context):
    """The best learning rate falls with the steps, so that no fixed one is best."""
    loss, step = 10.0, 0
    if context.checkpoint is not None:
        loss, step = json.loads((context.checkpoint.path / "loss.json").read_text()), context.checkpoint.step
    while step < STEPS:
        step += 1
        ideal = 0.5 * 0.8**step
        loss -= max(0.0, 1.0 - abs(params["lr"] - ideal) / ideal)
        with context.save_checkpoint(step) as folder:
            (folder / "loss.json").write_text(json.dumps(loss))
        context.report(step, loss=loss)
    return {"loss": loss}


def forgetful(params, context):
    for step in range(1, STEPS + 1):
        context.report(step, loss=params["lr"] + 1 / step)
    return {"loss": params["lr"]}


def run(store: str, objective: Any = walk, **more: Any) -> Any:
    arguments: dict[str, Any] = {
        "space": {"lr": tuner.Float(1e-3, 1.0, log=True)},
        "metric": "loss",
        "goal": "minimize",
        "sampler": {"type": "pbt", "population": 6, "interval": 2, "max": STEPS},
        "executor": "inline",
        "seed": 4,
        "name": "pbt",
        "trials": 60,
    }
    return tuner.run(objective, **{**arguments, "store": store, **more})


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/tuner.db"


def suggested(store: str, name: str) -> list[Suggested]:
    opened = open_store(store)
    try:
        return [event for _, event in opened.events(name) if isinstance(event, Suggested)]
    finally:
        opened.close()


def test_copies_go_on_from_their_parents_and_the_schedule_is_found_again(store, tmp_path):
    study = run(store)
    copies = [event for event in suggested(store, "pbt") if event.parent is not None]
    assert copies
    assert all(event.note and f"continues trial {event.parent}" in event.note for event in copies)
    best = study.best_trial
    segments = study.schedule(next(e.trial for e in reversed(copies) if study.trials[e.trial].last_step))
    assert len(segments) >= 2
    assert all(one.end == other.start for one, other in pairwise(segments))
    assert study.schedule() == study.schedule(best.number)
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule_to_yaml(study.spec, study.schedule()))
    again = run(store, name="again", sampler={"type": "pbt_replay", "schedule": str(path)})
    assert len(again.trials) == len(study.schedule())
    assert again.best_value == pytest.approx(study.best_value)


def test_a_study_of_it_is_resumed_where_its_log_ends(store):
    run(store, trials=7)
    study = tuner.resume("pbt", objective=walk, store=store, trials=60, executor="inline")
    assert study.state == "COMPLETE"
    assert all(trial.state.finished for trial in study.trials)
    assert any(event.parent is not None for event in suggested(store, "pbt"))


def test_without_checkpoints_the_end_says_so(store):
    study = run(store, forgetful)
    assert "no trial saved a checkpoint" in study.closed_reason


def test_without_checkpoints_nothing_is_said_where_nobody_needed_one(store):
    study = run(store, forgetful, sampler={"type": "pbt", "population": 4, "interval": 1000}, trials=6)
    assert "checkpoint" not in (study.closed_reason or "")


def test_an_objective_that_saves_none_is_refused_before_anything_is_written(store, monkeypatch):
    monkeypatch.setattr(Function, "checkpoints", False)
    with pytest.raises(SweepError, match="saves none"):
        run(store)
    assert not open_store(store).studies()


def test_a_schedule_of_no_trial_is_an_error(store):
    study = run(store, trials=6)
    with pytest.raises(TunerError, match="no trial 99"):
        study.schedule(99)


def test_lineage_follows_checkpoints_not_wishes():
    def saved(trial: int, step: int) -> Checkpointed:
        return Checkpointed(0.0, trial, 1, Checkpoint(step, f"{trial}.{step}"))

    events: list[Event] = [
        Suggested(0.0, 0, {"lr": 0.1}),
        Suggested(0.0, 1, {"lr": 0.2}, parent=0),  # nothing saved yet: it begins anew
        saved(0, 10),
        Suggested(0.0, 2, {"lr": 0.3}, parent=0),
        Suggested(0.0, 3, {"lr": 0.4}, parent=2),  # trial 2 only hands on what it inherited
        saved(0, 20),
        saved(3, 15),
        Reported(0.0, 3, 1, 17, {"loss": 1.0}),
        Reported(0.0, 1, 1, 4, {"loss": 1.0}),
    ]
    assert schedule(events, 3) == (Segment(0, 0, 10, {"lr": 0.1}), Segment(3, 10, 17, {"lr": 0.4}))
    assert schedule(events, 1) == (Segment(1, 0, 4, {"lr": 0.2}),)
    assert schedule(events, 9) == ()


HEAD = """objective: {function: work:train}
metric: {name: loss, goal: minimize}
parameters: {lr: {low: 0.0, high: 1.0}}
"""


def test_the_sampler_brings_its_pruner_with_the_options_of_both():
    spec = parse(HEAD + "sampler: {type: pbt, population: 4, interval: 5, factors: [0.5, 2]}\n").spec
    assert spec.pruner == PluginSpec("pbt", {"population": 4, "interval": 5})
    assert StudySpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("sampler: pbt\npruner: asha", "pruner", "brings its own pruner"),
        ("sampler: pbt\npruner: {type: pbt, population: 5}", "pruner", "brings its own pruner"),
        ("pruner: pbt\nlimits: {trials: 9}", "pruner", "without its sampler"),
        ("sampler: {type: pbt_replay, schedule: nowhere.yaml}", "sampler.schedule", "no such file"),
        ("sampler: {type: pbt, population: 8}\nlimits: {trials: 5}", "sampler.population", "no room"),
        (
            "sampler: {type: pbt_replay, schedule: [{to: 3, params: {lr: 0.5}}]}\ntry_first: [{lr: 0.1}]",
            "try_first",
            "own",
        ),
        ("sampler: {type: pbt_replay, schedule: [{to: 0, params: {lr: 0.5}}]}", "sampler.schedule", "above"),
    ],
)
def test_what_does_not_go_together_is_said_with_its_place(text, path, says):
    with pytest.raises(SweepError, match=says) as caught:
        parse(HEAD + text + "\n", "sweep.yaml")
    assert (caught.value.path or "").startswith(path)
    assert caught.value.line is not None
