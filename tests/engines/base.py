"""A small image with busybox in the engines' registry, for Dockerfiles of tests to start from."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from grader.adapters.containerfile import host_platform
from grader.adapters.imagelayout import Layout, Member, Settings
from grader.adapters.registry import Registry
from tests.engines.engines import PROGRAMS, Engines

BASE = "busybox"


def push_base(engines: Engines) -> None:
    """Give the engines' registry the image; the caller is in their network."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        busybox = Path(PROGRAMS["busybox"])
        names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
        links = (Member(f"bin/{name}", target="/bin/busybox") for name in names if name != "busybox")
        layer = layout.layer([Member("bin/busybox", busybox), *links, Member("tmp", mode=0o1777)])
        settings = Settings(os="linux", architecture=host_platform().architecture, env=("PATH=/bin",))
        written = layout.image(f"docker.io/library/{BASE}:latest", [layer], settings)
        Registry(f"http://{engines.registry}").push(layout, written, f"library/{BASE}:latest")


def pull_base(engines: Engines) -> None:
    """Give it to their Docker too; the caller is in their network."""
    push_base(engines)
    engines.run(engines.docker, "pull", "--quiet", BASE)
