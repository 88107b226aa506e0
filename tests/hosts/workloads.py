"""Images for the hosts of a rig, each with its sha256 beside it: `python -m tests.hosts.workloads FOLDER`.

`smoke.tar` is a WASM program that prints its environment; `native.tar` is `busybox`, which any kernel runs.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from grader.adapters.containerfile import host_platform
from grader.adapters.imagelayout import Layout, Member, Settings
from tests.engines.engines import PROGRAMS
from tests.engines.wasm import ECHO, wasm_archive

SMOKE = "docker.io/library/smoke:lab"
NATIVE = "docker.io/library/native:lab"


def write(folder: Path) -> None:
    """Write both archives; equal programs give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    wasm_archive(folder / "smoke", SMOKE, ECHO, env=("HELLO=there",))
    program = folder / "busybox"
    program.write_bytes(Path(PROGRAMS["busybox"]).read_bytes())
    native = Layout(folder / "native")
    layer = native.layer([Member("busybox", program, 0o755)])
    here = host_platform()
    settings = Settings(os=here.os, architecture=here.architecture, entrypoint=("/busybox",), env=("HELLO=there",))
    native.image(NATIVE, [layer], settings)
    native.archive(folder / "native.tar")
    for archive in sorted(folder.glob("*.tar")):
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        archive.with_name(f"{archive.name}.sha256").write_text(digest, "ascii")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
