"""`bin/grader` and `bin/setup` on a host where nothing is set up; everything here runs for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.project.conftest import Checkout

TINY = 12 << 20  # bytes of a file system on which no environment fits


def made_at(checkout: Checkout) -> int:
    return (checkout.venv / "requirements.lock").stat().st_mtime_ns


@pytest.mark.xdist_group("ready")  # one worker makes the fixture
class TestTheFirstRun:
    def test_a_command_sets_up_and_runs(self, ready: Checkout) -> None:
        done = ready.run("grader", "lab", "list")
        assert done.returncode == 0, done.stderr
        assert "lab12-f25" in done.stdout
        assert done.stderr == "", "a ready environment is not set up again"

    def test_the_console_script_is_in_the_environment(self, ready: Checkout) -> None:
        done = subprocess.run([str(ready.venv / "bin/grader"), "--version"], capture_output=True, text=True, check=True)
        assert re.fullmatch(r"grader \d+\.\d+\.\d+\n", done.stdout)

    def test_progress_goes_to_stderr(self, checkout: Checkout) -> None:
        done = checkout.run("setup")
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert "mdurl" in done.stderr
        assert "is ready" in done.stderr

    def test_nothing_of_the_callers_directory_is_imported(self, ready: Checkout, tmp_path: Path) -> None:
        for name in ("typing.py", "grader.py", "typer.py"):
            (tmp_path / name).write_text("raise SystemExit('imported from the submission')\n", encoding="utf-8")
        done = ready.run("grader", "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_link_to_the_script_works_from_anywhere(self, ready: Checkout, tmp_path: Path) -> None:
        (tmp_path / "one").symlink_to(ready.root / "bin/grader")
        (tmp_path / "two").symlink_to("one")
        argv = [str(tmp_path / "two"), "--version"]
        done = subprocess.run(argv, env=ready.settings(), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def test_settings_of_the_callers_pip_do_not_misdirect_it(self, checkout: Checkout, tmp_path: Path) -> None:
        done = checkout.run(
            "setup",
            PIP_USER="1",
            PIP_TARGET=str(tmp_path / "elsewhere"),
            PIP_NO_BINARY=":all:",
            PIP_FIND_LINKS=str(tmp_path / "nowhere"),
            PIP_REQUIRE_VIRTUALENV="1",
            PIP_QUIET="3",
            PYTHONPATH=str(tmp_path),
        )
        assert done.returncode == 0, done.stderr
        assert list(checkout.venv.glob("lib/python3*/site-packages/mdurl"))
        assert not (tmp_path / "elsewhere").exists()


class TestBeforeSetUp:
    @pytest.mark.parametrize("arguments", [[], ["--help"], ["grade", "--help"], ["lab", "list", "-h"], ["--version"]])
    def test_help_makes_no_environment(self, checkout: Checkout, arguments: list[str]) -> None:
        done = checkout.run("grader", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "rader" in done.stdout
        assert not checkout.venv.exists()

    def test_doctor_names_what_is_missing_and_the_command_that_mends_it(self, checkout: Checkout) -> None:
        done = checkout.run("grader", "doctor", "--json")
        assert done.returncode == 3
        answer = json.loads(done.stdout)
        assert answer["ready"] is False
        (environment,) = [check for check in answer["checks"] if check["id"] == "environment"]
        assert (environment["state"], environment["needed"]) == ("missing", True)
        assert environment["remedy"].endswith(f"{checkout.root}/bin/setup")
        assert not checkout.venv.exists()

    def test_claims_prints_the_one_command(self, checkout: Checkout) -> None:
        done = checkout.run("grader", "claims", "report.md")
        assert (done.returncode, done.stdout) == (3, "")
        assert f"run `{checkout.root}/bin/setup`" in done.stderr
        assert not checkout.venv.exists()

    @pytest.mark.parametrize("arguments", [["grad", "DIR"], ["--verbose"], ["doctor", "--for", "fun"]])
    def test_a_wrong_command_is_refused_with_what_is_allowed(self, checkout: Checkout, arguments: list[str]) -> None:
        done = checkout.run("grader", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "grade" in done.stderr
        assert not checkout.venv.exists()

    def test_without_python_the_command_that_installs_it_is_printed(self, checkout: Checkout, tmp_path: Path) -> None:
        tools = path_with(tmp_path / "tools", "cmp", "id", "apt-get")
        done = checkout.run("grader", "--help", PATH=str(tools))
        assert (done.returncode, done.stdout) == (3, "")
        assert "there is no python3 here" in done.stderr
        assert "apt-get install -y python3 python3-venv" in done.stderr

    def test_a_python_that_is_too_old_is_named(self, checkout: Checkout, tmp_path: Path) -> None:
        tools = path_with(tmp_path / "tools", "cmp", "id")
        old = tools / "python3"
        old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n', encoding="utf-8")
        old.chmod(0o755)
        done = checkout.run("grader", "--help", PATH=str(tools))
        assert done.returncode == 3
        assert "this is Python 3.9.2" in done.stderr


class TestMending:
    def test_another_lock_file_makes_the_environment_anew(self, checkout: Checkout) -> None:
        assert checkout.run("setup").returncode == 0
        checkout.lock_only("shellingham")
        assert checkout.run("setup").returncode == 0
        site = next(checkout.venv.glob("lib/python3*/site-packages"))
        assert (site / "shellingham").is_dir()
        assert not (site / "mdurl").exists()

    def test_a_moved_checkout_makes_its_environment_anew(self, checkout: Checkout, tmp_path: Path) -> None:
        assert checkout.run("setup").returncode == 0
        moved = Checkout(checkout.root.rename(tmp_path / "moved"), checkout.wheels, checkout.environ)
        done = moved.run("setup")
        assert (done.returncode, "setting up" in done.stderr) == (0, True), done.stderr
        assert (moved.venv / "grader-root").read_text(encoding="utf-8") == f"{moved.root}\n"

    def test_an_interpreter_that_is_gone_is_replaced(self, checkout: Checkout) -> None:
        assert checkout.run("setup").returncode == 0
        python = checkout.venv / "bin/python"
        python.unlink()
        python.symlink_to("/nonexistent/python3.11")
        assert checkout.run("setup").returncode == 0
        assert python.exists()

    @pytest.mark.parametrize("after_s", [0.3, 1.2, 2.5])
    def test_a_set_up_that_was_killed_is_mended_by_running_again(self, checkout: Checkout, after_s: float) -> None:
        with subprocess.Popen(checkout.command("setup"), env=checkout.settings(), stderr=subprocess.DEVNULL) as first:
            time.sleep(after_s)
            first.send_signal(signal.SIGKILL)
        done = checkout.run("setup")
        assert done.returncode == 0, done.stderr
        leftovers = {path.name for path in checkout.root.glob(".*")} - {".venv", ".setup.lock"}
        assert leftovers == set()

    def test_two_first_runs_at_once_do_not_break_each_other(self, checkout: Checkout) -> None:
        argv, environ = checkout.command("setup"), checkout.settings()
        both = [subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        said = [process.communicate(timeout=120)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        assert sum("setting up" in text for text in said) == 1, said

    def test_an_environment_of_somebody_else_is_left_alone(self, checkout: Checkout) -> None:
        checkout.venv.mkdir()
        (checkout.venv / "precious").write_text("mine", encoding="utf-8")
        done = checkout.run("setup")
        assert done.returncode == 3
        assert "left alone" in done.stderr
        assert (checkout.venv / "precious").read_text(encoding="utf-8") == "mine"


class TestWhatGoesWrong:
    def test_a_package_with_another_hash_is_refused(self, checkout: Checkout) -> None:
        lock = checkout.root / "requirements.lock"
        lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text(encoding="utf-8")), encoding="utf-8")
        done = checkout.run("setup")
        assert done.returncode == 3
        assert "another hash" in done.stderr
        assert "mdurl" in done.stderr
        assert not checkout.venv.exists()

    def test_without_a_network_the_way_around_it_is_named(self, checkout: Checkout) -> None:
        nowhere = "http://127.0.0.1:9/simple"  # the discard port: refused at once
        done = checkout.run("setup", GRADER_WHEELS="", PIP_INDEX_URL=nowhere, PIP_RETRIES="0", PIP_NO_CACHE_DIR="1")
        assert done.returncode == 3
        assert "cannot be reached" in done.stderr
        assert "GRADER_WHEELS" in done.stderr
        assert not checkout.venv.exists()

    def test_a_wheel_that_is_not_there_is_named(self, checkout: Checkout, tmp_path: Path) -> None:
        empty = tmp_path / "empty"
        empty.mkdir()
        done = checkout.run("setup", GRADER_WHEELS=str(empty))
        assert done.returncode == 3
        assert re.search(r"holds no wheel of `mdurl==[\d.]+`", done.stderr), done.stderr

    def test_wheels_that_are_no_directory_are_wrong_usage(self, checkout: Checkout, tmp_path: Path) -> None:
        done = checkout.run("setup", GRADER_WHEELS=str(tmp_path / "absent"))
        assert done.returncode == 2
        assert "`GRADER_WHEELS` is no directory" in done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: to become another user")
    def test_a_checkout_that_is_not_ours_to_write_is_told(self, checkout: Checkout, tmp_path: Path) -> None:
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_mode & 0o077 == 0:
                folder.chmod(0o711)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *checkout.command("setup")]
        system = checkout.settings(PATH="/usr/bin:/bin", HOME="/nonexistent", GRADER_WHEELS="")
        done = subprocess.run(argv, env=system, capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert "cannot write here: permission denied" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: to mount a small file system")
    def test_a_full_disk_is_told_and_mended_by_running_again(self, checkout: Checkout) -> None:
        target = checkout.root.with_name("small")
        target.mkdir()
        script = f'mount -t tmpfs -o size={TINY} none "$0" && cp -a "$1"/. "$0" && exec "$0/bin/setup"'
        argv = ["unshare", "-m", "sh", "-c", script, str(target), str(checkout.root)]
        done = subprocess.run(argv, env=checkout.settings(), capture_output=True, text=True, check=False)
        assert done.returncode == 3, done.stderr
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr


def path_with(folder: Path, *names: str) -> Path:
    """Make a folder for PATH that holds these programs and nothing else."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or "/bin/true")
    return folder
