"""Run the playbooks that provision hosts from a bundle: Ansible says what it does, to stderr."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from grader.adapters.shipped import shipped
from grader.errors import HostError
from grader.model.bundle import Bundle

PLAYBOOKS = ("bundle.yml", "site.yml")


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
        "lab_artifacts_mirror_url": f"file://{source}/files",
        "lab_artifacts_fetch_on": "controller",
        "lab_artifacts_offline": False,
        "grader_worker_wheels": f"{host_folder}/wheels",
        "lab_content_images": [
            {"name": image.name, "archive": str(source / image.path), "sha256": sums[image.path], "into": "docker"}
            for image in bundle.images
        ],
    }


def pack(bundle: Bundle, source: Path, target: Path) -> None:
    """Write packages and wheels as one archive: one copy to a host instead of hundreds."""
    with tarfile.open(target, "w") as archive:
        for entry in bundle.files:
            if entry.path.startswith(("debs/", "wheels/")):
                about = tarfile.TarInfo(entry.path)
                about.size = entry.size
                about.mode = 0o644
                with (source / entry.path).open("rb") as file:
                    archive.addfile(about, file)


def command(inventory: Path, extra: Path, limit: str, forks: int) -> list[str]:
    """Return the exact command."""
    playbooks = shipped("playbooks")
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "--inventory", str(inventory)]
    argv += ["--extra-vars", f"@{extra}", "--forks", str(forks)]
    argv += ["--limit", limit] if limit else []
    return argv + [str(playbooks / name) for name in PLAYBOOKS]


def play(bundle: Bundle, source: Path, digest: str, *, inventory: Path, limit: str, forks: int) -> None:
    """Provision the hosts.  Raises: HostError if one of them was not brought to the end."""
    with tempfile.TemporaryDirectory(prefix="grader-bundle-") as scratch:
        carried = Path(scratch, "carried.tar")
        pack(bundle, source, carried)
        extra = Path(scratch, "variables.json")
        extra.write_text(json.dumps(variables(bundle, source, digest, carried)), encoding="utf-8")
        argv: Sequence[str] = command(inventory, extra, limit, forks)
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        except FileNotFoundError as error:
            raise HostError("`ansible-playbook` is missing", hint="pip install 'lab-grader[hosts]'") from error
    if done.returncode != 0:
        raise HostError(
            f"not every host was provisioned (`ansible-playbook` ended with {done.returncode})",
            hint="mend what it said above, and run the same command again",
        )
