"""Look at this host for `doctor`, changing nothing: what can be known with the standard library alone."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from grader.bootstrap import environment, lockremedy, packages, pitfalls
from grader.bootstrap.checks import Check, State

GB = 1_000_000_000
DISK_NEEDED_GB = 1  # Go's build cache of one lab is 0.3 GB, a compiled module and its copies 0.1 GB
DISK_AMPLE_GB = 3
MEMORY_AMPLE_GB = 2  # compiling an 8 MB module with wasmtime peaks at 0.6 GB, `go build` at 0.5 GB
CPUS_AMPLE = 2
TOOL_TIMEOUT_S = 10
HOST_LOCK = "/run/lock/lab-grader.lock"
APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
USER_NAMESPACES = Path("/proc/sys/kernel/unprivileged_userns_clone")
CGROUP = Path("/sys/fs/cgroup")
_AS_ROOT = "grade as root, with sudo"


def bare(root: Path, environ: Mapping[str, str]) -> tuple[Check, ...]:
    """Return every check as far as it goes before the environment exists."""
    setup = str(root / "bin/setup")
    return (
        *always(environ),
        environment_check(root),
        sandbox_guess(),
        Check("go", "missing", "doctor.go.absent", {"expected": "1.21.13"}, setup),
        program("wasmtime", "wasmtime", "missing", setup),
        tinygo(),
        *pitfalls.look(root / pitfalls.FOLDER, environ),
    )


def always(environ: Mapping[str, str]) -> tuple[Check, ...]:
    """Return the checks that are the same before and after set-up."""
    cache = cache_directory(environ)
    return (
        _linux(),
        Check("python", "ok", "doctor.python", {"found": platform.python_version(), "expected": "3.11 or later"}),
        program("bubblewrap", "bwrap", "missing", _install("bubblewrap")),
        cgroups(),
        _engine("docker"),
        _engine("containerd"),
        program("buildah", "buildah", "warning", _install("buildah")),
        memory_peak(),
        host_lock(environ),
        _cache(cache),
        _disk(cache),
        _cpus(),
        _memory(),
    )


def _linux() -> Check:
    params = {"found": platform.system(), "expected": "Linux"}
    if platform.system() == "Linux":
        return Check("system", "ok", "doctor.system", params)
    return Check("system", "missing", "doctor.system.other", params, "use WSL2 or a Linux VM")


def environment_check(root: Path) -> Check:
    """Tell whether `.venv` is there and up to date."""
    venv = root / environment.DIRECTORY
    if environment.is_ready(root):
        return Check("environment", "ok", "doctor.environment", {"found": str(venv)})
    missing = packages.for_environment()
    remedy = f"{root}/bin/setup"
    if missing and os.geteuid() != 0:
        remedy = f"{packages.install_command(missing)} && {remedy}"
    code = "doctor.environment.stale" if venv.exists() else "doctor.environment.absent"
    return Check("environment", "missing", code, {"expected": str(venv)}, remedy)


def own_environment() -> Check:
    """Tell about the environment that this process runs in: a checkout's own one, or any other."""
    root = Path(__file__).resolve().parents[2]
    if Path(sys.prefix) == root / environment.DIRECTORY:
        return environment_check(root)
    return Check("environment", "ok", "doctor.environment.installed", {"found": sys.prefix})


def remedies() -> Mapping[str, str]:
    """Return by check id what installs what the environment that we run in lacks."""
    root = Path(__file__).resolve().parents[2]
    setup = f"{root}/bin/setup" if (root / "bin/setup").is_file() else "pip install 'lab-grader[embedded]'"
    return {"go": setup, "wasmtime": setup, "cgroups": _AS_ROOT, "memory-peak": _AS_ROOT}


def sandbox_guess() -> Check:
    """Tell whether namespaces can be made; that the whole sandbox holds shows only its own test, after set-up."""
    program = shutil.which("bwrap")
    if not program:
        return Check("sandbox", "missing", "doctor.sandbox.none", {}, _install("bubblewrap"))
    # As root no user namespace is made, so none is asked for.
    user = [] if os.geteuid() == 0 else ["--unshare-user"]
    argv = [program, *user, "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "/bin/true"]
    tried = _run(argv)
    if tried is not None and tried.returncode == 0:
        return Check("sandbox", "warning", "doctor.sandbox.later", {})
    return why_no_namespaces() or Check(
        "sandbox", "missing", "doctor.tool.failed", {"found": _last_line(tried)}, "use a host or a VM of your own"
    )


def why_no_namespaces() -> Check | None:
    """Return the kernel setting that keeps this user from making user namespaces, None if none does."""
    if os.geteuid() == 0:
        return None
    if _setting(APPARMOR) == "1":  # Ubuntu 23.10 and later
        return _restricted("doctor.sandbox.apparmor", "kernel.apparmor_restrict_unprivileged_userns", 1, 0)
    if _setting(USER_NAMESPACES) == "0":
        return _restricted("doctor.sandbox.user-namespaces", "kernel.unprivileged_userns_clone", 0, 1)
    return None


def _restricted(code: str, setting: str, found: int, expected: int) -> Check:
    params = {"found": f"{setting}={found}", "expected": f"{setting}={expected}"}
    return Check("sandbox", "missing", code, params, f"sudo sysctl -w {setting}={expected}")


def cgroups(mount: Path = CGROUP) -> Check:
    """Tell which cgroup version there is and whether we may make groups in it."""
    if (mount / "cgroup.controllers").is_file():
        found, groups = "v2", [mount]
    else:
        found, groups = "v1", [mount / "memory", mount / "pids"]
    if not all(group.is_dir() for group in groups):
        return Check("cgroups", "warning", "doctor.cgroups.none", {})
    if all(os.access(group, os.W_OK) for group in groups):
        return Check("cgroups", "ok", "doctor.cgroups", {"found": found})
    return Check("cgroups", "warning", "doctor.cgroups.closed", {"found": found}, _AS_ROOT)


def memory_peak(mount: Path = CGROUP) -> Check:
    """Tell where a program's memory will be read from, as far as the groups tell; a real run in them knows better."""
    if cgroups(mount).state != "ok":
        return Check("memory-peak", "warning", "doctor.memory-peak.sampled", {}, _AS_ROOT)
    # Of version 2 only; the topmost group has neither file.
    groups = [file.parent for pattern in ("", "*/") for file in mount.glob(f"{pattern}memory.current")]
    if groups and not any((group / "memory.peak").exists() for group in groups):
        return Check("memory-peak", "warning", "doctor.memory-peak.old-kernel", {"expected": "Linux 5.19"})
    return Check("memory-peak", "ok", "doctor.memory-peak.cgroup", {})


def host_lock(environ: Mapping[str, str]) -> Check:
    """Tell whether this user can take the host lock."""
    path = Path(environ.get("GRADER_LOCK") or HOST_LOCK)
    params = {"found": str(path)}
    if path.is_symlink() or (path.exists() and not path.is_file()):
        remedy = f"sudo {lockremedy.to_remove(path, path.lstat().st_mode)}"
        return Check("host-lock", "missing", "doctor.host-lock.other", params, remedy)
    if path.exists():
        if os.access(path, os.R_OK | os.W_OK):
            return Check("host-lock", "ok", "doctor.host-lock", params)
        return Check("host-lock", "missing", "doctor.host-lock.closed", params, f"sudo {lockremedy.to_open(path)}")
    if os.access(path.parent, os.W_OK | os.X_OK):
        return Check("host-lock", "ok", "doctor.host-lock.creatable", params)
    return Check("host-lock", "missing", "doctor.host-lock.absent", params, f"sudo {lockremedy.to_make(path)}")


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return where results are kept; the same rule as `adapters.store.cache_root`, and a test holds them together."""
    if own := environ.get("GRADER_CACHE"):
        return Path(own)
    base = environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path(environ.get("HOME") or "~").expanduser() / ".cache"
    return home / "lab-grader"


def _cache(cache: Path) -> Check:
    if os.access(_existing(cache), os.W_OK | os.X_OK):
        return Check("cache", "ok", "doctor.cache", {"found": str(cache)})
    remedy = "set GRADER_CACHE to a directory that you can write"
    return Check("cache", "missing", "doctor.cache.closed", {"found": str(cache)}, remedy)


def _disk(cache: Path) -> Check:
    free = shutil.disk_usage(_existing(cache)).free / GB
    state: State = "missing" if free < DISK_NEEDED_GB else "warning" if free < DISK_AMPLE_GB else "ok"
    expected = DISK_NEEDED_GB if state == "missing" else DISK_AMPLE_GB
    remedy = "" if state == "ok" else f"free space on the file system of {cache}, or set GRADER_CACHE"
    return Check("disk", state, "doctor.disk", {"found": f"{free:.1f}", "expected": expected}, remedy)


def _cpus() -> Check:
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    params: dict[str, int] = {"found": found, "expected": CPUS_AMPLE}
    if found < CPUS_AMPLE:
        return Check("cpus", "warning", "doctor.cpus.few", params, "give the machine a second CPU")
    return Check("cpus", "ok", "doctor.cpus", params)


def _memory() -> Check:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    params: dict[str, str | int] = {"found": f"{gigabytes:.1f}", "expected": MEMORY_AMPLE_GB}
    if gigabytes < MEMORY_AMPLE_GB:
        return Check("memory", "warning", "doctor.memory.little", params, "give the machine more memory")
    return Check("memory", "ok", "doctor.memory", params)


def installed() -> Mapping[str, str]:
    """Return by tool what it says of its version; those that are absent are left out."""
    asked = {"golang": ("go", "version"), "tinygo": ("tinygo", "version"), "spin": ("spin", "--version"),
             "containerd": ("containerd", "--version"), "docker": ("docker", "--version")}  # fmt: skip
    said = {tool: version_of(*argv) for tool, argv in asked.items()}
    return {tool: text for tool, text in said.items() if text}


def program(check: str, name: str, absent: State, remedy: str) -> Check:
    """Return whether a program is there and what it calls itself."""
    found = version_of(name)
    if found:
        return Check(check, "ok", f"doctor.{check}", {"found": found})
    return Check(check, absent, f"doctor.{check}.absent", {}, remedy)


def tinygo() -> Check:
    """Tell which TinyGo builds modules here; there is no package of it to name as a remedy."""
    found = version_of("tinygo", "version")
    if found:
        return Check("tinygo", "ok", "doctor.tinygo", {"found": found})
    return Check("tinygo", "warning", "doctor.tinygo.absent", {})


def _engine(name: str) -> Check:
    return Check(name, "warning", f"doctor.{name}", {"found": version_of(name) or "absent"})


def version_of(name: str, argument: str = "--version") -> str:
    """Return the first line that a program on PATH says of its version, empty if it is absent or fails."""
    path = shutil.which(name)
    done = _run([path, argument]) if path else None
    return done.stdout.strip().partition("\n")[0] if done is not None and done.returncode == 0 else ""


def _run(argv: list[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a short command that keeps no configuration; None if it cannot be started or hangs."""
    # Go counts its uses in its configuration, even that of `go version`.
    nowhere = {"HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull}
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=TOOL_TIMEOUT_S, check=False, env={**os.environ, **nowhere},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None


def _last_line(done: subprocess.CompletedProcess[str] | None) -> str:
    return (done.stdout.strip().splitlines() or [f"exit {done.returncode}"])[-1] if done else "no answer"


def _install(package: str) -> str:
    return packages.install_command([packages.Package(package, "")])


def _existing(path: Path) -> Path:
    """Return the nearest folder above a path that exists."""
    return next(p for p in (path, *path.absolute().parents) if p.exists())


def _setting(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
