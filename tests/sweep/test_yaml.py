"""What a file is before anything in it is looked at."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuner.errors import SweepError
from tuner.sweep import load, parse
from tuner.sweep._yaml import MAX_BYTES, read_text, read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5), ("1e5", 1e5), ("1E+3", 1000.0), (".5", 0.5), ("-3", -3), ("+4", 4), ("012", 12), ("0o14", 12),
        ("0x1F", 31), ("1_000", 1000), (".inf", float("inf")), ("-.inf", float("-inf")), ("on", "on"), ("no", "no"),
        ("yes", "yes"), ("true", True), ("False", False), ("~", None), ("null", None), ("", None), ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"), ("'1'", "1"), ("[1, a]", [1, "a"]), ("{a: 1}", {"a": 1}), ("!!str 5", "5"), ("a: b: c", "a: b: c"),
        ("*x", "*x"),
    ],
)  # fmt: skip
def test_values_are_typed_by_yaml_1_2(text: str, value: object) -> None:
    found = read_value(text)
    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_its_line_and_path() -> None:
    root = read_text("a:\n  b:\n    - 1\n    - c: 2\n      d: [3,\n          4]\n", "f.yaml")
    assert (root.find("a.b").line, root.find("a.b[0]").line) == (2, 3)
    assert (root.find("a.b[1].d[1]").line, root.find("a.b[1].d[1]").path) == (6, "a.b[1].d[1]")
    assert root.find("a.b[1].nothing.below").path == "a.b[1]"


def test_keys_with_dots_are_found() -> None:
    root = read_text("parameters:\n  preprocess: 1\n  preprocess.scaler: {values: [a]}\n", None)
    assert root.find("parameters.preprocess.scaler.values[0]").line == 3
    assert root.find("parameters.preprocess").line == 2


def test_anchors_and_merges_are_resolved_and_own_keys_win() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\nd: *a\n"
    assert read_text(text, None).plain() == {
        "a": {"x": 1, "y": 2},
        "b": {"y": 3, "z": 4},
        "c": {"x": 9, "y": 2, "z": 4},
        "d": {"x": 1, "y": 2},
    }


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: 3: 4\n")
    with pytest.raises(SweepError) as caught:
        load(file)
    assert caught.value.line == 1


def test_a_missing_file_names_the_closest_one(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("")
    with pytest.raises(SweepError) as caught:
        load(tmp_path / "swep.yaml")
    assert "there is no such file" in str(caught.value)
    assert "sweep.yaml" in (caught.value.hint or "")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SweepError) as caught:
        load(tmp_path / "nowhere" / "sweep.yaml")
    assert "no folder" in (caught.value.hint or "")


def test_a_folder_is_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("")
    with pytest.raises(SweepError, match="is a folder") as caught:
        load(tmp_path)
    assert "sweep.yaml" in (caught.value.hint or "")


def test_a_binary_file_is_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "model.ubj"
    file.write_bytes(b"name: x\n\xff\xfe\x00")
    with pytest.raises(SweepError) as caught:
        load(file)
    assert caught.value.line == 2
    assert "UTF-8" in str(caught.value)


def test_control_characters_are_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_bytes(b"name: x\nseed: \x00\n")
    with pytest.raises(SweepError, match="control character") as caught:
        load(file)
    assert caught.value.line == 2


def test_a_huge_file_is_refused_without_being_parsed(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_bytes(b"a,b\n" * (MAX_BYTES // 4 + 1))
    with pytest.raises(SweepError, match="larger than 1 MiB"):
        load(file)


def test_a_huge_text_is_refused() -> None:
    with pytest.raises(SweepError, match="larger than 1 MiB"):
        parse("#" * (MAX_BYTES + 1))


@pytest.mark.parametrize("bracket", ["[", "{a: "])
def test_deep_nesting_is_refused(bracket: str) -> None:
    with pytest.raises(SweepError, match=r"nested deeper|not closed"):
        parse("a: " + bracket * 5000)


@settings(deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
@example("? [a, b]\n: c\n")
@example("a: !!int x\n")
@example("a: !!float x\n")
@example("<<: 1\n")
@example("%YAML 1.1\n---\na: on\n")
@example("a: !!timestamp 2024\n")
@example("a: !!binary x\n")
@example("a: " + "9" * 5000)
@example("- " * 900)
def test_any_text_is_a_sweep_or_a_sweep_error(text: str) -> None:
    with pytest.raises(SweepError) as caught:
        parse(text)
    assert str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
        max_leaves=12,
    )
)
def test_any_override_is_a_sweep_or_a_sweep_error(value: object) -> None:
    # Whatever is no SweepError fails the test.
    text = "objective: {function: work:train}\nmetric: loss\nparameters: {x: {low: 0, high: 1}}\nlimits: {trials: 3}\n"
    for key in ("limits", "limits.time", "parameters.x", "metric", "resources.memory", "retry", "sampler", "objective"):
        with contextlib.suppress(SweepError):
            parse(text, overrides={key: value})


def test_a_file_of_very_many_values_is_given_up_early() -> None:
    for text in ("a: [" + "1," * 100_000 + "]", "".join(f"key{n}: 1\n" for n in range(50_000))):
        with pytest.raises(SweepError, match="holds over 20000 values"):
            parse(text)


def test_merges_of_merges_are_bounded() -> None:
    bomb = "a0: &a0 {}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
    with pytest.raises(SweepError, match="holds over 20000 values"):
        parse(bomb)
