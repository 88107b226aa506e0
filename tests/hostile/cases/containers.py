"""The programs and modules of other families again, in images that Docker and containerd run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from grader.adapters.toolchains import find_go
from tests.caching import compiled
from tests.hostile.cases import answers, host, modules, output, processes, servers
from tests.hostile.cases.honest import NATIVE_BYTES, reference
from tests.hostile.catalogue import Case, Family, Outcome, Pace, Place
from tests.hostile.making import module, put

_RECIPE = 'FROM scratch\nCOPY program /program\nENTRYPOINT ["/program"]\n'
_MODULE_RECIPE = 'FROM scratch\nCOPY main.wasm /main.wasm\nENTRYPOINT ["/main.wasm"]\n'
_NATIVE = ("native.cli_output@ctr-runc", "native.cli_output@docker")
_Make = Callable[[Place], str | Path]
_WALLS = ("container", "container's network")


def _compiled(make: _Make) -> _Make:
    """Return how to hand in the program itself: a compiler in each image would take all the time there is."""

    def made(place: Place) -> Path:
        folder = Path(make(place))
        go = find_go()
        assert go is not None  # the arena has looked
        environ = {
            "HOME": str(place.home),
            "GOCACHE": str(compiled()),
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOPROXY": "off",
            "PATH": "/usr/bin:/bin",
        }
        argv = [str(go.program), "build", "-trimpath", "-ldflags=-s -w", "-o", "program", "main.go"]
        subprocess.run(argv, cwd=folder, env=environ, check=True, capture_output=True)
        put(folder, "Dockerfile", _RECIPE)
        return folder

    return made


def _alone(make: _Make) -> _Make:
    """Return how to hand in nothing but the native program."""

    def made(place: Place) -> Path:
        folder = Path(make(place))
        (folder / "main.wasm").unlink()
        return folder

    return made


def _packed(make: _Make) -> _Make:
    def made(place: Place) -> Path:
        folder = Path(make(place))
        put(folder, "Dockerfile.wasm", _MODULE_RECIPE)
        return folder

    return made


_BY_NAME: Mapping[str, Mapping[str, Case]] = {
    family.name: {case.name: case for case in family.cases}
    for family in (answers.FAMILY, host.FAMILY, modules.FAMILY, output.FAMILY, processes.FAMILY, servers.FAMILY)
}


def _again(case: str, came: str, *held_by: str, said: str = "", pace: Pace = "slow runs", never: str = "") -> Case:
    """Return a case whose native program is run by both engines, with the same end."""
    family, _, name = case.partition("/")
    old = _BY_NAME[family][name]
    prints = {f"steps/probe-once-native-{arm}/stdout": said for arm in ("docker", "ctr-runc")} if said else {}
    outcome = Outcome(facts=dict.fromkeys(_NATIVE, came), prints=prints, never=tuple(never))
    return replace(
        old,
        make=_alone(_compiled(old.make)),
        held_by=held_by,
        expect=outcome,
        pace=pace,
        never_without=frozenset(),
        times=1,
    )


def _module(name: str, came: str, *held_by: str, text: str = "", pace: Pace = "slow runs") -> Case:
    """Return a case whose module the shim runs; `text` where the old one knows by its variables where it runs."""
    old = _BY_NAME["modules"][name]
    make = module(text) if text else old.make
    outcome = Outcome(facts={"wasm.cli_output@ctr-wasmtime": came}, never=("\x1b",))
    return replace(old, make=_packed(make), held_by=held_by, expect=outcome, pace=pace, never_without=frozenset())


def _server(name: str, came: str, *held_by: str) -> Case:
    old = _BY_NAME["servers"][name]
    outcome = Outcome(facts={"native.server_mode@docker": came})
    return replace(
        old,
        make=_alone(_compiled(old.make)),
        held_by=held_by,
        expect=outcome,
        pace="servers",
        never_without=frozenset(),
    )


def _reference(place: Place) -> Path:
    return reference(place.folder / "lab")


HONEST = Case(
    "the-next-submission",
    "Nothing: the reference solution, after all that was hostile.",
    _compiled(_packed(_reference)),
    ("facts are ours",),
    Outcome(
        values=dict.fromkeys((*_NATIVE, "native.server_mode@docker", "wasm.cli_output@ctr-wasmtime"), "valid")
        | {"native.binary_size@docker": NATIVE_BYTES},
        facts=dict.fromkeys(("native.startup_time@docker", "wasm.startup_time@ctr-wasmtime"), "measured"),
        criteria=dict.fromkeys(("t1.once", "t1.server", "t2.image", "t2.binary_size", "t3.module"), "pass"),
    ),
    pace="servers",
)


def _image(name: str, tries: str, recipe: str, came: str, *held_by: str, pace: Pace = "slow runs") -> Case:
    """Return a case whose image is the attack."""

    def make(place: Place) -> Path:
        put(place.folder / "lab", "program", "#!/bin/sh\n")
        put(place.folder / "lab", "Dockerfile", f"FROM busybox\n{recipe}")
        return place.folder / "lab"

    return Case(name, tries, make, held_by, Outcome(facts=dict.fromkeys(_NATIVE, came)), pace=pace)


_ENDLESS = '(module (memory (export "memory") 1) (func $f (loop br 0)) (start $f) (func (export "_start")))'
_TOUCH_ALL = """
(module (memory (export "memory") 65536)
  (func (export "_start") (local $at i32)
    (loop
      (i32.store (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if 0 (local.get $at)))))
"""
_SEEN_NOTHING = '"seen": ""'

FAMILY = Family(
    "containers",
    "Programs and modules of the families above, in images: by Docker and by containerd's runc, or the WASM shim.",
    (
        _again("processes/fork-bomb", "failed run.timeout", "container's caps", pace="quick"),
        _again("processes/thread-bomb", "failed probe.exit", "container's caps"),
        _again("processes/sleeper", "failed run.timeout", "container's caps", pace="quick"),
        _again("processes/memory-hog", "failed run.memory-limit", "container's caps"),
        _again("processes/memory-hog-in-a-nameless-file", "failed run.memory-limit", "container's caps"),
        _again("processes/memory-hog-in-children", "failed probe.exit", "container's caps"),
        _again("processes/fills-tmp", "failed probe.exit", "container's caps"),
        _again("processes/daemon", "measured", "container", said="left one behind"),
        _again("processes/daemon-that-holds-the-pipe", "measured", "container", said="left one behind"),
        _again("processes/kill-everything", "measured", "container"),
        _again("processes/core-dump", "failed probe.exit", "container's caps"),
        _again("output/flood-stdout", "failed run.output-limit", "output cap"),
        _again("output/terminal-escapes", "failed probe.exit", "escaping", never="\x1b\x07\x9b"),
        _again("answers/writes-a-grade", "measured", "container", "facts are ours"),
        _again("host/reads-secrets", "measured", "container"),
        _again("host/left-open-descriptors", "measured", "container", said=_SEEN_NOTHING),
        _again("host/takes-the-host-lock", "measured", "container", said=_SEEN_NOTHING),
        _again("host/mounts", "measured", "container", said=_SEEN_NOTHING),
        _again("host/user-namespace", "measured", "container", said=_SEEN_NOTHING),
        _again("host/phones-home", "measured", "container's network", said=_SEEN_NOTHING),
        _again("host/unix-sockets", "measured", *_WALLS, said=_SEEN_NOTHING),
        _again("host/raw-sockets", "measured", "container", said=_SEEN_NOTHING),
        _module("endless-start-function", "failed run.timeout", "container's caps", text=_ENDLESS, pace="quick"),
        _module("four-gibibytes", "failed run.memory-limit", "container's caps", text=_TOUCH_ALL),
        _module("unknown-imports", "failed probe.exit", "wasmtime", "escaping"),
        _module("deep-recursion", "failed probe.exit", "wasmtime"),
        _module("opens-files", "failed probe.exit", "wasmtime", "container"),
        _module("module-flood", "failed run.output-limit", "output cap"),
        _image(
            "names-no-program",
            "Its image names no program, for which the daemon ends as if it was broken itself.",
            "CMD []\n",
            "failed run.not-started",
            "facts are ours",
        ),
        _image(
            "names-no-user",
            "Its image runs as a user that it does not have, to the same end.",
            'USER nobody-here\nCMD ["true"]\n',
            "failed run.not-started",
            "facts are ours",
        ),
        _image(
            "pipe-for-accounts",
            "Has a pipe for `/etc/passwd`, at which Docker and `ctr` would wait for ever, and which no cap ends.",
            'RUN mkdir -p /etc && rm -f /etc/passwd && mkfifo /etc/passwd\nUSER x\nCMD ["true"]\n',
            "failed run.timeout",
            "container's caps",
            pace="quick",
        ),
        _server("leaks", "failed run.memory-limit", "container's caps"),
        _server("floods", "failed run.output-limit", "output cap"),
        _server("forks-when-told-to-stop", "measured", "container"),
    ),
)
