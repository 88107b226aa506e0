"""`grader bench` as people meet it: arms that fail, servers, interrupts, a full disk; no time is asserted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Grader, Run
from tests.ports import own_port

pytestmark = [pytest.mark.serial, pytest.mark.timeout(300)]

Compared = Callable[..., dict[str, Any]]

GOOD = "ok=echo '{\"unix\": 1}'"
FRESH = r"""fresh=sh -c 'printf "{\"unix\": %s}" $(date +%s)'"""


def run_bench(grader: Grader, *options: object) -> tuple[Run, dict[str, Any]]:
    run = grader("bench", "--json", "--quiet", *options)
    return run, json.loads(run.stdout) if run.stdout else {}


def arms(result: dict[str, Any]) -> dict[str, Any]:
    return {arm["name"]: arm for arm in result["arms"]}


def has_number(arm: dict[str, Any]) -> bool:
    return bool(arm["n"] or arm["total"] or arm["start"])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


HANGING_UP = ("env", "--default-signal=HUP")
"""Under `nohup`, as a suite may be started, SIGHUP is ignored by all that it starts."""


def gone(pid: int) -> bool:
    for _ in range(500):
        if not is_alive(pid):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing to compare"),
        (("--arm", "true"), "NAME=CMD"),
        (("true", "sleep 1"), "--arm a=true --arm b='sleep 1'"),
        (("--arm", "a=true", "--prepare", "b=true"), "no arm `b`"),
        (("--arm", "a=true", "--plot", "runs.png"), "SVG"),
        (("--arm", "a=true", "--arm", "a=false"), "two arms are called `a`"),
        (("--arm", "a=true", "--baseline", "b"), "no arm `b`"),
        (("--arm", "a=echo 'x"), "No closing quotation"),
        (("--arm", "a=true", "--rounds", "0"), "no number of rounds"),
        (("--arm", "a=true", "--expect-regex", "("), "no regular expression"),
        (("--arm", "a=true", "--time-limit", "soon"), "no duration"),
        (("--arm", "a=true", "--ready", "http://example.org/"), "not this host"),
        (("--arm", "a=true", "--ready", "http://localhost:8080/", "--memory"), "peak of a server"),
        (("--arm", "a=true", "--cold-file", "x"), "file-cold"),
        (("--arm", "a=true", "--export-json", "no/such/folder/x.json"), "no folder"),
        (("--arm", "a=sleep 5", "--arm", "b=sleep 6", "--time-limit", "0.5s"), "too short for one round"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_2(grader: Grader, options: tuple[str, ...], message: str) -> None:
    run = grader("bench", "--quiet", *options)
    assert run.code == 2, run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_each_kind_of_bad_run_fails_its_arm_and_the_others_are_compared(grader: Grader, tmp_path: Path) -> None:
    """A missing program, exit 125, empty output, stale output and a hang; a loop averages each of them."""
    stale = """stale=printf '{"unix": 1700000000}'"""
    run, result = run_bench(
        grader,
        *("--arm", FRESH, "--arm", FRESH.replace("fresh", "again", 1)),
        *("--arm", f"missing={tmp_path}/no-such-program"),
        *("--arm", "exit=sh -c 'echo no such image >&2; exit 125'"),
        *("--arm", "empty=true", "--arm", stale, "--arm", "hang=sleep 1000"),
        *("--expect-fresh", "unix=60s", "--rounds", "6", "--timeout", "3s"),
    )
    assert run.code == 3, run.stderr
    found = arms(result)
    reasons = {name: arm["failure"]["reason"]["code"] for name, arm in found.items() if arm["failure"]}
    assert reasons == {
        "missing": "run.not-started",
        "exit": "bench.exit",
        "empty": "probe.empty",
        "stale": "probe.not-now",
        "hang": "run.timeout",
    }
    assert not any(has_number(found[name]) for name in reasons)
    assert (found["exit"]["failure"]["exit"], found["exit"]["failure"]["tail"]) == (125, "no such image")
    assert [(found[name]["state"], found[name]["n"]) for name in ("fresh", "again")] == [("measured", 6)] * 2
    assert [(ratio["numerator"], ratio["denominator"]) for ratio in result["ratios"]] == [("again", "fresh")]


def test_a_program_that_cannot_be_run_is_told_beside_the_others(grader: Grader, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no program", encoding="utf-8")
    run = grader("bench", "--quiet", "--arm", "a=true", "--arm", f"b={tmp_path}/plain", "--rounds", "2")
    assert run.code == 3
    assert "Permission denied" in run.stdout


def test_output_that_is_no_text_is_shown_harmlessly(grader: Grader) -> None:
    run = grader("bench", "--quiet", "--rounds", "1", "--expect-json", "--arm", r"a=printf '\033[2J\377'")
    assert run.code == 3
    assert "\x1b[2J" not in run.stdout
    assert "not JSON" in run.stdout


def test_under_six_rounds_there_is_a_ratio_and_no_interval(grader: Grader) -> None:
    run, result = run_bench(grader, "--arm", "a=true", "--arm", "b=true", "--rounds", "3", "--seed", "5")
    (ratio,) = result["ratios"]
    assert (run.code, ratio["verdict"], ratio["low"], ratio["high"]) == (0, "not_resolved", None, None)
    assert (ratio["n"], result["seed"]) == (3, 5)
    assert ratio["ratio"] > 0


def test_every_sample_and_the_method_are_in_the_result(grader: Grader, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "hyperfine", "svg", "jsonl")}
    run, result = run_bench(
        grader,
        *("--arm", GOOD, "--arm", "other=echo '{\"unix\": 2}'", "--baseline", "other", "--expect-json"),
        *("--rounds", "4", "--export-json", files["json"], "--export-csv", files["csv"]),
        *("--export-hyperfine", files["hyperfine"], "--plot", files["svg"], "--samples", files["jsonl"]),
    )
    assert run.code == 0, run.stderr
    assert json.loads(files["json"].read_bytes()) == result
    # A noisy host has more runs, of rounds that are run again.
    runs = sum(len(arm["samples"]) for arm in result["arms"])
    marks = [(sample["phase"], sample["used"]) for sample in arms(result)["ok"]["samples"]]
    assert marks[:2] == [("warm-up", False)] * 2
    assert marks[2:].count(("timed", True)) == 4
    assert all(0 < s["start"] <= s["total"] for arm in result["arms"] for s in arm["samples"])
    assert result["method"]["conditions"] == "warm"
    assert result["ratios"][0]["denominator"] == "other"
    assert len(files["csv"].read_text().splitlines()) == 1 + runs
    assert {r["command"] for r in json.loads(files["hyperfine"].read_bytes())["results"]} == {"ok", "other"}
    assert files["svg"].read_bytes().lstrip().startswith(b"<svg")
    assert files["jsonl"].read_bytes().count(b'{"sample":') == runs


def test_the_same_command_again_keeps_the_runs_of_the_first(grader: Grader, tmp_path: Path) -> None:
    samples = tmp_path / "runs.jsonl"
    options = ("bench", "--arm", "a=true", "--rounds", "1", "--samples", samples)
    grader(*options)
    first = samples.read_bytes()
    again = grader(*options)
    assert f"`{samples}.1`" in again.stderr
    assert Path(f"{samples}.1").read_bytes() == first
    assert samples.read_bytes() != first


def test_an_export_that_fails_takes_nothing_else_with_it(grader: Grader, tmp_path: Path) -> None:
    samples, table = tmp_path / "runs.jsonl", tmp_path / "runs.csv"
    run, result = run_bench(
        grader,
        *("--arm", "a=true", "--rounds", "1", "--samples", samples),
        *("--export-json", "/dev/full", "--export-csv", table),
    )
    assert run.code == 3
    assert arms(result)["a"]["n"] == 1
    assert "--export-json `/dev/full`" in run.stderr
    assert str(samples) in run.stderr
    assert len(table.read_text().splitlines()) == 1 + len(arms(result)["a"]["samples"])


def test_a_shell_is_used_only_when_it_is_asked_for(grader: Grader) -> None:
    options = ("--arm", "a=echo one | tr one two", "--rounds", "1")
    plain, _ = run_bench(grader, *options, "--expect-regex", r"one \| tr")
    shell, _ = run_bench(grader, *options, "--expect-regex", "^two$", "--shell")
    assert (plain.code, shell.code) == (0, 0)


def test_commands_run_here_with_this_environment(grader: Grader, tmp_path: Path) -> None:
    program = tmp_path / "here"
    program.write_text('#!/bin/sh\necho "$MARK $PWD"\n', encoding="utf-8")
    program.chmod(0o755)
    run = grader(
        *("bench", "--quiet", "--arm", "a=./here", "--rounds", "1", "--expect-regex", f"^marked {tmp_path}$"),
        cwd=tmp_path,
        env={"MARK": "marked"},
    )
    assert run.code == 0, run.stdout


def test_what_prepares_a_first_run_happens_before_each(grader: Grader, tmp_path: Path) -> None:
    count = tmp_path / "count"
    run, result = run_bench(
        grader,
        *("--arm", "a=true", "--state", "first", "--prepare", f"""sh -c 'echo x >> "{count}"'"""),
    )
    assert run.code == 0, run.stderr
    assert arms(result)["a"]["n"] == 3
    assert len(count.read_text().splitlines()) == len(arms(result)["a"]["samples"])
    assert (result["method"]["conditions"], result["method"]["warmups"]) == ("first", 0)
    failing, _ = run_bench(grader, "--arm", "a=true", "--prepare", "false", "--rounds", "1")
    assert failing.code == 3
    assert "--prepare: `false` ended with exit code 1" in failing.stderr


def test_a_file_cold_run_reads_its_program_and_files_anew(grader: Grader, tmp_path: Path) -> None:
    program = tmp_path / "own-true"
    shutil.copy("/bin/true", program)
    run, result = run_bench(grader, "--arm", f"a={program}", "--state", "file-cold", "--rounds", "2")
    assert run.code == 0, run.stderr
    assert (result["method"]["conditions"], result["method"]["warmups"]) == ("file-cold", 0)
    missing, _ = run_bench(
        grader, "--arm", f"a={program}", "--state", "file-cold", "--cold-file", tmp_path / "gone", "--rounds", "1"
    )
    assert missing.code == 2
    assert "gone" in missing.stderr


def test_peaks_of_memory_come_with_their_floor(grader: Grader) -> None:
    touch = f"a={sys.executable} -I -S -c 'import time; x = bytearray(20 << 20); time.sleep(0.3)'"
    run, result = run_bench(grader, "--arm", touch, "--rounds", "1", "--memory")
    assert run.code == 0, run.stderr
    assert arms(result)["a"]["memory_peak"]["median"] >= 20 << 20
    assert result["memory"]["runs"] == arms(result)["a"]["memory_peak"]["n"]


def test_peaks_of_memory_are_of_runs_that_are_prepared_and_checked_too(grader: Grader, tmp_path: Path) -> None:
    once = ("--arm", f"a=mkdir {tmp_path}/made", "--prepare", f"rm -rf {tmp_path}/made", "--rounds", "1")
    _, prepared = run_bench(grader, *once, "--memory")
    assert arms(prepared)["a"]["memory_peak"]["median"] > 0
    # Two runs warm up, one to four are timed, as quiet as the host is, and four are weighed: the seventh is of these.
    soon_wrong = (
        f"""b=sh -c 'echo x >> "{tmp_path}/n"; test $(wc -l < "{tmp_path}/n") -lt 7 && echo right || echo wrong'"""
    )
    _, checked = run_bench(grader, "--arm", soon_wrong, "--rounds", "1", "--expect-regex", "right", "--memory")
    arm = arms(checked)["b"]
    assert (arm["n"], arm["memory_peak"], arm["no_memory"]["code"]) == (1, None, "bench.no-match")


@pytest.fixture
def port() -> Iterator[int]:
    with own_port() as port:
        yield port


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A server that says which process it is in a file; `deaf` ignores SIGTERM."""
    program = tmp_path / "server.py"
    program.write_text(
        """
import http.server, json, os, signal, sys, time
port, pids, *how = sys.argv[1:]
with open(pids, "a") as out:
    print(os.getpid(), file=out)
if "deaf" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"unix": time.time()}).encode()
        self.send_response(500 if "broken" in how else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
""",
        encoding="utf-8",
    )
    return program


def test_a_server_is_timed_to_its_first_valid_answer_and_ended(
    grader: Grader, server: Path, port: int, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    line = f"{sys.executable} {server} {port} {pids}"
    run, result = run_bench(
        grader,
        *("--arm", f"good={line}", "--arm", f"deaf={line} deaf", "--arm", f"broken={line} broken"),
        *("--ready", f"http://localhost:{port}/x", "--expect-fresh", "unix", "--rounds", "1"),
    )
    assert run.code == 3, run.stderr
    found = arms(result)
    assert [(found[name]["state"], found[name]["n"]) for name in ("good", "deaf")] == [("measured", 1)] * 2
    assert found["broken"]["failure"]["reason"]["code"] == "answer.status"
    assert result["method"]["clock"] == "start"
    assert len(pids.read_text().split()) == sum(len(arm["samples"]) for arm in result["arms"])
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_a_port_that_somebody_holds_gives_no_time(grader: Grader, server: Path, port: int, tmp_path: Path) -> None:
    line = f"{sys.executable} {server} {port} {tmp_path / 'pids'}"
    with socket.create_server(("127.0.0.1", port)):
        run, result = run_bench(
            grader, "--arm", f"a={line}", "--ready", f"http://localhost:{port}/", "--rounds", "1", "--timeout", "2s"
        )
    assert run.code == 3
    assert "is taken" in arms(result)["a"]["failure"]["reason"]["text"]


@pytest.fixture
def started(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a comparison of two programs that write their process ids, and wait for its first samples."""
    running: list[subprocess.Popen[str]] = []

    def start(samples: Path, *options: object, **settings: Any) -> subprocess.Popen[str]:
        slow = f"""sh -c 'echo $$ >> "{tmp_path}/pids"; exec sleep 0.4'"""
        argv = [*HANGING_UP, sys.executable, "-m", "grader", "bench", "--arm", f"a={slow}", "--arm", f"b={slow}"]
        argv += ["--rounds", "500", "--samples", str(samples), *map(str, options)]
        process = subprocess.Popen(
            argv, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, **settings
        )
        running.append(process)
        for _ in range(3000):
            if samples.exists() and samples.read_bytes().count(b'{"sample":') >= 2:
                return process
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        raise AssertionError("no samples came")

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_variable_reaches_commands_beside_the_callers_own(grader: Grader) -> None:
    program = """a=sh -c 'test -n "$HOME" && echo "MODE=$MODE"'"""
    options = ("--env", "MODE=once", "--expect-regex", "^MODE=once$", "--rounds", 1)
    run, _ = run_bench(grader, "--arm", program, *options)
    assert run.code == 0, run.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_programs_and_keeps_the_samples(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    samples = tmp_path / "samples.jsonl"
    process = started(samples)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    runs = [line["sample"] for line in lines if "sample" in line]
    assert f"{len(runs)} runs are kept in `{samples}`" in err
    assert {run["outcome"] for run in runs} == {"ok"}
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_terminal_that_is_closed_ends_the_run(
    environment: dict[str, str], started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Whoever leads the session gets SIGHUP; what is written to the terminal then fails."""
    samples = tmp_path / "samples.jsonl"
    master, slave = os.openpty()
    script = "import os, fcntl, termios, sys; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    slow = f"""sh -c 'echo $$ >> "{tmp_path}/pids"; exec sleep 0.4'"""
    bench = [sys.executable, "-m", "grader", "bench", "--arm", f"a={slow}", "--rounds", "500"]
    bench += ["--samples", str(samples)]
    process = subprocess.Popen(
        [*HANGING_UP, sys.executable, "-c", script, *bench],
        cwd=ROOT,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        for _ in range(3000):
            if samples.exists() and samples.read_bytes().count(b'{"sample":') >= 2:
                break
            time.sleep(0.01)
        os.close(master)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
    assert all(json.loads(line) for line in samples.read_text().splitlines())
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_full_disk_is_told_and_keeps_what_was_saved(grader: Grader, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs: root: to mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(full)], check=True)
    try:
        run = grader(
            "bench", "--arm", "a=true", "--arm", "b=true", "--rounds", "200", "--samples", full / "samples.jsonl"
        )
        saved = (full / "samples.jsonl").read_bytes().split(b"\n")[:-1]
    finally:
        subprocess.run(["umount", str(full)], check=True)
    assert run.code == 3
    assert "No space left on device" in run.stderr
    assert "--samples" in run.stderr
    assert "Traceback" not in run.stderr
    assert len(saved) > 10
    assert all(json.loads(line) for line in saved)


def test_a_comparison_waits_until_nobody_else_is_timed(
    started: Callable[..., subprocess.Popen[str]], environment: dict[str, str], tmp_path: Path
) -> None:
    started(tmp_path / "first.jsonl")
    argv = [sys.executable, "-m", "grader", "bench", "--arm", "a=true", "--rounds", "1", "--time-limit", "1s"]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "waiting for the host lock" in done.stderr
    assert "the host lock was not free within" in done.stderr


def test_a_reader_that_goes_away_ends_it_quietly_with_the_samples_kept(
    environment: dict[str, str], tmp_path: Path
) -> None:
    samples = tmp_path / "samples.jsonl"
    read_end, write_end = os.pipe()
    os.close(read_end)
    argv = [sys.executable, "-m", "grader", "bench", "--arm", "a=true", "--rounds", "1", "--quiet"]
    argv += ["--samples", str(samples)]
    done = subprocess.run(argv, cwd=ROOT, env=environment, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
    assert samples.read_bytes().count(b'{"sample":') >= 3


def test_a_result_that_cannot_be_printed_is_written_where_it_was_asked_for(
    environment: dict[str, str], tmp_path: Path
) -> None:
    samples, exported = tmp_path / "samples.jsonl", tmp_path / "result.json"
    argv = [sys.executable, "-m", "grader", "bench", "--arm", "a=true", "--rounds", "1", "--quiet"]
    argv += ["--samples", str(samples), "--export-json", str(exported)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(argv, cwd=ROOT, env=environment, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr.decode().splitlines() == [
        "grader: stdout: the result cannot be printed: No space left on device",
        f"hint: every run is kept in `{samples}`",
    ]
    assert json.loads(exported.read_bytes())["arms"][0]["n"] == 1
