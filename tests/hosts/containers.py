"""Hosts that are containers with systemd: quicker than machines, with this machine's kernel and cgroups.

runc alone, no engine: nothing of a host's network or firewall is touched.  On cgroup v1 a container's systemd would
remount what it finds at /sys/fs/cgroup and mount hierarchies that this machine does not use, for all; so it is given a
tree of its own there, with this machine's hierarchies bound into it and dummies in place of the unused ones.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from grader.errors import HostError
from tests.hosts.images import Image

CGROUPS = Path("/sys/fs/cgroup")
PARENT = "lab-hosts"
ENGINES = ("default", "docker", "lab.slice")
"""Cgroups that engines in a container make at the root of a hierarchy, where this machine's own make theirs."""
UNUSED = ("net_cls", "net_prio", "net_cls,net_prio", "perf_event", "hugetlb", "cpu,cpuacct")
GUEST = "10.0.2.100"
"""The address that slirp4netns gives."""
START_S = 20.0
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
"""In the order of their numbers."""
_OVERLAY = 'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root" && cd "$2" && '
_RUN = 'exec runc --root "$2/runc" run --pid-file "$2/init" --bundle "$2" "$3"'


def missing() -> str | None:
    """Return why there can be no such container here, None if there can."""
    if os.geteuid() != 0:
        return "only root can boot a container with systemd"
    needed = ("runc", "slirp4netns", "debootstrap", "docker-registry", "busybox")
    absent = [name for name in needed if not shutil.which(name)]
    return f"no {', '.join(absent)}: `apt-get install {' '.join(absent)}`" if absent else None


def start(image: Image, folder: Path, name: str, port: int, public_key: str) -> None:
    """Boot a container whose SSH is that port of the loopback; it goes on when this returns.

    Args:
        folder: Of the host; what it writes is there, so that a second start finds what the first left.
        public_key: Who may log in as root.
    Raises: HostError.
    """
    for part in ("upper", "work", "root", "docker", "containerd"):
        (folder / part).mkdir(exist_ok=True)
    keys = folder / "upper/root/.ssh"
    keys.mkdir(parents=True, mode=0o700, exist_ok=True)
    (keys / "authorized_keys").write_text(f"{public_key}\n", "ascii")
    (folder / "config.json").write_text(json.dumps(_spec(folder, name)), "utf-8")
    (folder / "init").unlink(missing_ok=True)
    with (folder / "console.log").open("ab") as log:
        # The mounts are in a namespace that ends with the container.
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _OVERLAY + _RUN, "sh",
             str(image.tree), str(folder), _id(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (folder / "pid").write_text(f"{process.pid}", "ascii")
    _connect(folder, _init(folder, process), port)


def told(folder: Path) -> str:
    """Return the end of what runc and systemd said."""
    log = folder / "console.log"
    return " | ".join(log.read_text("utf-8", "replace").splitlines()[-8:]) if log.exists() else "nothing"


def release(folder: Path) -> None:
    """Free what a container that has ended held outside its folder: its network and its cgroups."""
    runc = ["runc", "--root", str(folder / "runc"), "delete", "--force", _id(folder)]
    subprocess.run(runc, capture_output=True, check=False)
    network = folder / "slirp.pid"
    if network.exists():
        with suppress(ProcessLookupError):
            os.kill(int(network.read_text("ascii")), 15)
        network.unlink()
    for tree in _cgroups(folder):
        for path, _, _ in os.walk(tree, topdown=False):
            with suppress(OSError):
                os.rmdir(path)  # noqa: PTH106  # what is in a cgroup are no files; one in use stays
    for parent in CGROUPS.glob(f"*/{PARENT}"):
        with suppress(OSError):  # of another rig
            parent.rmdir()
    (folder / "pid").unlink(missing_ok=True)


def _id(folder: Path) -> str:
    """Return a name that no other rig's container has."""
    return f"{folder.name}-{folder.stat().st_ino}"


def _cgroups(folder: Path) -> Iterator[Path]:
    yield from CGROUPS.glob(f"*/{PARENT}/{_id(folder)}")
    yield from CGROUPS.glob(f"{PARENT}/{_id(folder)}")
    for name in ENGINES:
        yield from CGROUPS.glob(f"*/{name}")


def _init(folder: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError, ValueError):
            return int((folder / "init").read_text("ascii"))
        time.sleep(0.1)
    raise HostError(f"{folder.name} did not start: {told(folder)}")


def _connect(folder: Path, init: int, port: int) -> None:
    """Give the container a network in user space, and the port to its SSH."""
    api = folder / "slirp.sock"
    api.unlink(missing_ok=True)
    argv = ["slirp4netns", "--configure", "--mtu=65520", "--enable-seccomp", f"--api-socket={api}", str(init), "tap0"]
    with (folder / "slirp.log").open("ab") as log:
        network = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (folder / "slirp.pid").write_text(f"{network.pid}", "ascii")
    order = {"proto": "tcp", "host_addr": "127.0.0.1", "host_port": port, "guest_addr": GUEST, "guest_port": 22}
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(api))
            client.sendall(json.dumps({"execute": "add_hostfwd", "arguments": order}).encode())
            client.shutdown(socket.SHUT_WR)
            if "error" not in json.loads(client.recv(4096)):
                return
        time.sleep(0.1)
    raise HostError(f"{folder.name} has no network: {(folder / 'slirp.log').read_text('utf-8', 'replace')[-300:]}")


def _spec(folder: Path, name: str) -> dict[str, Any]:
    """Return the container's description as runc reads it: all that this process may do, in namespaces of its own."""
    second = (CGROUPS / "cgroup.controllers").exists()
    allowed = _capabilities()
    return {
        "ociVersion": "1.0.2",
        "hostname": name,
        "root": {"path": str(folder / "root")},
        "process": {
            "user": {"uid": 0, "gid": 0},
            "cwd": "/",
            # The word is what lets systemd of Debian 13 take a machine with cgroup v1 at all.
            "args": ["/sbin/init", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "container=oci"],
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), allowed),
        },
        "mounts": [*_mounts(folder), *(_own_cgroup() if second else _bound_cgroups())],
        "linux": {
            "namespaces": [
                {"type": kind}
                for kind in ("pid", "network", "ipc", "uts", "mount", *(["cgroup"] if second else []))
            ],
            "cgroupsPath": f"/{PARENT}/{_id(folder)}",
            "resources": {"devices": [{"allow": True, "access": "rwm"}]},
        },
    }  # fmt: skip


def _capabilities() -> list[str]:
    """Return what this process may hand on: a container of which more is asked than that does not start."""
    (line,) = [line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("CapBnd")]
    mask = int(line.split()[1], 16)
    return [f"CAP_{name}" for bit, name in enumerate(CAPABILITIES.split()) if mask >> bit & 1]


def _mounts(folder: Path) -> list[dict[str, Any]]:
    def tmpfs(target: str, mode: str) -> dict[str, Any]:
        return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", f"mode={mode}"]}

    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev"]},
        tmpfs("/dev", "755"),
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
        tmpfs("/dev/shm", "1777"),
        tmpfs("/run", "755"),
        tmpfs("/run/lock", "1777"),
        # An overlay on an overlay is none: the engines' layers lie on this machine's file system.
        *(
            {"destination": f"/var/lib/{name}", "type": "bind", "source": str(folder / name), "options": ["rbind"]}
            for name in ("docker", "containerd")
        ),
    ]


def _own_cgroup() -> list[dict[str, Any]]:
    return [{"destination": str(CGROUPS), "type": "cgroup", "source": "cgroup", "options": ["rw"]}]


def _bound_cgroups() -> list[dict[str, Any]]:
    used = sorted(path.name for path in CGROUPS.iterdir() if path.is_dir() and os.path.ismount(path))
    # Beside hierarchies of v1, crun refuses a v2 one with controllers, such as nobody mounted in v1; they are unused.
    controllers = CGROUPS / "unified/cgroup.controllers"
    hidden = [{"destination": str(controllers), "type": "bind", "source": "/dev/null", "options": ["bind"]}]
    return [
        {"destination": str(CGROUPS), "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        *(
            {"destination": f"{CGROUPS / name}", "type": "bind", "source": f"{CGROUPS / name}", "options": ["rbind"]}
            for name in used
        ),
        *(
            {"destination": f"{CGROUPS / name}", "type": "tmpfs", "source": "tmpfs"}
            for name in UNUSED
            if name not in used
        ),
        *(hidden if controllers.exists() else []),
    ]
