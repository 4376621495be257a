"""What is to be done: the study's specification, as a value that is written to the log before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from tuner.errors import SweepError
from tuner.formula import Formula
from tuner.space import SearchSpace
from tuner.trial import FailureKind, Params

__all__ = [
    "CheckpointPolicy",
    "Constraint",
    "FirstTrial",
    "Limits",
    "Metric",
    "PluginSpec",
    "Prices",
    "Prior",
    "ResourceRequest",
    "Retry",
    "StudySpec",
    "trial_seed",
]

Goal = Literal["minimize", "maximize"]
RETRIED = frozenset(
    {FailureKind.OUT_OF_MEMORY, FailureKind.PREEMPTED, FailureKind.NODE_LOST, FailureKind.WORKER_LOST, FailureKind.HUNG}
)


@dataclass(frozen=True, slots=True)
class Metric:
    """What is to be made small or large.

    Attributes:
        name: As the objective reports it.
        goal: ``minimize`` or ``maximize``.
        target: Value at which the sweep may end; None for none.
    """

    name: str
    goal: Goal = "minimize"
    target: float | None = None

    def better(self, a: float, b: float) -> bool:
        """Whether ``a`` is strictly better than ``b``."""
        return a < b if self.goal == "minimize" else a > b


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a finished trial must keep to, besides being good. At least one bound is given.

    Attributes:
        name: Of a metric that the objective returns, or of measured usage: ``peak_memory_mib``, ``wall_s``, ``cpu_s``.
        low: Least value that is feasible; None for no bound.
        high: Largest value that is feasible; None for no bound.
    """

    name: str
    low: float | None = None
    high: float | None = None

    def violation(self, value: float) -> float:
        """By how much ``value`` lies outside, relative to the bound (to 1 where the bound is 0); 0.0 inside."""
        for bound, beyond in ((self.high, 1.0), (self.low, -1.0)):
            if bound is not None and beyond * (value - bound) > 0.0:
                return beyond * (value - bound) / (abs(bound) or 1.0)
        return 0.0


@dataclass(frozen=True, slots=True)
class FirstTrial:
    """A configuration to be tried before the sampler chooses.

    Attributes:
        params: Values by name; parameters that are left out are drawn.
        note: Where it comes from, for people: ``the space's defaults``, ``try_first``, ``best of study NAME``. Two that
            differ in nothing else are equal.
    """

    params: Params
    note: str = field(default="try_first", compare=False)


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study to learn from.

    Attributes:
        study: Its name.
        store: Its store's URL; None for the new study's own.
    """

    study: str
    store: str | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """What running costs, in any one currency.

    Attributes:
        cpu_h: One CPU for an hour.
        gpu_h: One GPU for an hour.
        memory_gib_h: One GiB of granted memory for an hour.
    """

    cpu_h: float = 0.0
    gpu_h: float = 0.0
    memory_gib_h: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """Which checkpoints are kept. Those of running and paused trials' latest steps always are.

    Attributes:
        best: Of how many of the best finished trials the latest checkpoint is kept.
        size_mib: Size of all together, from which on the ones of the worst finished trials go first; None for no limit.
    """

    best: int = 1
    size_mib: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end. None means no limit.

    Attributes:
        trials: How many trials may be suggested, at least 1.
        parallel: How many attempts may be running at once, at least 1; None for what the cluster holds.
        time_s: How long the drivers of the study may run, all together.
        trial_time_s: How long one attempt may run.
        failures: How many failed trials are borne; one more ends the sweep.
        failures_share: Share of finished trials that may fail, 0 to 1, looked at from 10 finished trials on.
        patience: How many trials may finish in a row without a better best value.
        steps: How many reports may come in, of all trials together: a budget in units of the fidelity. A finished trial that
            reported nothing counts as one.
        cost: How much money the attempts may cost, by the study's ``prices``.
        regret: The sweep ends when what the best value can still be improved by, by an upper confidence bound, is less.
        nodes: How many worker nodes the cluster may grow to for this study, at least 1.
    """

    trials: int | None = None
    parallel: int | None = None
    time_s: float | None = None
    trial_time_s: float | None = None
    failures: int | None = None
    failures_share: float | None = None
    patience: int | None = None
    steps: int | None = None
    cost: float | None = None
    regret: float | None = None
    nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Which failed attempts are tried again.

    Attributes:
        max: How many times a trial may be tried again, at least 0. Attempts lost with their node, to a preemption or
            with the driver do not count.
        on: The kinds of failure after which it is.
    """

    max: int = 3
    on: frozenset[FailureKind] = RETRIED


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """What one attempt asks for; None means that the engine decides (``auto``), a formula that the parameters do.

    Attributes:
        cpu: Logical CPUs.
        memory_mib: Memory in MiB, that of the worker's process included.
        gpu: GPUs, a fraction or a whole number.
    """

    cpu: float | Formula | None = None
    memory_mib: float | Formula | None = None
    gpu: float | Formula | None = None

    @property
    def has_formulas(self) -> bool:
        """Whether attempts ask for different amounts by their parameters."""
        return any(isinstance(asked, Formula) for asked in (self.cpu, self.memory_mib, self.gpu))

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold: numbers, None, and formulas as their text."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """A request from what ``to_dict`` made."""
        return cls(**{name: Formula(value) if isinstance(value, str) else value for name, value in document.items()})


def _plain(value: float | Formula | None) -> float | str | None:
    return value.text if isinstance(value, Formula) else value


@dataclass(frozen=True, slots=True)
class PluginSpec:
    """A plug-in by name with its options.

    Attributes:
        type: File name in the plug-in's folder, or ``pkg.mod:Class`` for an outsider's.
        options: Keyword arguments, plain JSON data.
    """

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StudySpec:
    """Everything that decides what a study does, but for the clock and the failures it meets.

    Attributes:
        name: Unique in its store.
        metrics: At least one; the first is the one that pruners judge and by which the best is chosen.
        space: What may be tried.
        objective: What is trained. Its options are what the sweep file said; a callable given from Python is named only.
        sampler: Who chooses the next parameters.
        pruner: Who stops what is not worth finishing.
        limits: When to end.
        resources: What an attempt asks for.
        retry: Which failures are tried again.
        seed: From which every random choice of the study derives, 0 to 2**32 - 1.
        stop_grace_s: How long an attempt that was asked to stop may take before it is killed.
        constraints: What a trial must keep to; infeasible trials are never the best while a feasible one is there.
        first: Configurations that are tried before the sampler chooses, in this order.
        prior: Earlier studies that the sampler learns from.
        noisy: Whether the same parameters give different values, so that trying them again is worth something.
        prices: What running costs; None when that is not known.
        keep: Which checkpoints are kept.
        weight: Its share of a cluster that several studies use is in the ratio of their weights, above 0.
    """

    name: str
    metrics: tuple[Metric, ...]
    space: SearchSpace
    objective: PluginSpec
    sampler: PluginSpec = PluginSpec("auto")
    pruner: PluginSpec = PluginSpec("none")
    limits: Limits = Limits()
    resources: ResourceRequest = ResourceRequest()
    retry: Retry = Retry()
    seed: int = 0
    stop_grace_s: float = 30.0
    constraints: tuple[Constraint, ...] = ()
    first: tuple[FirstTrial, ...] = ()
    prior: tuple[Prior, ...] = ()
    noisy: bool = False
    prices: Prices | None = None
    keep: CheckpointPolicy = CheckpointPolicy()
    weight: float = 1.0

    @property
    def metric(self) -> Metric:
        """The first metric."""
        return self.metrics[0]

    def with_limits(self, limits: Limits) -> StudySpec:
        """The same study with other limits."""
        return replace(self, limits=limits)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold; ``from_dict`` reads it back, equal."""
        return {
            "name": self.name,
            "metrics": [asdict(metric) for metric in self.metrics],
            "space": self.space.to_dict(),
            **{part: {"type": p.type, "options": dict(p.options)} for part, p in self._plugins().items()},
            "limits": asdict(self.limits),
            "resources": self.resources.to_dict(),
            "retry": {"max": self.retry.max, "on": sorted(self.retry.on)},
            "seed": self.seed,
            "stop_grace_s": self.stop_grace_s,
            "constraints": [asdict(constraint) for constraint in self.constraints],
            "first": [{"params": dict(first.params), "note": first.note} for first in self.first],
            "prior": [asdict(prior) for prior in self.prior],
            "noisy": self.noisy,
            "prices": None if self.prices is None else asdict(self.prices),
            "keep": asdict(self.keep),
            "weight": self.weight,
        }

    def _plugins(self) -> dict[str, PluginSpec]:
        return {"objective": self.objective, "sampler": self.sampler, "pruner": self.pruner}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """A specification from what ``to_dict`` made.

        Raises:
            SweepError: A part is missing.
        """
        try:
            return cls(
                name=document["name"],
                metrics=tuple(Metric(**row) for row in document["metrics"]),
                space=SearchSpace.from_dict(document["space"]),
                objective=PluginSpec(**document["objective"]),
                sampler=PluginSpec(**document["sampler"]),
                pruner=PluginSpec(**document["pruner"]),
                limits=Limits(**document["limits"]),
                resources=ResourceRequest.from_dict(document["resources"]),
                retry=Retry(document["retry"]["max"], frozenset(map(FailureKind, document["retry"]["on"]))),
                seed=document["seed"],
                stop_grace_s=document["stop_grace_s"],
                # Studies of 0.1 have none of what follows.
                constraints=tuple(Constraint(**row) for row in document.get("constraints", ())),
                first=tuple(FirstTrial(**row) for row in document.get("first", ())),
                prior=tuple(Prior(**row) for row in document.get("prior", ())),
                noisy=document.get("noisy", False),
                prices=Prices(**document["prices"]) if document.get("prices") else None,
                keep=CheckpointPolicy(**document.get("keep", {})),
                weight=document.get("weight", 1.0),
            )
        except (KeyError, TypeError) as error:
            raise SweepError(f"the stored specification cannot be read: {error}") from error


def trial_seed(seed: int, number: int) -> int:
    """The seed of trial ``number`` (from 0; -1 serves the study itself) of a study with ``seed``, 0 to 2**31 - 1.

    SplitMix64 (Steele, Lea, Flood 2014, figure 16), so neighbouring numbers give unrelated seeds.
    """
    z = (seed * 0x9E3779B97F4A7C15 + (number + 2) * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (z ^ (z >> 31)) & 0x7FFFFFFF
