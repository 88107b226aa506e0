"""Run playbooks through ansible-runner: events in, our records out; what Ansible prints is not read."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from grader.errors import HostError, UsageError
from grader.model.provision import (
    BECOME_PASSWORD,
    HostTotals,
    Inventory,
    Play,
    PlayEnd,
    PlayEvent,
    TaskEnd,
    TaskStart,
    TaskStatus,
)

GRACE_S = 20.0
"""For an interrupted run to clear away its files on the hosts, before it is killed."""
_MESSAGE = 4000
"""Characters kept of why a task failed, and of what it changed."""
_ROOM = 32 << 20
"""Bytes that must be free for the events of a run before it begins; some tens of kilobytes per host and role."""
_LEAST_FREE = 2 << 20
"""Bytes; a run is stopped below: what is left is for its report."""
NO_INVENTORY = (".csv", ".md", ".txt", ".bak", ".orig", ".cfg", ".retry", ".pyc", ".swp", "~")
"""Ends of the names of files that are passed over in the folder of an inventory."""
_WRONG_PASSWORD = ("Duplicate become password prompt", "Incorrect sudo password", "Incorrect su password")
_NO_PASSWORD = ("Missing sudo password", "Missing su password", "Timeout waiting for become success")
_STRANGE_KEY = "Host key verification failed"
_REFUSALS = ("ERROR! ", "[ERROR]: ")
"""With these Ansible begins why it does not begin: there is no event for a playbook that cannot be read."""
_STATUS: Mapping[str, TaskStatus] = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
    "runner_item_on_failed": "failed",
}


class _Loose(BaseModel):
    """A part of what ansible-runner tells; keys that we have no use for are left out."""

    model_config = ConfigDict(extra="ignore")


class _Data(_Loose):
    """`event_data` of an event of one host, and the counts of the last event by host."""

    host: str = ""
    role: str = ""
    task: str = ""
    duration: float = 0.0
    ignore_errors: bool | None = False
    res: object = None
    ok: dict[str, int] = {}
    changed: dict[str, int] = {}
    failures: dict[str, int] = {}
    dark: dict[str, int] = {}
    skipped: dict[str, int] = {}
    rescued: dict[str, int] = {}


class _Event(_Loose):
    event: str
    pid: int | None = None
    event_data: _Data = _Data()
    stdout: str = ""


class _Group(_Loose):
    hosts: list[str] = []
    children: list[str] = []
    hostvars: dict[str, dict[str, object]] = {}


_Listing = TypeAdapter(dict[str, _Group])
"""What `ansible-inventory --list` prints; `_meta`, which holds the hosts' variables, is as a group without hosts."""


class AnsibleRunner:
    """`PlaybookRunner` by ansible-runner."""

    def inventory(self, sources: Sequence[Path]) -> Inventory:
        """Ask Ansible for the hosts and groups: no file of an inventory is read in any other way."""
        return _inventory(self._listed(sources))

    def variables(self, sources: Sequence[Path], group: str) -> dict[str, dict[str, object]]:
        """Return the variables of each host of a group as an inventory sets them, secrets among them."""
        groups = self._listed(sources)
        hosts = _inventory(groups).groups.get(group, ())
        return {host: groups.get("_meta", _Group()).hostvars.get(host, {}) for host in hosts}

    def _listed(self, sources: Sequence[Path]) -> dict[str, _Group]:
        runner = _runner()
        for source in sources:
            if not source.exists():
                raise UsageError("no such inventory", where=str(source), hint="copy inventory/example and edit it")
        words = [word for source in sources for word in ("--inventory", str(source))]
        # A folder that goes away again: the answer holds the variables of every host, secrets among them.
        with tempfile.TemporaryDirectory(prefix="grader-inventory-") as scratch:
            out, error, status = runner.run_command(
                executable_cmd=_program("ansible-inventory"),
                cmdline_args=["--list", *words],
                runner_mode="subprocess",  # The other mode mixes stderr into the answer.
                private_data_dir=scratch,
                quiet=True,
                envvars=_environment(),
                suppress_env_files=True,
            )
        try:
            answer = _Listing.validate_json(out) if status == 0 else None
        except ValidationError:
            answer = None
        if answer is None:
            raise UsageError(
                f"is no inventory that Ansible can read: {_cause(error or out)}",
                where=str(sources[0]),
                hint=f"`ansible-inventory --inventory {sources[0]} --list` says more; inventory/example is one",
            )
        return answer

    def play(self, play: Play, tell: Callable[[PlayEvent], None], stop: Callable[[], bool]) -> PlayEnd:
        """Run `ansible-playbook` in a session of its own: a signal to us is not one to it."""
        runner = _runner()
        artifacts = play.folder / "artifacts"
        artifacts.mkdir(mode=0o700, parents=True, exist_ok=True)
        artifacts.chmod(0o700)  # The folder above may be anybody's, such as the current one: its mode is left alone.
        _require_room(play.folder)
        listener = _Listener(tell, stop, play.folder)
        with tempfile.TemporaryDirectory(prefix="grader-play-") as scratch:
            try:
                code = _run(runner, play, Path(scratch), listener)
            finally:  # A second Ctrl-C leaves by an exception.
                _forget_environment(play.folder)
        if listener.full:
            return PlayEnd(outcome="broken", error=f"stopped: the disk of {play.folder} is full")
        if listener.stopped:
            return PlayEnd(outcome="interrupted", totals=listener.totals)
        if listener.totals or code == 0:  # A play for other groups than the hosts' ends well, and counts nothing.
            return PlayEnd(outcome="done", totals=listener.totals)
        return PlayEnd(outcome="broken", error=listener.error or f"`ansible-playbook` ended with {code}")


def _run(runner: ModuleType, play: Play, scratch: Path, listener: _Listener) -> object:
    """Return the exit code of `ansible-playbook`.

    Args:
        scratch: Where the runner works: it takes settings from a folder that has any, and that of the report may be
            anybody's.
    """
    # In a file a name is a name, were it an IPv6 address; and thousands are no argument that is too long.
    limit = scratch / "limit"
    limit.write_text("\n".join(play.hosts), encoding="utf-8")
    done = runner.run(
        private_data_dir=str(scratch),
        artifact_dir=str(play.folder / "artifacts"),
        playbook=str(play.playbook),
        inventory=[str(source) for source in play.inventories],
        limit=f"@{limit}",
        tags=",".join(play.tags) or None,
        forks=play.forks,
        cmdline="--check --diff" if play.check else None,
        extravars=None if play.variables is None else str(play.variables),  # By name: everyone sees the arguments.
        envvars=_environment(),
        settings={"pexpect_timeout": 0.2},
        suppress_env_files=True,  # They would hold the environment, and with it a person's secrets.
        quiet=True,
        event_handler=listener.hear,
        cancel_callback=listener.cancelled,
    )
    code: object = done.rc
    return code


class _Listener:
    """Turns events into records, and an interrupt into one of Ansible's own."""

    def __init__(self, tell: Callable[[PlayEvent], None], stop: Callable[[], bool], folder: Path) -> None:
        self.totals: tuple[HostTotals, ...] = ()
        self.error = ""
        self.stopped = False
        self.full = False
        self._folder = folder
        self._tell = tell
        self._stop = stop
        self._pid: int | None = None
        self._kill_at = 0.0

    def hear(self, raw: object) -> bool:
        """Take one event; the runner keeps it in a file of its own, whatever we make of it."""
        try:
            event = _Event.model_validate(raw)
        except ValidationError:
            return True  # Of another shape than the events that we use.
        self._pid = event.pid or self._pid
        if event.event == "playbook_on_stats":
            self.totals = tuple(_totals(event.event_data))
        elif event.event in ("verbose", "error") and event.stdout.startswith(_REFUSALS):
            self.error = self.error or _cause(event.stdout)
        elif event.event_data.host:
            for known in _events(event):
                self._tell(known)
        return True

    def cancelled(self) -> bool:
        """Ask whether to stop; true only once the run has to be killed."""
        # Without room for its events Ansible waits for ever.
        self.full = self.full or shutil.disk_usage(self._folder).free < _LEAST_FREE
        if not self._stop() and not self.full:
            return False
        if not self.stopped:
            self.stopped = True
            self._kill_at = time.monotonic() + GRACE_S
            if self._pid is None:  # No event came yet: nothing was begun on any host.
                return True
            os.kill(self._pid, signal.SIGINT)
        return time.monotonic() > self._kill_at


def _events(event: _Event) -> Iterator[PlayEvent]:
    data = event.event_data
    if event.event == "runner_on_start":
        yield TaskStart(host=data.host, role=_role(data), task=data.task)
        return
    status = _STATUS.get(event.event)
    if status is None:
        return
    result = data.res if isinstance(data.res, dict) else {}
    if status == "ok" and result.get("changed") is True:
        status = "changed"
    yield TaskEnd(
        host=data.host,
        role=_role(data),
        task=data.task,
        status=status,
        seconds=max(data.duration, 0.0),
        message=_message(result) if status in ("failed", "unreachable") else "",
        diff=_diff(result) if status == "changed" else "",
        ignored=bool(data.ignore_errors),
        item=event.event.startswith("runner_item"),
    )


def _role(data: _Data) -> str:
    """Return a role's name; ours are found by path."""
    return data.role.rpartition("/")[2]


def _message(result: Mapping[str, object]) -> str:
    """Return why a task failed: the module's message and what a command said on stderr; nothing that is `no_log`."""
    if "censored" in result:
        return "failed; why is kept secret (`no_log`)"
    said = result.get("msg")
    if isinstance(said, str) and any(sign in said for sign in _WRONG_PASSWORD):
        return f"{BECOME_PASSWORD}: found a wrong one; expected that of the account that Ansible logs in as"
    if isinstance(said, str) and any(sign in said for sign in _NO_PASSWORD):
        return f"{BECOME_PASSWORD}: found none; expected `ansible_become_password` or ANSIBLE_BECOME_PASSWORD_FILE"
    if isinstance(said, str) and _STRANGE_KEY in said:
        return f"{said.strip()} Compare its key, and accept it by one login with `ssh`"
    texts = [str(part) for part in said] if isinstance(said, list) else [str(said or "")]
    inner = result.get("failed_modules")  # `gather_facts` runs modules, and says only that they failed.
    if isinstance(inner, dict):
        texts = [str(part.get("msg") or "") for part in inner.values() if isinstance(part, dict)]
    items = result.get("results")  # Of a loop, which itself says only that some failed.
    if isinstance(items, list):
        # From ansible-core 2.21 on an item that failed has an `exception`, and no longer `failed`.
        failed = [_message(i) for i in items if isinstance(i, dict) and (i.get("failed") or "exception" in i)]
        texts = failed or texts
    stderr = result.get("stderr") or result.get("module_stderr")
    if isinstance(stderr, str) and stderr.strip():
        texts.append(stderr.strip())
    return "\n".join(dict.fromkeys(text for text in texts if text))[:_MESSAGE] or "failed without a message"


def _diff(result: Mapping[str, object]) -> str:
    """Return what a task says that it changed, of a loop all its items; nothing that is `no_log`."""
    items = result.get("results")
    changed = [one for one in (items if isinstance(items, list) else [result]) if isinstance(one, dict)]
    told = [one.get("diff") for one in changed if one.get("changed") is True and "censored" not in one]
    flat = [part for diff in told for part in (diff if isinstance(diff, list) else [diff])]
    return "\n".join(filter(None, (_lines(part) for part in flat if isinstance(part, dict))))[:_MESSAGE]


def _lines(diff: Mapping[str, object]) -> str:
    """Return one difference as text; a module tells it as such, or as what is before and after."""
    if isinstance(diff.get("prepared"), str):
        return str(diff["prepared"]).strip("\n")
    before, after = (_text(diff.get(side)).splitlines() for side in ("before", "after"))
    old, new = (str(diff.get(f"{side}_header") or side) for side in ("before", "after"))
    return "\n".join(difflib.unified_diff(before, after, old, new, n=1, lineterm=""))


def _text(side: object) -> str:
    return side if isinstance(side, str) else "" if side is None else json.dumps(side, indent=1, sort_keys=True)


def _totals(data: _Data) -> Iterator[HostTotals]:
    counts = (data.ok, data.changed, data.failures, data.dark, data.skipped, data.rescued)
    for host in sorted({host for count in counts for host in count}):
        yield HostTotals(
            host=host,
            ok=data.ok.get(host, 0),
            changed=data.changed.get(host, 0),
            failed=data.failures.get(host, 0),
            unreachable=data.dark.get(host, 0),
            skipped=data.skipped.get(host, 0),
            rescued=data.rescued.get(host, 0),
        )


def _inventory(groups: Mapping[str, _Group]) -> Inventory:
    """Flatten Ansible's listing: a group holds the hosts of its children."""

    def held(name: str) -> list[str]:
        group = groups.get(name, _Group())
        return [*group.hosts, *(host for child in group.children for host in held(child))]

    return Inventory(
        hosts=tuple(dict.fromkeys(held("all"))),
        groups={name: tuple(dict.fromkeys(held(name))) for name in sorted(groups) if name not in ("_meta", "all")},
    )


def _environment() -> dict[str, str]:
    """Return what Ansible is told by variables; a person's own settings stay, but for what a run must have."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {
        "PATH": path,
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "1"),
        "ANSIBLE_INJECT_FACT_VARS": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        # A file that cannot be read would be left out with a warning, and its hosts with it.
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_INVENTORY_IGNORE": ",".join(NO_INVENTORY),
    }


def _program(name: str) -> str:
    """Return the program that belongs to this environment, else the one on PATH."""
    own = Path(sys.executable).with_name(name)
    return str(own) if own.is_file() else shutil.which(name) or name


def _forget_environment(folder: Path) -> None:
    """Remove what the runner notes of our environment, and with it of a person's secrets."""
    for note in folder.glob("artifacts/*/command"):
        note.unlink()


def _cause(text: str) -> str:
    """Return the line of an error in which Ansible says what it is, of a refusal to begin at all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(_REFUSALS)] or lines[-1:]
    return said[0].removeprefix("ERROR! ").removeprefix("[ERROR]: ")[:_MESSAGE] if said else "Ansible gave no reason"


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _ROOM:
        what = f"{free:,} bytes are free, and the events of a run need {_ROOM:,}"
        raise HostError(what, where=str(folder), hint="make room, or name a folder on another disk by `--out`")


def _runner() -> ModuleType:
    hint = "run `bin/setup`, or `pip install 'lab-grader[hosts]'`"
    try:
        import ansible_runner
        import ansible_runner.exceptions
    except ImportError as error:
        raise HostError("`ansible-runner` is not installed", hint=hint) from error
    if shutil.which(_program("ansible-playbook")) is None:
        raise HostError("`ansible-playbook` is not installed", hint=hint)
    module: ModuleType = ansible_runner
    return module
