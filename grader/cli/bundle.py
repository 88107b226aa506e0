"""`grader bundle`: all that hosts without a network need, in one folder with one digest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grader.cli.provision import (
    CheckOption,
    FailedOption,
    FailOnOption,
    FolderOption,
    ForksOption,
    InventoryOption,
    LimitOption,
    QuietOption,
    ReportOption,
    RetriesOption,
    end_with,
    hosts_wanted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grader.model.bundle import Bundle
    from grader.model.catalogue import Catalogue
    from grader.workflow.bundle import Planned

bundle_app = typer.Typer(help="Make, check and use a bundle for lab hosts without a network.", no_args_is_help=True)

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the bundle.")]
DigestOption = Annotated[
    str, typer.Option("--digest", metavar="sha256:…", help="What `grader bundle create` printed last.")
]
DEFAULT_APPLY_OUT = Path("grader-out/bundle")


@bundle_app.command("create")
def create(
    folder: FolderArgument,
    inventory: InventoryOption,
    edition: Annotated[str, typer.Option("--edition", help="Group of the inventory whose versions are taken.")],
    release: Annotated[
        str, typer.Option("--release", help="Code name of the hosts' release: bookworm, trixie, noble.")
    ],
    arch: Annotated[Literal["amd64", "arm64"], typer.Option("--arch", help="Of the hosts.")] = "amd64",
    mirror: Annotated[str, typer.Option("--mirror", metavar="URL", help="Fetch the catalogue's files there.")] = "",
    registry: Annotated[str, typer.Option("--registry", metavar="URL", help="Pull images there.")] = "",
    apt_mirror: Annotated[
        list[str] | None,
        typer.Option("--apt-mirror", metavar="LABEL=URL", help="Where the repository with this label is."),
    ] = None,
    catalogue: Annotated[Path | None, typer.Option("--catalogue", help="A course's own catalogue.")] = None,
) -> None:
    """Fetch everything that hosts of an edition need; prints the size first and the bundle's digest last."""
    from grader.adapters import bundlefolder, debs
    from grader.adapters.bundledepot import BundleDepot
    from grader.adapters.catalogue import load_rules
    from grader.adapters.packages import load_distribution
    from grader.adapters.rolevariables import load_variables
    from grader.adapters.wheels import lock_file
    from grader.render.escape import plain
    from grader.workflow import bundle as workflow

    distribution = load_distribution(release)
    _address("--mirror", mirror, ("https://", "http://", "file://"))
    _address("--registry", registry, ("https://", "http://"))
    variables = load_variables(inventory, edition)
    known = _catalogue(catalogue, variables)
    versions, files = workflow.files_of(known, load_rules(), variables, arch)
    names = workflow.image_names(variables)
    target = folder.absolute()
    depot = BundleDepot(
        folder=target,
        partial=bundlefolder.open_for_writing(target),
        distribution=distribution,
        release=release,
        architecture=arch,
        archives={f"files/{file.mirrored('').removeprefix('https://')}": file for _, file in files},
        lock=lock_file(),
        apt=debs.mirrors(apt_mirror or ()),
        mirror=mirror,
        registry=registry,
    )
    planned = workflow.plan(depot, versions, files, distribution, names)
    _print_plan(planned)
    for line in _not_held(known, versions, inventory.absolute(), edition):
        typer.echo(f"warning: {plain(line)}", err=True)
    digest = workflow.create(depot, planned, edition=edition, architecture=arch, release=release, tell=_tell)
    typer.echo(digest)


def _not_held(catalogue: Catalogue, versions: Mapping[str, str], inventory: Path, edition: str) -> list[str]:
    """Return what single hosts of the edition set that the bundle does not hold, or why that is not known."""
    import tempfile

    from grader.adapters.ansible import AnsibleRunner
    from grader.adapters.rolevariables import role_defaults
    from grader.adapters.roster import load_roster, sources
    from grader.errors import GraderError
    from grader.workflow.bundle import not_held

    try:
        with tempfile.TemporaryDirectory(prefix="grader-roster-") as scratch:
            read = sources(inventory, load_roster(inventory), Path(scratch))
            hosts = AnsibleRunner().variables(read, edition)
    except GraderError as error:  # A bundle is made for hosts that need not be named yet.
        return [f"what single hosts set was not looked at: {error.what}"]
    defaults = role_defaults()
    return not_held(catalogue, versions, {host: {**defaults, **own} for host, own in hosts.items()})


def _address(option: str, given: str, begins: tuple[str, ...]) -> None:
    from grader.errors import UsageError

    if given and not given.startswith(begins):
        allowed = ", ".join(f"`{begin}`" for begin in begins)
        raise UsageError(f"`{given}` is no address", where=option, hint=f"it begins with one of {allowed}")


def _catalogue(path: Path | None, variables: Mapping[str, object]) -> Catalogue:
    """Return a catalogue with the releases that the inventory's variables lay over it.  Raises: UsageError."""
    from pydantic import ValidationError

    from grader.adapters.catalogue import load_catalogue
    from grader.errors import UsageError
    from grader.model.base import first_mistake
    from grader.model.bundle import with_overrides

    overrides = variables.get("lab_artifacts_overrides")
    try:
        return with_overrides(load_catalogue(path), overrides if isinstance(overrides, dict) else {})
    except ValidationError as error:
        raise UsageError(first_mistake(error), where="lab_artifacts_overrides") from error


@bundle_app.command("verify")
def verify(folder: FolderArgument, digest: DigestOption) -> None:
    """Check that a folder is exactly the bundle with this digest; names everything that differs."""
    from grader.units import format_bytes

    bundle = _verified(folder, digest)
    typer.echo(
        f"{folder}: {len(bundle.files)} files, {format_bytes(bundle.size)}: {bundle.edition} for {bundle.release} "
        f"{bundle.architecture}, as its digest says"
    )


@bundle_app.command("apply")
def apply(
    folder: FolderArgument,
    digest: DigestOption,
    inventory: InventoryOption,
    limit: LimitOption = None,
    failed: FailedOption = False,
    check: CheckOption = False,
    forks: ForksOption = 5,
    retries: RetriesOption = 1,
    out: FolderOption = DEFAULT_APPLY_OUT,
    fail_on: FailOnOption = None,
    as_json: ReportOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check the bundle, then provision hosts from it alone: neither they nor this host need a network beyond it."""
    from grader.adapters.bundleplay import carried_variables
    from grader.cli.playing import Playing, run_playbook
    from grader.errors import UsageError

    if not inventory.exists():
        raise UsageError("no such inventory", where=str(inventory), hint="copy inventory/example and edit it")
    wanted = hosts_wanted(limit, failed=failed, out=out, as_json=as_json)
    bundle = _verified(folder, digest)
    with carried_variables(bundle, folder.absolute(), digest) as variables:
        playing = Playing(
            inventory=inventory,
            limit=wanted,
            check=check,
            forks=forks,
            retries=retries,
            out=out,
            variables=variables,
            quiet=quiet,
        )
        report = run_playbook("offline.yml", playing)
    end_with(report, out, as_json=as_json, fail_on=fail_on)


def _verified(folder: Path, digest: str) -> Bundle:
    """Return the manifest of a folder that is as it says.  Raises: UsageError with everything that differs."""
    import re

    from grader.adapters import bundlefolder
    from grader.errors import UsageError
    from grader.model.bundle import differences
    from grader.render.escape import plain

    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise UsageError(
            f"`{digest}` is no digest",
            where="--digest",
            hint="write `sha256:` and the 64 hex digits that `create` printed",
        )
    bundle = bundlefolder.read_manifest(folder, digest)
    found = differences(bundle, bundlefolder.contents(folder, bundle))
    for line in found[:_SHOWN]:
        typer.echo(plain(line), err=True)
    if found:
        more = f" ({len(found) - _SHOWN} are not shown)" if len(found) > _SHOWN else ""
        raise UsageError(
            f"the bundle differs from its manifest in {len(found)} {'place' if len(found) == 1 else 'places'}{more}",
            where=str(folder),
            hint="copy it again, or run the same `grader bundle create` again, which mends it",
        )
    return bundle


_SHOWN = 20


def _print_plan(planned: Planned) -> None:
    from grader.units import format_bytes

    unknown = f"; {planned.unknown} sizes are not published" if planned.unknown else ""
    typer.echo(f"size: {format_bytes(planned.known_bytes)} in {len(planned.items)} files, wheels aside{unknown}")
    for name in planned.single:
        typer.echo(f"single source: {name}: look at its digest again before you rely on it")


def _tell(number: int, count: int, path: str) -> None:
    typer.echo(f"[{number}/{count}] {path}", err=True)
