"""Writing and reading fitted models in formats that run no code: XGBoost's UBJSON, LightGBM's text, skops for the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import skops.io

from tuner.errors import RegistryError
from tuner.registry._trusted import TRUSTED
from tuner.registry.predictor import is_lightgbm_booster, is_xgboost_booster

__all__ = ["FORMATS", "read_model", "read_skops", "write_model", "write_skops"]

FORMATS = {"xgboost": "model.ubj", "lightgbm": "model.txt", "skops": "model.skops"}
"""Format name -> file name of the model in its folder."""


def write_model(model: Any, folder: Path) -> tuple[str, list[str]]:
    """Write a fitted model into ``folder``.

    Returns:
        The format's name, and the types in it that ``read_model`` will not trust by itself.
    """
    if is_xgboost_booster(model):
        model.save_model(folder / FORMATS["xgboost"])
        return "xgboost", []
    if is_lightgbm_booster(model):
        model.save_model(str(folder / FORMATS["lightgbm"]))
        return "lightgbm", []
    return "skops", write_skops(model, folder / FORMATS["skops"])


def write_skops(part: Any, path: Path) -> list[str]:
    """Write an estimator or a transformer; returns the types in it that are on no list of ours."""
    try:
        skops.io.dump(part, path)
        return sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
    except Exception as error:  # skops raises whatever the object's own state makes it raise
        raise RegistryError(
            f"a {type(part).__module__}.{type(part).__qualname__} cannot be saved without pickle: {error}",
            hint="models are saved by skops, which cannot hold open files, lambdas or objects written in C of its own",
        ) from error


def read_model(format_name: str, folder: Path, trusted: Collection[str]) -> Any:
    """Read what ``write_model`` wrote.

    Raises:
        RegistryError: The format is unknown, its library is not installed, or the file holds a type not trusted.
    """
    if format_name not in FORMATS:
        raise RegistryError(
            f"{folder}: model.json names the unknown format {format_name!r}; there are: {', '.join(sorted(FORMATS))}"
        )
    path = folder / FORMATS[format_name]
    if format_name == "skops":
        return read_skops(path, trusted)
    try:
        if format_name == "xgboost":
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(path)
            return booster
        import lightgbm

        return lightgbm.Booster(model_file=str(path))
    except ImportError as error:
        raise RegistryError(f"{path} needs {format_name}, which is not installed: pip install {format_name}") from error
    except Exception as error:  # XGBoostError and LightGBMError share no base but Exception
        raise RegistryError(f"{path} cannot be read as a {format_name} model: {error}") from error


def read_skops(path: Path, trusted: Collection[str]) -> Any:
    """Read a skops file whose types are all on our list, on skops' own or in ``trusted``."""
    allowed: Sequence[str] = [*TRUSTED, *trusted]
    try:
        strange = sorted(set(skops.io.get_untrusted_types(file=path)) - set(allowed))
    except Exception as error:  # a damaged archive fails anywhere inside zipfile, json or skops
        raise RegistryError(f"{path} cannot be read as a skops file: {error}") from error
    if strange:
        raise RegistryError(
            f"{path} holds types that are not trusted: {', '.join(strange)}",
            hint="if you wrote them, or trust who did: "
            f"load_model(folder, trusted=[{', '.join(map(repr, strange))}]); loading runs their code",
        )
    try:
        return skops.io.load(path, trusted=allowed)
    except Exception as error:  # as above
        raise RegistryError(
            f"{path} cannot be loaded: {error}", hint="compare the versions in its model.json"
        ) from error
