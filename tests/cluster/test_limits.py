"""Grants hold on a real Ray: memory with a budget below the machine's, and cores."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def said(module_play) -> Any:
    return module_play("limits.py")


def test_above_its_grant_an_attempt_lives_while_its_node_has_room(said):
    assert said["lived"]["kind"] == "Completed"
    assert said["lived"]["whole_mib"] > 300


def test_above_its_grant_it_ends_when_the_node_has_none(said):
    assert said["ended"]["kind"] == "out_of_memory"
    assert said["ended"]["whole_mib"] > 900
    assert "all attempts together held what their node offers" in said["ended"]["message"]


def test_native_code_ends_with_its_process_and_is_measured(said):
    assert said["forced"]["kind"] == "out_of_memory"
    assert said["forced"]["whole_mib"] > 900
    assert "it did not end when it was told to, so its process was ended" in said["forced"]["message"]


def test_a_worker_that_was_killed_above_its_grant_ran_out_of_memory(said):
    assert said["killed"]["kind"] == "out_of_memory"
    assert said["killed"]["whole_mib"] > 400
    assert "when it was heard of last it held" in said["killed"]["message"]


def test_what_each_process_receives_once_is_told_with_its_first_attempt(said):
    first, later = said["received_mib"]
    assert 15 <= first <= 17
    assert later in (0.0, first)  # whichever process it ran in


def test_two_attempts_at_once_have_cores_of_their_own_and_one_with_two_has_both(said):
    first, second, both = said["cores"]
    assert said["together"]
    assert len(first) == len(second) == 1
    assert first != second
    assert len(both) >= 2
