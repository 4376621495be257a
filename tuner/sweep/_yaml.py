"""Text -> nodes: YAML 1.2 with lines, and every way in which a file can be no sweep at all.

ruamel.yaml scans and composes; scalars are resolved here from its tags, because a sweep needs only the core schema (a date is
text) and because the composed graph, unlike constructed values, still knows where everything stands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from tuner.errors import SweepError, closest
from tuner.sweep._node import Node
from tuner.trial import ParamValue

__all__ = ["read_file", "read_text", "read_value"]

MAX_BYTES = 2**20
MAX_NODES = 20_000
MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_BASES = {"0x": 16, "0o": 8, "0b": 2}


def read_file(path: Path) -> str:
    """The text of a sweep file.

    Raises:
        SweepError: There is no such file, or it is a folder, unreadable, larger than 1 MiB or no text.
    """
    name = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SweepError("there is no such file", file=name, hint=_neighbour(path)) from error
    except IsADirectoryError as error:
        raise SweepError("is a folder, not a sweep file", file=name, hint=_neighbour(path / "sweep.yaml")) from error
    except OSError as error:
        raise SweepError(f"cannot be read: {error.strerror or error}", file=name) from error
    if len(data) > MAX_BYTES:
        raise SweepError("is larger than 1 MiB", file=name, expected="a sweep file", hint="is this the data file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SweepError(
            f"byte {error.start} is not UTF-8",
            file=name,
            line=line,
            expected="a sweep file: YAML text in UTF-8",
            hint="save the file as UTF-8, or name the sweep file instead of a binary one",
        ) from error
    return text


def _neighbour(path: Path) -> str | None:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {str(folder)!r} either"
    near = closest(path.name, sorted(p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml")))
    return f"did you mean {str(folder / near)!r}?" if near else "`tuner init` writes a sweep file for your data"


def read_text(text: str, file: str | None) -> Node:
    """The sweep in ``text`` as a tree of nodes.

    Raises:
        SweepError: It is no YAML, holds several documents or a key twice, or is no mapping.
    """
    if len(text) > MAX_BYTES:
        raise SweepError("is larger than 1 MiB", file=file, expected="a sweep file")
    found = _compose(text, file)
    if found is None:
        raise SweepError(
            "is empty", file=file, expected="a sweep", hint="`tuner init` writes a sweep file for your data"
        )
    root = _Reader(file).node(found, "", found.start_mark.line + 1, 0)
    if not isinstance(root.content, dict):
        raise SweepError(
            f"a sweep must be a mapping, not {root.kind()}",
            file=file,
            line=found.start_mark.line + 1,
            expected="keys such as `objective:`, `metric:` and `space:` at the top",
        )
    root.line = None  # what is missing from the whole is missing from no line
    return root


def read_value(text: str) -> Any:
    """One value typed by YAML's rules, as ``--set limits.trials=20`` needs it; what is no YAML is itself, as text."""
    try:
        found = _compose(text, None)
        return None if found is None else _Reader(None).node(found, "", 1, 0).plain()
    except SweepError:
        return text


def _compose(text: str, file: str | None) -> Any:
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Composer = _BoundedComposer
        return yaml.compose(text)
    except _TooMany as error:
        raise _too_many(file) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message, hint = _explain(error, text, mark.line if mark else 0)
        raise SweepError(message, file=file, line=mark.line + 1 if mark else None, hint=hint) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SweepError(
            f"holds the control character {error.character!r}", file=file, line=line, expected="YAML text"
        ) from error
    except RecursionError as error:
        raise _too_deep(file) from error
    except (YAMLError, ValueError) as error:
        raise SweepError(f"is no YAML: {error}", file=file) from error


def _explain(error: MarkedYAMLError, text: str, line: int) -> tuple[str, str | None]:
    """A YAML error's message and its mend."""
    problem = error.problem or "cannot be understood"
    rows = text.splitlines()
    row = rows[line] if line < len(rows) else ""
    if "another document" in problem:
        return "holds a second document", "one sweep a file: remove the `---` and what follows"
    if "'\\t'" in problem or (row.startswith("\t") and "\t" in row):
        return "a tab where YAML wants spaces", "indent with spaces"
    if "expected <block end>" in problem:
        return "is no YAML: the indent does not match that of the lines above", "indent the lines of one block alike"
    if "undefined alias" in problem:
        return f"is no YAML: {problem}", "quote a value that begins with `*`, or define the anchor with `&` first"
    if "mapping values are not allowed" in problem:
        return "is no YAML: a second `:` in a value, or a wrong indent", "quote a value that holds `: `"
    if "cannot start any token" in problem:
        return f"is no YAML: {problem}", "quote a value that begins with a special character"
    if "while parsing a flow" in (error.context or ""):
        start = error.context_mark.line + 1 if error.context_mark else line + 1
        return f"is no YAML: the bracket opened in line {start} is not closed", "close it with `]` or `}`"
    if "quoted scalar" in (error.context or ""):
        start = error.context_mark.line + 1 if error.context_mark else line + 1
        return f"is no YAML: the quotation opened in line {start} is not closed", "close it with the same quote"
    return f"is no YAML: {problem}", "are the lines of one block indented alike?"


class _TooMany(Exception):  # noqa: N818 -- never leaves this module
    """The text holds more values than a sweep ever does."""


class _BoundedComposer(Composer):
    """A composer that gives up early: a megabyte of small values would take half a minute."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._n_nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._n_nodes += 1
        if self._n_nodes > 2 * MAX_NODES:  # keys are nodes, too
            raise _TooMany
        return super().compose_node(parent, index)


def _too_many(file: str | None) -> SweepError:
    return SweepError(
        f"holds over {MAX_NODES} values, anchors included",
        file=file,
        expected="a sweep file",
        hint="is this the data file?",
    )


def _too_deep(file: str | None) -> SweepError:
    return SweepError(f"is nested deeper than {MAX_DEPTH} levels", file=file, expected="a sweep file")


class _Reader:
    """Turns a composed graph into a tree of nodes, bounded in size and depth (anchors can make small files huge)."""

    def __init__(self, file: str | None) -> None:
        self._file = file
        self._count = 0

    def _add(self, count: int) -> None:
        self._count += count
        if self._count > MAX_NODES:
            raise _too_many(self._file)

    def node(self, found: Any, path: str, line: int, depth: int) -> Node:
        self._add(1)
        if depth > MAX_DEPTH:
            raise _too_deep(self._file)
        node = Node(None, path, line, self._file)
        if isinstance(found, MappingNode):
            node.content = self._mapping(found, node, depth)
        elif isinstance(found, SequenceNode):
            node.content = [
                self.node(item, f"{path}[{index}]", item.start_mark.line + 1, depth + 1)
                for index, item in enumerate(found.value)
            ]
        else:
            node.content = _scalar(found, node)
        return node

    def _mapping(self, found: MappingNode, parent: Node, depth: int) -> dict[str, Node]:
        content: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in found.value:
            line = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":
                merged = self._merge(value, parent, depth) | merged
                continue
            name = self._key(key, parent, line)
            if name in content:
                raise SweepError(
                    f"{name!r} stands here a second time; first in line {content[name].line}",
                    file=self._file,
                    line=line,
                    path=parent.path or None,
                    hint="keep one of them",
                )
            content[name] = self.node(value, parent.below(name), line, depth + 1)
        return content | {name: node for name, node in merged.items() if name not in content}

    def _merge(self, found: Any, parent: Node, depth: int) -> dict[str, Node]:
        parts = found.value if isinstance(found, SequenceNode) else [found]
        self._add(len(parts))
        merged: dict[str, Node] = {}
        for part in parts:
            if depth > MAX_DEPTH:
                raise _too_deep(self._file)
            if not isinstance(part, MappingNode):
                raise SweepError(
                    "`<<` needs a mapping",
                    file=self._file,
                    line=found.start_mark.line + 1,
                    path=parent.path or None,
                    hint="name the anchor of one, as `<<: *defaults`",
                )
            merged = self._mapping(part, parent, depth + 1) | merged
        return merged

    def _key(self, key: Any, parent: Node, line: int) -> str:
        if not isinstance(key, ScalarNode) or key.tag not in (f"{_TAG}str", f"{_TAG}timestamp"):
            shown = key.value if isinstance(key, ScalarNode) else "a list or mapping"
            raise SweepError(
                "a key must be text",
                file=self._file,
                line=line,
                path=parent.path or None,
                got=shown,
                hint="put it in quotes" if isinstance(key, ScalarNode) else None,
            )
        return str(key.value)


def _scalar(found: ScalarNode, node: Node) -> ParamValue:
    tag, text = str(found.tag).removeprefix(_TAG), str(found.value)
    try:
        if tag in ("str", "timestamp"):
            return text
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() in ("true", "yes", "on", "y")
        if tag == "int":
            return _integer(text.replace("_", ""))
        if tag == "float":
            lowered = text.lower().replace("_", "")
            return float(lowered.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError as error:
        raise node.error(f"is no {tag}", got=text) from error
    raise node.error(
        f"the tag {str(found.tag).replace(_TAG, '!!')} has no meaning in a sweep", got=text, hint="remove the tag"
    )


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    base = _BASES.get(digits[:2].lower(), 10)
    return sign * int(digits if base == 10 else digits[2:], base)
