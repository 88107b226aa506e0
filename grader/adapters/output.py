"""The output folder: written whole beside the old one, then put in its place in one step."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter, ValidationError

from grader.adapters.plainfile import read_plain_file
from grader.adapters.remove import remove_tree
from grader.errors import HostError, IntakeError, UsageError
from grader.model.base import Record, canonical_json
from grader.model.bench import Block, BlockDone, NoiseReading
from grader.model.run import Sample
from grader.model.samplelog import BlockBegun, BlockClosed, LogLine, SampleHeader, SampleTaken, SavedSamples

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_OLD = ".old"
MARKER = "run.json"
"""Every output folder holds this file; a folder without it is somebody else's."""
REPLACED = "this folder was replaced as a whole; `cd .` shows the new one"
"""For who stands in a folder that was written: what they see is the old one, which is empty by now."""
SAMPLES_SUFFIX = ".samples.jsonl"
"""Of the file of raw samples beside an output folder."""
MAX_SAMPLE_BYTES = 64 << 20
"""A campaign of a hundred rounds has a thousandth of it."""
MAX_FOLDER_BYTES = 512 << 20
"""Of an output folder that is written again; what the tools of a grading said has a hundredth of it."""
_LINE: TypeAdapter[LogLine] = TypeAdapter(LogLine)


class OutputFolder:
    """Where one run's results go.

    Invariant: `path` holds either the last complete set of files or the new one, never a mixture.

    Args:
        path: Absolute.  Raises: UsageError for the root folder.

    `was_current` once the folder that a write has replaced was the current one: who stands in it sees nothing there.
    """

    def __init__(self, path: Path) -> None:
        if path.parent == path:
            raise UsageError(f"`{path}` cannot be replaced", where="--out", hint="name a new or empty folder")
        self.path = path
        self.samples = SampleFile(path.with_name(f"{path.name}{SAMPLES_SUFFIX}"))
        self.was_current = False

    def check(self) -> None:
        """Refuse early what could not be written at the end.

        Raises: UsageError if the folder holds other people's files; HostError if it cannot be written.
        """
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / MARKER).is_file():
            raise UsageError(
                f"`{self.path}` holds files that no grading wrote", where="--out", hint="name a new or empty folder"
            )
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"`{self.path}` is not a folder", where="--out", hint="name a new or empty folder")
        with _named_failures(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.path)
            probe = self._stage()
            probe.rmdir()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace the folder's content by `files`, by relative path.

        Raises: HostError if the disk is full or the folder read-only; the old content is then untouched.
        """
        stage: Path | None = None
        with _named_failures(self.path, self.samples.path):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                stage = self._stage()
                for name, data in files.items():
                    target = stage / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    write_synced(target, data)
                stage.chmod(0o755)
                current = _is_current(self.path)
                _put_in_place(stage, self.path)
                self.was_current = current
            finally:
                if stage is not None:
                    shutil.rmtree(stage, ignore_errors=True)

    def files(self) -> dict[str, bytes]:
        """Return all that the folder holds, by relative path.

        Raises: UsageError if no grading wrote it or it holds too much; HostError if it cannot be read.
        """
        if not (self.path / MARKER).is_file():
            raise UsageError(
                f"`{self.path}` is not the folder of a grading", hint="name the folder that `grader grade` wrote"
            )
        found: dict[str, bytes] = {}
        with _named_failures(self.path, doing="read results"):
            for file in sorted(self.path.rglob("*")):
                if file.is_symlink() or not file.is_file():
                    continue
                found[str(file.relative_to(self.path))] = file.read_bytes()
                if sum(map(len, found.values())) > MAX_FOLDER_BYTES:
                    raise UsageError(f"`{self.path}` holds more than {MAX_FOLDER_BYTES:,} bytes")
        return found

    def _stage(self) -> Path:
        return Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", suffix=f".{os.getpid()}", dir=self.path.parent))


class SampleFile:
    """Implements `ports.SampleLog`: a header, then each block with its samples and its reading, a line each.

    Every line is written by one call, so a kill leaves whole lines and at most one half.  While a campaign runs, the
    file is held open: what another run does to the name in the meantime does not mix its samples with ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._out: BinaryIO | None = None

    def saved(self) -> SavedSamples | None:
        """Return the header and all blocks up to the first line that is none; None if there is no header."""
        try:
            lines = read_plain_file(self.path, MAX_SAMPLE_BYTES).split(b"\n")
        except IntakeError:
            return None
        whole = lines[:-1]  # What follows the last line end is half a line, or nothing.
        try:
            header = SampleHeader.model_validate_json(whole[0] if whole else b"")
        except ValidationError:
            return None
        return _blocks(header, whole[1:])

    def set_aside(self) -> str | None:
        """Rename what is there to a name that nothing has yet; None for no file, an empty one or a header alone.

        Raises: HostError if it cannot be renamed.
        """
        saved = self.saved()
        with _named_failures(self.path):
            if not os.path.lexists(self.path) or self.path.lstat().st_size == 0:
                return None
            if saved is not None and not saved.samples and saved.damaged is None:
                return None
            number = 1
            while os.path.lexists(aside := self.path.with_name(f"{self.path.name}.{number}")):
                number += 1
            self.path.rename(aside)
            return str(aside)

    def begin(self, header: SampleHeader, kept: Sequence[BlockDone]) -> _OpenFile:
        """Replace the file by one with these blocks, and return what appends to it at once.

        Raises: HostError, as what is returned does, if it cannot be written.
        """
        with _named_failures(self.path, self.path):
            self.close()
            stage = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.{os.getpid()}")
            # Made anew, so never through a link that somebody put there: others may write this folder too.
            out = stage.open("xb", buffering=0)
            try:
                _write_whole(out, b"".join(map(_line, (header, *_lines(kept)))))
                os.fsync(out.fileno())
                stage.replace(self.path)
            except BaseException:
                out.close()
                stage.unlink(missing_ok=True)
                raise
        self._out = out
        return _OpenFile(self.path, out)

    def drop(self, key: str, began: float) -> None:
        """Remove the file if it is of a campaign `key` that began no later.

        Raises: HostError if it cannot be removed.
        """
        saved = self.saved()
        if saved is not None and saved.header.key == key and saved.header.began <= began:
            with _named_failures(self.path, doing="remove the saved runs, which are kept elsewhere"):
                self.path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the file that was begun here, unless another run has put its own in its place.

        Raises: HostError if it cannot be removed.
        """
        if self._out is None:
            return
        with (
            _named_failures(self.path, doing="remove the saved runs, which are kept elsewhere"),
            contextlib.suppress(FileNotFoundError),
        ):
            if os.path.samestat(os.fstat(self._out.fileno()), self.path.lstat()):
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Write no more; the file stays."""
        if self._out is not None:
            self._out.close()
            self._out = None


class _OpenFile:
    """Implements `ports.SampleWriter` for a file that is held open."""

    def __init__(self, path: Path, out: BinaryIO) -> None:
        self._path = path
        self._out = out

    def begin_block(self, block: Block) -> None:
        self._append(BlockBegun(block=block))

    def add(self, sample: Sample) -> None:
        self._append(SampleTaken(sample=sample))

    def close_block(self, reading: NoiseReading, *, cut: bool = False) -> None:
        self._append(BlockClosed(reading=reading, cut=cut))

    def _append(self, line: LogLine) -> None:
        with _named_failures(self._path, self._path):
            _write_whole(self._out, _line(line))


def _blocks(header: SampleHeader, lines: Sequence[bytes]) -> SavedSamples:
    """Return the blocks that these lines tell of, up to the first that cannot be read or has no place there."""
    done: list[BlockDone] = []
    block: Block | None = None
    loose: list[Sample] = []
    damaged: int | None = None
    for number, data in enumerate(lines, start=2):
        try:
            line = _LINE.validate_json(data)
        except ValidationError:
            damaged = number
            break
        if isinstance(line, BlockBegun) and block is None:
            block = line.block
        elif isinstance(line, SampleTaken) and block is not None:
            loose.append(line.sample)
        elif isinstance(line, BlockClosed) and block is not None:
            done.append(BlockDone(block=block, samples=tuple(loose), reading=line.reading, cut=line.cut))
            block, loose = None, []
        else:
            damaged = number
            break
    return SavedSamples(header=header, blocks=tuple(done), loose=tuple(loose), damaged=damaged)


def _lines(blocks: Iterable[BlockDone]) -> Iterator[LogLine]:
    """Yield the lines that tell of finished blocks."""
    for done in blocks:
        yield BlockBegun(block=done.block)
        yield from (SampleTaken(sample=sample) for sample in done.samples)
        yield BlockClosed(reading=done.reading, cut=done.cut)


def _line(record: Record) -> bytes:
    return canonical_json(record) + b"\n"


def _write_whole(out: BinaryIO, data: bytes) -> None:
    """Write all of it: a raw write may take less, on a disk that is nearly full, and only the next one says why."""
    left = memoryview(data)
    while left:
        left = left[out.write(left) :]


def write_synced(target: Path, data: bytes) -> None:
    """Write a file and see it on the disk."""
    with target.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def replace_file(target: Path, data: bytes, *, backup: Path | None = None) -> None:
    """Replace a file in one step, keeping its mode; `backup` first receives the old bytes.

    Raises: HostError if it cannot be written; the old file is then untouched.
    """
    with _named_failures(target):
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
        if backup is not None:
            shutil.copy2(target, backup)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        stage = Path(name)
        try:
            write_synced(stage, data)
            stage.chmod(mode)
            stage.replace(target)
        except BaseException:
            stage.unlink(missing_ok=True)
            raise


def _sweep(path: Path) -> None:
    """Remove what killed runs left: stages of the folder and of its samples whose process is gone.

    A folder that one had moved away, and not yet replaced, is moved back.
    """
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*"):
        pid = stale.suffix[1:]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                if stale.name == f".{path.name}{_OLD}.{pid}" and not path.exists():
                    stale.rename(path)
                else:
                    remove_tree(stale)


def _is_current(path: Path) -> bool:
    try:
        return path.samefile(Path.cwd())
    except FileNotFoundError:
        return False


def _put_in_place(stage: Path, path: Path) -> None:
    """Swap the stage and the folder; where the file system cannot swap, move the old one away first."""
    if not path.exists():
        stage.rename(path)
        return
    if _exchange(stage, path):
        return
    old = path.with_name(f".{path.name}{_OLD}.{os.getpid()}")
    path.rename(old)
    try:
        stage.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two directories by renameat2(2); False where the kernel or file system has no such call."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    done: int = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0


@contextlib.contextmanager
def _named_failures(path: Path, samples: Path | None = None, *, doing: str = "write results") -> Iterator[None]:
    """Turn what the operating system says into our error, which names the file of `samples` if there is one."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: "free some room, or name a folder on another disk with `--out`",
            errno.EDQUOT: "free some room, or name a folder on another disk with `--out`",
            errno.EROFS: "name a folder that can be written with `--out`",
            errno.EACCES: "name a folder that you may write with `--out`",
            errno.EPERM: "name a folder that you may write with `--out`",
        }
        hint = hints.get(error.errno or 0, "name another folder with `--out`")
        if samples is not None and samples.is_file():
            hint += f"; the timed runs are kept in `{samples}`, and the same command with `--resume` goes on with them"
        raise HostError(f"cannot {doing}: {error.strerror}", where=str(path), hint=hint) from error
