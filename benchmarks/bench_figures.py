"""What `grader bench` measures, side by side with `hyperfine -N` and a bash loop around GNU time, in one go.

usage: python benchmarks/bench_figures.py [G1 G2 ...] [--batches N] [--campaigns N] [--splits N]

Prints one Markdown row per figure with its goal, after a line with what the host is:
G1  a program that does nothing: the time read, and what a run costs
G2  how far the reading of a program of known length is off
G3  identical commands: the spread of the log ratio over campaigns, live and resampled from recorded series
G4  identical commands called different, on recorded and made-up series with a known truth
G5  rounds and wall time until the ratio is known to 5 %
G6  runs that fail in six ways: what each tool prints
G7  peak memory of a program that touches 20 MiB, read by a process of 300 MiB
G9  two busy loops that were there from the start, and a quiet host

Needs hyperfine, a C compiler and GNU time; takes about 15 minutes.  Batches and campaigns of the tools alternate, so
that all meet the same moods of the host.  Anything else that runs meanwhile makes the figures worth less: the share
of all CPUs that others used is printed, and on a busy host so is every figure of a quiet one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

LOOP = r"""
# usage: loop RUNS COMMAND...: the way in which the average of a few runs is usually taken by hand.
runs=$1; shift
for ((i = 0; i < runs; i++)); do /usr/bin/time -f %e "$@" 2>&1 | tail -n 1; done |
    awk '{ sum += $1 } END { print "Average:", sum / NR, "seconds" }'
"""

PROGRAMS = {
    "noop": "int main(void) { return 0; }",
    # Ends so many milliseconds after its first instruction; the way there and back is not in it.
    "lasts": r"""
#include <stdlib.h>
#include <time.h>
int main(int count, char **words) {
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    double length = count > 1 ? atof(words[1]) / 1e3 : 0;
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) + (now.tv_nsec - from.tv_nsec) / 1e9 < length);
    return 0;
}""",
    # Does so many million steps of work: on a busy host it takes longer.
    "works": r"""
#include <stdlib.h>
int main(int count, char **words) {
    volatile unsigned sum = 0;
    for (long steps = count > 1 ? atol(words[1]) * 1000000 : 0; steps > 0; steps--) sum = sum * 31 + steps;
    return 0;
}""",
    "touches": r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
    size_t size = (count > 1 ? atol(words[1]) : 0) << 20;
    char *memory = malloc(size + 1);
    if (memory == NULL) return 1;
    memset(memory, 1, size);
    usleep(20000);
    return memory[size / 2] != 1;
}""",
}

LENGTH_S = 0.137
CUT_MOST_S = 0.139
"""Of lengths around it, the one that a clock of hundredths cuts the most of."""
RUNS = 20
LOOP_RUNS = 5
TOUCHED = 20 << 20
PARENT_MIB = 300


def main() -> None:
    """Print the figures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", default=list(FIGURES), metavar="G1", help="which figures (default: all)")
    parser.add_argument("--batches", type=int, default=10, help="of G1 and G2, each of 20 runs per tool")
    parser.add_argument("--campaigns", type=int, default=10, help="live ones, of G3, G5 and G9")
    parser.add_argument("--splits", type=int, default=400, help="campaigns per series and host, of G3 and G4")
    asked = parser.parse_args()
    unknown = [name for name in asked.figures if name not in FIGURES]
    lacking = [tool for tool in ("hyperfine", "cc", "bash", "awk") if shutil.which(tool) is None]
    lacking += [] if Path("/usr/bin/time").exists() else ["time"]
    if unknown or lacking:
        parser.error(f"no such figure: {unknown[0]}" if unknown else f"not installed: {', '.join(lacking)}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Tools(Path(folder))
        print(host_line())
        print("\n| figure | grader | hyperfine -N | bash loop | goal |\n|---|---|---|---|---|")
        for name in asked.figures:
            for line in FIGURES[name](bench, asked):
                print(f"| {name} {line} |", flush=True)
    recorded(asked.figures, asked.splits)


class Tools:
    """The three tools and the programs that they time, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "loop.sh").write_text(LOOP, "utf-8")
        for name, source in PROGRAMS.items():
            (folder / f"{name}.c").write_text(source, "utf-8")
            static = ["-O1", "-static", "-o", str(folder / name), str(folder / f"{name}.c")]
            subprocess.run(["cc", *static], check=True, capture_output=True)

    def program(self, name: str, *words: str) -> tuple[str, ...]:
        """Return the command of one of our programs."""
        return (str(self.folder / name), *words)

    def grader(self, arms: Mapping[str, Sequence[str]], *options: str, parent_mib: int = 0) -> dict[str, Any]:
        """Return the result of one comparison, whatever its exit code; `wall_s` is added to it.

        Args:
            parent_mib: How much memory the process that runs the arms has touched before.
        """
        named = [word for name, argv in arms.items() for word in ("--arm", f"{name}={_quoted(argv)}")]
        own = ["--cache", str(self.folder / "cache"), "--lock", str(self.folder / "lock"), "--quiet", "--json"]
        program = "import sys; kept = bytearray(b'x') * (int(sys.argv.pop(1)) << 20); from grader.cli.app import main"
        line = [sys.executable, "-c", f"{program}; main()", str(parent_mib), "bench", *named, *own, *options]
        began = time.perf_counter()
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        wall_s = time.perf_counter() - began
        if done.returncode not in (0, 3) or not done.stdout:
            sys.exit(f"grader ended with {done.returncode}: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found | {"wall_s": wall_s}

    def hyperfine(self, *commands: Sequence[str], runs: int = RUNS, warmups: int = 2) -> list[dict[str, Any]]:
        """Return hyperfine's results, none of them if it gave up."""
        file = self.folder / "hyperfine.json"
        file.unlink(missing_ok=True)
        options = ["-N", "--warmup", str(warmups), "--runs", str(runs), "--style", "none", "--export-json", str(file)]
        subprocess.run(["hyperfine", *options, *map(_quoted, commands)], capture_output=True, check=False)
        # It makes the file before the first run, and leaves it empty when that fails.
        text = file.read_text("utf-8") if file.exists() else ""
        found: list[dict[str, Any]] = json.loads(text)["results"] if text else []
        return found

    def loop(self, command: Sequence[str], runs: int = LOOP_RUNS) -> tuple[str, float]:
        """Return what the loop prints, and what it took per run in seconds."""
        began = time.perf_counter()
        line = ["bash", str(self.folder / "loop.sh"), str(runs), *command]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        return done.stdout.strip(), (time.perf_counter() - began) / runs

    def loop_seconds(self, command: Sequence[str], runs: int = LOOP_RUNS) -> float:
        """Return the average that the loop prints."""
        return float(self.loop(command, runs)[0].split()[1])


def g1(tools: Tools, asked: argparse.Namespace) -> Iterator[str]:
    """Time a program that does nothing, and what a run of it costs."""
    noop = tools.program("noop")
    read: list[tuple[float, float]] = []
    cost: list[tuple[float, float, float]] = []
    for _ in range(asked.batches):
        ours = tools.grader({"noop": noop}, "--rounds", str(RUNS))
        theirs = tools.hyperfine(noop)
        _, loop_s = tools.loop(noop, RUNS)
        read.append((median_of(ours, "noop"), statistics.median(theirs[0]["times"])))
        cost.append((*costs(ours), loop_s))
    ours_s, theirs_s = (statistics.median(column) for column in zip(*read, strict=True))
    ratios = [a / b for a, b in read]
    shown = f"{ours_s * 1e6:.0f} µs, {spread(ratios)} of hyperfine's"
    yield f"time read | {shown} | {theirs_s * 1e6:.0f} µs | 0 | ≤ 1.10"
    run_s, probe_s, loop_s = (statistics.median(column) for column in zip(*cost, strict=True))
    ratios = [a / c for a, _, c in cost]
    shown = f"{run_s * 1e6:.0f} µs, {spread(ratios)} of the loop's; a probe every 5 rounds {probe_s * 1e3:.0f} ms"
    yield f"cost of a run | {shown} | – | {loop_s * 1e6:.0f} µs | ≤ 0.45"


def costs(result: Mapping[str, Any]) -> tuple[float, float]:
    """Return what a run costs from its start to the start of the next one, and what a reading of the noise costs."""
    began = sorted((s["at"], s["round"], s["attempt"]) for a in rows(result, "arms") for s in a["samples"] if s["used"])
    steps = [(b[0] - a[0], a[1] // 5 == b[1] // 5) for a, b in itertools.pairwise(began)]
    inside = [step for step, within in steps if within]
    across = [step for step, within in steps if not within]
    run_s = statistics.fmean(inside)
    return run_s, (statistics.median(across) - run_s) if across else 0.0


def g2(tools: Tools, asked: argparse.Namespace) -> Iterator[str]:
    """Read a length that is known."""
    lasts = tools.program("lasts", f"{LENGTH_S * 1e3:g}")
    worst = tools.program("lasts", f"{CUT_MOST_S * 1e3:g}")
    off: list[tuple[float, float, float]] = []
    worst_s: list[float] = []
    for _ in range(asked.batches):
        ours = median_of(tools.grader({"lasts": lasts}, "--rounds", "10"), "lasts")
        theirs = tools.hyperfine(lasts, runs=10)
        median_s = statistics.median(theirs[0]["times"])
        off.append((ours - LENGTH_S, median_s - LENGTH_S, tools.loop_seconds(lasts) - LENGTH_S))
        worst_s.append(tools.loop_seconds(worst) - CUT_MOST_S)
    ours_s, theirs_s, loop_s = (statistics.median(column) for column in zip(*off, strict=True))
    most_s = max(map(abs, worst_s))
    shown = f"{ours_s * 1e3:+.2f} ms, {ours_s / theirs_s:.2f} of hyperfine's, {ours_s / most_s:.2f} of the loop's worst"
    yield (
        f"bias at {LENGTH_S * 1e3:g} ms | {shown} | {theirs_s * 1e3:+.2f} ms | {loop_s * 1e3:+.1f} ms, "
        f"worst {-most_s * 1e3:.1f} ms | ≤ 1.2, ≤ 0.20"
    )


def g3(tools: Tools, asked: argparse.Namespace) -> Iterator[str]:
    """Compare a command with itself."""
    works = tools.program("works", "30")
    logs: dict[str, list[float]] = {"grader": [], "hyperfine": [], "loop": []}
    for number in range(asked.campaigns):
        result = tools.grader({"a": works, "b": works}, "--rounds", str(RUNS), "--seed", str(number))
        logs["grader"].append(math.log(rows(result, "ratios")[0]["ratio"]))
        blocks = tools.hyperfine(works, works)
        logs["hyperfine"].append(math.log(blocks[1]["mean"] / blocks[0]["mean"]))
        logs["loop"].append(math.log(tools.loop_seconds(works) / tools.loop_seconds(works)))
    sd = {tool: statistics.pstdev(values) for tool, values in logs.items()}
    shown = f"{sd['grader']:.1%}, {sd['grader'] / sd['hyperfine']:.2f} of hyperfine's"
    shown += f", {sd['grader'] / sd['loop']:.2f} of the loop's" if sd["loop"] else ""
    yield (
        f"SD of ln ratio, live, {asked.campaigns} campaigns | {shown} | {sd['hyperfine']:.1%} ({RUNS} + {RUNS}) | "
        f"{sd['loop']:.1%} ({LOOP_RUNS} + {LOOP_RUNS}) | ≤ 0.50, ≤ 0.70"
    )


def g5(tools: Tools, asked: argparse.Namespace) -> Iterator[str]:
    """Stop when the ratio is known well enough."""
    arms = {"a": tools.program("works", "30"), "b": tools.program("works", "40")}
    found: list[tuple[str, int, float, float]] = []
    for number in range(asked.campaigns):
        result = tools.grader(arms, "--seed", str(number))
        ratio = rows(result, "ratios")[0]
        width = math.sqrt(ratio["high"] / ratio["low"]) - 1 if ratio["low"] else math.inf
        found.append((state_of(result), result["method"]["rounds"], result["wall_s"], width))
    quiet = [campaign for campaign in found if campaign[0] == "quiet"]
    good = sum(rounds <= 40 and wall_s <= 15 and width <= 0.05 for _, rounds, wall_s, width in quiet)
    together = sum(median_of(result, arm) for arm in arms)
    shown = f"{good} of {len(quiet)} quiet campaigns ({len(found) - len(quiet)} were noisy)"
    rounds = statistics.median(campaign[1] for campaign in found)
    wall_s = statistics.median(campaign[2] for campaign in found)
    width = statistics.median(campaign[3] for campaign in found)
    yield (
        f"± 5 % within 40 rounds and 15 s, arms of {together * 1e3:.0f} ms together | {shown}; of all, median "
        f"{rounds:.3g} rounds, {wall_s:.3g} s with the start of Python, ± {width:.1%} | no interval | "
        "no interval | ≥ 8 of 10 quiet"
    )


def g6(tools: Tools, asked: argparse.Namespace) -> Iterator[str]:
    """Run what fails, and what only looks as if it did."""
    good = ("sh", "-c", "echo '{\"at\": 1}'")
    fresh = ("sh", "-c", "date +'{\"at\": %s}'")
    kinds: dict[str, tuple[Sequence[str], Sequence[str], Sequence[str]]] = {
        "missing program": (("./not-there",), good, ()),
        "exit code 125": (("sh", "-c", "exit 125"), good, ()),
        "empty output": (tools.program("noop"), good, ("--expect-json",)),
        "stale output": (("echo", '{"at": 1262304000}'), fresh, ("--expect-fresh", "at")),
        "hang": (("sleep", "3"), good, ("--timeout", "1s")),
        "no final newline": (("printf", '{"at": 1}'), good, ("--expect-json",)),
    }
    for kind, (command, other, options) in kinds.items():
        result = tools.grader({"other": other, "arm": command}, "--rounds", "6", *options)
        states = {arm["name"]: arm for arm in rows(result, "arms")}
        failure = states["arm"]["failure"]
        shown = f"failed: {failure['reason']['text']}" if failure else f"measured, n = {states['arm']['n']}"
        shown += "" if states["other"]["state"] == "measured" else "; the other arm failed too"
        blocks = tools.hyperfine(command, runs=2, warmups=0)
        theirs = f"{blocks[0]['mean'] * 1e3:.1f} ms" if blocks else "stops without a result"
        goal = "measured" if kind == "no final newline" else "failed, no number"
        yield f"{kind} | {_cell(shown)} | {theirs} | {_cell(tools.loop(command, 2)[0])} | {goal}"


def g7(tools: Tools, asked: argparse.Namespace) -> Iterator[str]:
    """Read a peak that is known, by a process that is larger."""
    touches = tools.program("touches", str(TOUCHED >> 20))
    result = tools.grader({"touches": touches}, "--rounds", "6", "--memory", parent_mib=PARENT_MIB)
    arm = rows(result, "arms")[0]
    memory = result["memory"] or {"floor_bytes": None, "notion": "none"}
    if arm["memory_peak"] is None:
        shown = "no reading on this host"
    else:
        peak, floor = arm["memory_peak"]["median"], memory["floor_bytes"] or 0
        shown = f"{peak:,.0f} B, {(peak - floor) / TOUCHED:.3f} of it above a floor of {floor:,} B ({memory['notion']})"
    program = f"import resource, subprocess, sys; kept = bytearray(b'x') * ({PARENT_MIB} << 20)"
    own = "subprocess.run(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    line = [sys.executable, "-c", f"{program}; {own}", *touches]
    naive = int(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    yield (
        f"peak of {TOUCHED:,} B touched, {PARENT_MIB} MiB reader | {shown} | {naive:,} B by its way (largest "
        "`ru_maxrss` of all children) in such a process | – | ≥ 1, ≤ 1.10"
    )


def g9(tools: Tools, asked: argparse.Namespace) -> Iterator[str]:
    """See two busy loops that were there before us, and nothing where there is nothing."""
    arms = {"a": tools.program("works", "30"), "b": tools.program("works", "40")}

    def noisy() -> float:
        results = [tools.grader(arms, "--rounds", "10", "--seed", str(seed)) for seed in range(asked.campaigns)]
        return statistics.fmean(state_of(result) == "noisy" for result in results)

    alone = noisy()
    with two_busy_loops(tools.program("lasts", "3600000")):
        beside = noisy()
    yield (
        f"called noisy, {asked.campaigns} campaigns each | with two busy loops {beside:.0%}, without {alone:.0%} | "
        "warns of outliers | – | ≥ 95 %, ≤ 5 %"
    )


@contextmanager
def two_busy_loops(program: Sequence[str]) -> Iterator[None]:
    """Keep two CPUs busy."""
    hogs = [subprocess.Popen(program) for _ in range(2)]
    try:
        time.sleep(1)
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


FIGURES: Mapping[str, Callable[[Tools, argparse.Namespace], Iterator[str]]] = {
    "G1": g1, "G2": g2, "G3": g3, "G4": lambda tools, asked: iter(()), "G5": g5, "G6": g6, "G7": g7, "G9": g9,
}  # fmt: skip


def recorded(figures: Sequence[str], splits: int) -> None:
    """Print the tables of G3 and G4 that need no host, only recorded and made-up series."""
    from benchmarks.ratio_errors import spreads, verdicts

    for name, table in (("G3", spreads), ("G4", verdicts)):
        if name in figures:
            print(f"\n{name}: ", end="")
            table(splits)


def host_line() -> str:
    """Return what the host is, and how busy it is now."""
    from grader.adapters.host import LocalHost

    host = LocalHost().fingerprint(())
    version = subprocess.run(["hyperfine", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    before = cpu_times()
    time.sleep(1)
    busy = 1 - (cpu_times()[1] - before[1]) / (cpu_times()[0] - before[0])
    return (
        f"{host.os}, kernel {host.kernel}, {host.architecture}, {host.cpus} CPUs, cgroup {host.cgroup}, "
        f"Python {sys.version.split()[0]}, {version}; before the first run others used {busy:.0%} of all CPUs, "
        f"load average {os.getloadavg()[0]:.1f}"
    )


def cpu_times() -> tuple[int, int]:
    """Return the ticks of all CPUs since boot, and those in which they had nothing to do."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


def rows(result: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of objects of the result."""
    found: list[dict[str, Any]] = result[name]
    return found


def state_of(result: Mapping[str, Any]) -> str:
    """Return `quiet` or `noisy`."""
    return str(result["noise"]["state"])


def median_of(result: Mapping[str, Any], arm: str) -> float:
    """Return an arm's median time in seconds; ends the script if it failed."""
    found = next(a for a in rows(result, "arms") if a["name"] == arm)
    if found["total"] is None:
        sys.exit(f"{arm} failed: {found['failure']}")
    return float(found["total"]["median"])


def spread(values: Sequence[float]) -> str:
    """Return the median of some ratios with the smallest and the largest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _quoted(argv: Sequence[str]) -> str:
    return shlex.join(argv)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()) or "nothing"


if __name__ == "__main__":
    main()
