"""Build an image for `wasi/wasm` with buildah: no daemon, nothing that is fetched, and nothing that is run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from grader.adapters.containerfile import host_platform, image_of
from grader.adapters.disk import usage
from grader.adapters.host import tool
from grader.adapters.imageresult import ARCHIVE, broken_off, limit_met, log_of, not_built
from grader.adapters.ociarchive import OciArchive
from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.base import Message
from grader.model.host import Tool
from grader.model.image import Image, ImageResult
from grader.model.lab import ImageSource
from grader.model.run import Completed
from grader.model.trouble import without_host_paths
from grader.recipes.buildlog import why_not_built
from grader.recipes.oci import Platform

MAX_DISK = 1 << 30
_OUTPUT_BYTES = 1 << 20
_NAME = "lab-grader/image"
_AT_A_STEP = "building at STEP"
"""Stands in what buildah says of an instruction that failed, and in nothing that it says of itself."""
_FORMAT = ("--format", "oci", "--timestamp", "0", "--layers=false")
"""With one time for all files the same module gives the same image, byte for byte."""


class Buildah:
    """Buildah with a storage of its own for each build."""

    def __init__(self, program: Path) -> None:
        self._program = program

    @classmethod
    def find(cls, search_path: str) -> Buildah | Message:
        """Return it, or why it cannot be used: a plain user lacks the ids that it gives to files."""
        found = shutil.which("buildah", path=search_path)
        if found is None:
            return Message(code="engine.tool-missing", params={"tool": "buildah"})
        if os.geteuid() != 0:
            return Message(code="engine.needs-root", params={"tool": "buildah"})
        return cls(Path(found))

    def tool(self) -> Tool:
        """Return its version and digest."""
        return tool("buildah", self._program, (str(self._program), "--version"))

    def argv(self, source: ImageSource) -> tuple[str, ...]:
        """Return the line that is run, without what is only of one run."""
        platform = ("--platform", source.platform)
        return ("buildah", "bud", *platform, *_FORMAT, "--pull-never", "--file", source.file, ".")

    def build(
        self, subject: str, source: ImageSource, context: Path, file: Path, out_dir: Path, work: Path
    ) -> ImageResult:
        """Build the image of a recipe that was checked, and write its archive into `out_dir`.

        Args:
            work: An empty folder for what is needed meanwhile.
        Raises: HostError if buildah or this host broke.
        """
        argv = self.argv(source)
        done = self._run(
            work, *argv[1:-3], "--tag", _NAME, "--file", str(file), str(context), timeout_s=source.timeout_s
        )
        if done.outcome != "ok":
            return _failed(subject, argv, done)
        target = f"oci-archive:{out_dir / ARCHIVE}:{subject}"
        pushed = self._run(work, "push", "--quiet", _NAME, target, timeout_s=source.timeout_s)
        if pushed.outcome != "ok":
            raise HostError(f"buildah cannot write the image: {log_of(pushed)[-200:].strip()}", where="buildah")
        image = self._image(subject, out_dir / ARCHIVE, Platform.parse(source.platform))
        return ImageResult(subject=subject, state="built", image=image, argv=argv, log=log_of(done))

    def _image(self, subject: str, archive: Path, wanted: Platform) -> Image:
        with OciArchive.open(archive) as opened:
            found = opened.image(wanted, host_platform())
            return image_of(subject, archive, opened, found, found.sizes)

    def _run(self, work: Path, *words: str, timeout_s: float) -> Completed:
        folders = [work / name for name in ("root", "run", "home", "tmp")]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        root, run, home, temporary = map(str, folders)
        storage = ("--root", root, "--runroot", run, "--storage-driver", "vfs")
        env = {"HOME": home, "TMPDIR": temporary, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}

        def watch() -> Message | None:
            over = usage([root, temporary], MAX_DISK) > MAX_DISK
            return Message(code="run.disk-limit", params={"bytes": MAX_DISK}) if over else None

        line = (str(self._program), *storage, *words)
        return spawn(line, env, timeout_s=timeout_s, output_bytes=_OUTPUT_BYTES, watch=watch)


def _failed(subject: str, argv: tuple[str, ...], done: Completed) -> ImageResult:
    log = log_of(done)
    limit = limit_met(done)
    if limit is not None:
        return not_built(subject, "failed", argv, limit, log)
    if done.exit_code is None:
        raise broken_off("buildah", done)
    if _AT_A_STEP not in log:
        raise HostError(f"buildah: {without_host_paths(_last_line(log))}", where="buildah", hint="see `buildah info`")
    own, reason = why_not_built(log, done.exit_code, stand_in=False)
    if not own and reason.ours:
        raise HostError(f"buildah: {reason.params.get('said')}", where="buildah")
    return not_built(subject, "failed" if own else "not_run", argv, reason, log)


def _last_line(log: str) -> str:
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "no reason given")[:300]
