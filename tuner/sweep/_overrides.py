"""``--set limits.trials=20``: values laid over a sweep before it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tuner.errors import SweepError
from tuner.sweep._aliases import ALIASES
from tuner.sweep._node import Node
from tuner.sweep._plugins import plugin_row
from tuner.sweep._yaml import read_value

__all__ = ["apply"]

_FIELDS = ("low", "high", "log", "step", "type", "value", "values", "when")
_SHORT = {"metric": "name", "sampler": "type", "pruner": "type", "executor": "type", "retry": "max"}
_SEGMENT = re.compile(r"\d+")


def apply(root: Node, overrides: Mapping[str, object]) -> None:
    """Lay ``overrides`` over the tree below ``root``, in place.

    Args:
        root: The sweep, with our keys only.
        overrides: Dotted path -> value; text is typed by YAML's rules. A path goes through keys and list positions;
            short forms on its way are spelled out first (``metric: loss`` becomes ``{name: loss}``). Below ``parameters``
            everything but a last ``low``, ``high``, ``values`` ... is the parameter's name, dots included.

    Raises:
        SweepError: A path is malformed or leads through a value that has nothing below it.
    """
    for path, value in overrides.items():
        keys = _split(path)
        place = root
        for depth, key in enumerate(keys[:-1]):
            place = _down(place, key, path, depth)
        typed = read_value(value) if isinstance(value, str) else plugin_row(value)
        _put(place, keys[-1], Node.of(typed, path), path)


def _split(path: str) -> list[str]:
    first, _, rest = path.partition(".")
    target = "metric.goal" if first == "goal" else ALIASES.get(first, first)
    if not first or (rest == "" and "." in path) or ".." in path:
        raise SweepError(
            "is no path in a sweep", path=path or None, got=path, expected="a dotted path such as limits.trials"
        )
    if target == "parameters" and rest:
        name, _, field = rest.rpartition(".")
        return ["parameters", name, field] if name and field in _FIELDS else ["parameters", rest]
    return [*target.split("."), *(rest.split(".") if rest else [])]


def _down(place: Node, key: str, path: str, depth: int) -> Node:
    """The node under ``key``, made if there is none, its short form spelled out."""
    if isinstance(place.content, list):
        return place.content[_position(place, key, path)]
    if not isinstance(place.content, dict):
        raise _blocked(place, path)
    below = place.content.get(key)
    if below is None or below.content is None:
        below = place.content[key] = Node({}, place.below(key))
    elif depth == 0 and key in _SHORT and not isinstance(below.content, dict | list):
        inner = Node(below.content, below.path, below.line, below.file)
        below.content = {_SHORT[key]: inner}
    return below


def _put(place: Node, key: str, node: Node, path: str) -> None:
    if isinstance(place.content, list):
        place.content[_position(place, key, path)] = node
    elif isinstance(place.content, dict):
        place.content[key] = node
    else:
        raise _blocked(place, path)


def _position(place: Node, key: str, path: str) -> int:
    assert isinstance(place.content, list)
    if not _SEGMENT.fullmatch(key) or int(key) >= len(place.content):
        raise SweepError(
            f"{place.path} is a list of {len(place.content)}", path=path, got=key, expected="a position in it, from 0"
        )
    return int(key)


def _blocked(place: Node, path: str) -> SweepError:
    return SweepError(f"nothing can be set below {place.path!r}: it is {place.kind()}", path=path, got=place.plain())
