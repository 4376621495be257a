"""Slack, losses and savings from attempts."""

from __future__ import annotations

import pytest

from tuner.core.slack import Slack, losses, savings, slack
from tuner.formula import Formula
from tuner.resources import Resources, Usage
from tuner.study import ResourceRequest
from tuner.trial import Attempt, Completed, Failed, FailureKind, Outcome, Pruned

GRANT = Resources(2.0, 0.0, 1000.0)
USAGE = Usage(peak_memory_mib=300.0, cpu_s=10.0, wall_s=10.0, base_memory_mib=200.0)
DONE = Completed({})


def attempt(
    number: int = 0,
    *,
    grant: Resources = GRANT,
    usage: Usage | None = USAGE,
    outcome: Outcome | None = DONE,
    started_at: float | None = None,
) -> Attempt:
    return Attempt(number, 1, grant, "n", float(number) if started_at is None else started_at, None, outcome, usage)


def failed(kind: FailureKind) -> Attempt:
    return attempt(outcome=Failed(kind))


def test_slack_is_what_was_granted_and_not_used_of_what_was_granted():
    found = slack([attempt()])
    assert found["memory"].before == Slack(10_000.0, 5_000.0, 1)
    assert found["cpu"].before == Slack(20.0, 10.0, 1)
    assert (found["memory"].before.share, found["memory"].after, found["gpu"].before) == (0.5, None, None)


def test_long_attempts_weigh_more():
    short = attempt(0, usage=Usage(1000.0, 0.0, 1.0))
    long = attempt(1, usage=Usage(0.0, 0.0, 99.0, base_memory_mib=500.0))
    memory = slack([short, long])["memory"].before
    assert memory is not None
    assert memory.share == pytest.approx(0.495)


def test_the_first_attempts_by_start_are_learning_and_the_rest_is_not():
    attempts = [attempt(n, grant=Resources(1.0, 0.0, 2000.0 if n < 3 else 500.0)) for n in range(10)]
    split = slack(reversed(attempts), first=3)["memory"]
    assert split.before is not None
    assert split.after is not None
    assert (split.before.n, split.before.share) == (3, 0.75)
    assert (split.after.n, split.after.share) == (7, 0.0)


def test_what_is_used_above_the_grant_is_no_negative_slack():
    found = slack([attempt(grant=Resources(0.5, 0.0, 100.0)), attempt(1)])
    assert found["memory"].before == Slack(11_000.0, 6_000.0, 2)
    assert found["cpu"].before == Slack(25.0, 15.0, 2)


@pytest.mark.parametrize("strange", [failed(FailureKind.RAISED), attempt(outcome=None), attempt(usage=None)])
def test_attempts_without_a_result_or_usage_do_not_count(strange):
    assert slack([strange, attempt(1)]) == slack([attempt(1)])


def test_attempts_that_were_stopped_early_count():
    memory = slack([attempt(outcome=Pruned(3))])["memory"].before
    assert memory is not None
    assert memory.n == 1


@pytest.mark.parametrize(
    ("grant", "util", "peak", "whole", "share"),
    [
        (1.0, 0.25, 4096.0, 16384.0, 0.75),
        (1.0, 0.25, 8192.0, 16384.0, 0.5),
        (0.5, 0.25, None, None, 0.5),
        (2.0, 0.5, None, None, 0.5),
        (0.5, None, 4096.0, 16384.0, 0.5),
    ],
)
def test_a_gpu_is_used_by_time_or_by_memory_whichever_is_more(grant, util, peak, whole, share):
    usage = Usage(wall_s=2.0, gpu_util=util, peak_gpu_memory_mib=peak, gpu_memory_mib=whole)
    found = slack([attempt(grant=Resources(1.0, grant, 0.0), usage=usage)])
    assert found["gpu"].before is not None
    assert found["gpu"].before.share == pytest.approx(share)
    assert found["memory"].before is None


def test_losses_are_those_that_no_parameters_are_to_blame_for():
    kinds = [FailureKind.OUT_OF_MEMORY, FailureKind.PREEMPTED, FailureKind.PREEMPTED, FailureKind.RAISED]
    assert losses([attempt(), *map(failed, kinds)]) == {FailureKind.OUT_OF_MEMORY: 1, FailureKind.PREEMPTED: 2}


FIXED = ResourceRequest(memory_mib=4096.0)
LARGE = [attempt(n, grant=Resources(1.0, 0.0, 4096.0)) for n in range(4)]  # each used 500 MiB and one CPU


def test_auto_saves_what_fixed_memory_wastes_as_far_as_cpus_allow():
    (saving,) = savings(FIXED, LARGE, Resources(64.0, 0.0, 16384.0))
    assert (saving.kind, saving.asked, saving.used, saving.at_once) == ("memory", 4096.0, 500.0, True)
    assert saving.times == pytest.approx(4096.0 / 625.0)
    (bound,) = savings(FIXED, LARGE, Resources(8.0, 0.0, 16384.0))
    assert bound.times == 2.0


def test_where_cpus_bind_less_memory_saves_nothing():
    assert savings(FIXED, LARGE, Resources(4.0, 0.0, 16384.0)) == []


def test_without_the_nodes_it_is_told_by_the_amount_alone():
    (saving,) = savings(FIXED, LARGE)
    assert not saving.at_once
    assert saving.times == pytest.approx(4096.0 / 625.0)


def test_a_formula_is_a_fixed_request_too():
    assert savings(ResourceRequest(memory_mib=Formula("1GiB * x")), LARGE) == savings(FIXED, LARGE)


def test_auto_has_nothing_to_save():
    assert savings(ResourceRequest(), LARGE) == []


def test_auto_never_grants_less_than_a_cpu():
    idle = [attempt(n, grant=Resources(4.0), usage=Usage(cpu_s=0.1, wall_s=10.0)) for n in range(3)]
    (saving,) = savings(ResourceRequest(cpu=4.0), idle)
    assert (saving.kind, saving.times) == ("cpu", 4.0)
    assert savings(ResourceRequest(cpu=1.0), [attempt(grant=Resources(1.0), usage=Usage(cpu_s=0.1, wall_s=9.0))]) == []


def test_a_request_that_fits_well_is_not_worth_a_line():
    assert savings(ResourceRequest(memory_mib=700.0), [attempt(grant=Resources(1.0, 0.0, 700.0))]) == []
