"""Small images for tests of container engines: the attacking program, or busybox, in one layer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader.adapters.containerfile import host_platform
from grader.model.lab import HttpGet, HttpProbe, StdoutJsonProbe
from grader.model.run import Artifact
from tests.images import Json, docker_save, tar

BUSYBOX = Path("/bin/busybox")
PLATFORM = str(host_platform())
SERVE = (
    "echo begun; while :; do printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi'"
    " | /bin/busybox nc -l -p 8080; done"
)
"""A server in a shell."""


def image(folder: Path, files: Mapping[str, bytes], entrypoint: Sequence[str], **config: object) -> Artifact:
    """Write an image of this host's platform and return it as a build would."""
    path = folder / f"image-{len(list(folder.iterdir()))}.tar"
    settings: Json = {"Entrypoint": list(entrypoint), **config}
    described = docker_save(path, PLATFORM, [tar(dict(files), mode=0o755)], settings, tags=None)
    digest = hashlib.sha256(described).hexdigest()
    return Artifact(subject="native", label="image", sha256=digest, size=path.stat().st_size, path=str(path))


def shell(folder: Path, script: str, **config: object) -> Artifact:
    """An image that runs a shell script."""
    files = {"bin/busybox": BUSYBOX.read_bytes(), "tmp/.keep": b""}
    return image(folder, files, ["/bin/busybox", "sh", "-c", script], **config)


def once(env: Mapping[str, str] | None = None, args: Sequence[str] = ()) -> StdoutJsonProbe:
    return StdoutJsonProbe(metric="cli_output", env=dict(env or {}), args=tuple(args), arms={})


def server(port: int = 8080) -> HttpProbe:
    return HttpProbe(metric="server_mode", port=port, get=(HttpGet(path="/", type="text/plain"),), arms={})
