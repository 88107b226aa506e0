"""Run `go build` behind the boundary, over a warm build cache that no submission ever writes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader.adapters.toolchains import Installed
from grader.errors import HostError
from grader.model.base import Record, canonical_json, digest
from grader.model.run import Bind, Command, Completed, Limits
from grader.model.trouble import without_host_paths
from grader.ports import Progress, Runner, Store

FIXED_ENV = {
    "CGO_ENABLED": "0",
    "GO111MODULE": "",
    "GOCACHE": "/cache",
    "GOFLAGS": "",
    "GOPROXY": "off",
    "GOROOT": "/go",
    "GOTOOLCHAIN": "local",
    "HOME": "/tmp",
}
"""No network, no other toolchain, no flags from a configuration file."""

OUTPUT = "/out/program"
SOURCE = "/src"

WARM_PACKAGES = (
    "bytes", "context", "embed", "encoding/json", "errors", "flag", "fmt", "html/template", "io", "log", "math/rand",
    "net/http", "os", "os/signal", "strconv", "strings", "sync", "time",
)  # fmt: skip
"""What programs of such labs import, with all that these import; anything else is compiled when it is needed."""

WARM_S = 600.0
"""About 15 s on two idle cores."""


class Variant(Record):
    """What decides whether a compiled standard package can be used again."""

    env: dict[str, str]
    trimmed: bool
    tags: tuple[str, ...]

    @classmethod
    def of(cls, env: Mapping[str, str], flags: Sequence[str]) -> Variant:
        """Return the variant of a build; tags that no standard package knows do not count."""
        tags = {tag for flag in flags if flag.startswith("-tags=") for tag in flag[6:].replace(",", " ").split()}
        return cls(env=dict(sorted(env.items())), trimmed="-trimpath" in flags, tags=tuple(sorted(tags & {"netgo"})))


def go_argv(flags: Sequence[str], packages: Sequence[str]) -> tuple[str, ...]:
    """Return the command as it runs inside the sandbox."""
    return ("/go/bin/go", "build", *flags, "-o", OUTPUT, *packages)


def go_env(env: Mapping[str, str]) -> dict[str, str]:
    """Return all variables of a build inside the sandbox."""
    return {**FIXED_ENV, **env}


class GoCompiler:
    """Builds with one Go toolchain."""

    def __init__(self, go: Installed, runner: Runner, store: Store, progress: Progress) -> None:
        self._go = go
        self._runner = runner
        self._store = store
        self._progress = progress

    def build(
        self, argv: Sequence[str], env: Mapping[str, str], variant: Variant, source: Path, work: Path, timeout_s: float
    ) -> Completed:
        """Run one build of `source`; the program is then `work/out/program`, if it succeeded.

        Raises: HostError if the warm cache cannot be made or the boundary broke.
        """
        (work / "out").mkdir()
        # A copy, because a compiler that reads hostile source must not write what the next build trusts.
        shutil.copytree(self._warm_cache(variant), work / "cache")
        return self._run(argv, env, work, (Bind(source=str(source), target=SOURCE),), timeout_s)

    def _run(
        self, argv: Sequence[str], env: Mapping[str, str], work: Path, binds: Sequence[Bind], timeout_s: float
    ) -> Completed:
        return self._runner.run(
            Command(
                argv=tuple(argv),
                env=go_env(env),
                cwd=SOURCE,
                binds=(
                    Bind(source=str(self._go.root), target="/go"),
                    *binds,
                    Bind(source=str(work / "cache"), target="/cache", writable=True),
                    Bind(source=str(work / "out"), target="/out", writable=True),
                ),
                limits=Limits(timeout_s=timeout_s),
            )
        )

    def _warm_cache(self, variant: Variant) -> Path:
        parts = [self._go.tool.sha256, self._go.tool.version, *WARM_PACKAGES, canonical_json(variant).decode()]
        return self._store.directory(
            "go-cache", digest("\0".join(parts).encode()), lambda folder: self._fill(folder, variant)
        )

    def _fill(self, folder: Path, variant: Variant) -> None:
        target = "/".join(variant.env.get(name, "") for name in ("GOOS", "GOARCH")).strip("/")
        self._progress.note(f"compiling the Go standard library once ({target or 'this host'}, about 15 s)")
        flags = [*(["-trimpath"] if variant.trimmed else []), *(f"-tags={tag}" for tag in variant.tags)]
        with self._store.scratch() as work:
            for name in ("cache", "out", "src"):
                (work / name).mkdir()
            (work / "src").chmod(0o755)  # whatever the umask: it is shown as it is, the other two change hands
            argv = ("/go/bin/go", "build", *flags, *WARM_PACKAGES)
            done = self._run(argv, variant.env, work, (Bind(source=str(work / "src"), target=SOURCE),), WARM_S)
            if done.outcome != "ok":
                said = done.stderr.strip()[:300] or (done.reason.code if done.reason else done.outcome)
                raise HostError(
                    f"the Go standard library cannot be compiled here: {without_host_paths(said)}",
                    where="go build",
                    hint="see what `grader doctor --for grade` misses, then run again",
                )
            shutil.copytree(work / "cache", folder, dirs_exist_ok=True)
