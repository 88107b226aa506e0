"""Bare hosts that roles are proved on, and what serves them: `python -m tests.hosts.rig create|restart|destroy DIR`.

A folder holds all of a rig: `key`, what `services` serves, and of each host `hosts/NAME` with `port`, `pid` and logs.
Hosts reach this machine's loopback as 10.0.2.2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from grader.errors import GraderError, HostError, UsageError
from tests.hosts import containers, images, machines, services

KINDS = {"container": containers, "machine": machines}
STOP_S = 240.0
"""After that a host loses its power, and what it has not written; one that is emulated on a busy machine is slow."""


def create(rig: Path, kind: str, names: Sequence[str]) -> None:
    """Serve what these hosts need and boot them; all answer by SSH when this returns.

    Args:
        rig: Of a rig that was cut off, it is cleared first.
        names: Of releases: `debian12`, `debian13`.
    Raises: HostError.
    """
    if lacks := KINDS[kind].missing():
        raise HostError(f"no {kind} can run here: {lacks}")
    made = [images.made(kind, name) for name in names]
    destroy(rig)
    rig.mkdir(parents=True, mode=0o700)
    (rig / "kind").write_text(kind, "ascii")
    images.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(rig / "key"))
    services.start(rig, names)
    for image in made:
        host = rig / "hosts" / image.release
        host.mkdir(parents=True)
        (host / "port").write_text(f"{services.free_port()}", "ascii")
        _start(rig, host, image)
    for image in made:
        _wait(rig, rig / "hosts" / image.release)


def restart(rig: Path) -> None:
    """Power every host off and on again, as an outage with warning does; what is on their disks stays.

    Raises: HostError.
    """
    kind = (rig / "kind").read_text("ascii")
    for host in _hosts(rig):
        _end(rig, host)
        _start(rig, host, images.made(kind, host.name))
    for host in _hosts(rig):
        _wait(rig, host)


def destroy(rig: Path) -> None:
    """End everything of a rig and remove its folder; of what is not there, nothing."""
    for host in _hosts(rig):
        _end(rig, host)
    services.stop(rig)
    if rig.exists():
        shutil.rmtree(rig)


def ssh(rig: Path, host: Path, *command: str, timeout_s: float = 20) -> subprocess.CompletedProcess[str]:
    """Run a command as root on a host."""
    argv = ["ssh", "-q", "-i", str(rig / "key"), "-p", (host / "port").read_text("ascii"), "-o", "BatchMode=yes"]
    argv += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"]
    argv += ["root@127.0.0.1", *command]
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def _start(rig: Path, host: Path, image: images.Image) -> None:
    port = int((host / "port").read_text("ascii"))
    KINDS[image.kind].start(image, host, image.release, port, (rig / "key.pub").read_text("ascii").strip())


def _wait(rig: Path, host: Path) -> None:
    """Wait until systemd says that the host is up, whether or not each of its units is well."""
    limit_s = machines.BOOT_S[machines.accelerator()]

    def answers() -> bool:
        done = ssh(rig, host, "systemctl", "is-system-running", "--wait", timeout_s=limit_s)
        return done.stdout.strip() in {"running", "degraded"}

    if not services.until(answers, limit_s):
        said = KINDS[(rig / "kind").read_text("ascii")].told(host)
        raise HostError(f"{host.name} did not come up in {limit_s:.0f} s; its console: {said}")


def _end(rig: Path, host: Path) -> None:
    kind = KINDS[(rig / "kind").read_text("ascii")]
    if (host / "pid").exists():
        with suppress(subprocess.TimeoutExpired):  # it may hang, and must end all the same
            ssh(rig, host, "systemctl", "poweroff", timeout_s=60)
        pid = host / "pid"
        if not services.until(lambda: not services.lives(pid, host), STOP_S):
            services.kill(pid, host)
    kind.release(host)


def _hosts(rig: Path) -> list[Path]:
    return sorted(path for path in (rig / "hosts").glob("*") if path.is_dir())


def main(argv: Sequence[str]) -> None:
    """Do one of the three; the kind of host is in LAB_HOSTS_KIND, `container` unless it says `machine`."""
    match argv:
        case ["create", rig, *names] if names and set(names) <= set(images.RELEASES):
            create(Path(rig), os.environ.get("LAB_HOSTS_KIND") or "container", names)
        case ["restart", rig]:
            restart(Path(rig))
        case ["destroy", rig]:
            destroy(Path(rig))
        case _:
            raise UsageError(
                f"`{' '.join(argv)}` is nothing to do",
                hint=f"`create DIR NAME...` with names of {', '.join(images.RELEASES)}; `restart DIR`; `destroy DIR`",
            )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except GraderError as error:
        sys.exit(f"{error}")
