"""``tuner dashboard``."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import Annotated

import typer

from tuner.cli._options import Output, OutputOption
from tuner.cli._output import pairs, print_json, remark, say, show_table
from tuner.cluster.jobs import Job, Jobs

__all__ = ["command"]

_SHOWN = 10


def command(
    address: Annotated[
        str,
        typer.Option(
            "--address", metavar="URL", help="The cluster: its dashboard (http://HEAD:8265) or its head (HEAD:6379)."
        ),
    ],
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser, where there is one.")] = True,
    output: OutputOption = Output.TEXT,
) -> None:
    """Open the dashboard of a Ray cluster, and list the studies that it runs.

    It is checked first that the dashboard answers and takes our token. tuner attach follows one of its studies here.
    """
    jobs = Jobs(address)
    known = list(reversed(jobs.all()))
    if output is Output.JSON:
        print_json(
            {
                "dashboard": jobs.url,
                "ray_version": jobs.head.ray_version,
                "python_version": jobs.head.python_version,
                "wants_token": jobs.head.wants_token,
                "jobs": [{"job": job.job_id, "study": job.study, "status": job.status} for job in known],
            }
        )
    else:
        _tell(jobs, known)
    if opens and sys.stdout.isatty() and _has_browser() and not webbrowser.open(jobs.url):
        remark(f"no browser could be started; open {jobs.url} in one")


def _tell(jobs: Jobs, known: list[Job]) -> None:
    rows = {"Ray's dashboard": jobs.url, "cluster": f"Ray {jobs.head.ray_version}"}
    rows["cluster"] += f", Python {jobs.head.python_version}" if jobs.head.python_version else ""
    if jobs.head.wants_token:
        rows["token"] = "asked for once by the page; `ray get-auth-token` prints it"
    for line in pairs(rows):
        say(line)
    if not known:
        say("no study was submitted to it yet: tuner submit SWEEP --address " + jobs.url)
        return
    say()
    show_table(("study", "job", "status"), [(job.study, job.job_id, job.status) for job in known[:_SHOWN]])
    say()
    say(f"  tuner attach {known[0].study} --address {jobs.url}")


def _has_browser() -> bool:
    """Whether a browser can show itself: without a display the one that is found may take the terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
