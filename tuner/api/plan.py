"""Plan a sweep before it runs: how long, how much money and how full on several clusters; and how good the plan was afterwards.

    sites = sites_of_nodes([1, 2, 4], Resources(8, 0, 32768), price_h=0.34)
    print(plan(sweep.load("sweep.yaml"), PlanOptions(pilot=8), sites).best)

The forecast is kept beside the store, in ``plans/STUDY.json``; ``compare_forecast`` holds it against what then happened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tuner.api._courses import read_courses
from tuner.api._final_fit import final_fit
from tuner.api._forecast import Ask, Forecast, Option, Range, Site, forecast
from tuner.api._pilot import FEWEST, run_pilot
from tuner.api.options import Observer, RunOptions
from tuner.api.stores import find_study, open_store, store_folder, store_url
from tuner.api.study import Study
from tuner.core.events import Event, NodeJoined, NodeLost, NodeTypesSeen
from tuner.core.limits import cost_of
from tuner.core.ports import Objective
from tuner.errors import TunerError
from tuner.resources import Node, NodeType, Resources
from tuner.sweep import Sweep

__all__ = [
    "Comparison",
    "Forecast",
    "Option",
    "PlanOptions",
    "Range",
    "Site",
    "compare_forecast",
    "plan",
    "sites_of_nodes",
    "sites_of_types",
]

NODE = "node"  # the kind of nodes that are simply there
MOST_NODES = 64  # of a size that nobody asked for: manifests of KubeRay may allow two thousand million
ALIKE = 1.5  # times: nodes with so many more or fewer CPUs are another cluster than the one that was planned


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How to plan.

    Attributes:
        source: A study to learn from, by its name, the beginning of it, or ``@latest``; None to run a pilot.
        pilot: Trials of the pilot, at least 3; None for 8, and more while it takes less than 20 s, 40 at most.
        pilot_time_s: How long it may take.
        n_seeds: Simulations of each site, at least 1.
        spot_loss_day: Share of spot nodes that are taken away a day, 0 up to 1; None for what their types say, else 0.15.
        run: How the pilot is run, and which store is meant.
    """

    source: str | None = None
    pilot: int | None = None
    pilot_time_s: float = 300.0
    n_seeds: int = 5
    spot_loss_day: float | None = None
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        if self.pilot is not None and self.pilot < FEWEST:
            raise TunerError(f"a pilot of {self.pilot} trials is too short", hint=f"let it run {FEWEST} at least")
        if self.n_seeds < 1:
            raise TunerError(f"{self.n_seeds} simulations tell nothing", hint="n_seeds is 1 at least")
        if self.spot_loss_day is not None and not 0.0 <= self.spot_loss_day < 1.0:
            raise TunerError(f"spot_loss_day is {self.spot_loss_day:g}", hint="it is a share, from 0 up to 1: 0.15")


def plan(
    sweep: Sweep,
    options: PlanOptions,
    sites: Sequence[Site],
    observer: Observer | None = None,
    objective: Objective | None = None,
) -> Forecast:
    """Forecast a sweep on several sites, and keep the forecast.

    Args:
        sweep: From ``tuner.sweep.load``.
        options: Where to learn from.
        sites: What to compare; see ``sites_of_nodes`` and ``sites_of_types``.
        observer: Watches the pilot; None for nobody.
        objective: What is trained when the sweep cannot name it (a closure); None to build it from the sweep.

    Raises:
        TunerError: The pilot or the study to learn from has too few trials, or what running the sweep would raise.
    """
    url = store_url(options.run.store or sweep.store)
    source = options.source
    beside: Mapping[str, str] = {}
    if source is None:
        run = replace(options.run, store=url)
        pilot = run_pilot(
            sweep, run, n=options.pilot, time_s=options.pilot_time_s, observer=observer, objective=objective
        )
        source, beside = pilot.study, pilot.told
    store = open_store(url)
    try:
        info = find_study(store, source)
        other = sorted(set(info.spec.space) ^ set(sweep.spec.space))
        if other:
            raise TunerError(
                f"study {info.name!r} tunes other parameters than the sweep: {', '.join(other)}",
                hint="plan from a study of the same space, or let a pilot run (leave --from out)",
            )
        learned = read_courses(store, info.name)
    finally:
        store.close()
    spec = replace(sweep.spec, name=options.run.name or sweep.spec.name)
    if spec.resources.gpu is None and info.spec.resources.gpu == 0.0:  # what is trained was seen to use none
        spec = replace(spec, resources=replace(spec.resources, gpu=0.0))
    ask = Ask(source=info.name, n_seeds=options.n_seeds, spot_loss_day=options.spot_loss_day)
    made = forecast(spec, learned, sites, ask)
    fit = final_fit(learned.courses, spec.metric, info.provenance, info.name)
    made = replace(made, assumed={**made.assumed, **({"final fit": fit} if fit else {}), **beside})
    path = _path(url, spec.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made.to_dict(), indent=1), encoding="utf-8")
    return made


def sites_of_nodes(counts: Sequence[int], offered: Resources, price_h: float | None = None) -> list[Site]:
    """Clusters of so many nodes of one kind, which are there from beginning to end.

    Args:
        counts: How many nodes, each at least 1.
        offered: What each offers to attempts.
        price_h: What one costs an hour; None when that is not known.
    """
    return [
        Site(f"{n} {'node' if n == 1 else 'nodes'}", (NodeType(NODE, offered, n, min_nodes=n, price_h=price_h),), n)
        for n in counts
    ]


def sites_of_types(types: Sequence[NodeType], max_nodes: int, counts: Sequence[int] = ()) -> list[Site]:
    """Clusters that grow and shrink: each kind of node alone up to several sizes, and all kinds together.

    Args:
        types: What the cluster can start.
        max_nodes: How many worker nodes there may be at once.
        counts: Sizes; empty for 1, 2, 4, ... up to the largest, but not above 64.
    """
    sites = []
    for kind in types:
        most = min(kind.max_nodes, max_nodes)
        sizes = [n for n in counts or _doubling(min(most, MOST_NODES)) if 1 <= n <= most]
        sites += [
            Site(f"up to {n} {kind.name}", (replace(kind, max_nodes=n, min_nodes=min(kind.min_nodes, n)),), n)
            for n in sizes
        ]
    if len(types) > 1:
        most = max_nodes if counts else min(max_nodes, MOST_NODES)
        sites.append(Site(f"all types, up to {most}", tuple(types), most))
    return sites


def _doubling(most: int) -> list[int]:
    sizes = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return sizes if sizes and sizes[-1] == most else [*sizes, most]


def _path(url: str, study: str) -> Path:
    return store_folder(url) / "plans" / f"{study.replace(os.sep, '_')}.json"


# -- afterwards -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """A forecast against what happened.

    Attributes:
        site: The planned site that is most like the one that was used.
        forecast: What was expected there.
        time_s: How long it took.
        cost: What it cost; None when that is not known.
        trials: Trials that ended as they should.
        busy: CPUs that an attempt kept busy, on average; None when that is not known.
    """

    site: str
    forecast: Option
    time_s: float
    cost: float | None
    trials: int
    busy: float | None = None

    @property
    def time_error(self) -> float:
        """By how much longer it took than forecast, relative: 0.1 for 10 % longer."""
        return self.time_s / max(self.forecast.time_s.mid, 1e-9) - 1.0

    @property
    def cost_error(self) -> float | None:
        """By how much more it cost than forecast, relative; None when either is not known."""
        if self.cost is None or self.forecast.cost is None or self.forecast.cost.mid <= 0:
            return None
        return self.cost / self.forecast.cost.mid - 1.0

    @property
    def trials_h(self) -> float:
        """Trials that ended as they should an hour."""
        return self.trials / max(self.time_s, 1e-9) * 3600.0

    @property
    def trials_h_error(self) -> float:
        """By how much more trials were done an hour than forecast, relative."""
        return self.trials_h / max(self.forecast.trials_h.mid, 1e-9) - 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "site": self.site,
            "time_s": {"forecast": self.forecast.time_s.mid, "actual": self.time_s, "error": self.time_error},
            "cost": {
                "forecast": self.forecast.cost.mid if self.forecast.cost else None,
                "actual": self.cost,
                "error": self.cost_error,
            },
            "trials_h": {
                "forecast": self.forecast.trials_h.mid,
                "actual": self.trials_h,
                "error": self.trials_h_error,
            },
            "busy": {"forecast": self.forecast.busy, "actual": self.busy},
        }


def compare_forecast(study: Study) -> Comparison | None:
    """Hold the forecast of a study that has ended against what happened.

    Returns:
        None when it was not planned, when no planned site had about as many CPUs as were used, or when nothing ran.
    """
    path = _path(study.store, study.name)
    if not path.is_file():
        return None
    try:
        planned = Forecast.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError):  # cut off, or of another version: no reason to lose a summary
        return None
    store = open_store(study.store)
    try:
        events = [event for _, event in store.events(study.name)]
    finally:
        store.close()
    nodes = _Nodes(events)
    done = sum(1 for trial in study.trials if trial.state.finished and trial.failure is None)
    if not done or nodes.peak_cpus <= 0:
        return None
    option = min(planned.options, key=lambda one: _unlike(one, nodes))
    if _unlike(option, nodes) > (False, ALIKE):
        return None
    attempts = study.attempts()
    cost = nodes.cost
    if cost is None and study.spec.prices is not None:
        cost = sum(cost_of(a.grant, a.usage.wall_s, study.spec.prices) for a in attempts if a.usage is not None)
    if cost is None and option.types == (NODE,) and option.cost is not None:
        cost = option.cost.mid / max(option.time_s.mid, 1e-9) * nodes.time_s  # nodes that are there all the time
    used = [(a.usage.cpu_s, a.usage.wall_s) for a in attempts if a.usage is not None]
    wall_s = sum(wall_s for _, wall_s in used)
    busy = sum(cpu_s for cpu_s, _ in used) / wall_s if wall_s > 0 else None
    return Comparison(option.site, option, nodes.time_s, cost, done, busy)


def _unlike(option: Option, nodes: _Nodes) -> tuple[bool, float]:
    """Whether the nodes that were used are of kinds that it had not, where kinds are known; and by which factor CPUs differ."""
    most, used = max(option.peak_cpus, 1e-9), nodes.peak_cpus
    known = nodes.types and option.types != (NODE,)
    return bool(known and not nodes.types <= set(option.types)), max(most / used, used / most)


class _Nodes:
    """What a log says of nodes: the most CPUs at once, their kinds, and their price."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.peak_cpus = 0.0
        self.types: set[str] = set()
        self.time_s = events[-1].at_s - events[0].at_s if events else 0.0
        prices: dict[str, float | None] = {}
        alive: dict[str, tuple[Node, float]] = {}
        self._cost, self._priced = 0.0, False
        for event in events:
            if isinstance(event, NodeTypesSeen):
                prices = {kind.name: kind.price_h for kind in event.types}
            elif isinstance(event, NodeJoined):
                alive.setdefault(event.node.node_id, (event.node, event.at_s))
                if event.node.type is not None and event.node.resources.cpu > 0:
                    self.types.add(event.node.type)
                self.peak_cpus = max(self.peak_cpus, sum(node.resources.cpu for node, _ in alive.values()))
            elif isinstance(event, NodeLost) and event.node_id in alive:
                self._pay(alive.pop(event.node_id), event.at_s, prices)
        for one in alive.values():
            self._pay(one, events[-1].at_s, prices)

    def _pay(self, one: tuple[Node, float], until_s: float, prices: dict[str, float | None]) -> None:
        node, since_s = one
        price_h = prices.get(node.type or "")
        if price_h is not None:
            self._priced = True
            self._cost += price_h * (until_s - since_s) / 3600.0

    @property
    def cost(self) -> float | None:
        """Money for the nodes; None when none has a price."""
        return self._cost if self._priced else None
