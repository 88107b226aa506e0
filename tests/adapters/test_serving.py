"""Servers behind the real boundary, as root and as a plain user, and without one."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from grader.adapters import sandbox as sandbox_module
from grader.adapters.boundary import Boundary
from grader.adapters.cgroups import Cgroups
from grader.adapters.network import connect
from grader.adapters.processes import children
from grader.adapters.sandbox import Sandbox, find_tool
from grader.adapters.trusted import Trusted
from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Bind, Command, Limits
from tests.adapters.conftest import PlainUser
from tests.adapters.talk import Request, Talk, ask, talk
from tests.survivors import survivors

Serve = Callable[..., Talk]


def command(program: Path, *how: str, word: str = "hello", port: int = 8080, **limits: float) -> Command:
    return Command(
        argv=("/app/attack", "serve", str(port), word, *how),
        binds=(Bind(source=str(program), target="/app/attack"),),
        limits=Limits.model_validate({"timeout_s": 60, **limits}),
    )


@pytest.fixture
def serve(sandbox: Sandbox | PlainUser, attack: Path) -> Serve:
    """Start the server in the sandbox and talk to it: `serve("stays", paths=..., grace_s=..., timeout_s=...)`."""

    def served(*how: str, word: str = "hello", timeout_s: float = 60, **request: object) -> Talk:
        asked = Request.model_validate({"command": command(attack, *how, word=word, timeout_s=timeout_s), **request})
        return sandbox.talk(asked) if isinstance(sandbox, PlainUser) else talk(sandbox, asked)

    return served


@pytest.fixture
def runner() -> Sandbox:
    """The sandbox of whoever runs the tests."""
    made = Sandbox()
    if not made.status().works:
        pytest.skip("needs: sandbox: it is refused here")
    return made


@pytest.fixture
def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


def my_children() -> str:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


# What a server answers and how it ends.


def test_both_routes_answer_and_a_polite_server_ends_at_sigterm(serve: Serve) -> None:
    said = serve(paths=("/", "/api/time", "/"))
    assert (said.answers[0], said.answers[2]) == ("<p>hello</p>", "<p>hello</p>")
    assert json.loads(said.answers[1])
    assert not said.ended
    done = said.stopped.completed
    assert (said.stopped.how, done.outcome, done.signal) == ("terminated", "failed", signal.SIGTERM)
    assert done.argv[:2] == ("/app/attack", "serve")


def test_server_may_listen_on_localhost_by_name(serve: Serve) -> None:
    """As it may on a host and in a container, where a file says what that name means."""
    assert "<p>hello</p>" in serve("by-name").answers[0]


def test_server_that_ignores_sigterm_is_killed_after_the_grace_and_gone(serve: Serve, mark: str) -> None:
    said = serve("stays", word=mark, grace_s=0.3)
    assert mark in said.answers[0]
    done = said.stopped.completed
    assert (said.stopped.how, done.outcome, done.signal) == ("killed", "failed", signal.SIGKILL)
    assert survivors(mark) == []


def test_handler_of_sigterm_that_leaves_a_process_behind_leaves_none(serve: Serve, mark: str) -> None:
    said = serve("forks", word=mark)
    assert (said.stopped.how, said.stopped.completed.outcome) == ("terminated", "ok")
    assert said.stopped.completed.stdout == "forked at the end\n"
    assert survivors(mark) == []


def test_server_that_ends_by_itself_says_so_with_its_exit_code(serve: Serve) -> None:
    said = serve("ends", wait_for_end=True)
    assert said.ended
    assert (said.stopped.how, said.stopped.completed.exit_code) == ("by-itself", 3)


def test_server_that_never_listens_is_refused_and_can_be_stopped(sandbox: Sandbox | PlainUser, attack: Path) -> None:
    sleeper = command(attack).model_copy(update={"argv": ("/app/attack", "sleep", "60")})
    request = Request(command=sleeper, within_s=0.3)
    said = sandbox.talk(request) if isinstance(sandbox, PlainUser) else talk(sandbox, request)
    assert (said.answers, said.ended, said.stopped.how) == (("",), False, "terminated")


def test_log_larger_than_a_pipe_does_not_block_the_server(serve: Serve) -> None:
    said = serve("logs", paths=("/",) * 3)
    assert all(said.answers)
    assert len(said.stopped.completed.stdout) == 3 * (4 * (32 << 10) + 1)


def test_log_without_end_ends_the_server_at_the_cap(serve: Serve, mark: str) -> None:
    said = serve("floods", word=mark, wait_for_end=True)
    assert said.ended
    done = said.stopped.completed
    assert (said.stopped.how, done.outcome, len(done.stdout)) == ("killed", "output-limit", 1 << 20)
    assert survivors(mark) == []


def test_time_limit_is_that_of_the_servers_whole_life(serve: Serve, mark: str) -> None:
    said = serve("stays", word=mark, timeout_s=4, wait_for_end=True)
    assert said.answers[0]
    assert (said.ended, said.stopped.how, said.stopped.completed.outcome) == (True, "killed", "timeout")
    assert survivors(mark) == []


def test_program_that_is_not_there_never_serves(sandbox: Sandbox | PlainUser, attack: Path) -> None:
    absent = command(attack).model_copy(update={"argv": ("/app/nothing",)})
    request = Request(command=absent)
    said = sandbox.talk(request) if isinstance(sandbox, PlainUser) else talk(sandbox, request)
    assert (said.answers, said.ended, said.stopped.how) == (("",), True, "by-itself")
    assert said.stopped.completed.outcome == "not-started"


def test_file_that_is_no_program_never_serves(sandbox: Sandbox | PlainUser, shared_dir: Path, attack: Path) -> None:
    text = shared_dir / "text-to-serve"
    text.write_text("plain text\n")
    text.chmod(0o644)
    bind = Bind(source=str(text), target="/app/attack")
    request = Request(command=command(attack).model_copy(update={"binds": (bind,)}))
    said = sandbox.talk(request) if isinstance(sandbox, PlainUser) else talk(sandbox, request)
    assert said.stopped.completed.outcome == "not-started"


# Networks.


def test_served_port_is_neither_the_hosts_nor_reachable_from_it(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        said = serve(paths=(f"/reach?{address}", "/reach?192.0.2.1:80", "/reach?127.0.0.1:8080"))
    assert "connection refused" in said.answers[0]
    assert "network is unreachable" in said.answers[1]
    assert said.answers[2].endswith("<nil>")


def test_server_cannot_be_reached_through_the_hosts_loopback(runner: Sandbox, attack: Path, port: int) -> None:
    with runner.serve(command(attack, port=port), port) as server:
        assert ask(server, "/")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


def test_several_servers_have_the_same_port_at_once(runner: Sandbox, attack: Path) -> None:
    with (
        runner.serve(command(attack, word="first"), 8080) as first,
        runner.serve(command(attack, word="second"), 8080) as second,
    ):
        assert "first" in ask(first, "/")
        assert "second" in ask(second, "/")
        assert "first" in ask(first, "/")


def test_socket_that_the_kernel_connects_to_itself_is_refused() -> None:
    """Which happens on Linux where a client is given the very port that it asks for."""
    trial = socket.socket()
    trial.bind(("127.0.0.1", 0))
    with pytest.raises(ConnectionRefusedError):
        connect(trial, trial.getsockname()[1], 1)
    assert trial.fileno() == -1


def test_interpreter_that_cannot_run_the_helper_is_named_as_trouble_of_ours(
    runner: Sandbox, attack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(HostError, match="network of a sandbox") as caught, runner.serve(command(attack), 8080):
        pytest.fail("served without a way to reach it")
    assert caught.value.hint


def test_host_without_descriptors_is_trouble_of_ours(runner: Sandbox, attack: Path) -> None:
    """Wherever the limit is met between the first pipe and the server: one probe is lost then, and not the grading."""
    before, usual = open_descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)
    told = set()
    try:
        for limit in range(len(before), 200):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, usual[1]))
            try:
                with runner.serve(command(attack), 8080):
                    break
            except HostError as error:
                told.add(error.what)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert {what.partition(":")[0] for what in told} >= {
        "the sandbox cannot be prepared",
        "the sandbox cannot be started",
        "the network of a sandbox cannot be reached",
    }
    assert open_descriptors() == before


# What is left behind.


def test_nothing_is_left_after_servers_that_end_in_every_way(runner: Sandbox, attack: Path, mark: str) -> None:
    before, others, threads = open_descriptors(), my_children(), threading.active_count()
    for how in ("stays", "forks", "ends", "floods", "logs"):
        talk(runner, Request(command=command(attack, how, word=mark), grace_s=0.1))
        with runner.serve(command(attack, how, word=mark), 8080):
            pass
    with pytest.raises(ZeroDivisionError), runner.serve(command(attack, "stays", word=mark), 8080) as server:
        assert 1 / len(ask(server, "/nothing", within_s=0))
    assert survivors(mark) == []
    assert my_children() == others
    assert open_descriptors() == before
    assert threading.active_count() == threads
    left = [path for path in Path("/sys/fs/cgroup").rglob(f"lab-grader-*-{os.getpid()}-*") if path.is_dir()]
    assert left == []


_GRADER = """
import sys, time
from grader.adapters.{room} import {runner}
from grader.model.run import Bind, Command
from tests.adapters.talk import ask
bind = Bind(source=sys.argv[1], target="/app/attack")
command = Command(argv=("/app/attack", "serve", sys.argv[3], sys.argv[2], "stays"), binds=(bind,))
with {runner}().serve(command, int(sys.argv[3])) as server:
    print(ask(server, "/").splitlines()[0], flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("boundary", ["Sandbox", "Trusted"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_grader_that_is_killed_or_interrupted_in_the_body_leaves_no_process(
    runner: Sandbox, attack: Path, mark: str, port: int, how: signal.Signals, boundary: str
) -> None:
    grader = subprocess.Popen(
        [sys.executable, "-c", _GRADER.format(room=boundary.lower(), runner=boundary), attack, mark, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert grader.stdout is not None
    assert mark in grader.stdout.readline()
    started = children(grader.pid)
    assert len(started) == (2 if boundary == "Sandbox" else 1)  # The helper and the boundary, or the server itself.
    grader.send_signal(how)
    _, errors = grader.communicate(timeout=30)
    assert grader.returncode == -how
    assert ("KeyboardInterrupt" in errors) == (how == signal.SIGINT)
    for _ in range(2000):
        if not survivors(mark) and not any(Path(f"/proc/{pid}").exists() for pid in started):
            return
        time.sleep(0.01)
    pytest.fail("waited 20 s in vain")


# Memory of a server.


def test_memory_of_a_server_is_read_by_every_notion_that_there_is(serve: Serve, sandbox: Sandbox | PlainUser) -> None:
    readings = {reading.notion: reading for reading in serve().memory}
    weak = {message.code for message in sandbox.status().weak}
    assert set(readings) == ({"smaps"} if "sandbox.no-cgroup" in weak else {"smaps", "cgroup"})
    for reading in readings.values():
        assert 500_000 < reading.size_bytes < 100_000_000
        assert reading.method


def test_without_cgroups_a_server_has_its_smaps_only(runner: Sandbox, attack: Path) -> None:
    weak = Sandbox(cgroups=Cgroups(0, {}, missing=Message(code="sandbox.no-cgroup")))
    assert [r.notion for r in talk(weak, Request(command=command(attack))).memory] == ["smaps"]


# Without a boundary.


def test_trusted_server_answers_and_ends_at_sigterm(attack: Path, port: int) -> None:
    request = Request(command=command(attack, port=port), port=port)
    said = talk(Trusted(), request)
    assert "<p>hello</p>" in said.answers[0]
    assert (said.stopped.how, said.stopped.completed.signal) == ("terminated", signal.SIGTERM)
    assert said.stopped.completed.argv == request.command.argv
    assert [reading.notion for reading in said.memory] == ["smaps"]


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_port_that_is_taken_is_named_before_anything_starts(
    attack: Path, family: socket.AddressFamily, address: str
) -> None:
    """Else the probe would talk to somebody else's server, and believe it."""
    with socket.create_server((address, 0), family=family) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match=f"port {port}") as caught, Trusted().serve(command(attack), port):
            pytest.fail("served beside another server")
    assert str(port) in caught.value.hint


def test_trusted_program_that_is_not_there_never_serves(port: int) -> None:
    said = talk(Trusted(), Request(command=Command(argv=("/app/nothing",)), port=port))
    assert (said.answers, said.stopped.completed.outcome) == (("",), "not-started")
    reason = said.stopped.completed.reason
    assert reason is not None
    assert reason.params["program"] == "/app/nothing"


# What bubblewrap tells, piece by piece.


def test_status_that_comes_in_pieces_is_put_together() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        boundary = Boundary(reading)
        seen = []
        for piece in ('{ "child-pid": 1', "23", ', "pid-namespace": 45 }', "\n", '{ "exit-code": 0 }\n'):
            os.write(writing, piece.encode())
            boundary.read()
            seen.append((boundary.pid, boundary.started))
    finally:
        os.close(reading)
        os.close(writing)
    assert seen == [(None, False), (None, False), (None, False), (123, False), (123, True)]


@pytest.fixture
def orphaned(runner: Sandbox) -> Iterator[Boundary]:
    """A namespace that has outlived its bubblewrap, as one does whose first process was not told of that in time."""
    bwrap = find_tool("bwrap")
    assert bwrap is not None
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        line = [str(bwrap), "--unshare-pid", "--ro-bind", "/", "/", "--json-status-fd", str(writing), "sleep", "60"]
        boundary = Boundary(reading)
        with subprocess.Popen(line, pass_fds=(writing,)) as process:
            pid = boundary.wait_for_pid(lambda: process.poll() is not None)
            while not boundary.programs():
                time.sleep(0.001)
            process.kill()
        assert pid is not None
        assert Path(f"/proc/{pid}").exists()
        yield boundary
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(reading)
        os.close(writing)


def test_namespace_that_outlives_its_bubblewrap_is_ended(orphaned: Boundary) -> None:
    inside = orphaned.programs()
    orphaned.end()
    assert orphaned.programs() == []
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in inside)


def test_number_that_is_another_process_by_now_is_left_alone() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            os.write(writing, f'{{ "child-pid": {bystander.pid}, "pid-namespace": 1 }}\n'.encode())
            Boundary(reading).end()
            assert bystander.poll() is None
        finally:
            bystander.kill()
            os.close(reading)
            os.close(writing)


def test_wait_for_a_boundary_that_never_tells_ends_with_the_program() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        answers = iter([False, False, True])
        assert Boundary(reading).wait_for_pid(lambda: next(answers)) is None
    finally:
        os.close(reading)
        os.close(writing)


def test_boundary_that_breaks_at_the_start_is_trouble_of_ours(
    runner: Sandbox, attack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_module, "HOSTNAME", "x" * 500)
    with pytest.raises(HostError, match="the sandbox broke"), runner.serve(command(attack), 8080) as server:
        server.stop(1)
