from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from grader.adapters.lockfile import open_lock_file
from grader.errors import HostError

REPOSITORY = Path(__file__).parents[2]
STRANGER, OWNER = 64991, 64992
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: it changes owners")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "host.lock"


@pytest.fixture
def sticky() -> Iterator[Path]:
    """A folder that everyone may write, as /run/lock is."""
    with tempfile.TemporaryDirectory(prefix="grader-test-") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def opens_as_stranger(path: Path, umask: int = 0o022) -> HostError | None:
    """Open the lock as a user who owns nothing; return why that was refused."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        said = "broke\n\n"
        try:
            os.umask(umask)
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            os.close(open_lock_file(path))
            said = ""
        except HostError as error:
            said = f"{error.what}\n{error.where}\n{error.hint}"
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if not said:
        return None
    what, where, hint = said.split("\n")
    return HostError(what, where=where, hint=hint)


def test_missing_file_is_made_for_everybody_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        os.close(open_lock_file(path))
    finally:
        os.umask(before)
    assert mode(path) == 0o666
    assert list(path.parent.iterdir()) == [path]


def test_file_is_never_seen_with_another_mode_than_its_last(path: Path) -> None:
    """With O_CREAT and fchmod a second user could find it closed."""
    script = """
import os, sys
from pathlib import Path
from grader.adapters.lockfile import open_lock_file
os.umask(0o077)
path = Path(sys.argv[1])
print(flush=True)
while True:
    os.close(open_lock_file(path))
    path.unlink()
"""
    seen = set[int]()
    argv = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=REPOSITORY) as maker:
        try:
            assert maker.stdout is not None
            maker.stdout.readline()
            while not seen:
                for _ in range(20_000):
                    with suppress(FileNotFoundError):
                        seen.add(mode(path))
        finally:
            maker.kill()
    assert seen == {0o666}


@needs_root
def test_users_share_a_lock_that_another_made_in_a_sticky_folder(sticky: Path) -> None:
    """With `fs.protected_regular` the kernel refuses O_CREAT for a file that is there."""
    path = sticky / "host.lock"
    assert opens_as_stranger(path, umask=0o077) is None
    assert (path.stat().st_uid, mode(path)) == (STRANGER, 0o666)
    os.close(open_lock_file(path))
    path.unlink()
    os.close(open_lock_file(path))
    assert opens_as_stranger(path) is None


@pytest.mark.parametrize("kind", ["a link", "a dangling link", "a folder", "a pipe", "a socket"])
def test_anything_but_a_plain_file_is_refused_with_the_command_that_mends_it(path: Path, kind: str) -> None:
    """In a folder that everyone may write, a link would let somebody choose which file is created."""
    victim = path.with_name("victim")
    match kind:
        case "a link":
            victim.touch()
            path.symlink_to(victim)
        case "a dangling link":
            path.symlink_to(victim)
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case _:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))
    with pytest.raises(HostError) as caught:
        open_lock_file(path)
    assert (caught.value.where, kind.replace("dangling ", "") in caught.value.what) == (str(path), True)
    assert victim.exists() == (kind == "a link")
    mend(caught.value)
    os.close(open_lock_file(path))


def mend(error: HostError) -> None:
    """Run the command that the hint names."""
    assert "GRADER_LOCK" in error.hint
    command = re.search(r"as root: `(.+?)`", error.hint)
    assert command is not None
    subprocess.run(["sh", "-c", command[1]], check=True)


def test_folder_that_is_not_there_is_an_error_with_the_command_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "no where" / "host.lock"
    with pytest.raises(HostError) as caught:
        open_lock_file(path)
    mend(caught.value)
    os.close(open_lock_file(path))
    assert mode(path) == 0o666


@needs_root
@pytest.mark.parametrize("state", ["closed file", "closed folder"])
def test_what_a_user_may_not_open_or_make_is_mended_by_the_command_that_is_named(sticky: Path, state: str) -> None:
    path = sticky / "host.lock"
    if state == "closed file":
        path.touch(mode=0o600)
        os.chown(path, OWNER, OWNER)
    else:
        sticky.chmod(0o755)
    error = opens_as_stranger(path)
    assert error is not None
    assert error.where == str(path)
    assert state != "closed file" or "mode 0600, user id 64992" in error.what
    inode = path.stat().st_ino if path.exists() else None
    mend(error)
    assert opens_as_stranger(path) is None
    # Who holds the old file would not keep out who takes a new one.
    assert inode in (None, path.stat().st_ino)
