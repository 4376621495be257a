"""What an objective sees of its attempt."""

from __future__ import annotations

import operator
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from tuner.core.actions import Start
from tuner.core.ports import SavedCheckpoint
from tuner.errors import TrialPruned
from tuner.study import Metric
from tuner.trial import Checkpoint, Failed, FailureKind
from tuner.worker.capture import LogSource
from tuner.worker.checkpoints import NotKept, name_of
from tuner.worker.link import Link
from tuner.worker.log import BoundedLog
from tuner.worker.numbers import NotANumber, missing_metric, to_float

__all__ = ["AttemptContext", "BadReport"]

_STEP_LIMIT = 2**63


class BadReport(ValueError):  # noqa: N818 -- named as the kind of failure is
    """A report that cannot be used. The attempt fails with it, even when the objective swallows it."""


class AttemptContext:
    """``tuner.core.ports.Context`` of one attempt.

    Args:
        start: What is to be run.
        metrics: The study's metrics.
        link: To the driver.
        scratch: Folder in which ``directory`` may be made.
        source: Where the attempt's log goes; None to keep it here.

    Attributes:
        last_step: Last step that was reported; None before the first.
        last_values: What was reported with it.
        failure: Why a report was refused; None while none was.
        received_mib: Size of the checkpoint that it took up, in MiB.
    """

    def __init__(
        self, start: Start, metrics: Sequence[Metric], link: Link, scratch: Path, source: LogSource | None
    ) -> None:
        self.trial, self.attempt, self.seed, self.grant = start.trial, start.attempt, start.seed, start.grant
        self.metric_names = tuple(metric.name for metric in metrics)
        self.last_step: int | None = None
        self.last_values: Mapping[str, float] | None = None
        self.failure: Failed | None = None
        self.received_mib = 0.0
        self._link, self._scratch, self._source = link, scratch, source
        self._start_from = start.checkpoint
        self._saved_step: int | None = None
        self._own_log: BoundedLog | None = None
        self._left_out: set[str] = set()

    @cached_property
    def directory(self) -> Path:
        """A folder of the attempt's own, made when it is first asked for, removed when the attempt has ended."""
        path = self._scratch / f"{self.trial}.{self.attempt}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def stop_requested(self) -> str | None:
        """Why the engine has asked this attempt to stop; None while it has not."""
        stop = self._link.stop
        return None if stop is None else stop.reason or "stopped"

    def report(self, step: int, values: Mapping[str, float] | None = None, /, **metrics: float) -> None:
        """Send intermediate values and return at once.

        Args:
            step: Position within the attempt, a whole number above the last one.
            values: Metric name -> value; the study's first metric must be among them and finite.
            **metrics: More of them.

        Raises:
            TrialPruned: The engine has asked the attempt to stop; let it pass.
            BadReport: The report cannot be used; the attempt fails.
        """
        if not self._pausing:  # a paused trial goes on behind this step: nobody would report it again
            self._check_stop()
        checked_step = self._checked_step(step)
        checked = self._checked_values(checked_step, {**values, **metrics} if values else metrics)
        self.last_step, self.last_values = checked_step, checked
        self._link.report(checked_step, checked)
        self._check_stop()

    @cached_property
    def checkpoint(self) -> SavedCheckpoint | None:
        """What to go on from: files to be read, and the step after which they were saved; None to start from nothing.

        One that is there no more, or cannot be read, is noted in the log, and the attempt starts from nothing.
        """
        start_from = self._start_from
        if start_from is None:
            return None
        try:
            path = self._link.keeper.fetch(start_from.place, self.directory / "checkpoints")
        except Exception as error:
            self.log(f"[tuner] no going on from the checkpoint of step {start_from.step}: {error}\n")
            return None
        self.received_mib += start_from.size_mib
        return SavedCheckpoint(path, start_from.step)

    @contextmanager
    def save_checkpoint(self, step: int) -> Iterator[Path]:
        """An empty folder to write into; what lies there when the ``with`` block ends well is durable then.

        Save before the report of that step: an attempt that is asked to stop learns of it when it reports.

        Args:
            step: The step that it belongs to, a whole number above that of the last checkpoint that this attempt saved.

        Raises:
            BadReport: The step cannot be used; the attempt fails.
            OSError: The disk is full, or the like.
        """
        number = self._whole("context.save_checkpoint", step, "with context.save_checkpoint(step) as folder: ...")
        if self._saved_step is not None and number <= self._saved_step:
            self._refuse(f"context.save_checkpoint: step {number} is not above the last one, {self._saved_step}")
        keeper = self._link.keeper
        name = name_of(self.trial, self.attempt, number)
        draft = keeper.draft(name, self.directory / "checkpoints")
        try:
            yield draft
            place, size_mib = keeper.keep(draft, name)
        except NotKept as error:
            self.log(f"[tuner] no checkpoint of step {number}: {error}\n")
            return
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._saved_step = number
        self._link.saved(Checkpoint(number, place, size_mib))

    def log(self, text: str) -> None:
        """Add to the attempt's log what was not printed by this process."""
        data = text.encode("utf-8", "replace")
        if self._source is not None:
            self._source.write(data)
            return
        if self._own_log is None:
            self._own_log = BoundedLog()
        self._own_log.append(data)
        self._link.log(text)

    @property
    def goes_on(self) -> bool:
        """Whether the objective has taken up a checkpoint of an earlier attempt."""
        return self.__dict__.get("checkpoint") is not None

    def own_log(self) -> bytes:
        """What ``log`` got while no source was installed."""
        return b"" if self._own_log is None else self._own_log.bytes()

    def clean_up(self) -> None:
        """Remove the folder, if it was made."""
        if "directory" in self.__dict__:
            shutil.rmtree(self.directory, ignore_errors=True)

    def leave_out(self, name: str, value: float, where: str) -> None:
        """Note, once for each name, that a value of no metric of the study is not kept."""
        if name not in self._left_out:
            self._left_out.add(name)
            self.log(f"[tuner] {name} is {value} {where}: it is left out, as it is not finite\n")

    @property
    def _pausing(self) -> bool:
        stop = self._link.stop
        return stop is not None and stop.pause

    def _check_stop(self) -> None:
        stop = self._link.stop
        if stop is not None:
            raise TrialPruned(stop.reason)

    def _whole(self, call: str, step: Any, example: str) -> int:
        try:
            number = operator.index(step)
        except TypeError:
            number = None
        if number is None or isinstance(step, bool) or not -_STEP_LIMIT <= number < _STEP_LIMIT:
            what = f"the step must be a whole number, got {step!r:.80} ({type(step).__name__})"
            self._refuse(f"{call}: {what}; write {example}")
        return number

    def _checked_step(self, step: Any) -> int:
        number = self._whole("context.report", step, "context.report(step, loss=...)")
        if self.last_step is not None and number <= self.last_step:
            self._refuse(f"context.report: step {number} is not above the last one, {self.last_step}; steps must rise")
        return number

    def _checked_values(self, step: int, values: Mapping[str, Any]) -> Mapping[str, float]:
        first = self.metric_names[0]
        if first not in values:
            self._refuse(f"context.report at step {step}: {missing_metric(first, values)}")
        checked: dict[str, float] = {}
        for name, value in values.items():
            number = value if type(value) is float else self._number(step, name, value)
            if isfinite(number):
                checked[str(name)] = number
            elif name == first:
                self._refuse(f"context.report at step {step}: {name} is {number}, expected a finite number")
            else:
                self.leave_out(name, number, f"at step {step}")
        return checked

    def _number(self, step: int, name: str, value: Any) -> float:
        try:
            return to_float(value)
        except NotANumber as error:
            self._refuse(f"context.report at step {step}: {name} is {error}, expected a number")

    def _refuse(self, message: str) -> NoReturn:
        self.failure = self.failure or Failed(FailureKind.BAD_REPORT, message)
        raise BadReport(message)
