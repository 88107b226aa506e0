"""The options of `grader bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

# What is compared.
ArmOption = Annotated[
    list[str] | None,
    typer.Option("--arm", metavar="NAME=CMD", help="A command to time and the name to call it by; give several."),
]
ImageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="[ARM=]IMAGE",
        help="An image for --arms: an archive, or the name of one in Docker or containerd; several if need be.",
    ),
]
ImageArmsOption = Annotated[
    str | None,
    typer.Option("--arms", metavar="ARM,…", help="Run it in containers: docker, ctr-runc, ctr-wasmtime and others."),
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="A variable for each program, such as MODE=once."),
]
ArgsOption = Annotated[
    str | None, typer.Option("--args", metavar="WORDS", help="What an image's program is given behind its name.")
]
BaselineOption = Annotated[
    str | None,
    typer.Option("--baseline", metavar="NAME", help="The arm that divides the others; the first if not given."),
]

# What each run must print.
ExpectJsonOption = Annotated[
    bool,
    typer.Option("--expect-json", help="Each run prints JSON, an object always with the keys of the arm's first run."),
]
ExpectRegexOption = Annotated[
    str | None, typer.Option("--expect-regex", metavar="R", help="Each run prints something that this matches.")
]
ExpectExitOption = Annotated[
    int | None,
    typer.Option("--expect-exit", metavar="N", min=0, max=255, help="Each run ends with this code, 0 if not given."),
]
ExpectFreshOption = Annotated[
    str | None,
    typer.Option(
        "--expect-fresh",
        metavar="KEY[=2s]",
        help="Each run prints a JSON object whose KEY is the time of its first byte, so far off at most.",
    ),
]

# How it is timed.
ReadyOption = Annotated[
    str,
    typer.Option(
        "--ready",
        metavar="exit|first-byte|http://…",
        help="Where the clock of the ratios stops: exit, first byte on stdout, or a server's first valid answer.",
    ),
]
RoundsOption = Annotated[
    str,
    typer.Option("--rounds", metavar="auto|N", help="Rounds of all arms; auto ends at ± 5 %, after 10 to 40 of them."),
]
TimeLimitOption = Annotated[
    str | None,
    typer.Option(
        "--time-limit", metavar="DURATION", help="Bound the whole comparison; 60s with --rounds auto, else none."
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="Bound one run; half of an arm's share of the time limit, 60s at most.",
    ),
]
State = Literal["warm", "first", "file-cold"]
StateOption = Annotated[
    State,
    typer.Option(
        "--state",
        help="warm: after two runs that are discarded. first: nothing is discarded. "
        "file-cold: the program and the files that it names are read from the disk.",
    ),
]
PrepareOption = Annotated[
    list[str] | None,
    typer.Option(
        "--prepare",
        metavar="[NAME=]CMD",
        help="A command to run before each run of all arms, or of one; not timed.",
    ),
]
ColdFileOption = Annotated[
    list[Path] | None,
    typer.Option("--cold-file", metavar="FILE", help="With --state file-cold: one more file to read from the disk."),
]
MemoryOption = Annotated[bool, typer.Option("--memory", help="Read the peak of memory too, in runs of their own.")]
ShellOption = Annotated[bool, typer.Option("--shell", help="Have each CMD run by /bin/sh -c, on the clock.")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of the order in each round; drawn and printed if not given.")
]

# Where it is kept and told.
SamplesOption = Annotated[
    Path | None,
    typer.Option(
        "--samples", metavar="FILE", help="Where each run is saved at once; a file in the cache if not given."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result on stdout and nothing else there.")]
ExportJsonOption = Annotated[Path | None, typer.Option("--export-json", metavar="F", help="Write the same to a file.")]
ExportCsvOption = Annotated[Path | None, typer.Option("--export-csv", metavar="F", help="Write every run as CSV.")]
ExportHyperfineOption = Annotated[
    Path | None,
    typer.Option("--export-hyperfine", metavar="F", help="Write the JSON that hyperfine's scripts read."),
]
PlotOption = Annotated[Path | None, typer.Option("--plot", metavar="F.svg", help="Draw every run.")]
