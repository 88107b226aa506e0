"""The `grader` command.  Commands import what they need when they run, so that `--help` is quick."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from grader import __version__
from grader.bootstrap.usage import refuse_platform, wants_help
from grader.cli.bench.command import bench_app
from grader.cli.bundle import bundle_app
from grader.cli.cache import cache_app
from grader.cli.claims import claims_command
from grader.cli.doctor import doctor_command
from grader.cli.fill import fill_command
from grader.cli.grade import grade_command
from grader.cli.group import Commands
from grader.cli.judge import judge_command
from grader.cli.lab import lab_app
from grader.cli.labimages import lab_images_command
from grader.cli.provision import provision_command
from grader.cli.review import review_app
from grader.errors import GraderError

EXIT_INFRASTRUCTURE = 3
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141
"""128 + SIGPIPE, as of any program in a pipeline whose reader has ended (`| head`)."""

RESUMABLE = {
    "grade": ("--resume",),
    "fill": ("--resume",),
    "provision": (),
    "bundle create": (),
    "bundle apply": (),
}
"""Commands that go on where they were interrupted, each with the option that it takes for that."""

app = typer.Typer(
    name="grader",
    cls=Commands,
    help="Build, run, time and grade container and WebAssembly labs; honest numbers only.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"grader {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


app.command("grade")(grade_command)
app.command("fill")(fill_command)
app.command("judge")(judge_command)
app.command("claims")(claims_command)
app.command("doctor")(doctor_command)
app.command("provision")(provision_command)
app.add_typer(bench_app, name="bench")
lab_app.command("images")(lab_images_command)
app.add_typer(review_app, name="review")
app.add_typer(lab_app, name="lab")
app.add_typer(cache_app, name="cache")
app.add_typer(bundle_app, name="bundle")


RUNS_CODE = frozenset({"lab selftest"})
"""Commands that need Linux, in a group that does not."""


def main(platform: str = sys.platform) -> None:
    """Run the command line; every failure becomes one clear message and the exit code of the contract."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8; JSON goes out as bytes
    try:
        refuse_command(sys.argv[1:], platform)
        app(prog_name="grader")
    except GraderError as error:
        _fail(str(error), error.exit_code)
    except SystemExit as ended:
        if ended.code == EXIT_INTERRUPTED:
            _fail(interrupted(sys.argv[1:]), EXIT_INTERRUPTED)
        if _reader_gone(ended):
            _end_unread()
        raise
    except BrokenPipeError:
        _end_unread()
    except OSError as error:
        _fail(f"{error.filename or 'this host'}: {error.strerror}", EXIT_INFRASTRUCTURE)
    except Exception as error:
        if os.environ.get("GRADER_DEBUG"):
            raise
        _fail(
            f"internal error: {type(error).__name__}: {error}\n"
            "hint: run again with GRADER_DEBUG=1 and report what it prints",
            EXIT_INFRASTRUCTURE,
        )


def interrupted(arguments: Sequence[str]) -> str:
    """Return what a person who interrupted this command line is told: the command that goes on, if there is one."""
    words = [word for word in arguments if not word.startswith("-")]
    command = next((name for name in (" ".join(words[:1]), " ".join(words[:2])) if name in RESUMABLE), None)
    if command is None:
        return "interrupted"
    end = arguments.index("--") if "--" in arguments else len(arguments)  # What follows it is no option.
    options = [word for word in arguments[:end] if word not in ("--dry-run", "--resume")]
    resume = ["grader", *options, *RESUMABLE[command], *arguments[end:]]
    return f"interrupted\nhint: go on with `{shlex.join(resume)}`"


def _reader_gone(ended: SystemExit) -> bool:
    """True if the reader of our output went away: click and rich turn that into exit code 1, a flush finds it now."""
    if isinstance(ended.__context__, BrokenPipeError):
        return True
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


def _end_unread() -> NoReturn:
    """End quietly."""
    _discard(1)
    sys.exit(EXIT_READER_GONE)


def refuse_command(arguments: Sequence[str], platform: str) -> None:
    """Refuse what needs Linux elsewhere, before it is loaded; help and the version are answered anywhere.

    Raises: HostError.
    """
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words or wants_help(arguments):
        return
    named = " ".join(words[:2])
    refuse_platform(named if named in RUNS_CODE else words[0], platform)


def _fail(text: str, code: int) -> NoReturn:
    """Say what went wrong, if anybody is there to be told, and end with that code."""
    from grader.render.escape import plain

    try:
        if sys.stderr is not None:  # `print` would take stdout instead.
            print(f"grader: {plain(text)}", file=sys.stderr, flush=True)
    except OSError:
        _discard(2)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _discard(1)
    sys.exit(code)


def _discard(stream: int) -> None:
    """Drop what waits for a stream that takes no more; Python would complain of it once more, and end with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
