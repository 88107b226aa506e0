"""Builds that run other code, read the host's files, or never end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.hostile.catalogue import Case, Family, Outcome, Place
from tests.hostile.making import DOCKERFILE, command, dockerfile, program, put, source, write

_ANSWERED = Outcome(facts={"native.cli_output@process": "measured"}, criteria={"t1.once": "pass"}, findings=())


def _refused(code: str) -> Outcome:
    return Outcome(
        facts={"native.binary_size@build": f"not_run {code}", "native.cli_output@process": f"not_run {code}"},
        findings=("build-refused",),
    )


def _failed(words: str = "", code: str = "build.failed") -> Outcome:
    return Outcome(
        facts={"native.binary_size@build": f"failed {code}"},
        criteria={"t1.once": "fail"},
        prints={"steps/build-native/stderr": words} if words else {},
    )


def _line(name: str, tries: str, words: str, code: str, before: str = "") -> Case:
    return Case(name, tries, command(words, before), ("build command",), _refused(code))


def _go(
    name: str, tries: str, text: Callable[[Place], str], expect: Outcome, held_by: str, **files: str | bytes
) -> Case:
    return Case(name, tries, source(text, DOCKERFILE, **files), (held_by,), expect)


def _embed(pattern: Callable[[Place], str]) -> Callable[[Place], str]:
    """Return a program that prints what it embedded; the probe would show it in the evidence."""
    return lambda place: (
        'package main\n\nimport (\n\t_ "embed"\n\t"fmt"\n)\n\n'
        f"//go:embed {pattern(place)}\nvar stolen string\n\nfunc main() {{ fmt.Print(stolen) }}\n"
    )


def _embed_by_link(place: Place) -> Path:
    """A link inside the folder to a link inside the folder to the host's file: refused when it is copied."""
    folder = write(place.folder / "lab", main__go=_embed(lambda _: "data/secret.txt")(place), Dockerfile=DOCKERFILE)
    (folder / "data").mkdir()
    (folder / "data/secret.txt").symlink_to("../other")
    (folder / "other").symlink_to(place.canary)
    return folder


def _cgo(directive: str) -> Callable[[Place], str]:
    return lambda place: (
        f'package main\n\n/*\n{directive.replace("CANARY", str(place.canary))}\n*/\nimport "C"\n\nfunc main() {{}}\n'
    )


_BUILD = next(line.removeprefix("RUN ") for line in DOCKERFILE.splitlines() if line.startswith("RUN "))
_REQUIRE = "module x\n\ngo 1.21\n\nrequire example.org/y v1.0.0\n"
_SUMS = "".join(f"example.org/y v1.0.0{part} h1:{'A' * 43}=\n" for part in ("", "/go.mod"))


def _module(go_mod: Callable[[Place], str], import_: str = "", sums: str = "") -> Callable[[Place], Path]:
    """Return how to make a submission with a go.mod, and a Dockerfile that builds its package."""

    def make(place: Place) -> Path:
        text = program('\tanswer("")', top="").replace(
            "import (", f'import (\n\t_ "{import_}"' if import_ else "import ("
        )
        folder = source(lambda _: text, DOCKERFILE)(place)
        put(folder, "go.mod", go_mod(place))
        put(folder, "go.sum", sums)
        return folder

    return make


_HONEST = program('\tanswer("")')
_GENERATE = _HONEST.replace(
    "package main\n", "//go:generate touch /tmp/hostile-generate ../hostile-generate\npackage main\n", 1
)
_BIG_DATA = (
    _HONEST
    + '\nvar hostile = [300 << 20]byte{0: 1}\n\nfunc init() { if os.Getenv("X") != "" { fmt.Print(hostile) } }\n'
)
_MANY = 60_000
_LONG_COMPILE = (
    _HONEST
    + "\nvar hostile = map[string][]any{\n"
    + "".join(f'\t"k{n}": {{{n}, "v{n}", {n}.5}},\n' for n in range(_MANY))
    + "}\n"
    '\nfunc init() { if os.Getenv("X") != "" { fmt.Print(hostile) } }\n'
)

FAMILY = Family(
    "build",
    "The Dockerfile's command, and Go sources that attack their compiler.",
    (
        _line(
            "toolexec",
            "`-toolexec` runs a program in place of each tool.",
            "go build -toolexec /src/evil -o x main.go",
            "gobuild.flag",
        ),
        _line("exec", "`-exec`, `-pkgdir` and `-C` lead elsewhere.", "go build -C /etc -o x main.go", "gobuild.flag"),
        _line(
            "overlay",
            "`-overlay` replaces sources by files of the host.",
            "go build -overlay=/etc/overlay.json -o x main.go",
            "gobuild.flag",
        ),
        _line(
            "modfile",
            "`-modfile` reads another file as go.mod.",
            "go build -modfile=/etc/passwd -o x main.go",
            "gobuild.flag",
        ),
        _line(
            "gcflags",
            "`-gcflags` hands options to the compiler, one of which embeds any file.",
            "go build -gcflags=-embedcfg=/etc/x -o x main.go",
            "gobuild.flag",
        ),
        _line(
            "extld",
            "`-ldflags=-extld` names the linker to run.",
            "go build -ldflags='-linkmode=external -extld=/src/evil' -o x main.go",
            "gobuild.linker-flag",
        ),
        _line(
            "extldflags",
            "`-extldflags` loads a plugin into the linker.",
            "go build -ldflags='-extldflags \"-static -Wl,-plugin,/src/evil\"' -o x main.go",
            "gobuild.linker-flag",
        ),
        Case(
            "output-elsewhere",
            "`-o /etc/cron.d/hostile` writes to the host.",
            command(_BUILD.replace("-o program", "-o /etc/cron.d/hostile")),
            ("build command",),
            _ANSWERED,
        ),
        _line(
            "shell-expansion", "`$(…)` in the command.", "go build -o $(touch /tmp/hostile) main.go", "gobuild.shell"
        ),
        _line(
            "shell-backticks", "Backticks in the command.", "go build -o `touch /tmp/hostile` main.go", "gobuild.shell"
        ),
        _line(
            "shell-sequence",
            "A second command after `;`.",
            "go build -o x main.go ; touch /tmp/hostile",
            "gobuild.shell",
        ),
        _line("shell-pipe", "A pipe into a shell.", "go build -o x main.go | sh", "gobuild.shell"),
        _line(
            "other-command",
            "A second command after `&&`.",
            "touch /tmp/hostile && go build -o x main.go",
            "gobuild.other-command",
        ),
        _line(
            "two-builds",
            "Two builds, of which one is shown and one is shipped.",
            "go build -o x main.go && go build -o y other.go",
            "gobuild.several",
        ),
        _line(
            "package-elsewhere",
            "A package outside the submission.",
            "go build -o x ../../etc/main.go",
            "gobuild.package",
        ),
        _line(
            "goflags",
            "`GOFLAGS` in ENV carries `-toolexec` past the command.",
            "go build -o x main.go",
            "gobuild.variable",
            "ENV GOFLAGS=-toolexec=/src/evil\n",
        ),
        _line(
            "toolchain-variable",
            "`GOTOOLCHAIN` in ENV asks for another compiler.",
            "go build -o x main.go",
            "gobuild.variable",
            "ENV GOTOOLCHAIN=path\n",
        ),
        _line(
            "compiler-variable",
            "`CGO_ENABLED=1` with a C compiler of its own.",
            "CC=/src/evil CGO_ENABLED=1 go build -o x main.go",
            "gobuild.variable",
        ),
        _line(
            "secret-mount",
            "`RUN --mount=type=secret` and a privileged build.",
            "--mount=type=secret,id=x --security=insecure go build -o x main.go",
            "gobuild.run-option",
        ),
        Case(
            "heredoc",
            "The command hides in a here-document.",
            dockerfile("FROM golang:1.21\nRUN <<EOF\ngo build -o x main.go\ntouch /tmp/hostile\nEOF\n"),
            ("build command",),
            _refused("dockerfile.heredoc"),
        ),
        Case(
            "escape-character",
            "`# escape=` changes what a line is.",
            dockerfile("# escape=`\nFROM golang:1.21\nRUN go build -o x main.go\n"),
            ("build command",),
            _refused("dockerfile.escape"),
        ),
        Case(
            "giant-dockerfile",
            "A Dockerfile of 3 MB.",
            dockerfile("FROM golang:1.21\n" + "RUN echo x\n" * 250_000),
            ("build command",),
            Outcome(facts={"native.binary_size@build": "not_run build.too-large"}, findings=("build-refused",)),
        ),
        _go(
            "embed-absolute",
            "`//go:embed` of an absolute path of the host.",
            _embed(lambda place: str(place.canary)),
            _failed("invalid pattern syntax"),
            "build environment",
        ),
        _go(
            "embed-above",
            "`//go:embed ../../..`.",
            _embed(lambda place: "../../../../../../../../.." + str(place.canary)),
            _failed("invalid pattern syntax"),
            "build environment",
        ),
        Case(
            "embed-by-link",
            "`//go:embed` of a link that leads to the host's file.",
            _embed_by_link,
            ("intake",),
            Outcome(exit=2, says=("points out",)),
        ),
        _go(
            "cgo-include",
            "cgo includes a file of the host.",
            _cgo('#include "CANARY"'),
            _failed("no Go source files"),
            "build environment",
        ),
        _go(
            "cgo-flags",
            "`#cgo LDFLAGS` loads a plugin into the linker.",
            _cgo("#cgo LDFLAGS: -Wl,-plugin,/src/evil.so -fplugin=/src/evil.so"),
            _failed("no Go source files"),
            "build environment",
        ),
        _go(
            "cgo-directive",
            "A line directive and `//go:cgo_ldflag`, which only cgo's own output may hold.",
            lambda place: (
                'package main\n\n//line _cgo_gotypes.go:1\n//go:cgo_ldflag "-fplugin=/src/evil.so"\nfunc main() {}\n'
            ),
            _failed("cgo_ldflag"),
            "build environment",
        ),
        _go("generate", "`//go:generate` runs a command.", lambda place: _GENERATE, _ANSWERED, "build environment"),
        Case(
            "toolchain-line",
            "go.mod asks for a toolchain that would be downloaded.",
            _module(lambda place: "module x\n\ngo 1.21\n\ntoolchain go1.99.1\n"),
            ("build environment",),
            _ANSWERED,
        ),
        Case(
            "newer-language",
            "go.mod asks for a version that only another toolchain has.",
            _module(lambda place: "module x\n\ngo 1.99\n"),
            ("build environment",),
            _failed("go.mod requires go >= 1.99"),
        ),
        Case(
            "replace",
            "go.mod replaces a package by a folder of the host.",
            _module(
                lambda place: f"{_REQUIRE}\nreplace example.org/y => {place.canary.parent}\n",
                "example.org/y",
            ),
            ("mount namespace",),
            _failed(),
        ),
        Case(
            "download",
            "Imports a package that would be downloaded, and runs its code when it is.",
            _module(lambda place: _REQUIRE, "example.org/y", _SUMS),
            ("build environment",),
            Outcome(facts={"native.binary_size@build": "not_run build.needs-network"}),
        ),
        _go(
            "giant-program",
            "300 MiB of data in the program.",
            lambda place: _BIG_DATA,
            _failed("", "build.too-large"),
            "disk cap",
        ),
        Case(
            "slow-compile",
            "Source that keeps the compiler busy far beyond the time cap.",
            source(lambda place: _LONG_COMPILE),
            ("time cap",),
            Outcome(facts={"native.binary_size@build": "not_run infra.build-cut-short"}),
            pace="quick builds",
        ),
        _go(
            "many-errors",
            "100,000 mistakes, each with a message.",
            lambda place: "package main\n\nfunc main() {\n" + "\tunknown()\n" * 100_000 + "}\n",
            _failed("too many errors"),
            "output cap",
        ),
    ),
)
