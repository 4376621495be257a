"""What is recorded of a new study, gathered."""

from __future__ import annotations

import getpass
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tuner
from tuner.database.url import mask_credentials, mask_urls
from tuner.provenance.git import repository_facts
from tuner.provenance.machine import hardware

__all__ = ["collect", "masked"]

T = TypeVar("T")

_TEXT_LIMIT = 1 << 20
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # what Ray tells the program of a job, and no other
_KEPT_VARIABLES = ("TUNER_", "OMP_")
_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|api[_\-]?key|access[_\-]?key", re.IGNORECASE)


def collect(sweep_text: str | None, file: Path | None, describe: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that is recorded of a new study, as plain JSON data.

    Args:
        sweep_text: The sweep file as it was written; None when the sweep came from Python.
        file: Where it lies; its repository is the one that is recorded. None for that of the running script, or of the
            working folder.
        describe: What the objective says of its data and code (``Objective.describe``); kept under ``objective``.
    """
    main = _main_file()
    return {
        "collected_at": time.time(),
        "tuner": tuner.__version__,
        "sweep": _sweep(sweep_text, file),
        "code": _code(file, main),
        "objective": _masked_data(describe),
        "packages": _packages(),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
        },
        "platform": {
            "description": platform.platform(),
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
        },
        "hardware": hardware(),
        "command": _command(sys.argv),
        "working_folder": _attempted(os.getcwd),
        "user": _attempted(getpass.getuser),
        "host": socket.gethostname(),
        "job": _job(os.environ.get(_JOB_CONFIG)),
        "environment": _environment(os.environ),
    }


def masked(text: str) -> str:
    """``text``, mostly a URL, with the passwords in it replaced by ``***``."""
    return mask_credentials(text)


def _masked_data(value: Any) -> Any:
    if isinstance(value, str):
        return mask_urls(value)
    if isinstance(value, Mapping):
        return {key: _masked_data(item) for key, item in value.items()}
    return [_masked_data(item) for item in value] if isinstance(value, list | tuple) else value


def _sweep(text: str | None, file: Path | None) -> dict[str, Any] | None:
    if text is None:
        return None
    return {
        "file": None if file is None else str(file.absolute()),
        "sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        "text": mask_urls(text),
    }


def _code(file: Path | None, main: Path | None) -> dict[str, Any]:
    origin = file or main
    folder = origin.absolute().parent if origin is not None else _attempted(Path.cwd)
    code: dict[str, Any] = {"script": None if main is None else _script(main)}
    if folder is not None:
        code["git"] = _attempted(lambda: repository_facts(folder))
    return code


def _main_file() -> Path | None:
    """The script that runs; None in a notebook, in a shell, and when it is a program that was installed."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    if not name or not str(name).endswith(".py"):
        return None
    path = Path(name).absolute()
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return None if installed or path.is_relative_to(Path(tuner.__file__).parent) else path


def _script(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    text = content[:_TEXT_LIMIT].decode("utf-8", "replace")
    return {
        "path": str(path),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": mask_urls(text),
        "truncated": len(content) > _TEXT_LIMIT,
    }


def _packages() -> dict[str, str]:
    """Name -> version of every installed distribution. Reads the head of each METADATA: 20 times faster than parsing it."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        head = text.partition("\n\n")[0]
        name = re.search(r"^Name:\s*(\S+)", head, re.MULTILINE)
        version = re.search(r"^Version:\s*(\S+)", head, re.MULTILINE)
        if name and version:
            found.setdefault(name[1], version[1])  # the first on the path is the one that is imported
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _command(arguments: Sequence[str]) -> list[str]:
    """The command line without what follows ``--password`` and the like."""
    shown, hide = [], False
    for argument in arguments:
        shown.append("***" if hide else masked(argument))
        hide = argument.startswith("-") and "=" not in argument and bool(_SECRET_NAME.search(argument))
    return shown


def _job(config: str | None) -> str | None:
    """Id of the Ray job that this process is the program of; None when it is none, or one without a name."""
    try:
        told = json.loads(config or "{}")["metadata"]["job_submission_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(told)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: "***" if _SECRET_NAME.search(name) else masked(value)
        for name, value in sorted(variables.items())
        if name.startswith(_KEPT_VARIABLES)
    }


def _attempted(ask: Callable[[], T]) -> T | None:
    """The answer; None when the system has none (no such folder, no such user)."""
    try:
        return ask()
    except (OSError, KeyError, ValueError, ImportError, AttributeError):
        return None
