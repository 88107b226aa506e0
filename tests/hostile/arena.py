"""Grade a hostile case with the real command, and look for harm to the host afterwards."""

from __future__ import annotations

import fcntl
import html.parser
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from grader.adapters.cgroups import mount_points
from grader.adapters.sandbox import UIDS
from tests.hostile.catalogue import MARK, Case, Pace, Place

ROOT = Path(__file__).resolve().parents[2]
FALSE_RESULTS = frozenset({"grade.json", "samples.csv", "run.json", "feedback.md", "report.md"})
PUBLIC = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/etc", "/etc/cron.d", "/usr/local/bin")
"""Where a program that broke out would leave something."""

RAW = ("report.md", "report.orig.md", "steps/")
"""Output files that keep a student's bytes as they are; every other one is for people or programs to read."""

WITHOUT = {
    "cgroups": (
        "from grader.adapters.cgroups import Cgroups\n"
        "from grader.model.base import Message\n"
        "missing = Message(code='sandbox.no-cgroup', params={'detail': 'taken away by a test'})\n"
        "Cgroups.find = classmethod(lambda cls, *_: cls(0, {}, missing=missing))\n"
    ),
    "sandbox": (
        "from grader.adapters import containerd, docker, sandbox\n"
        "sandbox.find_tool = lambda name: None\n"
        "containerd.find_address = docker.find_socket = lambda environ: None\n"
    ),
}
"""Python that takes a thing away from the grader before it starts."""

_HASHED_BYTES = 64 << 20
_TOKEN = "CANARY"


@dataclass(frozen=True)
class Graded:
    """How one grading ended."""

    code: int
    said: bytes
    seconds: float
    peak_mb: float
    pid: int
    folder: Path

    @property
    def terminal(self) -> str:
        """What a person sees: both streams, as they came."""
        return self.said.decode("utf-8", "replace")

    def files(self) -> dict[str, bytes]:
        """Return the output folder by relative path."""
        found = (p for p in self.folder.rglob("*") if p.is_file())
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in found}

    def grade(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "grade.json").read_text("utf-8"))
        return read


class Arena:
    """A cache, a lock, a canary and ears on the network, shared by all cases; `root` holds all of it.

    `environ` is added to what a user's shell hands to the command; `address` is this host's own, found if not given.
    """

    def __init__(
        self, root: Path, labs: Mapping[Pace, Path], *, environ: Mapping[str, str] | None = None, address: str = ""
    ) -> None:
        self.root, self.labs = root, labs
        self._own_environ, self._address = dict(environ or {}), address
        self.secret = f"{_TOKEN}-{secrets.token_hex(16)}"
        self.cache = root / f"cache-{secrets.token_hex(8)}"
        self.lock = root / "locks" / "host.lock"
        self.home, self.tmp, self.cwd = root / "home", root / "tmp", root / "cwd"
        for folder in (self.lock.parent, self.home, self.tmp, self.cwd, root / "private"):
            folder.mkdir()
        self.canary = root / "private" / "canary.txt"
        self.canary.write_text(self.secret + "\n", "utf-8")
        self._ears: dict[str, socket.socket] = {}
        self._public = _listing()
        self._bystander: subprocess.Popen[bytes] | None = None
        self._count = 0

    @contextmanager
    def open(self) -> Iterator[Arena]:
        """Listen, and keep a process beside which nothing may signal."""
        with ExitStack() as stack:
            for name, (family, kind, address) in _EARS.items():
                ear = stack.enter_context(socket.socket(family, kind))
                ear.bind(address or f"\0{MARK}-{secrets.token_hex(8)}")
                ear.setblocking(False)
                if kind == socket.SOCK_STREAM:
                    ear.listen()
                self._ears[name] = ear
            self._bystander = subprocess.Popen(["sleep", "3600"])
            try:
                yield self
            finally:
                self._bystander.kill()
                self._bystander.wait()

    def place(self, folder: Path) -> Place:
        """Return what a case needs to be made below `folder`."""
        port = {name: ear.getsockname()[1] for name, ear in self._ears.items() if ear.family == socket.AF_INET}
        own = self._address or _own_address()
        return Place(
            folder=folder,
            canary=self.canary,
            cache=self.cache,
            lock=self.lock,
            home=self.home,
            listeners={
                "loopback": f"127.0.0.1:{port['stream']}",
                "routable": f"{own}:{port['stream']}",
                "datagrams": f"{own}:{port['datagrams']}",
                "abstract": self._ears["abstract"].getsockname()[1:].decode(),
            },
        )

    def grade(
        self,
        source: str | Path,
        *options: str,
        command: str = "grade",
        cwd: Path | None = None,
        within_s: float = 240,
        without: str | None = None,
        pace: Pace = "quick",
    ) -> Graded:
        """Grade a submission into a folder of its own, or read a report."""
        self._count += 1
        folder = self.root / "out" / str(self._count)
        out = ("--out", str(folder)) if command == "grade" else ()
        arguments = (command, str(source), "--lab", str(self.labs[pace]), *out, *options)
        return self.run(*arguments, cwd=cwd, within_s=within_s, without=without, folder=folder)

    def run(
        self,
        *arguments: str,
        cwd: Path | None = None,
        within_s: float = 240,
        without: str | None = None,
        folder: Path = Path(),
    ) -> Graded:
        """Run the command as a user would; killed, and reported as such, after `within_s` seconds."""
        start = "from grader.cli.app import main\nmain()\n"
        program = ("-c", WITHOUT[without] + start) if without else ("-m", "grader")
        # -P as bin/grader's -I: nothing is imported from the caller's folder.
        argv = [sys.executable, "-P", *program, *arguments]
        with self.canary.open() as left_open, (self.root / "terminal").open("w+b") as terminal:
            os.set_inheritable(left_open.fileno(), True)
            began = time.monotonic()
            child = subprocess.Popen(
                argv,
                cwd=cwd or self.cwd,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(left_open.fileno(),),
            )
            code, peak_mb = _wait(child, within_s)
            seconds = time.monotonic() - began
            terminal.seek(0)
            said = terminal.read()
        return Graded(code, said, seconds, peak_mb, child.pid, folder)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start the command, for a test that ends it; nobody reads what it says."""
        argv = [sys.executable, "-P", "-m", "grader", *arguments, "--out", str(self.root / "out" / "started")]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            argv, cwd=self.cwd, env=self._environment(), stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        ) as child:
            try:
                yield child
            finally:
                child.kill()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "PYTHONPATH": str(ROOT),
            "GRADER_CACHE": str(self.cache),
            "GRADER_LOCK": str(self.lock),
            "COLUMNS": "160",
            "GRADER_ENGINE": "embedded",  # whatever daemons this host has
            "SECRET": self.secret,
            **self._own_environ,
        }

    def harm(self, done: Graded) -> list[str]:
        """Return what a grading did to the host that no grading may."""
        found = [f"process {pid} is left" for pid in _processes(self.cache.name, done.pid)]
        found += [f"cgroup {path} is left" for path in _cgroups(done.pid)]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [f"mounted: {line}" for line in mounts if str(self.root) in line]
        for folder in (self.home, self.tmp, self.cwd, self.cache / "work"):
            found += [f"{path} is left" for path in folder.rglob("*")]
        found += [f"{path} appeared" for path in sorted(_listing() - self._public)]
        if self.canary.read_text("utf-8") != self.secret + "\n":
            found.append("the canary was changed")
        found += [f"something reached the host's {name}" for name, ear in self._ears.items() if _heard(ear)]
        if self._bystander is None or self._bystander.poll() is not None:
            found.append("a process of the host was killed")
        if not _free(self.lock):
            found.append("the host lock is held")
        return found

    def leaks(self, done: Graded, never: Sequence[str] = ()) -> list[str]:
        """Return what stands in an output that must not: secrets, places of this host, codes that act, active HTML."""
        found = []
        shown = {"the terminal": done.said, **done.files()}
        for name, data in shown.items():
            if self.secret.encode() in data:
                found.append(f"{name} holds the canary")
            if name.startswith(RAW):
                if name.endswith(".json"):  # ours, whatever it holds; the streams are as the programs wrote them
                    found += [f"{name} holds {char!r}" for char in sorted(set(filter(_acts, data.decode("utf-8"))))]
                continue
            found += [f"{name} holds {word!r}" for word in never if word.encode() in data]
            if name.endswith(".json") and name != "grade.json":
                continue
            # What the submission itself named, the canary, may come back in a compiler's message.
            if name != "the terminal" and re.search(rf"{re.escape(str(self.root))}/(?!private)".encode(), data):
                found.append(f"{name} names a place of this host")
            text = data.decode("utf-8")
            if name != "grade.json":  # JSON has escapes of its own for control codes, and its strings are data
                found += [f"{name} holds {char!r}" for char in sorted(set(filter(_acts, text)))]
            if name.endswith(".md"):
                found += [
                    f"{name}: {harm}" for harm in active_html(MarkdownIt("gfm-like", {"linkify": False}).render(text))
                ]
            if name.endswith(".html"):
                found += [f"{name}: {harm}" for harm in active_html(text)]
            if name.endswith(".csv"):
                cells = (cell for line in text.splitlines() for cell in line.split(","))
                found += [f"{name}: formula {cell!r}" for cell in cells if cell[:1] in ("=", "+", "@")]
        return found


def state(top: Path) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Return everything about a tree that grading must not change; large files by their size alone."""
    # find(1), because trees of the corpus are deeper than Python's recursion and longer than a path may be.
    listed = ["find", str(top), "-printf", "%m %U %s %T@ %y %l %p\\0"]
    about = subprocess.run(listed, capture_output=True, check=True).stdout
    argv = ["find", str(top), "-type", "f", "-size", f"-{_HASHED_BYTES // 512}", "-exec", "sha256sum", "-z", "{}", "+"]
    content = subprocess.run(argv, capture_output=True, check=True).stdout
    return frozenset(about.split(b"\0")), frozenset(content.split(b"\0"))


def meanwhile(case: Case, place: Place) -> Any:
    """Return what goes on while the case is graded."""
    return nullcontext() if case.meanwhile is None else case.meanwhile(place)


def summary(grade: Mapping[str, Any] | None, done: Graded) -> str:
    """Return in a few words what came of a case."""
    if grade is None:
        said = next((line for line in done.terminal.splitlines() if line.startswith("grader: ")), "")
        return f"exit {done.code}: {said.rpartition(': ')[2][:100]}"
    by_id = {fact["id"]: fact for fact in grade["facts"]}
    words = []
    for fact_id in ("native.cli_output@process", "wasm.cli_output@wasmtime"):
        fact = by_id[fact_id]
        words.append(
            f"{fact_id.partition('.')[0]} {fact['state']}{' ' + fact['reason']['code'] if fact['reason'] else ''}"
        )
    return f"{'; '.join(words)}; {grade['score']['points']:g} points"


class _Active(html.parser.HTMLParser):
    """Collects what a page would do rather than show."""

    TAGS = frozenset({"script", "iframe", "object", "embed", "form", "base", "link", "frame", "applet", "marquee"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            target = "".join((value or "").split()).lower()
            if name.startswith("on") or target.startswith(("javascript:", "vbscript:", "data:text")):
                self.found.append(f"<{tag} {name}={value!r}>")
            if name in ("src", "srcset", "href") and tag != "a" and target.startswith(("http", "//", "file:")):
                self.found.append(f"<{tag} {name}={value!r}> loads from elsewhere")


def active_html(page: str) -> list[str]:
    """Return the parts of a page that act: scripts, handlers, frames, and what is loaded from elsewhere."""
    parser = _Active()
    parser.feed(page)
    parser.close()
    return parser.found


_EARS: Mapping[str, tuple[int, int, tuple[str, int] | None]] = {
    "stream": (socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 0)),
    "datagrams": (socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 0)),
    "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, None),
}


def _own_address() -> str:
    """Return the address under which other hosts see this one; its loopback where it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("198.51.100.1", 9))  # TEST-NET-2: only looks at the routes, nothing is sent
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _heard(ear: socket.socket) -> bool:
    try:
        if ear.type == socket.SOCK_DGRAM:
            ear.recv(1)
        else:
            ear.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _wait(child: subprocess.Popen[bytes], within_s: float) -> tuple[int, float]:
    """Return exit code and peak of memory in MiB; a process that does not end is killed, and its code is -SIGKILL.

    Not `ru_maxrss`, which begins with the peak of the process that forked it, pytest with all its tests.  Read every
    10 ms, so what is touched in the last of these is missed.
    """
    deadline, peak_kib = time.monotonic() + within_s, 0
    while True:
        peak_kib = max(peak_kib, _peak_kib(child.pid))
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(0.01)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, peak_kib / 1024


def _peak_kib(pid: int) -> int:
    """Return the most memory that a process's program has had at once, 0 of one that has ended."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text("utf-8"), re.MULTILINE)
    return int(found[1]) if found else 0


def _processes(token: str, grader: int) -> list[int]:
    """Return processes that see our cache through their own mounts, or are in a cgroup of that grader."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            mine = entry.stat().st_uid in UIDS and token in (entry / "mountinfo").read_text()
            if mine or f"-{grader}-" in "".join(_names_of_ours((entry / "cgroup").read_text())):
                found.append(int(entry.name))
    return found


def _names_of_ours(text: str) -> list[str]:
    return [part for line in text.splitlines() for part in line.split("/") if part.startswith("lab-grader-")]


def _cgroups(grader: int) -> list[Path]:
    mounts = mount_points(Path("/proc/self"))
    tops = {mounts[name][0] for name in ("memory", "pids", "") if name in mounts}
    found = []
    for top in tops:
        for place, folders, _ in os.walk(top):
            found += [Path(place, n) for n in folders if n.startswith("lab-grader-") and f"-{grader}-" in n]
    return found


def _listing() -> frozenset[str]:
    """Return the files of public places that bear a name which only our cases use."""
    found = set()
    for place in (*PUBLIC, str(ROOT), str(Path.home())):
        with suppress(OSError):
            names = os.listdir(place)  # noqa: PTH208
            found |= {f"{place}/{name}" for name in names if MARK in name or name in FALSE_RESULTS}
    return frozenset(found)


def _free(lock: Path) -> bool:
    if not lock.exists():
        return True
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _acts(char: str) -> bool:
    """True for control codes, and for marks that change the direction of text or join what they stand between."""
    code = ord(char)
    control = (code < 32 and char not in "\n\t") or 0x7F <= code < 0xA0
    return control or 0x200B <= code <= 0x200F or 0x2028 <= code <= 0x202E or 0x2060 <= code <= 0x2069 or code == 0xFEFF
