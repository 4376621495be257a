"""Earlier studies as a prior: what of them a new study can use, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tuner.api.stores import find_study, open_store
from tuner.core import selection
from tuner.core.ports import Store, StudyInfo
from tuner.errors import SearchSpaceError, StudyNotFound, SweepError
from tuner.samplers._native import SpaceDrawer, active_among, nearest, typed
from tuner.space import Categorical, Constant, Distribution, SearchSpace
from tuner.study import FirstTrial, PluginSpec, Prior, StudySpec
from tuner.trial import Params, ParamValue, Trial, TrialState

__all__ = ["Recalled", "recall"]

MOST = 5000  # trials of all earlier studies together that the sampler is told of: they are one event of the log
FEW = 3  # distinct configurations of a study that only resembles the new one
_OF_THE_PLACE = frozenset({"base", "unnamed", "data"})  # options of an objective that do not change what it computes


@dataclass(slots=True)
class Recalled:
    """What earlier studies give to a new one.

    Attributes:
        trials: To tell the sampler of: COMPLETE and PRUNED, numbered -1, -2, ...
        first: To try first.
        studies: The names of those whose trials are re-used.
        notes: What was done with each, a sentence for people.
    """

    trials: list[Trial] = field(default_factory=list)
    first: list[FirstTrial] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recall(spec: StudySpec, described: Mapping[str, Any], store: Store) -> Recalled:
    """Read ``spec.prior`` and see what of it can be used.

    Args:
        spec: The new study.
        described: What its objective says of itself, data included (``Objective.describe``).
        store: The new study's.

    Raises:
        SweepError: A study is not there, or nothing of any of them can be used.
        StoreError: Another store cannot be read.
    """
    found = Recalled()
    with ExitStack() as stack:
        for index, prior in enumerate(spec.prior):
            opened = store
            if prior.store is not None:
                opened = open_store(prior.store)
                stack.callback(opened.close)
            info = _found(opened, prior, index)
            _use(found, spec, described, info, opened.trials(info.name))
    if spec.prior and not found.trials and not found.first:
        raise SweepError(
            "nothing of it can be used: " + "; ".join(found.notes),
            path="prior",
            expected="a study with the same metric, some of the same parameters, and finished trials",
            hint="leave `prior` out, or name another study (`tuner ls` lists them)",
        )
    _number(found, spec)
    return found


def _found(store: Store, prior: Prior, index: int) -> StudyInfo:
    try:
        return find_study(store, prior.study)
    except StudyNotFound as error:
        where = f" in {prior.store}" if prior.store else ""
        raise SweepError(f"{error.message}{where}", path=f"prior[{index}]", got=prior.study, hint=error.hint) from error


def _use(
    found: Recalled, spec: StudySpec, described: Mapping[str, Any], info: StudyInfo, trials: Sequence[Trial]
) -> None:
    metric, before = spec.metric, info.spec.metric
    name = info.name
    if (metric.name, metric.goal) != (before.name, before.goal):
        found.notes.append(f"study {name!r} cannot be used: it is to {before.goal} {before.name!r}")
        return
    finished = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    differences = _differences(spec, described, info)
    known = [] if differences else [trial for t in finished if (trial := _translated(spec, t)) is not None]
    best = selection.best([t for t in known if t.state is TrialState.COMPLETE], metric)
    if best is None:
        first = _resembling(spec, info, finished)
        found.first += first
        why = "; ".join(differences) or "no finished trial of it has all that is asked of one here"
        what = f"its best {_count(first)} tried first" if first else "nothing in it fits"
        found.notes.append(f"study {name!r} only resembles this one ({why}): {what}")
        return
    found.trials += known
    found.studies.append(name)
    found.first.append(FirstTrial(_sampled(spec.space, best.params), f"best of study {name}"))
    found.notes.append(f"{len(known)} of the {len(finished)} finished trials of study {name!r} are re-used")


def _differences(spec: StudySpec, described: Mapping[str, Any], info: StudyInfo) -> list[str]:
    """In what the studies differ so that values of the one do not hold for the other; none when they are comparable."""
    told: list[str] = []
    if {(m.name, m.goal) for m in spec.metrics} != {(m.name, m.goal) for m in info.spec.metrics}:
        told.append("other metrics")
    old, new = info.spec.space, spec.space
    shared = set(old.sampled) & set(new.sampled)
    fixed = [name for name in {**old, **new} if name not in shared]
    groups = {
        "other parameters": set(old.sampled) ^ set(new.sampled),
        "of another kind": {name for name in shared if _kind(old[name]) != _kind(new[name])},
        "other constants": {name for name in fixed if _constant(old.get(name)) != _constant(new.get(name))},
    }
    groups["other constants"] -= groups["other parameters"]
    told += [f"{what}: {', '.join(sorted(names))}" for what, names in groups.items() if names]
    if _named(info.spec.objective) != _named(spec.objective):
        told.append("another objective")
    was = info.provenance.get("objective") or {}
    for what, key in (("the function has changed", "sha256"), ("files of the command have changed", "files")):
        if was.get(key) and described.get(key) and was[key] != described[key]:
            told.append(what)
    if _data(was) != _data(described):
        told.append("other data")
    return told


def _kind(d: Distribution) -> str:
    return "choices" if isinstance(d, Categorical) else "numbers"


def _constant(d: Distribution | None) -> tuple[bool, object]:
    return (type(d.value) is bool, d.value) if isinstance(d, Constant) else (False, None)


def _named(objective: PluginSpec) -> tuple[str, dict[str, Any]]:
    return objective.type, {name: value for name, value in objective.options.items() if name not in _OF_THE_PLACE}


def _data(described: Mapping[str, Any]) -> Any:
    data = described.get("data")
    return data.get("table_sha256") if isinstance(data, Mapping) else None


def _sampled(space: SearchSpace, params: Params) -> dict[str, ParamValue]:
    return {name: typed(space[name], value) for name, value in params.items() if not isinstance(space[name], Constant)}


def _translated(spec: StudySpec, trial: Trial) -> Trial | None:
    """The trial as one of the new study; None when its parameters are out of the space or something is not known of it."""
    try:
        spec.space.check(trial.params)
    except SearchSpaceError:
        return None
    metrics = [metric.name for metric in spec.metrics]
    constraints = [constraint.name for constraint in spec.constraints]
    complete = trial.state is TrialState.COMPLETE
    if any(name not in trial.values for name in (metrics + constraints if complete else metrics[:1])):
        return None
    violation = sum(c.violation(trial.values[c.name]) for c in spec.constraints) if complete else 0.0
    return replace(
        trial,
        params={name: typed(spec.space[name], value) for name, value in trial.params.items()},
        values={name: trial.values[name] for name in metrics + constraints if name in trial.values},
        violation=violation,
    )


def _resembling(spec: StudySpec, info: StudyInfo, finished: Sequence[Trial]) -> list[FirstTrial]:
    """The best few distinct configurations, moved into the new space; those that share nothing with it are left out."""
    metric = spec.metric
    ranked = sorted(
        (t for t in finished if t.state is TrialState.COMPLETE and metric.name in t.values),
        key=lambda t: (t.violation, t.values[metric.name] * (1.0 if metric.goal == "minimize" else -1.0), t.number),
    )
    drawer = SpaceDrawer(spec.space)
    found: list[FirstTrial] = []
    for trial in ranked:
        params = _moved(spec.space, trial.params)
        if not params or any(params == one.params for one in found):
            continue
        try:
            drawer.complete(params, Random(0))
        except SearchSpaceError:
            continue
        found.append(FirstTrial(params, f"best of study {info.name}"))
        if len(found) == FEW:
            break
    return found


def _moved(space: SearchSpace, params: Params) -> dict[str, ParamValue]:
    """The values of the parameters that both spaces have, each at its nearest place."""
    kept: dict[str, ParamValue] = {}
    for name, value in params.items():
        if name in space and not isinstance(space[name], Constant):
            try:
                kept[name] = nearest(space[name], value)
            except SearchSpaceError:
                continue
    active = active_among(space, kept)
    return {name: value for name, value in kept.items() if name in active}


def _number(found: Recalled, spec: StudySpec) -> None:
    """Number the trials as prior ones are, in their order; of too many keep the best half and the latest half."""
    if len(found.trials) > MOST:
        sign = 1.0 if spec.metric.goal == "minimize" else -1.0
        early, latest = found.trials[: -MOST // 2], found.trials[-MOST // 2 :]

        def rank(trial: Trial) -> tuple[bool, float, float]:
            return trial.state is TrialState.PRUNED, trial.violation, sign * trial.values[spec.metric.name]

        best = set(sorted(range(len(early)), key=lambda k: rank(early[k]))[: MOST - len(latest)])
        found.notes.append(
            f"the sampler is told of {MOST} of these {len(found.trials)} trials, the best and the latest"
        )
        found.trials = [*(trial for k, trial in enumerate(early) if k in best), *latest]
    found.trials = [replace(trial, number=-1 - k) for k, trial in enumerate(found.trials)]


def _count(first: Sequence[object]) -> str:
    return "configuration is" if len(first) == 1 else f"{len(first)} configurations are"
