"""What checks say while a playbook runs is kept by host, each once, and by its id."""

from __future__ import annotations

from grader.adapters.catalogue import load_checks
from grader.cli.doctorhosts import CheckList
from grader.model.provision import TaskEnd


def failed(message: str, host: str = "a") -> TaskEnd:
    return TaskEnd(host=host, role="golang", task="Refuse", status="failed", seconds=0.1, message=message)


def test_a_check_that_is_told_again_at_the_end_counts_once() -> None:
    seen = CheckList(load_checks())
    seen.attempt(1, ["a", "b"])
    seen.event(failed("golang-version: found none; expected 1.21.13"))
    seen.event(failed("host-disk: found 1; expected 10\ngolang-version: found none; expected 1.21.13"))
    assert [check.id for check in seen.of("a")] == ["golang-version", "host-disk"]
    assert seen.of("b") == ()


def test_what_the_playbook_goes_on_after_is_a_warning() -> None:
    seen = CheckList(load_checks())
    ignored = failed("image-index: found list:1; expected no index").model_copy(update={"ignored": True})
    seen.event(ignored)
    assert [(check.id, check.state) for check in seen.of("a")] == [("image-index", "warning")]


def test_another_attempt_forgets_what_was_said_before() -> None:
    seen = CheckList(load_checks())
    seen.event(failed("host-disk: found 1; expected 10"))
    seen.attempt(2, ["a"])
    assert seen.of("a") == ()
