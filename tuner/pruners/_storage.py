"""The Optuna study that an Optuna pruner looks at: every report of every trial, in memory, reports never copied.

A storage of its own, as Optuna's ``InMemoryStorage`` copies a trial, reports and all, at every report, and as the samplers'
keeps what samplers need (parameters, a trial's last value) and this one what pruners need (all values, no parameters).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import copy
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = ["ReportStorage", "Row"]

_NOTHING: dict[Any, Any] = {}  # shared by all rows, and never filled


class Row(FrozenTrial):
    """A trial whose deep copies are itself."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Row:
        return self

    @classmethod
    def running(cls, number: int) -> Row:
        """A trial that has reported nothing yet."""
        return cls(
            number=number,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=None,
            datetime_complete=None,
            params=_NOTHING,
            distributions=_NOTHING,
            user_attrs=_NOTHING,
            system_attrs=_NOTHING,
            intermediate_values={},
            trial_id=number,
        )


class ReportStorage(BaseStorage):
    """Holds one study, whose id is 0, and whose trials' ids are their numbers.

    Attributes:
        rows: The trials by number, in the order in which they were admitted.
    """

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._name = ""
        self._directions: list[StudyDirection] = []
        self._attrs: dict[str, Any] = {}
        self._best: tuple[float, int] | None = None

    def row(self, number: int) -> Row:
        """A trial, new and running if it is not known."""
        found = self.rows.get(number)
        if found is None:
            found = self.rows[number] = Row.running(number)
        return found

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """The one study."""
        self._directions, self._name = list(directions), study_name or "tuner"
        return 0

    def delete_study(self, study_id: int) -> None:
        """Never asked for: the study goes with the driver."""
        raise NotImplementedError("the pruner's study cannot be deleted")

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Kept as the pruner's own."""
        self._attrs[key] = value

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Kept as the pruner's own."""
        self._attrs[key] = value

    def get_study_id_from_name(self, study_name: str) -> int:
        """0, for the one study."""
        return 0

    def get_study_name_from_id(self, study_id: int) -> str:
        """The one study's name."""
        return self._name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """One."""
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """What the pruner keeps with the study."""
        return self._attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What the pruner keeps with the study."""
        return self._attrs

    def get_all_studies(self) -> list[Any]:
        """Never asked for by a pruner."""
        raise NotImplementedError("the pruner's storage holds one study and lists none")

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Never asked for by a pruner: trials come from the engine."""
        raise NotImplementedError("a pruner makes no trials")

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Never asked for by a pruner."""
        raise NotImplementedError("a pruner chooses no parameters")

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set state and values, and keep in mind which COMPLETE trial is the best, of equal ones the first to end."""
        row = self.rows[trial_id]
        row.state = state
        if values is not None:
            row.values = list(values)
        if state == TrialState.COMPLETE and values is not None:
            score = values[0] if self._directions[0] == StudyDirection.MINIMIZE else -values[0]
            if self._best is None or score < self._best[0]:
                self._best = (score, trial_id)
        return True

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """The best COMPLETE trial."""
        if self._best is None:
            raise ValueError("No trials are completed yet.")  # what Optuna's own storages raise, which pruners catch
        return self.rows[self._best[1]]

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Add a report."""
        self.rows[trial_id].intermediate_values[step] = intermediate_value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Kept as the pruner's own."""
        row = self.rows[trial_id] = copy(self.rows[trial_id])
        row.user_attrs = {**row.user_attrs, key: value}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Kept: rungs, for example. Rows handed out before do not change: pruners count their trial besides the others."""
        row = self.rows[trial_id] = copy(self.rows[trial_id])
        row.system_attrs = {**row.system_attrs, key: value}

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial itself, not a copy."""
        return self.rows[trial_id]

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """The number itself."""
        if trial_number not in self.rows:
            raise KeyError(f"there is no trial {trial_number}")
        return trial_number

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials in a new list; never copies."""
        if states is None:
            return list(self.rows.values())
        return [row for row in self.rows.values() if row.state in states]
