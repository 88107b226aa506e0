"""Make an image that stands in for `golang:1.21-alpine` where the real one cannot be pulled.

It has the official Go toolchain and busybox, and so builds what needs no more than that: no apk, no libc, no
certificates, no git.  It is labelled, so that a build that fails in it for want of those can be told from one that
fails anywhere.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from grader.adapters.imagelayout import Layout, Member, Settings, Written
from grader.errors import HostError

LABEL = "lab-grader.stand-in"
"""On the stand-in and on what is built from it; its value is the name of the real image."""
GO_IMAGE = "golang:1.21-alpine"
GO_VERSION = "1.21."
_NOT_COPIED = re.compile(
    r"(?:^|/)(?:testdata|__pycache__)(?:/|$)|_test\.go$|^(?:test|misc|api|doc|__init__\.py)(?:/|$)"
)
"""What no build reads: a third of the toolchain's files."""
_LIST_S = 20.0
_ELF_64 = b"\x7fELF\x02\x01"
_INTERPRETER = 3
_ACCOUNTS = (
    Member("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644),
    Member("etc/group", b"root:x:0:\nnogroup:x:65533:\nnobody:x:65534:\n", 0o644),
)


def write_go_image(layout: Layout, *, go_root: Path, busybox: Path, architecture: str) -> Written:
    """Write the stand-in into a layout.

    Args:
        layout: Where to.
        go_root: A Go toolchain 1.21 for that architecture, as the official archive unpacks.
        busybox: A statically linked busybox, which runs here: it is asked for its commands.
        architecture: As image documents name it (`amd64`).
    Raises: HostError if one of them is not what it should be.
    """
    version = _go_version(go_root)
    tools = layout.layer([*_system(busybox), *_ACCOUNTS])
    toolchain = layout.layer([*_toolchain(go_root), Member("go/src"), Member("go/bin")])
    settings = Settings(
        os="linux",
        architecture=architecture,
        command=("/bin/sh",),
        env=(
            "PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"GOLANG_VERSION={version}",
            "GOTOOLCHAIN=local",
            "GOPATH=/go",
        ),
        working_dir="/go",
        labels={LABEL: GO_IMAGE},
    )
    return layout.image(f"docker.io/library/{GO_IMAGE}", [tools, toolchain], settings)


def _go_version(root: Path) -> str:
    try:
        text = (root / "VERSION").read_text("ascii", "replace")
    except OSError as error:
        raise HostError("this is no Go toolchain: it has no file VERSION", where=str(root)) from error
    version = text.split("\n")[0].removeprefix("go")
    if not version.startswith(GO_VERSION):
        raise HostError(
            f"a stand-in for `{GO_IMAGE}` needs Go 1.21, and this is {version}",
            where=str(root),
            hint="install the embedded extra: it has that version",
        )
    return version


def _system(busybox: Path) -> Iterator[Member]:
    """Yield busybox, its commands, and the folders that programs expect."""
    if _is_linked(busybox):
        what = "this busybox needs libraries, which the image does not have"
        raise HostError(what, where=str(busybox), hint="install busybox-static")
    yield Member("bin/busybox", busybox)
    argv = [str(busybox), "--list-full"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIST_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(
            "busybox does not list its commands", where=str(busybox), hint="install busybox-static"
        ) from error
    commands = sorted(set(done.stdout.decode("ascii", "replace").split()))
    if "bin/sh" not in commands:
        raise HostError("this busybox has no shell", where=str(busybox), hint="install busybox-static")
    yield from (Member(command, target="/bin/busybox") for command in commands if command != "bin/busybox")
    yield Member("tmp", mode=0o1777)
    yield from (Member(folder) for folder in ("dev", "home", "proc", "root", "run", "sys", "var"))


def _is_linked(program: Path) -> bool:
    """Tell whether a 64-bit ELF program asks for a dynamic linker (a program header PT_INTERP)."""
    try:
        data = program.read_bytes()
    except OSError as error:
        raise HostError("there is no busybox", where=str(program), hint="install busybox-static") from error
    if not data.startswith(_ELF_64):
        return False
    (start,) = struct.unpack_from("<Q", data, 0x20)
    size, number = struct.unpack_from("<HH", data, 0x36)
    return any(struct.unpack_from("<I", data, start + i * size)[0] == _INTERPRETER for i in range(number))


def _toolchain(root: Path) -> Iterator[Member]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            inner = path.relative_to(root).as_posix()
            if not _NOT_COPIED.search(inner):
                yield Member(f"usr/local/go/{inner}", path, 0o755 if os.access(path, os.X_OK) else 0o644)
