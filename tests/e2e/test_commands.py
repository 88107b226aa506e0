"""The commands as people meet them: bad input, interruptions, a full disk, filling in place, the cache."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Grader
from tests.e2e.stillclock import timed_runs

pytestmark = [pytest.mark.serial, pytest.mark.timeout(900)]

Graded = Callable[..., dict[str, Any]]


def no_traceback(text: str) -> bool:
    return "Traceback" not in text and "internal error" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grade", "nowhere"), "nowhere"),
        (("grade", "."), "no known input"),
        (("grade", ".", "--fail-on", "bad"), "is not a condition"),
        (("grade", ".", "--lab", "lab99"), "lab99"),
        (("grade", ".", "--engine", "podman"), "podman"),
        (("grade", "git:--upload-pack=x@main"), "-"),
        (("claims", "nowhere.md"), "nowhere.md"),
        (("fill", ".", "--in-place"), "no known input"),
        (("cache", "prune", "--older-than-days", "-1"), "older-than-days"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_2(
    grader: Grader, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    run = grader(*arguments, cwd=tmp_path)
    assert run.code == 2, run.stderr
    assert message in run.stderr
    assert no_traceback(run.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * 20_000_000, "--max-report-bytes"),
        (b"\x00\x01\x02 binary \xff\xfe" * 100, "text"),
    ],
    ids=["20 MB", "binary"],
)
@pytest.mark.parametrize("command", ["claims", "grade"])
def test_a_report_that_cannot_be_read_is_refused_before_anything_is_built(
    grader: Grader, solution: Path, tmp_path: Path, data: bytes, message: str, command: str
) -> None:
    (solution / "submission12.md").write_bytes(data)
    target = solution / "submission12.md" if command == "claims" else solution
    run = grader(command, target, cwd=tmp_path)
    assert run.code == 2
    assert message in run.stderr
    assert no_traceback(run.stderr)


@pytest.mark.parametrize("form", ["utf-8-sig", "crlf", "cp1251"])
def test_a_report_in_another_form_keeps_its_form(graded: Graded, solution: Path, tmp_path: Path, form: str) -> None:
    report = solution / "submission12.md"
    text = report.read_text("utf-8").replace("## Task 1", "## Задание 1: приложение, написано по-русски", 1)
    data = text.replace("\n", "\r\n").encode() if form == "crlf" else text.encode(form)
    report.write_bytes(data)
    grade = graded(solution)
    out = next((tmp_path / "out").iterdir())
    filled = (out / "report.md").read_bytes()
    assert (out / "report.orig.md").read_bytes() == data
    untouched = [line for line in data.split(b"\n") if not line.startswith(b"|")]
    assert [line for line in filled.split(b"\n") if not line.startswith(b"|")] == untouched
    assert filled != data
    assert next(v["verdict"] for v in grade["verdicts"] if v["id"] == "native.binary_size") == "reproduced"


def test_source_that_does_not_compile_is_the_students_and_shows_the_compilers_words(
    graded: Graded, solution: Path, tmp_path: Path
) -> None:
    (solution / "main.go").write_text("package main\n\nfunc main() { unknown() }\n", "utf-8")
    grade = graded(solution)
    fact = next(f for f in grade["facts"] if f["id"] == "native.binary_size@build")
    assert fact["state"] == "failed"
    assert "main.go:3:15: undefined: unknown" in next((tmp_path / "out").glob("*/feedback.md")).read_text("utf-8")


@pytest.mark.parametrize("content", [b"not a module", b"\x00asm\x01\x00\x00\x00\x07\xff\xff", b""])
def test_a_main_wasm_that_is_none_fails_and_is_not_hidden_by_another_build(
    graded: Graded, solution: Path, content: bytes
) -> None:
    (solution / "main.wasm").write_bytes(content)
    grade = graded(solution)
    assert next(f["state"] for f in grade["facts"] if f["id"] == "wasm.binary_size@committed") == "failed"
    assert next(c["outcome"] for c in grade["criteria"] if c["id"] == "t3.module") == "fail"


def test_a_build_command_that_would_run_other_code_is_refused_with_its_line(graded: Graded, solution: Path) -> None:
    dockerfile = solution / "Dockerfile"
    text = dockerfile.read_text("utf-8")
    assert "go build" in text
    dockerfile.write_text(text.replace("go build", "go build -toolexec /bin/sh"), "utf-8")
    grade = graded(solution)
    assert [f["rule"] for f in grade["findings"]] == ["build-refused"]
    assert "-toolexec" in grade["findings"][0]["message"]["text"]
    assert next(f["state"] for f in grade["facts"] if f["id"] == "native.binary_size@build") == "not_run"


def test_a_mistake_in_lab_yml_names_file_line_field_and_the_allowed_keys(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    for file in ("lab.yml", "template.md"):
        (lab / file).write_bytes((quick_lab / file).read_bytes())
    lines = (lab / "lab.yml").read_text("utf-8").splitlines()
    number = next(i for i, line in enumerate(lines) if line.startswith("  warmups:"))
    lines[number] = "  warmup: 0"
    (lab / "lab.yml").write_text("\n".join(lines), "utf-8")
    run = grader("grade", solution, "--lab", lab)
    assert run.code == 2
    assert f"lab.yml:{number + 1}" in run.stderr
    assert "warmups" in run.stderr


def test_a_second_grade_builds_and_times_nothing_and_gives_the_same_bytes(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, engine_works: None
) -> None:
    for name in ("one", "two"):
        run = grader("grade", solution, "--lab", quick_lab, "--out", tmp_path / name)
        assert run.code == 0, run.stderr
    arms = ("native-process", "wasm-wasmtime")
    expected = ["build-native", "build-wasm", "time"]
    expected += [f"probe-{probe}-{arm}" for probe in ("once", "server", "wagi") for arm in arms]
    expected += [f"memory-memory_peak-{arm}" for arm in ("process", "wasmtime", "wasmtime-aot", "sandbox-noop")]
    assert sorted(json.loads((tmp_path / "two" / "run.json").read_text("utf-8"))["cached"]) == sorted(expected)
    one, two = (
        {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file() and f.name != "run.json"}
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_another_report_beside_the_same_sources_builds_and_times_nothing(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, graded: Graded
) -> None:
    graded(solution)
    report = solution / "submission12.md"
    report.write_text(report.read_text("utf-8") + "\nOne more line.\n", "utf-8")
    assert grader("grade", solution, "--lab", quick_lab, "--out", tmp_path / "again").code == 0
    cached = json.loads((tmp_path / "again" / "run.json").read_text("utf-8"))["cached"]
    assert sorted(cached) == sorted(p.name for p in (tmp_path / "again" / "steps").iterdir())


@pytest.mark.parametrize("command", ["grade", "fill"])
def test_a_dry_run_tells_what_would_run_and_how_long_and_leaves_nothing(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, engine_works: None, command: str
) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    cache = {"GRADER_CACHE": str(tmp_path / "no-cache-yet"), "TMPDIR": str(place)}
    run = grader(command, solution, "--lab", quick_lab, "--dry-run", cwd=place, env=cache)
    assert run.code == 0, run.stderr
    lines = run.stdout.splitlines()
    assert next(line for line in lines if line.startswith("build-native: ")).endswith("-o /out/program main.go")
    assert "probe-server-native-process:starts: 7 × /app/program" in lines
    assert "timed runs: 4;" in lines[-1], "one round of four arms"
    # 3 builds of 300 s, 6 runs and 16 for memory and 4 timed of 60 s, 9 servers of 156.5 s.
    assert "At most 65 min" in lines[-1]
    limited = grader(command, solution, "--lab", quick_lab, "--dry-run", "--time-limit", "5m", cwd=place, env=cache)
    assert "At most 5 min" in limited.stdout.splitlines()[-1]
    assert list(place.iterdir()) == []
    assert not (tmp_path / "no-cache-yet").exists()


def test_fill_in_place_keeps_the_old_report_and_filling_again_changes_nothing(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, engine_works: None
) -> None:
    report = solution / "submission12.md"
    text = report.read_text("utf-8").replace("| Binary Size | 4.48 MiB |", "| Binary Size | TODO MiB |")
    report.write_text(text, "utf-8")
    options = ("--lab", quick_lab, "--in-place", "--out", tmp_path / "out")
    first = grader("fill", solution, *options)
    assert first.code == 0, first.stderr
    filled = report.read_text("utf-8")
    assert "| Binary Size | 4.48 MiB (4,698,112 B) |" in filled
    assert (solution / "submission12.md.bak").read_text("utf-8") == text
    again = grader("fill", solution, *options)
    assert again.code == 0, again.stderr
    assert "Nothing to change" in again.stdout
    assert report.read_text("utf-8") == filled
    assert not (solution / "submission12.md.bak1").exists()


def test_in_place_is_refused_before_anything_is_measured_where_there_is_no_file_to_change(
    grader: Grader, solution: Path, tmp_path: Path
) -> None:
    """A file beside a repository's top folder is somebody else's."""
    (solution / "submission12.md").rename(tmp_path / "submission12.md")
    archive = shutil.make_archive(str(tmp_path / "handed-in"), "zip", solution)
    (solution / "labs" / "lab12").mkdir(parents=True)
    for file in [f for f in solution.iterdir() if f.is_file()]:
        file.rename(solution / "labs" / "lab12" / file.name)
    for source in (archive, solution):
        run = grader("fill", source, "--in-place", "--out", tmp_path / "out")
        assert run.code == 2
        assert "no report that could be changed in place" in run.stderr
        assert "build" not in run.stderr
    assert not (tmp_path / "out").exists()


def test_the_current_folder_may_be_the_output_folder(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, engine_works: None
) -> None:
    (tmp_path / "here").mkdir()
    run = grader("grade", solution, "--lab", quick_lab, "--out", ".", "-q", cwd=tmp_path / "here")
    assert run.code == 0, run.stderr
    assert (tmp_path / "here" / "grade.json").is_file()
    assert "`cd .` shows the new one" in run.stderr, "whoever stands in the old folder sees nothing there"
    assert str(tmp_path / "here") in run.stdout


def test_without_a_report_the_labs_template_is_filled(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, engine_works: None
) -> None:
    (solution / "submission12.md").unlink()
    assert grader("fill", solution, "--lab", quick_lab, "--out", tmp_path / "out").code == 0
    assert "4.70 MB (4,698,112 B)" in (tmp_path / "out" / "report.md").read_text("utf-8")


def test_original_files_are_never_changed(graded: Graded, solution: Path) -> None:
    def state() -> dict[str, tuple[bytes, int, int]]:
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in solution.iterdir()}

    before = state()
    graded(solution)
    assert state() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, where this host lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("needs: root: mounting a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def saved_runs(samples: Path) -> list[dict[str, Any]]:
    """Return the runs that a file of samples holds, after its header."""
    lines = [json.loads(line) for line in samples.read_text("utf-8").splitlines()[1:]]
    return [line["sample"] for line in lines if "sample" in line]


def test_a_full_disk_is_this_hosts_fault_and_what_was_timed_is_where_the_message_says(
    grader: Grader, solution: Path, quick_lab: Path, small_disk: Path, engine_works: None
) -> None:
    (solution / "main.go").write_text((solution / "main.go").read_text("utf-8") + "\n// timed here\n", "utf-8")
    run = grader("grade", solution, "--lab", quick_lab, "--out", small_disk / "out")
    assert run.code == 3
    assert "No space left on device" in run.stderr
    assert "--out" in run.stderr
    assert f"`{small_disk / 'out.samples.jsonl'}`" in run.stderr
    assert [p.name for p in small_disk.iterdir()] == ["out.samples.jsonl"], "what was measured is kept, nothing else"
    saved = saved_runs(small_disk / "out.samples.jsonl")
    first = sorted(run["arm"] for run in saved if not run.get("attempt"))  # on a noisy host the round is repeated
    assert first == ["process", "sandbox-noop", "wasmtime", "wasmtime-aot"]
    again = grader("grade", solution, "--lab", quick_lab, "--out", small_disk.parent / "out")
    assert again.code == 0, again.stderr
    assert "time:" not in again.stderr, "the cache has it too"


def test_fail_on_turns_a_finished_run_into_4(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, engine_works: None
) -> None:
    options = ("--lab", quick_lab, "--out", tmp_path / "out", "-q")
    assert grader("grade", solution, *options, "--fail-on", "contradicted").code == 0
    held = grader("grade", solution, *options, "--fail-on", "score<9", "--fail-on", "contradicted")
    assert held.code == 4
    assert "score<9" in held.stderr
    assert (tmp_path / "out" / "grade.json").is_file()


def test_marks_of_a_person_are_counted_and_kept_apart(graded: Graded, solution: Path, tmp_path: Path) -> None:
    marks = tmp_path / "marks.json"
    marks.write_text('{"t1.explain": {"points": 0.5, "note": "clear"}, "t4.questions": 0.75}', "utf-8")
    score = graded(solution, "--marks", marks)["score"]
    assert (score["manual"], score["pending_review"]) == (1.25, 0.25)
    assert score["lost"] == 0.25


@pytest.mark.parametrize(("engine", "code"), [("auto", 0), ("embedded", 3)])
def test_where_no_sandbox_works_nothing_native_runs(
    solution: Path, quick_lab: Path, tmp_path: Path, environment: dict[str, str], engine: str, code: int
) -> None:
    hidden = (
        "import grader.adapters.sandbox as s; s.find_tool = lambda name: None; "
        "import grader.cli.daemons as c; c.find_socket = c.find_address = lambda environ: None; "
        "from grader.cli.app import main; main()"
    )
    argv = [sys.executable, "-c", hidden, "grade", str(solution), "--lab", str(quick_lab), "--engine", engine]
    done = subprocess.run(
        [*argv, "--out", str(tmp_path / "out"), "--json", "-q", "--no-cache"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert no_traceback(done.stderr)
    if code == 0:
        facts = json.loads(done.stdout)["facts"]
        assert {f["state"] for f in facts} == {"not_run"}
        assert "sandbox.no-tool" in {f["reason"]["code"] for f in facts}
    else:
        assert "apt-get install bubblewrap" in done.stderr


def eventually(holds: Callable[[], bool], seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_an_interrupted_campaign_keeps_the_samples_it_has(
    solution: Path, tmp_path: Path, environment: dict[str, str], engine_works: None
) -> None:
    (solution / "main.go").write_text((solution / "main.go").read_text("utf-8") + "\n// samples\n", "utf-8")
    out = tmp_path / "out"
    argv = [sys.executable, "-m", "grader", "grade", str(solution), "--out", str(out)]
    samples = tmp_path / "out.samples.jsonl"
    with subprocess.Popen(argv, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert eventually(lambda: timed_runs(samples) >= 2, 300)
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 130
    runs = [run for run in saved_runs(samples) if run["phase"] == "timed"]
    assert len(runs) >= 2
    assert {run["outcome"] for run in runs} == {"ok"}
    assert f"{len(runs)} timed runs are kept in {samples}" in said
    assert f"go on with `grader grade {solution} --out {out} --resume`" in said


def test_what_was_timed_is_timed_again_on_demand_alone(
    grader: Grader, solution: Path, quick_lab: Path, tmp_path: Path, engine_works: None
) -> None:
    options = ("--lab", quick_lab, "--out", tmp_path / "out")

    def samples(*more: str, command: str = "grade") -> bytes:
        run = grader(command, solution, *options, *more)
        assert run.code == 0, run.stderr
        return (tmp_path / "out" / "samples.csv").read_bytes()

    first = samples()
    again = samples("--remeasure")
    assert again != first
    cached = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))["cached"]
    assert {"time", "probe-server-native-process"}.isdisjoint(cached)
    assert {"build-native", "probe-once-native-process", "memory-memory_peak-process"} <= set(cached)
    assert samples() == again, "the new times are kept"
    assert samples("--remeasure", command="fill") != again
    refused = grader("grade", solution, *options, "--remeasure", "--no-cache")
    assert refused.code == 2
    assert "`--no-cache` times everything anew" in refused.stderr
