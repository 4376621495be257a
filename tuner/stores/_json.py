"""JSON that keeps every float and every text, and that both databases can read.

Standard JSON has no NaN and no infinities: they become ``{"$float": "nan"}``, and an object of the user's own that has the
key ``$float`` is wrapped in another, so that nothing is mistaken. All characters beyond ASCII are escaped, so NUL and lone
surrogates pass through PostgreSQL's TEXT, which takes neither.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import PurePath
from typing import Any

from tuner.errors import StoreError

__all__ = ["dumps", "loads", "plain_text"]

_TAG = "$float"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _convert(value: object) -> object:
    """What ``json`` does not know: NumPy's scalars, paths, mappings."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    if isinstance(value, PurePath):
        return str(value)
    keys = getattr(value, "keys", None)
    if callable(keys):
        return dict(value)  # type: ignore[call-overload]
    raise TypeError(f"{value!r:.200} is a {type(value).__name__}, which JSON cannot hold")


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False, default=_convert).encode


def dumps(value: Any) -> str:
    """``value`` as compact JSON.

    Raises:
        StoreError: It holds something that is no plain data.
    """
    try:
        text = _encode(value)
        return text if _TAG not in text else _encode(_tagged(value))
    except ValueError:
        pass
    except (TypeError, RecursionError) as error:
        raise StoreError(f"cannot be stored: {error}") from error
    try:
        return _encode(_tagged(value))
    except (TypeError, RecursionError) as error:
        raise StoreError(f"cannot be stored: {error}") from error


def loads(text: str) -> Any:
    """What ``dumps`` was given.

    Raises:
        ValueError: The text is no JSON.
    """
    value = json.loads(text)
    return _untagged(value) if _TAG in text else value


def plain_text(text: str) -> str:
    """``text`` without what PostgreSQL's TEXT cannot hold: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def _tagged(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else {_TAG: repr(float(value))}
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    if not hasattr(value, "keys"):
        return _tagged(_convert(value))
    inner = {key: _tagged(value[key]) for key in value.keys()}  # noqa: SIM118 -- any mapping
    return {_TAG: inner} if _TAG in inner else inner


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    tagged = value.get(_TAG)
    if len(value) == 1 and isinstance(tagged, str):
        return float(tagged)
    inner = tagged if len(value) == 1 and isinstance(tagged, dict) else value
    return {key: _untagged(item) for key, item in inner.items()}
