"""``tuner plan``."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tuner import sweep
from tuner.api.options import RunOptions
from tuner.api.plan import Forecast, Option, PlanOptions, Range, Site, plan, sites_of_nodes, sites_of_types
from tuner.cli._options import Output, OutputOption, StoreOption
from tuner.cli._output import pairs, print_json, remark, say, show_table
from tuner.cli._progress import display
from tuner.cli.run import ExecutorName, overrides
from tuner.dashboard import text
from tuner.errors import SweepError
from tuner.resources import Resources
from tuner.study import PluginSpec
from tuner.sweep import Sweep
from tuner.sweep._units import parse_duration_s, parse_memory_mib

__all__ = ["command"]


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep, a YAML file.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a value of the sweep, as limits.trials=20; repeatable."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="STUDY", help="Learn from a study that ran, instead of a pilot.")
    ] = None,
    pilot: Annotated[
        int | None,
        typer.Option(
            "--pilot",
            min=3,
            help="Trials of the pilot, which runs here and now.",
            show_default="8, and up to 40 while they take less than 20 s",
        ),
    ] = None,
    pilot_time: Annotated[
        str, typer.Option("--pilot-time", metavar="TIME", help="How long the pilot may take.")
    ] = "5m",
    cluster: Annotated[
        Path | None,
        typer.Option(
            "--cluster", metavar="FILE", help="Plan for the node types of a cluster's file, as ray up takes it."
        ),
    ] = None,
    nodes: Annotated[
        str | None,
        typer.Option("--nodes", metavar="N,N,...", help="Numbers of nodes to compare.", show_default="1,2,4,8"),
    ] = None,
    node_cpu: Annotated[
        float | None, typer.Option("--node-cpu", min=0.1, help="CPUs of a node.", show_default="as this machine")
    ] = None,
    node_memory: Annotated[
        str | None,
        typer.Option(
            "--node-memory", metavar="SIZE", help="Memory of a node, as 32GiB.", show_default="as this machine"
        ),
    ] = None,
    node_gpu: Annotated[float, typer.Option("--node-gpu", min=0.0, help="GPUs of a node.")] = 0.0,
    price_h: Annotated[float | None, typer.Option("--price-h", min=0.0, help="What a node costs an hour.")] = None,
    spot_loss: Annotated[
        str | None,
        typer.Option(
            "--spot-loss",
            metavar="SHARE",
            help="Share of spot nodes that are taken away a day.",
            show_default="the label tuner.io/spot-loss-day, else 15%",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Simulations of each cluster.")] = 5,
    name: Annotated[str | None, typer.Option("--name", help="The study's name, instead of the sweep's.")] = None,
    executor: Annotated[
        ExecutorName | None,
        typer.Option(
            "--executor", help="Where the pilot's trials run: on Ray, or in this process.", case_sensitive=False
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="HOST:PORT", help="A running Ray cluster for the pilot, instead of one of its own."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say how long a sweep will take, what it will cost and how full its nodes will be, on several clusters.

    Learns from a short pilot, or from a study that ran, and simulates the rest. The forecast is kept; once the study has run,
    its summary says how good it was. With -o json one object: options (one for each cluster), best, assumed, notes.
    """
    loaded = _loaded(file, overrides(changes or []), priced=cluster is not None or price_h is not None)
    _refuse_both(source, {"--pilot": pilot, "--address": address, "--executor": executor})
    node = _Node(node_cpu, node_memory, node_gpu, price_h)
    sites = _sites(loaded, cluster, _counts(nodes), node)
    _check_prices(loaded, sites, "--price-h" if cluster is None else "a label tuner.io/price-h in its file")
    pilot_s = parse_duration_s(pilot_time)
    if pilot_s is None or pilot_s <= 0:
        raise typer.BadParameter(f"{pilot_time!r} is no time; write 90s, 5m or 2h", param_hint="--pilot-time")
    run = RunOptions(
        store=store,
        name=name,
        executor=PluginSpec(executor.value) if executor else None,
        address=address,
        handle_signals=True,
    )
    options = PlanOptions(
        source=source, pilot=pilot, pilot_time_s=pilot_s, n_seeds=seeds, spot_loss_day=_share_of(spot_loss), run=run
    )
    if source is None and not quiet:
        n = "8 to 40 trials" if pilot is None else text.pluralize(pilot, "trial")
        remark(f"a pilot of {n} runs first, for {text.duration(pilot_s)} at most")
    with display(quiet=quiet or source is not None) as watched:
        made = plan(loaded, options, sites, watched if source is None else None)
    if output is Output.JSON:
        print_json(made.to_dict())
        return
    again = [*(("--address", address) if address else ()), *(("--store", store) if store else ())]
    _tell(made, shlex.join(["tuner", "run", str(file), *again]))


def _loaded(file: Path, changes: dict[str, Any], *, priced: bool) -> Sweep:
    """The sweep. What running costs need not be in it for ``limits.cost`` where the options say what nodes cost."""
    try:
        return sweep.load(file, changes)
    except SweepError as error:
        if not priced or error.path != "limits.cost":
            raise
    loaded = sweep.load(file, {**changes, "prices.cpu_h": 1})
    return replace(loaded, spec=replace(loaded.spec, prices=None))


def _check_prices(loaded: Sweep, sites: list[Site], where: str) -> None:
    """A limit of money means something only where everything has a price."""
    if loaded.spec.limits.cost is None or loaded.spec.prices is not None:
        return
    unknown = sorted({kind.name for site in sites for kind in site.types if kind.price_h is None})
    if unknown:
        raise typer.BadParameter(f"limits.cost needs the price of {', '.join(unknown)}: {where}")


@dataclass(frozen=True, slots=True)
class _Node:
    """What a node has and costs, as far as it was said; of what was not, it has as much as this machine."""

    cpu: float | None
    memory: str | None
    gpu: float
    price_h: float | None

    @property
    def is_told(self) -> bool:
        """Whether anything was said of it."""
        return self != _Node(None, None, 0.0, None)

    def offered(self) -> Resources:
        """Its resources."""
        import psutil

        memory_mib = psutil.virtual_memory().total / 2**20 if self.memory is None else parse_memory_mib(self.memory)
        if memory_mib is None or memory_mib <= 0:
            raise typer.BadParameter(
                f"{self.memory!r} is no amount of memory; write 512MiB or 32GiB", param_hint="--node-memory"
            )
        named = {"--node-cpu": self.cpu, "--node-gpu": self.gpu, "--price-h": self.price_h}
        for option, amount in named.items():
            if amount is not None and not math.isfinite(amount):
                raise typer.BadParameter(f"{amount} is no amount", param_hint=option)
        cpu = float(psutil.cpu_count() or 1) if self.cpu is None else self.cpu
        return Resources(cpu, self.gpu, float(memory_mib))


def _refuse_both(source: str | None, of_pilot: Mapping[str, object]) -> None:
    """Learning from a study runs no pilot, so nothing can be said of one."""
    given = [option for option, value in of_pilot.items() if value is not None]
    if source is not None and given:
        raise typer.BadParameter(f"--from runs no pilot: leave {given[0]} out, or --from")


def _sites(loaded: Sweep, cluster: Path | None, counts: list[int], node: _Node) -> list[Site]:
    if cluster is not None and node.is_told:
        raise typer.BadParameter(
            "--cluster says what nodes have and cost: leave --node-cpu, --node-memory, --node-gpu and --price-h out"
        )
    if cluster is None and not node.is_told:
        cluster = _cluster_of(loaded)
    if cluster is not None:
        return _sites_of_file(cluster, counts)
    return sites_of_nodes(counts or [1, 2, 4, 8], node.offered(), node.price_h)


def _share_of(word: str | None) -> float | None:
    if word is None:
        return None
    try:
        share = float(word.removesuffix("%")) / (100.0 if word.endswith("%") else 1.0)
    except ValueError:
        share = math.nan
    if not 0.0 <= share < 1.0:
        raise typer.BadParameter(f"{word!r} is no share below 1; write 15% or 0.15", param_hint="--spot-loss")
    return share


def _counts(nodes: str | None) -> list[int]:
    if nodes is None:
        return []
    try:
        counts = sorted({int(word) for word in nodes.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise typer.BadParameter(f"{nodes!r} is no list of numbers of nodes; write --nodes 1,2,4", param_hint="--nodes")
    return counts


def _cluster_of(loaded: Sweep) -> Path | None:
    """The cluster's file that the sweep names."""
    where = loaded.executor
    path = where.options.get("cluster_file") if where is not None else None
    return Path(path) if path else None


def _sites_of_file(path: Path, counts: list[int]) -> list[Site]:
    from tuner.cluster.file import read_cluster_file  # loads Ray

    described = read_cluster_file(path)
    if not described.types:
        raise typer.BadParameter(
            f"{path} names no node type that can be started; write what nodes there are: --nodes, --node-cpu, --node-memory",
            param_hint="--cluster",
        )
    most = max(min(kind.max_nodes, described.max_nodes) for kind in described.types)
    over = [n for n in counts if n > most]
    if over:
        raise typer.BadParameter(f"{path} allows at most {most} nodes of a type, not {over[0]}", param_hint="--nodes")
    return sites_of_types(described.types, described.max_nodes, counts)


# -- text -----------------------------------------------------------------------------------------------------------------


def _tell(made: Forecast, following: str) -> None:
    asked = [text.pluralize(made.trials, "trial")] if made.trials is not None else []
    asked += [f"within {text.duration(made.time_limit_s)}"] if made.time_limit_s is not None else []
    asked += [f"for at most {made.cost_limit:g}"] if made.cost_limit is not None else []
    say(f"plan of {made.study}: {', '.join(asked) or 'no limits'}")
    say(
        f"learned from {made.n_courses} trials of {made.source}; {text.pluralize(made.n_seeds, 'simulation')} of each cluster"
    )
    say()
    priced = any(option.cost for option in made.options)
    columns = ["cluster", "time", "cost", "trials/h", "CPU busy", "CPU slack", "memory slack", "outcome"]
    rows = [_row(option, made) for option in made.options]
    if not priced:
        columns.remove("cost")
        for row in rows:
            del row[2]
    show_table(columns, rows, right=set(columns) - {"cluster", "outcome"})
    say()
    say(_advice(made))
    if made.assumed:
        say()
        say("assumed")
        for line in pairs(made.assumed, indent="  "):
            say(line)
        say()
    for note in made.notes:
        say(f"note: {note}")
    say(f"next  {following}")


def _row(option: Option, made: Forecast) -> list[str]:
    if option.is_stuck:
        return [option.site, *["-"] * 6, "no node can hold a trial"]
    return [
        option.site,
        _times(option.time_s),
        _money(option.cost),
        f"{option.trials_h.mid:,.0f}" if option.trials_h.mid >= 10 else f"{option.trials_h.mid:.1f}",
        f"{option.utilisation:.0%}",
        _share(option.cpu_slack),
        _share(option.memory_slack),
        _outcome(option, made),
    ]


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _times(times: Range) -> str:
    low, mid, high = (text.duration(value) for value in (times.low, times.mid, times.high))
    return mid if low == high else f"{mid} ({low} to {high})"


def _money(cost: Range | None) -> str:
    if cost is None:
        return "-"
    low, mid, high = map(_amount, (cost.low, cost.mid, cost.high))
    return mid if low == high else f"{mid} ({low} to {high})"


def _amount(money: float) -> str:
    return f"{money:.2f}" if money >= 1 or money == 0 else f"{money:.2g}"


def _outcome(option: Option, made: Forecast) -> str:
    """In words: what the limits cut off, and what would be needed for all."""
    if option.trials.high <= 0 and option.cut == "cost":
        return "limits.cost pays for no node until a trial ends"
    if option.trials.high <= 0:
        return "no trial ends as it should"
    cut = option.cut
    if cut is None:
        return "all trials" if option.is_safe else "all trials, but a limit may cut some off"
    of = f" of {made.trials}" if made.trials is not None else ""
    told = f"limits.{cut} ends it after {option.trials.mid:.0f}{of} trials"
    if option.needs_s is not None:
        needs = [text.duration(option.needs_s.mid)]
        needs += [_amount(option.needs_cost.mid)] if option.needs_cost is not None else []
        told += f"; all need {' and '.join(needs)}"
    return told


def _advice(made: Forecast) -> str:
    best = next((option for option in made.options if option.site == made.best), None)
    if best is None and all(option.is_stuck for option in made.options):
        return "No trial fits any of these nodes: try larger ones, or ask for less (resources)."
    if best is None:
        return (
            "None of these clusters finishes within the limits: raise limits.time or limits.cost, or try fewer trials."
        )
    within = " within the limits" if made.time_limit_s is not None or made.cost_limit is not None else ""
    how = "The cheapest" if best.cost is not None else "The smallest"
    money = f", {_money(best.cost)}" if best.cost is not None else ""
    return f"{how} that finishes{within}: {best.site}, in {_times(best.time_s)}{money}."
