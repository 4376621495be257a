"""A guard before a sampler that is not tuner's own: what it does wrong is told as its fault, with the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.core.ports.guard import Guard
from tuner.errors import SearchSpaceError
from tuner.space import SearchSpace
from tuner.trial import Params, Trial

__all__ = ["Outsider", "misfit"]


class Outsider(Guard[Sampler], Sampler):
    """Hands everything on, and looks at what comes back.

    Args:
        sampler: An outsider's, new.
        name: Its import path.
        problem: What it was given.

    Raises:
        PluginFailed: By every method: the sampler raised, or suggested what it must not.
    """

    def __init__(self, sampler: Sampler, name: str, problem: Problem) -> None:
        super().__init__("sampler", name, sampler)
        self._space = problem.space
        # What it promises is the sampler's to say.
        with self._blamed():
            self.wants_reports = bool(sampler.wants_reports)
            self.order_free = bool(sampler.order_free)
            self.across_brackets = bool(sampler.across_brackets)

    @property
    def waits(self) -> bool:
        """Whether the sampler does."""
        with self._blamed():
            return bool(self._inner.waits)

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """What the sampler suggests, checked against the space."""
        with self._blamed(f"for trial {first}"):
            found = list(self._inner.ask(first, count))
        if len(found) > count:
            raise self._wrong(f"was asked for {count} from trial {first} on, and gave {len(found)}")
        for number, suggestion in enumerate(found, first):
            self._check(number, suggestion)
        return found

    def _check(self, number: int, suggestion: object) -> None:
        if not isinstance(suggestion, Suggestion):
            what = f"gave {suggestion!r:.80} for trial {number}, and not a tuner.core.ports.Suggestion"
            raise self._wrong(what)
        if not isinstance(suggestion.params, Mapping):
            raise self._wrong(f"gave the parameters {suggestion.params!r:.80} for trial {number}, and not a mapping")
        wrong = misfit(self._space, suggestion.params)
        if wrong:
            raise self._wrong(f"gave trial {number} {wrong}")
        if not (suggestion.state is None or isinstance(suggestion.state, str)):
            raise self._wrong(f"gave trial {number} the state {suggestion.state!r:.80}, expected a text or None")
        if suggestion.parent is not None and suggestion.parent not in range(number):
            raise self._wrong(f"gave trial {number} the parent {suggestion.parent!r:.80}, expected an earlier trial")

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell the sampler."""
        with self._blamed(f"for trial {trials[0].number}" if trials else ""):
            self._inner.tell(trials)

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Tell the sampler."""
        with self._blamed(f"for trial {trial} at step {step}"):
            self._inner.report(trial, step, values)

    def inform(self, trials: Sequence[Trial]) -> None:
        """Tell the sampler."""
        with self._blamed():
            self._inner.inform(trials)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Tell the sampler."""
        with self._blamed(f"for trial {number}"):
            self._inner.replay(number, suggestion)


def misfit(space: SearchSpace, params: Params) -> str | None:
    """What is wrong with parameters that are to be tried; None for nothing."""
    try:
        space.check(params)
        lacking = space.active(params).keys() - params.keys()
    except SearchSpaceError as error:
        got = "" if error.got is None else f", got {error.got!r:.80}"
        expected = f", expected {error.expected}" if error.expected else ""
        return f"{error.path}: {error.message}{got}{expected}"
    return f"no {', '.join(sorted(lacking))}: constants must be given too" if lacking else None
