"""Bare Debian hosts as files: what an installer leaves, with SSH and Python, and nothing of the lab's.

Made once by debootstrap and kept in the cache by release and recipe.  `python -m tests.hosts.images KIND RELEASE` makes
one and prints its folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from grader.errors import GraderError, HostError
from tests.caching import cache, is_complete, scratch

RELEASES = {"debian12": "bookworm", "debian13": "trixie"}
COMMON = ("ca-certificates", "dbus", "iproute2", "openssh-server", "procps", "python3", "sudo", "systemd-sysv")
KERNEL = ("initramfs-tools", "linux-image-cloud-amd64", "systemd-timesyncd", "udev")
DISK_GB = 14
"""Of a machine; the file is sparse."""
MASKED = ("systemd-udevd", "systemd-networkd", "systemd-resolved", "systemd-modules-load")
"""What has nothing to do in a container and fails there."""
TOOLS = {"debootstrap": "debootstrap", "mkfs.ext4": "e2fsprogs"}
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NETWORK = "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n"
_NAME_SERVER = "nameserver 10.0.2.3\n"
"""Of the user-mode network that both kinds of host are given."""


@dataclass(frozen=True)
class Image:
    """What a host is made of: a container's is a tree, a machine's is a disk with the kernel beside it."""

    kind: str
    release: str

    @property
    def packages(self) -> tuple[str, ...]:
        """What debootstrap adds to the smallest system."""
        return (*COMMON, *KERNEL) if self.kind == "machine" else COMMON

    @property
    def folder(self) -> Path:
        """Where it is once it is made; of another recipe it is another folder."""
        recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
        return cache() / f"host-{self.kind}-{self.release}-{recipe}"

    @property
    def tree(self) -> Path:
        """The root of a container."""
        return self.folder / "root"

    @property
    def disk(self) -> Path:
        """A raw file system, no partitions."""
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        """Beside `initrd`."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Beside `kernel`."""
        return self.folder / "initrd.img"


def made(kind: str, release: str) -> Image:
    """Return an image, made on first use; of several at once one makes it and the others wait.

    Raises: HostError if debootstrap cannot.
    """
    image = Image(kind, release)
    if is_complete(image.folder):
        return image
    for program, package in TOOLS.items():
        if not shutil.which(program, path=_PATH):
            raise HostError(f"no `{program}` to make a {release} with", hint=f"`apt-get install {package}`")
    image.folder.parent.mkdir(parents=True, exist_ok=True)
    with image.folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete(image.folder):
            began = time.monotonic()
            print(f"making a bare {release} (once; a minute or two)", file=sys.stderr, flush=True)
            with scratch(image.folder) as work:
                _make(image, work)
            print(f"made it in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return image


def _make(image: Image, work: Path) -> None:
    root = work / "root"
    include = ",".join(image.packages)
    run("debootstrap", "--variant=minbase", f"--include={include}", RELEASES[image.release], str(root))
    _settle(root, image.kind)
    if image.kind == "machine":
        (kernel,) = root.glob("boot/vmlinuz-*")
        (initrd,) = root.glob("boot/initrd.img-*")
        shutil.copy(kernel, work / "vmlinuz")
        shutil.copy(initrd, work / "initrd.img")
        with (work / "disk.raw").open("wb") as disk:
            disk.truncate(DISK_GB << 30)
        run("mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(root), str(work / "disk.raw"))
        shutil.rmtree(root)


def _settle(root: Path, kind: str) -> None:
    """Do what an installer asks about: host keys, name servers, and who may log in (by key, given at start)."""
    units = root / "etc/systemd/system"
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(_NAME_SERVER, "ascii")
    # A clone's own: the host's name is given at start, and so is its id.
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("uninitialized\n" if kind == "machine" else "", "ascii")
    if kind == "machine":
        (root / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1\n", "ascii")
        (root / "etc/systemd/network/20-wired.network").write_text(_NETWORK, "ascii")
        run("systemctl", f"--root={root}", "enable", "systemd-networkd")
    else:
        for unit in MASKED:
            (units / f"{unit}.service").unlink(missing_ok=True)
            (units / f"{unit}.service").symlink_to("/dev/null")
    # Packages stay out of the tree: what roles install is fetched by each host anyway.
    for archive in (root / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()


def run(*argv: str, timeout_s: float = 900) -> str:
    """Run a program of the system at the lowest priority; returns what it said.

    Raises: HostError with its last lines.
    """
    done = subprocess.run(
        ["nice", "-n", "19", *argv],
        env={**os.environ, "PATH": _PATH, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        raise HostError(f"`{argv[0]}` failed ({done.returncode}): {' | '.join(done.stdout.splitlines()[-5:])}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(made(*sys.argv[1:3]).folder)
    except GraderError as error:
        sys.exit(f"{error}")
