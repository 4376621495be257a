"""Every error that tuner raises on purpose.

The tree::

    TunerError
      SweepError            a sweep file or an argument is wrong: file, line, path, got, expected, hint
        SearchSpaceError    the same, in a search space
      DataError             a table or a column cannot be used
      ObjectiveError        what is to be trained cannot be found or used
      PluginNotFound        no sampler, pruner, executor, ... of that name
      PluginFailed          a sampler or pruner that is not tuner's own raised, or gave what it must not
      StudyNotFound, StudyExists
      StoreError            StoreUnreachable, StoreLocked, StoreFenced, StoreCorrupt
      ExecutorError         ClusterUnreachable, NoNodeFits
      RegistryError         a saved model cannot be written, read or trusted
      InvalidTransition     a bug of ours: an event that no rule allows
    InvalidParams           raised by an objective: these parameters can never work
    TrialPruned             raised inside an objective to end it early; control flow, not an error

A ``TunerError`` other than ``InvalidTransition`` is the caller's to mend: the command line prints its text, without a
traceback, and exits with 2. A trial's failure is never one of these: it is data (``tuner.trial.Failed``).
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

__all__ = [
    "ClusterUnreachable",
    "DataError",
    "ExecutorError",
    "InvalidParams",
    "InvalidTransition",
    "NoNodeFits",
    "ObjectiveError",
    "PluginFailed",
    "PluginNotFound",
    "RegistryError",
    "SearchSpaceError",
    "StoreCorrupt",
    "StoreError",
    "StoreFenced",
    "StoreLocked",
    "StoreUnreachable",
    "StudyExists",
    "StudyNotFound",
    "SweepError",
    "TrialPruned",
    "TunerError",
    "blamed",
    "closest",
]


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None when nothing is near enough to be what was meant."""
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


class TunerError(Exception):
    """Base of every error that tuner raises on purpose.

    Args:
        message: What was wrong, where, and what was expected: a sentence.
        hint: What to do next; None when the message says it all.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class SweepError(TunerError):
    """A sweep file, or an argument that stands for a part of one, is wrong.

    Args:
        message: What was wrong.
        file: The file's path; None when the sweep came from Python.
        line: Line in the file, from 1; None when unknown.
        path: Where in the sweep, as ``limits.trials``; None for the whole.
        got: What stood there.
        expected: What should have.
        hint: What to do.
    """

    def __init__(  # noqa: PLR0913 -- one argument for each thing that a person must be told
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        path: str | None = None,
        got: object = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.file, self.line, self.path = file, line, path
        self.got, self.expected = got, expected

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.file and self.line else self.file
        head = ": ".join(part for part in (where, self.path, self.message) if part)
        rows = [head]
        if self.got is not None:
            rows.append(f"  got: {self.got!r}")
        if self.expected:
            rows.append(f"  expected: {self.expected}")
        if self.hint:
            rows.append(f"  hint: {self.hint}")
        return "\n".join(rows)


class SearchSpaceError(SweepError):
    """A search space is wrong: bounds, steps, conditions, values or an unknown catalogue name."""


class DataError(TunerError):
    """A table cannot be read, or a column that was named is not in it."""


class ObjectiveError(TunerError):
    """What is to be trained cannot be imported, started or used."""


class PluginNotFound(TunerError):
    """No plug-in of that kind has that name.

    Args:
        kind: ``sampler``, ``pruner``, ``executor``, ``objective`` or ``store``.
        name: The name that was asked for.
        known: Every name there is.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        near = closest(name, self.known)
        self.closest = near
        hint = f"did you mean {near!r}?" if near else None
        super().__init__(f"there is no {kind} called {name!r}; there are: {', '.join(self.known)}", hint=hint)


class PluginFailed(TunerError):
    """A sampler or pruner that is not tuner's own raised, or gave what it must not: its author's to mend.

    Args:
        kind: ``sampler`` or ``pruner``.
        name: Its import path.
        said: What went wrong, with the method and the line where these are known.
        hint: What to do; None for what helps a study that runs.
    """

    def __init__(self, kind: str, name: str, said: str, *, hint: str | None = None) -> None:
        self.kind, self.name = kind, name
        hint = hint or f"mend it and `tuner resume` the study, or take another {kind}; what has finished is kept"
        super().__init__(f"the {kind} {name} {said}", hint=hint)


@contextmanager
def blamed(kind: str, name: str, owner: type, when: str = "") -> Iterator[None]:
    """Turn what an outsider's class raises into ``PluginFailed``: it says the method, the line and the message.

    Args:
        kind: ``sampler`` or ``pruner``.
        name: The class's import path.
        owner: The class.
        when: What it was called for, for example ``for trial 3``.

    Raises:
        PluginFailed: It raised something else than a ``TunerError``, which says by itself what was wrong.
    """
    try:
        yield
    except TunerError:
        raise
    except Exception as error:
        method, where = _origin(error.__traceback__, owner)
        at = " ".join(part for part in (f"in {method}" if method else "", when, f"({where})" if where else "") if part)
        hint = None
        if isinstance(error, ImportError):
            hint = (
                f"install what it needs and `tuner resume` the study, or take another {kind}; what has finished is kept"
            )
        said = f"raised {type(error).__name__}{' ' if at else ''}{at}: {error}"
        raise PluginFailed(kind, name, said, hint=hint) from error


def _origin(trace: TracebackType | None, owner: type) -> tuple[str | None, str | None]:
    """The owner's method that was called, and the last line that is neither ours nor a library's."""
    method = where = in_module = None
    module = getattr(sys.modules.get(owner.__module__), "__file__", None)
    while trace is not None:
        code = trace.tb_frame.f_code
        if method is None and isinstance(trace.tb_frame.f_locals.get("self"), owner):
            method = code.co_name
        if _is_a_users(code.co_filename):
            where = f"{_short(code.co_filename)}:{trace.tb_lineno}"
        elif code.co_filename == module:
            in_module = f"{_short(code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return method, where or in_module


def _is_a_users(file: str) -> bool:
    path = Path(file)
    ours, installed = Path(__file__).parent, {"site-packages", "dist-packages"}
    standard = Path(difflib.__file__).parent
    return not (file.startswith("<") or ours in path.parents or standard in path.parents or installed & set(path.parts))


def _short(file: str) -> str:
    path = Path(file)
    for folder in path.parents:
        if folder.name in ("site-packages", "dist-packages"):
            return str(path.relative_to(folder))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


class StudyNotFound(TunerError):
    """The store holds no study of that name."""


class StudyExists(TunerError):
    """The store holds a study of that name already."""


class StoreError(TunerError):
    """The store refused or failed."""


class StoreUnreachable(StoreError):
    """The store's URL is wrong or nothing answers there."""


class StoreLocked(StoreError):
    """Another living driver holds the study's lease."""


class StoreFenced(StoreError):
    """Another driver took the lease over: this one may write no more."""


class StoreCorrupt(StoreError):
    """What the store holds cannot be read back."""


class ExecutorError(TunerError):
    """Trials cannot be run where they were asked to run."""


class ClusterUnreachable(ExecutorError):
    """Nothing answers at the cluster's address, or it refuses us."""


class NoNodeFits(ExecutorError):
    """No node, living or that could be started, can hold what a trial asks for."""


class RegistryError(TunerError):
    """A saved model cannot be written, read or trusted."""


class InvalidTransition(TunerError):
    """An event that no rule allows: a bug of ours.

    Args:
        trial: The trial's number.
        story: Everything that happened to the trial, oldest first.
        message: What was tried.
    """

    def __init__(self, message: str, *, trial: int, story: Iterable[str] = ()) -> None:
        self.trial, self.story = trial, tuple(story)
        super().__init__(f"trial {trial}: {message}\n" + "\n".join(f"  {line}" for line in self.story))


class InvalidParams(Exception):
    """Raised by an objective: these parameters can never work, so the trial fails and is not tried again."""


class TrialPruned(BaseException):
    """Raised inside an objective to end the attempt early; control flow, not an error.

    ``context.report`` raises it when the engine has asked the attempt to stop. An objective may raise it itself. It is no
    ``Exception``, so that an objective's own ``except Exception`` does not swallow a stop.
    """
