"""Pickles an objective with the modules that workers do not have."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from tuner.errors import ObjectiveError

__all__ = ["dump"]

_INSTALLED = ("site-packages", "dist-packages")


def dump(payload: Any, name: str, base: Path, *, out_of_band: bool) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """``payload`` pickled, modules under ``base`` by value, and its large buffers beside it.

    cloudpickle takes by value what is in ``__main__`` or has no module to import, and all else by name. A module beside
    the sweep file can be imported on this machine only, so it is registered as by-value, and only while we pickle: the
    registration is cloudpickle's, Ray has a copy of its own, and neither is ours to change for good.

    Args:
        payload: What is to travel.
        name: Of what travels, for messages.
        base: The folder whose modules travel.
        out_of_band: Whether large buffers come beside the pickled bytes instead of in them.

    Raises:
        ObjectiveError: Something in it cannot be pickled: an open file, a lock, a connection.
    """
    buffers: list[pickle.PickleBuffer] = []
    with _by_value(base):
        try:
            data = cloudpickle.dumps(payload, protocol=5, buffer_callback=buffers.append if out_of_band else None)
        except Exception as error:  # __reduce__ methods may raise anything
            raise ObjectiveError(
                f"{name} cannot be sent to the workers: {type(error).__name__}: {error}",
                hint="what it refers to travels along: open files, locks and connections inside it instead",
            ) from error
    return data, buffers


@contextmanager
def _by_value(base: Path) -> Iterator[None]:
    known = cloudpickle.list_registry_pickle_by_value()
    modules = [module for module in _modules_under(base) if module.__name__ not in known]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _modules_under(base: Path) -> list[ModuleType]:
    """Loaded modules whose file lies under ``base``, but for installed ones (a virtual environment may lie there) and ours."""
    found = []
    for name, module in list(sys.modules.items()):
        if name == "__main__" or name.partition(".")[0] == "tuner" or getattr(module, "__name__", "") != name:
            continue
        file = getattr(module, "__file__", None)
        # A package without an __init__.py has folders only.
        places = [file] if file else [str(place) for place in getattr(module, "__path__", ())]
        if any(_travels(Path(place), base) for place in places):
            found.append(module)
    return found


def _travels(path: Path, base: Path) -> bool:
    return path.is_relative_to(base) and not any(part in _INSTALLED for part in path.parts)
