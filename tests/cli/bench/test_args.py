from __future__ import annotations

import pytest

from grader.cli.bench.args import (
    make_plan,
    parse_arms,
    parse_expectation,
    parse_prepare,
    parse_ready,
    parse_rounds,
    refuse_odd_names,
)
from grader.errors import UsageError
from grader.workflow.benchrun import Url


def test_an_arm_is_a_name_and_words_split_as_a_shell_would() -> None:
    (arm,) = parse_arms(["a=prog --opt='two words' x=1"], shell=False)
    assert (arm.name, arm.argv) == ("a", ("prog", "--opt=two words", "x=1"))


def test_a_shell_gets_the_command_as_it_is() -> None:
    (arm,) = parse_arms(["a=echo $HOME | wc"], shell=True)
    assert arm.argv == ("/bin/sh", "-c", "echo $HOME | wc")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["true"], "`true` is not of the form NAME=CMD"),
        (["=true"], "`=true` is not of the form"),
        (["a="], "no program"),
        (["a=''"], "no program"),
        (["a=echo 'x"], "No closing quotation"),
        (["a\x1b[2J=true"], "cannot name an arm"),
        (["a" * 61 + "=true"], "cannot name an arm"),
    ],
)
def test_a_malformed_arm_is_refused_with_what_was_found(texts: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_arms(texts, shell=False)
    assert said in str(caught.value)
    assert caught.value.where.startswith("--arm")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("names", "said"), [([], "nothing to compare"), (["a", "b", "a"], "two arms are called `a`")])
def test_no_arm_and_two_of_one_name_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_odd_names(names)
    assert said in str(caught.value)


def test_prepare_is_for_one_arm_only_if_it_begins_with_the_name_of_one() -> None:
    found = parse_prepare(["rm -f x", "a=rm -f y", "tar --file=z"], ["a", "b"], shell=False)
    assert found == ((None, ("rm", "-f", "x")), ("a", ("rm", "-f", "y")), (None, ("tar", "--file=z")))
    in_a_shell = parse_prepare(["HOME=/ env"], ["a", "b"], shell=True)
    assert in_a_shell == ((None, ("/bin/sh", "-c", "HOME=/ env")),)


def test_what_prepares_an_arm_that_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="there is no arm `c`") as caught:
        parse_prepare(["c=rm -f x"], ["a", "b"], shell=False)
    assert "a, b" in str(caught.value)


def test_an_expectation_is_put_together_from_the_options() -> None:
    found = parse_expectation(json=True, regex="a+", code=3, fresh="now=5s")
    assert (found.json_, found.regex, found.exit) == (True, "a+", 3)
    assert found.fresh is not None
    assert (found.fresh.key, found.fresh.within_s) == ("now", 5)
    plain = parse_expectation(json=False, regex=None, code=None, fresh="now")
    assert plain.fresh is not None
    assert (plain.exit, plain.fresh.within_s) == (0, 2)


@pytest.mark.parametrize(
    ("regex", "fresh"), [("(", None), (None, "=2s"), (None, "t=soon"), (None, "t="), (None, "t=0s")]
)
def test_a_malformed_expectation_is_refused(regex: str | None, fresh: str | None) -> None:
    with pytest.raises(UsageError):
        parse_expectation(json=False, regex=regex, code=None, fresh=fresh)


def test_ready_is_a_word_or_an_address_of_this_host() -> None:
    assert parse_ready("exit") is None
    assert parse_ready("first-byte") is None
    assert parse_ready("http://localhost:3000/api?x=1") == Url(port=3000, path="/api?x=1")
    assert parse_ready("http://127.0.0.1") == Url(port=80, path="/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "https://localhost/",
        "http://",
        "http://example.org/",
        "http://localhost:99999/",
        "http://localhost/a b",
    ],
)
def test_any_other_ready_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_ready(text)
    assert caught.value.where == "--ready"


def test_rounds_are_a_number_or_what_the_precision_needs() -> None:
    assert parse_rounds("auto", "warm", prepared=False) is None
    assert parse_rounds("5000", "warm", prepared=False) == 5000
    assert parse_rounds("1", "file-cold", prepared=False) == 1


@pytest.mark.parametrize("text", ["0", "5001", "-1", "1.5", "ten", "", "１", "9" * 5000])
def test_any_other_number_of_rounds_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rounds(text, "warm", prepared=False)


def test_only_one_run_is_the_first_unless_something_makes_it_so_again() -> None:
    assert parse_rounds("auto", "first", prepared=False) == 1
    assert parse_rounds("auto", "first", prepared=True) == 3
    assert parse_rounds("7", "first", prepared=True) == 7
    with pytest.raises(UsageError) as caught:
        parse_rounds("2", "first", prepared=False)
    assert "--prepare" in caught.value.hint


def test_a_plan_divides_by_the_first_arm_and_discards_runs_in_the_warm_state_only() -> None:
    arms = ["a", "b"]
    plan = make_plan(arms, None, None, 7, "exit", "warm")
    assert (plan.baseline, plan.warmups, plan.clock, plan.seed) == ("a", 2, "total", 7)
    assert make_plan(arms, "b", 3, 7, "first-byte", "first").warmups == 0
    server = make_plan(arms, "b", 3, 7, "http://localhost/", "file-cold")
    assert (server.clock, server.serves, plan.serves) == ("start", True, False)


def test_a_baseline_that_is_no_arm_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(["a", "b"], "c", None, 0, "exit", "warm")
    assert "no arm `c`" in str(caught.value)
    assert "`a`, `b`" in caught.value.hint
