"""What ``submit`` and ``attach`` tell of a job."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import typer

from tuner.cli._failures import ExitCode
from tuner.cli._output import remark
from tuner.cluster.jobs import ENDED, Job, Jobs
from tuner.errors import ClusterUnreachable

__all__ = ["document", "exit_code_of", "follow", "told", "wait_until_under_way"]

_START_S = 180.0
_QUIET_S = 8.0
_LOOK_EVERY_S = 0.5
_MISSING = re.compile(r"it needs the module '([\w.]+)', which is not installed")
_PIP_ERROR = re.compile(r"^\s*ERROR: (.+)$", re.MULTILINE)
_NO_COMMAND, _CRASHED = 127, 128


def exit_code_of(job: Job) -> ExitCode:
    """What the program's exit code says of a job that has ended: that of the driver, where it came to say one."""
    if job.status == "SUCCEEDED":
        return ExitCode.DONE
    if job.status == "STOPPED":
        return ExitCode.INTERRUPTED
    code = job.exit_code
    if code in (ExitCode.FAILED, ExitCode.MISTAKE, ExitCode.INTERRUPTED):
        return ExitCode(code)
    if code is not None and (code < 0 or code > _CRASHED):
        return ExitCode.INTERRUPTED  # a signal ended it: what the store holds can be resumed
    return ExitCode.FAILED


def told(job: Job, log: str, url: str) -> list[str]:
    """What is to be said of a job that has ended, and what to do about it."""
    code = exit_code_of(job)
    if code is ExitCode.DONE:
        return []
    lines = [f"job {job.job_id}  {job.status}" + (f", exit code {job.exit_code}" if job.exit_code is not None else "")]
    if job.status == "FAILED" and job.exit_code is None and job.message:
        lines.append(f"  {_first(job.message)}")
        lines += [f"  {said}" for said in _pip_errors(job.message)]
    missing = _MISSING.search(log)
    if "No module named tuner" in log:
        lines.append("hint: tuner is not installed on the head: install it there, or let the job bring it: --pip tuner")
    elif missing is not None and code is ExitCode.MISTAKE:
        lines.append(
            f"hint: that is the head's environment: install what has {missing[1]!r} there, or let the job bring it:"
            f" --pip {missing[1].partition('.')[0]}"
        )
    elif _pip_errors(job.message):
        lines.append("hint: what --pip names is installed on the cluster: check its name, and that the head finds it")
    elif job.exit_code == _NO_COMMAND:
        lines.append("hint: the head finds no `python`: start its Ray with that environment's bin folder in PATH")
    elif code is ExitCode.INTERRUPTED:
        lines.append(f"the study can be resumed: submit it again (tuner submit ... --address {url})")
    return lines


def _first(message: str) -> str:
    """The sentence that says what happened; Ray appends the log's last lines."""
    return re.split(r", last available logs|\n", message, maxsplit=1)[0]


def _pip_errors(message: str) -> list[str]:
    """What pip had to say, which Ray hands on below a traceback of its own."""
    if "runtime_env setup failed" not in message:
        return []
    return list(dict.fromkeys(f"pip: {found[1].strip()}" for found in _PIP_ERROR.finditer(message)))


def document(job: Job, url: str, *, ended: bool) -> dict[str, Any]:
    """A job as plain data."""
    found: dict[str, Any] = {"job": job.job_id, "study": job.study, "status": job.status, "dashboard": url}
    return found | ({"exit_code": int(exit_code_of(job)), "driver_exit_code": job.exit_code} if ended else {})


def follow(jobs: Jobs, job_id: str, *, to_stderr: bool) -> Job:
    """Print what a job prints until it ends."""

    def write(piece: str) -> None:
        typer.echo(piece, nl=False, err=to_stderr)
        (sys.stderr if to_stderr else sys.stdout).flush()

    return jobs.follow(job_id, write)


def wait_until_under_way(jobs: Jobs, job_id: str, study: str) -> Job:
    """Wait until the job's driver has reached its store, its data and its cluster and runs the study, or has ended.

    Raises:
        ClusterUnreachable: Nothing of that after three minutes; says what it waits for.
    """
    begun = re.compile(rf"^\d+:\d\d(:\d\d)?  {re.escape(study)}: executor ", re.MULTILINE)
    began_s = time.monotonic()
    until_s, quiet = began_s + _START_S, True
    while True:
        job = jobs.job(job_id)
        if quiet and job.status == "PENDING" and time.monotonic() - began_s > _QUIET_S:
            remark(f"job {job_id} is not begun yet; the cluster says: {_first(job.message) or 'nothing'}")
            quiet = False
        if job.status in ENDED or (job.status == "RUNNING" and begun.search(jobs.log(job_id))):
            return job
        if time.monotonic() > until_s:
            waits = "its driver to open the study" if job.status == "RUNNING" else f"the cluster ({job.message})"
            raise ClusterUnreachable(
                f"job {job_id} is {job.status} and has waited {_START_S:.0f} s for {waits}",
                hint=f"it goes on: ray job logs {job_id} --address {jobs.url}",
            )
        time.sleep(_LOOK_EVERY_S)
