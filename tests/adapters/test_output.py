"""The output folder holds the last good state or the new one, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from grader.adapters.output import OutputFolder, SampleFile, replace_file
from grader.errors import HostError, UsageError
from grader.model.bench import Block, BlockDone, NoiseReading
from grader.model.run import Sample
from grader.model.samplelog import SampleHeader

OLD = {"run.json": b"{}", "grade.json": b"old", "steps/a/stdout": b"old"}
NEW = {"run.json": b"{}", "grade.json": b"new", "steps/b/stdout": b"new"}


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_second_result_replaces_the_first_whole(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "deep" / "out")
    output.write(OLD)
    output.write(NEW)
    assert content(output.path) == NEW
    assert [p.name for p in output.path.parent.iterdir()] == ["out"]


def test_a_folder_with_other_peoples_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds files that no grading wrote"):
        OutputFolder(tmp_path).check()
    assert content(tmp_path) == {"thesis.txt": b"mine"}


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(UsageError, match="not a folder"):
        OutputFolder(tmp_path / "out").check()


SWAP_WITHOUT_EXCHANGE = """
import os, signal, sys
from pathlib import Path
from grader.adapters import output
output._exchange = lambda one, other: False
rename, moves = Path.rename, []
def counted(self, target):
    moves.append(self)
    if len(moves) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = counted
output.OutputFolder(Path(sys.argv[1])).write({"run.json": b"{}", "grade.json": b"new", "steps/b/stdout": b"new"})
"""


@pytest.mark.parametrize(("killed_at", "expected"), [(1, OLD), (2, OLD), (3, NEW)])
def test_where_folders_cannot_be_swapped_a_kill_in_between_loses_no_result(
    tmp_path: Path, killed_at: int, expected: dict[str, bytes]
) -> None:
    """As on overlay file systems of containers: the old folder is moved away before the new one takes its place."""
    output = OutputFolder(tmp_path / "out")
    output.write(OLD)
    argv = [sys.executable, "-c", SWAP_WITHOUT_EXCHANGE, str(output.path), str(killed_at)]
    done = subprocess.run(argv, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
    assert done.returncode == (0 if killed_at == 3 else -signal.SIGKILL)
    output.check()
    assert content(output.path) == expected
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_has_left_is_removed_and_what_a_living_one_makes_stays(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    living = os.getpid()
    for pid in (dead.pid, living):
        (tmp_path / f".out[1].samples.jsonl.{pid}").write_text("")
        (tmp_path / f".out[1].abc.{pid}").mkdir()
        (tmp_path / f".out[1].old.abc.{pid}").mkdir()  # of a folder `out[1].old`, and no older `out[1]`
    OutputFolder(tmp_path / "out[1]").check()
    stays = ("abc", "old.abc", "samples.jsonl")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".out[1].{name}.{living}" for name in stays]


def test_the_root_folder_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be replaced"):
        OutputFolder(Path("/"))


def test_it_is_said_when_the_folder_that_was_replaced_is_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, current = OutputFolder(tmp_path / "other"), OutputFolder(tmp_path / "current")
    current.path.mkdir()
    monkeypatch.chdir(current.path)
    other.write(OLD)
    current.write(OLD)
    assert (other.was_current, current.was_current) == (False, True)


def test_a_full_disk_is_named_and_leaves_the_old_result(tmp_path: Path, small_disk: Path) -> None:
    output = OutputFolder(small_disk / "out")
    output.write(OLD)
    with pytest.raises(HostError, match="No space left on device"):
        output.write(NEW | {"big": b"x" * (4 << 20)})
    assert content(output.path) == OLD
    assert [p.name for p in small_disk.iterdir()] == ["out"]


@pytest.fixture
def small_disk(tmp_path: Path) -> object:
    """A disk of 1 MiB, where this host lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip("needs: root: mounting a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_result(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from grader.adapters.output import OutputFolder
        out = OutputFolder(Path({str(tmp_path / "out")!r}))
        n = 0
        while True:
            n += 1
            out.write({{"run.json": b"{{}}", **{{f"f{{i}}": str(n).encode() for i in range(20)}}}})
            print(n, flush=True)
        """
    )
    for wait in (1, 3, 5, 8):
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ})
        assert child.stdout is not None
        for _ in range(wait):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found = content(tmp_path / "out")
        assert len(found) == 21
        assert len({data for name, data in found.items() if name != "run.json"}) == 1
    OutputFolder(tmp_path / "out").check()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_replaced_file_keeps_its_mode_and_its_backup_the_old_bytes(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_bytes(b"old")
    report.chmod(0o640)
    replace_file(report, b"new", backup=tmp_path / "report.md.bak")
    assert report.read_bytes() == b"new"
    assert report.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "report.md.bak").read_bytes() == b"old"


HEADER = SampleHeader(key="k", rounds=2, began=0.0)


def timed(arm: str, round_index: int) -> Sample:
    return Sample(
        arm=arm,
        round_index=round_index,
        outcome="ok",
        total_s=0.25,
        first_output_s=0.125,
        exit_code=0,
        started_s=float(round_index),
    )


BLOCK = Block(orders=(("a", "b"), ("a", "b")))
READING = NoiseReading(at_s=2.0, spawn_s=(0.0005, 0.0006), pressure=0.25)


def sample_file(folder: Path, key: str = "k", samples: int = 4, *, close: bool = True) -> SampleFile:
    """A campaign of two arms that was cut off after a block, or within it."""
    log = SampleFile(folder / "out.samples.jsonl")
    writer = log.begin(HEADER.model_copy(update={"key": key}), ())
    writer.begin_block(BLOCK)
    for number in range(samples):
        writer.add(timed("ab"[number % 2], number // 2))
    if close:
        writer.close_block(READING)
    log.close()
    return log


FOUR = (timed("a", 0), timed("b", 0), timed("a", 1), timed("b", 1))


def test_blocks_that_were_saved_are_there_with_their_readings_for_the_next_run(tmp_path: Path) -> None:
    sample_file(tmp_path)
    log = SampleFile(tmp_path / "out.samples.jsonl")
    saved = log.saved()
    assert saved is not None
    assert (saved.header, saved.loose, saved.damaged) == (HEADER, (), None)
    assert saved.blocks == (BlockDone(block=BLOCK, samples=FOUR, reading=READING),)
    writer = log.begin(HEADER, saved.blocks)
    writer.begin_block(BLOCK.model_copy(update={"attempt": 1}))
    writer.close_block(READING, cut=True)
    log.close()
    again = log.saved()
    assert again is not None
    assert again.blocks[:1] == saved.blocks
    assert [(done.block.attempt, done.samples, done.cut) for done in again.blocks[1:]] == [(1, (), True)]


def test_runs_of_a_block_without_its_reading_are_loose(tmp_path: Path) -> None:
    saved = sample_file(tmp_path, samples=3, close=False).saved()
    assert saved is not None
    assert (saved.blocks, saved.loose, saved.timed, saved.damaged) == ((), FOUR[:3], 3, None)


def test_a_half_line_at_the_end_is_what_a_kill_leaves_and_no_damage(tmp_path: Path) -> None:
    log = sample_file(tmp_path, close=False)
    whole = log.path.read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for cut in range(last, len(whole)):
        log.path.write_bytes(whole[:cut])
        saved = SampleFile(log.path).saved()
        assert saved is not None
        assert (len(saved.samples), saved.damaged) == (3, None)


def test_a_damaged_line_is_named_and_what_follows_it_does_not_count(tmp_path: Path) -> None:
    log = sample_file(tmp_path)
    lines = log.path.read_bytes().split(b"\n")
    lines[3] = lines[3][:10] + b"\x00" + lines[3][11:]
    log.path.write_bytes(b"\n".join(lines))
    saved = SampleFile(log.path).saved()
    assert saved is not None
    assert (saved.blocks, saved.samples, saved.damaged) == ((), (timed("a", 0),), 4)


@pytest.mark.parametrize("gone", [1, 6])
def test_a_whole_line_in_a_wrong_place_is_damage(tmp_path: Path, gone: int) -> None:
    """A run without its block, and a block within another."""
    log = sample_file(tmp_path)
    first = log.path.read_bytes().split(b"\n")[1:-1]
    lines = log.path.read_bytes().split(b"\n")[:-1] + first
    del lines[gone]
    log.path.write_bytes(b"\n".join(lines) + b"\n")
    saved = SampleFile(log.path).saved()
    assert saved is not None
    assert (saved.blocks, saved.damaged) == ((), {1: 2, 6: 7}[gone])


@pytest.mark.parametrize(
    "data", [b"garbage", b"{}\n", b"\x00" * 5000, b'{"schema":"grader/samples/1","key":"k","rounds":1,"began":0}\n']
)
def test_what_cannot_be_read_is_set_aside_with_its_bytes_each_time_under_a_new_name(
    tmp_path: Path, data: bytes
) -> None:
    log = SampleFile(tmp_path / "out.samples.jsonl")
    for number in (1, 2):
        log.path.write_bytes(data)
        assert log.saved() is None
        assert log.set_aside() == f"{log.path}.{number}"
    assert [p.read_bytes() for p in sorted(tmp_path.iterdir())] == [data, data]


def test_nothing_is_set_aside_where_there_is_no_run(tmp_path: Path) -> None:
    log = SampleFile(tmp_path / "out.samples.jsonl")
    assert log.set_aside() is None
    log.path.touch()
    assert log.set_aside() is None
    sample_file(tmp_path, samples=0, close=False)
    assert log.set_aside() is None


SHORT = """
import os, resource, sys
from grader.adapters.output import SampleFile
from grader.errors import HostError
from tests.adapters.test_output import BLOCK, HEADER, READING, BlockDone, Path, timed
log = SampleFile(Path(sys.argv[1], "out.samples.jsonl"))
samples = tuple(timed("ab"[number % 2], number // 2) for number in range(50))
kept = [BlockDone(block=BLOCK, samples=samples, reading=READING)]
log.begin(HEADER, kept)
resource.setrlimit(resource.RLIMIT_FSIZE, (log.path.stat().st_size // 2, resource.RLIM_INFINITY))
try:
    log.begin(HEADER, kept)
    print("begun")
except HostError as error:
    print(error.what, len(log.saved().samples), len(os.listdir(sys.argv[1])))
writer, saved = log.begin(HEADER, ()), 0
writer.begin_block(BLOCK)
try:
    for sample in samples:
        writer.add(sample)
        saved += 1
    print("all saved")
except HostError as error:
    print(error.what, len(log.saved().samples) == saved > 0, log.saved().damaged)
"""


def test_what_does_not_fit_is_an_error_and_never_a_shorter_file(tmp_path: Path) -> None:
    """A file-size limit does what a nearly full disk does: the write that meets it is cut, the next one fails."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[2])])}
    done = subprocess.run([sys.executable, "-c", SHORT, str(tmp_path)], env=env, capture_output=True, text=True)
    told = "cannot write results: File too large"
    assert (done.stdout.splitlines(), done.stderr) == ([f"{told} 50 1", f"{told} True None"], "")


def test_a_campaign_is_not_begun_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    (tmp_path / "precious").write_text("mine")
    for name in (os.getpid(), f"guessed.{os.getpid()}"):
        (tmp_path / f".out.samples.jsonl.{name}").symlink_to("precious")
    with pytest.raises(HostError, match="cannot write results: File exists"):
        sample_file(tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


@contextmanager
def closed_to_us(folder: Path) -> Iterator[None]:
    """Be a user for a while who may look into a folder and change nothing there."""
    user = os.geteuid()
    folder.chmod(0o555)
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def test_saved_runs_that_cannot_be_removed_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # The folders above are closed to another user.
    log = SampleFile(Path("out.samples.jsonl"))
    log.begin(HEADER, ())
    with closed_to_us(tmp_path):
        for removal in (partial(log.drop, HEADER.key, HEADER.began), log.remove):
            with pytest.raises(HostError, match="cannot remove the saved runs, which are kept elsewhere") as caught:
                removal()
            assert caught.value.where == "out.samples.jsonl"
    log.remove()
    assert list(tmp_path.iterdir()) == []


def test_samples_are_dropped_by_their_campaign_alone(tmp_path: Path) -> None:
    log = sample_file(tmp_path)
    later = SampleFile(log.path)
    later.remove()
    later.drop("of another", HEADER.began)
    later.drop("k", HEADER.began - 1)
    assert later.saved() is not None, "somebody is timing the same again"
    later.drop("k", HEADER.began)
    assert list(tmp_path.iterdir()) == []


def test_a_run_removes_its_own_samples_and_not_those_that_another_has_put_in_their_place(tmp_path: Path) -> None:
    first = SampleFile(tmp_path / "out.samples.jsonl")
    first.begin(HEADER, ())
    second = SampleFile(first.path)
    second.begin(HEADER.model_copy(update={"key": "other"}), ())
    first.remove()
    assert second.saved() is not None
    second.remove()
    assert list(tmp_path.iterdir()) == []
