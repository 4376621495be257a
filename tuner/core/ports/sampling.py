"""Who chooses what to try."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from tuner.space import SearchSpace
from tuner.study import Constraint, Metric, StudySpec
from tuner.trial import Params, Trial

__all__ = [
    "Problem",
    "Sampler",
    "Suggestion",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a sampler must know.

    Attributes:
        space: What may be tried.
        metrics: At least one; pruners judge the first.
        seed: The study's.
        trials: Its budget; None for no limit.
        constraints: What trials must keep to.
        noisy: Whether the same parameters give different values; if not, a finite space's combinations are tried once each.
        by_step: Whether trials may be stopped or paused early, so that partial results are all that is known of many.
        parallel: How many attempts may run at once; None for what the cluster holds.
    """

    space: SearchSpace
    metrics: tuple[Metric, ...]
    seed: int
    trials: int | None = None
    constraints: tuple[Constraint, ...] = ()
    noisy: bool = False
    by_step: bool = False
    parallel: int | None = None

    @classmethod
    def of(cls, spec: StudySpec) -> Self:
        """The problem that a study poses."""
        return cls(
            space=spec.space,
            metrics=spec.metrics,
            seed=spec.seed,
            trials=spec.limits.trials,
            constraints=spec.constraints,
            noisy=spec.noisy,
            by_step=spec.pruner.type != "none",
            parallel=spec.limits.parallel,
        )


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to try.

    Attributes:
        params: The active parameters, constants included.
        state: What the sampler must have back to go on exactly; None for nothing.
        parent: The trial from whose latest checkpoint this one starts; None to start from nothing.
        note: Why these, in one sentence for people; None when there is nothing to say.
    """

    params: Params
    state: str | None = None
    parent: int | None = None
    note: str | None = None


class Sampler(ABC):
    """Chooses what to try next. ``__init__(self, problem: Problem, **options)``.

    The engine calls from one thread, tells every trial exactly once when it is finished, in the order of the log, and calls
    ``replay`` instead of ``ask`` for trials that are in the log already, in between the same ``tell`` calls.

    The sampler's suggestions depend on nothing but the problem, its options and the calls it got: after a replay it goes on
    exactly as if it had never been interrupted (draws are seeded per trial number, see ``tuner.study.trial_seed``).
    Suggestions are inside the space, complete, and never forbidden. Where the space has finitely many combinations none is
    suggested twice, unless the problem is noisy.

    A trial that the sampler did not choose, because a person wished it or another sampler chose it, is handed to ``replay``
    with a suggestion without state, at any number, also the first.

    Attributes:
        wants_reports: Whether ``report`` is to be called.
        order_free: Whether what is suggested for a trial depends on nothing but which trials are finished, which are running
            and what they reported, however asks and tells came in between. The engine may then ask ahead of need.
        across_brackets: Whether one sampler serves all brackets of a pruner, because it learns nothing from results or minds
            itself how far trials came; if not, there is one for each bracket, which is told that bracket's trials only.
    """

    wants_reports: bool = False
    order_free: bool = False
    across_brackets: bool = False

    @property
    def waits(self) -> bool:
        """Whether an ``ask`` that gave fewer than asked for may give more after the next result; never so with none running."""
        return False

    @abstractmethod
    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``; fewer when the space is exhausted or the sampler waits."""

    def tell(self, trials: Sequence[Trial]) -> None:  # noqa: B027 -- samplers that do not learn need not override it
        """Learn of finished trials: COMPLETE with values, PRUNED with the last reported values and ``last_step``, FAIL.

        Of those that failed, some say something about the parameters (``FailureKind.blames_params``); the others do not.
        """

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:  # noqa: B027 -- few need it
        """Learn what a running trial reported. Only with ``wants_reports``, in the order of the log, replays included."""

    def inform(self, trials: Sequence[Trial]) -> None:  # noqa: B027 -- samplers that do not learn need not override it
        """Learn of finished trials of earlier studies, whose numbers are negative; once at most, before everything else."""

    def replay(self, number: int, suggestion: Suggestion) -> None:  # noqa: B027 -- as above
        """Take back a suggestion from the log as if ``ask`` had just made it."""
