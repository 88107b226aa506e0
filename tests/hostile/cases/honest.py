"""The honest submission that is graded after each family, built anew, by what the hostile ones used too."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.hostile.cases.report import SOLUTION
from tests.hostile.catalogue import Case, Outcome, Place
from tests.hostile.making import HONEST_MODULE, padded, put, wasm

NAME = "the-next-submission"

NATIVE_BYTES = 4_698_112
"""What Go 1.21.13 makes of the reference solution, and of any other with the same instructions."""

WASM_BYTES = 2_456_131
"""What the report of the reference solution says of its module."""


def reference(folder: Path) -> Path:
    """Make the reference solution, with a module that compiles at once and is as large as its report says."""
    shutil.copytree(SOLUTION, folder)
    put(folder, "main.wasm", padded(wasm(HONEST_MODULE.read_text("utf-8")), WASM_BYTES))
    return folder


def _made(after: str) -> Callable[[Place], Path]:
    def make(place: Place) -> Path:
        folder = reference(place.folder / "lab")
        source = (folder / "main.go").read_text("utf-8")
        put(folder, "main.go", f"{source}\n// Graded after {after}.\n")  # another source, so that it is built anew
        return folder

    return make


def following(family: str) -> Case:
    """Return the case that shows that what was hostile left nothing behind in the cache or the toolchain."""
    return Case(
        NAME,
        "Nothing: the reference solution, built anew with the same cache after all cases of its family.",
        _made(family),
        ("facts are ours",),
        Outcome(
            facts={
                "native.binary_size@build": "measured",
                "native.cli_output@process": "measured",
                "native.server_mode@process": "measured",
                "native.startup_time@process": "measured",
                "wasm.binary_size@committed": "measured",
                "wasm.cli_output@wasmtime": "measured",
                "wasm.startup_time@wasmtime-aot": "measured",
            },
            values={
                "native.binary_size@build": NATIVE_BYTES,
                "wasm.binary_size@committed": WASM_BYTES,
                "native.cli_output@process": "valid",
                "wasm.cli_output@wasmtime": "valid",
            },
            criteria={
                "t1.once": "pass",
                "t1.server": "pass",
                "t2.binary_size": "pass",
                "t3.module": "pass",
                "t4.table": "pass",
            },
            verdicts={"native.binary_size": "reproduced", "wasm.binary_size": "reproduced"},
            findings=(),
        ),
    )
