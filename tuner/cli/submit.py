"""``tuner submit``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tuner import sweep
from tuner.cli import _jobs
from tuner.cli._failures import ExitCode
from tuner.cli._options import Output, OutputOption
from tuner.cli._output import print_json, remark, say
from tuner.cli._shipping import Shipment, environment_of, store_for, working_folder
from tuner.cli.run import overrides
from tuner.cluster.jobs import ENDED, Job, Jobs
from tuner.provenance import masked
from tuner.sweep import Sweep

__all__ = ["command"]


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep, a YAML file.")],
    address: Annotated[
        str,
        typer.Option(
            "--address", metavar="URL", help="The cluster's dashboard, as http://10.0.0.5:8265 or 10.0.0.5:8265."
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a value of the sweep, as limits.trials=20; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The study's name, instead of the sweep's.")] = None,
    working_dir: Annotated[
        Path | None,
        typer.Option("--working-dir", metavar="FOLDER", help="What travels.", show_default="the sweep file's folder"),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="PATTERN", help="What stays here of it, as *.parquet or old/; repeatable."),
    ] = None,
    pip: Annotated[
        list[str] | None, typer.Option("--pip", metavar="PACKAGE", help="Install it for this job; repeatable.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="KEY=VALUE", help="A variable for driver and workers; KEY alone: as here."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow it to its end, or only until its study is under way.")
    ] = True,
    detach: Annotated[bool, typer.Option("--detach", help="Wait for nothing but the cluster's answer.")] = False,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", metavar="URL", help="Where the job keeps the study.", show_default="sqlite:///~/.tuner/tuner.db"
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run a sweep file as a job on a Ray cluster, or take its study up again there.

    The sweep file's folder travels, code and data. The job prints what tuner run prints; its exit code is this one's. Ctrl-C
    leaves it running. Submitting the same study again goes on where it stopped.
    """
    loaded = sweep.load(file, overrides(changes or []))
    url, notes = store_for(store, loaded)
    arguments = [part for change in changes or () for part in ("--set", change)]
    shipment = Shipment(
        loaded,
        working_folder(file, working_dir),
        _name(name, loaded),
        url,
        arguments,
        exclude or (),
        environment_of(env or ()),
        pip or (),
    )
    for note in [*loaded.notes, *notes, *shipment.check()]:
        remark(f"note: {note}")
    jobs = Jobs(address)
    job_id = _send(jobs, shipment)
    try:
        job, log = _waited(jobs, job_id, shipment.study, wait=wait and not detach, detach=detach, output=output)
    except KeyboardInterrupt:
        remark(f"\njob {job_id} goes on: tuner attach {shipment.study} --address {jobs.url}")
        job, log = jobs.job(job_id), ""
    _finish(jobs, job, log, shipment, output)


def _name(given: str | None, loaded: Sweep) -> str:
    if given is None:
        return loaded.spec.name
    return sweep.parse(loaded.text, loaded.file, {"name": given}).spec.name  # which says what is wrong with it


def _send(jobs: Jobs, shipment: Shipment) -> str:
    with tempfile.TemporaryDirectory(prefix="tuner-job-") as folder:
        package = shipment.pack(Path(folder) / "sweep.zip")
        remark(f"sending {package.n_files} files ({package.size_mib:.1f} MiB) from {shipment.folder} to {jobs.url}")
        job_id = jobs.submit(shipment.request(package))
    again = "" if job_id.endswith("-1") else ", which goes on with the study if it is there"
    remark(f"job {job_id}{again}")
    return job_id


def _waited(jobs: Jobs, job_id: str, study: str, *, wait: bool, detach: bool, output: Output) -> tuple[Job, str]:
    """The job when there is nothing to wait for any more, and what it printed if it has ended."""
    if detach:
        return jobs.job(job_id), ""
    if wait:
        job = _jobs.follow(jobs, job_id, to_stderr=output is Output.JSON)
        return job, jobs.log(job_id)
    job = _jobs.wait_until_under_way(jobs, job_id, study)
    if job.status not in ENDED:
        return job, ""
    log = jobs.log(job_id)
    remark(log.rstrip())
    return job, log


def _finish(jobs: Jobs, job: Job, log: str, shipment: Shipment, output: Output) -> None:
    ended = job.status in ENDED
    if output is Output.JSON:
        print_json(_jobs.document(job, jobs.url, ended=ended) | {"store": masked(shipment.store)})
    elif not ended:
        say(f"{job.job_id}  {job.status}")
        say(f"  tuner attach {job.study} --address {jobs.url}")
        say(f"  ray job stop {job.job_id} --address {jobs.url}")
    if not ended:
        return
    for line in _jobs.told(job, log, jobs.url):
        remark(line)
    code = _jobs.exit_code_of(job)
    if code is not ExitCode.DONE:
        raise typer.Exit(code)
