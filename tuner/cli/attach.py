"""``tuner attach``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from tuner.api.stores import open_store
from tuner.api.study import Study, load_study
from tuner.cli import _jobs
from tuner.cli._failures import ExitCode
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import print_json, remark
from tuner.cli._standing import is_dead
from tuner.cli._summary import conduct
from tuner.cluster.jobs import ENDED, Job, Jobs
from tuner.dashboard._display import Display
from tuner.dashboard.follow import Follower, follow
from tuner.errors import StoreError, StudyNotFound
from tuner.provenance import masked

__all__ = ["command"]


@dataclass(slots=True)
class _Watch:
    """Shows one study; what it saw last tells how it ended."""

    study: Study
    left: bool = False

    def go(self, display: Display) -> Study:
        """Follow the study until nobody runs it."""
        store = open_store(self.study.store)
        executor = self.study.info.provenance.get("executor") or {}
        details = {"store": self.study.store, "logs": str(self.study.logs), "watched": "yes"}
        details |= {"executor": str(executor["type"])} if executor.get("type") else {}
        try:
            follow(Follower(store, self.study.name, display), details)
        except KeyboardInterrupt:
            self.left = True
        finally:
            store.close()
        self.study.refresh()
        if not self.left and not is_dead(self.study.info):
            display.closed(self.study)
        return self.study


def command(
    name: StudyArgument = "@latest",
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="URL",
            help="The cluster whose job runs it: its log is shown where its store cannot be read.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Follow a study that runs elsewhere, live.

    It shows what tuner run shows, from any machine that reads the study's store, and ends when the study does, with the same
    summary and exit code. Ctrl-C looks away; the study goes on.
    """
    job = None
    if address is None:
        study = _study(name, store)
    else:
        jobs = Jobs(address)
        job = _job_of(jobs, name)
        readable = _readable(job, store)
        if readable is None:
            _follow_log(jobs, job, output)
            return
        study = readable
    watch = _Watch(study)
    try:
        conduct(watch.go, output=output, quiet=quiet, told=lambda: _told(watch, address, output))
    except KeyboardInterrupt:
        _leave(study.name)


def _study(name: str, store: str | None) -> Study:
    try:
        return load_study(name, store)
    except StudyNotFound as error:
        raise StudyNotFound(
            error.message, hint=f"{error.hint}; a cluster's job is followed with --address http://HEAD:8265"
        ) from error


def _told(watch: _Watch, address: str | None, output: Output) -> ExitCode | None:
    """What is said instead of the summary; None when the study has ended and the summary says it."""
    study = watch.study
    if watch.left:
        if output is Output.JSON:
            print_json({"study": study.name, "state": study.state, "counts": dict(study.info.counts)})
        _leave(study.name)
        return ExitCode.DONE
    if is_dead(study.info):
        again = f"tuner submit SWEEP --address {address}" if address else f"tuner resume {study.name}"
        if output is Output.JSON:
            print_json({"study": study.name, "state": "DEAD", "counts": dict(study.info.counts)})
        remark(f"{study.name}: its driver died without a word, and its lease is over; nothing it had stored is lost")
        remark(f"go on with it: {again} (store: {masked(study.store)})")
        return ExitCode.INTERRUPTED
    return None


def _leave(name: str) -> None:
    remark(f"\n{name} goes on; tuner attach {name} looks again")


def _job_of(jobs: Jobs, name: str) -> Job:
    """The latest job that runs or ran the study.

    Raises:
        StudyNotFound: No job of the cluster did.
    """
    known = jobs.all()
    found = known if name == "@latest" else [job for job in known if job.study == name]
    if not found and name != "@latest":
        found = [job for job in known if job.study.startswith(name)]
        if len({job.study for job in found}) > 1:
            listed = ", ".join(sorted({job.study for job in found}))
            raise StudyNotFound(f"several studies begin with {name!r}: {listed}", hint="write more of the name")
    if not found:
        listed = ", ".join(dict.fromkeys(job.study for job in reversed(known))) or "none"
        raise StudyNotFound(f"no job at {jobs.url} runs or ran a study called {name!r}", hint=f"there are: {listed}")
    return found[-1]


def _readable(job: Job, store: str | None) -> Study | None:
    """The job's study, if this machine reads its store; None otherwise."""
    url = store or job.environment.get("TUNER_STORE")
    if url is None or (store is None and url.startswith("sqlite:///~")):
        return None  # a home folder over there is another one than here, and may hold a study of that name, too
    try:
        study = load_study(job.study, url)
    except (StoreError, StudyNotFound) as error:
        remark(f"note: {error.message}; this is the job's log")
        return None
    return study if study.name == job.study else None


def _follow_log(jobs: Jobs, job: Job, output: Output) -> None:
    remark(f"job {job.job_id} at {jobs.url}, {job.status}; its log:")
    try:
        job = _jobs.follow(jobs, job.job_id, to_stderr=output is Output.JSON)
    except KeyboardInterrupt:
        _leave(job.study)
        job = jobs.job(job.job_id)
    ended = job.status in ENDED
    if output is Output.JSON:
        print_json(_jobs.document(job, jobs.url, ended=ended))
    if not ended:
        return
    for line in _jobs.told(job, jobs.log(job.job_id), jobs.url):
        remark(line)
    code = _jobs.exit_code_of(job)
    if code is not ExitCode.DONE:
        raise typer.Exit(code)
