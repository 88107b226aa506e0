"""Tell a program or a WebAssembly module from a file that only has its name."""

from __future__ import annotations

from collections.abc import Iterator

from grader.model.base import Message

_WASM_MAGIC = b"\0asm"
_WASM_KINDS = (b"\x01\0\0\0", b"\x0d\0\x01\0")
"""Version and layer of a core module and of a component."""
_MAX_SECTION_ID = 13
"""Tag section, the last of the core specification; components have 11 of their own."""


def elf_problem(data: bytes) -> Message | None:
    """Return why `data` is no ELF program, None if it begins as one."""
    if data[:4] == b"\x7fELF" and len(data) >= 52 and data[16] in (2, 3):
        return None
    return Message(code="artifact.not-a-program", params={"found": describe(data)})


def wasm_problem(data: bytes) -> Message | None:
    """Return why `data` is no WebAssembly module or component, None if header and sections are whole.

    Source: WebAssembly Core Specification 2.0, section 5.5.2; what is inside a section is the compiler's to check.
    """
    if data[:4] != _WASM_MAGIC:
        return Message(code="artifact.not-wasm", params={"found": describe(data)})
    if data[4:8] not in _WASM_KINDS:
        return Message(code="artifact.wasm-version", params={"found": data[4:8].hex()})
    at = 8
    for _, start, size in _sections(data):
        at = start + size
    if at < len(data):
        return Message(code="artifact.wasm-cut", params={"offset": at, "size": len(data)})
    return None


def is_compiled_for_wasmedge(data: bytes) -> bool:
    """Return whether a module carries native code for WasmEdge, which then runs that and interprets nothing.

    Source: WasmEdge, lib/loader/ast/module.cpp `loadModule`: a custom section of that name.
    """
    if data[:4] != _WASM_MAGIC:
        return False
    names = (_name(data, start) for kind, start, _ in _sections(data) if kind == 0)
    return any(name == b"wasmedge" for name in names)


def _sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the whole sections from the first on: id, where the content begins, and its size."""
    at = 8
    while at < len(data):
        size, start = _leb128(data, at + 1)
        if data[at] > _MAX_SECTION_ID or size is None or start + size > len(data):
            return
        yield data[at], start, size
        at = start + size


def _name(data: bytes, at: int) -> bytes:
    size, start = _leb128(data, at)
    return data[start : start + (size or 0)]


def describe(data: bytes) -> str:
    """Say in a few words what a file holds, for a person who expected something else."""
    if not data:
        return "an empty file"
    if data.startswith(b"version https://git-lfs."):
        return "a Git LFS pointer, not the file it stands for"
    if data.startswith(b"\x7fELF"):
        return "an ELF program"
    if data.startswith(_WASM_MAGIC):
        return "WebAssembly"
    head = data[:64]
    try:
        text = head.decode("utf-8").strip()
    except UnicodeDecodeError:
        return f"binary data that begins with {head[:8].hex(' ')}"
    if all(c.isprintable() or c.isspace() for c in text):
        return f"text: {' '.join(text.split())[:40]}"
    return f"binary data that begins with {head[:8].hex(' ')}"


def _leb128(data: bytes, at: int) -> tuple[int | None, int]:
    """Read an unsigned 32-bit LEB128 number; None if it is cut or too long."""
    value = 0
    for index in range(5):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    return None, at
