"""`grader provision` as it is called; no test gives it a host that it could change."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from grader.adapters.hostlogs import save_report
from grader.cli.app import app
from grader.cli.provision import exit_by, words
from grader.errors import GraderError, UsageError
from grader.model.provision import HostReport, ProvisionReport
from tests.project.conftest import ROOT

pytest.importorskip("ansible_runner", reason="ansible-runner is not installed")

ROSTER = """name,host,edition,group
Anna,nowhere.invalid,f25,student
=1+1,x.invalid,f25,student
Boris,+x.invalid,f25,student
-Olga,x.invalid,f25,student
Pavel,x.invalid,@f25,student
{{ lookup('pipe'),x.invalid,f25,student
$(touch ran),x.invalid,f25,student
Anna again,nowhere.invalid,f25,student
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "grader", *arguments]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory with one host, at a port where something listens that never answers."""
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "group_vars/f25.yml").write_text("---\nlab: lab12-f25\n", encoding="utf-8")
    return folder


def hosts(folder: Path, port: int) -> None:
    (folder / "hosts.yml").write_text(
        f"student:\n  hosts:\n    silent: {{ansible_host: 127.0.0.1, ansible_port: {port}, ansible_ssh_timeout: 60}}\n",
        encoding="utf-8",
    )


@pytest.mark.slow
def test_each_bad_host_has_its_message_and_the_code_says_that_hosts_are_not_ready(
    tmp_path: Path, inventory: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        hosts(inventory, closed.getsockname()[1])
        (inventory / "roster.csv").write_text(ROSTER, encoding="utf-8")
        out = tmp_path / "out"
        options = ("--inventory", str(inventory), "--out", str(out), "--check", "--json")
        done = subprocess.run(
            command("provision", *options, "--limit", "silent,nosuch,nowhere.invalid"),
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert {host["host"]: host["outcome"] for host in report["hosts"]} == {
        "silent": "unreachable", "nosuch": "refused", "nowhere.invalid": "unreachable",
    }  # fmt: skip
    messages = {host["host"]: host["message"] for host in report["hosts"]}
    assert "Connection refused" in messages["silent"]
    assert "Could not resolve hostname" in messages["nowhere.invalid"]
    assert "no such host" in messages["nosuch"]
    assert [row.partition(":")[2][:1] for row in report["refused"]] == list("3456789")
    assert all(row.startswith("roster.csv:") and "\n" not in row for row in report["refused"])
    assert "`name` is `=1+1`: a cell must not begin as a formula does" in report["refused"][0]
    assert "`nowhere.invalid` is in line 2 already" in report["refused"][-1]
    assert not (ROOT / "ran").exists()
    assert report == json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert "Connection refused" in (out / "logs/silent.log").read_text(encoding="utf-8")
    assert "Traceback" not in done.stderr


def test_a_limit_that_names_nobody_is_wrong_input(tmp_path: Path, inventory: Path) -> None:
    hosts(inventory, 9)
    options = ("--inventory", str(inventory), "--out", str(tmp_path / "out"), "--limit", "nosuch")
    done = subprocess.run(command("provision", *options), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such host" in done.stdout


def test_an_inventory_that_cannot_be_read_is_wrong_input(tmp_path: Path, inventory: Path) -> None:
    (inventory / "hosts.yml").write_text("student: [\n", encoding="utf-8")
    options = ("--inventory", str(inventory), "--out", str(tmp_path / "out"))
    done = subprocess.run(command("provision", *options), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("grader: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_interrupt_ends_the_run_with_130_and_a_report(tmp_path: Path, inventory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # It takes connections and says nothing.
        hosts(inventory, silent.getsockname()[1])
        out = tmp_path / "out"
        options = ("--inventory", str(inventory), "--out", str(out), "--check")
        running = subprocess.Popen(command("provision", *options), cwd=ROOT, stdout=-1, stderr=-1, text=True)
        silent.settimeout(120)
        connection, _ = silent.accept()
        running.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = running.communicate(timeout=100)
        connection.close()
    assert running.returncode == 130, said
    assert time.monotonic() - began < 90
    assert "interrupted" in said
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["interrupted"] is True


def test_failed_takes_the_hosts_that_the_last_run_left(tmp_path: Path, inventory: Path) -> None:
    options = ("--inventory", str(inventory), "--out", str(tmp_path / "out"), "--failed")
    done = subprocess.run(command("provision", *options), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no report of an earlier run" in done.stderr


@pytest.mark.parametrize(
    ("outcomes", "refused", "code"),
    [
        (("ready",), (), 0),
        (("ready", "refused"), (), 2),
        (("ready",), ("roster.csv:2: x",), 2),
        (("failed", "refused"), (), 3),
        (("unreachable",), (), 3),
        (("not-run",), (), 3),
    ],
)
def test_the_code_tells_the_worst_that_happened(outcomes: tuple[str, ...], refused: tuple[str, ...], code: int) -> None:
    reports = tuple(HostReport.model_validate({"host": str(n), "outcome": o}) for n, o in enumerate(outcomes))
    report = ProvisionReport(
        playbook="site.yml", check=False, tags=(), interrupted=False, seconds=1, hosts=reports, slowest=(),
        refused=refused,
    )  # fmt: skip
    with pytest.raises(typer.Exit) as ended:
        exit_by(report)
    assert ended.value.exit_code == code


def test_words_are_joined_by_commas_or_given_again() -> None:
    assert words(["a, b", "b", ""], "--limit") == ("a", "b")
    assert words(None, "--limit") == ()


def test_an_option_with_an_empty_word_does_not_mean_every_host() -> None:
    with pytest.raises(UsageError) as refused:
        words([" , "], "--limit")
    assert refused.value.where == "--limit"


def test_a_change_is_exit_4_only_where_that_was_asked_for_and_no_host_failed() -> None:
    changed = HostReport(host="a", outcome="differs", changed=1)
    report = ProvisionReport(
        playbook="site.yml", check=True, tags=(), interrupted=False, seconds=1, hosts=(changed,), slowest=()
    )
    failed = report.model_copy(update={"hosts": (changed, HostReport(host="b", outcome="failed"))})
    quiet = report.model_copy(update={"hosts": (HostReport(host="a", outcome="ready"),)})
    codes = []
    for one, fail_on in ((report, None), (report, "changed"), (quiet, "changed"), (failed, "changed")):
        with pytest.raises(typer.Exit) as ended:
            exit_by(one, fail_on=fail_on)
        codes.append(ended.value.exit_code)
    assert codes == [0, 4, 0, 3]


def called(*options: object) -> GraderError:
    result = CliRunner().invoke(app, ["provision", *map(str, options)])
    assert isinstance(result.exception, GraderError), result.output
    return result.exception


def test_a_tag_that_no_step_has_is_refused_with_those_that_are_near(tmp_path: Path, inventory: Path) -> None:
    hosts(inventory, 9)
    error = called("--inventory", inventory, "--out", tmp_path / "out", "--tags", "golang_instal")
    assert (error.where, error.exit_code) == ("--tags", 2)
    assert "`golang_install`" in error.hint


def test_an_inventory_without_hosts_is_wrong_input(tmp_path: Path, inventory: Path) -> None:
    (inventory / "roster.csv").write_text("name,host,edition,group\n", encoding="utf-8")
    error = called("--inventory", inventory, "--out", tmp_path / "out")
    assert "no hosts" in error.what


def test_a_table_is_an_inventory_by_itself_and_its_bad_rows_are_told(tmp_path: Path, inventory: Path) -> None:
    (inventory / "roster.csv").write_text("name,host,edition,group\nA,B C,f25,student\n", encoding="utf-8")
    options = ("--inventory", str(inventory), "--out", str(tmp_path / "out"), "--json", "--quiet")
    result = CliRunner().invoke(app, ["provision", *options])
    assert result.exit_code == 2
    assert "`host` is `B C`" in json.loads(result.stdout)["refused"][0]


def test_failed_after_a_run_that_finished_prints_that_report(tmp_path: Path) -> None:
    report = ProvisionReport(
        playbook="site.yml", check=False, tags=(), interrupted=False, seconds=1, slowest=(),
        hosts=(HostReport(host="a", outcome="ready"),),
    )  # fmt: skip
    save_report(tmp_path, report)
    result = CliRunner().invoke(app, ["provision", "--failed", "--json", "--out", str(tmp_path)])
    assert (result.exit_code, json.loads(result.stdout)["hosts"][0]["host"]) == (0, "a")


def test_what_became_of_hosts_is_told_where_the_report_cannot_be_written(tmp_path: Path, inventory: Path) -> None:
    hosts(inventory, 9)
    (tmp_path / "out/report.json").mkdir(parents=True)
    options = ("--inventory", str(inventory), "--out", str(tmp_path / "out"), "--limit", "nosuch")
    result = CliRunner().invoke(app, ["provision", *options])
    assert isinstance(result.exception, GraderError)
    assert "cannot be written" in str(result.exception)
    assert "no such host" in result.stderr
