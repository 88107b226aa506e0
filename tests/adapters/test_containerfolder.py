from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.adapters.containerfolder import empty_files, layer_folder, unmount_below, waits_ended
from grader.adapters.remove import remove_tree
from tests.engines.engines import Engines
from tests.images import docker_save, tar

SOON_S = 60.0
"""For what comes within half a second, on a busy host."""


@contextmanager
def reader(pipe: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who waits until the pipe has a writer, and reads to its end."""
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def test_whoever_waits_at_a_pipe_goes_on_and_reads_nothing(tmp_path: Path) -> None:
    first, second = pipe(tmp_path / "etc" / "passwd"), pipe(tmp_path / "a b" / "-c\n")
    with reader(first) as one, reader(second) as other, waits_ended(tmp_path):
        assert one.communicate(timeout=SOON_S)[0] == b""
        assert other.communicate(timeout=SOON_S)[0] == b""
    assert (one.returncode, other.returncode) == (0, 0)


def test_who_comes_to_the_pipe_later_goes_on_too_and_nobody_else_does(tmp_path: Path) -> None:
    inside, outside = pipe(tmp_path / "in" / "pipe"), pipe(tmp_path / "out" / "pipe")
    (tmp_path / "in" / "link").symlink_to(outside)
    with reader(outside) as stranger, waits_ended(tmp_path / "in"):
        for _ in range(3):  # once more than a pass over the folder can be under way
            with reader(inside) as ours:
                assert ours.wait(SOON_S) == 0
        assert stranger.poll() is None


def test_pipes_at_which_nobody_waits_hold_nobody_and_no_thread_stays(tmp_path: Path) -> None:
    pipe(tmp_path / "pipe")
    (tmp_path / "file").write_text("kept")
    before = set(threading.enumerate())
    with waits_ended(tmp_path):
        pass
    assert set(threading.enumerate()) == before
    assert (tmp_path / "file").read_text() == "kept"


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[Path]:
    """A folder to be made deeper than pytest can remove."""
    top = tmp_path / "layer"
    top.mkdir()
    yield top
    remove_tree(top)


def test_files_are_cut_to_nothing_at_any_depth_and_nothing_beside_them(layer: Path, tmp_path: Path) -> None:
    (layer / "sub").mkdir()
    (tmp_path / "outside").write_text("kept")
    (layer / "link").symlink_to(tmp_path / "outside")
    pipe(layer / "pipe")
    files = [layer / "-n", layer / "sub" / "with space\n", layer / "holes"]
    for file in files[:-1]:
        file.write_text("much")
    with files[-1].open("wb") as holes:
        holes.truncate(1 << 40)
    deepest = os.open(layer, os.O_RDONLY)
    for _ in range(1500):  # a path of 7500 bytes, and the limit is 4096
        os.mkdir("deep", dir_fd=deepest)
        below = os.open("deep", os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    last = os.open("last", os.O_WRONLY | os.O_CREAT, dir_fd=deepest)
    os.close(deepest)
    os.truncate(last, 1 << 30)
    empty_files(layer)
    size = os.fstat(last).st_size
    os.close(last)
    assert ([file.stat().st_size for file in files], size) == ([0, 0, 0], 0)
    assert (tmp_path / "outside").read_text() == "kept"


def mounted_in(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {folder}/" in line]


def test_what_is_mounted_in_a_folder_is_taken_away_before_the_folder_is_and_keeps_its_files(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs: root: nobody else may mount")
    ours, neighbour, precious = tmp_path / "run", tmp_path / "run-2", tmp_path / "precious"
    points = [ours / "containerd-mount1", ours / "a b\\c\n", neighbour / "theirs"]
    precious.mkdir()
    (precious / "file").write_text("kept")
    for point in points:
        point.mkdir(parents=True)
    try:
        for point in points:
            done = subprocess.run(["mount", "--bind", precious, point], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"needs: sandbox: this root may not mount: {done.stderr}")
        unmount_below(ours)
        assert mounted_in(ours) == []
        assert len(mounted_in(neighbour)) == 1
        shutil.rmtree(ours)
        assert (precious / "file").read_text() == "kept"
    finally:
        for point in points:
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)


@pytest.mark.serial
@pytest.mark.once
def test_a_layer_lies_where_the_daemon_says(engines: Engines, tmp_path: Path) -> None:
    docker_save(tmp_path / "image.tar", "linux/amd64", [tar({"a": b"x"})], {"Entrypoint": ["/a"]}, tags=None)
    image = engines.run(engines.docker, "load", "-i", str(tmp_path / "image.tar")).stdout.split()[-1]
    container = engines.run(engines.docker, "create", image).stdout.strip()
    try:
        shown = ("inspect", "--format", "{{.GraphDriver.Name}} {{.GraphDriver.Data.UpperDir}}", container)
        store, upper = engines.run(engines.docker, *shown).stdout.split()
        found = layer_folder(str(engines.root / "docker"), container)
        assert (store, found) == ("overlay2", Path(upper).parent)
    finally:
        engines.run(engines.docker, "rm", container)
        engines.run(engines.docker, "rmi", image)


def test_where_another_store_keeps_a_layer_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "containerd" / "daemon" / "io.containerd.snapshotter.v1.overlayfs").mkdir(parents=True)
    assert layer_folder(str(tmp_path), "c" * 64) is None
