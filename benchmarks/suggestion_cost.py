"""What does one suggestion of ``tpe`` cost, next to Optuna's, and what does a finished trial cost to remember?

Times are CPU time, as other programs may share the machine. Every suggestion follows upon a new result, as in a study
at work, so nothing is served from what was computed before; one row shows a batch, where one fit serves them all. Both
samplers are given the same random history of eight parameters.
"""

from __future__ import annotations

import gc
import random
import sys
import time
import tracemalloc
import warnings
from functools import partial
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from benchmarks.harness import Result, arguments, publish, repeat, result
from tuner.core.ports import Problem
from tuner.samplers.random import RandomSampler
from tuner.samplers.tpe import TPESampler
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric
from tuner.trial import Trial, TrialState

SPACE = SearchSpace(
    {
        **{f"x{i}": Float(0.0, 1.0) for i in range(4)},
        "lr": Float(1e-5, 1.0, log=True),
        "depth": Int(2, 12),
        "units": Int(8, 512, log=True),
        "kind": Categorical(["a", "b", "c"]),
    }
)
ASKS = 30
BATCH = 64


def problem(seed: int) -> Problem:
    return Problem(SPACE, (Metric("loss"),), seed)


def losses(n: int, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.random() for _ in range(n)]


def ours(n: int, seed: int) -> TPESampler:
    """Our sampler with ``n`` finished trials."""
    sampler = TPESampler(problem(seed))
    for number, (suggestion, loss) in enumerate(
        zip(RandomSampler(problem(seed)).ask(0, n), losses(n, seed), strict=True)
    ):
        sampler.replay(number, suggestion)
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": loss})])
    return sampler


def theirs(n: int, seed: int) -> optuna.Study:
    """Optuna's default sampler with the same ``n`` finished trials, in memory."""
    space = distributions()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    drawn = RandomSampler(problem(seed)).ask(0, n)
    study.add_trials(
        [
            create_trial(params=dict(suggestion.params), distributions=space, value=loss)
            for suggestion, loss in zip(drawn, losses(n, seed), strict=True)
        ]
    )
    return study


def distributions() -> dict[str, BaseDistribution]:
    found: dict[str, BaseDistribution] = {}
    for name, d in SPACE.items():
        if isinstance(d, Float):
            found[name] = FloatDistribution(d.low, d.high, log=d.log)
        elif isinstance(d, Int):
            found[name] = IntDistribution(d.low, d.high, log=d.log)
        elif isinstance(d, Categorical):
            found[name] = CategoricalDistribution(d.choices)
    return found


def ours_ms(n: int, seed: int) -> float:
    """Milliseconds of a suggestion after every new result."""
    sampler = ours(n, seed)
    took_s = 0.0
    for number, loss in zip(range(n, n + ASKS), losses(ASKS, seed + 1), strict=True):
        began_s = time.process_time()
        (suggestion,) = sampler.ask(number, 1)
        took_s += time.process_time() - began_s
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": loss})])
    return took_s / ASKS * 1e3


def batch_ms(n: int, seed: int) -> float:
    """Milliseconds of one of a batch of suggestions."""
    sampler = ours(n, seed)
    began_s = time.process_time()
    sampler.ask(n, BATCH)
    return (time.process_time() - began_s) / BATCH * 1e3


def theirs_ms(n: int, asks: int, seed: int) -> float:
    """Milliseconds of ``Study.ask``, as ``ours_ms``."""
    study, space = theirs(n, seed), distributions()
    took_s = 0.0
    for loss in losses(asks, seed + 1):
        began_s = time.process_time()
        trial = study.ask(space)
        took_s += time.process_time() - began_s
        study.tell(trial, loss)
    return took_s / asks * 1e3


def memory_kib(n: int, seed: int) -> float:
    """KiB that the sampler holds for each finished trial, four rungs of reports included; parameters are the engine's."""
    drawn = RandomSampler(problem(seed)).ask(0, n)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sampler = TPESampler(problem(seed), multi_fidelity=True)
    for number, (suggestion, loss) in enumerate(zip(drawn, losses(n, seed), strict=True)):
        sampler.replay(number, suggestion)
        for step in (1, 3, 9, 27):
            sampler.report(number, step, {"loss": loss * step})
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": loss})])
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / n / 1024


def main() -> None:
    options = arguments(__doc__ or "")
    short, seed = options.short, options.seed
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    n_runs = 1 if short else 3
    results: list[Result] = []

    def add(n: int, who: str, ms: list[float], **more: Any) -> float:
        results.append(result(f"a suggestion after {n:,} trials", who, ms, "ms", **more))
        return sorted(ms)[len(ms) // 2]

    for n in (100, 1000) if short else (100, 1000, 10_000):
        asks = 5 if short or n >= 10_000 else ASKS
        their = add(n, "optuna, TPESampler", repeat(partial(theirs_ms, n, asks, seed), n_runs))
        ms = repeat(partial(ours_ms, n, seed), n_runs)
        ratio = their / sorted(ms)[len(ms) // 2]
        bar = {"bar": "at least 20 x cheaper", "met": ratio >= 20} if n == 10_000 else {}
        add(n, "tuner, tpe", ms, notes={"times_cheaper": round(ratio, 1)}, **bar)
    large = 2000 if short else 100_000
    ms = repeat(partial(ours_ms, large, seed), n_runs)
    add(large, "tuner, tpe", ms, bar="at most 5 ms", met=max(ms) <= 5.0)
    add(large, f"tuner, tpe, {BATCH} at once", repeat(partial(batch_ms, large, seed), n_runs))
    kib = [memory_kib(500 if short else 10_000, seed)]
    results.append(result("sampler's memory", "tuner, tpe", kib, "KiB/trial", bar="at most 3", met=kib[0] <= 3.0))
    publish("suggestion_cost", results, seed=seed, short=short)
    sys.exit(0 if short or all(row.met is not False for row in results) else 1)


if __name__ == "__main__":
    main()
