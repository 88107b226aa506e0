"""Rules for all tests: a skip names what it needs, and fails where that was required; leftovers are listed."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from _pytest.nodeid import NodeId
from hypothesis import settings

from tests.groups import GROUPS, group_of

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts background jobs so, and every program that a test interrupts would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline for one example measures the load of the machine.
settings.register_profile("any-load", deadline=None)
settings.load_profile("any-load")

REQUIRED = frozenset(filter(None, os.environ.get("GRADER_TEST_REQUIRE", "").split(",")))
FAILED_ONCE: list[str] = json.loads(os.environ.get("GRADER_TEST_FAILED_ONCE", "[]"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the tests that need the host's one-of-a-kind things to one worker; keep those that failed, if any did."""
    for item in items:
        if item.get_closest_marker("serial"):
            item.add_marker(pytest.mark.xdist_group("serial"))
        group = item.get_closest_marker("xdist_group")
        if group is not None and config.getoption("loadgroup", default=False):
            # pytest-xdist 3.8 writes the group to where pytest 9.2 reads no name any more, and so groups nothing.
            item._id = NodeId.parse(f"{item.nodeid}@{group.args[0]}")
    if FAILED_ONCE:
        # Not by `--last-failed`, which looks at the names before they have their group.
        others = [item for item in items if item.nodeid not in FAILED_ONCE]
        items[:] = [item for item in items if item.nodeid in FAILED_ONCE]
        config.hook.pytest_deselected(items=others)
        if len(items) < len(FAILED_ONCE):
            raise pytest.UsageError(f"of the tests that failed only {len(items)} are here: {', '.join(FAILED_ONCE)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Turn a skip into a failure if it names no group, or one that this run must have."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        group = group_of(reason)
        if group is None:
            report.outcome = "failed"
            report.longrepr = f"{reason!r}: a skip says `needs: <group>: why`, with one of {', '.join(sorted(GROUPS))}"
        elif group in REQUIRED:
            report.outcome = "failed"
            report.longrepr = f"{reason!r}, and this run was told to --require {group}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was left out and why, what failed beside other tests before, and what failed before the tests."""
    skipped = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    left_out = [*json.loads(os.environ.get("GRADER_TEST_LEFT_OUT", "[]"))]
    left_out += [f"{count} tests: {reason}" for reason, count in sorted(skipped.items())]
    if left_out:
        terminalreporter.section("left out")
        for line in left_out:
            terminalreporter.write_line(line)
    if FAILED_ONCE:
        terminalreporter.section("failed beside other tests, and run once more alone", yellow=True)
        for line in FAILED_ONCE:
            terminalreporter.write_line(line)
    failed = json.loads(os.environ.get("GRADER_TEST_FAILED_BEFORE", "[]"))
    if failed:
        terminalreporter.section("failed before the tests", red=True)
        for line in failed:
            terminalreporter.write_line(line)
