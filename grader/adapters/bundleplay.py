"""What playbooks are told, so that hosts take everything from a bundle."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.adapters.bundlefolder import require_room
from grader.model.bundle import Bundle

_CARRIED = ("debs/", "wheels/")


def variables(bundle: Bundle, source: Path, digest: str, carried: Path) -> dict[str, object]:
    """Return what makes the roles take everything from the bundle.

    Args:
        source: The bundle's folder on this host, absolute.
        carried: An archive of what hosts need of it, as `pack` writes it.
    """
    host_folder = f"/var/lib/lab-bundle/{digest.removeprefix('sha256:')[:16]}"
    sums = {entry.path: entry.sha256 for entry in bundle.files}
    return {
        "lab_bundle_state": "present",
        "lab_bundle_archive": str(carried),
        "lab_bundle_digest": digest,
        "lab_bundle_release": bundle.release,
        "lab_bundle_architecture": bundle.architecture,
        "lab_bundle_edition": bundle.edition,
        "lab_artifacts_mirror_url": f"file://{source}/files",
        "lab_artifacts_fetch_on": "controller",
        "lab_artifacts_offline": False,
        "grader_worker_wheels": f"{host_folder}/wheels",
        "lab_content_bundle_images": [
            {"name": image.name, "archive": str(source / image.path), "sha256": sums[image.path], "into": "docker"}
            for image in bundle.images
        ],
    }


def pack(bundle: Bundle, source: Path, target: Path) -> None:
    """Write packages and wheels as one archive: one copy to a host instead of hundreds."""
    with tarfile.open(target, "w") as archive:
        for entry in bundle.files:
            if entry.path.startswith(_CARRIED):
                about = tarfile.TarInfo(entry.path)
                about.size = entry.size
                about.mode = 0o644
                with (source / entry.path).open("rb") as file:
                    archive.addfile(about, file)


@contextmanager
def carried_variables(bundle: Bundle, source: Path, digest: str) -> Iterator[dict[str, object]]:
    """Yield the variables; the archive that they name goes away again.

    Args:
        source: The bundle's folder on this host, absolute.

    Raises: HostError if the disk of temporary files, which `TMPDIR` names, has no room for the archive.
    """
    with tempfile.TemporaryDirectory(prefix="grader-bundle-") as scratch:
        carried = Path(scratch, "carried.tar")
        require_room(Path(scratch), sum(entry.size for entry in bundle.files if entry.path.startswith(_CARRIED)))
        pack(bundle, source, carried)
        yield variables(bundle, source, digest, carried)
