"""What a role says when a check fails is found by its id; anything else is no check's."""

from __future__ import annotations

from grader.adapters.catalogue import load_checks
from grader.model.hostcheck import HostHealth, failed_check, mending_tags

KNOWN = load_checks()


def test_a_check_brings_what_it_prevents_and_what_mends_it() -> None:
    check = failed_check("golang-version: found 1.20; expected 1.21.13", KNOWN)
    assert check is not None
    assert (check.found, check.expected, check.prevents) == ("1.20", "1.21.13", "go: command not found")
    assert check.tags == ("golang_install",)


def test_a_rule_of_versions_is_a_check_that_no_run_mends() -> None:
    check = failed_check(
        "versions-tinygo-go: found golang 1.26, which ends in `requires go`; set `golang_version`", KNOWN
    )
    assert check is not None
    assert (check.found, check.prevents, check.remedy) == ("golang 1.26", "requires go", "set `golang_version`")
    assert check.tags == ()


def test_what_only_warns_is_not_mended_by_a_run() -> None:
    check = failed_check("containerd-shim: found none; expected one", KNOWN, warns=True)
    assert check is not None
    assert (check.state, check.tags) == ("warning", ("containerd_shims_install",))
    assert mending_tags([HostHealth(host="a", outcome="ready", checks=(check,))]) == ()


def test_any_other_failure_is_no_check() -> None:
    for message in ("Failed to connect", "no-such-check: x", "", "golang-version"):
        assert failed_check(message, KNOWN) is None


def test_the_tags_that_mend_are_those_of_every_failed_check_once() -> None:
    checks = [failed_check(f"{id_}: found x", KNOWN) for id_ in ("tinygo-version", "host-disk", "golang-version")]
    health = HostHealth(host="a", outcome="failed", checks=tuple(check for check in checks if check))
    assert mending_tags([health, health]) == ("golang_install", "tinygo_install")
