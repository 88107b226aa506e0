"""The table of hosts: a line each, why one failed below it, nothing that acts on a terminal."""

from __future__ import annotations

from grader.model.hostcheck import FailedCheck, HostHealth, HostsHealth
from grader.model.provision import Change, HostReport, ProvisionReport, SlowTask
from grader.render.provisiontable import health_text, overall, report_text

HOSTS = (
    HostReport(host="a", outcome="ready", attempts=1, ok=7, changed=3, seconds=12.34),
    HostReport(host="b", outcome="failed", attempts=2, task="golang: Install", message="bad\x1b[31m\nmore"),
)


def test_each_host_has_its_line_and_a_failure_its_reason_in_one_line() -> None:
    slow = SlowTask(role="golang", task="Install", host="a", seconds=9.5)
    report = ProvisionReport(
        playbook="site.yml", check=False, tags=(), interrupted=False, seconds=20, hosts=HOSTS, slowest=(slow,),
        refused=("roster.csv:3: x",),
    )  # fmt: skip
    lines = report_text(report).splitlines()
    assert lines[1].split() == ["a", "ready", "7", "3", "0", "1", "12.3"]
    assert lines[3] == "    golang: Install: bad\\x1b[31m more"
    assert lines[4] == "left out: roster.csv:3: x"
    assert lines[-1].split() == ["9.5", "s", "golang:", "Install", "(a)"]


def test_check_mode_names_what_would_change_below_its_host() -> None:
    change = Change(role="golang", task="Unpack", diff="+1")
    host = HostReport(host="a", outcome="differs", changed=1, changes=(change,))
    report = ProvisionReport(
        playbook="site.yml", check=True, tags=(), interrupted=False, seconds=1, hosts=(host,), slowest=()
    )
    assert report_text(report).splitlines()[2] == "    would change  golang: Unpack"
    more = host.model_copy(update={"changed": 3})
    secret = report_text(report.model_copy(update={"hosts": (more,)})).splitlines()[3]
    assert secret == "    would change  2 more, in tasks that hide what they do (`no_log`)"
    assert "would" not in report_text(report.model_copy(update={"check": False}))
    assert overall(report.hosts) == "1 differs"


def test_the_whole_is_counted_by_outcome() -> None:
    assert overall(HOSTS) == "1 ready, 1 failed"
    assert overall(()) == "no hosts"


def test_a_failed_check_shows_what_it_prevents_and_what_mends_it() -> None:
    check = FailedCheck(id="go-x", found="1", expected="2", prevents="no go", remedy="set it", tags=("golang",))
    bare = FailedCheck(id="versions-x", state="warning", found="too old", tags=("golang",))
    host = HostHealth(host="a", outcome="failed", checks=(check, bare))
    text = health_text(HostsHealth(ready=False, fixed=False, hosts=(host,)))
    assert "    go-x: found 1\n        expected  2\n        prevents  no go\n        mend      set it\n" in text
    assert "grader doctor --host a --fix" in text
    assert text.endswith("    warning: versions-x: found too old\n")
