"""Hosts that are real machines: qemu with Debian's cloud kernel, systemd as PID 1 and cgroup v2, emulated or by KVM."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

from tests.hosts.images import Image, run

QEMU = "qemu-system-x86_64"
MEMORY_MB = 3072
BOOT_S = {"kvm": 90.0, "tcg": 900.0}


def missing() -> str | None:
    """Return why there can be no machine here, None if there can."""
    if os.geteuid() != 0:
        return "making the disk of a machine takes root (debootstrap)"
    absent = [name for name in (QEMU, "qemu-img", "debootstrap") if not shutil.which(name)]
    return f"no {', '.join(absent)}: `apt-get install qemu-system-x86 qemu-utils debootstrap`" if absent else None


def accelerator() -> str:
    """Return `kvm` where LAB_HOSTS_ACCEL says so, else `tcg`: some ten times slower, but it boots everywhere.

    /dev/kvm alone tells nothing: in a virtual machine stock kernels may hang under it before their first word.
    """
    return "kvm" if os.environ.get("LAB_HOSTS_ACCEL") == "kvm" else "tcg"


def network() -> str:
    """Return what the only card of a machine leads to: with LAB_HOSTS_NETWORK=none nothing, but for SSH to it."""
    return "restrict=on," if os.environ.get("LAB_HOSTS_NETWORK") == "none" else ""


def start(image: Image, folder: Path, name: str, port: int, public_key: str) -> None:
    """Boot a machine whose SSH is that port of the loopback; it goes on when this returns.

    Args:
        folder: Of the host; its disk is there, over the image's, so that a second start finds what the first left.
        public_key: Who may log in as root; the machine takes it at boot, so the image holds no key.
    Raises: HostError.
    """
    disk = folder / "disk.qcow2"
    if not disk.exists():
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.disk), "-F", "raw", str(disk))
    key = base64.b64encode(public_key.encode()).decode()
    command_line = [
        "root=/dev/vda rw console=ttyS0 quiet",
        f"systemd.hostname={name}",
        f"systemd.set_credential_binary=ssh.authorized_keys.root:{key}",
    ]
    kind = accelerator()
    # A virtual machine that offers KVM may refuse to set the register of the one.  Emulated by qemu 7.2, `cmpxchg16b`
    # leaves rubbish in the flags, and the kernel's allocator is built on it: a general protection fault in __kmalloc
    # and a panic, seconds or minutes after boot.  A kernel on a processor without it does without; so for `pku`.
    processor = {"kvm": ["-accel", "kvm", "-cpu", "host,arch-capabilities=off"]}
    processor["tcg"] = ["-accel", "tcg,thread=multi", "-cpu", "max,pku=off,cx16=off"]
    argv = [QEMU, *processor[kind], "-smp", "2", "-m", str(MEMORY_MB), "-nodefaults", "-display", "none"]
    argv += ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", " ".join(command_line)]
    argv += ["-drive", f"file={disk},if=virtio,discard=unmap", "-device", "virtio-rng-pci"]
    argv += ["-netdev", f"user,id=net,{network()}hostfwd=tcp:127.0.0.1:{port}-:22"]
    argv += ["-device", "virtio-net-pci,netdev=net"]
    argv += ["-serial", f"file:{folder / 'console.log'}", "-pidfile", str(folder / "pid"), "-daemonize"]
    run(*argv, timeout_s=60)


def told(folder: Path) -> str:
    """Return the end of what the console said."""
    log = folder / "console.log"
    return " | ".join(log.read_text("utf-8", "replace").splitlines()[-8:]) if log.exists() else "nothing"


def release(folder: Path) -> None:
    """Free what a machine that has ended held: nothing but its files."""
    (folder / "pid").unlink(missing_ok=True)
