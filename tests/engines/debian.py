"""The Debian packages that the group `containers` needs, by what shows that they are there."""

from __future__ import annotations

import shutil
from pathlib import Path

from grader.bootstrap.packages import Package
from tests.engines.engines import SYSTEM_PATH

_ENGINE = "tests start container engines of their own"
_SHIM = "the containerd shim of the tests is built here"
NEEDED = (  # a program, whoever packaged it, or a file
    (Package("docker.io", _ENGINE), "dockerd"),
    (Package("containerd", _ENGINE), "containerd"),
    (Package("runc", _ENGINE), "runc"),
    (Package("docker-registry", _ENGINE), "docker-registry"),
    (Package("buildah", _ENGINE), "buildah"),
    (Package("iproute2", _ENGINE), "ip"),
    (Package("busybox-static", "an image needs a shell"), "busybox"),
    (Package("gcc", _SHIM), "cc"),
    (Package("libc6-dev", _SHIM), "/usr/include/stdlib.h"),
    (Package("libseccomp-dev", _SHIM), "/usr/include/seccomp.h"),
    (Package("pkg-config", _SHIM), "pkg-config"),
    (Package("protobuf-compiler", _SHIM), "protoc"),
)


def missing_packages() -> tuple[Package, ...]:
    """Return what is not installed."""
    return tuple(package for package, shows in NEEDED if not (shutil.which(shows, path=SYSTEM_PATH) or _is_file(shows)))


def _is_file(path: str) -> bool:
    return path.startswith("/") and Path(path).exists()
