"""`grader bench compare`: what changed from one comparison to another; nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import LangOption
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.model.bench import Bench

MOST_BYTES = 64 << 20
"""5,000 rounds of four arms have a tenth of it."""


def compare_command(
    old: Annotated[Path, typer.Argument(metavar="OLD.json", help="The older result, as `--export-json` wrote it.")],
    new: Annotated[Path, typer.Argument(metavar="NEW.json", help="The newer result.")],
    across_hosts: Annotated[
        bool, typer.Option("--across-hosts", help="Set ratios of two different hosts side by side; times never are.")
    ] = False,
    lang: LangOption = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON and nothing else.")] = False,
) -> None:
    """Tell what changed from one comparison to another: per ratio and arm, and never noise or the host."""
    from grader.cli.bench.show import show_bench_diff
    from grader.render.benchdifftable import worded_diff
    from grader.render.escape import json_document
    from grader.stats.benchdiff import compare_benches

    before, now = _load(old), _load(new)
    if not {arm.name for arm in before.arms} & {arm.name for arm in now.arms}:
        names = ", ".join(f"`{arm.name}`" for arm in before.arms)
        raise UsageError(f"no arm of {old} is in it", where=str(new), hint=f"those are {names}; call them the same")
    diff = compare_benches(before, now, across_hosts=across_hosts)
    if as_json:
        typer.echo(json_document(worded_diff(diff).model_dump_json(by_alias=True, indent=2)))
    else:
        show_bench_diff(diff, lang)


def _load(path: Path) -> Bench:
    from grader.adapters.plainfile import read_plain_file
    from grader.exports.bench import read_bench

    return read_bench(read_plain_file(path, MOST_BYTES), str(path))
