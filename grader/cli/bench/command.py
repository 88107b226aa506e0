"""`grader bench`: compare commands, and images in containers, by timed runs."""

from __future__ import annotations

import shlex
from typing import Any

import typer

from grader.cli.bench.compare import compare_command
from grader.cli.bench.options import (
    ArgsOption,
    ArmOption,
    BaselineOption,
    ColdFileOption,
    EnvOption,
    ExpectExitOption,
    ExpectFreshOption,
    ExpectJsonOption,
    ExpectRegexOption,
    ExportCsvOption,
    ExportHyperfineOption,
    ExportJsonOption,
    ImageArmsOption,
    ImageOption,
    JsonOption,
    MemoryOption,
    PlotOption,
    PrepareOption,
    ReadyOption,
    RoundsOption,
    SamplesOption,
    SeedOption,
    ShellOption,
    StateOption,
    TimeLimitOption,
    TimeoutOption,
)
from grader.cli.group import Commands
from grader.cli.options import CacheOption, LangOption, LockOption, QuietOption
from grader.errors import HostError, UsageError

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
    arm: ArmOption = None,
    image: ImageOption = None,
    image_arms: ImageArmsOption = None,
    env: EnvOption = None,
    args: ArgsOption = None,
    baseline: BaselineOption = None,
    expect_json: ExpectJsonOption = False,
    expect_regex: ExpectRegexOption = None,
    expect_exit: ExpectExitOption = None,
    expect_fresh: ExpectFreshOption = None,
    ready: ReadyOption = "exit",
    rounds: RoundsOption = "auto",
    time_limit: TimeLimitOption = None,
    timeout: TimeoutOption = None,
    state: StateOption = "warm",
    prepare: PrepareOption = None,
    cold_file: ColdFileOption = None,
    memory: MemoryOption = False,
    shell: ShellOption = False,
    seed: SeedOption = None,
    samples: SamplesOption = None,
    as_json: JsonOption = False,
    export_json: ExportJsonOption = None,
    export_csv: ExportCsvOption = None,
    export_hyperfine: ExportHyperfineOption = None,
    plot: PlotOption = None,
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
