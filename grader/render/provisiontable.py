"""What became of each lab host, as text for a terminal.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.hostcheck import HostsHealth
from grader.model.provision import HostReport, ProvisionReport
from grader.render.escape import one_line

_MESSAGE = 600


def report_text(report: ProvisionReport) -> str:
    """Return a line per host with why it failed or what would change, the slowest tasks, and rows left out."""
    wide = max([len("host"), *(len(host.host) for host in report.hosts)])
    lines = [f"{'host':<{wide}}  {'outcome':<11}  {'ok':>4}  {'changed':>7}  {'skipped':>7}  {'tries':>5}  {'s':>7}"]
    for host in report.hosts:
        lines.append(
            f"{one_line(host.host):<{wide}}  {host.outcome:<11}  {host.ok:>4}  {host.changed:>7}  {host.skipped:>7}  "
            f"{host.attempts:>5}  {host.seconds:>7.1f}"
        )
        if host.message:
            lines.append(f"    {failure_text(host)}")
        if report.check:
            lines += [f"    would change  {one_line(change.named)}" for change in host.changes]
            hidden = host.changed - len(host.changes)
            lines += (
                [f"    would change  {hidden} more, in tasks that hide what they do (`no_log`)"] if hidden > 0 else []
            )
    lines += [f"left out: {one_line(row, _MESSAGE)}" for row in report.refused]
    if report.slowest:
        lines.append("slowest tasks")
        lines += [
            f"    {task.seconds:7.1f} s  {one_line(task.named)}  ({one_line(task.host)})" for task in report.slowest
        ]
    return "\n".join(lines) + "\n"


def failure_text(host: HostReport) -> str:
    """Return why a host failed in one line."""
    why = one_line(host.message, _MESSAGE)
    return f"{one_line(host.task)}: {why}" if host.task else why


def overall(hosts: Sequence[HostReport]) -> str:
    """Return how many hosts ended how: `2 ready, 1 unreachable`."""
    count = {outcome: sum(host.outcome == outcome for host in hosts) for outcome in dict.fromkeys(_ORDER)}
    return ", ".join(f"{n} {outcome}" for outcome, n in count.items() if n) or "no hosts"


_ORDER = ("ready", "differs", "failed", "unreachable", "refused", "not-run")


def health_text(health: HostsHealth) -> str:
    """Return per host what was found and expected, what that prevents, and what mends it."""
    lines = []
    for host in health.hosts:
        lines.append(f"{one_line(host.host)}: {host.outcome}")
        if host.message:
            lines.append(f"    {one_line(host.message, _MESSAGE)}")
        for check in host.checks:
            mark = "warning: " if check.state == "warning" else ""
            lines.append(f"    {mark}{check.id}: found {one_line(check.found, _MESSAGE)}")
            if check.expected:
                lines.append(f"        expected  {one_line(check.expected, _MESSAGE)}")
            if check.prevents:
                lines.append(f"        prevents  {check.prevents}")
            if check.remedy:
                lines.append(f"        mend      {check.remedy}")
            if check.tags and check.state == "failed":
                lines.append(f"        or        grader doctor --host {one_line(host.host)} --fix")
    return "\n".join([*lines, ""])
