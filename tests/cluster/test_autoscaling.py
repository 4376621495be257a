"""The whole life of ``cluster.yaml`` with only its provider swapped: real ``ray up``, autoscaler, ``ray down``."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.autoscaling_real import IDLE_S, life

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]


def check(times: dict[str, Any]) -> None:
    assert times["types"] == ["cpu_spot"], "a node that was asked for CPUs has none of the GPUs"
    assert times["zero_s"] >= IDLE_S - 3.0, "idle nodes stay for a while"
    assert (times["left_processes"], times["left_nodes"]) == (0, 0), "`ray down` leaves nothing behind"


def test_it_grows_from_zero_to_what_is_wanted_replaces_a_killed_node_and_falls_back_to_zero():
    times = life(2, port=7350)
    check(times)
    assert times["missed_s"] < 15.0, "the health checks of the file miss a node sooner than Ray's defaults do"


def test_the_same_with_rays_first_autoscaler():
    check(life(1, port=7355, short=True))


def test_the_same_when_only_those_who_know_the_token_are_let_in():
    check(life(2, port=7360, token="0123456789abcdef" * 4, short=True))
