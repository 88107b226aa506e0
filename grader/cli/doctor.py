"""`grader doctor`: what this host can do, what it lacks, and the command that mends each gap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.bootstrap.checks import Purpose
from grader.cli.options import DEFAULT_LAB, CacheOption, LabOption, LockOption
from grader.cli.provision import DEFAULT_INVENTORY, FolderOption, ForksOption, InventoryOption, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from grader.model.host import Check
    from grader.model.lab import Lab
    from grader.workflow.doctor import Diagnosis

EXIT_NOT_READY = 3
DEFAULT_DOCTOR_OUT = Path("grader-out/doctor")


def doctor_command(
    context: typer.Context,
    purpose: Annotated[
        Purpose | None,
        typer.Option("--for", help="What this host, or lab hosts that grade, must be fit for; grade if not given."),
    ] = None,
    lab: LabOption = DEFAULT_LAB,
    cache: CacheOption = None,
    lock: LockOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")] = False,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="Ask these lab hosts instead of this one; names as of --limit.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Ask every lab host of the inventory.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Run the steps that mend what was found on the lab hosts, then ask again.")
    ] = False,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    forks: ForksOption = 5,
    out: FolderOption = DEFAULT_DOCTOR_OUT,
) -> None:
    """Tell whether this host, or lab hosts, are fit for a lab; changes nothing, and needs no root here."""
    from grader.errors import UsageError

    if host and every:
        raise UsageError("`--host` and `--all` both choose hosts", hint="give one of them")
    if host or every:
        from grader.cli.doctorhosts import HostsWanted, doctor_hosts

        _refuse(context, _HERE, "is about this host only, and lab hosts are asked", "leave it out")
        limit = () if every else words(host, "--host")
        wanted = HostsWanted(inventory=inventory, limit=limit, purpose=purpose, fix=fix, forks=forks, out=out)
        doctor_hosts(wanted, as_json=as_json)
    _refuse(context, _ELSEWHERE, "is about lab hosts only", "name them: `--host H`, or `--all`")
    from grader.bootstrap.checks import Line, table

    purpose = purpose or "grade"
    answer = ask_here(purpose, lab, cache, lock)
    if as_json:
        typer.echo(answer.model_dump_json(by_alias=True, indent=2).encode())
    else:
        lines = [Line(c.id, c.state, c.message.text, c.remedy, c.needed, c.prevents) for c in answer.checks]
        typer.echo(table(lines, purpose), nl=False)
    if not answer.ready:
        raise typer.Exit(EXIT_NOT_READY)


_HERE = {"lab": "--lab", "cache": "--cache", "lock": "--lock"}
_ELSEWHERE = {"fix": "--fix", "inventory": "--inventory", "forks": "--forks", "out": "--out"}


def _refuse(context: typer.Context, options: Mapping[str, str], what: str, hint: str) -> None:
    """Refuse options that would do nothing, where they are given: a variable of the environment is there for others."""
    from grader.errors import UsageError

    for name, option in options.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(what, where=option, hint=hint)


def ask_here(purpose: Purpose, lab: str, cache: Path | None, lock: Path | None) -> Diagnosis:
    """Return what this host can do."""
    import os
    import tempfile

    from grader import __version__
    from grader.adapters.catalogue import load_rules
    from grader.adapters.embedded import EmbeddedEngine
    from grader.adapters.labfile import load_lab
    from grader.adapters.store import DiskStore
    from grader.bootstrap import survey
    from grader.bootstrap.checks import WORDING
    from grader.cli.containers import container_checks
    from grader.cli.progress import ConsoleProgress
    from grader.cli.wiring import open_runner
    from grader.render.catalogue import worded
    from grader.workflow.doctor import diagnose, unfit_sets

    loaded = load_lab(lab)
    chosen = {"GRADER_CACHE": cache, "GRADER_LOCK": lock}
    environ = {**os.environ, **{name: str(path) for name, path in chosen.items() if path is not None}}
    seen = [*seen_here(loaded.lab, environ), *container_checks(loaded.lab, os.environ)]
    seen += unfit_sets(load_rules(), survey.installed())
    runner = open_runner(trust=False, lock=lock)
    # A store of its own: the engine may keep copies of tools in it, and `doctor` leaves nothing behind.
    with tempfile.TemporaryDirectory(prefix="grader-doctor-") as scratch:
        store = DiskStore(Path(scratch, "store"))
        engine = EmbeddedEngine(loaded.lab, runner, store, ConsoleProgress(quiet=True), os.environ.get("PATH", ""))
        found = diagnose(loaded.lab, purpose, seen, runner, engine, survey.remedies(), __version__)
    return with_data(worded(found, WORDING))


def seen_here(lab: Lab, environ: Mapping[str, str]) -> Iterator[Check]:
    """Yield what is seen without running anything of ours."""
    from grader.adapters.catalogue import folder
    from grader.bootstrap import pitfalls, survey
    from grader.model.base import Message
    from grader.model.host import Check

    looked = pitfalls.look(folder(), environ, shims(lab))
    for c in (*survey.always(environ), survey.own_environment(), *looked):
        message = Message(code=c.code, params=dict(c.params))
        yield Check(id=c.id, state=c.state, message=message, remedy=c.remedy, prevents=c.prevents)


def shims(lab: Lab) -> tuple[str, ...]:
    """Return the programs that containerd needs for the lab's own arm."""
    from grader.workflow.plan import used_arms

    return ("containerd-shim-wasmtime-v1",) if any(arm == "ctr-wasmtime" for _, arm in used_arms(lab)) else ()


def with_data(answer: Diagnosis) -> Diagnosis:
    """Return the answer with what each check says as data, beside its sentence."""
    from grader.bootstrap.checks import told

    checks = (
        check.model_copy(update=told(check.id, check.message.params, check.message.text, check.prevents))
        for check in answer.checks
    )
    return answer.model_copy(update={"checks": tuple(checks)})
