"""Draws ``docs/progress.svg``, the live display as the README shows it: ``python docs/draw_progress.py``.

The study is told by rule, not run: the picture shows the display, and no result.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

from rich.console import Console

from tuner.core.events import NodeJoined, Reported, StudyOpened
from tuner.dashboard.snapshot import Snapshot
from tuner.dashboard.tui import Screen
from tuner.dashboard.view import View
from tuner.resources import Node, Resources, Usage
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.trial import Attempt, Completed, Failed, FailureKind, Outcome, Pruned, Trial, TrialState

PICTURE = Path(__file__).with_name("progress.svg")

_AT = 1_700_000_000.0
_GRANT = Resources(1.0, 0.0, 900.0)
_SPEC = StudySpec(
    name="breast-cancer",
    metrics=(Metric("roc_auc", "maximize"),),
    space=SearchSpace({"learning_rate": Float(1e-3, 0.5, log=True)}),
    objective=PluginSpec("estimator"),
    limits=Limits(trials=40),
)
_STATES = {Completed: TrialState.COMPLETE, Pruned: TrialState.PRUNED, Failed: TrialState.FAIL}


def moment() -> Snapshot:
    """A study of 40 trials on two nodes, half a minute after it began."""
    view = View()
    view.opened(_SPEC, {"store": "sqlite:///.tuner/tuner.db", "dashboard": "http://127.0.0.1:8265"})
    nodes = [NodeJoined(_AT, Node(f"node-{n}", Resources(2.0, 0.0, 6144.0))) for n in (1, 2)]
    view.fold([StudyOpened(_AT, _SPEC), *nodes], [])
    for number in range(23):
        _tell(view, number, _AT + 1.3 * number)
    for row, number in enumerate(range(23, 27)):
        began = _AT + 31.0 - 1.4 * row
        view.fold([], [Attempt(number, 1, _GRANT, f"node-{row % 2 + 1}", began)])
        if row < 3:
            view.fold([Reported(began + 1, number, 1, 180 - 50 * row, {"roc_auc": 0.9904 - 0.004 * row})], [])
    return view.snapshot(_AT + 34.0)


def _tell(view: View, number: int, at_s: float) -> None:
    outcome: Outcome = Completed({"roc_auc": 0.9941 - 0.09 * math.exp(-number / 4.5)})
    if number == 9:
        outcome = Failed(FailureKind.OUT_OF_MEMORY, "MemoryError: 1.2 GiB wanted, 900 MiB granted")
    elif number % 3 == 2:
        outcome = Pruned(30)
    state, values = _STATES[type(outcome)], outcome.values if isinstance(outcome, Completed) else {}
    view.fold(
        [],
        [
            Attempt(number, 1, _GRANT, "node-1", at_s, at_s + 2, outcome, Usage(400.0, 1.9, 2.0)),
            Trial(
                number,
                state,
                {},
                values,
                1,
                finished_at=at_s + 2,
                failure=outcome if isinstance(outcome, Failed) else None,
            ),
        ],
    )


def main() -> None:
    """Draw it."""
    console = Console(record=True, width=78, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print("$ tuner run sweep.yaml", highlight=False)
    console.print(Screen(moment(), frame=3))
    PICTURE.write_text(console.export_svg(title="tuner", unique_id="tuner-progress"), encoding="utf-8")


if __name__ == "__main__":
    main()
