"""What ``asha`` adds to the suite."""

from random import Random

import pytest

from tuner import plugins
from tuner.core.ports import Verdict
from tuner.errors import SweepError
from tuner.pruners.asha import AshaPruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

LOSS = Metric("loss")


def reason(verdict: Verdict | None) -> str:
    """Why a trial is stopped; empty when it is not."""
    return verdict.reason if verdict is not None and verdict.decision == "stop" else ""


def test_only_the_best_so_far_goes_on_while_few_have_been_there():
    pruner = AshaPruner(LOSS, eta=3)
    assert pruner.judge(0, 1, 5.0) is None
    assert pruner.judge(1, 1, 6.0) is not None
    assert pruner.judge(2, 1, 4.0) is None


def test_the_best_third_goes_on_ties_included():
    pruner = AshaPruner(LOSS, eta=3)
    for number in range(8):
        pruner.judge(number, 1, float(number))
    assert pruner.judge(8, 1, 2.0) is None  # ties with trial 2 for the last of 9 // 3 places
    assert pruner.judge(9, 1, 2.5) is not None


def test_the_verdict_tells_rung_rank_threshold_and_competitors():
    pruner = AshaPruner(Metric("auc", "maximize"), min=4, eta=2)
    for number, value in enumerate((0.9, 0.8, 0.7)):
        pruner.judge(number, 4, value)
    assert pruner.judge(3, 5, 0.6) == Verdict(
        "stop",
        "rung 0 (step 4): its value 0.6 ranks 4 of 4, and only the best 2 go on, from 0.8",
        rung=0,
        step=4,
        rank=4,
        of=4,
        threshold=0.8,
    )
    assert pruner.judge(0, 8, 0.95) is None
    assert reason(pruner.judge(4, 8, 0.85)) == (
        "rung 1 (step 8): its value 0.85 ranks 2 of 2, and only the best goes on, from 0.95"
    )


def test_a_report_past_a_rung_counts_for_it():
    pruner = AshaPruner(LOSS, min=4, eta=2)
    assert pruner.judge(0, 3, 9.0) is None
    assert pruner.judge(0, 6, 1.0) is None
    assert pruner.judge(1, 4, 2.0) is not None, "trial 0 has been at rung 0"


def test_one_report_may_pass_several_rungs():
    pruner = AshaPruner(LOSS, eta=2)
    assert pruner.judge(0, 8, 1.0) is None
    stopped_at = {number: pruner.judge(number, step, 2.0) for number, step in ((1, 1), (2, 8))}
    assert all(reason(verdict).startswith("rung 0") for verdict in stopped_at.values())
    assert pruner.judge(3, 1, 0.9) is None
    assert reason(pruner.judge(3, 9, 1.5)).startswith("rung 1 (step 2): its value 1.5 ranks 2 of 2"), (
        "trial 0 has been at rungs 0 to 3"
    )


def test_no_rung_lies_at_max_or_beyond():
    bounded, free = AshaPruner(LOSS, eta=2, max=4), AshaPruner(LOSS, eta=2)
    for pruner in (bounded, free):
        assert pruner.judge(0, 2, 1.0) is None
        assert pruner.judge(0, 4, 1.0) is None
        assert pruner.judge(1, 2, 0.5) is None
    assert bounded.judge(1, 4, 3.0) is None
    assert "rung 2" in reason(free.judge(1, 4, 3.0))


def test_nothing_stops_before_the_first_rung():
    pruner = AshaPruner(LOSS, min=2, eta=3, early_stopping_rate=1)
    pruner.judge(0, 6, 0.0)
    for step in range(1, 6):
        assert pruner.judge(1, step, 99.0) is None
    assert pruner.judge(1, 6, 99.0) is not None


def test_what_finished_trials_reached_still_counts():
    pruner = AshaPruner(LOSS, eta=2)
    pruner.judge(0, 1, 1.0)
    pruner.finish(Trial(0, TrialState.FAIL, {}, {}))
    assert pruner.judge(1, 1, 2.0) is not None


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"eta": 1}, "pruner.eta"),
        ({"eta": 1.9}, "pruner.eta"),
        ({"reduction_factor": 1}, "pruner.reduction_factor"),
        ({"eta": 2, "reduction_factor": 2}, "pruner.reduction_factor"),
        ({"eta": "three"}, "pruner.eta"),
        ({"min": 0}, "pruner.min"),
        ({"min": -3}, "pruner.min"),
        ({"min": 10, "max": 9}, "pruner.max"),
        ({"max": 0}, "pruner.max"),
        ({"early_stopping_rate": -1}, "pruner.early_stopping_rate"),
        ({"min_resource": 3}, "pruner.min_resource"),
    ],
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("asha", options), LOSS)
    assert caught.value.path == path


def promoting(**options):
    return AshaPruner(LOSS, **{"eta": 3, "promote": True, **options})


def promoted(pruner):
    """Everybody who may go on now, in order."""
    chosen = []
    while (promotion := pruner.promote()) is not None:
        chosen.append(promotion.trial)
    return chosen


def test_only_the_form_that_promotes_pauses():
    assert promoting().promotes
    stopping = AshaPruner(LOSS)
    assert not stopping.promotes
    assert stopping.promote() is None


def test_nobody_is_promoted_before_eta_have_been_there():
    pruner = promoting()
    verdict = pruner.judge(0, 1, 1.0)
    assert verdict == Verdict(
        "pause",
        "rung 0 (step 1): its value 1 ranks 1 of 1, and nobody goes on before 3 have been here",
        rung=0,
        step=1,
        rank=1,
        of=1,
    )
    pruner.judge(1, 1, 2.0)
    assert pruner.promote() is None
    pruner.judge(2, 1, 3.0)
    promotion = pruner.promote()
    assert promotion is not None
    assert (promotion.trial, promotion.reason) == (
        0,
        "rung 0 (step 1): its value 1 ranks 1 of 3 now, and the best 1 may go on",
    )
    assert pruner.promote() is None, "never twice"


def test_one_that_may_be_promoted_at_once_goes_on_without_a_pause():
    pruner = promoting()
    assert [pruner.judge(number, 1, value) is None for number, value in enumerate((3.0, 2.0, 1.0))] == [
        False,
        False,
        True,
    ]
    assert pruner.promote() is None


def test_the_highest_rung_goes_first():
    pruner = promoting()
    for number, value in enumerate((3.0, 2.0, 1.0, 3.1, 3.2)):
        pruner.judge(number, 1, value)
    pruner.judge(5, 1, 2.5)  # 6 have been at rung 0: trials 2 (which goes on) and 1
    assert pruner.judge(2, 3, 1.0) is not None
    for number in (6, 7):  # two more that go on from rung 0, and are paused at rung 1 after trial 2
        assert pruner.judge(number, 1, 0.5) is None
        assert pruner.judge(number, 3, 1.5) is not None
    assert promoted(pruner)[:1] == [2], "of rung 1, before trial 1 of rung 0"


def test_of_equal_values_no_more_than_their_share_goes_on():
    pruner = promoting()
    gone = [number for number in range(30) if pruner.judge(number, 1, 0.5) is None]
    gone += promoted(pruner)
    assert gone == list(range(10)), "the first ten of thirty"


def test_promotions_are_the_best_third_at_any_time():
    rng, pruner, values, gone = Random(1), promoting(), {}, set()
    for number in range(300):
        values[number] = rng.choice([rng.random(), 0.25, 0.5])
        if pruner.judge(number, 1, values[number]) is None:
            gone.add(number)
        for trial in promoted(pruner):
            assert trial not in gone
            gone.add(trial)
            assert sum(value < values[trial] for value in values.values()) < len(values) // 3
    top = sorted(values.values())[: len(values) // 3]
    assert all(number in gone for number in values if values[number] < top[-1]), "nobody of the best third is forgotten"


def test_a_paused_trial_that_ends_is_not_promoted():
    pruner = promoting()
    for number, value in enumerate((1.0, 2.0)):
        pruner.judge(number, 1, value)
    pruner.finish(Trial(0, TrialState.FAIL, {}, {}))
    pruner.judge(2, 1, 3.0)
    assert pruner.promote() is None, "trial 0 had the only place, and its value still counts"


def test_a_promoted_trial_is_judged_again_at_the_next_rung():
    pruner = promoting()
    for number, value in enumerate((1.0, 2.0, 3.0)):
        pruner.judge(number, 1, value)
    assert promoted(pruner) == [0]
    assert pruner.judge(0, 2, 9.0) is None
    verdict = pruner.judge(0, 3, 0.9)
    assert verdict is not None
    assert (verdict.decision, verdict.rung) == ("pause", 1)


def test_a_trial_beyond_the_last_rung_runs_to_its_end():
    pruner = promoting(max=9)
    for number, value in enumerate((3.0, 2.0, 1.0)):
        pruner.judge(number, 1, value)
    for number in (3, 4):
        pruner.judge(number, 1, 0.5)
    assert pruner.judge(2, 3, 1.0) is not None
    for number in (10, 11, 12, 13):
        pruner.judge(number, 1, 0.1)
        pruner.judge(number, 3, 2.0)
    assert 2 in promoted(pruner)
    assert pruner.judge(2, 9, 5.0) is None
    assert pruner.judge(2, 27, 5.0) is None


def test_without_max_the_end_is_learned_from_what_ran_to_it():
    pruner = promoting()
    for number, value in enumerate((1.0, 2.0, 3.0)):
        pruner.judge(number, 1, value)
    assert promoted(pruner) == [0]
    assert pruner.judge(0, 3, 1.0) is not None, "paused at its very end, which it then reaches all the same"
    pruner.finish(Trial(0, TrialState.COMPLETE, {}, {"loss": 1.0}, last_step=3))
    assert pruner.judge(3, 1, 0.5) is None, "it may go on at once"
    assert pruner.judge(3, 3, 9.0) is None, "no rung lies at the end"


def test_reasons_for_going_on_are_given_when_asked_for():
    stopping, pausing = AshaPruner(LOSS), promoting()
    stopping.explains = pausing.explains = True
    assert stopping.judge(0, 1, 1.0) == Verdict(
        "go", "rung 0 (step 1): its value 1 ranks 1 of 1, and the best goes on", 0, 1, 1, 1, 1.0
    )
    for number, value in enumerate((3.0, 2.0)):
        pausing.judge(number, 1, value)
    verdict = pausing.judge(2, 1, 1.0)
    assert verdict is not None
    assert (verdict.decision, verdict.reason) == (
        "go",
        "rung 0 (step 1): its value 1 ranks 1 of 3, and the best 1 may go on, so it does without a pause",
    )


def test_where_none_ran_to_its_end_the_best_of_the_highest_rung_does_and_is_judged_no_more():
    pruner = promoting()
    for trial, value in enumerate((3.0, 1.0, 2.0)):
        pruner.judge(trial, 1, value)
    assert promoted(pruner) == [1]
    assert pruner.judge(1, 3, 0.5).decision == "pause"
    promotion = pruner.rescue()
    assert promotion.trial == 1
    assert "rung 1 (step 3)" in promotion.reason
    assert "no trial ran to its end" in promotion.reason
    assert pruner.judge(1, 9, 0.4) is None
    assert pruner.rescue().trial == 2, "then the best of the rung below"


def test_nobody_is_there_to_run_to_its_end_where_nobody_is_paused():
    assert promoting().rescue() is None
    assert AshaPruner(LOSS).rescue() is None
