"""`grader cache`: what the user's cache holds, and making room."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from grader.cli.options import CacheOption

cache_app = typer.Typer(help="Show and prune the cache of builds, runs and frozen submissions.", no_args_is_help=True)


@cache_app.command("info")
def info(
    cache: CacheOption = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show what the cache holds, by kind."""
    from grader.cli.wiring import open_store
    from grader.units import format_bytes

    store = open_store(cache)
    usage = store.info()
    if as_json:
        kinds = [u.model_dump(mode="json") for u in usage]
        typer.echo(json.dumps({"schema": "grader/cache/1", "kinds": kinds}, indent=2))
        return
    typer.echo(f"{store.root}")
    for u in usage:
        typer.echo(f"{u.kind:<12} {u.entries:>6} entries  {format_bytes(u.size_bytes)}")


@cache_app.command("prune")
def prune(
    cache: CacheOption = None,
    older_than_days: Annotated[
        float | None, typer.Option("--older-than-days", min=0, help="Remove what was not used for so long.")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option("--max-bytes", min=0, help="Remove the longest unused until this much is left.")
    ] = None,
) -> None:
    """Remove entries that were not used lately; without an option, everything that nobody is using."""
    from grader.cli.wiring import open_store
    from grader.units import format_bytes

    everything = older_than_days is None and max_bytes is None
    result = open_store(cache).prune(older_than_days, 0 if everything else max_bytes)
    typer.echo(
        f"removed {result.removed} entries, {format_bytes(result.freed_bytes)}; "
        f"kept {result.kept}, {format_bytes(result.kept_bytes)}"
        + (f"; {result.in_use} in use were left" if result.in_use else "")
    )
