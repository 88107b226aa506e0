"""Count what is left in Docker, in containerd and on the host after gradings of which some were killed.

    python benchmarks/leftovers.py [--grades 50] [--kills 10] [--seed 1]

As root, with Debian's docker.io, containerd, runc and buildah: it starts engines of its own, and touches no other.
Every submission is another one and no cache is used, so that each is built and run.  Kills (SIGKILL, to the grader
alone) come at moments drawn from the seed, over the whole time that a grading takes.  The last grading is never
killed: what a dead grader leaves is the next one's to remove.  Exit code 1 if anything is left.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.engines import shim  # noqa: E402
from tests.engines.base import pull_base  # noqa: E402
from tests.engines.engines import Engines, missing, running  # noqa: E402
from tests.engines.keeper import wait_until  # noqa: E402
from tests.engines.traces import found_in, left_around  # noqa: E402
from tests.hostile.daemons import answering, container_lab  # noqa: E402

SETTLE_S = 30.0
"""For containerd's collector of garbage."""

Objects = Mapping[str, frozenset[str]]


def main(argv: list[str]) -> int:
    """Grade, kill, count and print."""
    options = _options(argv)
    if why := missing():
        print(f"no engines: {why}", file=sys.stderr)
        return 3
    shims = shim.folder() if shim.is_built() else None
    with (
        running(shims=shims) as engines,
        engines.inside(),
        tempfile.TemporaryDirectory(prefix="leftovers-") as name,
    ):
        work = Path(name)
        pull_base(engines)
        lab = container_lab(work / "lab", 60, 120)
        before = {**found_in(engines), **left_around()}
        codes = _graded(engines, work, lab, options)
        wait_until(lambda: _left(before, engines) == {}, SETTLE_S)
        left = _left(before, engines)
    killed = sum(code == -9 for code in codes)
    print(f"{len(codes)} grades, {killed} killed, {codes.count(0)} ended with 0, seed {options.seed}")
    for kind in before:
        print(f"{kind:24} {len(left.get(kind, ())):4}")
    for kind, names in left.items():
        print(f"left: {kind}: {', '.join(sorted(names))}")
    print(f"{'all':24} {sum(map(len, left.values())):4}")
    return 1 if left or codes.count(0) != len(codes) - killed else 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grades", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


def _graded(engines: Engines, work: Path, lab: Path, options: argparse.Namespace) -> list[int]:
    """Return the exit codes; the first grading is whole, and tells how long one takes."""
    rng = random.Random(options.seed)
    killed = set(rng.sample(range(1, options.grades - 1), options.kills))
    codes, takes_s = [], 0.0
    for number in range(options.grades):
        source = answering(work / f"handed-in-{number}", f"number {number}")
        argv = [sys.executable, "-m", "grader", "grade", str(source), "--lab", str(lab), "--no-cache", "-q"]
        environ = {**os.environ, **engines.environ, **_own(work)}
        began = time.monotonic()
        child = subprocess.Popen(
            [*argv, "--out", str(work / "out" / str(number))], env=environ, cwd=work, stdout=subprocess.DEVNULL
        )
        try:
            child.wait(rng.uniform(0.1, takes_s) if number in killed else None)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        takes_s = takes_s or time.monotonic() - began
        codes.append(child.returncode)
        print(f"{number + 1:3}: {child.returncode:3} after {time.monotonic() - began:5.1f} s", file=sys.stderr)
    return codes


def _own(work: Path) -> dict[str, str]:
    return {
        "HOME": str(work),
        "PYTHONPATH": str(ROOT),
        "GRADER_CACHE": str(work / "cache"),
        "GRADER_LOCK": str(work / "lock"),
        "GRADER_ENGINE": "containers",
    }


def _left(before: Objects, engines: Engines) -> Objects:
    now = {**found_in(engines), **left_around()}
    return {kind: found - before[kind] for kind, found in now.items() if found - before[kind]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
