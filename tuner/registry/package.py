"""A saved model: one folder that holds all that prediction needs, and says where it came from.

::

    model.json            the card: parameters, metrics, features, classes, lineage, environment, SHA-256 of the other files
    preprocess.skops      the fitted preprocessing, where there is any
    model.ubj             XGBoost's own format, or model.txt (LightGBM's), or model.skops (all other estimators)
    requirements.txt      the versions of the libraries that read them

Nothing in it is a pickle. ``load_model`` compares every file with the card before it reads one, and builds only types that
are on a list of ours (``tuner.registry._trusted``) or that its caller names. The digests find damage and careless edits, not
a forger: who can write the folder can write the card.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import platform
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import DataError, RegistryError
from tuner.registry._folder import CARD, atomic_folder, file_sha256, verify
from tuner.registry._formats import read_model, read_skops, write_model, write_skops
from tuner.registry.features import Feature, encode
from tuner.registry.predictor import Predictor
from tuner.registry.tables import read_table, write_table

__all__ = ["FORMAT", "SavedModel", "finite", "load_model", "predict_file", "save_model", "versions"]

FORMAT = 1
"""Version of the folder's layout that is written, and the newest that is read."""

_PREPROCESS = "preprocess.skops"
_BOOSTERS = ("xgboost", "lightgbm")
_PACKAGES = ("tuner", "numpy", "pandas", "scipy", "scikit-learn", "skops", *_BOOSTERS)


@dataclass(frozen=True, slots=True, eq=False)
class SavedModel:
    """A model read back from its folder.

    Attributes:
        path: The folder.
        card: What ``model.json`` says.
        predictor: Preprocessing and model.
    """

    path: Path
    card: Mapping[str, Any]
    predictor: Predictor

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """What the model says of each row.

        Args:
            table: Holds the columns that the model was fitted on, by name, in any order; others, the target among them,
                are ignored.

        Returns:
            A table with the same index: ``prediction`` (a label as the target had it, or a number) and, for a classifier
            that has them, ``probability_<class>``.

        Raises:
            DataError: A column is absent or holds what it cannot.
        """
        return self.predictor.table(encode(table, self.predictor.features)).set_axis(table.index, axis=0)


def save_model(predictor: Predictor, card: Mapping[str, Any], directory: Path) -> list[str]:
    """Write a model into ``directory``, which appears as a whole or not at all; an older model there is replaced.

    Args:
        predictor: The fitted preprocessing and model.
        card: What is known of it, plain JSON data: study, trial, parameters, metrics, lineage. Format, features, classes,
            environment, time and digests are added.
        directory: The folder to make.

    Returns:
        The types in it that ``load_model`` trusts only when its caller names them; most often none.

    Raises:
        RegistryError: A part cannot be saved without pickle, or the folder cannot be written.
    """
    with atomic_folder(directory) as draft:
        format_name, strange = write_model(predictor.model, draft)
        if predictor.preprocess is not None:
            strange = sorted({*strange, *write_skops(predictor.preprocess, draft / _PREPROCESS)})
        packages = versions()
        rows = [f"{name}=={version}\n" for name, version in packages.items() if name != "tuner"]
        (draft / "requirements.txt").write_text("".join(rows), encoding="utf-8")
        full = {
            "format_version": FORMAT,
            **card,
            "model": {"format": format_name, "class": _class_name(predictor.model), "as_frame": predictor.as_frame},
            "task": predictor.task,
            "classes": list(predictor.classes),
            "features": [feature.to_dict() for feature in predictor.features],
            "untrusted_types": strange,
            "environment": {"python": platform.python_version(), "platform": platform.platform(), "packages": packages},
            "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "files": {path.name: file_sha256(path) for path in sorted(draft.iterdir())},
        }
        (draft / CARD).write_text(json.dumps(full, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return strange


def load_model(folder: str | Path, *, trusted: Collection[str] = ()) -> SavedModel:
    """Read a saved model back.

    Args:
        folder: Where ``save_model`` wrote it.
        trusted: Types beyond our list that you know to be harmless, as ``mypackage.MyTransformer``; loading runs their code.

    Raises:
        RegistryError: The folder is no saved model, is newer than this tuner, was changed, or holds types not trusted.
    """
    folder = Path(folder)
    card = _read_card(folder)
    try:
        verify(folder, card["files"])
        needed = {_PREPROCESS} & set(card["files"])
        predictor = Predictor(
            model=read_model(card["model"]["format"], folder, trusted),
            preprocess=read_skops(folder / _PREPROCESS, trusted) if needed else None,
            features=tuple(Feature.from_dict(row) for row in card["features"]),
            task=card["task"],
            classes=tuple(card["classes"]),
            as_frame=card["model"]["as_frame"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"{folder / CARD} is not the card of a saved model: {error!r} is missing or wrong"
        ) from error
    return SavedModel(folder, card, predictor)


def predict_file(
    folder: str | Path, data_path: str | Path, out_path: str | Path | None = None, *, trusted: Collection[str] = ()
) -> Path:
    """Predict each row of a CSV or Parquet file and write the predictions, a row each and in its order.

    Args:
        folder: The saved model.
        data_path: The table; a target column in it is ignored.
        out_path: ``.csv``, ``.csv.gz`` or ``.parquet``; None for ``<data>.predictions.csv`` beside the table.
        trusted: As for ``load_model``.

    Returns:
        The file written.

    Raises:
        RegistryError: As for ``load_model``.
        DataError: The table cannot be read, lacks a column, or the output cannot be written.
    """
    source = Path(data_path)
    target = (
        Path(out_path) if out_path is not None else source.with_name(f"{source.name.split('.')[0]}.predictions.csv")
    )
    if target.resolve() == source.resolve():
        raise DataError(f"the predictions would overwrite the table {source}", hint="name another output file")
    model = load_model(folder, trusted=trusted)
    reading = model.card.get("reading") or {}
    write_table(model.predict(read_table(source, **reading)), target)
    return target


def _read_card(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RegistryError(f"there is no folder {folder}", hint="`tuner best STUDY` prints where its model is")
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        version = card["format_version"]
    except FileNotFoundError as error:
        raise RegistryError(f"{folder} is no saved model: it has no {CARD}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"{folder / CARD} cannot be read: {error!r}") from error
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
        raise RegistryError(
            f"{folder} was saved in format {version!r}; this tuner reads up to {FORMAT}", hint="install a newer tuner"
        )
    return dict(card)


def _class_name(model: object) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The values as JSON can hold them: None for what is not finite."""
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}


def versions() -> dict[str, str]:
    """The versions of the libraries that a model saved by this process may need."""
    found = {}
    for name in _PACKAGES:
        if name in _BOOSTERS and name not in sys.modules:
            continue  # a library that was never imported here cannot be in the model
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a checkout on sys.path has no installed tuner
    return found
