from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.sweep._units import format_duration, format_memory, parse_duration_s, parse_memory_mib, parse_share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200), ("90s", 90), ("1h30m", 5400), ("1d 2h 3m 4s", 93784), ("250ms", 0.25), ("1.5h", 5400),
        ("10 minutes", 600), ("2 hours", 7200), ("45", 45), ("30sec", 30), ("1H", 3600), (90, 90), (0.5, 0.5),
        ("1h500ms", 3600.5), ("2 days", 172800), ("1e3s", 1000),
    ],
)  # fmt: skip
def test_durations_are_read(text: str | float, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "h", "2x", "1m1h", "1h1h", "two hours", "1:30", "-5s", "2h and", "inf", "nan", "1e999s"]
)
def test_what_is_no_duration_is_none(text: str) -> None:
    assert parse_duration_s(text) is None


def test_a_boolean_is_no_duration() -> None:
    assert parse_duration_s(True) is None


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("4GiB", 4096), ("512MiB", 512), ("1024KiB", 1), ("1TiB", 2**20), ("4Gi", 4096), ("4 gib", 4096), ("0.5GiB", 512),
        ("2GB", 2e9 / 2**20), ("500MB", 5e8 / 2**20), ("2G", 2e9 / 2**20),
    ],
)  # fmt: skip
def test_memory_is_read(text: str, mib: float) -> None:
    assert parse_memory_mib(text) == pytest.approx(mib, rel=1e-12)


@pytest.mark.parametrize("text", ["", "4", "4096", "GiB", "4 gigs", "-4GiB", "4GiBs", "4iB", "1e999GiB"])
def test_what_is_no_memory_is_none(text: str) -> None:
    assert parse_memory_mib(text) is None


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), ("0%", 0), ("100 %", 1), ("2.5%", 0.025)])
def test_shares_are_read(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["20", "101%", "%", "-1%", "a%"])
def test_what_is_no_share_is_none(text: str) -> None:
    assert parse_share(text) is None


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_any_duration_reads_back_exactly(seconds: float) -> None:
    assert parse_duration_s(format_duration(seconds)) == seconds


@given(st.integers(min_value=1, max_value=10**9))
def test_whole_seconds_read_back_exactly(seconds: int) -> None:
    text = format_duration(float(seconds))
    assert parse_duration_s(text) == seconds
    assert "." not in text


@given(st.floats(min_value=1e-3, max_value=1e12) | st.integers(min_value=1, max_value=2**40).map(float))
def test_any_amount_of_memory_reads_back_exactly(mib: float) -> None:
    assert parse_memory_mib(format_memory(mib)) == mib
