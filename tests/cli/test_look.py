"""ls, status, trials, best, show, logs: what a store says of its studies."""

from dataclasses import replace

import pytest

from tuner.api.stores import open_store, store_folder
from tuner.cli._standing import is_dead, waiting_for


def test_an_empty_store_is_no_error_and_says_what_to_do(tuner):
    answer = tuner("ls")
    assert answer.stdout == ""
    assert "no study in sqlite:///.tuner/tuner.db yet" in answer.stderr
    assert tuner("ls", "-o", "json").json == []


def test_ls_lists_studies_newest_first(tuner, keeper):
    keeper.make("older")
    keeper.make("newer", state="INTERRUPTED", reason="interrupted; it can be resumed")
    head, *rows = tuner("ls", "--store", keeper.url).lines
    assert head.split() == ["study", "state", "trials", "best", "metric", "age"]
    assert [row.split()[:5] for row in rows] == [
        ["newer", "INTERRUPTED", "4/6", "0.875", "accuracy"],
        ["older", "COMPLETE", "4/6", "0.875", "accuracy"],
    ]


def test_ls_as_json(tuner, digits):
    (row,) = tuner("ls", "--store", digits.url, "-o", "json").json
    assert row["study"] == "digits"
    assert (row["state"], row["dead"], row["best_value"], row["goal"]) == ("COMPLETE", False, 0.875, "maximize")
    assert row["counts"] == {"COMPLETE": 2, "PRUNED": 1, "FAIL": 1}


def test_the_store_may_come_from_the_environment(tuner, digits, monkeypatch):
    monkeypatch.setenv("TUNER_STORE", digits.url)
    assert tuner("ls").lines[1].split()[0] == "digits"


def test_a_running_study_without_a_driver_is_dead(tuner, keeper, monkeypatch):
    keeper.make(state="RUNNING")
    assert tuner("ls", "--store", keeper.url).lines[1].split()[1] == "RUNNING"
    monkeypatch.setattr("tuner.cli.ls.is_dead", lambda info: info.state == "RUNNING")
    assert "DEAD (resume it)" in tuner("ls", "--store", keeper.url).lines[1]


def test_dead_means_running_and_leased_to_nobody(keeper):
    keeper.make(state="RUNNING")
    store = open_store(keeper.url)
    info = store.study("digits")
    store.close()
    assert info.owner is not None
    assert not is_dead(info)
    dead = replace(info, owner=None)
    assert is_dead(dead)
    assert waiting_for(dead) == "a driver: tuner resume digits"
    assert waiting_for(replace(info, counts={"RUNNING": 3, "WAITING": 1})) == "3 running trials"
    assert waiting_for(replace(info, counts={"WAITING": 1})) == "resources for 1 waiting trial"
    assert waiting_for(replace(info, counts={})) == "its first trials"
    assert waiting_for(replace(info, state="FAILED", owner=None)) is None


def test_status_says_how_it_stands(tuner, digits):
    lines = tuner("status", "digits", "--store", digits.url).lines
    assert lines == [
        "study   digits",
        "state   COMPLETE: 6 trials were run",
        "trials  4 of 6: 2 complete, 1 stopped early, 1 failed",
        "best    accuracy 0.875 (trial 1)",
        "time    5.5 s",
    ]


def test_status_as_json_has_the_promised_fields(tuner, digits):
    status = tuner("status", "@latest", "--store", digits.url, "-o", "json").json
    assert status["study"] == "digits"
    assert status["state"] == "COMPLETE"
    assert status["counts"] == {"COMPLETE": 2, "PRUNED": 1, "FAIL": 1}
    assert status["best_value"] == 0.875
    assert status["elapsed_s"] == pytest.approx(5.5, abs=0.01)
    assert status["waiting_for"] is None


def test_an_interrupted_study_waits_for_a_driver(tuner, keeper):
    keeper.make(state="INTERRUPTED")
    assert tuner("status", "--store", keeper.url, "-o", "json").json["waiting_for"] == "a driver: tuner resume digits"


def test_an_unknown_study_is_answered_with_the_nearest_name(tuner, digits):
    answer = tuner("status", "digit5", "--store", digits.url, exit_code=2)
    assert answer.stderr == "error: there is no study called 'digit5'\n  hint: did you mean 'digits'?\n"
    assert answer.stdout == ""


def test_the_beginning_of_a_name_is_enough_while_it_is_the_only_one(tuner, keeper):
    keeper.make("digits-a")
    keeper.make("digits-b")
    assert tuner("status", "digits-a", "--store", keeper.url).lines[0] == "study   digits-a"
    assert "several studies begin with 'dig'" in tuner("status", "dig", "--store", keeper.url, exit_code=2).stderr


def test_trials_are_listed_with_the_best_marked(tuner, digits):
    head, *rows = tuner("trials", "dig", "--store", digits.url).lines
    assert head.split() == ["trial", "state", "accuracy", "steps", "tries", "time", "parameters"]
    assert rows[1].split() == [
        *("*", "1", "COMPLETE", "0.875", "3", "1", "2.5", "s"),
        *("lr=0.02", "layers=2", "kind=relu", "slope=0.25"),
    ]
    assert rows[3].split()[1:3] == ["FAIL", "(raised)"]


def test_trials_can_be_chosen_sorted_and_cut(tuner, digits):
    def numbers(*options):
        return [row["number"] for row in tuner("trials", "digits", "--store", digits.url, "-o", "json", *options).json]

    assert numbers() == [0, 1, 2, 3]
    assert numbers("--sort", "value") == [1, 0, 2, 3]
    assert numbers("--sort", "value", "--limit", "1") == [1]
    assert numbers("--state", "fail") == [3]
    assert numbers("--state", "RUNNING") == []


def test_a_trial_has_the_promised_fields_in_json(tuner, digits):
    failed = tuner("trials", "digits", "--store", digits.url, "-o", "json").json[3]
    assert set(failed) >= {
        *("number", "state", "params", "values", "attempts", "steps", "started_at", "finished_at", "wall_s", "failure")
    }
    assert failed["params"] == {"lr": 0.04, "layers": 2, "kind": "relu", "slope": 0.25}


def test_best_shows_value_and_parameters(tuner, digits):
    assert tuner("best", "--store", digits.url).lines == [
        "digits: trial 1, accuracy 0.875",
        "metrics",
        "  loss  0.25",
        "parameters",
        "  lr      0.02",
        "  layers  2",
        "  kind    relu",
        "  slope   0.25",
    ]


def test_best_as_json_is_the_trial_with_study_and_model(tuner, digits):
    best = tuner("best", "digits", "--store", digits.url, "-o", "json").json
    assert (best["study"], best["model"], best["number"], best["values"]["accuracy"]) == ("digits", None, 1, 0.875)


def test_best_of_a_study_without_a_complete_trial_is_a_message(tuner, keeper, monkeypatch):
    monkeypatch.setattr(keeper, "_end", lambda *arguments: None)
    keeper.make()
    assert "no trial of study 'digits' has completed" in tuner("best", "--store", keeper.url, exit_code=2).stderr


def test_show_tells_what_was_asked_and_where_it_came_from(tuner, digits):
    out = tuner("show", "digits", "--store", digits.url).stdout
    rows = [line.split() for line in out.splitlines()]
    assert ["objective", "function", "train:train"] in rows
    assert ["metric", "maximize", "accuracy"] in rows
    assert ["lr", "float", "log", "0.0001", "to", "0.1"] in rows
    assert ["slope", "float", "0", "to", "1", "kind", "=", "relu"] in rows
    assert ["python", "3.11.9"] in rows
    assert ["packages", "30", "entries", "(-o", "json", "shows", "them)"] in rows


def test_show_as_json_holds_the_whole_specification(tuner, digits):
    document = tuner("show", "digits", "--store", digits.url, "-o", "json").json
    assert document["spec"]["limits"]["trials"] == 6
    assert len(document["provenance"]["packages"]) == 30


def test_show_of_a_trial_tells_attempts_reports_and_failure(tuner, digits):
    out = tuner("show", "digits", "3", "--store", digits.url).stdout
    assert "1 CPU, 512 MiB" in out
    assert "2.2 CPU s, 256 MiB" in out or "2.3 CPU s, 256 MiB" in out
    assert "raised: ValueError: lr is too large" in out
    assert "reports  3" in out
    assert '  File "train.py", line 3, in train' in out
    assert "its log: tuner logs digits 3" in out


def test_many_reports_are_a_line_and_the_ends(tuner, digits):
    lines = tuner("show", "digits", "0", "--store", digits.url).lines
    assert "  accuracy  0.025 to 0.5  ▁▁▁▂▂▃▃▃▄▄▅▅▆▆▆▇▇███" in lines
    assert "  ..." in lines
    assert lines[-1].split() == ["1", "20", "0.5"]


def test_show_of_a_trial_as_json(tuner, digits):
    document = tuner("show", "digits", "2", "--store", digits.url, "-o", "json").json
    (attempt,) = document["attempts"]
    assert attempt["outcome"] == {"pruned": 3}
    assert attempt["grant"]["memory_mib"] == 512.0
    assert [report["step"] for report in document["reports"]] == [1, 2, 3]
    assert (document["trial"]["number"], document["trial"]["state"]) == (2, "PRUNED")


def test_an_unknown_trial_says_which_there_are(tuner, digits):
    answer = tuner("show", "digits", "7", "--store", digits.url, exit_code=2)
    assert "study 'digits' has no trial 7; it has trials 0 to 3" in answer.stderr


def test_logs_prints_what_the_trial_printed(tuner, digits):
    assert tuner("logs", "digits", "3", "--store", digits.url).stdout.startswith("epoch 1\nTraceback")
    assert tuner("logs", "digits", "3", "1", "--store", digits.url).stdout.startswith("epoch 1\n")


def test_a_trial_that_printed_nothing_is_told_so(tuner, digits):
    answer = tuner("logs", "digits", "0", "--store", digits.url)
    assert answer.stdout == ""
    assert "attempt 1 of trial 0 printed nothing" in answer.stderr


def test_logs_of_an_attempt_that_never_was(tuner, digits):
    assert "trial 3 has no attempt 2" in tuner("logs", "digits", "3", "2", "--store", digits.url, exit_code=2).stderr
    assert "no attempt of a trial 9" in tuner("logs", "digits", "9", "--store", digits.url, exit_code=2).stderr


def test_following_ends_with_the_attempt(tuner, digits):
    assert tuner("logs", "digits", "3", "-f", "--store", digits.url).stdout.startswith("epoch 1\n")


def test_following_prints_what_is_written_meanwhile(tuner, keeper, monkeypatch):
    keeper.make(state="RUNNING")
    path = store_folder(keeper.url) / "logs" / "digits" / "3.1.log"
    looks = iter([False, False, True])
    monkeypatch.setattr("tuner.cli.logs._ended", lambda *arguments: next(looks))

    def write(seconds):
        with path.open("a") as log:
            log.write("more\n")

    monkeypatch.setattr("tuner.cli.logs.time.sleep", write)
    out = tuner("logs", "digits", "3", "--follow", "--store", keeper.url).stdout
    assert out.startswith("epoch 1\n")
    assert out.endswith("more\nmore\n")


def test_ctrl_c_ends_following_well(tuner, keeper, monkeypatch):
    keeper.make(state="RUNNING")
    monkeypatch.setattr("tuner.cli.logs._ended", lambda *arguments: False)

    def pressed(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("tuner.cli.logs.time.sleep", pressed)
    assert tuner("logs", "digits", "3", "-f", "--store", keeper.url).stdout.startswith("epoch 1\n")
