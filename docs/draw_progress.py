"""Draws ``docs/progress.svg``, the live display as the README shows it, from the log of a study that was run:

python docs/draw_progress.py sqlite:///.tuner/tuner.db quickstart
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console

from tuner.api.stores import open_store
from tuner.core.actions import Record
from tuner.core.events import StudyOpened
from tuner.core.scheduler import Scheduler
from tuner.dashboard.snapshot import Snapshot
from tuner.dashboard.tui import Screen
from tuner.dashboard.view import View
from tuner.plugins import build

PICTURE = Path(__file__).with_name("progress.svg")
SHARE = 0.6  # of the log: late enough for something to show, early enough for something to run


def moment(url: str, name: str, share: float = SHARE) -> Snapshot:
    """What the display showed when that share of the study's log was written."""
    store = open_store(url)
    log = [event for _, event in store.events(name)]
    store.close()
    assert isinstance(log[0], StudyOpened)
    spec = log[0].spec
    core = Scheduler(spec, build("pruner", spec.pruner, spec.metric))
    view = View()
    view.opened(spec, {"store": "sqlite:///.tuner/tuner.db", "dashboard": "http://127.0.0.1:8265"})
    shown = log[: max(1, int(share * len(log)))]
    for event in shown:
        view.fold([event], [action.entry for action in core.handle(event) if isinstance(action, Record)])
    return view.snapshot(shown[-1].at_s)


def main(url: str, name: str) -> None:
    """Draw it."""
    console = Console(record=True, width=78, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(f"$ tuner run {name}.yaml", highlight=False)
    console.print(Screen(moment(url, name), frame=3))
    PICTURE.write_text(console.export_svg(title="tuner", unique_id="tuner-progress"), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
