"""How quick the command line is, as ratios of runs that alternate in one go.

usage: python benchmarks/cli_speed.py [--rounds N] [--report REPORT.md] [--dir SUBMISSION]

Prints
- `grader --help` against the help of a bare typer program with the same commands and options (goal: at most 1.3),
- seconds of `grader claims` on a normal report (goal: at most 0.5),
- seconds of a grading that are not builds, probes or timed runs, fresh and cached (goal: at most 1.5).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GRADER = [sys.executable, "-m", "grader"]


def bare_program() -> str:
    """Return a typer program with our commands and options, and nothing behind them."""
    import typer
    from typer.main import get_command

    from grader.cli.app import app

    lines = ["import typer", f"app = typer.Typer(help={app.info.help!r}, no_args_is_help=True)"]
    lines += [
        "@app.callback()",
        "def _options(version: bool = typer.Option(False, '--version', help='x')) -> None: pass",
    ]
    root = get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        function = name.replace("-", "_")
        if hasattr(command, "commands"):
            lines += [f"{function}_app = typer.Typer(help={command.help!r})"]
            for sub, inner in command.commands.items():
                lines += _command(f"{function}_app", sub, f"{function}_{sub.replace('-', '_')}", inner)
            lines += [f"app.add_typer({function}_app, name={name!r})"]
        else:
            lines += _command("app", name, f"{function}_command", command)
    assert typer is not None
    return "\n".join([*lines, "app()", ""])


def _command(app: str, name: str, function: str, command: object) -> list[str]:
    params = []
    for param in command.params:  # type: ignore[attr-defined]
        if param.param_type_name == "argument":
            params.append(f"{param.name}: str = typer.Argument('x', help='x')")
        else:
            flags = ", ".join(repr(o) for o in (*param.opts, *param.secondary_opts))
            params.append(f"{param.name}: str = typer.Option('x', {flags}, help={param.help!r})")
    summary = (command.help or "").splitlines()[0] if command.help else ""  # type: ignore[attr-defined]
    return [
        f"@app.command({name!r}, help={summary!r})".replace("@app", f"@{app}"),
        f"def {function}({', '.join(params)}): pass",
    ]


def seconds(argv: list[str], cwd: Path) -> float:
    """Return the wall time of one run, which must succeed."""
    began = time.perf_counter()
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - began


def help_ratio(rounds: int) -> tuple[float, float, float]:
    """Return the median of the paired ratios and both medians in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(bare_program(), "utf-8")
        pairs = []
        for _ in range(rounds):
            ours = seconds([*GRADER, "--help"], ROOT)
            pairs.append((ours, seconds([sys.executable, str(bare), "--help"], ROOT)))
        ratios = [ours / bare_s for ours, bare_s in pairs[1:]]
        return statistics.median(ratios), statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def overhead(submission: Path, rounds: int) -> tuple[float, float]:
    """Return seconds beside the work of a first and of cached gradings (median)."""
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for number in range(rounds + 1):
            out = Path(folder) / f"out{number}"
            argv = [*GRADER, "grade", str(submission), "--cache", f"{folder}/cache", "--out", str(out), "-q"]
            wall = seconds(argv, Path(folder))
            work = json.loads((out / "run.json").read_text("utf-8"))["work_s"]
            runs.append(wall - work)
        return runs[0], statistics.median(runs[1:])


def main() -> None:
    """Print the three figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--report", type=Path, default=ROOT / "examples/submission/submission12.md")
    parser.add_argument("--dir", type=Path, default=ROOT / "examples/submission")
    options = parser.parse_args()
    ratio, ours, bare = help_ratio(options.rounds)
    print(f"help: {ratio:.2f} x a bare typer program ({ours:.3f} s against {bare:.3f} s, {options.rounds} pairs)")
    report = str(options.report.resolve())
    runs = [seconds([*GRADER, "claims", report, "--json"], ROOT) for _ in range(options.rounds)]
    print(f"claims: {statistics.median(runs):.3f} s, slowest {max(runs):.3f} s")
    fresh, cached = overhead(options.dir.resolve(), 3)
    print(f"grading beside builds, probes and timed runs: {fresh:.2f} s fresh, {cached:.2f} s cached")


if __name__ == "__main__":
    main()
