"""``tuner doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli import _checks, _ray_check
from tuner.cli._failures import ExitCode
from tuner.cli._options import Output, OutputOption, StoreOption
from tuner.cli._output import print_json, say

__all__ = ["command"]

_COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


def command(
    ray: Annotated[bool, typer.Option("--ray", help="Also start Ray and run a trial on it.")] = False,
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="URL", help="Also check a Ray cluster: http://HEAD:8265, or HEAD:6379."),
    ] = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check this machine, the installation and the store.

    Each line is ok, warn or fail; what is not ok says how to mend it. The exit code is 1 if anything fails.
    """
    findings = [*_checks.machine(), *_checks.installation(), *_checks.store(store)]
    if address is not None:
        from tuner.cli import _cluster_check  # loads Ray's client

        findings += _cluster_check.cluster(address)
    if ray:
        findings.append(_ray_check.ray_runs_a_trial())
    failed = any(finding.level == "fail" for finding in findings)
    if output is Output.JSON:
        print_json([{"level": f.level, "what": f.what, "found": f.found, "mend": f.mend} for f in findings])
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            level = typer.style(f"{finding.level:<4}", fg=_COLORS[finding.level])
            typer.echo(f"{level}  {finding.what:<{width}}  {finding.found}")
            if finding.mend:
                typer.echo(f"{'':<{width + 6}}  mend: {finding.mend}")
        say(
            "something fails: mend it and look again"
            if failed
            else "ready"
            if ray
            else "ready; --ray also tries Ray itself"
        )
    if failed:
        raise typer.Exit(ExitCode.FAILED)
