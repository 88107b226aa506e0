"""What `grader bench` measures, side by side with `hyperfine -N` and a bash loop around GNU time, in one go.

usage: python benchmarks/bench_figures.py [G1 G2 ...] [--batches N] [--campaigns N] [--splits N]

Prints one Markdown row per figure with its goal and whether it was met, between two lines with what the host is and how
busy others kept it, and below what was missed:
G1  a program that does nothing: the time read, and what a run costs
G2  how far the reading of a program of known length is off
G3  identical commands: the spread of the log ratio over campaigns, live and resampled from recorded series
G4  identical commands called different, and a fifth seen, on recorded and made-up series with a known truth
G5  rounds and wall time until the ratio is known to 5 %
G6  runs that fail in five ways and one that only looks like it: what each tool prints
G7  peak memory of a program that touches 20 MiB, read by a process of 300 MiB
G9  two busy loops that were there from the start, and a quiet host

Needs hyperfine, a C compiler and GNU time; takes about 15 minutes.  Batches and campaigns of the tools alternate, so
that all meet the same moods of the host.  Anything else that runs meanwhile makes the figures worth less.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.ratio_errors import spread_rows, verdict_rows  # noqa: E402
from grader.adapters.host import LocalHost  # noqa: E402

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
SHORTEST, LENGTHS = 120, 20
"""Million steps of work: about 0.1 s, and as many lengths, a millisecond or less apart."""
TOUCHED = 20 << 20
PARENT_MIB = 300
LARGE_MIB = 1024


@dataclass(frozen=True)
class Effort:
    """How much is run: batches of G1 and G2, live campaigns, campaigns replayed per series and host."""

    batches: int
    campaigns: int
    splits: int


@dataclass(frozen=True)
class Row:
    """One figure beside its goal; `met` is None where this host cannot tell."""

    what: str
    grader: str
    hyperfine: str
    loop: str
    goal: str
    met: bool | None


def main() -> None:
    """Print the figures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", default=list(FIGURES), metavar="G1", help="which figures (default: all)")
    parser.add_argument("--batches", type=int, default=10, help="of G1 and G2 (default: 10)")
    parser.add_argument("--campaigns", type=int, default=20, help="live ones, of G3, G5 and G9 (default: 20)")
    parser.add_argument("--splits", type=int, default=300, help="replayed ones per series and host (default: 300)")
    asked = parser.parse_args()
    unknown = [name for name in asked.figures if name not in FIGURES]
    lacking = [tool for tool in ("hyperfine", "cc", "bash", "awk") if shutil.which(tool) is None]
    lacking += [] if Path("/usr/bin/time").exists() else ["time"]
    if unknown or lacking:
        parser.error(f"no such figure: {unknown[0]}" if unknown else f"not installed: {', '.join(lacking)}")
    effort, began = Effort(asked.batches, asked.campaigns, asked.splits), time.monotonic()
    print(f"{host_line()}\nBefore: {busy_line()}\n")
    print("| figure | grader | hyperfine -N | bash loop | goal | met |\n|---|---|---|---|---|---|")
    told: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    with tempfile.TemporaryDirectory() as folder:
        tools = Tools(Path(folder))
        for name in asked.figures:
            for row in FIGURES[name](tools, effort):
                met = {True: "yes", False: "**missed**", None: "not to be told here"}[row.met]
                cells = (f"{name} {row.what}", row.grader, row.hyperfine, row.loop, row.goal, met)
                print(f"| {' | '.join(map(_cell, cells))} |", flush=True)
                told[row.met].append(f"{name} {row.what}")
    print(f"\nAfter {(time.monotonic() - began) / 60:.0f} min: {busy_line()}")
    print(f"Goals met: {len(told[True])}. Missed: {'; '.join(told[False]) or 'none'}.")
    if told[None]:
        print(f"Not to be told on this host as it was: {'; '.join(told[None])}.")


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


def g1(tools: Tools, effort: Effort) -> Iterator[Row]:
    """Time a program that does nothing, and what a run of it costs."""
    noop = tools.program("noop")
    read: list[tuple[float, float]] = []
    by_large: list[float] = []
    cost: list[tuple[float, float, float, float]] = []
    for _ in range(effort.batches):
        ours = tools.grader({"noop": noop}, "--rounds", str(RUNS))
        began = time.perf_counter()
        theirs = tools.hyperfine(noop, warmups=0)
        theirs_s = (time.perf_counter() - began) / RUNS
        _, loop_s = tools.loop(noop, RUNS)
        large = tools.grader({"noop": noop}, "--rounds", str(RUNS), parent_mib=LARGE_MIB)
        read.append((median_of(ours, "noop"), statistics.median(theirs[0]["times"])))
        by_large.append(median_of(large, "noop") / median_of(ours, "noop"))
        cost.append((*costs(ours), theirs_s, loop_s))
    ours_s, theirs_s = (statistics.median(column) for column in zip(*read, strict=True))
    ratios = [a / b for a, b in read]
    yield Row(
        what="no-op: time read",
        grader=f"{ours_s * 1e6:.0f} µs, {spread(ratios)} of hyperfine's",
        hyperfine=f"{theirs_s * 1e6:.0f} µs",
        loop="0",
        goal="≤ 1.10 (better: 1.05)",
        met=statistics.median(ratios) <= 1.10,
    )
    yield Row(
        what=f"no-op: time read by a process of {LARGE_MIB} MiB",
        grader=f"{spread(by_large)} of what a small one reads",
        hyperfine="–",
        loop="–",
        goal="≤ 1.10",
        met=statistics.median(by_large) <= 1.10,
    )
    run_s, probe_s, theirs_s, loop_s = (statistics.median(column) for column in zip(*cost, strict=True))
    ratios = [ours / loop for ours, _, _, loop in cost]
    yield Row(
        what="no-op: cost of a run",
        grader=f"{run_s * 1e6:.0f} µs, {spread(ratios)} of the loop's; and a reading of the noise every 5 rounds, "
        f"{probe_s * 1e3:.0f} ms",
        hyperfine=f"{theirs_s * 1e6:.0f} µs, its start included",
        loop=f"{loop_s * 1e6:.0f} µs",
        goal="≤ 0.45",
        met=statistics.median(ratios) <= 0.45,
    )


def costs(result: Mapping[str, Any]) -> tuple[float, float]:
    """Return what a run costs from its start to the start of the next one, and what a reading of the noise costs."""
    began = sorted((s["at"], s["round"], s["attempt"]) for a in rows(result, "arms") for s in a["samples"] if s["used"])
    steps = [(b[0] - a[0], a[1] // 5 == b[1] // 5) for a, b in itertools.pairwise(began)]
    inside = [step for step, within in steps if within]
    across = [step for step, within in steps if not within]
    run_s = statistics.fmean(inside)
    return run_s, (statistics.median(across) - run_s) if across else 0.0


def g2(tools: Tools, effort: Effort) -> Iterator[Row]:
    """Read a length that is known."""
    lasts = tools.program("lasts", f"{LENGTH_S * 1e3:g}")
    worst = tools.program("lasts", f"{CUT_MOST_S * 1e3:g}")
    off: list[tuple[float, float, float]] = []
    worst_s: list[float] = []
    for _ in range(effort.batches):
        ours = median_of(tools.grader({"lasts": lasts}, "--rounds", "10"), "lasts")
        theirs = tools.hyperfine(lasts, runs=10)
        median_s = statistics.median(theirs[0]["times"])
        off.append((ours - LENGTH_S, median_s - LENGTH_S, tools.loop_seconds(lasts) - LENGTH_S))
        worst_s.append(tools.loop_seconds(worst) - CUT_MOST_S)
    ours_s, theirs_s, loop_s = (statistics.median(column) for column in zip(*off, strict=True))
    most_s = max(map(abs, [*worst_s, *(loop for _, _, loop in off)]))
    of_theirs, of_worst = abs(ours_s / theirs_s), abs(ours_s / most_s)
    yield Row(
        what=f"bias at {LENGTH_S * 1e3:g} ms",
        grader=f"{ours_s * 1e3:+.2f} ms, {of_theirs:.2f} of hyperfine's, {of_worst:.2f} of the loop's worst",
        hyperfine=f"{theirs_s * 1e3:+.2f} ms",
        loop=f"{loop_s * 1e3:+.1f} ms, at worst {most_s * 1e3:.1f} ms",
        goal="≤ 1.20, ≤ 0.20",
        met=of_theirs <= 1.2 and of_worst <= 0.2,
    )


def g3(tools: Tools, effort: Effort) -> Iterator[Row]:
    """Compare a command with itself, in each campaign one of another length.

    A loop that cuts to hundredths would else read the same hundredth all day, or be torn between two by luck.
    """
    logs: dict[str, list[float]] = {"grader": [], "hyperfine": [], "loop": []}
    for number in range(effort.campaigns):
        works = tools.program("works", str(SHORTEST + number % LENGTHS))
        result = tools.grader({"a": works, "b": works}, "--rounds", str(RUNS), "--seed", str(number))
        logs["grader"].append(math.log(rows(result, "ratios")[0]["ratio"]))
        blocks = tools.hyperfine(works, works)
        logs["hyperfine"].append(math.log(blocks[1]["mean"] / blocks[0]["mean"]))
        logs["loop"].append(math.log(tools.loop_seconds(works) / tools.loop_seconds(works)))
    sd = {tool: statistics.pstdev(values) for tool, values in logs.items()}
    yield _spread_row(f"live, {effort.campaigns} campaigns", sd["grader"], sd["hyperfine"], sd["loop"])
    for row in spread_rows(effort.splits):
        yield _spread_row(f"{row.series}, {effort.splits} replayed", row.rounds, row.blocks, row.loop_few)


def _spread_row(which: str, ours: float, blocks: float, loop: float) -> Row:
    of_blocks = ours / blocks if blocks else math.inf
    of_loop = ours / loop if loop else math.inf
    return Row(
        what=f"SD of ln ratio, {which}",
        grader=f"{ours:.1%}, {of_blocks:.2f} of hyperfine's, {of_loop:.2f} of the loop's",
        hyperfine=f"{blocks:.1%} ({RUNS} + {RUNS})",
        loop=f"{loop:.1%} ({LOOP_RUNS} + {LOOP_RUNS})",
        goal="≤ 0.50, ≤ 0.70",
        met=of_blocks <= 0.5 and of_loop <= 0.7,
    )


def g4(tools: Tools, effort: Effort) -> Iterator[Row]:
    """Set identical commands, and two that are a fifth apart, against their truth."""
    found = verdict_rows(effort.splits)
    for row in found:
        yield Row(
            what=f"{row.host}, {effort.splits} + {effort.splits} replayed",
            grader=f"1.0: {row.different:.1%} different, {row.no_difference:.1%} `no_difference`; 1.2: {row.seen:.1%} "
            f"faster or slower; the interval held the truth in {row.covered:.0%}",
            hyperfine=f"1.0: {row.spread_leaves_out_1:.0%} different by its ± ({RUNS} + {RUNS})",
            loop="no verdict",
            goal="≤ 7 %, ≥ 80 %, ≥ 95 %",
            met=row.different <= 0.07 and row.no_difference >= 0.80 and row.seen >= 0.95,
        )
    different = statistics.fmean(row.different for row in found)
    yield Row(
        what=f"all, {len(found) * effort.splits:,} replayed, true ratio 1",
        grader=f"{different:.1%} different",
        hyperfine=f"{statistics.fmean(row.spread_leaves_out_1 for row in found):.0%} different by its ±",
        loop="no verdict",
        goal="≤ 7 %",
        met=different <= 0.07,
    )


def g5(tools: Tools, effort: Effort) -> Iterator[Row]:
    """Stop when the ratio is known well enough."""
    arms = {"a": tools.program("works", "170"), "b": tools.program("works", "230")}
    found: list[tuple[str, int, float, float]] = []
    for number in range(effort.campaigns):
        result = tools.grader(arms, "--seed", str(number))
        ratio = rows(result, "ratios")[0]
        width = math.sqrt(ratio["high"] / ratio["low"]) - 1 if ratio["low"] else math.inf
        found.append((state_of(result), result["method"]["rounds"], result["wall_s"], width))
    quiet = [campaign for campaign in found if campaign[0] == "quiet"]
    good = sum(rounds <= 40 and wall_s <= 15 and width <= 0.05 for _, rounds, wall_s, width in quiet)
    together = sum(median_of(result, arm) for arm in arms)
    rounds = statistics.median(campaign[1] for campaign in found)
    wall_s = statistics.median(campaign[2] for campaign in found)
    width = statistics.median(campaign[3] for campaign in found)
    yield Row(
        what=f"± 5 % within 40 rounds and 15 s, arms of {together * 1e3:.0f} ms together",
        grader=f"{good} of {len(quiet)} quiet campaigns ({len(found) - len(quiet)} were noisy); of all, median "
        f"{rounds:.3g} rounds, {wall_s:.3g} s with the start of Python, ± {width:.1%}",
        hyperfine="no interval",
        loop="no interval",
        goal="≥ 8 of 10 quiet ones",
        met=good >= 0.8 * len(quiet) if quiet else None,
    )


def g6(tools: Tools, effort: Effort) -> Iterator[Row]:
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
        arms = {arm["name"]: arm for arm in rows(result, "arms")}
        failure, others = arms["arm"]["failure"], arms["other"]["state"] == "measured"
        shown = f"failed: {failure['reason']['text']}" if failure else f"measured, n = {arms['arm']['n']}"
        shown += "" if others else "; the other arm failed too"
        blocks = tools.hyperfine(command, runs=2, warmups=0)
        measured = kind == "no final newline"
        yield Row(
            what=kind,
            grader=shown,
            hyperfine=f"{blocks[0]['mean'] * 1e3:.1f} ms" if blocks else "stops without a result",
            loop=tools.loop(command, 2)[0] or "nothing",
            goal="measured" if measured else "failed, no number",
            met=others and measured == (failure is None) and measured == (arms["arm"]["total"] is not None),
        )


def g7(tools: Tools, effort: Effort) -> Iterator[Row]:
    """Read a peak that is known, by a process that is larger."""
    touches = tools.program("touches", str(TOUCHED >> 20))
    result = tools.grader({"touches": touches}, "--rounds", "6", "--memory", parent_mib=PARENT_MIB)
    arm = rows(result, "arms")[0]
    memory = result["memory"] or {"floor_bytes": None, "notion": "none"}
    floor = memory["floor_bytes"] or 0
    peak = None if arm["memory_peak"] is None else arm["memory_peak"]["median"]
    program = f"import resource, subprocess, sys; kept = bytearray(b'x') * ({PARENT_MIB} << 20)"
    own = "subprocess.run(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    line = [sys.executable, "-c", f"{program}; {own}", *touches]
    naive = int(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    yield Row(
        what=f"peak of {TOUCHED:,} B touched, {PARENT_MIB} MiB reader",
        grader="no reading on this host"
        if peak is None
        else f"{peak:,.0f} B, {peak / TOUCHED:.3f} of it, {(peak - floor) / TOUCHED:.3f} above a floor of {floor:,} B "
        f"({memory['notion']})",
        hyperfine=f"{naive:,} B by its way (largest `ru_maxrss` of all children) in such a process",
        loop="–",
        goal="≥ 1, ≤ 1.10 above the floor",
        met=None if peak is None else TOUCHED <= peak <= 1.1 * TOUCHED + floor,
    )


def g9(tools: Tools, effort: Effort) -> Iterator[Row]:
    """See two busy loops that were there before us, and nothing where there is nothing."""
    arms = {"a": tools.program("works", "30"), "b": tools.program("works", "40")}

    def noisy() -> float:
        results = [tools.grader(arms, "--rounds", "10", "--seed", str(seed)) for seed in range(effort.campaigns)]
        return statistics.fmean(state_of(result) == "noisy" for result in results)

    alone = noisy()
    with two_busy_loops(tools.program("lasts", "3600000")):
        beside = noisy()
    yield Row(
        what=f"called noisy, {effort.campaigns} campaigns each",
        grader=f"with two busy loops {beside:.0%}, without {alone:.0%}",
        hyperfine="warns of outliers",
        loop="–",
        goal="≥ 95 %, ≤ 5 %",
        met=beside >= 0.95 and alone <= 0.05,
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


FIGURES: Mapping[str, Callable[[Tools, Effort], Iterator[Row]]] = {
    "G1": g1, "G2": g2, "G3": g3, "G4": g4, "G5": g5, "G6": g6, "G7": g7, "G9": g9,
}  # fmt: skip


def host_line() -> str:
    """Return what the host is."""
    host = LocalHost().fingerprint(())
    version = subprocess.run(["hyperfine", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else "unknown"
    return (
        f"{host.os}, kernel {host.kernel}, {host.architecture}, {host.cpus} CPUs ({model}), cgroup {host.cgroup}, "
        f"Python {sys.version.split()[0]}, {version}."
    )


def busy_line() -> str:
    """Return how busy others keep the host now."""
    before = cpu_times()
    time.sleep(1)
    busy = 1 - (cpu_times()[1] - before[1]) / (cpu_times()[0] - before[0])
    return f"others use {busy:.0%} of all CPUs, load average {os.getloadavg()[0]:.1f}."


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
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    main()
