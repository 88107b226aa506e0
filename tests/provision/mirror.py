"""A mirror on loopback with small stand-ins for what no registry ships: the real layout, digests of their own.

Command line, for hosts of tests: `python -m tests.provision.mirror FOLDER PORT [COMMAND=FILE ...]`; a port of 0 is any.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from grader.adapters.catalogue import ARTIFACTS, folder, load_catalogue
from grader.model.catalogue import Archive, Layout

PROGRAM = """#!/bin/sh
case $1 in
docker-cli-plugin-metadata) echo '{{"SchemaVersion": "0.1.0", "Vendor": "nobody", "Version": "v{version}"}}' ;;
*) echo '{name} {version}' ;;
esac
"""
"""What a stand-in does: it says what it stands for, and answers Docker's command as a plugin."""


def packed(layout: Layout, files: Mapping[str, bytes], top: str) -> bytes:
    """Return an archive of a layout; a single file is its own archive."""
    if layout.format == "file":
        (content,) = files.values()
        return content
    prefix = f"{top}/" if layout.strip else ""
    buffer = io.BytesIO()
    # The quickest gzip: one of the programs may be large.
    how: dict[str, Any] = {"mode": "w:xz"} if layout.format == "tar.xz" else {"mode": "w:gz", "compresslevel": 1}
    with tarfile.open(fileobj=buffer, **how) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            entry.mode = 0o755 if name in layout.links.values() else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def write_mirror(root: Path, programs: Mapping[str, bytes] | None = None) -> Path:
    """Write a stand-in for every file of the shipped catalogue, and the catalogue with their digests; returns that.

    Args:
        root: Of the mirror; the original domains are its folders.
        programs: By command, a real program instead of the stand-in.
    """
    shipped = load_catalogue()
    changed = YAML(typ="safe", pure=True).load((folder() / ARTIFACTS).read_text(encoding="utf-8"))
    for name, tool in shipped.tools.items():
        for version, release in tool.releases.items():
            for architecture, found in (("amd64", release.amd64), ("arm64", release.arm64)):
                if not isinstance(found, Archive):
                    continue
                files = {
                    target: (programs or {}).get(command, PROGRAM.format(name=command, version=version).encode())
                    for command, target in tool.layout.links.items()
                }
                extra = {} if tool.layout.format == "file" else {"LICENSE": b"of nobody\n"}
                data = packed(tool.layout, {**files, **extra}, f"{name}-{version}-{architecture}")
                path = root / found.mirrored("").removeprefix("https://")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                entry = changed["tools"][name]["releases"][version][architecture]
                entry.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    catalogue = root / ARTIFACTS
    writer = YAML(typ="safe", pure=True)
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the newest release stays first
    with catalogue.open("w", encoding="utf-8") as file:
        writer.dump(changed, file)
    return catalogue


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder and notes what is asked for."""

    def __init__(self, asked: list[str], *args: Any, **named: Any) -> None:
        self.asked = asked
        super().__init__(*args, **named)

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@contextmanager
def served(root: Path, port: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on loopback; yields the address and the paths asked for, in order."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, asked, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main(root: Path, port: int, *programs: str) -> None:
    """Serve stand-ins until somebody ends it; a program is `COMMAND=FILE`, for example a shim that was built."""
    real = {name: Path(file).read_bytes() for name, _, file in (program.partition("=") for program in programs)}
    catalogue = write_mirror(root, real)
    with served(root, port) as (address, _):
        print(f"{address} {catalogue}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
