"""Find the shared libraries of a trusted program, so that a sandbox shows exactly those files."""

from __future__ import annotations

import functools
import re
import struct
from pathlib import Path

from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.run import Bind
from grader.model.trouble import without_host_paths

_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_PT_INTERP = 3
_LISTED = re.compile(r"(?:=>\s*|^\s*)(/\S+) \(0x[0-9a-f]+\)", re.MULTILINE)


def program_binds(program: Path, target: str) -> tuple[Bind, ...]:
    """Return the binds that let `program` run as `target`: the file, its loader and its libraries.

    Libraries keep their own paths.  The loader runs the program's dynamic section to list them, so this is for
    programs that we trust, never for one of a submission.

    Raises: HostError if there is no such program or its loader cannot resolve it.
    """
    try:
        stat = program.stat()
    except OSError as error:
        raise HostError(
            f"`{program.name}` cannot be read: {error.strerror}", where=str(program), hint="install it again"
        ) from error
    libraries = _libraries(str(program), stat.st_size, stat.st_mtime_ns)
    return (Bind(source=str(program), target=target), *(Bind(source=path, target=path) for path in libraries))


@functools.cache
def _libraries(program: str, size: int, mtime_ns: int) -> tuple[str, ...]:
    """Return loader and libraries, sorted; `size` and `mtime_ns` tell a replaced file from the one cached."""
    loader = interpreter(Path(program))
    if loader is None:
        return ()
    listed = spawn([loader, "--list", str(Path(program).absolute())], {}, timeout_s=20, output_bytes=1 << 20)
    said = (listed.stderr or listed.stdout).strip()
    if listed.outcome != "ok" or "not found" in listed.stdout:
        raise HostError(
            f"the shared libraries of `{Path(program).name}` cannot be listed: {without_host_paths(said)[:300]}",
            where=program,
            hint=f"see what `ldd {program}` misses",
        )
    return tuple(sorted({loader, *_LISTED.findall(listed.stdout)}))


def interpreter(program: Path) -> str | None:
    """Return the loader that a 64-bit ELF file asks for, None for a static one or a file of another kind.

    Source: elf(5).
    """
    try:
        with program.open("rb") as file:
            head = file.read(64)
            if head[:6] != _ELF64_LITTLE_ENDIAN:
                return None
            (table_at,) = struct.unpack_from("<Q", head, 32)
            entry_size, count = struct.unpack_from("<HH", head, 54)
            for number in range(count):
                file.seek(table_at + number * entry_size)
                kind, _, where, _, _, length = struct.unpack("<IIQQQQ", file.read(40))
                if kind == _PT_INTERP:
                    file.seek(where)
                    return file.read(min(length, 4096)).rstrip(b"\0").decode()
    except (struct.error, ValueError, OverflowError):
        return None  # Cut off, or no ELF file after all.
    return None
