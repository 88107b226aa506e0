"""What a grading in real engines needs beside them: a lab that starts few containers, and a submission."""

from __future__ import annotations

import shutil
from pathlib import Path

from ruamel.yaml import YAML

from grader.adapters.labfile import labs_directory
from tests.engines.base import BASE

SHIPPED = labs_directory() / "lab12-f25"
_NATIVE = ["docker", "ctr-runc"]
_ANSWER = """\
now=$(date +%s)
wall=$(date -u -d @$((now + 10800)) '+%Y-%m-%d %H:%M:%S')
printf '{"moscow_time": "%s", "timestamp": %s}\\n' "$wall" "$now"
"""


def container_lab(parent: Path, run_timeout_s: float, build_timeout_s: float, *, whole: bool = True) -> Path:
    """Make the shipped lab smaller: one round, containers alone, and the native program is a file called `program`.

    What is graded is the same; the image is built and run as ever, and only the second build of the program, without a
    container, is left out.

    Args:
        whole: Whether servers are asked and starts are timed; programs are asked once in any case.
    """
    folder = Path(shutil.copytree(SHIPPED, parent / SHIPPED.name))
    yaml = YAML()
    lab = yaml.load(folder / "lab.yml")
    lab["parameters"] |= {"rounds": 1, "warmups": 0, "memory_runs": 1, "run_timeout_s": run_timeout_s}
    lab["inputs"]["sources"] += ["program"]
    lab["steps"]["native"]["first_of"] = [{"kind": "file", "file": "program"}]
    lab["steps"]["wasm"]["first_of"] = lab["steps"]["wasm"]["first_of"][:1]
    for source in lab["images"].values():
        source["timeout_s"] = build_timeout_s
    lab["metrics"]["cli_output"]["arms"]["native"] = [*_NATIVE, "process"]
    none: dict[str, list[str]] = {"native": [], "wasm": []}
    arms = {"native": _NATIVE, "wasm": ["ctr-wasmtime"]}
    lab["probes"]["once"]["arms"] = arms
    lab["probes"]["server"] |= {"starts": 1, "arms": {"native": ["docker"], "wasm": []} if whole else none}
    lab["probes"]["wagi"]["arms"] = none
    lab["timing"] |= {"arms": arms if whole else none, "ratios": lab["timing"]["ratios"][:3] if whole else []}
    yaml.dump(lab, folder / "lab.yml")
    return folder


def answering(folder: Path, words: str = "") -> Path:
    """Write a submission whose image answers as the lab asks, by a shell script; `words` make it another one."""
    folder.mkdir(parents=True)
    (folder / "program").write_text(f"#!/bin/sh\n# {words}\n{_ANSWER}", "utf-8")
    recipe = f'FROM {BASE}\nCOPY program /program\nRUN chmod 755 /program\nENTRYPOINT ["/program"]\n'
    (folder / "Dockerfile").write_text(recipe, "utf-8")
    return folder
