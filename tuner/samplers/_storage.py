"""The Optuna storage of one study in the driver: compact, single-threaded, thrown away when the driver ends.

Optuna's own ``InMemoryStorage`` copies a trial for every parameter, report and tell, and keeps a distribution object for
each parameter of each trial. The event log is our truth, so this one may keep less: rows share their distributions, hold no
times, and are changed in place (the contract's copy-on-write serves threads, and here is one).
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = ["DriverStorage", "Row"]

_NOTHING: dict[Any, Any] = {}  # shared by all rows, replaced (never filled) when there is something to keep


class Row(FrozenTrial):
    """A trial whose copies are itself: ``Study.tell`` copies what it returns, which nobody here looks at."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Row:
        return self

    @classmethod
    def running(cls, number: int) -> Row:
        """A trial that has just begun and has no parameters yet."""
        return cls(
            number=number,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=None,
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs=_NOTHING,
            system_attrs=_NOTHING,
            intermediate_values=_NOTHING,
            trial_id=number,
        )


class DriverStorage(BaseStorage):
    """Holds one study, whose id is 0, and whose trials' ids are their numbers.

    Attributes:
        rows: The trials by number.
        written: Study attributes written since it was last emptied.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.written: dict[str, Any] = {}
        self._name = ""
        self._directions: list[StudyDirection] = []
        self._study_attrs: dict[str, Any] = {}
        self._shared: dict[tuple[str, ...], dict[str, BaseDistribution]] = {}

    def fill(self, row: Row, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> None:
        """Give a row its parameters; rows with the same ones share one mapping of distributions."""
        row.params = dict(params)
        key = tuple(params)
        if key not in self._shared:
            self._shared[key] = {name: distributions[name] for name in key}
        row.distributions = self._shared[key]

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """The one study."""
        self._directions, self._name = list(directions), study_name or "tuner"
        return 0

    def delete_study(self, study_id: int) -> None:
        """Never asked for: the study goes with the driver."""
        raise NotImplementedError("the driver's study cannot be deleted")

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Kept nowhere: user attributes are for people, and nobody reads this study."""

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keep an attribute of the study, and note that it changed."""
        self._study_attrs[key] = self.written[key] = value

    def get_study_id_from_name(self, study_name: str) -> int:
        """0, for the one study."""
        return 0

    def get_study_name_from_id(self, study_id: int) -> str:
        """The one study's name."""
        return self._name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """One direction a metric."""
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """There are none."""
        return {}

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What samplers keep with the study."""
        return self._study_attrs

    def get_all_studies(self) -> list[Any]:
        """Never asked for by a sampler."""
        raise NotImplementedError("the driver's storage holds one study and lists none")

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """A new running trial, without parameters."""
        self.rows.append(Row.running(len(self.rows)))
        return len(self.rows) - 1

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set one parameter."""
        row = self.rows[trial_id]
        row.params = {**row.params, param_name: distribution.to_external_repr(param_value_internal)}
        row.distributions = {**row.distributions, param_name: distribution}

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set state and values; says whether the trial was not running already."""
        row = self.rows[trial_id]
        fresh = state != TrialState.RUNNING or row.state == TrialState.WAITING
        row.state = state
        if values is not None:
            row.values = list(values)
        return fresh

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Keep the value at the last step only: that is what samplers rank pruned trials by."""
        self.rows[trial_id].intermediate_values = {step: intermediate_value}

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Kept nowhere, as those of the study."""

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute of a trial."""
        row = self.rows[trial_id]
        row.system_attrs = {**row.system_attrs, key: value}

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial itself, not a copy."""
        return self.rows[trial_id]

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """The number itself."""
        if trial_number >= len(self.rows):
            raise KeyError(f"there is no trial {trial_number}")
        return trial_number

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials by number, in a new list; never copies. Nothing ever waits here."""
        if states is None:
            return list(self.rows)
        if states == (TrialState.WAITING,):
            return []
        return [row for row in self.rows if row.state in states]
