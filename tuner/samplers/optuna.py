"""The ``optuna`` sampler: any class that implements ``optuna.samplers.BaseSampler``, by its import path."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from optuna.exceptions import OptunaError
from optuna.samplers import BaseSampler

from tuner.core.ports import Problem, Suggestion
from tuner.errors import PluginFailed, SweepError, blamed, closest
from tuner.samplers._optuna import OptunaAdapter, quiet
from tuner.samplers._outsider import misfit
from tuner.study import trial_seed
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

        self._path, self._class = str(path), found
        first = [_built(lambda: make(trial_seed(problem.seed, -1)), str(path), found)]
        super().__init__(problem, lambda seed: first.pop() if first else make(seed), reseeded=reseed)

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions of the class.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
            PluginFailed: The class raised, or chose what is not in the space.
        """
        with blamed("sampler", self._path, self._class, f"for trial {first}"):
            found = super().ask(first, count)
        for number, suggestion in enumerate(found, first):
            wrong = misfit(self._space, suggestion.params)
            if wrong:
                raise PluginFailed("sampler", self._path, f"gave trial {number} {wrong}")
        return found

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell the class of finished trials.

        Raises:
            PluginFailed: The class raised.
        """
        with blamed("sampler", self._path, self._class, f"as trial {trials[0].number} ended" if trials else ""):
            super().tell(trials)


def _built(make: Callable[[], BaseSampler], path: str, found: type[Any]) -> BaseSampler:
    """The first one, once it is clear that it can suggest, as far as that can be known before it does.

    Raises:
        SweepError: Its constructor raised, or a library that it needs is not installed.
    """
    try:
        with quiet(), blamed("sampler", path, found):
            sampler = make()
            lacks = _lacking(sampler)
    except PluginFailed as error:
        cause = error.__cause__
        if isinstance(cause, ImportError):
            raise SweepError(
                f"{path} cannot be built here: {cause}", path="sampler.class", hint=_installing(cause)
            ) from cause
        if isinstance(cause, ValueError | TypeError | OptunaError):
            raise SweepError(f"{found.__qualname__} refuses its options: {cause}", path="sampler") from cause
        raise SweepError(error.message, path="sampler.class", hint="mend it, or take another") from cause
    if lacks:
        raise SweepError(
            f"{path} can suggest nothing here: it needs {lacks}, which is not installed",
            path="sampler.class",
            hint=_install(lacks),
        )
    return sampler


def _lacking(sampler: BaseSampler) -> str | None:
    """A library that is not installed, though the sampler, or one that it holds, imports it as soon as it suggests.

    Optuna stands placeholders in the modules of such samplers, ``_LazyImport("torch")``.
    """
    modules = [sys.modules[base.__module__] for base in type(sampler).__mro__ if base.__module__ in sys.modules]
    for module in modules:
        for value in list(vars(module).values()):
            if type(value).__name__ == "_LazyImport":
                library = str(value.__name__).partition(".")[0]
                if importlib.util.find_spec(library) is None:
                    return library
    held = [value for value in vars(sampler).values() if isinstance(value, BaseSampler)]
    return next((lacks for lacks in map(_lacking, held) if lacks), None)


def _install(library: str) -> str:
    named = f"pip install {library.replace('_', '-')}"
    if library in ("torch", "botorch", "gpytorch"):
        return f"{named}; or take `sampler: gp`, a Gaussian process of tuner's own that does without"
    return f"{named}, or take another sampler"


def _installing(error: ImportError) -> str | None:
    """What to install, as far as the error says what is missing."""
    found = re.search(r"No module named '([^'.]+)|Tried to import '([^'.]+)", str(error))
    library = (error.name or "").partition(".")[0] or (found and (found[1] or found[2]))
    return _install(library) if library else None


def _imported(path: object) -> type[Any]:
    expected = "an import path, pkg.mod:Class, for example optuna.samplers:GPSampler"
    if not isinstance(path, str) or ":" not in path:
        raise SweepError("the optuna sampler needs the option class", path="sampler.class", got=path, expected=expected)
    module, _, attribute = path.partition(":")
    found: Any
    try:
        found = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
    except ImportError as error:
        own = (error.name or "").partition(".")[0] == module.partition(".")[0]
        library = module.partition(".")[0].replace("_", "-")
        hint = f"is {module} beside the sweep file? If it is a library: pip install {library}" if own else None
        raise SweepError(
            f"{path!r} cannot be imported: {error}", path="sampler.class", hint=hint or _installing(error)
        ) from error
    except Exception as error:  # the module may raise anything while it is imported
        near = (
            closest(attribute, dir(sys.modules[module]))
            if isinstance(error, AttributeError) and module in sys.modules
            else None
        )
        raise SweepError(
            f"{path!r} cannot be imported: {type(error).__name__}: {error}",
            path="sampler.class",
            expected=expected,
            hint=f"did you mean {module}:{near}?" if near else None,
        ) from error
    if not (inspect.isclass(found) and issubclass(found, BaseSampler)):
        raise SweepError(f"{path!r} is no Optuna sampler", path="sampler.class", expected=expected)
    return found
