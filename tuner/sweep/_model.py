"""A sweep that was read: what users wrote, made into values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import SweepError
from tuner.study import PluginSpec, StudySpec
from tuner.sweep._files import named_files
from tuner.sweep._node import Node

__all__ = ["Sweep"]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep file says.

    Attributes:
        spec: What the study does.
        text: The file as written, aliases and comments included.
        file: Its path; None when the sweep was given as text.
        executor: Where attempts run; None when the sweep does not say.
        store: URL of the store; None when the sweep does not say.
        register: What is to be registered; always None in this version, which refuses the key.
        notes: What the user should know of how the file was understood: sentences, most often none.
    """

    spec: StudySpec
    text: str
    file: Path | None = None
    executor: PluginSpec | None = None
    store: str | None = None
    register: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    _root: Node = field(default_factory=lambda: Node({}), repr=False, compare=False)

    def locate(self, error: SweepError) -> None:
        """Give an error that was found later (by an objective's ``prepare``, say) its file and line, by its path.

        One that has a file already, or that names no path, is left as it is.
        """
        if error.path:
            self._root.locate(error)

    def files(self) -> Iterator[tuple[str, str, Path]]:
        """Every text of the sweep that names a file which is there, as (where it stands, the text, the file)."""
        folder = (self.file or Path("sweep")).resolve().parent
        for node, text, path in named_files(self._root, folder):
            yield node.path, text, path
