"""The composition root: a sweep -> parts -> engine -> the best model.

Whatever the caller can have done wrong is found before the store is written: the sweep is read, the plug-ins are built, the
objective is prepared (data, metric, parameters) and the executor is opened first. Ray starts while the data are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tuner import plugins, provenance
from tuner.api._elsewhere import executor_before, reaching
from tuner.api.again import check_same, moved_objective, new_limits
from tuner.api.options import Observer, RunOptions
from tuner.api.prior import Recalled, recall
from tuner.api.regret import RegretWatch
from tuner.api.sampling import (
    CONTINUING,
    build_sampler,
    check_training,
    folder_of,
    training_notes,
    with_first,
    without_checkpoints,
)
from tuner.api.signals import Interrupts, terminable
from tuner.api.stores import find_study, has_store, open_store, store_folder, store_url
from tuner.api.study import Study
from tuner.cluster.address import parse_address
from tuner.core.actions import Close
from tuner.core.events import Event, Informed, StudyOpened, StudyResumed
from tuner.core.ports import Executor, FinalModel, Objective, Pruner, Sampler, Store, StudyLog
from tuner.core.scheduler import Scheduler
from tuner.engine import Engine, replay
from tuner.errors import DataError, NoNodeFits, ObjectiveError, PluginFailed, StudyExists, SweepError
from tuner.study import Limits, PluginSpec, StudySpec
from tuner.sweep import Sweep, known_types
from tuner.trial import Attempt, Trial

__all__ = ["Prepared", "check_prior", "executor_before", "prepare", "resume_study", "run_sweep"]

FAILED_REASONS = frozenset({"failures"})


@dataclass(slots=True)
class Prepared:
    """The parts of a study, checked, before anything is written.

    Attributes:
        notes: What is no mistake, and should be known before it starts.
    """

    spec: StudySpec
    objective: Objective
    sampler: Sampler
    core: Scheduler
    notes: Sequence[str] = ()


def prepare(spec: StudySpec, objective: Objective | None = None) -> Prepared:
    """Build and check the parts of a study: everything that can be known to be wrong is raised here.

    Args:
        spec: What is asked for.
        objective: What is trained; None to build it from ``spec.objective``.

    Raises:
        TunerError: What the caller must mend.
    """
    if objective is None:
        objective = cast(Objective, plugins.build("objective", spec.objective))
    pruner: Pruner = plugins.build("pruner", spec.pruner, spec.metric)
    sampler = build_sampler(spec, pruner)
    objective.prepare(spec)
    check_training(spec, objective)
    if spec.resources.gpu is None and objective.uses_gpu is False:
        spec = replace(spec, resources=replace(spec.resources, gpu=0.0))
    notes = training_notes(spec, pruner, objective)
    return Prepared(spec, objective, sampler, Scheduler(spec, pruner), notes)


def check_prior(parts: Prepared, url: str | None) -> Sequence[str]:
    """What earlier studies would give, a sentence for each; a store that is not there yet is not made.

    Raises:
        SweepError: A study that is named is not there, or nothing of any can be used.
        StoreError: The store cannot be read.
    """
    if not parts.spec.prior:
        return ()
    store = open_store(url if has_store(url) else "memory://")
    try:
        return _recalled(parts, store)[1].notes
    finally:
        store.close()


def _recalled(parts: Prepared, store: Store) -> tuple[Prepared, Recalled]:
    """What earlier studies give, and the parts that make use of it."""
    spec = parts.spec
    if not spec.prior:
        return parts, Recalled()
    known = recall(spec, parts.objective.describe(), store)
    spec = with_first(spec, known.first, known.trials)
    pruner: Pruner = plugins.build("pruner", spec.pruner, spec.metric)
    sampler, core = build_sampler(spec, pruner), Scheduler(spec, pruner)
    return Prepared(spec, parts.objective, sampler, core, parts.notes), known


def run_sweep(
    sweep: Sweep, options: RunOptions, observer: Observer | None = None, objective: Objective | None = None
) -> Study:
    """Run a sweep to its end.

    Args:
        sweep: From ``tuner.sweep.load``.
        options: How to run it.
        observer: Who watches; None for nobody.
        objective: What is trained when the sweep cannot name it (a closure); None to build it from the sweep.

    Returns:
        The study; ``state`` is ``COMPLETE``, ``FAILED`` or, after an interruption, ``INTERRUPTED``.

    Raises:
        TunerError: What the caller must mend; nothing was written then.
    """
    url = store_url(options.store or sweep.store)
    spec = replace(sweep.spec, limits=_limits(sweep.spec.limits, options.limits))
    with ExitStack() as stack:
        stack.enter_context(terminable(active=options.handle_signals))
        store = open_store(url)
        stack.callback(store.close)
        spec = replace(spec, name=_free_name(store, options.name or spec.name, options.if_exists))
        if options.if_exists == "resume" and _exists(store, spec.name):
            before = store.study(spec.name).spec
            if sweep.file is not None:
                check_same(before, spec)
                objective = objective or moved_objective(before, spec)
            limits = {**new_limits(before, spec), **options.limits}
            return resume_study(spec.name, replace(options, store=url, limits=limits), observer, objective)
        where = _at_address(options.executor or sweep.executor or PluginSpec("ray"), options.address)
        executor = _executor(where)
        stack.callback(executor.close)
        executor.warm_up()
        stack.enter_context(plugins.beside(sweep.file.parent if sweep.file is not None else None))
        _tell(observer, "reading the data")
        try:
            parts, known = _recalled(prepare(spec, objective), store)
        except SweepError as error:
            sweep.locate(error)
            raise
        spec = parts.spec
        for note in [*known.notes, *(f"note: {note}" for note in parts.notes)]:
            _tell(observer, note)
        _tell(observer, "starting the workers")
        executor.open(spec, parts.objective, *_folders(url, spec.name))
        facts = provenance.collect(sweep.text, sweep.file, parts.objective.describe())
        facts = {**facts, "executor": {"type": where.type, "options": dict(where.options)}}
        facts |= {"prior": known.notes} if known.notes else {}
        log = store.create(spec, facts)
        first: list[Event] = [StudyOpened(executor.now_s(), spec)]
        if known.trials:
            first.append(Informed(executor.now_s(), ", ".join(known.studies), tuple(known.trials)))
        try:
            return _Run(url, parts, executor, log, observer, facts).go(first, options)
        except NoNodeFits:
            store.delete(spec.name)  # nothing ran, and nothing ever could: it leaves no trace
            raise


def resume_study(
    name: str, options: RunOptions, observer: Observer | None = None, objective: Objective | None = None
) -> Study:
    """Take a study up where its log ends: finished trials are kept, interrupted ones get a new attempt.

    Args:
        name: Its name, an unambiguous beginning of it, or ``@latest``.
        options: How to run it; ``limits`` replace those it had.
        observer: Who watches; None for nobody.
        objective: What is trained, when the study cannot name it; None to build it anew.

    Raises:
        StudyNotFound: There is no such study.
        StoreLocked: A living driver runs it.
        DataError: The data are not those that it began with.
        ClusterUnreachable: The cluster is not reached, as from a machine outside of it whose job the study was.
    """
    url = store_url(options.store)
    with ExitStack() as stack:
        stack.enter_context(terminable(active=options.handle_signals))
        store = open_store(url)
        stack.callback(store.close)
        info = find_study(store, name)
        if info.state == "COMPLETE" and not options.limits:
            return Study(info.name, url)
        where = _at_address(options.executor or executor_before(info.provenance), options.address)
        _check_changes(info.spec, options.limits, where)
        executor = _executor(where)
        stack.callback(executor.close)
        with reaching(info, where, chosen=options.address is not None):
            log = store.acquire(info.name)
            # Should it not come to running: a study that had ended has ended still.
            stack.callback(log.close, "INTERRUPTED" if info.state == "RUNNING" else info.state, info.closed_reason)
            executor.warm_up()
            stack.enter_context(plugins.beside(folder_of(info)))
            _tell(observer, "reading the data and the log")
            parts = prepare(info.spec, objective or _named_objective(info.spec))
            _check_data(info.provenance, parts.objective)
            replay(parts.core, parts.sampler, log.read())
            _tell(observer, "starting the workers")
            executor.open(info.spec, parts.objective, *_folders(url, info.name))
        limits = _limits(parts.core.limits, options.limits) if options.limits else None
        first: list[Event] = [StudyResumed(executor.now_s(), limits)]
        run = _Run(url, parts, executor, log, observer, info.provenance)
        return run.go(first, options, before=store.trials(info.name))


class _Run:
    """One driver's life with one study."""

    def __init__(
        self,
        url: str,
        parts: Prepared,
        executor: Executor,
        log: StudyLog,
        observer: Observer | None,
        facts: Mapping[str, Any],
    ) -> None:
        self._url, self._parts, self._executor, self._log = url, parts, executor, log
        self._observer, self._facts = observer, facts
        self._name = parts.spec.name

    def go(self, first: Sequence[Event], options: RunOptions, *, before: Sequence[Trial] = ()) -> Study:
        signals, self._fits_best = options.handle_signals, options.fits_best
        engine = Engine(self._parts.core, self._parts.sampler, self._executor, self._log, self._committed)
        self._watch = RegretWatch(self._parts.spec, self._parts.core, engine.request)
        self._watch.know(before)
        if self._observer:
            self._observer.opened(self._parts.spec, self._details())
        try:
            with Interrupts(engine.request, active=signals):
                closed = engine.run(first)
            study = self._concluded(closed, signals=signals)
        except PluginFailed as error:
            self._log.close("FAILED", error.message)
            study = Study(self._name, self._url, error=error)
        except BaseException as error:
            # Also KeyboardInterrupt: the log says how far it came, and anybody may resume it.
            self._log.close("INTERRUPTED", f"the driver failed: {type(error).__name__}" if str(error) else None)
            raise
        study.nodes = self._parts.core.nodes
        if self._observer:
            self._observer.closed(study)
        return study

    def _committed(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        if self._observer:
            self._observer.update(events, entries)
        self._watch.update(events, entries)

    def _concluded(self, closed: Close | None, *, signals: bool) -> Study:
        """Fit and save the model; there is nothing to drain then, so one Ctrl-C ends it, and resuming fits again."""
        try:
            return self._conclude(closed)
        except KeyboardInterrupt:
            if not signals:
                raise
            self._log.close("INTERRUPTED", "interrupted before the model was saved; it can be resumed")
            return Study(self._name, self._url)

    def _details(self) -> dict[str, str]:
        details = {"store": self._url, "logs": str(store_folder(self._url) / "logs" / self._name)}
        details["executor"] = type(self._executor).__module__.rpartition(".")[2]
        dashboard = getattr(getattr(self._executor, "cluster", None), "dashboard_url", None)
        details |= {"prior": "; ".join(self._facts["prior"])} if self._facts.get("prior") else {}
        return details | ({"dashboard": dashboard} if dashboard else {})

    def _conclude(self, closed: Close | None) -> Study:
        if closed is None or closed.reason == "drained":
            self._log.close("INTERRUPTED", "interrupted; it can be resumed")
            return Study(self._name, self._url)
        self._executor.tidy(self._parts.core.checkpoints)
        study = Study(self._name, self._url)
        if closed.reason in FAILED_REASONS or study.best_trial is None:
            reason = closed.message if study.best_trial else f"{closed.message}; no trial completed"
            self._log.close("FAILED", reason)
            return Study(self._name, self._url)
        model, error = self._finalize(study)
        if model is not None:
            self._log.set_model(str(model.path))
        log = self._log.read() if self._parts.spec.sampler.type in CONTINUING else ()
        anew = without_checkpoints(self._parts.spec, self._parts.core.promotions, log)
        self._log.close("COMPLETE", closed.message + anew)
        return Study(self._name, self._url, model=model, model_error=error)

    def _finalize(self, study: Study) -> tuple[FinalModel | None, str | None]:
        best, objective = study.best_trial, self._parts.objective
        assert best is not None
        if not self._fits_best or type(objective).finalize is Objective.finalize:
            return None, None
        _tell(self._observer, "fitting the best parameters on all tuning rows")
        folder = store_folder(self._url) / "models" / self._name
        lineage = {"study": self._name, "store": provenance.masked(self._url), "provenance": dict(self._facts)}
        try:
            return objective.finalize(best, self._parts.spec, folder, lineage), None
        except Exception as error:
            # The sweep is done and its results are safe: a model that cannot be made must not undo that.
            return None, f"{type(error).__name__}: {error}"


def _tell(observer: Observer | None, text: str) -> None:
    if observer:
        observer.phase(text)


def _limits(limits: Limits, changes: Mapping[str, Any]) -> Limits:
    known = Limits.__dataclass_fields__
    for name in changes:
        if name not in known:
            raise SweepError("unknown limit", path=f"limits.{name}", expected=f"one of {', '.join(known)}")
    return replace(limits, **changes)


def _check_changes(spec: StudySpec, changes: Mapping[str, Any], where: PluginSpec) -> None:
    """Limits that a study is resumed with must mean something to it."""
    if changes.get("cost") is not None and spec.prices is None and not any(t.price_h for t in known_types(where)):
        raise SweepError(
            "the study does not say what running costs", path="limits.cost", hint="limit it by trials, steps or time"
        )
    if changes.get("regret") is not None and len(spec.metrics) > 1:
        raise SweepError(
            "the regret bound is about one metric, and the study has several", path="limits.regret", hint="use patience"
        )


def _exists(store: Store, name: str) -> bool:
    return any(info.name == name for info in store.studies())


def _free_name(store: Store, name: str, if_exists: str) -> str:
    taken = {info.name for info in store.studies()}
    if name not in taken or if_exists == "resume":
        return name
    if if_exists == "new":
        return next(f"{name}-{n}" for n in range(2, len(taken) + 3) if f"{name}-{n}" not in taken)
    raise StudyExists(
        f"the store holds a study called {name!r} already",
        hint=f"`tuner resume {name}` goes on with it, `--new` takes the next free name, `--name` another one",
    )


def _folders(url: str, name: str) -> tuple[Path, Path]:
    """For a study's logs and for its checkpoints."""
    folder = store_folder(url)
    return folder / "logs" / name, folder / "checkpoints" / name


def _at_address(spec: PluginSpec, address: str | None) -> PluginSpec:
    if address is None:
        return spec
    if spec.type != "ray":
        raise SweepError(
            f"executor {spec.type!r} has no address", path="address", got=address, expected="executor: ray"
        )
    return PluginSpec("ray", {**spec.options, "address": address})


def _executor(spec: PluginSpec) -> Executor:
    if spec.type == "ray" and isinstance(spec.options.get("address"), str):
        parse_address(spec.options["address"])  # what is no address is said before the data are read
    return cast(Executor, plugins.build("executor", spec))


def _named_objective(spec: StudySpec) -> Objective | None:
    if spec.objective.options.get("unnamed"):
        raise ObjectiveError(
            f"study {spec.name!r} trains a Python object that it cannot find again by name",
            hint="resume it from Python and pass the same objective: tuner.resume(name, objective=...)",
        )
    return None


def _check_data(facts: Mapping[str, Any], objective: Objective) -> None:
    was, is_ = (_data_sha256(description) for description in (facts.get("objective"), objective.describe()))
    if was and is_ and was != is_:
        raise DataError(
            f"the data have changed since the study began: SHA-256 was {was[:12]}..., is {is_[:12]}...",
            hint="put the old data back, or start a new study with `tuner run --new`",
        )


def _data_sha256(description: Mapping[str, Any] | None) -> str | None:
    """The fingerprint of the table that trials see, as the estimator objective describes it."""
    data = (description or {}).get("data")
    return data.get("table_sha256") if isinstance(data, Mapping) else None
