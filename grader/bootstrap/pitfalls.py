"""What makes a lab's commands fail without saying why: the program that looks at lab hosts, run on this one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader.bootstrap.checks import Check

FOLDER = "roles/lab_artifacts/files"
"""Of the program and of the list of checks, from the top of a checkout."""
_TIMEOUT_S = 120


def look(folder: Path, environ: Mapping[str, str], shims: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return what the program found here, with what the list of checks says of each.

    Args:
        shims: Programs that must be there, such as `containerd-shim-wasmtime-v1`.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(folder / "pitfalls.py"), *shims], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_TIMEOUT_S, env=dict(environ), check=True,
        )  # fmt: skip
        seen = json.loads(done.stdout)["checks"]
        known = {
            check["id"]: check for check in json.loads((folder / "checks.json").read_text(encoding="utf-8"))["checks"]
        }
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        params = {"found": f"{type(error).__name__}: {error}"}
        return (Check("pitfalls", "warning", "doctor.tool.failed", params, "install the toolkit again"),)
    return tuple(
        Check(
            one["id"],
            "ok" if one["state"] == "ok" else "warning",
            "doctor.pitfall" if one["state"] == "ok" else "doctor.pitfall.found",
            {"found": one["found"], "expected": one["expected"]},
            "" if one["state"] == "ok" else known[one["id"]]["remedy"],
            known[one["id"]]["prevents"],
        )
        for one in seen
    )
