"""What a workflow needs from the outside world, as Protocols; `testing` ships a fake of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from grader.model.base import Message, Record
from grader.model.bench import Block, BlockDone, NoiseReading
from grader.model.host import Fingerprint, Tool
from grader.model.image import ImageResult
from grader.model.lab import BuildSource, HttpGet, ImageSource, Probe, Step
from grader.model.provision import Inventory, Play, PlayEnd, PlayEvent
from grader.model.run import (
    Answer,
    Artifact,
    BuildResult,
    Command,
    Completed,
    Limits,
    MemoryReading,
    Sample,
)
from grader.model.samplelog import SampleHeader, SavedSamples
from grader.model.submission import Copied, IntakeCaps, ManifestEntry


class SandboxStatus(Record):
    """Whether submissions can be run safely here, and which caps hold.

    `reason` and `remedy` are set if it cannot work; `weak` names caps that this host does not enforce.
    """

    works: bool
    kind: str
    reason: Message | None = None
    remedy: str = ""
    weak: tuple[Message, ...] = ()


class Call(Record):
    """A command as it is told before it runs, in the sandbox's own paths; no `argv` where nothing need run."""

    argv: tuple[str, ...]
    env: dict[str, str] = {}


class Server(Protocol):
    """A program that runs behind the boundary with a network of its own, until `stop` or its own end."""

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        """Send one GET over a new connection to the server's port; as root and as a plain user.

        Args:
            timeout_s: For all of it, from connecting to the last byte.
            connect_s: For connecting alone, where that has to be shorter.
        Returns: What came, its body cut one byte above the cap; where nothing readable came, the reason.  A server
            that does not listen is `answer.refused`.
        Raises: HostError if the boundary broke.
        """

    def started_ns(self) -> int:
        """Return when the program was let go, on `time.perf_counter_ns`."""

    def ended(self) -> bool:
        """Return whether the program has ended by itself or at a limit."""

    def memory(self) -> tuple[MemoryReading, ...]:
        """Return what it has now by each notion that this host can give; empty if it has ended or none can.

        Source of the cgroup figure: usage without inactive file pages, what `docker stats` shows (moby#42140).
        """

    def stop(self, grace_s: float) -> Stopped:
        """Send SIGTERM to the program, after `grace_s` seconds SIGKILL to all of it; return how it ended.

        Once stopped it answers the same again.  No process of it is left afterwards.
        """


class Stopped(Record):
    """How a server ended, with all that it printed."""

    how: Literal["by-itself", "terminated", "killed"]
    completed: Completed


class Launcher(Protocol):
    """Runs one command behind a boundary and reports how it ended; no exception for a command that fails."""

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        """Run to the end or to a limit; no process of it is left when this returns.

        Args:
            memory: Read the peak of memory too.  Where that means sampling it costs time: never in a timed run.

        Raises: HostError if the boundary itself broke.
        """

    def serve(self, command: Command, port: int) -> AbstractContextManager[Server]:
        """Start a server; it is stopped at the end at the latest, whatever happens in between.

        Raises: HostError if the boundary broke, or if `port` is taken where the server shares a network.
        """


class Runner(Launcher, Protocol):
    """The boundary for commands that are programs of this host."""

    def status(self) -> SandboxStatus:
        """Prove the boundary once with a real run; the answer is kept."""

    def noop(self) -> Command:
        """Return the cheapest verified command, the control arm `sandbox-noop`."""


class HostLock(Protocol):
    """Host-wide reader/writer lock with a turnstile: builds share, timing excludes and never starves.

    Both wait `timeout_s` at most, without it as long as it takes.
    Raises: TimeLimitError after that; LockError if it cannot be used, which ends a run rather than one step of it.
    """

    def shared(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """Hold while building or probing."""

    def exclusive(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """Hold while timing."""


class Engine(Protocol):
    """A way to build and run a lab's subjects; each call has a deadline."""

    name: str

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return by capability (`build:native`, `arm:process`, `probe:stdout_json`) None, or why it is missing."""

    def tools(self) -> tuple[Tool, ...]:
        """Return the programs that this engine's facts depend on."""

    def build(self, subject: str, step: Step, source: BuildSource, source_dir: Path, out_dir: Path) -> BuildResult:
        """Build one subject from read-only `source_dir` into `out_dir`."""

    def build_call(self, source: BuildSource, source_dir: Path) -> Call | Message:
        """Return the command that `build` runs for this source, or why it is refused."""

    def prepare_call(self, arm: str) -> Call | None:
        """Return the command that `prepare` runs for this arm, None if it runs none."""

    def prepare(self, arm: str, artifact: Artifact, out_dir: Path) -> Artifact:
        """Return what the arm runs: the artifact itself, or for `wasmtime-aot` its compiled form in `out_dir`."""

    def command(
        self, arm: str, artifact: Artifact | None, probe: Probe, limits: Limits, get: HttpGet | None = None
    ) -> Command:
        """Return the command that runs the artifact once on this arm; None for the control arm.

        Args:
            get: The request that a CGI program answers; given if and only if the probe is of that kind.
        """

    def run_once(self, command: Command) -> Completed:
        """Run a command of this engine once, behind its boundary."""

    def memory(self, command: Command) -> Completed:
        """Run a command of this engine once and read the peak of its memory; never for a timed run."""

    def serve(self, command: Command, port: int) -> AbstractContextManager[Server]:
        """Start a server of this engine behind its boundary; it is stopped at the end at the latest."""


class ImageBuilder(Protocol):
    """Builds container images from recipes that were handed in; each call has a deadline."""

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return by `image:<subject>` None, or why no image of that subject can be built here."""

    def tools(self) -> tuple[Tool, ...]:
        """Return the programs that an image depends on."""

    def image_call(self, subject: str, source: ImageSource, source_dir: Path) -> Call | Message:
        """Return the command that `build_image` runs, or why the recipe is refused; nothing is built or pulled."""

    def image_bases(self, source: ImageSource, source_dir: Path) -> tuple[str, ...]:
        """Return the images that this recipe starts from, as they are now, by name and digest.

        One that is not there is fetched.  None are named for a recipe that is refused, or that starts from nothing.
        Raises: HostError if one cannot be had.
        """

    def build_image(
        self, subject: str, source: ImageSource, source_dir: Path, artifact: Artifact | None, out_dir: Path
    ) -> ImageResult:
        """Build the image of a subject from read-only `source_dir` as an archive in `out_dir`.

        Args:
            artifact: The subject's own, given if and only if the recipe takes it in at `source.artifact`.
        Returns: The image, or why there is none: a student's mistake is a result.
        Raises: HostError if this host broke.
        """


class Store(Protocol):
    """Content-addressed cache of one user; every write is atomic."""

    def load(self, kind: str, key: str) -> bytes | None:
        """Return a stored result, None if there is none or it is damaged."""

    def save(self, kind: str, key: str, data: bytes) -> None:
        """Store a result."""

    def directory(
        self, kind: str, key: str, fill: Callable[[Path], None], intact: Callable[[Path], bool] | None = None
    ) -> Path:
        """Return the directory of that key, made by `fill` in a temporary place first if there is none.

        An entry that `intact` denies counts as none.
        """

    def scratch(self) -> AbstractContextManager[Path]:
        """Return an empty directory that is removed afterwards."""


class Source(Protocol):
    """Something handed in, open for one reading; nothing of it is written or run."""

    kind: str
    """`directory`, `archive` or `git:<commit>`."""
    name: str
    """What people call it; any characters."""
    packed: bool
    """True if a single top folder may be packaging rather than content."""

    def copy(self, tree: Path, caps: IntakeCaps) -> Copied:
        """Write plain files into the new directory `tree` and return exactly what was written.

        Raises: IntakeError naming the first entry that is refused.
        """

    def beside(self, path: str, caps: IntakeCaps) -> bytes | None:
        """Return the file at `path`, which begins with `../`; None if there is none or nothing can lie beside."""

    def entry_of(self, path: str) -> str | None:
        """Return what the manifest would call the file that a caller names by `path`; None if it lies outside."""


class Intake(Protocol):
    """Reads what was handed in."""

    def open(self, source: str, scratch: Path, caps: IntakeCaps) -> AbstractContextManager[Source]:
        """Open a directory, an archive or `git:REPO@REF[:PATH]`; `scratch` is an empty directory to work in."""

    def read_file(self, path: str, caps: IntakeCaps) -> bytes:
        """Return a plain file that the caller named."""

    def intact(self, tree: Path, entries: Sequence[ManifestEntry]) -> bool:
        """Return whether `tree` holds these files with these bytes, and nothing else."""


class Clock(Protocol):
    """The clocks of this host."""

    def wall(self) -> float:
        """Return the Unix time in seconds, which programs' output is set against."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for waits and for when in a campaign a run began."""

    def ticks_ns(self) -> int:
        """Return nanoseconds on the finest clock, that of `Server.started_ns`."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def undisturbed(self) -> AbstractContextManager[None]:
        """Keep our own housekeeping, the garbage collector, out of what is timed meanwhile."""


class Host(Protocol):
    """Facts about this host."""

    def fingerprint(self, tools: Sequence[Tool]) -> Fingerprint:
        """Return the host's identity."""

    def load_average(self) -> tuple[float, ...]:
        """Return the load averages of 1, 5 and 15 minutes; of interest to people, in no fact."""

    def listen(self) -> NoiseMeter:
        """Begin to look at what else this host does."""


class Progress(Protocol):
    """Tells a person what is going on."""

    def step(self, name: str, detail: str = "") -> None:
        """A step began."""

    def advance(self, done: int, total: int) -> None:
        """The step that began last is `done` of `total` through."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class SampleWriter(Protocol):
    """Saves a campaign while it runs; what a call was given is saved when it returns."""

    def begin_block(self, block: Block) -> None:
        """Save what is about to run."""

    def add(self, sample: Sample) -> None:
        """Save one run of the block that was begun last."""

    def close_block(self, reading: NoiseReading, *, cut: bool = False) -> None:
        """Save the reading that ends the block; `cut` if the time was up before its last run."""


class SampleLog(Protocol):
    """The raw samples of one campaign with its readings of the noise, saved before anyone analyses them."""

    def saved(self) -> SavedSamples | None:
        """Return what is there, up to the first line that is not whole; None if that is nothing."""

    def begin(self, header: SampleHeader, kept: Sequence[BlockDone]) -> SampleWriter:
        """Begin a campaign with these blocks; what was there is gone, in one step."""

    def set_aside(self) -> str | None:
        """Keep what is there under another name, and return that; None if there is nothing to keep.

        For what this campaign cannot go on with: runs of another, or nothing that can be read.
        """

    def drop(self, key: str, began: float) -> None:
        """Forget the samples of a campaign `key` that began no later than the one which is kept whole elsewhere.

        Those of another stay, and those that began later: somebody is timing the same again.
        """

    def remove(self) -> None:
        """Forget the samples of the campaign that was begun here: they are kept elsewhere now."""


class Results(Protocol):
    """Where one grading goes; what lay there stays until the new files are whole."""

    @property
    def samples(self) -> SampleLog:
        """The raw samples, beside the place; they outlive a run that is cut off."""

    def check(self) -> None:
        """Refuse early what could not be written at the end.

        Raises: UsageError if the place is somebody else's; HostError if it cannot be written.
        """

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put these files, by relative path, in place of what lay there."""


class Clocked(Record):
    """One run of a program that its caller vouches for.

    Times in seconds from just before the spawn; `began` is that moment in Unix seconds.  `total_s` is when the kernel
    told of its end.  `exit_code` is None if a signal or the timeout ended it.  `stdout` and `stderr` are the last bytes
    of each; `stdout_cut` if there was more.
    """

    began: float
    exit_code: int | None
    signal: int | None
    timed_out: bool
    first_output_s: float | None
    total_s: float
    user_s: float
    system_s: float
    stdout: bytes
    stderr: bytes
    stdout_cut: bool = False


class Stopwatch(Protocol):
    """Times one program with its arguments, again and again."""

    def run(self, timeout_s: float) -> Clocked:
        """Run it to its end or for so long; no process of its group is left.

        Raises: OSError or ValueError if it cannot be started; StillRunningError if its time is up and it may not be
            killed.
        """


class NoiseMeter(Protocol):
    """Looks at what else the host is doing."""

    def read(self, at_s: float, pause_s: float = 0.0) -> NoiseReading:
        """Pause, then look; what is told of the time before goes back to the last look.

        Args:
            at_s: Seconds since the campaign began.
        """


class Scales(Protocol):
    """Reads how much memory one run of a program needs at most; never for a timed run."""

    def weigh(self, program: str, argv: Sequence[str], env: Mapping[str, str], timeout_s: float) -> Completed:
        """Run it to its end; `memory_peak` holds what this host can tell."""


class PlaybookRunner(Protocol):
    """Runs playbooks on lab hosts, and tells of every task as it begins and ends."""

    def inventory(self, sources: Sequence[Path]) -> Inventory:
        """Return the hosts and groups of these files and folders; connects to none.

        Raises: UsageError if a source cannot be read; HostError if the runner is not installed.
        """

    def play(self, play: Play, tell: Callable[[PlayEvent], None], stop: Callable[[], bool]) -> PlayEnd:
        """Run a playbook to its end.

        Args:
            tell: Hears of each event at once.
            stop: Asked several times a second; once it is true, the run is interrupted as by Ctrl-C, so that it clears
                away what it has on the hosts, and killed if it does not end.

        Raises: HostError if the runner is not installed.
        """


class PlayWatcher(Protocol):
    """Hears what happens on lab hosts: a table, a log."""

    def attempt(self, number: int, hosts: Sequence[str]) -> None:
        """These hosts begin; the first attempt is 1."""

    def event(self, event: PlayEvent) -> None:
        """A task began or ended."""

    def ended(self, end: PlayEnd) -> None:
        """The attempt is over."""
