"""Checks of a search space against the estimators that it is for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tuner.errors import InvalidParams, ObjectiveError, SweepError
from tuner.objectives._build import Blueprint
from tuner.objectives._metrics import Metrics
from tuner.objectives._parameters import CHOICE, PREPROCESS, SplitParams, plain_name, split_params
from tuner.objectives._preprocess import Choices
from tuner.space import Categorical, Constant, Int, SearchSpace, matches
from tuner.study import StudySpec
from tuner.trial import ParamValue

__all__ = [
    "FROM_SPACE",
    "check_names",
    "check_preprocess",
    "check_reports",
    "constants_for",
    "families",
    "last_step",
    "may_use_gpu",
    "reachable",
    "usable_example",
]

FROM_SPACE = "from_space"
OBEDIENT = frozenset(
    {"sklearn", "xgboost", "lightgbm"}
)  # packages whose estimators use no GPU unless a parameter says so


def last_step(space: SearchSpace, fidelities: Iterable[str], n_folds: int) -> int | None:
    """The last step that any trial can report; None where only training shows it.

    Args:
        space: What may be tried.
        fidelities: What each of the estimators reports by.
        n_folds: Of the validation.
    """
    reported = set(fidelities) - {"none"}
    if reported == {"folds"}:
        return n_folds
    if reported != {"boosting_rounds"}:
        return None
    rounds = space.get("n_estimators")
    if isinstance(rounds, Int):
        return rounds.high
    return rounds.value if isinstance(rounds, Constant) and isinstance(rounds.value, int) else None


def check_reports(spec: StudySpec, fidelities: Iterable[str], last: int | None) -> None:
    """Raise when something of the study waits for reports and no estimator of it makes any, or makes others.

    Args:
        spec: The study's.
        fidelities: What each of its estimators reports by.
        last: The last step that any trial can report, if that is known.

    Raises:
        SweepError: A pruner would never see a report or misread what it sees, or a budget of steps would be one of trials.
    """
    reported = set(fidelities) - {"none"}
    if spec.pruner.type == "wilcoxon" and reported:
        _check_racing(spec, reported)
    if reported:
        _check_beginning(spec, sorted(reported), last)
        return
    mend = "validate by {kind: cv}, which reports every fold, or use an estimator with boosting rounds or epochs"
    if spec.pruner.type != "none":
        raise SweepError(
            "would never see a report: trials of this estimator with this validation have no steps",
            path="pruner",
            got=spec.pruner.type,
            expected="pruner: none",
            hint=mend,
        )
    if spec.limits.steps is not None:
        raise SweepError(
            "nothing is reported: trials of this estimator with this validation have no steps",
            path="limits.steps",
            got=spec.limits.steps,
            expected="limits.trials",
            hint=mend,
        )


def _check_beginning(spec: StudySpec, reported: Sequence[str], last: int | None) -> None:
    """A pruner must look at trials before they end."""
    options = spec.pruner.options
    name = next((name for name in ("min", "n_warmup_steps") if name in options), None)
    if last is None or name is None or not isinstance(options[name], int) or options[name] <= last:
        return
    raise SweepError(
        f"the pruner {spec.pruner.type} would look at no trial: the last step is {last} ({', '.join(reported)})",
        path=f"pruner.{name}",
        got=options[name],
        expected=f"at most {last}",
        hint="steps of this objective are " + " or ".join(reported),
    )


def _check_racing(spec: StudySpec, reported: Collection[str]) -> None:
    """The ``wilcoxon`` pruner compares folds one by one: reports must be about folds, and it must know that they are means."""
    others = sorted(set(reported) - {"folds"})
    if others:
        raise SweepError(
            f"wilcoxon races over folds, but {' and '.join(others)} are reported",
            path="pruner",
            got="wilcoxon",
            hint="set objective.fidelity: folds (with validation: {kind: cv}), or use asha, median or curve",
        )
    if spec.pruner.options.get("values") != "mean":
        raise SweepError(
            "an estimator reports the mean over the folds so far, not each fold's own value",
            path="pruner.values",
            got=spec.pruner.options.get("values", "single"),
            expected="mean",
            hint="write pruner: {type: wilcoxon, values: mean}",
        )


def families(estimator: object, space: SearchSpace) -> list[str]:
    """Import paths of all estimators that a study may build: the sweep file's one, or the values of ``estimator``.

    Raises:
        SweepError: ``from_space`` without such a parameter, or such a parameter without ``from_space``.
    """
    if not isinstance(estimator, str) or not estimator:
        raise SweepError(
            "must be an import path", path="objective.estimator", got=estimator, expected="as xgboost.XGBClassifier"
        )
    choice = space.get(CHOICE)
    if estimator != FROM_SPACE:
        if choice is not None:
            raise SweepError(
                f"the space chooses the {CHOICE!r} itself",
                path="objective.estimator",
                got=estimator,
                expected=FROM_SPACE,
                hint=f"write estimator: {FROM_SPACE}, or choose a space for {estimator}",
            )
        return [estimator]
    values: Sequence[ParamValue] = ()
    if isinstance(choice, Categorical | Constant):
        values = choice.values()
    if not values or not all(isinstance(value, str) for value in values):
        raise SweepError(
            f"{FROM_SPACE} needs a parameter {CHOICE!r} whose values are import paths",
            path="objective.estimator",
            got=FROM_SPACE,
            hint="add it to the space, as estimator: {values: [sklearn.svm.SVC, xgboost.XGBClassifier]}",
        )
    return [str(value) for value in values]


def reachable(space: SearchSpace, family: str | None) -> list[str]:
    """Parameters that can be active when ``estimator`` is ``family``; all of them when it is None."""
    found: list[str] = []
    for name, distribution in space.items():
        parents = (distribution.when or {}).items()
        if all(
            matches(family, condition) if parent == CHOICE and family is not None else parent in found
            for parent, condition in parents
        ):
            found.append(name)
    return found


def constants_for(space: SearchSpace, family: str | None) -> dict[str, ParamValue]:
    """Keyword arguments that are the same in every trial of a family."""
    return {
        plain_name(name): distribution.value
        for name in reachable(space, family)
        if isinstance(distribution := space[name], Constant)
        and not name.startswith(PREPROCESS)
        and name != CHOICE
        and "__" not in name
    }


def check_names(space: SearchSpace, blueprints: Mapping[str | None, Blueprint]) -> None:
    """Raise unless each estimator accepts every parameter that can reach it.

    Args:
        space: The study's.
        blueprints: By value of ``estimator``; under None when there is no choice.

    Raises:
        ObjectiveError: Names the parameter and the closest that is accepted.
    """
    for family, blueprint in blueprints.items():
        for name in reachable(space, family):
            if name != CHOICE and not name.startswith(PREPROCESS):
                blueprint.check_name(plain_name(name), name)


def check_preprocess(space: SearchSpace, option: Mapping[str, Any] | None, *, frame: bool) -> None:
    """Raise unless every ``preprocess.*`` parameter and every key of the ``preprocess`` option is a choice with its values.

    Args:
        space: The study's.
        option: The ``preprocess`` option as a mapping; None for none.
        frame: Whether the table goes to the estimator as it is, so that nothing can be chosen.

    Raises:
        ObjectiveError: A choice or a value is unknown, or there is nothing to choose.
    """
    Choices().updated(option or {}, "objective.preprocess.")
    for name, distribution in space.items():
        if not name.startswith(PREPROCESS):
            continue
        if frame:
            raise ObjectiveError(
                f"parameter {name!r} chooses a preprocessing, but the estimator gets the table as it is",
                hint="remove preprocess: none, or the parameter",
            )
        if isinstance(distribution, Categorical | Constant):
            values: Sequence[Any] = distribution.values()
        else:
            values = (distribution.low, distribution.high)
        for value in values:
            Choices().updated({plain_name(name): value})


def usable_example(space: SearchSpace, family: str | None, blueprint: Blueprint, metrics: Metrics, seed: int) -> Any:
    """An estimator with the constants of the space, or with one choice more, that gives what the metrics need.

    Raises:
        ObjectiveError: None does, as ``SVC`` for ``log_loss`` when the space does not say ``probability``.
    """
    constants = constants_for(space, family)
    example = blueprint.build(SplitParams(None, {}, constants, {}), seed, 1)
    try:
        metrics.wanted(example)
    except ObjectiveError:
        if not any(
            _answers(blueprint, {**constants, name: value}, metrics, seed) for name, value in _values(space, family)
        ):
            raise
    return example


def _values(space: SearchSpace, family: str | None) -> list[tuple[str, ParamValue]]:
    return [
        (name, value)
        for name in reachable(space, family)
        if isinstance(choice := space[name], Categorical) and name != CHOICE and not name.startswith(PREPROCESS)
        for value in choice.choices
    ]


def _answers(blueprint: Blueprint, params: Mapping[str, ParamValue], metrics: Metrics, seed: int) -> bool:
    try:
        metrics.wanted(blueprint.build(split_params(params), seed, 1))
    except (ObjectiveError, InvalidParams):
        return False
    return True


def may_use_gpu(estimators: Iterable[str], space: SearchSpace) -> bool | None:
    """Whether a parameter names a GPU; None where an estimator may use one that it was not told to."""
    if not OBEDIENT.issuperset(path.partition(".")[0] for path in estimators):
        return None
    said = [
        str(value).lower()
        for distribution in space.values()
        if isinstance(distribution, Categorical | Constant)
        for value in (distribution.choices if isinstance(distribution, Categorical) else (distribution.value,))
    ]
    return any(word in value for value in said for word in ("cuda", "gpu"))
