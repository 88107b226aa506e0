"""`grader claims`: what a report says; nothing is built or run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.options import DEFAULT_LAB, LabOption, MaxReportBytes
from grader.model.base import Language
from grader.model.submission import REPORT_BYTES


def claims_command(
    report: Annotated[Path, typer.Argument(help="The report, a Markdown file.")],
    lab: LabOption = DEFAULT_LAB,
    max_report_bytes: MaxReportBytes = REPORT_BYTES,
    lang: Annotated[
        Language, typer.Option("--lang", envvar="GRADER_LANG", help="Language of the printed table.")
    ] = "en",
    explain: Annotated[
        bool, typer.Option("--explain", help="Also show where each value was read, and what was not taken and why.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")] = False,
) -> None:
    """Read what a report claims; nothing is built."""
    from grader.adapters.evidence import evidence_beside
    from grader.adapters.labfile import load_lab
    from grader.adapters.plainfile import read_plain_file
    from grader.claims.reader import read_report
    from grader.model.submission import IntakeCaps

    loaded = load_lab(lab)
    data = read_plain_file(report, IntakeCaps().file_bytes)
    reading = read_report(
        data,
        loaded.lab,
        loaded.template,
        max_bytes=max_report_bytes,
        name=str(report),
        evidence=evidence_beside(report, loaded.lab.inputs.evidence),
    )
    if as_json:
        from grader import __version__
        from grader.render.claims import claims_json

        typer.echo(claims_json(reading, loaded.lab, loaded.digest, report.name, __version__), nl=False)
        return
    from grader.cli.show import show_claims, show_explained

    if explain:
        show_explained(reading, loaded.lab, lang)
    else:
        show_claims(reading, loaded.lab, lang)
