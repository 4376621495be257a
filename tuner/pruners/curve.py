"""The ``curve`` pruner: extrapolate a trial's learning curve, and stop it when its end will hardly be among the best."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tuner.core.ports import Pruner, Verdict
from tuner.errors import SweepError
from tuner.pruners._learning import Forecast, LearningCurve
from tuner.pruners._options import at_least
from tuner.pruners._quantile import Interval
from tuner.pruners._sorted import SortedValues
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["CurvePruner"]

LEAST_ERRORS = 5  # forecasts from about the same step whose end is known, before any is acted on


@dataclass(slots=True)
class _Errors:
    """How far off forecasts from about the same step were, once their trials had ended."""

    count: int = 0
    squares: float = 0.0


@dataclass(slots=True)
class _Running:
    """A running trial.

    Attributes:
        best: Its best value so far, small being good.
        forecasts: (octave, mean) of the first forecast in each octave of steps.
    """

    curve: LearningCurve = field(default_factory=LearningCurve)
    best: float = math.inf
    last_step: int = -1
    forecasts: list[tuple[int, float]] = field(default_factory=list)


class CurvePruner(Pruner):
    """Stops a trial when its learning curve, extrapolated to the end, will hardly be among the best finished ones.

    In the spirit of Domhan, Springenberg, Hutter, *Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks
    by Extrapolation of Learning Curves*, IJCAI 2015: parametric curves are fitted to what a trial has reported, and it stops
    when the probability that its value at ``max`` is at least as good as the ``top``-th best COMPLETE trial's is below
    ``p_threshold``. A trial whose best value so far is that good already is never stopped.

    Deviations from the paper: four power laws and a logarithm, averaged by their likelihood at the best fit, in place of
    eleven families averaged by Markov chains: they are linear but for the power, so each is fitted exactly by running sums,
    in the same time and memory at any step. And since no parametric family is right, a forecast is trusted as far as earlier
    ones were: the mean square error of forecasts from about the same step (the same power of 2), for trials that were then
    COMPLETE, is added to its variance, and nothing is stopped at a step before five of these are known.

    Args:
        metric: What is compared.
        max: Step at which trials end by themselves; None for the largest step of a COMPLETE trial so far.
        p_threshold: Below which probability a trial is stopped: 0 to 1.
        top: Among how many of the best COMPLETE trials a trial should end to be worth finishing, at least 1. With 1 good
            trials are stopped as soon as they will hardly be the very best, which misleads samplers that learn from values.
        n_startup_trials: How many trials must be COMPLETE before any is stopped, at least 0 (5, and ``top``, in effect).
        n_warmup_steps: No trial is stopped at a step below this, at least 0.
        interval_steps: A trial is judged at its first report in each interval of that many steps, counted from
            ``n_warmup_steps``; at least 1.
        n_min_reports: How many reports a curve must have, at least 3.

    Raises:
        SweepError: An option is out of range.
    """

    def __init__(  # noqa: PLR0913 -- the options of the sweep file, all by keyword
        self,
        metric: Metric,
        *,
        max: int | None = None,
        p_threshold: float = 0.05,
        top: int = 3,
        n_startup_trials: int = 10,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
        n_min_reports: int = 4,
    ) -> None:
        if max is not None:
            at_least("max", max, 1)
        at_least("p_threshold", p_threshold, 0, whole=False)
        if p_threshold > 1:
            raise SweepError("p_threshold must be at most 1", path="pruner.p_threshold", got=p_threshold)
        at_least("top", top, 1)
        at_least("n_startup_trials", n_startup_trials, 0)
        at_least("n_min_reports", n_min_reports, 3)
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._metric, self._p_threshold, self._top = metric, p_threshold, top
        self._end, self._learns_end = (0, True) if max is None else (max, False)
        self._needed = top if top > n_startup_trials else n_startup_trials
        self._interval, self._min_reports = Interval(n_warmup_steps, interval_steps), n_min_reports
        self._finals = SortedValues()
        self._errors: dict[int, _Errors] = {}
        self._running: dict[int, _Running] = {}

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Extrapolate what the trial has reported so far."""
        if not math.isfinite(value):
            return None
        state = self._running.get(trial)
        if state is None:
            state = self._running[trial] = _Running()
        earlier, state.last_step = state.last_step, step
        state.curve.add(step + 1.0 if step > 0 else 1.0, self._sign * value)
        state.best = min(state.best, self._sign * value)
        if state.curve.count < self._min_reports or step >= self._end or not self._interval.begins(earlier, step):
            return None
        forecast = state.curve.forecast(self._end + 1.0)
        octave = step.bit_length()
        if not state.forecasts or state.forecasts[-1][0] < octave:
            state.forecasts.append((octave, forecast.mean))
        errors = self._errors.get(octave)
        if errors is None or errors.count < LEAST_ERRORS or len(self._finals) < self._needed:
            return None
        return self._compare(state, step, forecast, errors.squares / errors.count)

    def _compare(self, state: _Running, step: int, forecast: Forecast, variance: float) -> Verdict | None:
        bar = self._finals[self._top - 1]
        if state.best <= bar and not self.explains:
            return None
        p = forecast.p_upto(bar, variance)
        stops = p < self._p_threshold and state.best > bar
        if not stops and not self.explains:
            return None
        which = "best" if self._top == 1 else f"number {self._top}"
        reason = (
            f"its curve points to {self._sign * forecast.mean:.6g} (give or take {math.sqrt(variance):.2g}) at step "
            f"{self._end}: it ends as good as {self._sign * bar:.6g}, {which} of {len(self._finals)} finished trials, with "
            f"probability {p:.2g}, {'' if p < self._p_threshold else 'not '}below {self._p_threshold:g}"
        )
        if state.best <= bar:
            reason += ", and it has been as good already"
        return Verdict("stop" if stops else "go", reason, step=step, threshold=self._sign * bar)

    def finish(self, trial: Trial) -> None:
        """Forget the trial's curve; of a COMPLETE one, learn how it ended and how far off its forecasts were."""
        state = self._running.pop(trial.number, None)
        value = trial.values.get(self._metric.name)
        if trial.state != TrialState.COMPLETE or value is None or not math.isfinite(value):
            return
        self._finals.add(self._sign * value)
        if self._learns_end and (trial.last_step or 0) > self._end:
            self._end = trial.last_step or 0
        for octave, mean in state.forecasts if state else ():
            errors = self._errors.get(octave)
            if errors is None:
                errors = self._errors[octave] = _Errors()
            errors.count += 1
            errors.squares += (mean - self._sign * value) ** 2
