from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from grader.adapters.libraries import interpreter, program_binds
from grader.errors import HostError


def test_dynamic_program_is_bound_with_its_loader_and_exactly_its_libraries() -> None:
    program = Path("/bin/ls")
    loader = interpreter(program)
    assert loader is not None
    binds = program_binds(program, "/tools/ls")
    assert (binds[0].source, binds[0].target) == ("/bin/ls", "/tools/ls")
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = {word for word in listed.split() if word.startswith("/")}
    assert {bind.source for bind in binds[1:]} == libraries
    assert loader in libraries
    assert all(bind.source == bind.target and not bind.writable for bind in binds[1:])


def test_static_program_needs_nothing_else(attack: Path) -> None:
    assert [bind.target for bind in program_binds(attack, "/app/attack")] == ["/app/attack"]


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x02\x01" + b"\xff" * 200, bytes(100)])
def test_file_of_another_kind_has_no_loader(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert interpreter(path) is None


def test_missing_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be read"):
        program_binds(tmp_path / "nothing", "/x")
