"""What must be set before Ray is imported: who may talk to it, and that it keeps quiet.

Ray reads most of its environment once. Authentication is always decided here and never left to Ray's defaults, which differ
between starting a cluster, joining one by address and joining one by discovery.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

__all__ = ["find_token", "go_without_token", "prepare_environment", "print_notices", "sends_token"]

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no statistics to the outside, and no notice about them
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # we hide GPUs from CPU attempts ourselves; Ray would warn about it
    "RAY_DEDUP_LOGS": "0",  # attempts' output goes into their logs, not through Ray
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # attempts' errors are outcomes
}
_MODE = "RAY_AUTH_MODE"
_ours: list[bool] = []  # whether it was us who set the mode: filled then


def prepare_environment(private: Path | None) -> None:
    """Set what Ray reads when it is imported. What the user has set already is left as it is.

    Args:
        private: A folder of ours for a new cluster, where a token may be put if the home folder cannot take one; None
            when an existing cluster is to be joined.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if _MODE not in os.environ:
        _ours.append(True)
        os.environ[_MODE] = "token" if _has_token() or private is not None else "disabled"
    if os.environ[_MODE].lower() == "token" and private is not None and not _has_token():
        _make_token(private)
    _look_again()


def go_without_token() -> bool:
    """Leave the token away, for a cluster that takes none; False when it was the user who said that there is one."""
    if os.environ.get(_MODE, "").lower() == "token":
        if not _ours:
            return False
        os.environ[_MODE] = "disabled"
        _look_again()
    return True


def sends_token() -> bool:
    """Whether Ray sends a token with what it says to a cluster."""
    return os.environ.get(_MODE, "").lower() == "token"


def _look_again() -> None:
    """Where Ray has been imported already, make it read the environment again, as its own start does."""
    if "ray" in sys.modules:
        import ray

        ray._raylet.Config.initialize("")
        ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


def print_notices(wanted: bool) -> None:
    """Whether Ray prints what its processes notice ("A worker died ...") among our own display.

    ``log_to_driver=False`` leaves these in, and there is no public switch; without this one they are merely printed.
    """
    import ray

    ray._private.worker._worker_logs_enabled = wanted


def _token_file() -> Path:
    return Path.home() / ".ray" / "auth_token"


def find_token() -> tuple[str, str] | None:
    """(the token that Ray would send, where it is from), in the order in which Ray looks; None when there is none."""
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if token:
        return token, "RAY_AUTH_TOKEN"
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    with contextlib.suppress(OSError, RuntimeError, UnicodeDecodeError):
        file = Path(path) if path else _token_file()
        token = file.read_text(encoding="utf-8").strip()
        return (token, str(file)) if token else None
    return None


def _has_token() -> bool:
    return find_token() is not None


def _make_token(private: Path) -> None:
    """A token where Ray keeps it, so that its command line and the dashboard's user find it; readable by the owner only."""
    for path in (_token_file(), private / "auth_token"):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            return  # another run was quicker
        except (OSError, RuntimeError):
            continue
        if path.parent == private:
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
        return
