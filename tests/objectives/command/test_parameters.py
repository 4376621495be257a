"""How parameters reach the program."""

from __future__ import annotations

import json

import pytest

from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.trial import Completed
from tuner.worker import AttemptResult

SAY = 'printf "%s|" "$@"; echo; echo "{\\"loss\\": 0.5}"'


def arguments_of(result: AttemptResult) -> list[str]:
    assert result.outcome == Completed({"loss": 0.5}), (result.outcome, result.log)
    return result.log.decode().splitlines()[0].split("|")[:-1]


def test_named_parameters_stand_in_their_places_and_the_others_follow(bench):
    result = bench.run(["sh", "-c", SAY, "me", "--rate={lr}", "{depth}"])
    assert arguments_of(result) == ["--rate=1e-05", "3", "--booster=tree"]


def test_a_string_is_split_as_a_shell_splits_it(bench):
    bench.write("say.sh", SAY)
    assert arguments_of(bench.run("sh say.sh 'two words' \"{depth}\" a\\ b {lr} {booster}")) == [
        "two words",
        "3",
        "a b",
        "1e-05",
        "tree",
    ]


def test_values_are_never_read_by_a_shell(bench):
    space = SearchSpace({"text": Categorical(["$(touch broken); `id` 'x' \"y\" *"])})
    text = space["text"].values()[0]  # type: ignore[index]
    result = bench.run(["sh", "-c", SAY, "me", "{text}"], {"text": text}, bench.spec(space=space))
    assert arguments_of(result) == [text]
    assert not (bench.base / "broken").exists()


def test_what_is_inactive_goes_with_the_flag_before_it(bench):
    command = ["sh", "-c", SAY, "me", "-v", "--drop", "{rate_drop}", "-f", "drop={rate_drop}", "--x={rate_drop}", "-q"]
    command += ["{lr}", "{depth}", "{booster}"]

    assert arguments_of(bench.run(command)) == ["-v", "-q", "1e-05", "3", "tree"]
    active = bench.params | {"booster": "dart", "rate_drop": 0.25}
    assert arguments_of(bench.run(command, active)) == (
        ["-v", "--drop", "0.25", "-f", "drop=0.25", "--x=0.25", "-q", "1e-05", "3", "dart"]
    )


def test_a_list_in_the_list_goes_as_a_whole(bench):
    command = ["sh", "-c", SAY, "me", ["mode", "dart", "{rate_drop}"], "{lr}{depth}{booster}"]
    assert arguments_of(bench.run(command)) == ["1e-053tree"]


def test_none_counts_as_inactive(bench):
    command = ["sh", "-c", SAY, "me", "--booster", "{booster}", "{lr}", "{depth}"]
    assert arguments_of(bench.run(command, bench.params | {"booster": None})) == ["1e-05", "3"]


def test_braces_stand_for_themselves_where_they_name_nothing(bench):
    command = ["sh", "-c", SAY, "me", "{ print $1 }", "{}", "{{lr}}", "{{1}}", "{lr}", "{depth}{booster}"]
    assert arguments_of(bench.run(command)) == ["{ print $1 }", "{}", "{lr}", "{{1}}", "1e-05", "3tree"]


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (0.1 + 0.2, "0.30000000000000004"), (7, "7")]
)
def test_values_are_written_as_programs_read_them(bench, value, text):
    space = SearchSpace({"v": Categorical([value])})
    assert arguments_of(bench.run(["sh", "-c", SAY, "me", "{v}"], {"v": value}, bench.spec(space=space))) == [text]


def test_parameters_may_come_as_a_json_file(bench):
    result = bench.run(
        ["sh", "-c", 'cat "$TUNER_PARAMS_FILE"; echo; cat "$1"; echo; echo "{\\"loss\\": 0.5}"', "me", "{params_file}"],
        bench.params | {"booster": None},
        params="json",
    )
    lines = result.log.decode().splitlines()
    assert json.loads(lines[0]) == json.loads(lines[1]) == bench.params | {"booster": None}
    assert isinstance(result.outcome, Completed)


def test_parameters_may_come_as_environment_variables(bench):
    space = SearchSpace({"learning.rate": Float(0, 1), "depth": Int(1, 9)})
    result = bench.run(
        ["sh", "-c", 'echo "$TUNER_PARAM_LEARNING_RATE $TUNER_PARAM_DEPTH"; echo "{\\"loss\\": 0.5}"'],
        {"learning.rate": 0.25, "depth": 3},
        bench.spec(space=space),
        params="environment",
    )
    assert result.log.decode().splitlines()[0] == "0.25 3"


def test_the_program_learns_of_its_attempt_and_its_grant(bench):
    names = "TUNER_TRIAL TUNER_ATTEMPT TUNER_SEED TUNER_CPU TUNER_GPU TUNER_MEMORY_MIB OMP_NUM_THREADS MINE"
    script = (
        f'for n in {names}; do eval "printf \\"%s \\" \\"\\$$n\\""; done; echo; echo "$@"; pwd; ' + SAY.split("; ")[-1]
    )
    result = bench.run(
        ["sh", "-c", script, "me", "{trial}.{attempt}.{seed}.{cpu}.{gpu}.{memory_mib}", "{directory}"],
        params="json",
        environment={"MINE": 5},
    )
    lines = result.log.decode().splitlines()
    assert lines[0].split() == ["4", "1", "99", "1", "0", "512", "1", "5"]
    assert lines[1] == f"4.1.99.1.0.512 {bench.base / 'scratch' / '4.1'}"
    assert lines[2] == str(bench.base.resolve())


def test_a_parameter_hides_a_built_in_name(bench):
    space = SearchSpace({"seed": Int(1, 9), "on": Categorical([True, False])})
    assert arguments_of(
        bench.run(["sh", "-c", SAY, "me", "{seed}{on}"], {"seed": 5, "on": True}, bench.spec(space=space))
    ) == ["5true"]
