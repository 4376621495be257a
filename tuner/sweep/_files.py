"""The files that a sweep names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tuner.sweep._node import Node

__all__ = ["named_files"]

_LONGEST_PATH = 1024


def named_files(root: Node, folder: Path) -> Iterator[tuple[Node, str, Path]]:
    """Every text below ``root`` that names a file which is there, as (node, the text, the file).

    Args:
        root: Of the sweep.
        folder: From which relative paths count.
    """
    if isinstance(root.content, dict):
        for below in root.content.values():
            yield from named_files(below, folder)
    elif isinstance(root.content, list):
        for below in root.content:
            yield from named_files(below, folder)
    elif isinstance(root.content, str) and 0 < len(root.content) <= _LONGEST_PATH:
        text = root.content
        try:
            path = folder / Path(text).expanduser()
            found = path.is_file()
        except (OSError, ValueError, RuntimeError):
            return  # no path at all
        if found:
            yield root, text, path
