"""A saved model: whole or not at all, checked before it is read, free of code."""

from __future__ import annotations

import json
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from tuner.errors import DataError, RegistryError, TunerError
from tuner.registry import package
from tuner.registry._folder import file_sha256
from tuner.registry.features import encode
from tuner.registry.package import load_model, predict_file, save_model
from tuner.registry.predictor import Predictor


class Mine(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, x: Any, y: Any) -> Any:
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: Any) -> Any:
        return np.zeros(len(x), dtype=int)


def test_it_reads_back_and_predicts_the_same(saved, predictor, table):
    model = load_model(saved)
    said = model.predict(table)
    assert said.equals(predictor.table(encode(table, predictor.features)))
    assert list(said) == ["prediction", "probability_no", "probability_yes"]
    assert (model.card["study"], model.card["trial"], model.card["format_version"]) == ("demo", 3, 1)


def test_columns_may_come_in_any_order_with_others_and_any_index(saved, table):
    model = load_model(saved)
    shuffled = table[["y", "colour", "age"]].assign(more=1).set_index(pd.Index(range(100, 120)))
    said = model.predict(shuffled)
    assert list(said.index) == list(range(100, 120))
    assert said.reset_index(drop=True).equals(model.predict(table))


def test_an_empty_table_gives_no_predictions(saved, table):
    assert len(load_model(saved).predict(table.head(0))) == 0


def test_no_file_is_a_pickle(saved):
    names = [path.name for path in saved.iterdir()]
    assert sorted(names) == ["model.json", "model.skops", "preprocess.skops", "requirements.txt"]
    for name in ("model.skops", "preprocess.skops"):
        with zipfile.ZipFile(saved / name) as archive:
            assert all(member.endswith((".json", ".npy")) for member in archive.namelist())


def test_a_model_there_is_replaced(saved, predictor):
    save_model(predictor, {"study": "later"}, saved)
    assert load_model(saved).card["study"] == "later"
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_folder_of_something_else_is_left_alone(tmp_path, predictor):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("1")
    with pytest.raises(RegistryError, match="is there already and is no saved model"):
        save_model(predictor, {}, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "1"


def test_what_fails_half_way_leaves_nothing(tmp_path, predictor, monkeypatch):
    monkeypatch.setattr(package, "file_sha256", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(predictor, {}, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_skops_cannot_hold_is_refused_when_it_is_saved(tmp_path, predictor):
    broken: Any = Mine()
    broken.handle = open(__file__)  # noqa: SIM115 -- an open file is what cannot be saved
    try:
        with pytest.raises(RegistryError, match=r"test_package\.Mine cannot be saved without pickle"):
            save_model(Predictor(broken, None, predictor.features, "classification"), {}, tmp_path / "model")
    finally:
        broken.handle.close()
    assert list(tmp_path.iterdir()) == []


def test_types_of_others_are_trusted_only_when_the_caller_names_them(tmp_path, predictor, table):
    name = f"{Mine.__module__}.Mine"
    mine = Predictor(Mine().fit([[0]], [0]), None, predictor.features, "classification", ("no", "yes"))
    assert save_model(mine, {}, tmp_path / "model") == [name]
    assert json.loads((tmp_path / "model" / "model.json").read_text())["untrusted_types"] == [name]
    with pytest.raises(RegistryError) as caught:
        load_model(tmp_path / "model")
    assert str(caught.value) == (
        f"{tmp_path}/model/model.skops holds types that are not trusted: {name}\n"
        f"  hint: if you wrote them, or trust who did: load_model(folder, trusted=[{name!r}]); loading runs their code"
    )
    assert list(load_model(tmp_path / "model", trusted=[name]).predict(table)["prediction"]) == ["no"] * 20


def edit_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "model.json").read_text())
    for key, value in changes.items():
        if value is None:
            del card[key]
        else:
            card[key] = value
    (folder / "model.json").write_text(json.dumps(card))


def test_a_list_of_trusted_types_in_the_card_is_not_believed(tmp_path, predictor):
    mine = Predictor(Mine().fit([[0]], [0]), None, predictor.features, "classification")
    save_model(mine, {"trusted": [f"{Mine.__module__}.Mine"]}, tmp_path / "model")
    edit_card(tmp_path / "model", untrusted_types=[])
    with pytest.raises(RegistryError, match="not trusted"):
        load_model(tmp_path / "model")


def damage(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")


DAMAGES: dict[str, tuple[Any, str]] = {
    "no folder": (
        lambda folder: folder.rename(folder.with_name("gone")),
        """\
        there is no folder FOLDER
          hint: `tuner best STUDY` prints where its model is""",
    ),
    "no card": (lambda folder: (folder / "model.json").unlink(), "FOLDER is no saved model: it has no model.json"),
    "a file is gone": (
        lambda folder: (folder / "preprocess.skops").unlink(),
        """\
        FOLDER lacks 'preprocess.skops', which its model.json lists
          hint: copy the whole folder""",
    ),
    "newer": (
        lambda folder: edit_card(folder, format_version=2),
        """\
        FOLDER was saved in format 2; this tuner reads up to 1
          hint: install a newer tuner""",
    ),
    "a format that nobody knows": (
        lambda folder: edit_card(folder, model={"format": "pickle", "as_frame": False}),
        "FOLDER: model.json names the unknown format 'pickle'; there are: lightgbm, skops, xgboost",
    ),
    "a card without features": (
        lambda folder: edit_card(folder, features=None),
        "FOLDER/model.json is not the card of a saved model: KeyError('features') is missing or wrong",
    ),
    "a path out of the folder": (
        lambda folder: edit_card(folder, files={"../secret": "0"}),
        "FOLDER: model.json names a file outside the folder: '../secret'",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_folder_that_is_not_as_it_was_saved_is_refused(saved, case):
    break_it, expected = DAMAGES[case]
    break_it(saved)
    with pytest.raises(TunerError) as caught:
        load_model(saved)
    assert str(caught.value).replace(str(saved), "FOLDER") == textwrap.dedent(expected)


@pytest.mark.parametrize("name", ["model.skops", "preprocess.skops", "requirements.txt"])
def test_a_changed_file_is_found_before_it_is_read(saved, name, monkeypatch):
    damage(saved, name)
    monkeypatch.setattr(package, "read_model", lambda *_: pytest.fail("it was read"))
    with pytest.raises(RegistryError, match=rf"{name} was changed after it was saved: its SHA-256 is \w+\.\.\."):
        load_model(saved)


def test_a_card_that_is_no_json_is_refused(saved):
    (saved / "model.json").write_text("{")
    with pytest.raises(RegistryError, match=r"model\.json cannot be read: JSONDecodeError"):
        load_model(saved)


def test_a_skops_file_of_rubbish_with_a_right_digest_is_refused(saved):
    (saved / "model.skops").write_bytes(b"rubbish")
    files = json.loads((saved / "model.json").read_text())["files"]
    edit_card(saved, files={**files, "model.skops": file_sha256(saved / "model.skops")})
    with pytest.raises(RegistryError, match="cannot be read as a skops file"):
        load_model(saved)


def test_an_absent_column_is_named_with_the_closest(saved, table):
    with pytest.raises(DataError) as caught:
        load_model(saved).predict(table.rename(columns={"colour": "color"}))
    assert str(caught.value) == ("the table lacks the column 'colour'; it has 3 columns\n  hint: did you mean 'color'?")


def test_words_in_a_column_of_numbers_are_named_with_their_row(saved, table):
    table["age"] = table["age"].astype(object)
    table.loc[2, "age"] = "old"
    with pytest.raises(DataError) as caught:
        load_model(saved).predict(table)
    assert str(caught.value) == (
        "column 'age' should hold numbers; row 3 of the table holds 'old'\n"
        "  hint: mend the value, leave it empty, or leave the column out with data.drop when tuning"
    )


def test_predictions_never_overwrite_the_table(saved, table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="would overwrite the table"):
        predict_file(saved, tmp_path / "t.csv", tmp_path / "t.csv")
    out = predict_file(saved, tmp_path / "t.csv")
    assert out == tmp_path / "t.predictions.csv"
    assert list(pd.read_csv(out)) == ["prediction", "probability_no", "probability_yes"]
