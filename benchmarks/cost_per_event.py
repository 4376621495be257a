"""What does one event cost: in the core, in a simulated cluster of 10,000 workers, on resume, and in memory?"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
import tracemalloc
from functools import partial
from pathlib import Path

from benchmarks.harness import Result, arguments, publish, repeat, result
from tuner.api import open_store
from tuner.core.events import Event, Finished, NodeJoined, Reported, Started, StudyOpened, Suggested
from tuner.core.ports import StudyLog
from tuner.engine import replay
from tuner.executors.simulated import Simulated
from tuner.resources import Node, Resources, Usage
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.testing.simulation import ListLog, ModelObjective, driver_parts, simulate
from tuner.trial import Completed

SPACE = SearchSpace(
    {
        **{f"x{i}": Float(0.0, 1.0) for i in range(6)},
        "lr": Float(1e-5, 1.0, log=True),
        "depth": Int(2, 12),
        "units": Int(8, 512, log=True),
        "kind": Categorical(["a", "b", "c"]),
    }
)


def spec(trials: int, seed: int, sampler: str = "random", pruner: str = "asha") -> StudySpec:
    return StudySpec(
        name="cost",
        metrics=(Metric("loss"),),
        space=SPACE,
        objective=PluginSpec("model"),
        sampler=PluginSpec(sampler),
        pruner=PluginSpec(pruner),
        limits=Limits(trials=trials),
        seed=seed,
    )


class CountingLog(ListLog):
    """Counts, keeps nothing."""

    n_events = 0

    def append(self, events, entries):
        self.n_events += len(events)


def finished_log(trials: int, reports: int, seed: int, sampler: str) -> list[Event]:
    """The log of a study whose trials all ran to their end, two at a time."""
    plan = spec(trials + 1, seed, sampler, "none")
    _, chooser = driver_parts(spec(trials + 1, seed, "random", "none"))
    events: list[Event] = [StudyOpened(0.0, plan), NodeJoined(0.0, Node("n", Resources(2.0, 0.0, 4096.0)))]
    for number, suggestion in enumerate(chooser.ask(0, trials)):
        at_s = float(number)
        events.append(Suggested(at_s, number, suggestion.params, suggestion.state))
        events.append(Started(at_s, number, 1, "n"))
        events += [Reported(at_s, number, 1, step, {"loss": 1.0 / step}) for step in range(1, reports + 1)]
        events.append(Finished(at_s, number, 1, Completed({"loss": number % 997 / 997}), Usage(100.0, 1.0, 1.0)))
    return events


def core_us(trials: int, seed: int) -> float:
    """Microseconds of ``Scheduler.handle`` per event, ASHA judging, on a log with five reports a trial."""
    log = simulate(spec(trials, seed), Simulated(nodes=100), ModelObjective(steps=5)).log.events
    core, _ = driver_parts(spec(trials, seed))
    gc.collect()
    began = time.perf_counter()
    for event in log:
        core.handle(event)
    return (time.perf_counter() - began) / len(log) * 1e6


def simulated_s(workers: int, trials: int, seed: int) -> tuple[float, int]:
    log = CountingLog()
    began = time.perf_counter()
    simulate_lean(spec(trials, seed), Simulated(nodes=workers), log)
    return time.perf_counter() - began, log.n_events


def simulate_lean(plan: StudySpec, cluster: Simulated, log: StudyLog) -> None:
    """As ``tuner.testing.simulate``, without keeping every action."""
    from tuner.engine import Engine

    core, sampler = driver_parts(plan)
    cluster.open(plan, ModelObjective(steps=5), Path())
    Engine(core, sampler, cluster, log).run([StudyOpened(0.0, plan)])


def resume_s(trials: int, reports: int, seed: int, sampler: str) -> float:
    """Seconds from an SQLite store with finished trials to a driver that could go on."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/tuner.db")
        events = finished_log(trials, reports, seed, sampler)
        plan = spec(trials + 1, seed, sampler, "asha")
        events[0] = StudyOpened(0.0, plan)
        log = store.create(plan, {})
        for begin in range(0, len(events), 5000):
            log.append(events[begin : begin + 5000], [])
        log.close("INTERRUPTED")
        gc.collect()
        began = time.perf_counter()
        log = store.acquire("cost")
        core, chooser = driver_parts(plan)
        replay(core, chooser, log.read())
        took = time.perf_counter() - began
        log.close("INTERRUPTED")
        store.close()
    return took


def memory_kib(trials: int, seed: int, sampler: str) -> float:
    """KiB that core and sampler hold for each finished trial, ten parameters each."""
    events = finished_log(trials, 2, seed, sampler)
    core, chooser = driver_parts(events[0].spec)  # type: ignore[union-attr]
    copies = [_copied(event) for event in events]
    del events
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    # Events are made anew while memory is traced: in a driver the parameters come from the sampler and are kept by it.
    replay(core, chooser, [_copied(event) for event in copies])
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / trials / 1024


def _copied(event: Event) -> Event:
    if isinstance(event, Suggested):
        params = json.loads(json.dumps(dict(event.params)))  # numbers of their own, as from a sampler
        return Suggested(event.at_s, event.trial, params, event.sampler_state)
    return event


def main() -> None:
    options = arguments(__doc__ or "")
    short, seed = options.short, options.seed
    n = 1 if short else 5
    results: list[Result] = []
    us = repeat(lambda: core_us(300 if short else 4000, seed), n)
    results.append(result("core", "tuner", us, "us/event", bar="at most 20", met=sorted(us)[len(us) // 2] <= 20))
    workers, trials = (100, 2000) if short else (10_000, 200_000)
    took, n_events = simulated_s(workers, trials, seed)
    question = f"{workers:,} workers, {trials:,} trials simulated"
    results.append(result(question, "tuner", [took], "s", bar="under 60", met=took < 60, notes={"events": n_events}))
    trials = 500 if short else 10_000
    for sampler in ("random", "tpe"):
        s = repeat(partial(resume_s, trials, 20, seed, sampler), 1 if short else 3)
        question, who = f"resume {trials:,} trials x 20 reports", f"tuner, {sampler}"
        results.append(result(question, who, s, "s", bar="at most 10", met=max(s) <= 10))
    for sampler, bar in (("random", 3.0), ("tpe", 8.0)):
        kib = [memory_kib(trials, seed, sampler)]
        results.append(
            result("driver memory", f"tuner, {sampler}", kib, "KiB/trial", bar=f"at most {bar:g}", met=kib[0] <= bar)
        )
    publish("cost_per_event", results, seed=seed, short=short)
    sys.exit(0 if short or all(row.met is not False for row in results) else 1)


if __name__ == "__main__":
    main()
