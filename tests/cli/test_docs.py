"""The pages that are made from the code are the code's."""

import types
from importlib.machinery import SourceFileLoader
from pathlib import Path

import tuner
from tuner.cli._app import VERBS

DOCS = Path(tuner.__file__).resolve().parent.parent / "docs"


def script(name):
    loader = SourceFileLoader(f"docs_{name}", str(DOCS / f"{name}.py"))
    module = types.ModuleType(loader.name)
    module.__file__ = loader.path
    loader.exec_module(module)
    return module


def test_the_reference_of_the_command_line_is_current():
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == script("write_cli").render(), "run docs/write_cli.py"


def test_the_reference_has_every_verb_and_every_option_of_run():
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for verbs in VERBS.values():
        for verb in verbs:
            assert f"### tuner {verb}\n" in page
    for option in ("--set PATH=VALUE", "--output, -o text/json", "--store URL", "--executor ray/inline"):
        assert f"| `{option}` |" in page


def test_the_picture_of_the_display_can_be_drawn_again(tmp_path, monkeypatch, digits):
    module = script("draw_progress")
    monkeypatch.setattr(module, "PICTURE", tmp_path / "progress.svg")
    module.main(digits.url, "digits")
    drawn = (tmp_path / "progress.svg").read_text(encoding="utf-8")
    for told in ("digits", "/6", "accuracy", "Ctrl-C"):
        assert told in drawn
