"""Where the raw samples of a comparison go, and what is told of them when it does not come to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from grader.adapters.output import SampleFile
from grader.cli.progress import ConsoleProgress
from grader.errors import GraderError, StoppedError, UsageError

KEPT_FILES = 50
"""Raw samples of so many comparisons stay in the cache."""


def refuse_no_samples(target: Path) -> None:
    """Raises: UsageError for what is there and holds something else than samples; an empty file holds nothing."""
    there = os.path.lexists(target)
    if there and (not target.is_file() or target.stat().st_size > 0) and SampleFile(target).saved() is None:
        what = f"`{target}` is there and holds no runs that a comparison has saved"
        raise UsageError(what, where="--samples", hint="name a new file")


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
    """Tell where the samples are if the run does not come to its end, whatever the reason.

    Raises: StoppedError for an interrupt.
    """
    began = time.time()

    def kept() -> str:
        saved = log.saved()
        if saved is None or saved.header.began < began:  # What an earlier comparison has left there.
            return ""
        number = len(saved.samples)
        if number == 0:
            return ""
        return f"{number} {'run is' if number == 1 else 'runs are'} kept in `{log.path}`"

    try:
        yield
    except KeyboardInterrupt:
        hint = "run the same command again to start afresh; what is kept stays"
        raise StoppedError(f"interrupted; {kept() or 'no run had ended'}", hint=hint) from None
    except GraderError as error:
        if error.where == str(log.path):
            error.hint = "free some room, or name a file on another disk with `--samples`"
        error.hint = "; ".join(filter(None, (error.hint, kept())))
        raise
    except Exception:  # A mistake of ours must not hide them either.
        if runs := kept():
            progress.note(runs)
        raise
