"""The Debian packages that the groups of tests need, by what shows that they are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
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


_HOSTS = "roles are proved on bare hosts of their own"
NEEDED_BY_HOSTS = {
    "molecule": (
        (Package("debootstrap", _HOSTS), "debootstrap"),
        (Package("runc", _HOSTS), "runc"),
        (Package("slirp4netns", _HOSTS), "slirp4netns"),
        (Package("openssh-client", _HOSTS), "ssh"),
        (Package("docker-registry", _HOSTS), "docker-registry"),
        (Package("busybox-static", _HOSTS), "busybox"),
    ),
    "vm": (
        (Package("debootstrap", _HOSTS), "debootstrap"),
        (Package("e2fsprogs", _HOSTS), "mkfs.ext4"),
        (Package("qemu-system-x86", _HOSTS), "qemu-system-x86_64"),
        (Package("qemu-utils", _HOSTS), "qemu-img"),
        (Package("gnupg", "a bundle's packages are signed"), "gpg"),
        (Package("openssh-client", _HOSTS), "ssh"),
        (Package("docker-registry", _HOSTS), "docker-registry"),
        (Package("busybox-static", _HOSTS), "busybox"),
    ),
}


def missing_for_hosts(kinds: Iterable[str]) -> tuple[Package, ...]:
    """Return what is not installed of what these kinds of host need: `molecule`, `vm`."""
    needed = dict(pair for kind in kinds for pair in NEEDED_BY_HOSTS[kind])
    return tuple(package for package, shows in needed.items() if not shutil.which(shows, path=SYSTEM_PATH))


def missing_packages() -> tuple[Package, ...]:
    """Return what is not installed."""
    return tuple(package for package, shows in NEEDED if not (shutil.which(shows, path=SYSTEM_PATH) or _is_file(shows)))


def _is_file(path: str) -> bool:
    return path.startswith("/") and Path(path).exists()
