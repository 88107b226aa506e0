"""Folders that change while they are read, hold what is no file, or are larger than they look."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

from tests.hostile.cases.report import SOLUTION
from tests.hostile.catalogue import Case, Family, Outcome, Place
from tests.hostile.making import DOCKERFILE, SILENT_MODULE, program, put, table, wasm
from tests.meanwhile import meanwhile

_HELD_BY = ("intake",)
_READ = Outcome(criteria={"t4.table": "pass", "t1.once": "fail"})


_EITHER = Outcome(exit=(0, 2))
"""A race has two ends: refused, or read at a moment when all was honest, with a file or without.

What the grade is then, and what is found, hangs on the moment: only what it must never hold can be told beforehand.
"""
_EITHER_WHOLE = replace(_EITHER, criteria=_READ.criteria, findings=())


def _refused(says: str) -> Outcome:
    return Outcome(exit=2, says=(says,))


def _with(change: Callable[[Path, Place], object]) -> Callable[[Place], Path]:
    """Return how to make a folder with an honest report and what `change` adds to it."""

    def make(place: Place) -> Path:
        folder = put(place.folder, "lab/submission12.md", table()).parent
        change(folder, place)
        return folder

    return make


def _sparse(folder: Path, place: Place) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 40)


def _socket(folder: Path, place: Place) -> None:
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as ear:  # by a short way: the name of a socket has 107 bytes at most
        ear.bind(f"/proc/self/fd/{here}/main.go")
    os.close(here)


def _deep(folder: Path, place: Place) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3_000):  # longer than any path that the kernel takes
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def _many(folder: Path, place: Place) -> None:
    (folder / "many").mkdir()
    here = os.open(folder / "many", os.O_RDONLY)
    for number in range(20_500):
        os.mknod(str(number), dir_fd=here)
    os.close(here)


def _names(folder: Path, place: Place) -> None:
    for name in (
        "a\nb",
        "\u202egpj",
        "\x1b]0;hostile\x07",
        "-rf",
        "--help",
        "$(touch hostile)",
        "=1+1",
        " ",
        "a" * 255,
    ):
        put(folder, name, "x")


def _repository(folder: Path, place: Place) -> None:
    """Hooks, a file system monitor, filters and a pager: each would leave a mark in the home folder."""
    mark = f"touch {place.home}/hostile-git"
    git = folder / ".git"
    put(git, "HEAD", "ref: refs/heads/main\n")
    put(
        git,
        "config",
        f"[core]\n\tfsmonitor = {mark}\n\tpager = {mark}\n\tsshCommand = {mark}\n[alias]\n\tst = !{mark}\n",
    )
    for hook in ("post-checkout", "pre-commit", "fsmonitor-watchman"):
        put(git, f"hooks/{hook}", f"#!/bin/sh\n{mark}\n").chmod(0o755)
    (git / "objects").mkdir()
    (git / "refs").mkdir()


def _committed(place: Place) -> str:
    """Return a real repository of an honest report whose configuration runs programs, read by `git:`."""
    folder = put(place.folder, "lab/submission12.md", table()).parent
    put(folder, ".gitattributes", "* filter=hostile diff=hostile export-subst ident\n")
    mark = f"touch {place.home}/hostile-git"
    clean = {"PATH": os.environ["PATH"], "HOME": str(place.home), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *words], cwd=folder, env=clean, check=True, capture_output=True)
    settings = {
        "core.fsmonitor": mark, "core.pager": mark, "core.sshCommand": mark, "core.hooksPath": ".",
        "filter.hostile.smudge": mark, "filter.hostile.process": mark, "diff.hostile.textconv": mark,
        "uploadpack.packObjectsHook": mark, "include.path": str(place.canary), "core.alternateRefsCommand": mark,
    }  # fmt: skip
    for name, value in settings.items():
        subprocess.run(["git", "config", name, value], cwd=folder, env=clean, check=True)
    put(folder, ".git/objects/info/alternates", str(place.home) + "\n")
    return f"git:{folder}@main"


def _own_results(folder: Path, place: Place) -> None:
    forged = '{"schema": "grader/grade/1", "score": {"points": 10, "max": 10, "state": "final"}}'
    for path in ("grade.json", "run.json", "grader-out/x/grade.json", "steps/time/meta.json", "marks.json"):
        put(folder, path, forged)
    put(folder, "samples.csv", "arm,round\nprocess,0\n")


def _own_lab(folder: Path, place: Place) -> None:
    """A lab definition of its own, programs that Python and Go might take, and settings."""
    leave = f"open({str(place.home / 'hostile-import')!r}, 'w')\n"
    for name in ("typer", "json", "pydantic", "sitecustomize", "usercustomize", "grader/__init__", "numpy"):
        put(folder, f"{name}.py", leave)
    put(folder, "lab.yml", "id: lab12-f25\nrubric: []\n")
    put(folder, "labs/lab12-f25/lab.yml", "id: lab12-f25\nrubric: []\n")
    put(folder, "pyproject.toml", "[tool.grader]\ntrust = true\n")
    put(folder, ".env", "GRADER_LAB=lab.yml\n")
    put(folder, "go", f"#!/bin/sh\ntouch {place.home}/hostile-go\n").chmod(0o755)
    put(folder, "bwrap", f"#!/bin/sh\ntouch {place.home}/hostile-bwrap\n").chmod(0o755)


def _raced(place: Place) -> Path:
    folder = place.folder / "lab"
    put(folder, "submission12.md", table())
    put(folder, "Dockerfile", DOCKERFILE)
    put(folder, "main.go", program('\tanswer("")'))
    put(folder, "main.wasm", wasm(SILENT_MODULE))
    put(folder, "notes/honest.txt", "x" * 100_000)
    return folder


def _swapping(place: Place) -> AbstractContextManager[None]:
    """Turn files and a folder into links to a secret and back, thousands of times, while they are read."""
    folder = place.folder / "lab"

    def swap(over: threading.Event) -> None:
        turn = 0
        while not over.is_set():
            for name in ("submission12.md", "main.go", "Dockerfile", "notes"):
                honest, link = folder / name, folder / f".{name}.{turn}"
                with suppress(OSError):
                    link.symlink_to(place.canary.parent if name == "notes" else place.canary)
                    kept = folder / f".{name}.kept"
                    honest.rename(kept)
                    link.rename(honest)
                    honest.unlink()
                    kept.rename(honest)
            turn += 1

    return meanwhile(swap)


def _growing(place: Place) -> AbstractContextManager[None]:
    """Let the report grow without end while it is read."""

    def grow(over: threading.Event) -> None:
        with (place.folder / "lab/submission12.md").open("a") as file:
            while not over.is_set():
                file.write("x" * 4096)
                file.flush()
                over.wait(0.0005)

    return meanwhile(grow)


def _renamed(name: str) -> Callable[[Place], Path]:
    """Return how to make the reference solution in a folder of this name."""

    def make(place: Place) -> Path:
        folder = place.folder / name
        folder.mkdir(parents=True)
        shutil.copyfile(SOLUTION / "submission12.md", folder / "submission12.md")
        return folder

    return make


def _case(name: str, tries: str, change: Callable[[Path, Place], object], expect: Outcome) -> Case:
    return Case(name, tries, _with(change), _HELD_BY, expect, memory_mb=400)


def _linked(folder: Path, place: Place) -> None:
    (folder / "main.go").symlink_to(place.canary)


def _linked_report(folder: Path, place: Place) -> None:
    (folder / "submission12.md").unlink()
    (folder / "submission12.md").symlink_to(place.canary)
    put(folder, "main.go", "package main")


def _linked_beside(folder: Path, place: Place) -> None:
    (folder / "submission12.md").unlink()
    (folder.parent / "submission12.md").symlink_to(place.canary)
    put(folder, "main.go", "package main")


def _circle(folder: Path, place: Place) -> None:
    for name, target in (("a", "b"), ("b", "a"), ("up", ".")):
        (folder / name).symlink_to(target)


FAMILY = Family(
    "folder",
    "Folders, repositories and names.",
    (
        _case(
            "link-to-a-secret",
            "`main.go` is a link to a file of the host.",
            _linked,
            _refused("points out"),
        ),
        _case(
            "report-is-a-link",
            "The report is a link to a file of the host.",
            _linked_report,
            _refused("points out"),
        ),
        _case(
            "report-beside-is-a-link",
            "A report beside the folder is a link to a file of the host.",
            _linked_beside,
            _refused("not a plain file"),
        ),
        _case(
            "link-circle",
            "Links that lead to each other, and to the folder above.",
            _circle,
            _READ,
        ),
        _case(
            "pipe",
            "`main.go` is a pipe at which a reader waits for ever.",
            lambda folder, place: os.mkfifo(folder / "main.go"),
            _refused("plain file"),
        ),
        _case("socket", "`main.go` is a socket.", _socket, _refused("plain file")),
        _case("sparse-file", "A file of 1 TB that takes no room.", _sparse, _refused("more than 268435456 bytes")),
        _case("deep-folders", "Folders 3,000 deep, beyond the longest path.", _deep, _refused("nested deeper than 32")),
        _case("many-files", "20,500 files.", _many, _refused("more than 20000")),
        _case("names", "Names with newlines, escapes, bidi marks, options, shell and formulas.", _names, _READ),
        _case("repository", "A `.git` folder with hooks and settings that run programs.", _repository, _READ),
        Case(
            "git-settings",
            "A repository whose settings and attributes run programs, read by `git:`.",
            _committed,
            _HELD_BY,
            _READ,
        ),
        _case(
            "own-results",
            "Brings `grade.json`, `samples.csv`, marks and a `grader-out` of its own.",
            _own_results,
            _READ,
        ),
        Case(
            "own-lab",
            "Brings a lab definition, Python modules, settings and programs, and is graded from within.",
            _with(_own_lab),
            ("isolated start",),
            _READ,
            inside=True,
        ),
        Case(
            "symlink-race",
            "Files become links to a secret and back, thousands of times, while they are read.",
            _raced,
            _HELD_BY,
            _EITHER,
            meanwhile=_swapping,
            changes_itself=True,
            times=3,
        ),
        Case(
            "growing-report",
            "The report grows while it is read.",
            _with(lambda folder, place: None),
            _HELD_BY,
            _EITHER_WHOLE,
            meanwhile=_growing,
            changes_itself=True,
            times=3,
        ),
        Case(
            "name-of-the-folder",
            "The folder is called as an option, with a newline, an escape, a formula and shell.",
            _renamed("--trust\n\x1b]0;hostile\x07=cmd|$(touch hostile)\u202e'\""),
            ("escaping",),
            Outcome(criteria={"t4.table": "pass"}, never=("\x1b", "\u202e")),
        ),
    ),
)
