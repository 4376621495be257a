"""Every way in which a sweep file can be wrong gives one clear message: ``bad/NAME.yaml`` -> ``bad/NAME.txt``.

After a change of a message that was meant, run with ``UPDATE_SNAPSHOTS=1`` and read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tuner import catalog, plugins
from tuner.errors import SweepError
from tuner.sweep import load

BAD = Path(__file__).parent / "bad"
FILES = sorted(path.name for path in BAD.glob("*.yaml"))
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
WHOLE = ("is empty", "holds over", "is nested", "there is no ", "nothing ends")


def message(name: str) -> str:
    with pytest.raises(SweepError) as caught:
        load(name)
    text = str(caught.value) + "\n"
    # A new plug-in or curated space is one file; it must not change these files, too.
    for kind in ("sampler", "pruner", "executor"):
        text = text.replace(f"one of {', '.join(plugins.names(kind))}\n", f"one of <every {kind}>\n")
    return text.replace(f"one of {', '.join(catalog.names())}\n", "one of <every space>\n")


def snapshot(name: str) -> str:
    return (BAD / name).with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_sweep_is_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    text = message(name)
    if UPDATE:
        (BAD / name).with_suffix(".txt").write_text(text, encoding="utf-8")
    assert text == snapshot(name)


@pytest.mark.parametrize("name", FILES)
def test_a_message_names_file_and_line_and_shows_no_traceback(name: str) -> None:
    text = snapshot(name)
    head = text.splitlines()[0]
    assert "Traceback" not in text
    if re.match(rf"{re.escape(name)}: ", head):
        assert any(words in head for words in WHOLE), "only what is wrong with the whole has no line"
    else:
        assert re.match(rf"({re.escape(name)}|spaces/\S+\.yaml):\d+: ", head), head


@pytest.mark.parametrize("name", FILES)
def test_a_message_says_what_was_expected_or_what_to_do(name: str) -> None:
    text = snapshot(name)
    needs_no_more = (
        "must be a finite number",
        "two choices are equal",
        "at least one value",
        "values must be a list",
        "needs 2 numbers",
    )
    assert "\n  expected: " in text or "\n  hint: " in text or any(words in text for words in needs_no_more)


def test_there_is_a_snapshot_for_every_file_and_no_other() -> None:
    assert {path.stem for path in BAD.glob("*.txt")} == {Path(name).stem for name in FILES}
    assert len(FILES) >= 60
