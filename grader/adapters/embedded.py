"""The embedded engine: Go from PyPI, wasmtime, TinyGo where it is, all behind the sandbox; no container engine."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from grader.adapters import wasmtime_cli
from grader.adapters.artifacts import Taken, take_file
from grader.adapters.gocompiler import OUTPUT, SOURCE, GoCompiler, Variant, go_argv, go_env
from grader.adapters.host import tool
from grader.adapters.sandbox import find_tool
from grader.adapters.toolchains import Installed, find_go, find_tinygo, find_wasmtime
from grader.adapters.wasmtime_cli import COMPILED, WasmtimeCli
from grader.errors import HostError, SubmissionError
from grader.model.arms import ARMS
from grader.model.base import Message
from grader.model.host import Tool
from grader.model.lab import (
    BuildSource,
    CgiProbe,
    CommittedFile,
    DockerfileCommand,
    HttpGet,
    Lab,
    Probe,
    StdoutJsonProbe,
    Step,
    ToolCommand,
)
from grader.model.run import Artifact, Bind, BuildResult, Command, Completed, Limits
from grader.model.trouble import trouble, without_host_paths
from grader.ports import Call, Progress, Runner, Server, Store
from grader.recipes.artifact import elf_problem, wasm_problem
from grader.recipes.cgi import cgi_environment
from grader.recipes.dockerfile import MAX_BYTES as DOCKERFILE_BYTES
from grader.recipes.gobuild import GoBuild, go_build_argv
from grader.recipes.refusal import Refusal

MAX_LOG = 64 << 10

NEEDS = {"process": (), "wasmtime": ("wasmtime",), "wasmtime-aot": ("wasmtime",), "sandbox-noop": ()}
"""The arms of this engine and the tools that each needs."""

_NO_NETWORK = "module lookup disabled by GOPROXY=off"
_PROGRAM = "/app/program"
_BROKE = "infra.build-broke"


class EmbeddedEngine:
    """Implements `ports.Engine`.

    Args:
        search_path: Where programs are looked for, as in PATH.
    """

    name = "embedded"

    def __init__(self, lab: Lab, runner: Runner, store: Store, progress: Progress, search_path: str) -> None:
        self._lab = lab
        self._runner = runner
        self._store = store
        self._progress = progress
        self._search_path = search_path

    @functools.cached_property
    def _installed(self) -> Mapping[str, Installed]:
        found = (find_go(), find_tinygo(self._search_path), find_wasmtime(self._search_path, self._store))
        return {one.tool.name: one for one in found if one is not None}

    @functools.cached_property
    def _wasmtime(self) -> WasmtimeCli:
        return WasmtimeCli(self._installed["wasmtime"])

    def tools(self) -> tuple[Tool, ...]:
        """Return the programs that this engine's facts depend on; the boundary too, as it is part of every time."""
        return (*(one.tool for _, one in sorted(self._installed.items())), *self._boundary)

    @functools.cached_property
    def _boundary(self) -> tuple[Tool, ...]:
        bwrap = find_tool("bwrap")
        if bwrap is None or not self._runner.status().kind.startswith("bubblewrap"):
            return ()
        return (tool(self._runner.status().kind, bwrap, (str(bwrap), "--version")),)

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return what is there by `tool:`, `build:`, `arm:`, `probe:`, `image:` and `memory`, or why it is not."""
        return self._capabilities

    @functools.cached_property
    def _capabilities(self) -> dict[str, Message | None]:
        status = self._runner.status()
        boundary = None if status.works else status.reason or Message(code="engine.no-sandbox")
        tools = {name: self._tool_problem(name) for name in ("go", "tinygo", "wasmtime")}
        found: dict[str, Message | None] = {f"tool:{name}": boundary or problem for name, problem in tools.items()}
        for arm, needed in NEEDS.items():
            problems = (tools[name] for name in needed)
            found[f"arm:{arm}"] = boundary or next((p for p in problems if p), None)
        for name, other in ARMS.items():
            if other.runs == "image":
                found[f"arm:{name}"] = Message(code="engine.no-container-engine", params={"arm": name})
            elif other.engine == "spin":
                found[f"arm:{name}"] = Message(code="engine.no-spin")
        for subject in self._lab.subjects:
            step = self._lab.steps.get(subject)
            if step is not None:
                possible = [self._source_problem(source, found) for source in step.first_of]
                found[f"build:{subject}"] = None if None in possible else possible[0]
            found[f"image:{subject}"] = Message(code="engine.no-images", params={"subject": subject})
        found["probe:stdout_json"] = None
        return found | dict.fromkeys(("probe:http", "probe:cgi", "memory"), boundary)

    def _tool_problem(self, name: str) -> Message | None:
        if name not in self._installed:
            return Message(code="engine.tool-missing", params={"tool": name})
        wanted, version = self._lab.toolchains.get(name), self._installed[name].tool.version
        if name == "go" and wanted is not None and version != wanted:
            return Message(code="engine.other-version", params={"tool": name, "found": version, "wanted": wanted})
        return None

    def _source_problem(self, source: BuildSource, found: Mapping[str, Message | None]) -> Message | None:
        return None if isinstance(source, CommittedFile) else found.get(f"tool:{source.tool}")

    def build(self, subject: str, step: Step, source: BuildSource, source_dir: Path, out_dir: Path) -> BuildResult:
        """Build one subject from read-only `source_dir` into `out_dir`; a student's mistake is a result."""
        if isinstance(source, CommittedFile):
            return self._committed(subject, step, source, source_dir, out_dir)
        problem = self._capabilities.get(f"tool:{source.tool}") if source.tool in ("go", "tinygo") else _unknown(source)
        if problem is not None:
            return BuildResult(subject=subject, state="not_run", artifact=None, reason=problem)
        if isinstance(source, DockerfileCommand):
            return self._stated(subject, step, source, source_dir, out_dir)
        flags, packages = _split(source)
        absent = _absent(packages, source_dir)
        if absent is not None:  # a compiler would speak of modules and folders instead
            reason = Message(code="build.no-file", params={"file": absent})
            return BuildResult(subject=subject, state="failed", artifact=None, reason=reason)
        if source.tool == "tinygo":
            return self._tinygo(subject, step, source, source_dir, out_dir)
        go = self._installed["go"].tool
        made = _Made(subject, f"{source.compiler or 'Go'} {go.version}", source.comparable, source.output)
        return self._go(made, step, flags, packages, source.env, source_dir, out_dir)

    def build_call(self, source: BuildSource, source_dir: Path) -> Call | Message:
        """Return the command that `build` runs inside the sandbox for this source, or why it is refused."""
        if isinstance(source, CommittedFile):
            return wasmtime_cli.COMPILE if source.file.endswith(".wasm") else Call(argv=())
        if isinstance(source, ToolCommand):
            if source.tool == "tinygo":
                return _tinygo_call(source)
            flags, packages = _split(source)
            return Call(argv=go_argv(flags, packages), env=go_env(source.env))
        build = self._read_dockerfile(source, source_dir)
        if isinstance(build, Refusal):
            return build.message
        return Call(argv=go_argv(build.flags, build.packages), env=go_env(_stated_env(source, build)))

    def prepare_call(self, arm: str) -> Call | None:
        """Return the command that `prepare` runs inside the sandbox, None for an arm that runs the artifact itself."""
        return wasmtime_cli.COMPILE if arm == "wasmtime-aot" else None

    def _committed(
        self, subject: str, step: Step, source: CommittedFile, source_dir: Path, out_dir: Path
    ) -> BuildResult:
        base = _Committed(subject)
        taken = take_file(source_dir / source.file, out_dir / "artifact")
        if isinstance(taken, Message):
            return base.without("failed", taken)
        done: Completed | None = None
        if source.file.endswith(".wasm"):
            problem = wasm_problem(Path(taken.path).read_bytes())
            if problem is not None:
                return base.without("failed", problem)
            if self._capabilities["tool:wasmtime"] is None:
                try:
                    done = self._compile(Path(taken.path), None, step.timeout_s)
                except HostError as error:
                    return base.without("error", trouble(_BROKE, error))
                if done.outcome != "ok":
                    return base.without(_blame(done), _why("artifact.not-compiled", done), done)
        known = next((k for k in self._lab.known_artifacts if k.sha256 == taken.sha256), None)
        artifact = Artifact(
            subject=subject,
            label="committed",
            sha256=taken.sha256,
            size=taken.size,
            path=taken.path,
            compiler=known.label if known else "",
            comparable=source.comparable,
        )
        argv, log = (done.argv, _log(done)) if done else ((), "")
        return BuildResult(subject=subject, label="committed", state="committed", artifact=artifact, argv=argv, log=log)

    def _read_dockerfile(self, source: DockerfileCommand, source_dir: Path) -> GoBuild | Refusal:
        with self._store.scratch() as work:
            taken = take_file(source_dir / source.file, work / "Dockerfile", cap=DOCKERFILE_BYTES)
            if isinstance(taken, Message):
                return Refusal(line=None, message=taken)
            return go_build_argv(Path(taken.path).read_text("utf-8", "replace"), source)

    def _stated(
        self, subject: str, step: Step, source: DockerfileCommand, source_dir: Path, out_dir: Path
    ) -> BuildResult:
        if not (source_dir / source.file).is_file():
            reason = Message(code="build.no-file", params={"file": source.file})
            return BuildResult(subject=subject, state="failed", artifact=None, reason=reason)
        build = self._read_dockerfile(source, source_dir)
        if isinstance(build, Refusal):
            return BuildResult(subject=subject, state="refused", artifact=None, reason=build.message)
        absent = _absent(build.packages, source_dir)
        if absent is not None:
            # Where COPY rearranges the files, the name may be right in the image and unknown to us.
            code = "build.source-missing" if build.copied else "build.source-elsewhere"
            reason = Message(code=code, params={"file": absent, "line": build.line, "dockerfile": source.file})
            state: Literal["failed", "refused"] = "failed" if build.copied else "refused"
            return BuildResult(subject=subject, state=state, artifact=None, reason=reason)
        version = self._installed["go"].tool.version
        same = build.go is not None and (version == build.go or version.startswith(f"{build.go}."))
        made = _Made(subject, f"Go {version}", source.comparable and same, build.output)
        env = _stated_env(source, build)
        return self._go(made, step, build.flags, build.packages, env, source_dir, out_dir)

    def _go(
        self,
        made: _Made,
        step: Step,
        flags: tuple[str, ...],
        packages: tuple[str, ...],
        env: Mapping[str, str],
        source_dir: Path,
        out_dir: Path,
    ) -> BuildResult:
        compiler = GoCompiler(self._installed["go"], self._runner, self._store, self._progress)
        argv = go_argv(flags, packages)
        try:
            with self._store.scratch() as work:
                done = compiler.build(argv, env, Variant.of(env, flags), source_dir, work, step.timeout_s)
                taken = take_file(work / "out" / Path(OUTPUT).name, out_dir / "artifact")
        except HostError as error:
            return _broke(made.subject, argv, error)
        return made.result(argv, done, taken)

    def _tinygo(self, subject: str, step: Step, source: ToolCommand, source_dir: Path, out_dir: Path) -> BuildResult:
        """TinyGo runs `go list` of the Go toolchain beside it, and keeps a cache of its own."""
        tinygo, go = self._installed["tinygo"], self._installed.get("go")
        binds = [Bind(source=str(tinygo.root), target="/tinygo"), Bind(source=str(source_dir), target=SOURCE)]
        binds += [Bind(source=str(go.root), target="/go")] if go else []
        call = _tinygo_call(source)
        same = tinygo.tool.version == self._lab.toolchains.get("tinygo", tinygo.tool.version)
        made = _Made(subject, f"TinyGo {tinygo.tool.version}", source.comparable and same, source.output)
        try:
            with self._store.scratch() as work:
                (work / "out").mkdir()
                out = Bind(source=str(work / "out"), target="/out", writable=True)
                limits = Limits(timeout_s=step.timeout_s, memory_bytes=4 << 30)
                command = Command(argv=call.argv, env=call.env, cwd=SOURCE, binds=(*binds, out), limits=limits)
                done = self._runner.run(command)
                taken = take_file(work / "out" / Path(OUTPUT).name, out_dir / "artifact")
        except HostError as error:
            return _broke(subject, call.argv, error)
        return made.result(call.argv, done, taken)

    def prepare(self, arm: str, artifact: Artifact, out_dir: Path) -> Artifact:
        """Return what the arm runs: the artifact, or for `wasmtime-aot` its compiled form in `out_dir`.

        Raises: SubmissionError if the module cannot be compiled; HostError if the boundary broke.
        """
        if arm != "wasmtime-aot":
            return artifact
        timeout_s = self._lab.steps[artifact.subject].timeout_s
        compiled = self._compile(Path(artifact.path), out_dir / COMPILED, timeout_s)
        if compiled.outcome != "ok" and _blame(compiled) == "error":
            raise HostError(f"`wasmtime compile` was cut short ({_cut(compiled)})", where=arm)
        if compiled.outcome != "ok":
            raise SubmissionError(f"the module cannot be compiled: {_first_line(compiled)}", where=arm)
        taken = take_file(out_dir / COMPILED, out_dir / COMPILED)
        if isinstance(taken, Message):
            raise HostError(f"`wasmtime compile` left no module ({taken.code})", where=arm)
        return artifact.model_copy(update={"sha256": taken.sha256, "size": taken.size, "path": taken.path})

    def _compile(self, module: Path, target: Path | None, timeout_s: float) -> Completed:
        """Compile in a scratch directory and keep the result at `target`, if it is wanted."""
        with self._store.scratch() as work:
            (work / "out").mkdir()
            done = self._runner.run(self._wasmtime.compile(module, work / "out", timeout_s))
            if done.outcome == "ok" and target is not None:
                take_file(work / "out" / COMPILED, target)
            return done

    def command(
        self, arm: str, artifact: Artifact | None, probe: Probe, limits: Limits, get: HttpGet | None = None
    ) -> Command:
        """Return the command that runs the artifact once on this arm; None for the control arm.

        Args:
            get: The request that a CGI program answers; the probe's own variables override those of the request.
        Raises: ValueError for an arm that `capabilities` denies, and for a request where none or one is wanted.
        """
        if arm == "sandbox-noop":
            return self._runner.noop().model_copy(update={"limits": limits})
        if artifact is None or arm not in NEEDS or isinstance(probe, CgiProbe) != (get is not None):
            raise ValueError(f"{self.name} cannot run {probe.kind} on {arm}")
        env = probe.env if get is None else cgi_environment(get) | probe.env
        args = probe.args if isinstance(probe, StdoutJsonProbe) else ()
        if arm == "process":
            bind = Bind(source=artifact.path, target=_PROGRAM)
            return Command(argv=(_PROGRAM, *args), env=env, binds=(bind,), limits=limits)
        return self._wasmtime.run(artifact, env, args, limits, compiled=arm == "wasmtime-aot")

    def run_once(self, command: Command) -> Completed:
        """Run a command of this engine once, behind its boundary."""
        return self._runner.run(command)

    def memory(self, command: Command) -> Completed:
        """Run a command of this engine once and read the peak of its memory; never for a timed run."""
        return self._runner.run(command, memory=True)

    def serve(self, command: Command, port: int) -> AbstractContextManager[Server]:
        """Start a server of this engine behind its boundary; it is stopped at the end at the latest."""
        return self._runner.serve(command, port)


class _Committed:
    """A file that was handed in, and how it is told that it is of no use."""

    def __init__(self, subject: str) -> None:
        self.subject = subject

    def without(self, state: Literal["failed", "error"], reason: Message, done: Completed | None = None) -> BuildResult:
        return BuildResult(
            subject=self.subject,
            label="committed",
            state=state,
            artifact=None,
            argv=done.argv if done else (),
            reason=reason,
            log=_log(done) if done else "",
        )


class _Made:
    """What a build is to make, and how its end is told."""

    def __init__(self, subject: str, compiler: str, comparable: bool, output: str) -> None:
        self.subject = subject
        self.compiler = compiler
        self.comparable = comparable
        self.wasm = output.endswith(".wasm")

    def result(self, argv: tuple[str, ...], done: Completed, taken: Taken | Message) -> BuildResult:
        """Tell a failed build from a broken host, and a program from any other file."""
        log = _log(done)
        if done.outcome != "ok":
            offline = _NO_NETWORK in done.stderr
            reason = Message(code="build.needs-network") if offline else _why("build.failed", done)
            return BuildResult(
                subject=self.subject,
                state="not_run" if offline else _blame(done),
                artifact=None,
                argv=argv,
                reason=reason,
                log=log,
            )
        problem = taken if isinstance(taken, Message) else self._not_runnable(taken)
        if isinstance(taken, Message) or problem is not None:
            return BuildResult(subject=self.subject, state="failed", artifact=None, argv=argv, reason=problem, log=log)
        artifact = Artifact(
            subject=self.subject,
            label="build",
            sha256=taken.sha256,
            size=taken.size,
            path=taken.path,
            compiler=self.compiler,
            comparable=self.comparable,
        )
        return BuildResult(subject=self.subject, state="built", artifact=artifact, argv=argv, log=log)

    def _not_runnable(self, taken: Taken) -> Message | None:
        return wasm_problem(taken.head[:8]) if self.wasm else elf_problem(taken.head)


def _unknown(source: DockerfileCommand | ToolCommand) -> Message:
    return Message(code="engine.tool-missing", params={"tool": source.tool})


def _split(source: ToolCommand) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return flags and packages of a lab's own `build …` vector, without its -o: the output's place is ours."""
    words = list(source.argv[1:] if source.argv[:1] == ("build",) else source.argv)
    if "-o" in words:
        at = words.index("-o")
        del words[at : at + 2]
    packages = [w for w in words if w.endswith(".go") or w == "." or w.startswith("./")]
    return tuple(w for w in words if w not in packages), tuple(packages)


def _absent(packages: Iterable[str], source_dir: Path) -> str | None:
    """Return the first Go file that a build names and that is not there."""
    return next((p for p in packages if p.endswith(".go") and not (source_dir / p).is_file()), None)


def _stated_env(source: DockerfileCommand, build: GoBuild) -> dict[str, str]:
    """Return the variables that the Dockerfile sets, with the only values that the lab allows."""
    return {name: value for name, value in source.env.items() if name in build.env}


def _tinygo_call(source: ToolCommand) -> Call:
    flags, packages = _split(source)
    env = {"GOROOT": "/go", "GOCACHE": "/tmp/go", "HOME": "/tmp", "PATH": "/go/bin:/tinygo/bin", "GOPROXY": "off"}
    env |= {"GOTOOLCHAIN": "local", "GOFLAGS": "", "TINYGOROOT": "/tinygo", "XDG_CACHE_HOME": "/tmp", **source.env}
    return Call(argv=("/tinygo/bin/tinygo", "build", *flags, "-o", OUTPUT, *packages), env=env)


def _blame(done: Completed) -> Literal["failed", "error"]:
    """A compiler that was killed or cut short says nothing about the source."""
    ended = done.exit_code is not None and done.outcome == "failed" and done.reason is None
    return "failed" if ended or done.outcome in ("output-limit", "disk-limit") else "error"


def _why(code: str, done: Completed) -> Message:
    if _blame(done) == "error":
        return Message(code="infra.build-cut-short", params={"detail": _cut(done)})
    return Message(code=code, params={"exit": done.exit_code, "said": _first_line(done)})


def _cut(done: Completed) -> str:
    if done.outcome == "not-started" and done.reason is not None:
        return f"`{done.reason.params.get('program')}`: {done.reason.params.get('error')}"
    return done.reason.code if done.reason else f"signal {done.signal}"


def _broke(subject: str, argv: tuple[str, ...], error: HostError) -> BuildResult:
    reason = trouble(_BROKE, error)
    return BuildResult(subject=subject, state="error", artifact=None, argv=argv, reason=reason)


def _first_line(done: Completed) -> str:
    """The first line that says something: Go's `# command-line-arguments` only names the package.

    A program that is trusted runs in the host's own paths, and its words name them.
    """
    lines = done.stderr_bytes().decode("utf-8", "replace").splitlines()
    first = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
    return without_host_paths(first)[:200]


def _log(done: Completed) -> str:
    return (done.stdout_bytes() + done.stderr_bytes())[:MAX_LOG].decode("utf-8", "replace")
