"""Memory is divided so that attempts get most of it and the machine keeps what it needs."""

from __future__ import annotations

import pytest

from tuner.cluster.division import division_of
from tuner.errors import ExecutorError

MIB = 2**20


def test_attempts_get_more_than_ray_would_give_them():
    division = division_of(None, total_mib=32_000, available_mib=30_000, shared_mib=16_000)
    assert division.objects_bytes == 3_000 * MIB
    assert division.attempts_bytes / MIB == pytest.approx(30_000 - 3_000 - 640 - 2_240)


def test_a_request_is_kept_to_the_letter():
    assert division_of(500, total_mib=32_000, available_mib=30_000, shared_mib=None).attempts_bytes == 500 * MIB


@pytest.mark.parametrize("memory_mib", [0, -1, 32_001])
def test_what_the_machine_does_not_have_is_not_offered(memory_mib):
    with pytest.raises(ExecutorError, match=r"executor\.memory_mib: .* this machine has 32000 MiB"):
        division_of(memory_mib, total_mib=32_000, available_mib=30_000, shared_mib=None)


def test_small_shared_memory_bounds_the_objects_and_a_small_machine_still_offers_something():
    division = division_of(None, total_mib=2_000, available_mib=900, shared_mib=64)
    assert division.objects_bytes == 256 * MIB
    assert division.attempts_bytes >= 225 * MIB
