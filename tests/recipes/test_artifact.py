from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.recipes.artifact import describe, elf_problem, is_compiled_for_wasmedge, wasm_problem

EMPTY_MODULE = b"\0asm\x01\0\0\0"
CUSTOM_SECTION = b"\0\x05\x04name"
COMPILED = b"\0\x0b\x08wasmedge\1\2"
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0" + bytes(46)


def code(data: bytes) -> str | None:
    problem = wasm_problem(data)
    return problem.code if problem else None


def test_whole_modules_and_components_pass() -> None:
    assert code(EMPTY_MODULE) is None
    assert code(EMPTY_MODULE + CUSTOM_SECTION * 3) is None
    assert code(b"\0asm\x0d\0\x01\0" + CUSTOM_SECTION) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (EMPTY_MODULE + CUSTOM_SECTION + COMPILED, True),
        (EMPTY_MODULE + CUSTOM_SECTION, False),
        (EMPTY_MODULE + b"\x0a\x09\x08wasmedge", False),  # a section of another kind
        (EMPTY_MODULE + COMPILED[:-1], False),  # cut
        (EMPTY_MODULE + b"\0\0", False),  # no name
        (ELF + COMPILED, False),
        (b"", False),
    ],
)
def test_native_code_for_wasmedge_is_found_by_the_name_of_its_section(data: bytes, expected: bool) -> None:
    assert is_compiled_for_wasmedge(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "artifact.not-wasm"),
        (b"TODO: build me", "artifact.not-wasm"),
        (b"\0asm\x02\0\0\0", "artifact.wasm-version"),
        (EMPTY_MODULE + CUSTOM_SECTION[:-1], "artifact.wasm-cut"),
        (EMPTY_MODULE + b"\x63\0", "artifact.wasm-cut"),
        (EMPTY_MODULE + b"\0\xff\xff\xff\xff\xff\x01", "artifact.wasm-cut"),
    ],
)
def test_a_module_that_is_none_is_named(data: bytes, expected: str) -> None:
    assert code(data) == expected


def test_a_program_is_told_by_its_header() -> None:
    assert elf_problem(ELF) is None
    problem = elf_problem(b"#!/bin/sh\necho 1")
    assert problem is not None
    assert problem.params == {"found": "text: #!/bin/sh echo 1"}
    assert elf_problem(ELF[:16] + b"\x01" + ELF[17:]) is not None, "an object file cannot be run"


def test_common_mistakes_are_described() -> None:
    assert describe(b"") == "an empty file"
    assert describe(b"version https://git-lfs.github.com/spec/v1\n").startswith("a Git LFS pointer")
    assert describe(b"\x89PNG\r\n\x1a\n") == "binary data that begins with 89 50 4e 47 0d 0a 1a 0a"


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_and_never_raise(data: bytes) -> None:
    describe(data)
    elf_problem(data)
    wasm_problem(data)
    wasm_problem(EMPTY_MODULE + data)


@given(st.binary(max_size=200), st.integers(1, 200))
def test_a_cut_module_is_never_whole(content: bytes, cut: int) -> None:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
    module = EMPTY_MODULE + b"\0" + length + content
    assert code(module) is None
    shorter = module[: -min(cut, len(module) - len(EMPTY_MODULE) - 1)]
    assert code(shorter) == "artifact.wasm-cut"
