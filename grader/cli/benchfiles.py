"""The files of a comparison: where its raw samples go, and what it is asked to write."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from grader.adapters.output import SampleFile, replace_file
from grader.cli.progress import ConsoleProgress
from grader.errors import HostError, StoppedError, UsageError
from grader.model.base import Language, Record
from grader.model.bench import Bench

KEPT_FILES = 50
"""Raw samples of so many comparisons stay in the cache."""


class Targets(Record):
    """What is to be written, None for what is not."""

    export_json: Path | None
    export_csv: Path | None
    export_hyperfine: Path | None
    plot: Path | None
    samples: Path | None

    def check(self) -> None:
        """Refuse early what could not be written at the end.  Raises: UsageError."""
        for option, target in self.model_dump().items():
            if target is not None:
                _refuse(target, f"--{option.replace('_', '-')}")

    def write(self, bench: Bench, language: Language) -> None:
        """Write all but the samples, which are there.  Raises: HostError naming the first that cannot be written."""
        if self.export_json is not None:
            from grader.exports.bench import bench_json

            _write(self.export_json, bench_json(bench))
        if self.export_csv is not None:
            from grader.exports.bench import bench_csv

            _write(self.export_csv, bench_csv(bench))
        if self.export_hyperfine is not None:
            from grader.exports.hyperfine import hyperfine_json

            _write(self.export_hyperfine, hyperfine_json(bench))
        if self.plot is not None:
            from grader.render.benchplot import bench_svg

            _write(self.plot, bench_svg(bench, language))


def _refuse(target: Path, option: str) -> None:
    folder = target.parent
    if target.is_dir() or not folder.is_dir():
        what = "is a folder" if target.is_dir() else f"lies in `{folder}`, which is no folder"
        raise UsageError(f"`{target}` {what}", where=option, hint="name a file in a folder that is there")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise UsageError(f"`{target}` cannot be written", where=option, hint="name a file that you may write")


def _write(target: Path, data: bytes) -> None:
    if target.exists() and not target.is_file():
        target.write_bytes(data)  # A pipe or a device cannot be replaced.
    else:
        replace_file(target, data)


def samples_file(cache: Path) -> Path:
    """Return a new place for raw samples in the cache; the oldest of many are removed."""
    folder = cache / "bench"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = sorted(folder.glob("*.jsonl"), key=lambda file: file.name)
    for file in old[: max(0, len(old) - KEPT_FILES + 1)]:
        file.unlink(missing_ok=True)
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"


@contextmanager
def told_where(log: SampleFile, progress: ConsoleProgress) -> Iterator[None]:
    """Tell where the samples are if the run does not come to its end.

    Raises: StoppedError for an interrupt.
    """
    began = time.time()

    def kept() -> str:
        saved = log.saved()
        if saved is None or saved.header.began < began:  # What an earlier comparison has left there.
            return "no run was begun"
        return f"{len(saved.samples)} runs are kept in `{log.path}`"

    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"interrupted; {kept()}", hint="run the same command again to start afresh") from None
    except HostError as error:
        progress.note(kept())
        if error.where != str(log.path):
            raise
        hint = "free some room, or name a file on another disk with `--samples`"
        raise HostError(error.what, where=error.where, hint=hint) from error
