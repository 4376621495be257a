"""The ``optuna`` sampler: any class that implements ``optuna.samplers.BaseSampler``, by its import path."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from optuna.samplers import BaseSampler

from tuner.core.ports import Problem, Suggestion
from tuner.errors import SweepError, TunerError, closest
from tuner.samplers._optuna import OptunaAdapter
from tuner.trial import Trial

__all__ = ["OptunaClassSampler"]


class OptunaClassSampler(OptunaAdapter):
    """Suggests by a sampler of Optuna, of OptunaHub or of your own.

    Args:
        problem: The space, the metrics and the seed.
        options: ``class`` is the import path, ``pkg.mod:Class``. ``reseed`` (true) makes a new object for every trial,
            seeded by its number, so that a resumed study goes on exactly; with false one object serves them all, and what
            it keeps outside of Optuna's trials and attributes is lost on a resume. All others are the class's own.

    Raises:
        SweepError: The class cannot be imported, is no Optuna sampler, or refuses its options.
    """

    def __init__(self, problem: Problem, **options: Any) -> None:
        path = options.pop("class", None)
        found = _imported(path)
        reseed = options.pop("reseed", True)
        if not isinstance(reseed, bool):
            raise SweepError("reseed must be true or false", path="sampler.reseed", got=reseed)
        parameters = inspect.signature(found).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        for name in options:
            if name not in parameters and not open_ended:
                near = closest(name, parameters)
                raise SweepError(
                    f"{found.__qualname__} has no option {name!r}",
                    path=f"sampler.{name}",
                    expected=f"some of {', '.join(parameters)}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
        if reseed and "seed" in options:
            raise SweepError(
                "one seed for every trial would draw the same values again and again",
                path="sampler.seed",
                got=options["seed"],
                hint="drop it, as the study's seed is used; or add reseed: false",
            )
        seeded = ("seed" in parameters or open_ended) and "seed" not in options

        def make(seed: int) -> BaseSampler:
            sampler: BaseSampler = found(**options, seed=seed) if seeded else found(**options)
            return sampler

        self._path = path
        super().__init__(problem, make, reseeded=reseed)

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions of the class.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
            TunerError: The class raised.
        """
        with self._named(f"as it was asked for trial {first}"):
            return super().ask(first, count)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell the class of finished trials.

        Raises:
            TunerError: The class raised.
        """
        with self._named(f"as it was told of trial {trials[0].number}" if trials else ""):
            super().tell(trials)

    @contextmanager
    def _named(self, when: str) -> Iterator[None]:
        """What the class raises is its fault, and said to be."""
        try:
            yield
        except TunerError:
            raise
        except ImportError as error:
            raise TunerError(
                f"the sampler {self._path} cannot import what it needs: {error}",
                hint="install that and `tuner resume` the study, or take another sampler",
            ) from error
        except Exception as error:
            raise TunerError(
                f"the sampler {self._path} raised {type(error).__name__} {when}: {error}",
                hint="mend it and `tuner resume` the study, or take another sampler",
            ) from error


def _imported(path: object) -> type[Any]:
    expected = "an import path, pkg.mod:Class, for example optuna.samplers:GPSampler"
    if not isinstance(path, str) or ":" not in path:
        raise SweepError("the optuna sampler needs the option class", path="sampler.class", got=path, expected=expected)
    module, _, attribute = path.partition(":")
    found: Any
    try:
        found = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
    except Exception as error:  # the module may raise anything while it is imported
        raise SweepError(
            f"{path!r} cannot be imported: {type(error).__name__}: {error}", path="sampler.class", expected=expected
        ) from error
    if not (inspect.isclass(found) and issubclass(found, BaseSampler)):
        raise SweepError(f"{path!r} is no Optuna sampler", path="sampler.class", expected=expected)
    return found
