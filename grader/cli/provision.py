"""`grader provision`: make the hosts of an inventory fit for the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from grader.model.provision import ProvisionReport

EXIT_INPUT = 2
EXIT_HOSTS = 3
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
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]
DEFAULT_INVENTORY = Path("inventory/example")
DEFAULT_OUT = Path("grader-out/provision")


def provision_command(
    inventory: InventoryOption = DEFAULT_INVENTORY,
    limit: LimitOption = None,
    failed: FailedOption = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; tell what would be changed.")] = False,
    tags: Annotated[
        list[str] | None, typer.Option("--tags", help="Only the steps with these tags, such as golang_install.")
    ] = None,
    forks: ForksOption = 5,
    retries: RetriesOption = 1,
    out: FolderOption = DEFAULT_OUT,
    as_json: ReportOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make lab hosts fit: the same versions on each; hosts that fail are told one by one, the others go on."""
    from grader.cli.playing import Playing, run_playbook

    playing = Playing(
        inventory=inventory,
        limit=hosts_wanted(limit, failed=failed, out=out),
        check=check,
        tags=words(tags),
        forks=forks,
        retries=retries,
        out=out,
        quiet=quiet,
    )
    end_with(run_playbook("site.yml", playing), out, as_json=as_json)


def hosts_wanted(limit: list[str] | None, *, failed: bool, out: Path) -> tuple[str, ...]:
    """Return what `--limit` and `--failed` choose; ends the command where no host is left to do."""
    from grader.adapters.hostlogs import load_report
    from grader.errors import UsageError

    if not failed:
        return words(limit)
    if limit:
        raise UsageError("`--failed` and `--limit` both choose hosts", hint="give one of them")
    left = load_report(out).unfinished
    if not left:
        typer.echo(f"{out}: every host of the last run is ready", err=True)
        raise typer.Exit
    return left


def end_with(report: ProvisionReport, out: Path, *, as_json: bool) -> NoReturn:
    """Print what became of the hosts, and end with the code that says so."""
    from grader.render.escape import json_document
    from grader.render.provisiontable import overall, report_text

    if as_json:
        typer.echo(json_document(report.model_dump_json(by_alias=True, indent=2)))
    else:
        typer.echo(report_text(report), nl=False)
        typer.echo(f"{overall(report.hosts)}; {out}/report.json", err=True)
    exit_by(report)


def words(given: list[str] | None) -> tuple[str, ...]:
    """Return the words of an option that may be given again, or joined by commas."""
    return tuple(dict.fromkeys(word.strip() for text in given or () for word in text.split(",") if word.strip()))


def exit_by(report: ProvisionReport) -> NoReturn:
    """End with the code of the contract: 130 interrupted, 3 a host is not ready, 2 input was refused, else 0."""
    if report.interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if report.unfinished:
        raise typer.Exit(EXIT_HOSTS)
    raise typer.Exit(EXIT_INPUT if report.refused or any(h.outcome == "refused" for h in report.hosts) else 0)
