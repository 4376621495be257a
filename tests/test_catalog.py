"""The catalogue: where it lies, how names and paths are found, and what a wrong file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner import catalog
from tuner.errors import SearchSpaceError
from tuner.space import Categorical, Constant, Float, Int

ROOT = Path(__file__).resolve().parents[1]

WHOLE = """\
title: Mine
task: regression
estimator: work.Model
parameters:
  lr: {low: 1e-5, high: 1e-1, log: true}
  layers: {low: 1, high: 8}
  act: {values: [relu, no, null]}
  leak: {low: 0.0, high: 0.3, when: {act: relu}}
  rounds: {value: 500}
forbidden:
  - {layers: 8, act: relu}
defaults: {lr: 1e-3, layers: 2, act: relu, leak: 0.1}
sources:
  - cite: "Me (2024), Mine, My Journal"
    url: https://example.org
    ranges: {lr: "1e-5 to 0.1"}
  - cite: "You (2023), Yours"
    ranges: {lr: "log", layers: "1 to 8"}
"""


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def wrong(given: str | Path) -> SearchSpaceError:
    with pytest.raises(SearchSpaceError) as caught:
        catalog.load(given)
    return caught.value


# -- where it lies -------------------------------------------------------------------------------------------------


def test_the_checkouts_folder_comes_first() -> None:
    assert catalog.folder() == ROOT / "search_spaces"


def test_names_are_the_paths_of_all_files() -> None:
    files = sorted((ROOT / "search_spaces").rglob("*.yaml"))
    assert catalog.names() == sorted(str(f.relative_to(ROOT / "search_spaces").with_suffix("")) for f in files)
    assert {"xgboost/classifier", "logistic_regression", "models/regressor"} <= set(catalog.names())


def test_without_a_checkout_the_packages_copy_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "tuner"
    (package / "_search_spaces" / "family").mkdir(parents=True)
    write(package / "_search_spaces" / "family", WHOLE)
    monkeypatch.setattr(catalog, "__file__", str(package / "catalog.py"))
    monkeypatch.setattr("importlib.resources.files", lambda name: tmp_path / "site" / name)
    assert catalog.names() == ["family/mine"]
    assert catalog.load("family/mine").title == "Mine"


def test_an_installation_without_the_catalogue_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "__file__", str(tmp_path / "tuner" / "catalog.py"))
    monkeypatch.setattr("importlib.resources.files", lambda name: tmp_path / name)
    with pytest.raises(SearchSpaceError, match="missing from this installation"):
        catalog.names()


# -- names and paths -----------------------------------------------------------------------------------------------


def test_a_name_gives_the_whole_entry() -> None:
    entry = catalog.load("xgboost/classifier")
    assert entry.name == "xgboost/classifier"
    assert entry.title == "XGBoost, classification"
    assert (entry.task, entry.estimator) == ("classification", "xgboost.XGBClassifier")
    assert entry.path == ROOT / "search_spaces" / "xgboost" / "classifier.yaml"
    assert entry.space["learning_rate"] == Float(5e-3, 0.7, log=True)
    assert entry.defaults["max_depth"] == 6
    assert entry.defaults["n_estimators"] == 500
    assert "Grinsztajn" in entry.source
    assert "Chen, Guestrin (2016)" in entry.source


def test_a_file_of_the_users_own_is_read_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, WHOLE)
    monkeypatch.chdir(tmp_path)
    for given in (str(path), path, "./mine.yaml", "mine.yaml", Path("mine.yaml")):
        entry = catalog.load(given)
        assert entry.space["lr"] == Float(1e-5, 0.1, log=True)
        assert entry.space["layers"] == Int(1, 8)
        assert entry.space["act"] == Categorical(["relu", "no", None])
        assert entry.space["rounds"] == Constant(500)
        assert entry.defaults == {"lr": 1e-3, "layers": 2, "act": "relu", "leak": 0.1, "rounds": 500}
        assert entry.source == "Me (2024), Mine, My Journal; You (2023), Yours"
        assert [(source.url, dict(source.ranges)) for source in entry.sources] == [
            ("https://example.org", {"lr": "1e-5 to 0.1"}),
            (None, {"lr": "log", "layers": "1 to 8"}),
        ]
        assert entry.unsourced == ["act", "leak", "rounds"]


def test_only_parameters_are_asked_of_a_users_file(tmp_path: Path) -> None:
    path = write(tmp_path, "parameters: {lr: {low: 0.1, high: 1.0}}", "space.yml")
    entry = catalog.load(path)
    assert (entry.title, entry.task, entry.estimator, entry.source) == (str(path), "", None, "")
    assert entry.defaults == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("xgbost/classifier", "did you mean 'xgboost/classifier'"),
        ("xgboost", "did you mean 'xgboost/classifier' or 'xgboost/regressor'?"),
        ("XGBoost", "did you mean 'xgboost/classifier' or 'xgboost/regressor'?"),
        ("logistic_regresion", "did you mean 'logistic_regression'"),
        ("quantum", "`tuner spaces` lists them"),
        ("xgboost/../ridge", None),
        ("", "`tuner spaces` lists them"),
    ],
)
def test_an_unknown_name_gives_the_closest_ones(name: str, hint: str | None) -> None:
    error = wrong(name)
    assert error.message == f"there is no search space called {name!r}"
    assert "xgboost/classifier" in (error.expected or "")
    if hint:
        assert (error.hint or "").startswith(hint)


def test_a_name_that_is_a_file_here_is_told_how_to_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, WHOLE)
    monkeypatch.chdir(tmp_path)
    assert wrong("mine").hint == "for the file of that name write ./mine.yaml"


def test_a_path_that_is_not_there_names_its_neighbour(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    error = wrong(tmp_path / "mein.yaml")
    assert (error.file, error.message) == (str(tmp_path / "mein.yaml"), "cannot be read: No such file or directory")
    assert error.hint == f"did you mean {str(path)!r}?"
    assert wrong(tmp_path / "nowhere" / "a.yaml").hint is None
    assert wrong(tmp_path).message == "cannot be read: Is a directory"


# -- wrong files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        ("", None, None, "not a search space"),
        ("- a\n- b\n", None, None, "not a search space"),
        ("title: x\n", 1, None, "the search space is empty"),
        ("title: x\nparameters:\n  a: {low: 1, high: 2\n", 4, None, "is no YAML"),
        ("parameters:\n  a: {value: 1}\n  a: {value: 2}\n", 3, None, "is no YAML: found duplicate key"),
        ("parameters:\n\ta: 1\n", 2, None, "is no YAML"),
        ("titel: x\nparameters: {a: {value: 1}}\n", 1, "titel", "unknown key 'titel'"),
        ("title: 3\nparameters: {a: {value: 1}}\n", 1, "title", "must be text"),
        ("parameters: {a: {value: 1}}\ntask: clustering\n", 2, "task", "unknown task"),
        ("title: x\nparameters:\n  a: {low: 1, high: 2}\n  b.c: {low: 3, high: 2}\n", 4, "parameters.b.c", "low 3"),
        ("parameters:\n  a.b:\n    low: -5\n    high: -1\n    log: true\n", 3, "parameters.a.b.low", "log needs low"),
        (
            "parameters:\n  lr:\n    distribution: log_uniform\n    min: -5\n    max: -1\n",
            3, "parameters.lr.distribution", "exponents",
        ),
        ("parameters:\n  a: {value: 1}\n  b:\n    value: 2\n    when: {c: 1}\n", 5, "parameters.b.when.c", "unknown"),
        ("parameters:\n  a: {low: 0, high: 3}\nforbidden:\n  - {a: 1}\n  - {a: 7}\n", 5, "forbidden[1]", "can never hold"),
        ("parameters:\n  a: {low: 0, high: 3}\ndefaults:\n  a: 7\n", 4, "defaults.a", "value out of range"),
        ("parameters:\n  a: {low: 0, high: 3}\ndefaults:\n  b: 1\n", 4, "defaults.b", "unknown parameter"),
        ("parameters:\n  a: {low: 0, high: 3}\n\ndefaults: {}\n", 4, "defaults.a", "no value for an active parameter"),
        ("parameters:\n  a: {low: 0, high: 3}\ndefaults: 3\n", 3, "defaults", "must map parameters to values"),
        ("parameters:\n  a: {value: 0}\nsources: x\n", 3, "sources", "must be a list"),
        ("parameters:\n  a: {value: 0}\nsources:\n  - {cite: x}\n", 4, "sources[0]", "not a source"),
        ("parameters:\n  a: {value: 0}\nsources:\n  - {ranges: {a: x}}\n", 4, "sources[0]", "says not what it cites"),
        (
            "parameters:\n  a: {value: 0}\nsources:\n  - cite: x\n    ranges:\n      b: y\n",
            6, "sources[0].ranges.b", "unknown parameter 'b'",
        ),
        (
            "parameters:\n  a: {value: 0}\nsources:\n  - cite: x\n    ranges:\n      a: 3\n",
            6, "sources[0].ranges.a", "must say what the source says",
        ),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where(tmp_path: Path, text: str, line: int | None, path: str | None, message: str) -> None:
    file = write(tmp_path, text)
    error = wrong(file)
    assert message in error.message
    assert (error.file, error.line, error.path) == (str(file), line, path)
    assert str(error).startswith(f"{file}:{line}: " if line else f"{file}: ")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"title: \xff\xfe")
    assert wrong(tmp_path / "a.yaml").message == "byte 7 is not UTF-8"
    (tmp_path / "b.yaml").write_bytes(b"#" * (2**20 + 1))
    assert wrong(tmp_path / "b.yaml").message == "is larger than 1 MiB"
    (tmp_path / "c.yaml").write_text("a: " + "[" * 5000, encoding="utf-8")
    assert wrong(tmp_path / "c.yaml").message.startswith("is no YAML")


def test_yaml_is_1_2(tmp_path: Path) -> None:
    space = catalog.load(write(tmp_path, "parameters: {a: {low: 1e-5, high: 1E2}, b: {values: [no, on, 010]}}")).space
    assert space["a"] == Float(1e-5, 100.0)
    assert space["b"] == Categorical(["no", "on", 10])
