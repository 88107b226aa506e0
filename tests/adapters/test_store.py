"""The store: whole or not at all, whoever dies, whoever else is at it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.adapters.store import DiskStore, cache_root
from grader.errors import HostError

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = "ab" * 32
DAY_S = 86400


def run_python(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Start a process with this package; its output is for the test that waits for it."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path]), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def filler(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "file").write_text(text)

    return fill


def refuse_to_fill(_: Path) -> None:
    raise AssertionError("filled although the entry is there")


def age(store: DiskStore, key: str, days: float) -> None:
    then = time.time() - days * DAY_S
    (data,) = store.root.glob(f"*/*/{key}.data")
    os.utime(data, (then, then))


def test_a_saved_result_is_loaded_byte_for_byte(tmp_path: Path) -> None:
    data = b"first line\n\0\xff"
    DiskStore(tmp_path / "cache").save("fact", KEY, data)
    store = DiskStore(tmp_path / "cache")
    assert store.load("fact", KEY) == data
    assert store.load("build", KEY) is None
    assert store.load("fact", "cd" * 32) is None


@given(cut=st.integers(0, 200), flip=st.integers(0, 200))
@settings(deadline=None)
def test_a_cut_or_changed_result_counts_as_absent(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    store = DiskStore(tmp_path_factory.mktemp("cache"))
    store.save("fact", KEY, b"forty-two")
    (path,) = store.root.glob("fact/ab/*")
    whole = path.read_bytes()
    path.write_bytes(whole[: cut % len(whole)])
    assert store.load("fact", KEY) is None
    changed = bytearray(whole)
    changed[flip % len(whole)] ^= 1
    path.write_bytes(changed)
    assert store.load("fact", KEY) is None


def test_a_directory_is_filled_once(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    first = store.directory("frozen", KEY, filler("content"))
    assert (first / "file").read_text() == "content"
    assert store.directory("frozen", KEY, refuse_to_fill) == first
    assert DiskStore(tmp_path).directory("frozen", KEY, refuse_to_fill) == first


def test_a_failed_fill_leaves_nothing(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise FileNotFoundError("of the caller's own")

    with pytest.raises(FileNotFoundError):
        store.directory("frozen", KEY, fail)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lab-grader"]


def test_a_directory_that_is_denied_is_made_anew(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    place = store.directory("frozen", KEY, filler("damaged"))
    again = store.directory("frozen", KEY, filler("whole"), lambda copy: (copy / "file").read_text() == "whole")
    assert again == place
    assert (place / "file").read_text() == "whole"


def test_a_directory_that_stays_wrong_is_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="each time it is made"):
        DiskStore(tmp_path).directory("frozen", KEY, filler("x"), lambda _: False)


@pytest.mark.parametrize("left", ["nothing", "content", "file"])
def test_what_is_not_marked_as_complete_is_replaced(tmp_path: Path, left: str) -> None:
    entry = tmp_path / "frozen/ab" / f"{KEY}.dir"
    entry.parent.mkdir(parents=True)
    if left == "file":
        entry.write_text("in the way")
    else:
        (entry / "content").mkdir(parents=True)
        if left == "content":
            (entry / "content/file").write_text("half")
    place = DiskStore(tmp_path).directory("frozen", KEY, filler("whole"))
    assert (place / "file").read_text() == "whole"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_root_that_anybody_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(mode)
    with pytest.raises(HostError, match="every user") as caught:
        DiskStore(root)
    assert f"chmod o-w {root}" in caught.value.hint


def test_a_new_root_is_for_its_user_alone(tmp_path: Path) -> None:
    DiskStore(tmp_path / "deep/cache")
    assert (tmp_path / "deep/cache").stat().st_mode & 0o777 == 0o700


def test_a_root_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="the cache cannot be used") as caught:
        DiskStore(tmp_path / "file/cache")
    assert "GRADER_CACHE" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "key"), [("work", KEY), ("../x", KEY), ("fact", "../../etc"), ("fact", "a/b"), ("", KEY)]
)
def test_a_key_cannot_name_a_path(tmp_path: Path, kind: str, key: str) -> None:
    with pytest.raises(ValueError, match="not a kind and key"):
        DiskStore(tmp_path).save(kind, key, b"")


def test_scratch_is_removed_whatever_was_made_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    store = DiskStore(tmp_path / "cache")
    with store.scratch() as scratch:
        (scratch / "link").symlink_to(outside)
        (scratch / "closed/inner").mkdir(parents=True)
        (scratch / "closed/inner/file").write_text("")
        (scratch / "closed/inner").chmod(0o500)
        (scratch / "closed").chmod(0)
        os.mkfifo(scratch / "fifo")
        deep = os.open(scratch, os.O_RDONLY)
        for _ in range(3000):  # deeper than a path or the interpreter's stack may be
            os.mkdir("down", dir_fd=deep)
            below = os.open("down", os.O_RDONLY, dir_fd=deep)
            os.close(deep)
            deep = below
        os.close(deep)
    assert not scratch.exists()
    assert list((tmp_path / "cache/work").iterdir()) == []
    assert (outside / "kept").read_text() == "kept"


def test_scratch_is_removed_when_the_work_in_it_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), DiskStore(tmp_path).scratch() as scratch:
        raise KeyError
    assert not scratch.exists()


def test_root_removes_what_another_user_left_in_scratch(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs: root: files of another user")
    with DiskStore(tmp_path).scratch() as scratch:
        (scratch / "theirs").mkdir()
        (scratch / "theirs/file").write_text("")
        os.chown(scratch / "theirs/file", 64990, 64990)
        os.chown(scratch / "theirs", 64990, 64990)
        (scratch / "theirs").chmod(0o500)
    assert not scratch.exists()


FILL = """
import sys, time
from pathlib import Path
from grader.adapters.store import DiskStore
def fill(folder):
    for number in range(50):
        (folder / str(number)).write_text("x" * 1000)
print("ready", flush=True)
place = DiskStore(Path(sys.argv[1])).directory("frozen", "ab" * 32, fill)
assert len(list(place.iterdir())) == 50
DiskStore(Path(sys.argv[1])).save("fact", "ab" * 32, b"y" * 100000)
"""


def test_four_processes_that_make_the_same_entry_all_succeed(tmp_path: Path) -> None:
    running = [run_python(FILL, tmp_path) for _ in range(4)]
    for process in running:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr.decode()
    assert [(use.kind, use.entries) for use in DiskStore(tmp_path).info()] == [("fact", 1), ("frozen", 1)]
    assert list((tmp_path / "work").iterdir()) == []


ENDLESS = """
import sys
from pathlib import Path
from grader.adapters.store import DiskStore
store = DiskStore(Path(sys.argv[1]))
def fill(folder):
    for number in range(20):
        (folder / str(number)).write_text("x" * 1000)
print("ready", flush=True)
number = 0
while True:
    number += 1
    store.save("fact", f"{number % 50:064x}", b"y" * 50000)
    store.directory("frozen", f"{number:064x}", fill)
    store.prune(None, 200000)
"""


def test_a_kill_at_any_moment_leaves_only_whole_entries_and_the_next_run_sweeps(tmp_path: Path) -> None:
    rng = random.Random(7)
    for _ in range(12):
        process = run_python(ENDLESS, tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        store = DiskStore(tmp_path)
        for path in tmp_path.glob("fact/*/*.data"):
            assert store.load("fact", path.stem) == b"y" * 50000
        for path in tmp_path.glob("frozen/*/*.dir"):
            # Killed half-way through a removal an entry is under `work/`, no longer here.
            assert len(list((path / "content").iterdir())) == 20
    with store.scratch() as scratch:
        assert sorted(path.name for path in (tmp_path / "work").iterdir()) == [scratch.name, scratch.name + ".lock"]


def test_the_work_of_a_living_process_is_not_swept(tmp_path: Path) -> None:
    with DiskStore(tmp_path).scratch() as scratch:
        (scratch / "file").write_text("")
        with DiskStore(tmp_path).scratch():
            assert (scratch / "file").exists()


def test_prune_removes_what_was_not_used_for_so_long(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    for key in ("aa" * 32, "bb" * 32, "cc" * 32):
        store.save("fact", key, b"12345")
        age(store, key, 10)
    store.load("fact", "bb" * 32)
    pruned = store.prune(older_than_days=5, max_bytes=None)
    assert (pruned.removed, pruned.kept, pruned.in_use) == (2, 1, 0)
    assert store.load("fact", "bb" * 32) == b"12345"
    assert store.load("fact", "aa" * 32) is None


def test_prune_to_a_size_removes_the_longest_unused_first(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    for days, key in ((3, "aa" * 32), (9, "bb" * 32), (6, "cc" * 32)):
        store.save("fact", key, bytes(1000))
        age(store, key, days)
    pruned = store.prune(older_than_days=None, max_bytes=2500)
    assert (pruned.removed, pruned.kept) == (1, 2)
    assert store.load("fact", "bb" * 32) is None
    assert pruned.kept_bytes == sum(use.size_bytes for use in store.info()) <= 2500
    assert store.prune(None, None).removed == 0


def test_prune_leaves_a_directory_that_a_process_is_using(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    place = store.directory("frozen", KEY, filler("in use"))
    other = DiskStore(tmp_path)
    assert other.prune(older_than_days=0, max_bytes=0).in_use == 1
    assert (place / "file").read_text() == "in use"


def test_a_dry_run_of_prune_tells_the_same_and_removes_nothing(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    store.directory("frozen", KEY, filler("in use"))
    for days, key in ((3, "aa" * 32), (9, "bb" * 32), (6, "cc" * 32)):
        store.save("fact", key, bytes(1000))
        age(store, key, days)
    there = DiskStore(tmp_path)
    for limits in ((5, None), (None, 1500), (None, 0)):
        before = there.info()
        told = there.prune(*limits, dry_run=True)
        assert there.info() == before
        assert there.prune(*limits) == told
    assert [kind.kind for kind in there.info()] == ["frozen"]


def write_mine(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")


def test_a_cache_sweeps_nothing_of_others_in_a_folder_called_work(tmp_path: Path) -> None:
    """`GRADER_CACHE` may name a folder that has been there for long; from the first use on it is a cache."""
    files = ("work/thesis.txt", "work/thesis/a", "work/draft.lock", "work/draft/b", "work/0f0f/c", "work/1.2")
    write_mine(tmp_path, files)
    for _ in range(2):
        store = DiskStore(tmp_path)
        with store.scratch():
            pass
        assert store.prune(0, 0).removed == 0
    assert [name for name in files if not (tmp_path / name).is_file()] == []


def test_prune_of_a_folder_that_is_no_cache_removes_nothing(tmp_path: Path) -> None:
    """`--cache` names any folder, and people mistype it."""
    places = ("a/b/c.data", f"fact/ab/{KEY}.data", f"frozen/ab/{KEY}.dir/thesis.txt", f"fact/cd/{KEY}.data", "x.data")
    work = ("work/thesis.txt", "work/thesis/a", "work/draft.lock", "work/draft/b", f"work/{'0f' * 8}/c")
    files = (*places, *work)
    write_mine(tmp_path, files)
    (tmp_path / "fact/ab" / f"{'ab' * 31}cd.data").symlink_to(tmp_path / "x.data")
    assert DiskStore(tmp_path).prune(0, 0).removed == 0
    assert [name for name in files if not (tmp_path / name).is_file()] == []


def test_prune_removes_a_directory_that_nobody_uses_any_more(tmp_path: Path) -> None:
    process = run_python(FILL, tmp_path)
    process.communicate(timeout=60)
    store = DiskStore(tmp_path)
    assert store.prune(older_than_days=0, max_bytes=0).removed == 2
    assert store.info() == ()


FULL = """
import sys
from pathlib import Path
from grader.adapters.store import DiskStore
from grader.errors import HostError
store = DiskStore(Path(sys.argv[1]))
def fill(folder):
    (folder / "large").write_bytes(bytes(1 << 20))
for attempt in (lambda: store.save("fact", "ab" * 32, bytes(1 << 20)), lambda: store.directory("d", "ab" * 32, fill)):
    try:
        attempt()
    except HostError as error:
        print(error)
store.save("fact", "cd" * 32, b"small")
print(store.load("fact", "cd" * 32), list(Path(sys.argv[1]).rglob("*.d*")))
"""


def test_a_full_disk_is_one_clear_error_and_nothing_half_is_left(tmp_path: Path) -> None:
    mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=256k,mode=700 none "$1" && shift && exec "$@"', "sh"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    command = [*mount, str(tmp_path), sys.executable, "-c", FULL, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if "unshare" in ran.stderr or "mount:" in ran.stderr:
        pytest.skip("needs: root: a small file system of its own")
    assert ran.stdout.count("no space left for") == 2, ran.stderr
    assert "grader cache prune" in ran.stdout
    last = ran.stdout.splitlines()[-1]
    assert last.startswith("b'small'")
    assert last.count("Path(") == 1


def test_the_root_follows_the_xdg_rules() -> None:
    assert cache_root({"HOME": "/home/a"}) == Path("/home/a/.cache/lab-grader")
    assert cache_root({"HOME": "/home/a", "XDG_CACHE_HOME": "/c"}) == Path("/c/lab-grader")
    assert cache_root({"HOME": "/home/a", "XDG_CACHE_HOME": "relative"}) == Path("/home/a/.cache/lab-grader")
    assert cache_root({"HOME": "/home/a", "XDG_CACHE_HOME": "/c", "GRADER_CACHE": "/own"}) == Path("/own")
