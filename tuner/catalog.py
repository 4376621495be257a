"""The catalogue: curated search spaces by name, one YAML file each, and users' own files of the same shape.

A file holds ``parameters`` (and perhaps ``forbidden``) as a sweep file does, and says what they are for::

    title: XGBoost, classification
    task: classification
    estimator: xgboost.XGBClassifier
    parameters:
      learning_rate: {low: 1e-3, high: 0.5, log: true}
    defaults: {learning_rate: 0.3}               # a first trial worth making, inside the space
    sources:                                     # where each range comes from
      - cite: "Author (year), title, where"
        url: https://example.org/paper
        ranges: {learning_rate: "what the source says, and how we differ"}

Only ``parameters`` is asked of a user's own file. The catalogue's files lie in ``search_spaces/`` at the top of the
checkout, and in the package once it is built.
"""

from __future__ import annotations

import difflib
import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from tuner.errors import SearchSpaceError, closest
from tuner.space import SearchSpace
from tuner.trial import ParamValue

__all__ = ["CatalogEntry", "Source", "folder", "load", "names"]

_MAX_BYTES = 1 << 20
_KEYS = ("title", "task", "estimator", "parameters", "forbidden", "defaults", "sources")
_TASKS = ("classification", "regression")


@dataclass(frozen=True, slots=True)
class Source:
    """A publication or documentation page that ranges were taken from.

    Attributes:
        cite: Who, when, what, where.
        url: Where it can be read; None when there is no stable address.
        ranges: Parameter -> what the source says of it, and where we differ.
    """

    cite: str
    url: str | None
    ranges: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One search space with what it is for.

    Attributes:
        name: ``xgboost/classifier``; the path as given for a user's own file.
        title: For people; the name when the file gives none.
        estimator: Import path of what takes the parameters; None when the file names none, ``from_space`` when the
            parameter ``estimator`` chooses it.
        task: ``classification`` or ``regression``; empty when the file does not say.
        space: The parameters.
        defaults: A first trial worth making: the active parameters of one point of the space, constants included; empty
            when the file gives none.
        source: Every source in one text, for people.
        path: The file.
        sources: The sources with what each says of which parameter.
    """

    name: str
    title: str
    estimator: str | None
    task: str
    space: SearchSpace
    defaults: dict[str, ParamValue]
    source: str
    path: Path
    sources: tuple[Source, ...] = ()

    @property
    def unsourced(self) -> list[str]:
        """The parameters for which no source is named."""
        named = {name for source in self.sources for name in source.ranges}
        return [name for name in self.space if name not in named]


def folder() -> Path:
    """The catalogue's folder: the checkout's, else the installed package's.

    The checkout wins, because an editable installation leaves a stale copy in the environment.

    Raises:
        SearchSpaceError: The installation lacks it.
    """
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "search_spaces").is_dir():
        return checkout / "search_spaces"
    installed = Path(str(importlib.resources.files("tuner") / "_search_spaces"))
    if not installed.is_dir():
        raise SearchSpaceError(
            "the catalogue of search spaces is missing from this installation",
            expected=f"a folder {installed}",
            hint="install tuner again; a path to a file of your own works meanwhile",
        )
    return installed


def names() -> list[str]:
    """The names of all curated spaces, sorted."""
    root = folder()
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def load(name_or_path: str | Path) -> CatalogEntry:
    """A search space by its name in the catalogue, or from a file.

    Args:
        name_or_path: ``xgboost/classifier``, or a path: absolute, beginning with a dot, or ending in ``.yaml`` or ``.yml``.

    Raises:
        SearchSpaceError: There is none of that name, the file cannot be read or is wrong: then with file and line.
    """
    text = str(name_or_path)
    if _is_path(name_or_path):
        return _read(Path(text), text)
    known = names()
    if text not in known:
        raise _unknown(text, known)
    return _read(folder() / f"{text}.yaml", text)


def _is_path(given: str | Path) -> bool:
    text = str(given)
    return (
        isinstance(given, Path)
        or text.startswith((".", "~"))
        or text.endswith((".yaml", ".yml"))
        or Path(text).is_absolute()
    )


def _unknown(name: str, known: list[str]) -> SearchSpaceError:
    near = [k for k in known if name and name.lower() in k.split("/")]
    near += [k for k in difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6) if k not in near]
    hint = f"did you mean {' or '.join(repr(k) for k in near)}?" if near else "`tuner spaces` lists them"
    if (file := Path(f"{name}.yaml")).is_file():
        hint = f"for the file of that name write ./{file}"
    return SearchSpaceError(
        f"there is no search space called {name!r}", expected=f"a path, or one of {', '.join(known)}", hint=hint
    )


def _read(path: Path, name: str) -> CatalogEntry:
    path = path.expanduser()
    text = _text(path)
    try:
        return _entry(_document(text, path), name, path)
    except SearchSpaceError as error:
        if error.file is None:
            error.file, error.line = str(path), _line(text, error.path)
        raise


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        siblings = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        near = closest(path.name, siblings)
        raise SearchSpaceError(
            f"cannot be read: {error.strerror or error}",
            file=str(path),
            expected="a YAML file with `parameters:`",
            hint=f"did you mean {str(path.with_name(near))!r}?" if near else None,
        ) from error
    if len(data) > _MAX_BYTES:
        raise SearchSpaceError("is larger than 1 MiB", file=str(path), expected="a search space")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SearchSpaceError(
            f"byte {error.start} is not UTF-8", file=str(path), expected="YAML text in UTF-8", hint="save it as UTF-8"
        ) from error


def _document(text: str, path: Path) -> Mapping[str, Any]:
    try:
        # YAML 1.2, so that 1e-5 is a number and `no` a word.
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SearchSpaceError(
            f"is no YAML: {error.problem or error.context}", file=str(path), line=mark.line + 1 if mark else None
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise SearchSpaceError(f"is no YAML: {error}", file=str(path)) from error
    if not isinstance(document, Mapping):
        raise SearchSpaceError("not a search space", file=str(path), expected="a mapping with `parameters:`")
    return document


def _entry(document: Mapping[str, Any], name: str, path: Path) -> CatalogEntry:
    for key in document:
        if key not in _KEYS:
            near = closest(str(key), _KEYS)
            raise SearchSpaceError(
                f"unknown key {key!r}",
                path=str(key),
                expected=f"some of {', '.join(_KEYS)}",
                hint=f"did you mean {near!r}?" if near else None,
            )
    space = SearchSpace.from_dict({key: document[key] for key in ("parameters", "forbidden") if key in document})
    sources = tuple(_sources(document.get("sources") or [], space))
    task = _word(document, "task") or ""
    if task and task not in _TASKS:
        raise SearchSpaceError("unknown task", path="task", got=task, expected=f"one of {', '.join(_TASKS)}")
    return CatalogEntry(
        name=name,
        title=_word(document, "title") or name,
        estimator=_word(document, "estimator"),
        task=task,
        space=space,
        defaults=_defaults(document.get("defaults"), space),
        source="; ".join(source.cite for source in sources),
        path=path,
        sources=sources,
    )


def _word(row: Mapping[str, Any], key: str, where: str = "") -> str | None:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise SearchSpaceError("must be text", path=f"{where}{key}", got=value)
    return value


def _defaults(row: Any, space: SearchSpace) -> dict[str, ParamValue]:
    if row is None:
        return {}
    if not isinstance(row, Mapping):
        raise SearchSpaceError("must map parameters to values", path="defaults", got=row)
    try:
        space.check(row)
    except SearchSpaceError as error:
        error.path = f"defaults.{error.path}" if error.path else "defaults"
        raise
    return space.active(row)


def _sources(rows: Any, space: SearchSpace) -> Iterable[Source]:
    if not isinstance(rows, list):
        raise SearchSpaceError("must be a list", path="sources", got=rows, expected="[{cite, url, ranges}, ...]")
    for index, row in enumerate(rows):
        where = f"sources[{index}]"
        if (
            not isinstance(row, Mapping)
            or not isinstance(row.get("ranges"), Mapping)
            or set(row) - {"cite", "url", "ranges"}
        ):
            raise SearchSpaceError(
                "not a source", path=where, got=row, expected="{cite, url, ranges: {parameter: text}}"
            )
        cite = _word(row, "cite", f"{where}.")
        if not cite:
            raise SearchSpaceError("says not what it cites", path=where, expected="cite: who, when, what, where")
        for parameter, text in row["ranges"].items():
            if parameter not in space:
                near = closest(str(parameter), space)
                raise SearchSpaceError(
                    f"unknown parameter {parameter!r}",
                    path=f"{where}.ranges.{parameter}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
            if not isinstance(text, str) or not text.strip():
                raise SearchSpaceError("must say what the source says", path=f"{where}.ranges.{parameter}", got=text)
        yield Source(cite, _word(row, "url", f"{where}."), dict(row["ranges"]))


def _line(text: str, path: str | None) -> int:
    """The line, from 1, of what ``path`` names, or of the nearest thing above it that there is.

    Only errors ask, so the text is parsed a second time then, for its places, and not the first time.
    """
    node: Node | None = YAML(typ="safe", pure=True).compose(text)
    line, rest = 1, path or ""
    while node is not None and rest:
        children = _children(node)
        fitting = [key for key in children if rest == key or rest.startswith((f"{key}.", f"{key}["))]
        if not fitting:
            break
        key = max(fitting, key=len)
        line, node = children[key]
        rest = rest[len(key) :].removeprefix(".")
    return line


def _children(node: Node) -> dict[str, tuple[int, Node]]:
    if isinstance(node, MappingNode):
        return {str(key.value): (key.start_mark.line + 1, value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return {f"[{index}]": (item.start_mark.line + 1, item) for index, item in enumerate(node.value)}
    return {}
