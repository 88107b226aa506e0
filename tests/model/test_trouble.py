"""What may be said of a broken host."""

from __future__ import annotations

import pytest

from grader.errors import HostError
from grader.model.trouble import trouble, without_host_paths


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (
            "bwrap: Can't find source path /users/ann/.cache/x: No such file",
            "bwrap: Can't find source path …: No such file",
        ),
        ("`/users/ann lee/my lab/x` is damaged", "`…` is damaged"),
        ("cannot open /users/ann lee/x, again", "cannot open …, again"),
        ("GOROOT=/opt/go is wrong", "GOROOT=… is wrong"),
        ("/oldroot/users/ann", "…"),
        ("//users/ann/x", "…"),
        ("/src/../users/ann", "…"),
        ("/application/ann", "…"),
        ("/src/main.go:3: undefined: x in /app/main.wasm", "/src/main.go:3: undefined: x in /app/main.wasm"),
        ("/out/program, /tool/wasmtime and /go/src/fmt", "/out/program, /tool/wasmtime and /go/src/fmt"),
        ("Failed to make / slave: Permission denied", "Failed to make / slave: Permission denied"),
        ("net/http and ./main.go or 1/2", "net/http and ./main.go or 1/2"),
    ],
)
def test_host_paths_are_cut_out_and_the_sandboxs_stay(said: str, left: str) -> None:
    assert without_host_paths(said) == left


def test_a_reason_holds_what_happened_and_not_where() -> None:
    reason = trouble("infra.run-broke", HostError("no space left in /users/ann", where="/users/ann/x"))
    assert (reason.code, reason.params) == ("infra.run-broke", {"detail": "no space left in …"})
