"""The ``wilcoxon`` pruner: race over folds or instances, and stop a trial that is surely worse than the best finished one."""

from __future__ import annotations

import math
from typing import Literal

from tuner.core.ports import Pruner, Verdict
from tuner.errors import SweepError
from tuner.pruners._options import at_least
from tuner.pruners._signed_rank import p_greater
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["WilcoxonPruner"]


class WilcoxonPruner(Pruner):
    """Racing by Wilcoxon's signed-rank test (Wilcoxon 1945), in the form of Optuna's ``WilcoxonPruner``.

    Here a step is no progress but one of several folds or problem instances, the same for all trials, and the trial's final
    value is their mean. A trial stops when the one-sided signed-rank test over the steps that it has in common with the best
    COMPLETE trial says, with p below ``p_threshold``, that it is worse, and its mean so far is worse too. Verdicts are those
    of Optuna 5 for the same values. Testing again at every step makes wrong stops likelier than ``p_threshold`` says.

    Deviation from Optuna 5: values may also be reported as running means (``values: mean``), as the ``estimator`` objective
    does with its folds; each fold's own value is then worked out from two means that follow each other and rounded to 12
    digits. With fewer than four folds in common no p below 0.1 can come out, with fewer than five none below 0.05.

    A test takes time in the order of the steps of one trial, and what is kept is the running trials' values and the best's.

    Args:
        metric: What is compared.
        p_threshold: Below which p a trial is stopped: 0 to 1.
        n_startup_steps: Over how many common steps at least is tested (2 in effect).
        values: What the objective reports at a step: that step's own value (``single``), or the mean over all steps so far
            (``mean``), with steps counted 1, 2, 3, ... or 0, 1, 2, ...

    Raises:
        SweepError: An option is out of range.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        p_threshold: float = 0.1,
        n_startup_steps: int = 2,
        values: Literal["single", "mean"] = "single",
    ) -> None:
        at_least("p_threshold", p_threshold, 0, whole=False)
        if p_threshold > 1:
            raise SweepError("p_threshold must be at most 1", path="pruner.p_threshold", got=p_threshold)
        at_least("n_startup_steps", n_startup_steps, 0)
        if values not in ("single", "mean"):
            raise SweepError(
                "values must be single or mean", path="pruner.values", got=values, expected="'single' or 'mean'"
            )
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._metric, self._p_threshold = metric, p_threshold
        self._needed, self._means = max(2, n_startup_steps), values == "mean"
        self._running: dict[int, _Race] = {}
        self._best: tuple[int, float, _Race] | None = None

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Test the trial's values so far against those of the best COMPLETE trial."""
        if not math.isfinite(value):
            return None
        race = self._running.get(trial)
        if race is None:
            race = self._running[trial] = _Race()
        if self._means:
            race.add_mean(step, self._sign * value)
        else:
            race.at[step] = self._sign * value
        if self._best is None:
            return None
        number, _, best = self._best
        differences = [score - best.at[at] for at, score in race.at.items() if at in best.at]
        if len(differences) < self._needed:
            return None
        p = p_greater(differences)
        worse = race.mean > best.mean
        stops = p < self._p_threshold and worse
        if not stops and not self.explains:
            return None
        said = f"p = {p:.3g}, {'' if p < self._p_threshold else 'not '}below {self._p_threshold:g}"
        if p < self._p_threshold and not worse:
            said += ", but its mean is no worse"
        reason = (
            f"compared with trial {number}, the best finished one, on {len(differences)} common steps, it is "
            f"{'worse' if stops else 'not surely worse'} (signed-rank test: {said})"
        )
        return Verdict("stop" if stops else "go", reason, step=step)

    def finish(self, trial: Trial) -> None:
        """Forget the trial's values, unless it is the best COMPLETE one now."""
        race = self._running.pop(trial.number, None)
        value = trial.values.get(self._metric.name)
        if trial.state != TrialState.COMPLETE or value is None or not math.isfinite(value):
            return
        if self._best is None or self._sign * value < self._best[1]:
            self._best = (trial.number, self._sign * value, race or _Race())


class _Race:
    """What one trial got at each step, small being good."""

    __slots__ = ("_mean", "_step", "at")

    def __init__(self) -> None:
        self.at: dict[int, float] = {}
        self._step: int | None = None
        self._mean = 0.0

    def add_mean(self, step: int, mean: float) -> None:
        """Work out the value at ``step`` from the running means at it and at the step before; not known without that."""
        before, earlier = self._step, self._mean
        self._step, self._mean = step, mean
        n = step if 0 not in self.at and step > 0 else step + 1
        if before is None and n == 1:
            self.at[step] = mean
        elif before is not None and before == step - 1:
            self.at[step] = float(f"{n * mean - (n - 1) * earlier:.12g}")

    @property
    def mean(self) -> float:
        """Over what is known; infinite when that is nothing."""
        return sum(self.at.values()) / len(self.at) if self.at else math.inf
