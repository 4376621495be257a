"""What others read of a study."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tuner import export as exporting
from tuner.core.events import Event, Reported, StudyOpened
from tuner.core.ports import Store
from tuner.errors import StudyNotFound, TunerError
from tuner.export import export, trial_to_dict, trials_frame
from tuner.resources import Resources, Usage
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.stores.memory import MemoryStore
from tuner.stores.sql import SqlStore
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.trial import Attempt, Completed, Failed, FailureKind, ParamValue, Pruned, Trial, TrialState

T0 = 1_790_000_000.25
SPACE = SearchSpace(
    {
        "lr": Float(1e-5, 1.0, log=True),
        "drop": Float(0.0, 0.35, step=0.1),
        "layers": Int(1, 8),
        "batch": Int(16, 250, step=16),
        "größe": Categorical(["klein", None, 2, 0.5]),
        "flag": Categorical([True, 1, "True", None]),
        "seed": Constant(7),
        "depth": Int(1, 9, when={"größe": "klein"}),
        "bootstrap": Categorical([True, False], when={"größe": "klein"}),
    }
)
COMMON: dict[str, ParamValue] = {"lr": 0.01, "drop": 0.3, "layers": 3, "batch": 240, "seed": 7}
PARAMS: list[dict[str, ParamValue]] = [
    COMMON | {"größe": "klein", "flag": True, "depth": 4, "bootstrap": False},
    COMMON | {"größe": None, "flag": 1},
    COMMON | {"größe": 2, "flag": "True"},
    COMMON | {"größe": 0.5, "flag": None},
]
FAILED = Failed(FailureKind.RAISED, 'ValueError: "no", it said\n  at line 3')
TRIALS = [
    Trial(0, TrialState.COMPLETE, PARAMS[0], {"loss": 0.5, "rmse": 0.7}, 2, 2, 2, T0, T0 + 10, 8.5),
    Trial(1, TrialState.PRUNED, PARAMS[1], {"loss": 0.9}, 1, 1, 1, T0 + 1, T0 + 5, 4.0),
    Trial(2, TrialState.FAIL, PARAMS[2], {}, 1, 0, None, None, T0 + 6, 0.0, FAILED),
    Trial(3, TrialState.RUNNING, PARAMS[3], {}, 1, 0, None, T0 + 7, None, 0.0),
    Trial(4, TrialState.WAITING, PARAMS[3], {}),
]
ATTEMPTS = [
    Attempt(0, 1, Resources(1.0, 0.0, 512.0), "n0", T0, T0 + 2, Failed(FailureKind.NODE_LOST, "gone")),
    Attempt(0, 2, Resources(2.0), "n1", T0 + 2, T0 + 10, Completed({"loss": 0.5, "rmse": 0.7}), Usage(100.0, 7.5, 8.0)),
    Attempt(1, 1, Resources(1.0), "n1", T0 + 1, T0 + 5, Pruned(1), None, "worse than the median"),
    Attempt(2, 1, Resources(1.0), outcome=FAILED),
    Attempt(3, 1, Resources(1.0), "n1", T0 + 7),
]
REPORTS = [
    Reported(T0 + 3, 0, 2, 1, {"loss": 0.8, "rmse": 0.9}),
    Reported(T0 + 4, 1, 1, 1, {"loss": 0.9}),
    Reported(T0 + 5, 0, 2, 2, {"loss": 0.6}),
    Reported(T0 + 6, 0, 2, 3, {"rmse": float("nan")}),
]


def spec(name: str, metrics: tuple[Metric, ...] = (Metric("loss"),), space: SearchSpace = SPACE) -> StudySpec:
    return StudySpec(name, metrics, space, PluginSpec("function"), PluginSpec("random"), PluginSpec("median"), seed=17)


def fill(
    store: Store, study: StudySpec, trials: Sequence[Trial], attempts: Sequence[Attempt], reports: Sequence[Event]
) -> None:
    log = store.create(study, {"python": "3.11"})
    log.append([StudyOpened(T0, study), *reports], [*trials, *attempts])
    log.close("COMPLETE", "200 trials")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MemoryStore]:
    made = MemoryStore(f"memory://{tmp_path}")
    fill(made, spec("demo"), TRIALS, ATTEMPTS, REPORTS)
    fill(made, spec("empty"), [], [], [])
    fill(
        made,
        spec("two", (Metric("loss"), Metric("auc", "maximize"))),
        [
            Trial(0, TrialState.COMPLETE, PARAMS[0], {"loss": 0.5, "auc": 0.7}, 1, 0, None, T0, T0 + 1),
            Trial(1, TrialState.PRUNED, PARAMS[1], {"loss": 0.5}, 1, 1, 1, T0, T0 + 1),
        ],
        [],
        [Reported(T0, 1, 1, 1, {"loss": 0.5})],
    )
    yield made
    made.close()


def opened(path: Path, name: str) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())


def test_a_trial_has_one_json_form():
    assert trial_to_dict(TRIALS[0]) == {
        "number": 0,
        "state": "COMPLETE",
        "params": PARAMS[0],
        "values": {"loss": 0.5, "rmse": 0.7},
        "attempts": 2,
        "steps": 2,
        "started_at": "2026-09-21T14:13:20.250Z",
        "finished_at": "2026-09-21T14:13:30.250Z",
        "wall_s": 8.5,
        "failure": None,
    }
    failed = trial_to_dict(TRIALS[2])
    assert failed["failure"] == {"kind": "raised", "message": FAILED.message}
    assert failed["started_at"] is None
    assert json.loads(json.dumps(failed)) == failed


def test_a_frame_keeps_types_where_a_trial_has_no_value():
    frame = trials_frame(TRIALS)
    assert frame["params_depth"].dtype.name == "Int64"
    assert frame["params_bootstrap"].dtype.name == "boolean"
    assert frame["params_lr"].dtype.name == frame["values_loss"].dtype.name == "float64"
    assert frame["params_flag"].tolist()[:3] == [True, 1, "True"]
    assert frame["params_flag"][0] is True
    assert frame["params_depth"].isna().tolist() == [False, True, True, True, True]
    assert frame["started_at"][0] == pd.Timestamp(T0, unit="s", tz="UTC")
    assert frame["failure_kind"].tolist() == [None, None, "raised", None, None]
    assert frame["state"].tolist() == ["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]


def test_whole_numbers_beyond_64_bits_are_kept():
    trials = [Trial(0, TrialState.RUNNING, {"n": 2**70}, {}), Trial(1, TrialState.RUNNING, {"n": 1}, {})]
    assert trials_frame(trials)["params_n"].tolist() == [2**70, 1]


def test_no_trials_are_an_empty_frame():
    frame = trials_frame([])
    assert len(frame) == 0
    assert {"number", "state", "wall_s"} <= set(frame)


def test_csv_has_a_row_a_trial(store, tmp_path):
    path = export(store, "demo", tmp_path / "out" / "demo.csv", "csv")
    frame = pd.read_csv(path)
    assert path == tmp_path / "out" / "demo.csv"
    assert frame["number"].tolist() == [0, 1, 2, 3, 4]
    assert frame["values_loss"].tolist()[:2] == [0.5, 0.9]
    assert frame["params_größe"].tolist()[0] == "klein"
    assert frame["failure_message"].tolist()[2] == FAILED.message


def test_parquet_keeps_types(store, tmp_path):
    frame = pd.read_parquet(export(store, "demo", tmp_path / "demo.parquet", "parquet"))
    assert frame["params_layers"].tolist() == [3] * 5
    assert frame["params_depth"].tolist()[0] == 4
    assert frame["params_bootstrap"].tolist()[0] is False
    assert [json.loads(flag) for flag in frame["params_flag"] if pd.notna(flag)] == [True, 1, "True"]
    assert frame["started_at"][0].to_pydatetime() == datetime.fromtimestamp(T0, tz=UTC)


def test_json_holds_the_study_whole(store, tmp_path):
    document = json.loads(export(store, "demo", tmp_path / "demo.json", "json").read_text(encoding="utf-8"))
    assert StudySpec.from_dict(document["study"]["spec"]) == spec("demo")
    assert document["study"]["state"] == "COMPLETE"
    assert document["trials"] == [trial_to_dict(trial) for trial in TRIALS]
    assert [(a["trial"], a["number"]) for a in document["attempts"]] == [(0, 1), (0, 2), (1, 1), (2, 1), (3, 1)]
    assert document["attempts"][1]["usage"]["peak_memory_mib"] == 100.0
    assert document["attempts"][0]["outcome"] == {"failed": "node_lost", "message": "gone"}
    assert [(r["trial"], r["step"], r["values"]) for r in document["reports"]] == [
        (0, 1, {"loss": 0.8, "rmse": 0.9}),
        (0, 2, {"loss": 0.6}),
        (0, 3, {"rmse": None}),
        (1, 1, {"loss": 0.9}),
    ]


@pytest.mark.parametrize("format", exporting.FORMATS)
def test_a_study_without_trials_can_be_exported(store, tmp_path, format):
    assert export(store, "empty", tmp_path / "file", format).stat().st_size > 0


def test_nothing_is_logged_or_warned_of(store, tmp_path, capfd, recwarn):
    verbosity = optuna.logging.get_verbosity()
    export(store, "two", tmp_path / "two.log", "optuna")
    assert capfd.readouterr().err == ""
    assert not recwarn.list
    assert optuna.logging.get_verbosity() == verbosity


def test_optuna_opens_the_journal(store, tmp_path):
    study = opened(export(store, "demo", tmp_path / "demo.log", "optuna"), "demo")
    assert [trial.state.name for trial in study.trials] == [trial.state.value for trial in TRIALS]
    first, pruned, failed, running, waiting = study.trials
    assert first.values == [0.5]
    assert study.best_trial.number == 0
    assert first.params == PARAMS[0] | {"flag": "True"}
    assert pruned.params["flag"] == "1"
    assert failed.params["flag"] == "'True'", "choices that Optuna cannot tell apart are texts"
    assert [trial.params["größe"] for trial in study.trials[:4]] == ["klein", None, 2, 0.5]
    assert first.intermediate_values == {1: 0.8, 2: 0.6}
    assert pruned.values == [0.9]
    assert first.datetime_start is not None
    assert first.datetime_complete is not None
    assert first.datetime_start.astimezone(UTC) == datetime.fromtimestamp(T0, tz=UTC)
    assert (first.datetime_complete - first.datetime_start).total_seconds() == 10
    assert [attempt["number"] for attempt in first.user_attrs["attempts"]] == [1, 2]
    assert first.user_attrs["values"] == {"rmse": 0.7}
    assert failed.user_attrs["failure"]["kind"] == "raised"
    assert running.datetime_complete is None
    assert waiting.datetime_start is None
    assert study.metric_names == ["loss"]
    assert study.user_attrs == {"tuner:sampler": "random", "tuner:pruner": "median", "tuner:seed": 17}


def test_optunas_distributions_are_those_of_the_space(store, tmp_path):
    study = opened(export(store, "demo", tmp_path / "demo.log", "optuna"), "demo")
    found = study.trials[0].distributions
    assert found["lr"] == optuna.distributions.FloatDistribution(1e-5, 1.0, log=True)
    assert found["drop"] == optuna.distributions.FloatDistribution(0.0, 0.3, step=0.1)
    assert found["batch"] == optuna.distributions.IntDistribution(16, 240, step=16)
    assert found["seed"] == optuna.distributions.CategoricalDistribution((7,))
    assert "depth" not in study.trials[1].distributions


def test_optuna_goes_on_from_the_journal(store, tmp_path):
    study = opened(export(store, "two", tmp_path / "two.log", "optuna"), "two")
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.trials[0].values == [0.5, 0.7]
    assert study.trials[1].values is None
    trial = study.ask()
    trial.suggest_float("lr", 1e-5, 1.0, log=True)
    study.tell(trial, [0.1, 0.9])
    assert opened(tmp_path / "two.log", "two").trials[-1].values == [0.1, 0.9]


def test_the_dashboard_shows_the_journal(store, tmp_path):
    wsgi = pytest.importorskip("optuna_dashboard").wsgi
    path = export(store, "demo", tmp_path / "demo.log", "optuna")
    app = wsgi(JournalStorage(JournalFileBackend(str(path))))

    def get(url: str) -> Any:
        answers: list[str] = []
        query = url.partition("?")
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": query[0],
            "QUERY_STRING": query[2],
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
        }
        body = b"".join(app(environ, lambda status, headers, exc_info=None: answers.append(status)))
        assert answers == ["200 OK"], body
        return json.loads(body)

    (summary,) = get("/api/studies")["study_summaries"]
    assert summary["study_name"] == "demo"
    detail = get(f"/api/studies/{summary['study_id']}?after=0")
    assert [trial["state"] for trial in detail["trials"]] == ["Complete", "Pruned", "Fail", "Running", "Waiting"]


STEPS = [(0.0, 0.35, 0.1), (1e-3, 1.0, 0.013), (-1.7, 2.9, 0.3), (0.1, 0.7, 0.2), (1e-7, 3e-6, 7e-8)]


@pytest.mark.parametrize(("low", "high", "step"), STEPS)
def test_every_value_of_a_stepped_float_comes_through(tmp_path, low, high, step):
    distribution = Float(low, high, step=step)
    trials = [
        Trial(number, TrialState.COMPLETE, {"x": value}, {"loss": 1.0}, 1, 0, None, T0, T0 + 1)
        for number, value in enumerate(distribution.values() or [])
    ]
    with_steps = MemoryStore(f"memory://{tmp_path}")
    fill(with_steps, spec("steps", space=SearchSpace({"x": distribution})), trials, [], [])
    study = opened(export(with_steps, "steps", tmp_path / "steps.log", "optuna"), "steps")
    assert [t.params["x"] for t in study.trials] == pytest.approx([t.params["x"] for t in trials], rel=1e-12)
    with_steps.close()


def test_a_file_that_cannot_be_written_leaves_the_old_one(store, tmp_path, monkeypatch):
    path = tmp_path / "demo.csv"
    path.write_text("old")
    monkeypatch.setattr(exporting, "trials_frame", lambda trials, constraints: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(store, "demo", path, "csv")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced(store, tmp_path):
    path = tmp_path / "demo.log"
    for _ in range(2):
        export(store, "demo", path, "optuna")
    assert len(opened(path, "demo").trials) == 5
    (tmp_path / "new").touch()
    assert path.stat().st_mode == (tmp_path / "new").stat().st_mode


def test_wrong_requests_are_told(store, tmp_path):
    with pytest.raises(StudyNotFound):
        export(store, "nothing", tmp_path / "x.csv", "csv")
    with pytest.raises(TunerError, match="formats are csv") as caught:
        export(store, "demo", tmp_path / "x", "parket")  # type: ignore[arg-type]
    assert "parquet" in str(caught.value.hint)
    with pytest.raises(TunerError, match="is a folder"):
        export(store, "demo", tmp_path, "csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(TunerError, match="cannot write"):
        export(store, "demo", tmp_path / "file" / "x.csv", "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def content(path: Path) -> str:
    """A journal without the ids of its writer."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return json.dumps([{key: value for key, value in row.items() if key != "worker_id"} for row in rows])


def test_a_large_study_is_exported_fast_and_in_little_memory(tmp_path, monkeypatch):
    n = 300
    space = SearchSpace({f"p{k}": Float(0.0, 1.0) for k in range(10)})
    params = {f"p{k}": 0.5 for k in range(10)}
    trials = [
        Trial(k, TrialState.COMPLETE, params, {"loss": 1.0 / (k + 1)}, 1, 20, 20, T0, T0 + 1, 1.0) for k in range(n)
    ]
    reports = [Reported(T0, k, 1, step, {"loss": 1.0 / step}) for k in range(n) for step in range(1, 21)]
    large = SqlStore(f"sqlite:///{tmp_path}/large.db")
    fill(large, spec("large", space=space), trials, [], reports)
    started = time.process_time()
    path = export(large, "large", tmp_path / "large.log", "optuna")
    seconds = time.process_time() - started
    assert seconds < 60 / 10_000 * n  # 10,000 trials in 60 s
    assert len(opened(path, "large").trials) == n
    monkeypatch.setattr(exporting, "_MAX_REPORTS", 10)  # as if there were too many to hold
    tracemalloc.start()
    try:
        export(large, "large", tmp_path / "again.log", "optuna")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        large.close()
    assert peak < 4 * 2**20 + 4096 * n
    assert sorted(map(content, (path, tmp_path / "again.log"))) == [content(path)] * 2
