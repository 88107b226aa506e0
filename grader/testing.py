"""A fake of each port, for tests here and in whatever builds on this package."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from grader.model.base import Message, digest
from grader.model.host import Fingerprint, Tool
from grader.model.lab import BuildSource, Probe, Step
from grader.model.run import Artifact, BuildResult, Command, Completed, Limits
from grader.ports import Call, SandboxStatus


def completed(stdout: str = "", **changes: object) -> Completed:
    """Return a run that went well, or with `changes` one that did not."""
    good: dict[str, object] = {
        "argv": ("/program",),
        "outcome": "ok",
        "exit_code": 0,
        "stdout": stdout,
        "stderr": "",
        "first_output_s": 0.001 if stdout else None,
        "total_s": 0.002,
    }
    return Completed.model_validate(good | changes)


class FakeRunner:
    """A boundary that answers with what `script` says; `commands` are all that it was asked to run."""

    def __init__(self, script: Callable[[Command], Completed], *, missing: Message | None = None) -> None:
        self.script = script
        self.missing = missing
        self.commands: list[Command] = []

    def status(self) -> SandboxStatus:
        return SandboxStatus(works=self.missing is None, kind="fake", reason=self.missing)

    def run(self, command: Command) -> Completed:
        self.commands.append(command)
        return self.script(command)

    def noop(self) -> Command:
        return Command(argv=("/noop",))


class FakeEngine:
    """An engine whose builds and runs are given.

    Args:
        builds: By subject, what its build gives; a callable is asked each time and may raise.
        runs: By arm, what a run of it gives; the control arm gives an empty success unless named.
        missing: By capability, why it is not there.

    `built` and `ran` record every build and every run by subject and arm, in order.
    """

    name = "fake"

    def __init__(
        self,
        builds: Mapping[str, Callable[[BuildSource, Path], BuildResult]],
        runs: Mapping[str, Callable[[], Completed]],
        missing: Mapping[str, Message] | None = None,
        tools: tuple[Tool, ...] = (),
    ) -> None:
        self.builds = builds
        self.runs = runs
        self.missing = missing or {}
        self._tools = tools
        self.built: list[str] = []
        self.ran: list[str] = []

    def capabilities(self) -> Mapping[str, Message | None]:
        there: dict[str, Message | None] = {f"build:{subject}": None for subject in self.builds}
        there |= {f"arm:{arm}": None for arm in self.runs}
        return {"tool:go": None, "probe:stdout_json": None, **there, **self.missing}

    def tools(self) -> tuple[Tool, ...]:
        return self._tools

    def build(self, subject: str, step: Step, source: BuildSource, source_dir: Path, out_dir: Path) -> BuildResult:
        self.built.append(subject)
        return self.builds[subject](source, out_dir)

    def build_call(self, source: BuildSource, source_dir: Path) -> Call | Message:
        return Call(argv=("/build", source.kind), env={"CGO_ENABLED": "0"})

    def prepare_call(self, arm: str) -> Call | None:
        return Call(argv=("/compile",)) if arm.endswith("-aot") else None

    def prepare(self, arm: str, artifact: Artifact, out_dir: Path) -> Artifact:
        return artifact

    def command(self, arm: str, artifact: Artifact | None, probe: Probe, limits: Limits) -> Command:
        return Command(argv=(f"/{arm}",), env=probe.env, limits=limits)

    def run_once(self, command: Command) -> Completed:
        arm = command.argv[0].removeprefix("/")
        self.ran.append(arm)
        return self.runs[arm]()


def artifact_file(out_dir: Path, subject: str, data: bytes, **changes: object) -> Artifact:
    """Write an artifact as a build would and return its record."""
    path = out_dir / subject
    path.write_bytes(data)
    made = Artifact(subject=subject, label="build", sha256=digest(data), size=len(data), path=str(path))
    return made.model_copy(update=changes)


class FakeLock:
    """A lock that only writes down who held it: `events` is a sequence of `+shared`, `-shared`, …"""

    def __init__(self) -> None:
        self.events: list[str] = []

    @contextmanager
    def shared(self) -> Iterator[None]:
        yield from self._hold("shared")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield from self._hold("exclusive")

    def _hold(self, mode: str) -> Iterator[None]:
        self.events.append(f"+{mode}")
        try:
            yield
        finally:
            self.events.append(f"-{mode}")


class FakeStore:
    """A store below one directory; results live in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results: dict[tuple[str, str], bytes] = {}

    def load(self, kind: str, key: str) -> bytes | None:
        return self.results.get((kind, key))

    def save(self, kind: str, key: str, data: bytes) -> None:
        self.results[kind, key] = data

    def directory(
        self, kind: str, key: str, fill: Callable[[Path], None], intact: Callable[[Path], bool] | None = None
    ) -> Path:
        target = self.root / kind / key
        if target.exists() and intact is not None and not intact(target):
            shutil.rmtree(target)
        if not target.exists():
            with self.scratch() as work:
                fill(work)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(work, target)
        return target

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.root) as work:
            yield Path(work)


class FakeHost:
    """A host that never changes."""

    def fingerprint(self, tools: Sequence[Tool]) -> Fingerprint:
        return Fingerprint(os="Testix 1", kernel="6.1", architecture="amd64", cpus=2, cgroup="none", tools=tuple(tools))


class FakeProgress:
    """Progress that nobody watches; `lines` holds steps and notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, name: str, detail: str = "") -> None:
        self.lines.append(f"{name} {detail}".strip())

    def advance(self, done: int, total: int) -> None:
        self.lines.append(f"{done}/{total}")

    def note(self, text: str) -> None:
        self.lines.append(text)
