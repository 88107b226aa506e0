"""`grader provision`: make the hosts of an inventory fit for the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from grader.model.provision import ProvisionReport

EXIT_INPUT = 2
EXIT_HOSTS = 3
EXIT_CONDITION = 4
EXIT_INTERRUPTED = 130

InventoryOption = Annotated[
    Path,
    typer.Option("--inventory", envvar="GRADER_INVENTORY", help="Inventory folder or file; docs/hosts.md explains it."),
]
ForksOption = Annotated[int, typer.Option("--forks", min=1, max=500, help="Hosts that are worked on at a time.")]
FolderOption = Annotated[Path, typer.Option("--out", help="Folder of the report, the logs and the events.")]
LimitOption = Annotated[
    list[str] | None,
    typer.Option("--limit", help="Hosts, groups or patterns, joined by commas or given again; all if not given."),
]
FailedOption = Annotated[
    bool, typer.Option("--failed", help="Only the hosts that the last run in --out did not finish.")
]
RetriesOption = Annotated[int, typer.Option("--retries", min=0, max=10, help="Times that failed hosts are run again.")]
ReportOption = Annotated[bool, typer.Option("--json", help="Print report.json on stdout and nothing else there.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Change nothing; tell per host what would be changed.")]
FailOnOption = Annotated[
    Literal["changed"] | None,
    typer.Option("--fail-on", help="Exit 4 if a host was changed or, with --check, would be."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]
DEFAULT_INVENTORY = Path("inventory/example")
DEFAULT_OUT = Path("grader-out/provision")


def provision_command(
    inventory: InventoryOption = DEFAULT_INVENTORY,
    limit: LimitOption = None,
    failed: FailedOption = False,
    check: CheckOption = False,
    tags: Annotated[
        list[str] | None, typer.Option("--tags", help="Only the steps with these tags, such as golang_install.")
    ] = None,
    forks: ForksOption = 5,
    retries: RetriesOption = 1,
    out: FolderOption = DEFAULT_OUT,
    fail_on: FailOnOption = None,
    as_json: ReportOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make lab hosts fit: the same versions on each; hosts that fail are told one by one, the others go on."""
    from grader.cli.playing import Playing, run_playbook

    playing = Playing(
        inventory=inventory,
        limit=hosts_wanted(limit, failed=failed, out=out, as_json=as_json),
        check=check,
        tags=words(tags, "--tags"),
        forks=forks,
        retries=retries,
        out=out,
        quiet=quiet,
    )
    end_with(run_playbook("site.yml", playing), out, as_json=as_json, fail_on=fail_on)


def hosts_wanted(limit: list[str] | None, *, failed: bool, out: Path, as_json: bool) -> tuple[str, ...]:
    """Return what `--limit` and `--failed` choose; ends the command where no host is left to do."""
    from grader.adapters.hostlogs import load_report
    from grader.errors import UsageError

    if not failed:
        return words(limit, "--limit")
    if limit:
        raise UsageError("`--failed` and `--limit` both choose hosts", hint="give one of them")
    report = load_report(out)
    if not report.unfinished:
        typer.echo(f"{out}: the last run finished every host", err=True)
        if as_json:
            _print_json(report)
        raise typer.Exit
    return report.unfinished


def end_with(report: ProvisionReport, out: Path, *, as_json: bool, fail_on: str | None = None) -> NoReturn:
    """Print what became of the hosts, and end with the code that says so."""
    from grader.render.provisiontable import overall, report_text

    if as_json:
        _print_json(report)
    else:
        typer.echo(report_text(report), nl=False)
        typer.echo(f"{overall(report.hosts)}; {out}/report.json", err=True)
    exit_by(report, fail_on=fail_on)


def _print_json(report: ProvisionReport) -> None:
    from grader.render.escape import json_document

    typer.echo(json_document(report.model_dump_json(by_alias=True, indent=2)))


def words(given: list[str] | None, option: str) -> tuple[str, ...]:
    """Return the words of an option that may be given again, or joined by commas.

    Raises: UsageError if it is given and has none: a variable of a shell that is empty must not mean every host.
    """
    from grader.errors import UsageError

    found = tuple(dict.fromkeys(word.strip() for text in given or () for word in text.split(",") if word.strip()))
    if given and not found:
        raise UsageError("names nothing", where=option, hint="leave the option out to mean all")
    return found


def exit_by(report: ProvisionReport, *, fail_on: str | None = None) -> NoReturn:
    """End with the code of the contract.

    130 interrupted, 3 a host is not ready, 2 input was refused, 4 a host was changed and that was asked for, else 0.
    """
    if report.interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if report.unfinished:
        raise typer.Exit(EXIT_HOSTS)
    if report.refused or any(host.outcome == "refused" for host in report.hosts):
        raise typer.Exit(EXIT_INPUT)
    raise typer.Exit(EXIT_CONDITION if fail_on and any(host.changed for host in report.hosts) else 0)
