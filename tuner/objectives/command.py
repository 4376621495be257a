"""Any program in any language as the objective."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.core.ports import Context, Objective
from tuner.errors import ObjectiveError, TrialPruned, closest
from tuner.objectives._command_checkpoints import checkpoint_variables
from tuner.objectives._command_exit import LastOutput, failed_exit, memory_kills
from tuner.objectives._command_line import as_text, check_program, read_command
from tuner.objectives._command_metrics import Lines, Metrics, ReportFile
from tuner.objectives._command_options import check_variables, exit_codes, one_of, variable_of, variables
from tuner.objectives._command_process import Program, ProgramNotRun, run_program
from tuner.study import StudySpec
from tuner.trial import FailureKind, Params
from tuner.worker import AttemptFailed
from tuner.worker.bounds import thread_variables
from tuner.worker.reporting import REPORT_FILE_VARIABLE

__all__ = ["Command"]

PARAMS_MODES = ("arguments", "json", "environment")
METRICS_MODES = ("stdout", "file")
BUILT_IN = ("attempt", "cpu", "directory", "gpu", "memory_mib", "params_file", "python", "seed", "trial")
PARAMS_FILE_VARIABLE = "TUNER_PARAMS_FILE"
REPORT_FILE, PARAMS_FILE = "report.jsonl", "params.json"
_GRACE_LIMIT_S = 10.0


class Command(Objective):
    """Runs a program once for each attempt.

    Args:
        command: The program and its arguments; a string is split as a shell splits it, but no shell runs. ``{name}`` stands
            for a parameter's value, ``{{name}}`` for itself in braces. Besides parameters there are ``{python}`` (the
            interpreter that runs tuner), ``{params_file}``, ``{directory}`` (a folder of the attempt's own), ``{trial}``,
            ``{attempt}``, ``{seed}``, ``{cpu}``, ``{gpu}`` and ``{memory_mib}``. An argument whose parameter is not active, or
            None, is left out together with the flag before it; a list within the list is left out as a whole.
        params: How the parameters travel that no placeholder names: ``arguments`` as ``--name=value``, ``json`` as a file
            (all of them; its path is ``{params_file}`` and ``TUNER_PARAMS_FILE``), ``environment`` as ``TUNER_PARAM_NAME``.
        base: Working directory, the sweep file's folder; None for the present one. It must be there on every node.
        environment: Variables for the program, besides those of the worker.
        success_exit_codes: Exit codes with which the attempt is complete.
        metrics: Where metrics are read: ``stdout``, lines of JSON on standard output, or ``file``, only what the program writes
            to ``TUNER_REPORT_FILE`` (``tuner.report`` does). That file is read in either case.

    Raises:
        ObjectiveError: An option makes no sense.
    """

    def __init__(
        self,
        command: str | Sequence[Any],
        params: str = "arguments",
        base: str | Path | None = None,
        environment: Mapping[str, Any] | None = None,
        success_exit_codes: Sequence[int] = (0,),
        metrics: str = "stdout",
    ) -> None:
        self._line = read_command(command)
        self._params_mode = one_of("params", params, PARAMS_MODES)
        self._metrics_mode = one_of("metrics", metrics, METRICS_MODES)
        self._base = Path(base).resolve() if base is not None else Path.cwd()
        self._environment = variables(environment)
        self._success = exit_codes(success_exit_codes)
        self._metric_names: tuple[str, ...] = ()
        self._space: frozenset[str] = frozenset()
        self._grace_s = _GRACE_LIMIT_S

    def prepare(self, spec: StudySpec) -> None:
        """Check the program and the placeholders.

        Raises:
            ObjectiveError: The program or folder is not there, a placeholder names no parameter, or two parameters share
                an environment variable.
        """
        self._metric_names = tuple(metric.name for metric in spec.metrics)
        self._space = frozenset(spec.space)
        self._grace_s = min(_GRACE_LIMIT_S, spec.stop_grace_s / 2)
        if not self._base.is_dir():
            raise ObjectiveError(f"objective.base: there is no folder {self._base}")
        known = [*spec.space, *BUILT_IN]
        for name in sorted(self._line.placeholders.difference(known)):
            near = closest(name, known)
            raise ObjectiveError(
                f"objective.command: {{{name}}} is no parameter of the search space; there are: {', '.join(spec.space)}",
                hint=f"did you mean {{{near}}}?" if near else f"to pass it as it stands write {{{{{name}}}}}",
            )
        check_program(self._line, self._base, {**os.environ, **self._environment})
        if self._params_mode == "environment":
            check_variables(list(spec.space))

    def run(self, params: Params, context: Context) -> Mapping[str, float] | None:
        """Run the program to its end and return its final metrics."""
        following = _Following(self._metric_names, context, parse_output=self._metrics_mode == "stdout")
        kills_before, begun_s = memory_kills(), time.monotonic()
        arguments, environment = self._filled(params, context)
        if not self._base.is_dir():
            raise AttemptFailed(FailureKind.COMMAND_EXIT, f"the folder {self._base} is not there on this node")
        try:
            code = run_program(Program(arguments, self._base, environment, self._grace_s, following))
        except ProgramNotRun as error:
            raise AttemptFailed(FailureKind.COMMAND_EXIT, str(error)) from error
        following.end()
        last = following.last.text()
        if code not in self._success:
            ran_s = time.monotonic() - begun_s
            raise failed_exit(code, ran_s, last, kernel_killed=memory_kills() > kills_before)
        final = following.metrics.final
        if final is None:
            example = json.dumps(dict.fromkeys(self._metric_names, 0.5))
            place = "standard output" if self._metrics_mode == "stdout" else f"the file named by {REPORT_FILE_VARIABLE}"
            message = (
                f"the program ended (exit code {code}) without metrics, expected a line such as {example} on {place}"
            )
            raise AttemptFailed(FailureKind.BAD_REPORT, f"{message}; {last}")
        return final

    def describe(self) -> Mapping[str, Any]:
        """The command, and the SHA-256 of the files in ``base`` that it names."""
        elements = [element for group in self._line.groups for element in group]
        files = {e: self._base / e for e in elements if (self._base / e).is_file()}
        return {
            "kind": "command",
            "command": [list(group) if len(group) > 1 else group[0] for group in self._line.groups],
            "params": self._params_mode,
            "base": str(self._base),
            "files": {e: hashlib.sha256(path.read_bytes()).hexdigest() for e, path in files.items()},
        }

    def _filled(self, params: Params, context: Context) -> tuple[list[str], dict[str, str]]:
        """The arguments and the environment of one attempt."""
        grant = context.grant
        given = {name: as_text(value) for name, value in params.items() if value is not None}
        built_in = {
            "trial": str(context.trial),
            "attempt": str(context.attempt),
            "seed": str(context.seed),
            "cpu": f"{grant.cpu:g}",
            "gpu": f"{grant.gpu:g}",
            "memory_mib": f"{grant.memory_mib:.0f}",
        }
        environment = {**os.environ, **thread_variables(grant.cpu)}
        environment.setdefault("PYTHONUNBUFFERED", "1")  # reports must not wait in a buffer
        environment |= {f"TUNER_{name.upper()}": value for name, value in built_in.items()}
        environment[REPORT_FILE_VARIABLE] = str(context.directory / REPORT_FILE)
        environment |= checkpoint_variables(context)
        built_in |= {"python": sys.executable, "directory": str(context.directory)}
        # A parameter hides a built-in name, also while it is not active.
        values = {n: v for n, v in built_in.items() if n not in self._space} | given
        if self._params_mode == "json" or "params_file" in self._line.placeholders:
            path = context.directory / PARAMS_FILE
            path.write_text(json.dumps(dict(params)), encoding="utf-8")
            environment[PARAMS_FILE_VARIABLE] = str(path)
            if "params_file" not in self._space:
                values["params_file"] = str(path)
        arguments = self._line.fill(values)
        if self._params_mode == "arguments":
            named = self._line.placeholders
            arguments += [f"--{name}={value}" for name, value in given.items() if name not in named]
        elif self._params_mode == "environment":
            environment |= {variable_of(name): value for name, value in given.items()}
        return arguments, environment | self._environment


class _Following:
    """What is done with a running program's output (``_command_process.Follower``).

    Args:
        names: The study's metrics.
        context: The attempt's.
        parse_output: Whether standard output may hold metrics.
    """

    def __init__(self, names: Sequence[str], context: Context, *, parse_output: bool) -> None:
        self.metrics = Metrics(names, context)
        self.last = LastOutput(context)
        self._context, self._parse_output = context, parse_output
        self._lines = Lines()
        self._file = ReportFile(context.directory / REPORT_FILE)

    def output(self, data: bytes) -> None:
        """Standard output, as it comes."""
        if self._parse_output:
            for line in self._lines.feed(data):
                self.metrics.take(line)

    def log(self, text: str) -> None:
        """Standard output and standard error, as they come."""
        self.last.add(text)

    def tick(self) -> None:
        """Look at the report file and at the engine's wishes.

        Raises:
            TrialPruned: The engine has asked the attempt to stop.
        """
        self._take_file(ended=False)
        reason = self._context.stop_requested
        if reason is not None:
            raise TrialPruned(reason)

    def end(self) -> None:
        """Take lines that were not ended."""
        self._take_file(ended=True)
        for line in self._lines.end():
            self.metrics.take(line)

    def _take_file(self, *, ended: bool) -> None:
        for line in self._file.read(last=ended):
            self.last.add(line.decode("utf-8", "replace") + "\n")
            self.metrics.take(line)
