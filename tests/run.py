"""`bin/test`: set up, then linters, types, the layers and the tests on each Python that is here.

Runs on the standard library alone.  Environments and downloads lie in the cache, keyed by the lock file, and can be
deleted at any time.  Nothing in an environment points to a checkout, so all checkouts share them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from grader.bootstrap import environment, packages
from grader.errors import GraderError, HostError, UsageError
from tests.caching import cache, is_complete, scratch
from tests.engines import debian, engines, shim
from tests.groups import GROUPS

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-dev.lock"
SECOND_PYTHON = (3, 13)
WORKERS = "2"
LINTERS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


@dataclass(frozen=True)
class Options:
    """What was asked for; with `passed` arguments only those tests run, on one Python.

    Up to `again` tests that failed beside others are run once more, alone.
    """

    required: tuple[str, ...]
    again: int
    passed: tuple[str, ...]


def main(argv: Sequence[str]) -> int:
    """Run everything; returns the first exit code that is not 0."""
    try:
        options = parse(argv)
        packages.provide(packages.for_environment())
        packages.offer(packages.for_tests())
        prepare_containers(options)
        return run(options)
    except GraderError as error:
        print(f"bin/test: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def parse(argv: Sequence[str]) -> Options:
    """Split our options from pytest's.

    Raises: UsageError for a group that there is none of.
    """
    parser = argparse.ArgumentParser(prog="bin/test", allow_abbrev=False)
    parser.add_argument(
        "--require",
        default=[],
        action="append",
        metavar="NAME[,NAME]",
        help="fail instead of leaving out what needs: " + ", ".join(sorted(GROUPS)),
    )
    parser.add_argument(
        "--again",
        default=0,
        type=int,
        metavar="N",
        help="where no more than N tests failed, run them once more, alone, and name those that pass now",
    )
    own, passed = parser.parse_known_args(argv)
    required = tuple(sorted({name for names in own.require for name in names.split(",") if name}))
    unknown = [name for name in required if name not in GROUPS]
    if unknown:
        raise UsageError(
            f"nothing is called {', '.join(f'`{name}`' for name in unknown)}",
            where="--require",
            hint=f"one of {', '.join(f'`{name}`' for name in sorted(GROUPS))}",
        )
    return Options(required, own.again, tuple(passed))


def prepare_containers(options: Options) -> None:
    """Install engines and build their shim where they are required; elsewhere the shim alone, where it can be.

    Only where they are required, as Debian's packages start daemons on a host with an init system, and because the
    shim takes minutes, only where that is or everything is run.

    Raises: HostError if what is required cannot be had.
    """
    kinds = [kind for kind in ("molecule", "vm") if kind in options.required]
    packages.provide(debian.missing_for_hosts(kinds))
    if "containers" in options.required or kinds:
        packages.provide(debian.missing_packages())
        shim.build()
    elif not options.passed and engines.missing() is None and shim.missing() is None:
        try:
            shim.build()
        except HostError as error:
            print(f"bin/test: {error}\nbin/test: going on without", file=sys.stderr, flush=True)


def run(options: Options) -> int:
    """Run linters once and the tests on each Python, the one that runs this last: its closing line ends the output."""
    here = Path(os.path.realpath(sys.executable))
    if options.passed:
        return run_tests(here, options, ["linters, types, layers and other Pythons: arguments were given"], [])
    left_out = []
    second = None
    if sys.version_info[:2] != SECOND_PYTHON:
        second = find_python(SECOND_PYTHON)
        if second is None and "py313" in options.required:
            raise HostError("no Python 3.13 found", hint="install python3.13, or put it on PATH")
        if second is None:
            left_out.append("py313: no Python 3.13 found, so nothing ran on it")
    codes = {" ".join(linter): announced(made(here), linter) for linter in LINTERS}
    if second:
        others = replace(options, passed=("-m", "not once"))
        codes[f"tests on {version_of(second)}"] = run_tests(second, others, [], [])
    failed = [name for name, code in codes.items() if code]
    return run_tests(here, options, left_out, failed) or (1 if failed else 0)


def run_tests(python: Path, options: Options, left_out: Sequence[str], failed: Sequence[str]) -> int:
    """Run pytest; `left_out` and `failed` are told in its summary, and so is what passed only alone."""
    environ = {
        **environment.pip_settings(os.environ, None),
        "PYTHONPATH": str(ROOT),
        "GRADER_TEST_WHEELS": str(downloaded(python)),
        "GRADER_TEST_REQUIRE": ",".join(options.required),
        "GRADER_TEST_LEFT_OUT": json.dumps(list(left_out)),
        "GRADER_TEST_FAILED_BEFORE": json.dumps(list(failed)),
    }
    with tempfile.TemporaryDirectory(prefix="lab-grader-failed-") as cache_dir:
        command = ["pytest", "-q", "--dist", "loadgroup", "-o", f"cache_dir={cache_dir}", *options.passed]
        code = announced(made(python), [*command, "-n", WORKERS], environ)
        unsteady = last_failed(Path(cache_dir))
        if code != 1 or not 0 < len(unsteady) <= options.again:
            return code
        # What a busy host makes late is not what is wrong; what is wrong fails alone as well.
        environ["GRADER_TEST_FAILED_ONCE"] = json.dumps(unsteady)
        return announced(made(python), [*command, "-n", "1"], environ)


def last_failed(cache_dir: Path) -> list[str]:
    """Return the names of the tests that failed in the run that kept its cache here."""
    kept = cache_dir / "v" / "cache" / "lastfailed"
    return sorted(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else []


def announced(python: Path, command: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Run a program of an environment in the checkout, telling what; returns its exit code."""
    print(f"\n== {' '.join(command)}   ({version_of(python)})", flush=True)
    argv = [str(python.with_name(command[0])), *command[1:]]
    return subprocess.run(argv, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, check=False).returncode


def find_python(version: tuple[int, int]) -> Path | None:
    """Return an interpreter of that version: on PATH, or one that pyenv keeps aside."""
    name = f"python{version[0]}.{version[1]}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [found for found in [shutil.which(name)] if found]
    candidates += [str(path) for path in sorted(pyenv.glob(f"{version[0]}.{version[1]}.*/bin/{name}"))]
    for candidate in candidates:
        probe = "import ensurepip, sys; print(sys.version_info[:2], sys.executable)"
        done = subprocess.run([candidate, "-I", "-c", probe], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.startswith(str(version)):
            return Path(os.path.realpath(done.stdout.partition(") ")[2].strip()))
    return None


def downloaded(python: Path) -> Path:
    """Return a directory with every locked package for this Python, hashes checked; made on first use."""
    target = cached("wheels", python)
    if not is_complete(target):
        print(f"downloading the locked packages for {version_of(python)}", file=sys.stderr, flush=True)
        with scratch(target) as work:
            venv = work / ".pip"
            environment.create([str(python)], venv)
            argv = [str(venv / "bin" / "python"), "-I", "-m", "pip", "download", "--require-hashes", "--no-deps"]
            argv += ["--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
            argv += ["--quiet", "-r", str(LOCK), "-d", str(work)]
            settings = environment.pip_settings(os.environ, None)
            done = subprocess.run(argv, env=settings, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise environment.explain(done.stdout + done.stderr, wheels=None)
            shutil.rmtree(venv)
    return target


def made(python: Path) -> Path:
    """Return the interpreter of the test environment of this Python; made on first use."""
    target = cached("environment", python)
    if not is_complete(target):
        print(f"making the test environment for {version_of(python)}", file=sys.stderr, flush=True)
        shutil.rmtree(target, ignore_errors=True)  # an interrupted one: it cannot move, so it is made in place
        environment.create([str(python)], target)
        environment.install(target, [LOCK], wheels=downloaded(python), settings=os.environ, say=lambda text: None)
        (target / ".complete").touch()
    return target / "bin" / "python"


def cached(what: str, python: Path) -> Path:
    """Return the place of something that the lock file and the interpreter decide."""
    key = hashlib.sha256(LOCK.read_bytes() + f"{python} {version_of(python)}".encode()).hexdigest()[:16]
    return cache() / f"{what}-{key}"


def version_of(python: Path) -> str:
    """Return the name and version that an interpreter gives itself."""
    return subprocess.run([str(python), "-V"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
