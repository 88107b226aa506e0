"""`grader cache`: what the user's cache holds, and making room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import CacheOption

if TYPE_CHECKING:
    from grader.adapters.store import DiskStore

cache_app = typer.Typer(help="Show and prune the cache of builds, runs and frozen submissions.", no_args_is_help=True)


@cache_app.command("info")
def info(
    cache: CacheOption = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show what the cache holds, by kind."""
    from grader.units import format_bytes

    store = _existing(cache)
    usage = store.info() if store is not None else ()
    if as_json:
        kinds = [u.model_dump(mode="json") for u in usage]
        typer.echo(json.dumps({"schema": "grader/cache/1", "kinds": kinds}, indent=2))
        return
    if store is None:
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
        str | None,
        typer.Option(
            "--max-bytes", metavar="SIZE", help="Remove the longest unused until this much is left: 500MB, 2GiB, 0."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go and remove nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove entries that were not used lately; without a limit, everything that nobody is using."""
    from grader.units import format_bytes

    limit = _size(max_bytes)
    everything = older_than_days is None and limit is None
    store = _existing(cache)
    if store is None:
        return
    result = store.prune(older_than_days, 0 if everything else limit, dry_run=dry_run)
    if as_json:
        about = {"schema": "grader/prune/1", "dry_run": dry_run, **result.model_dump(mode="json")}
        typer.echo(json.dumps(about, indent=2))
        return
    removed, kept = ("would remove", "keep") if dry_run else ("removed", "kept")
    typer.echo(
        f"{removed} {_entries(result.removed)}, {format_bytes(result.freed_bytes)}; "
        f"{kept} {result.kept}, {format_bytes(result.kept_bytes)}"
        + (f", of them {result.in_use} that a running command is using" if result.in_use else "")
    )


def _existing(cache: Path | None) -> DiskStore | None:
    """Return the cache, None where there is none yet: then that is said, and none is made."""
    import os

    from grader.adapters.store import cache_root
    from grader.cli.wiring import open_store
    from grader.render.escape import plain

    root = cache.absolute() if cache is not None else cache_root(os.environ)
    if not root.is_dir():
        typer.echo(f"there is no cache at {plain(str(root))}", err=True)
        return None
    return open_store(cache)


def _size(text: str | None) -> int | None:
    """Return `--max-bytes` in bytes.  Raises: UsageError."""
    from grader.errors import UsageError
    from grader.units import parse_quantity

    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    read = parse_quantity(text, "byte", base="decimal")
    if read is None or read.signed:
        raise UsageError(
            f"`{text}` is no size", where="--max-bytes", hint="write for example `500MB`, `2GiB`, or a number of bytes"
        )
    return int(read.value)


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"
