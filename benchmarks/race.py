"""One run of one method on one problem: its record, and the two simulations that make it, the engine's and the peers'.

Both are discrete-event simulations of W workers and one driver. Virtual time goes on by the trials' runtimes and by the CPU
seconds that the driver spends (asking, telling, judging, the core, the log), measured while the run happens: while the driver
is busy, workers that became free wait. Evaluating the problem costs nothing. Hence utilisation and time to a target are
honest, and repeat only as far as the machine does.
"""

from __future__ import annotations

import heapq
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.problems import Problem
from tuner.trial import Params

__all__ = ["Job", "Method", "Race", "Run", "race"]


@dataclass(frozen=True, slots=True)
class Race:
    """What is run.

    Attributes:
        problem: The name of the problem.
        workers: How many trials run at once.
        seed: Of the method.
        trials: How many trials are begun at most; None for no limit.
        time_s: Virtual time after which nothing counts; None for no limit.
        cap_s: CPU seconds of the driver after which the run is cut off, and said to be; what it had found counts.
    """

    problem: str
    workers: int
    seed: int
    trials: int | None = None
    time_s: float | None = None
    cap_s: float = 60.0


@dataclass(slots=True)
class Run:
    """What came out.

    Attributes:
        curve: (virtual seconds, regret) at each completed trial of full fidelity that was better than all before.
        n_trials: Trials begun.
        n_full: Trials that reached the full fidelity.
        utilisation: Share of the workers' time that trials took, until the last trial was begun.
        driver_s: CPU seconds of the driver.
        end_s: Virtual time at the end.
        cut: Whether ``cap_s`` ended it.
        best: The best parameters.
    """

    curve: list[tuple[float, float]] = field(default_factory=list)
    n_trials: int = 0
    n_full: int = 0
    utilisation: float = 0.0
    driver_s: float = 0.0
    end_s: float = 0.0
    cut: bool = False
    best: dict[str, Any] = field(default_factory=dict)

    def completed(self, at_s: float, regret: float, params: Params) -> None:
        """A trial reached the full fidelity."""
        self.n_full += 1
        if not self.curve or regret < self.curve[-1][1]:
            self.curve.append((at_s, regret))
            self.best = dict(params)


def utilisation(stretches: Iterable[tuple[float, float]], workers: int, until_s: float) -> float:
    """Share of ``workers`` times ``until_s`` that the stretches (begin, end) cover."""
    busy_s = sum(max(0.0, min(end, until_s) - begin) for begin, end in stretches)
    return busy_s / (workers * until_s) if until_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to do.

    Attributes:
        key: The method's own name of it.
        params: What to try, complete.
        begin: How many of the problem's steps are behind it already (a trial that goes on).
        end: After how many steps it is over; None for all.
    """

    key: Any
    params: Params
    begin: int = 0
    end: int | None = None


class Method(ABC):
    """A search, as the simulation drives it.

    Args:
        problem: What is searched.
        race: How.
    """

    def __init__(self, problem: Problem, race: Race) -> None:
        self.problem, self.race = problem, race

    @abstractmethod
    def ask(self) -> Job | None:
        """What a free worker is to do; None when it must wait for a result."""

    def report(self, job: Job, step: int, value: float) -> bool:
        """A value at a step that is not the job's last; whether the job goes on. The worker waits for the answer."""
        return True

    @abstractmethod
    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        """The job is over: at its last step, or stopped by ``report``."""


@dataclass(slots=True)
class _Working:
    job: Job
    position: int  # steps done
    stretches: list[tuple[float, float]]


class _Simulation:
    """Workers of one method; see the module."""

    def __init__(self, make: Callable[[Problem, Race], Method], problem: Problem, race: Race) -> None:
        self._problem, self._race = problem, race
        self._agenda: list[tuple[float, int, _Working]] = []
        self._n_scheduled = 0
        self._free = race.workers
        self._now_s = self._last_start_s = 0.0
        self._stretches: list[tuple[float, float]] = []
        self.run = Run()
        self._method = self._charged(lambda: make(problem, race))

    def go(self) -> Run:
        race, run = self._race, self.run
        waiting = False
        while not run.cut and (race.time_s is None or self._now_s < race.time_s):
            late = bool(self._agenda) and self._agenda[0][0] <= self._now_s
            if self._free and not waiting and not late and (race.trials is None or run.n_trials < race.trials):
                waiting = not self._begin()
            elif self._agenda:
                at_s, _, working = heapq.heappop(self._agenda)
                self._now_s = max(self._now_s, at_s)
                waiting = self._step(working, at_s) and waiting
            else:
                break
            run.cut = run.driver_s > race.cap_s
        until_s = self._now_s if race.trials is None else self._last_start_s
        open_ends = [stretch for _, _, working in self._agenda for stretch in working.stretches]
        run.utilisation = utilisation([*self._stretches, *open_ends], race.workers, until_s)
        run.end_s = self._now_s
        return run

    def _charged(self, act: Callable[[], Any]) -> Any:
        before_s = time.process_time() - self._problem.spent_s
        answer = act()
        took_s = time.process_time() - self._problem.spent_s - before_s
        self.run.driver_s += took_s
        self._now_s += took_s
        return answer

    def _begin(self) -> bool:
        job: Job | None = self._charged(self._method.ask)
        if job is None:
            return False
        self._free -= 1
        self.run.n_trials += job.begin == 0
        self._last_start_s = self._now_s
        self._go_on(_Working(job, job.begin, []), self._now_s)
        return True

    def _go_on(self, working: _Working, from_s: float) -> None:
        course, position = self._problem.course(working.job.params), working.position
        before_s = course.at_s[position - 1] if position else 0.0
        at_s = from_s + course.at_s[position] - before_s
        working.stretches.append((from_s, at_s))
        self._n_scheduled += 1
        heapq.heappush(self._agenda, (at_s, self._n_scheduled, working))

    def _step(self, working: _Working, at_s: float) -> bool:
        """Handle what a worker has reached; whether nothing changed that a waiting method may wait for."""
        job, problem = working.job, self._problem
        value, step = problem.course(job.params).values[working.position], problem.steps[working.position]
        working.position += 1
        over = working.position == (job.end or len(problem.steps))
        if not over:
            if self._charged(lambda: self._method.report(job, step, value)):
                self._go_on(working, self._now_s)
                return True
        elif working.position == len(problem.steps) and (self._race.time_s is None or at_s <= self._race.time_s):
            self.run.completed(at_s, value, job.params)
        self._charged(lambda: self._method.tell(job, step, value, stopped=not over))
        self._stretches += working.stretches
        self._free += 1
        return False


def race(make: Callable[[Problem, Race], Method], problem: Problem, race: Race) -> Run:
    """Run a method to the end of a race."""
    return _Simulation(make, problem, race).go()
