"""What a test may need of the host, by name: `pytest.skip("needs: <name>: ...")` and `bin/test --require <name>`."""

import re

GROUPS = {
    "browser": "Debian's chromium on PATH",
    "cgroups": "may make cgroups",
    "containers": "root, Debian's docker.io, containerd, docker-registry and buildah, and Rust for the tests' shim",
    "git": "git on PATH",
    "go": "the Go toolchain of the lock file",
    "hyperfine": "hyperfine on PATH",
    "linux": "Linux",
    "molecule": "root, Debian's runc, slirp4netns and debootstrap, and many minutes",
    "py313": "a Python 3.13 beside the one that runs",
    "root": "run as root",
    "sandbox": "a working bubblewrap sandbox",
    "tinygo": "TinyGo on PATH",
    "user": "run as a plain user",
    "vm": "root, Debian's qemu-system-x86, qemu-utils and debootstrap, and many minutes",
    "wasmtime": "the wasmtime program of the lock file",
    "wheels": "the locked packages, downloaded (bin/test does)",
}


def group_of(reason: str) -> str | None:
    """Return the group that a skip's reason names, None if it names none that there is."""
    named = re.match(r"(?:Skipped: )?needs: ([a-z0-9]+)\b", reason)
    return named[1] if named and named[1] in GROUPS else None
