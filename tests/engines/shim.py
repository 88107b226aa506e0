"""The containerd shim of these tests: built from `tests/shims` once per host, and kept in the cache by its sources.

`python -m tests.engines.shim` builds it and prints its folder; `bin/test` does that too.  A test never builds it: it
takes minutes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from grader.errors import GraderError, HostError
from tests.caching import cache, is_complete, scratch

CRATE = Path(__file__).resolve().parents[1] / "shims" / "wasmtime"
PROGRAM = "containerd-shim-wasmtime-v1"


def folder() -> Path:
    """Return where the shim is once it is built: a folder for containerd's PATH."""
    digest = hashlib.sha256()
    for source in (CRATE / "Cargo.lock", CRATE / "Cargo.toml", *sorted((CRATE / "src").rglob("*.rs"))):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return cache() / f"shim-{digest.hexdigest()[:16]}"


def is_built() -> bool:
    """Tell whether there is a shim of these sources."""
    return is_complete(folder())


def missing() -> str | None:
    """Return what this host lacks to build the shim, None if nothing."""
    absent = [name for name in ("cargo", "cc", "protoc", "pkg-config") if not shutil.which(name)]
    if absent:
        return f"no {', '.join(absent)} on PATH"
    if subprocess.run(["pkg-config", "--exists", "libseccomp"], check=False).returncode != 0:
        return "no headers of libseccomp"
    return None


def build() -> Path:
    """Build the shim unless it is there, at the lowest priority; of several at once one builds and the others wait.

    Raises: HostError.
    """
    target = folder()
    if is_complete(target):
        return target
    if lacks := missing():
        raise HostError(f"the shim for tests cannot be built: {lacks}", hint="install that (Rust by rustup)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete(target):
            _build(target)
    return target


def _build(target: Path) -> None:
    # Kept if this is cut off: the next one goes on from there.
    objects = target.with_suffix(".objects")
    print(
        "building the shim for tests (once; about five minutes, and longer on a busy host)", file=sys.stderr, flush=True
    )
    began = time.monotonic()
    argv = ["nice", "-n", "19", "cargo", "build", "--locked", "--manifest-path", str(CRATE / "Cargo.toml")]
    done = subprocess.run(
        argv,
        env={**os.environ, "CARGO_TARGET_DIR": str(objects)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = " | ".join(done.stdout.splitlines()[-5:])
        raise HostError(f"the shim for tests could not be built: {last}", hint="see that cargo reaches its registry")
    with scratch(target) as work:
        shutil.copy(objects / "debug" / PROGRAM, work / PROGRAM)
    shutil.rmtree(objects)
    print(f"built the shim for tests in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(build())
    except GraderError as error:
        sys.exit(f"{error}")
