"""`grader bench`: compare commands, and images in containers, by timed runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from grader.cli.bench.compare import compare_command
from grader.cli.group import Commands
from grader.cli.options import CacheOption, LangOption, LockOption, QuietOption
from grader.errors import HostError, UsageError

State = Literal["warm", "first", "file-cold"]

EXIT_ARM_FAILED = 3


class Comparisons(Commands):
    """Arms are options; a command without a name, as other tools take it, is told how to get one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # The class of a context is private to typer.
        if self.get_command(ctx, args[0]) is None:
            named = " ".join(f"--arm {name}={shlex.quote(command)}" for name, command in zip("ab", args, strict=False))
            raise UsageError(f"`{args[0]}` has no name to call it by", where="bench", hint=f"give it as {named}")
        return super().resolve_command(ctx, args)


bench_app = typer.Typer(
    cls=Comparisons, invoke_without_command=True, no_args_is_help=False, subcommand_metavar="[compare OLD NEW]"
)
bench_app.command("compare")(compare_command)


@bench_app.callback()
def bench_command(
    context: typer.Context,
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", metavar="NAME=CMD", help="A command to time and the name to call it by; give several."),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--image",
            metavar="[ARM=]IMAGE",
            help="An image for --arms: an archive, or the name of one in Docker or containerd; several if need be.",
        ),
    ] = None,
    image_arms: Annotated[
        str | None,
        typer.Option(
            "--arms", metavar="ARM,…", help="Run it in containers: docker, ctr-runc, ctr-wasmtime and others."
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="A variable for each program, such as MODE=once."),
    ] = None,
    args: Annotated[
        str | None, typer.Option("--args", metavar="WORDS", help="What an image's program is given behind its name.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="NAME", help="The arm that divides the others; the first if not given."),
    ] = None,
    expect_json: Annotated[
        bool,
        typer.Option(
            "--expect-json", help="Each run prints JSON, an object always with the keys of the arm's first run."
        ),
    ] = False,
    expect_regex: Annotated[
        str | None, typer.Option("--expect-regex", metavar="R", help="Each run prints something that this matches.")
    ] = None,
    expect_exit: Annotated[
        int | None,
        typer.Option(
            "--expect-exit", metavar="N", min=0, max=255, help="Each run ends with this code, 0 if not given."
        ),
    ] = None,
    expect_fresh: Annotated[
        str | None,
        typer.Option(
            "--expect-fresh",
            metavar="KEY[=2s]",
            help="Each run prints a JSON object whose KEY is the time of its first byte, so far off at most.",
        ),
    ] = None,
    ready: Annotated[
        str,
        typer.Option(
            "--ready",
            metavar="exit|first-byte|http://…",
            help="Where the clock of the ratios stops: exit, first byte on stdout, or a server's first valid answer.",
        ),
    ] = "exit",
    rounds: Annotated[
        str,
        typer.Option(
            "--rounds", metavar="auto|N", help="Rounds of all arms; auto ends at ± 5 %, after 10 to 40 of them."
        ),
    ] = "auto",
    time_limit: Annotated[
        str | None,
        typer.Option(
            "--time-limit", metavar="DURATION", help="Bound the whole comparison; 60s with --rounds auto, else none."
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="DURATION",
            help="Bound one run; half of an arm's share of the time limit, 60s at most.",
        ),
    ] = None,
    state: Annotated[
        State,
        typer.Option(
            "--state",
            help="warm: after two runs that are discarded. first: nothing is discarded. "
            "file-cold: the program and the files that it names are read from the disk.",
        ),
    ] = "warm",
    prepare: Annotated[
        list[str] | None,
        typer.Option(
            "--prepare",
            metavar="[NAME=]CMD",
            help="A command to run before each run of all arms, or of one; not timed.",
        ),
    ] = None,
    cold_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--cold-file", metavar="FILE", help="With --state file-cold: one more file to read from the disk."
        ),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Read the peak of memory too, in runs of their own.")
    ] = False,
    shell: Annotated[bool, typer.Option("--shell", help="Have each CMD run by /bin/sh -c, on the clock.")] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the order in each round; drawn and printed if not given.")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples", metavar="FILE", help="Where each run is saved at once; a file in the cache if not given."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result on stdout and nothing else there.")] = False,
    export_json: Annotated[
        Path | None, typer.Option("--export-json", metavar="F", help="Write the same to a file.")
    ] = None,
    export_csv: Annotated[
        Path | None, typer.Option("--export-csv", metavar="F", help="Write every run as CSV.")
    ] = None,
    export_hyperfine: Annotated[
        Path | None,
        typer.Option("--export-hyperfine", metavar="F", help="Write the JSON that hyperfine's scripts read."),
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="F.svg", help="Draw every run.")] = None,
    lang: LangOption = "en",
    cache: CacheOption = None,
    lock: LockOption = None,
    quiet: QuietOption = False,
) -> None:
    """Compare commands or images: shuffled rounds, each run checked, ratios with intervals.

    Commands run with your own rights, in this directory, without a shell.  Images run in containers without a network.
    An arm with a bad run has no number.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from grader.cli.bench.meaning import Asked
    from grader.cli.bench.session import bench_session
    from grader.cli.bench.show import show_bench
    from grader.cli.bench.targets import Targets
    from grader.exports.bench import bench_json

    asked = Asked(
        arms=tuple(arm or ()),
        images=tuple(image or ()),
        image_arms=image_arms,
        env=tuple(env or ()),
        args=args,
        baseline=baseline,
        expect_json=expect_json,
        expect_regex=expect_regex,
        expect_exit=expect_exit,
        expect_fresh=expect_fresh,
        ready=ready,
        rounds=rounds,
        time_limit=time_limit,
        timeout=timeout,
        state=state,
        prepare=tuple(prepare or ()),
        cold_files=tuple(cold_file or ()),
        memory=memory,
        shell=shell,
        seed=seed,
        targets=Targets(
            samples=samples,
            export_json=export_json,
            export_csv=export_csv,
            export_hyperfine=export_hyperfine,
            plot=plot,
        ),
        language=lang,
        cache=cache,
        lock=lock,
        quiet=quiet,
    )
    bench, kept = bench_session(asked)
    try:
        if as_json:
            typer.echo(bench_json(bench).decode(), nl=False)
        else:
            show_bench(bench, lang)
    except BrokenPipeError:
        raise
    except OSError as error:
        hint = f"every run is kept in `{kept}`"
        raise HostError(f"the result cannot be printed: {error.strerror}", where="stdout", hint=hint) from error
    finally:  # A reader that goes away takes only what is printed.
        asked.targets.write(bench, lang, kept)
    if any(measured.state == "failed" for measured in bench.arms):
        raise typer.Exit(EXIT_ARM_FAILED)


def _refuse_options(context: typer.Context) -> None:
    """Raises: UsageError for an option that stands before the name of a subcommand, where it would do nothing."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"`{parameter.opts[0]}` is of `grader bench` and does nothing before `{context.invoked_subcommand}`",
                where=parameter.opts[0],
                hint=f"leave it out, or see `grader bench {context.invoked_subcommand} --help` for one to put after it",
            )
