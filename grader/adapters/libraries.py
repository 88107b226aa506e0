"""Find the shared libraries of a trusted program, so that a sandbox shows exactly those files."""

from __future__ import annotations

import functools
import re
import struct
from pathlib import Path

from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.run import Bind

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
        raise HostError(f"`{program.name}` cannot be read: {error.strerror}", where=str(program)) from error
    libraries = _libraries(str(program), stat.st_size, stat.st_mtime_ns)
    return (Bind(source=str(program), target=target), *(Bind(source=path, target=path) for path in libraries))


@functools.cache
def _libraries(program: str, size: int, mtime_ns: int) -> tuple[str, ...]:
    """Return loader and libraries, sorted; `size` and `mtime_ns` tell a replaced file from the one cached."""
    loader = interpreter(Path(program))
    if loader is None:
        return ()
    listed = spawn([loader, "--list", str(Path(program).absolute())], {}, timeout_s=20, output_bytes=1 << 20)
    if listed.outcome != "ok" or "not found" in listed.stdout:
        raise HostError(
            f"the shared libraries of `{program}` cannot be listed: {(listed.stderr or listed.stdout).strip()[:300]}",
            hint=f"see what `ldd {program}` misses",
        )
    return tuple(sorted({loader, *_LISTED.findall(listed.stdout)}))


def interpreter(program: Path) -> str | None:
    """Return the loader that an ELF file asks for, None for a static one or a file of another kind."""
    with program.open("rb") as file:
        head = file.read(64)
        if len(head) < 52 or head[:4] != b"\x7fELF" or head[5] != 1:
            return None
        wide = head[4] == 2
        offset, entry_size, count = (
            (*struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54))
            if wide
            else (*struct.unpack_from("<I", head, 28), *struct.unpack_from("<HH", head, 42))
        )
        file.seek(offset)
        table = file.read(entry_size * count)
        for start in range(0, len(table) - entry_size + 1, entry_size or 1):
            if struct.unpack_from("<I", table, start)[0] != _PT_INTERP:
                continue
            where, length = (
                (struct.unpack_from("<Q", table, start + 8)[0], struct.unpack_from("<Q", table, start + 32)[0])
                if wide
                else (struct.unpack_from("<I", table, start + 4)[0], struct.unpack_from("<I", table, start + 16)[0])
            )
            file.seek(where)
            return file.read(min(length, 4096)).rstrip(b"\0").decode()
    return None
