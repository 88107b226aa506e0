"""The environment in `.venv`: made from the lock file with hashes, and mended by making it again.

Two files in it carry the state.  `grader-root` is written first and names the checkout that the environment belongs
to: a moved clone shows, and nobody's own `.venv` is taken for ours.  `requirements.lock`, a copy of the lock file, is
written last: an environment without it, or with another one, is not finished or out of date.  `bin/grader` tests the
same two files, so a ready environment costs no Python start.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from grader.errors import HostError, UsageError

DIRECTORY = ".venv"
LOCK = "requirements.lock"
OWNER = "grader-root"
BUSY = ".setup.lock"
NEEDED_BYTES = 700 << 20  # 470 MB installed (Go alone is 250 MB) and the downloads beside it

FULL_BYTES = 4 << 20

Say = Callable[[str], None]

# Settings of the caller's pip that say where an install goes or what it holds, not where it comes from.
MISLEADING = (
    "PIP_CONSTRAINT", "PIP_DRY_RUN", "PIP_EDITABLE", "PIP_IGNORE_INSTALLED", "PIP_LOG", "PIP_NO_BINARY", "PIP_NO_DEPS",
    "PIP_PLATFORM", "PIP_PREFIX", "PIP_PYTHON", "PIP_QUIET", "PIP_REPORT", "PIP_REQUIREMENT", "PIP_REQUIRE_VIRTUALENV",
    "PIP_ROOT", "PIP_TARGET", "PIP_VERBOSE", "PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__",
)  # fmt: skip


def python_of(root: Path) -> Path:
    """Return the environment's interpreter."""
    return root / DIRECTORY / "bin" / "python"


def is_ready(root: Path) -> bool:
    """Tell whether the environment is finished, is this checkout's, and is that of the present lock file."""
    venv = root / DIRECTORY
    try:
        return (
            (venv / OWNER).read_text(encoding="utf-8") == f"{root}\n"
            and (venv / LOCK).read_bytes() == (root / LOCK).read_bytes()
            and os.access(python_of(root), os.X_OK)
        )
    except OSError:
        return False


def prepare(root: Path, *, say: Say, environ: Mapping[str, str] | None = None) -> None:
    """Make the environment unless it is ready; of several at once one makes it and the others wait.

    Raises: HostError, one clear message; what was made so far is gone then, and running again starts afresh.
    """
    settings = dict(os.environ if environ is None else environ)
    if is_ready(root):
        return
    wheels = _wheels(settings)
    try:
        with _alone(root, say) as busy:
            if not is_ready(root):
                _make(root, wheels, settings, busy, say)
    except OSError as error:
        raise _explain_os(error, root) from error


def _make(root: Path, wheels: Path | None, settings: Mapping[str, str], busy: int, say: Say) -> None:
    venv = root / DIRECTORY
    _clear(venv)
    say(f"setting up {venv} (once; about {NEEDED_BYTES >> 20} MB)")
    try:
        venv.mkdir()
        (venv / OWNER).write_text(f"{root}\n", encoding="utf-8")
        # The real file behind this interpreter: `python3` may be another version after an upgrade of the host.
        create([os.path.realpath(sys.executable)], venv, keep=busy)
        install(venv, [root / LOCK], wheels=wheels, settings=settings, keep=busy, say=say)
        _link(root, venv)
        finished = venv / f"{LOCK}.new"
        shutil.copyfile(root / LOCK, finished)
        finished.replace(venv / LOCK)
    except BaseException as error:
        # venv and pip do not always say that this was the reason, and after the cleaning it shows no more.
        full = isinstance(error, HostError) and shutil.disk_usage(root).free < FULL_BYTES
        shutil.rmtree(venv, ignore_errors=True)
        if full:
            raise explain("No space left on device", wheels=None) from error
        raise


def create(python: Sequence[str], venv: Path, *, keep: int | None = None) -> None:
    """Make an empty environment with pip in it."""
    done = _run([*python, "-I", "-m", "venv", str(venv)], os.environ, keep)
    if done.returncode != 0:
        raise explain(done.stdout, wheels=None)


def install(
    venv: Path,
    locks: Sequence[Path],
    *,
    wheels: Path | None,
    settings: Mapping[str, str],
    keep: int | None = None,
    say: Say,
) -> None:
    """Install what the lock files name, every file checked against its hash; only wheels, so nothing is compiled.

    Args:
        venv: An environment made by `create`.
        locks: Lock files with hashes.
        wheels: Directory to install from with no network; None for wherever the caller's pip is set to.
        settings: Environment of the caller.
        keep: Descriptor that pip holds open, so that a lock outlives us as long as pip does.
        say: Takes a line of progress.
    Raises: HostError.
    """
    argv = [str(venv / "bin" / "python"), "-I", "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"]
    argv += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    for lock in locks:
        argv += ["-r", str(lock)]
    log: list[str] = []
    with _started(argv, pip_settings(settings, wheels), keep) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            step = progress_of(line)
            if step:
                say(step)
    if process.returncode != 0:
        raise explain("".join(log), wheels=wheels)


def pip_settings(settings: Mapping[str, str], wheels: Path | None) -> dict[str, str]:
    """Return the environment for pip: where to fetch from stays the caller's, where to install is ours."""
    clean = {name: value for name, value in settings.items() if name not in MISLEADING}
    clean["PIP_USER"] = "0"
    if wheels is not None:
        clean |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    return clean


def progress_of(line: str) -> str:
    """Return what a line of pip's output says about progress, empty if nothing."""
    fetched = re.match(
        r"\s*(?:Downloading|Using cached|Processing) (?:\S*/)?([A-Za-z0-9_.]+)-([^-\s]+)-\S+( \(.+\))?", line
    )
    if fetched:
        name, version, size = fetched.groups()
        return f"  {name.replace('_', '-')} {version}{size or ''}"
    return "  installing" if line.startswith("Installing collected packages") else ""


def explain(output: str, *, wheels: Path | None) -> HostError:
    """Turn what venv or pip printed into one clear message."""
    again = "then run the same command again"
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return HostError("the disk is full: the environment could not be written", hint=f"free space, {again}")
    if "DO NOT MATCH THE HASHES" in output:
        named = re.search(r"^\s*(\S+==\S+)(?: from)?.*:$|^\s{4}(\S+) from .*:$", output, re.MULTILINE)
        package = next((g for g in named.groups() if g), "") if named else ""
        return HostError(
            f"a downloaded package is not the locked one: {f'`{package}` has' if package else 'it has'} another hash",
            hint="the mirror or the download is damaged: try another one, and do not install it by hand",
        )
    absent = re.search(r"No matching distribution found for (\S+)", output)
    # Told to try once only, pip says no more than that it saw no version at all.
    unreachable = re.search(r"connection broken|Failed to establish|Max retries|timed out|from versions: none", output)
    if wheels is not None and absent:
        return HostError(
            f"`GRADER_WHEELS` holds no wheel of `{absent[1]}` for this Python and machine",
            where=str(wheels),
            hint="fill it where there is a network: `pip download --require-hashes -r requirements.lock -d DIR`",
        )
    if "CERTIFICATE_VERIFY_FAILED" in output:
        return HostError(
            "the package index shows a certificate that this host does not trust",
            hint=f"behind a proxy with its own certificate, name that in PIP_CERT, {again}",
        )
    if unreachable:
        return HostError(
            "the package index cannot be reached",
            hint=f"see to the network, or set GRADER_WHEELS to a directory with the locked packages, {again}",
        )
    if absent:
        return HostError(
            f"the package index has no `{absent[1]}` for this Python and machine",
            hint="see that pip is set to a full index, or set GRADER_WHEELS to a directory with the locked packages",
        )
    errors = [line for line in output.splitlines() if line.lstrip().lower().startswith("error")]
    last = (errors or output.splitlines() or ["no output"])[-1].strip()
    return HostError(f"the environment could not be made: {last}", hint=f"mend that, {again}")


def _explain_os(error: OSError, root: Path) -> HostError:
    path = error.filename or root / DIRECTORY
    if error.strerror == "No space left on device":
        return explain(str(error), wheels=None)
    return HostError(
        f"cannot write here: {(error.strerror or 'unknown error').lower()}",
        where=str(path),
        hint="clone into a folder that you own, or let its owner run `bin/setup` there",
    )


def _wheels(settings: Mapping[str, str]) -> Path | None:
    value = settings.get("GRADER_WHEELS")
    if not value:
        return None
    wheels = Path(value).absolute()
    if not os.access(wheels / ".", os.R_OK | os.X_OK):
        what = "`GRADER_WHEELS` is no directory that can be read"
        raise UsageError(what, where=str(wheels), hint="name the folder that holds the wheels")
    return wheels


@contextmanager
def _alone(root: Path, say: Say) -> Iterator[int]:
    """Hold the checkout's set-up lock; yields its descriptor.  Only Unix gets here (Windows uses a plain pip)."""
    import fcntl

    with (root / BUSY).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this checkout is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _clear(venv: Path) -> None:
    """Remove what earlier set-ups left; refuses a `.venv` that is not ours."""
    for left in venv.parent.glob(f"{DIRECTORY}.old-*"):
        shutil.rmtree(left, ignore_errors=True)
    if not venv.exists() and not venv.is_symlink():
        return
    if venv.is_symlink() or not venv.is_dir() or (any(venv.iterdir()) and not (venv / OWNER).is_file()):
        raise HostError("this was not made by the grader, so it is left alone", where=str(venv), hint="move it away")
    # Out of the way at once: a run that starts meanwhile must not see half of it.
    old = venv.with_name(f"{DIRECTORY}.old-{os.getpid()}")
    venv.rename(old)
    shutil.rmtree(old)


def _link(root: Path, venv: Path) -> None:
    """Make the package importable from the environment and put `grader` beside its other programs."""
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "lab-grader.pth").write_text(f"{root}\n", encoding="utf-8")
    script = venv / "bin" / "grader"
    # Not `#!.../python`: the kernel cuts a long path there and splits one with a space.
    script.write_text(f'#!/bin/sh\nexec "{_quoted(venv)}/bin/python" -I -m grader "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def _quoted(path: Path) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", str(path))


def _run(argv: Sequence[str], settings: Mapping[str, str], keep: int | None) -> subprocess.CompletedProcess[str]:
    with _started(argv, {**settings}, keep) as process:
        output, _ = process.communicate()
    return subprocess.CompletedProcess(argv, process.returncode, output)


@contextmanager
def _started(argv: Sequence[str], settings: Mapping[str, str], keep: int | None) -> Iterator[subprocess.Popen[str]]:
    """Start a child with stdout and stderr in one pipe; it is ended if we leave early."""
    process = subprocess.Popen(
        argv,
        env=dict(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=() if keep is None else (keep,),
        text=True,
        errors="replace",
    )
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
