"""``tuner nodes``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tuner.api.stores import open_store
from tuner.api.study import Study, load_study
from tuner.cli._fold import folded
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import print_json, say, show_table
from tuner.cli._standing import is_dead
from tuner.core.nodes import DIED, PREEMPTED, REMOVED, NodeStanding
from tuner.dashboard import text
from tuner.errors import TunerError, closest
from tuner.resources import Resources
from tuner.trial import FailureKind

__all__ = ["command"]

_SHORT = 12  # characters of a node's id, which are told apart by them


def command(
    name: StudyArgument = "@latest",
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            metavar="NODE|all",
            help="Let a quarantined node, or all of them, take trials again.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the nodes of a study: what they offer, what runs there, and which are quarantined and why.

    A node where attempts of different parameters keep failing, or that is much slower than its twins, is quarantined: it gets
    no more trials. --release tells the running study that it may be trusted again.
    """
    study = load_study(name, store)
    nodes = folded(study).nodes
    if release is not None:
        _release(study, nodes, release, output)
    elif output is Output.JSON:
        print_json({"study": study.name, "nodes": [_plain(standing) for standing in nodes]})
    elif not nodes:
        say(f"{study.name}: no node has joined yet")
    else:
        _tell(study, nodes)


def _tell(study: Study, nodes: Sequence[NodeStanding]) -> None:
    columns = ("node", "type", "offers", "state", "running", "attempts", "failed", "slowdown")
    show_table(columns, [_row(standing) for standing in nodes], right=("running", "attempts", "slowdown"))
    for standing in nodes:
        if standing.gone is not None and not standing.gone.startswith(REMOVED):
            say(f"{standing.node.node_id[:_SHORT]} {_how_it_went(standing)}")
    held = [standing for standing in nodes if standing.quarantined]
    for standing in held:
        say(f"{standing.node.node_id[:_SHORT]} is quarantined: {standing.quarantined}")
    if held and study.state == "RUNNING":
        say(f"to trust one again: tuner nodes {study.name} --release {held[0].node.node_id[:_SHORT]}")


def _row(standing: NodeStanding) -> tuple[str, ...]:
    state = "quarantined" if standing.quarantined else "up" if standing.alive else _gone(standing)
    failures = ", ".join(f"{n} {kind.value}" for kind, n in standing.failures.items() if n)
    return (
        standing.node.node_id[:_SHORT],
        standing.node.type or "-",
        _offer(standing.node.resources),
        state,
        str(standing.running),
        str(standing.attempts),
        failures or "-",
        "-" if standing.slowdown is None else f"{standing.slowdown:.1f}x",
    )


def _gone(standing: NodeStanding) -> str:
    """In a word; ``gone`` when nobody told why, as of the nodes of a driver that is no more."""
    word = (standing.gone or "").partition(":")[0]
    return word if word in (DIED, PREEMPTED, REMOVED) else "gone"


def _how_it_went(standing: NodeStanding) -> str:
    assert standing.gone is not None
    word, _, why = standing.gone.partition(": ")
    what = "was preempted" if word == PREEMPTED else word
    lost = sum(standing.failures.get(kind, 0) for kind in (FailureKind.NODE_LOST, FailureKind.PREEMPTED))
    told = f"; {text.pluralize(lost, 'attempt')} {'was' if lost == 1 else 'were'} lost on it, at the cost of no retry"
    return f"{what}{f' ({why})' if why else ''}{told if lost else ''}"


def _offer(resources: Resources) -> str:
    parts = [f"{resources.cpu:g} CPU"]
    parts += [f"{resources.gpu:g} GPU"] if resources.gpu else []
    parts += [text.memory(resources.memory_mib)] if resources.memory_mib else []
    return ", ".join(parts)


def _plain(standing: NodeStanding) -> dict[str, Any]:
    resources = standing.node.resources
    return {
        "node_id": standing.node.node_id,
        "type": standing.node.type,
        "cpu": resources.cpu,
        "gpu": resources.gpu,
        "memory_mib": resources.memory_mib,
        "alive": standing.alive,
        "running": standing.running,
        "attempts": standing.attempts,
        "failures": {kind.value: n for kind, n in standing.failures.items()},
        "slowdown": standing.slowdown,
        "quarantined": standing.quarantined,
        "gone": standing.gone,
    }


def _release(study: Study, nodes: Sequence[NodeStanding], asked: str, output: Output) -> None:
    """Ask the study's driver to trust a node again.

    Raises:
        TunerError: Nobody runs the study, or there is no such node, or it is not quarantined.
    """
    if study.state != "RUNNING" or is_dead(study.info):
        raise TunerError(
            f"nobody runs study {study.name!r}, so there is nobody to tell",
            hint=f"tuner resume {study.name}; a new driver makes its nodes known again, and none is quarantined then",
        )
    held = {standing.node.node_id: standing for standing in nodes if standing.quarantined}
    found = list(held) if asked == "all" else [_find(nodes, asked)]
    if not held or found[0] not in held:
        raise TunerError(
            f"{'no node' if asked == 'all' else f'node {asked!r}'} is {'' if asked == 'all' else 'not '}quarantined",
            hint=f"tuner nodes {study.name} lists them",
        )
    opened = open_store(study.store)
    try:
        opened.send(study.name, "release", {"node": asked if asked == "all" else found[0]})
    finally:
        opened.close()
    if output is Output.JSON:
        print_json({"study": study.name, "released": found})
    else:
        say(
            f"asked the driver of {study.name} to trust {', '.join(n[:_SHORT] for n in found)} again; it hears of it soon"
        )


def _find(nodes: Sequence[NodeStanding], asked: str) -> str:
    """The id of the node that ``asked`` is, or begins.

    Raises:
        TunerError: There is none, or several begin so.
    """
    ids = [standing.node.node_id for standing in nodes]
    found = [asked] if asked in ids else [node_id for node_id in ids if asked and node_id.startswith(asked)]
    if len(found) == 1:
        return found[0]
    if found:
        raise TunerError(f"{asked!r} may be {' or '.join(found[:5])}", hint="write more of it")
    near = closest(asked, ids)
    shown = ", ".join(node_id[:_SHORT] for node_id in ids[:8]) or "none yet"
    raise TunerError(
        f"the study has no node {asked!r}; it has: {shown}",
        hint=f"did you mean {near!r}?" if near else "or write `all`",
    )
