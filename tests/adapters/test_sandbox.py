"""Ways out of the sandbox, tried for real; where it is harmless, each is first shown to be open outside."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.adapters import seccomp
from grader.adapters.sandbox import HOSTNAME, NOOP_OUTPUT, UIDS, Sandbox
from grader.errors import HostError
from grader.model.run import Bind, Command, Completed, Limits
from grader.ports import SandboxStatus
from tests.adapters.conftest import PlainUser
from tests.survivors import survivors

Run = Any
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: it makes users, namespaces or set-id files")


def outside(attack: Path, *args: str) -> str:
    """Run the attacking program without any boundary."""
    done = subprocess.run([str(attack), *args], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def held(done: Completed, why: str = "") -> bool:
    assert done.stdout.startswith("held:"), (done.stdout, done.stderr, done.reason)
    return why in done.stdout


@pytest.fixture
def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


# What a command gets.


def test_self_test_finds_a_tight_sandbox(sandbox: Sandbox) -> None:
    status = sandbox.status()
    assert status.works
    assert status.reason is None
    assert {m.code for m in status.weak} <= {"sandbox.no-cgroup"}


@needs_root
def test_control_command_prints_its_known_line_and_nothing_else() -> None:
    runner = Sandbox()
    done = runner.run(runner.noop())
    assert (done.outcome, done.stdout, done.stderr) == ("ok", NOOP_OUTPUT, "")
    assert done.first_output_s is not None
    assert 0 < done.first_output_s <= done.total_s


def test_exit_code_and_signal_are_the_commands_own(run: Run) -> None:
    assert (run("exit", "0").outcome, run("exit", "3").exit_code) == ("ok", 3)
    killed = run("abort")
    assert (killed.outcome, killed.exit_code, killed.signal) == ("failed", None, signal.SIGKILL)


def test_argv_of_the_result_is_the_commands_and_names_no_path_of_the_host(run: Run) -> None:
    assert run("whoami").argv == ("/app/attack", "whoami")


def test_environment_is_what_the_command_gives_and_the_working_directory(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAK", "secret")
    assert run("environment", env={"MODE": "once"}).stdout.split() == ["MODE=once", "PWD=/"]


def test_process_is_an_unprivileged_user_with_groups_of_its_own(run: Run) -> None:
    uids = {int(word) for word in run("whoami").stdout.split()}
    assert len(uids) == 1
    assert uids <= set(UIDS)


def test_no_descriptor_but_the_three_standard_ones_is_inherited(run: Run) -> None:
    """Not even one that whoever started the grader left open for all."""
    with Path(os.devnull).open() as left_open:
        os.set_inheritable(left_open.fileno(), True)
        done = run("descriptors")
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(lines) == {"0", "1", "2"}
    assert lines["0"] == "/dev/null"


def test_host_name_is_fixed(run: Run) -> None:
    assert run("hostname").stdout.strip() == HOSTNAME != socket.gethostname()


def test_core_dumps_are_off_and_priority_is_lowered(run: Run) -> None:
    """1 byte, not 0: a core pattern that is a pipe ignores 0 and starts a handler as the host's root."""
    lines = run("limits").stdout.splitlines()
    core = next(line for line in lines if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["1", "1"]
    assert lines[-1] == "nice 5"


@needs_root
@pytest.mark.parametrize("sandbox", ["plain-user"], indirect=True)
@pytest.mark.usefixtures("sandbox")
def test_a_plain_user_who_is_nicer_already_runs_programs_and_stays_so(host_lock: Path, attack: Path) -> None:
    """Nobody but root may take niceness back, so `nice -n 19 grader` would run nothing."""
    here = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, 12)
    try:
        nicer = PlainUser(host_lock)
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, here)
    bind = Bind(source=str(attack), target="/app/attack")
    done = nicer.run(Command(argv=("/app/attack", "limits"), env={}, binds=(bind,), limits=Limits(timeout_s=30)))
    nicer.close()
    assert done.stdout.splitlines()[-1:] == ["nice 12"], done.reason


def test_program_that_is_not_there_is_not_started(sandbox: Sandbox, attack: Path) -> None:
    bind = Bind(source=str(attack), target="/app/attack")
    for program in ("/app/nothing", "/usr/bin/nothing"):
        done = sandbox.run(Command(argv=(program,), binds=(bind,)))
        assert (done.outcome, done.reason and done.reason.code) == ("not-started", "run.not-started")


def test_file_that_is_no_program_is_not_started(sandbox: Sandbox, shared_dir: Path) -> None:
    text = shared_dir / "not-a-program"
    text.write_text("plain text\n")
    text.chmod(0o644)
    done = sandbox.run(Command(argv=("/app/text",), binds=(Bind(source=str(text), target="/app/text"),)))
    assert done.outcome == "not-started"


@needs_root
def test_toolchain_and_submission_in_a_home_of_mode_0700_are_reachable(attack: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "submission").mkdir(parents=True)
    (home / "submission" / "main.go").write_text("package main\n")
    shutil.copy(attack, home / "tool")
    home.chmod(0o700)
    binds = (
        Bind(source=str(home / "tool"), target="/app/attack"),
        Bind(source=str(home / "submission"), target="/src"),
    )
    done = Sandbox().run(Command(argv=("/app/attack", "read", "main.go"), cwd="/src", binds=binds))
    assert "package main" in done.stdout


@needs_root
def test_source_that_the_sandboxed_user_cannot_read_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(HostError) as caught:
        Sandbox().run(Command(argv=("/x",), binds=(Bind(source=str(tmp_path / "closed"), target="/src"),)))
    assert "chmod -R go+rX" in caught.value.hint


@pytest.mark.parametrize("source", ["/", "/proc", "/proc/1", "/sys", "/dev"])
def test_bind_that_shows_the_host_is_refused(source: str) -> None:
    with pytest.raises(HostError, match="must not be shown"):
        Sandbox()._check((Bind(source=source, target="/x"),))


def test_bind_that_shows_the_host_lock_is_refused(host_lock: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(host_lock.parent)
    for source in (host_lock, host_lock.parent, tmp_path / "link"):
        with pytest.raises(HostError, match="host lock"):
            Sandbox(lock=host_lock)._check((Bind(source=str(source), target="/x"),))


def test_bind_inside_another_bind_is_refused(attack: Path) -> None:
    """Its mount point would be looked up in a tree that a submission may have filled with links."""
    inner = Bind(source=str(attack), target="/src/deep/attack")
    with pytest.raises(HostError, match="inside another bind"):
        Sandbox()._check((Bind(source=str(attack.parent), target="/src"), inner))


# Files of the host.


def test_the_only_names_of_hosts_are_our_own_and_cannot_be_changed(run: Run) -> None:
    assert run("list", "/etc").stdout == "escaped: hosts\n"
    assert run("read", "/etc/hosts").stdout == 'escaped: "127.0.0.1 localhost sandbox\\n"\n'
    assert held(run("write", "/etc/hosts"))
    assert held(run("write", "/etc/other"))


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/passwd", "/root", "/home", "/run", "/sys", "/var", "/usr/bin"])
def test_host_files_are_not_there(run: Run, attack: Path, path: str) -> None:
    if Path(path).exists() and os.access(path, os.R_OK):
        verb = "list" if Path(path).is_dir() else "read"
        assert outside(attack, verb, path).startswith("escaped:")
    assert held(run("read", path), "no such file")


def test_only_what_is_bound_is_in_sight(run: Run) -> None:
    seen = set(run("list", "/").stdout.removeprefix("escaped: ").split())
    assert seen <= {"app", "dev", "etc", "proc", "tmp", "bin", "lib", "lib64"}
    assert set(run("list", "/dev").stdout.removeprefix("escaped: ").split()) == {
        "fd", "full", "null", "random", "urandom", "zero",
    }  # fmt: skip


def test_another_submission_beside_the_bound_one_is_not_there(run: Run, shared_dir: Path, attack: Path) -> None:
    for name in ("mine", "theirs"):
        (shared_dir / name).mkdir(exist_ok=True)
        (shared_dir / name / "main.go").write_text(name)
    bind = (Bind(source=str(shared_dir / "mine"), target="/src"),)
    assert "theirs" in outside(attack, "read", str(shared_dir / "theirs" / "main.go"))
    assert "mine" in run("read", "/src/main.go", binds=bind).stdout
    assert held(run("read", "/src/../theirs/main.go", binds=bind))
    assert held(run("read", str(shared_dir / "theirs" / "main.go"), binds=bind))


def test_link_in_a_submission_leads_nowhere(run: Run, shared_dir: Path, attack: Path) -> None:
    source = shared_dir / "linked"
    source.mkdir(exist_ok=True)
    link = source / "passwd"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/passwd")
    assert outside(attack, "read", str(link)).startswith("escaped:")
    assert held(run("read", "/src/passwd", binds=(Bind(source=str(source), target="/src"),)))


def test_host_lock_cannot_be_taken(run: Run, attack: Path, host_lock: Path) -> None:
    assert outside(attack, "open", str(host_lock)).startswith("escaped:")
    assert held(run("open", str(host_lock)), "no such file")
    assert held(run("open", "/run/lock/lab-grader.lock"), "no such file")


@pytest.mark.parametrize("path", ["/src/new", "/src/main.go", "/new", "/app/new", "/dev/new", "/proc/new"])
def test_nothing_but_tmp_and_writable_binds_can_be_written(run: Run, shared_dir: Path, path: str) -> None:
    source = shared_dir / "kept"
    source.mkdir(exist_ok=True)
    (source / "main.go").write_text("kept")
    (source / "main.go").chmod(0o666)
    source.chmod(0o777)
    try:
        assert held(run("write", path, "changed", binds=(Bind(source=str(source), target="/src"),)))
        assert sorted(p.name for p in source.iterdir()) == ["main.go"]
        assert (source / "main.go").read_text() == "kept"
    finally:
        source.chmod(0o755)


def test_tmp_is_private_to_each_run(run: Run) -> None:
    assert run("write", "/tmp/note", "here").stdout.startswith("escaped:")
    assert held(run("read", "/tmp/note"), "no such file")
    assert not Path("/tmp/note").exists()


def test_kernel_settings_cannot_be_written(run: Run) -> None:
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"):
        assert held(run("write", path, "1"))


# Rights.


@pytest.mark.parametrize("path", ["/", "/src", "/proc", "/tmp"])
def test_mounts_cannot_be_changed(run: Run, writable: Path, path: str) -> None:
    bind = (Bind(source=str(writable), target="/src"),)
    for way in ("mount", "remount", "umount"):
        assert held(run(way, path, binds=bind), "operation not permitted")


@needs_root
def test_mounts_can_be_changed_outside(attack: Path, tmp_path: Path) -> None:
    """The control for the test above, in a mount namespace of its own."""
    script = f"{attack} mount {tmp_path} && {attack} remount {tmp_path} && {attack} umount {tmp_path}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("escaped:") == 3


def test_user_namespace_cannot_be_made(run: Run, attack: Path) -> None:
    assert outside(attack, "unshare").startswith("escaped:")
    assert held(run("unshare"))


def test_own_child_cannot_be_traced(run: Run, attack: Path) -> None:
    assert outside(attack, "ptrace").startswith("escaped:")
    assert held(run("ptrace"), "operation not permitted")


@needs_root
def test_set_id_program_gives_no_rights(sandbox: Sandbox, shared_dir: Path, attack: Path) -> None:
    program = shared_dir / "set-id"
    shutil.copy(attack, program)
    program.chmod(0o4755)
    drop = ["setpriv", "--reuid=64990", "--clear-groups", str(program), "whoami"]
    assert subprocess.run(drop, capture_output=True, text=True, check=True).stdout.split()[:2] == ["64990", "0"]
    bind = Bind(source=str(program), target="/src/set-id")
    done = sandbox.run(Command(argv=("/src/set-id", "whoami"), binds=(bind,)))
    assert done.outcome == "ok"
    assert "0" not in done.stdout.split()


def test_denied_system_calls_are_refused_and_those_that_hide_their_flags_are_missing(run: Run) -> None:
    machine = seccomp.ARCHITECTURES.get(os.uname().machine)
    if machine is None:
        pytest.skip("needs: sandbox: a filter for this machine")
    numbers = sorted(machine.denied.values())
    lines = run("syscalls", *map(str, numbers)).stdout.splitlines()
    assert lines == [f"{number} operation not permitted" for number in numbers]
    assert run("syscalls", str(machine.clone3)).stdout.split(" ", 1)[1].strip() == "function not implemented"


def test_keyring_is_out_of_reach(run: Run, attack: Path) -> None:
    machine = seccomp.ARCHITECTURES[os.uname().machine]
    number = str(machine.denied["keyctl"])
    assert "not permitted" not in outside(attack, "syscalls", number)
    assert "operation not permitted" in run("syscalls", number).stdout


def test_terminal_input_cannot_be_forged(run: Run) -> None:
    """Refused by the filter, before the kernel sees that this stdin is no terminal."""
    assert held(run("type"), "operation not permitted")


def test_address_space_randomisation_cannot_be_switched_off(run: Run, attack: Path) -> None:
    assert outside(attack, "personality", str(0x0040000)).startswith("escaped:")
    assert held(run("personality", str(0x0040000)), "operation not permitted")
    assert run("personality", "0").stdout.startswith("escaped:")


# Other processes.


def test_processes_of_the_host_are_neither_seen_nor_signalled(run: Run, attack: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        assert outside(attack, "signal", str(bystander.pid)).startswith("escaped:")
        lines = run("processes").stdout.splitlines()
        assert len(lines) <= 3  # The namespace's first process, the command, and no other.
        assert not any("sleep" in line for line in lines)
        assert held(run("signal", str(bystander.pid)), "no such process")
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("file", ["environ", "cmdline", "cwd/work", "root/etc/passwd"])
def test_first_process_of_the_sandbox_tells_nothing_of_the_host(run: Run, file: str, shared_dir: Path) -> None:
    seen = run("read", f"/proc/1/{file}").stdout
    assert seen.startswith("held:") or seen.strip() == 'escaped: ""' or file == "cmdline"
    assert str(shared_dir) not in seen
    assert str(Path.cwd()) not in seen


def test_processes_left_behind_are_gone_when_the_run_is_over(run: Run, attack: Path, mark: str) -> None:
    outside(attack, "daemon", "2", mark)
    left = survivors(mark)
    assert left
    for pid in left:
        os.kill(int(pid), signal.SIGKILL)
    inside = f"{mark}-inside"
    done = run("daemon", "2", inside)
    assert (done.outcome, done.stdout) == ("ok", "left one behind\n")
    assert survivors(inside) == []


def test_endless_loop_that_ignores_signals_ends_at_its_time(run: Run, mark: str) -> None:
    done = run("stay", mark, timeout_s=0.5)
    assert (done.outcome, done.reason.code, done.stdout) == ("timeout", "run.timeout", "staying\n")
    assert survivors(mark) == []


@pytest.mark.serial  # where no cgroup counts them, processes are counted by user
def test_fork_bomb_stays_below_its_cap_and_is_gone_afterwards(run: Run, mark: str) -> None:
    seen: list[int] = []
    done: list[Completed] = []
    thread = threading.Thread(target=lambda: done.append(run("forkbomb", mark, timeout_s=2, pids=40)))
    thread.start()
    while thread.is_alive():
        seen.append(len(survivors(f"forkbomb\0{mark}")))
        time.sleep(0.05)
    thread.join()
    assert done[0].outcome in ("timeout", "failed")
    assert 2 < max(seen) <= 40
    assert survivors(mark) == []


@needs_root
def test_memory_hog_is_stopped_and_named(attack: Path) -> None:
    runner = Sandbox()
    if runner.status().weak:
        pytest.skip("needs: cgroups: a cap on memory")
    bind = Bind(source=str(attack), target="/app/attack")
    limits = Limits(timeout_s=60, memory_bytes=64 << 20)
    hog = runner.run(Command(argv=("/app/attack", "memory", "512"), binds=(bind,), limits=limits))
    assert (hog.outcome, hog.reason and hog.reason.code) == ("failed", "run.memory-limit")
    modest = runner.run(Command(argv=("/app/attack", "memory", "8"), binds=(bind,), limits=limits))
    assert modest.outcome == "ok"


# Network.


@pytest.fixture
def listener() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_host_loopback_is_out_of_reach_and_its_own_works(run: Run, attack: Path, listener: str) -> None:
    assert outside(attack, "connect", "tcp", listener).startswith("escaped:")
    assert held(run("connect", "tcp", listener), "connection refused")
    assert run("loopback").stdout.startswith("escaped:")


def test_no_way_out_to_a_network(run: Run) -> None:
    assert held(run("connect", "tcp", "192.0.2.1:80"), "network is unreachable")


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_sockets_of_the_host_are_out_of_reach(
    run: Run, attack: Path, shared_dir: Path, abstract: bool, mark: str
) -> None:
    address = f"@{mark}" if abstract else str(shared_dir / mark)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{mark}" if abstract else address)
        server.listen()
        assert outside(attack, "connect", "unix", address).startswith("escaped:")
        assert held(run("connect", "unix", address))


@pytest.mark.parametrize("family", [17, 38, 40])
def test_packet_crypto_and_hypervisor_sockets_cannot_be_made(run: Run, family: int) -> None:
    assert held(run("family", str(family)), "operation not permitted")


# Output and disk.


def test_output_flood_on_both_streams_is_cut_at_the_cap(run: Run) -> None:
    done = run("flood", output_bytes=200_000)
    assert (done.outcome, done.reason.code) == ("output-limit", "run.output-limit")
    assert max(len(done.stdout), len(done.stderr)) == 200_000
    assert min(len(done.stdout), len(done.stderr)) <= 200_000


def test_filling_tmp_meets_a_full_disk(run: Run) -> None:
    done = run("fill", "/tmp/big", "200", disk_bytes=16 << 20)
    assert int(done.stdout.split()[0]) <= 16
    assert "no space left" in done.stdout or "file too large" in done.stdout


def test_large_file_in_a_writable_bind_is_stopped(run: Run, writable: Path) -> None:
    bind = (Bind(source=str(writable), target="/out", writable=True),)
    done = run("fill", "/out/big", "200", binds=bind, disk_bytes=16 << 20)
    assert (writable / "big").stat().st_size <= 16 << 20
    assert "file too large" in done.stdout + done.stderr or done.outcome in ("disk-limit", "failed")


def test_many_files_in_a_writable_bind_end_the_run_while_it_goes_on(run: Run, writable: Path, mark: str) -> None:
    bind = (Bind(source=str(writable), target="/out", writable=True),)
    owner = writable.stat()
    for number in range(3):
        (writable / f"old-{number}").write_bytes(os.urandom(6 << 20))
        os.chown(writable / f"old-{number}", owner.st_uid, owner.st_gid)
    started = time.monotonic()
    done = run("sleep", "25", mark, binds=bind, disk_bytes=16 << 20)
    assert (done.outcome, done.reason.code) == ("disk-limit", "run.disk-limit")
    assert time.monotonic() - started < 20
    assert survivors(mark) == []


def test_empty_files_count_towards_the_cap(run: Run, writable: Path) -> None:
    bind = (Bind(source=str(writable), target="/out", writable=True),)
    assert run("litter", "/out", "3000", binds=bind, disk_bytes=1 << 20).outcome == "disk-limit"
    assert run("litter", "/out", "10", binds=bind, disk_bytes=64 << 20).outcome == "ok"


def test_directories_nested_without_end_are_a_disk_limit_and_can_be_removed(run: Run, writable: Path) -> None:
    bind = (Bind(source=str(writable), target="/out", writable=True),)
    done = run("deep", "/out", "3000", binds=bind)
    assert done.outcome == "disk-limit"
    shutil.rmtree(writable)
    writable.mkdir()


def test_writable_bind_belongs_to_its_owner_again_without_set_id_bits(run: Run, writable: Path) -> None:
    before = writable.stat()
    bind = (Bind(source=str(writable), target="/out", writable=True),)
    passwd = Path("/etc/passwd").stat()
    assert run("setuid", "/out/program", "/etc/passwd", binds=bind).stdout.startswith("escaped:")
    program = (writable / "program").stat()
    assert (writable.stat().st_uid, program.st_uid, program.st_gid) == (before.st_uid, before.st_uid, before.st_gid)
    assert program.st_mode & 0o7000 == 0 or program.st_uid != 0
    assert Path("/etc/passwd").stat() == passwd


# A host that refuses.


def test_missing_tool_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.adapters.sandbox._TOOL_PATH", str(tmp_path))
    runner = Sandbox()
    status = runner.status()
    assert not status.works
    assert status.reason is not None
    assert (status.reason.code, status.reason.params) == ("sandbox.no-tool", {"tool": "bwrap"})
    assert status.remedy == "apt-get install bubblewrap"
    with pytest.raises(HostError) as caught:
        runner.run(Command(argv=("/x",)))
    assert caught.value.hint == status.remedy


@needs_root
def test_host_that_refuses_namespaces_is_named_with_what_mends_it() -> None:
    """Root without CAP_SYS_ADMIN, as in a container with the default profile."""
    script = "from grader.adapters.sandbox import Sandbox; print(Sandbox().status().model_dump_json())"
    drop = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = subprocess.run(
        [*drop, sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    status = SandboxStatus.model_validate_json(done.stdout)
    assert not status.works
    assert status.reason is not None
    assert status.reason.code == "sandbox.refused"
    assert "Operation not permitted" in str(status.reason.params["detail"])
    assert status.remedy


_CHROOT = """
set -e
if [ "$1" = mounted ]; then mount --bind . .; cd "$PWD"; fi
for path in /*; do
    if [ -h "$path" ]; then ln -s "$(readlink "$path")" ".$path"
    elif [ -d "$path" ]; then mkdir ".$path"; mount --rbind "$path" ".$path"
    fi
done
umount -l ./proc && mount -t proc proc ./proc
exec chroot . "$2" -c "$3"
"""


@needs_root
@pytest.mark.parametrize("kind", ["plain", "mounted"])
def test_chroot_works_as_a_mount_point_and_else_says_so(tmp_path: Path, kind: str) -> None:
    repository = Path(__file__).parents[2]
    script = (
        f"import sys; sys.path.insert(0, {str(repository)!r})\n"
        "from grader.adapters.sandbox import Sandbox; print(Sandbox().status().model_dump_json())"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", _CHROOT, "sh", kind, sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    status = SandboxStatus.model_validate_json(done.stdout)
    assert status.works == (kind == "mounted"), status
    assert ("mount --bind" in status.remedy) == (kind == "plain")


# The grader's own end.

_GRADER = """
import sys
from grader.adapters.sandbox import Sandbox
from grader.model.run import Bind, Command
runner = Sandbox()
print(runner.status().works, flush=True)
bind = Bind(source=sys.argv[1], target="/app/attack")
runner.run(Command(argv=("/app/attack", "stay", sys.argv[2]), binds=(bind,)))
"""


@needs_root
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_grader_that_is_killed_or_interrupted_leaves_no_process(attack: Path, mark: str, how: signal.Signals) -> None:
    grader = subprocess.Popen(
        [sys.executable, "-c", _GRADER, str(attack), mark],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert grader.stdout is not None
    if grader.stdout.readline().strip() != "True":
        grader.communicate()
        pytest.skip("needs: sandbox: it is refused here")
    wait_for(lambda: len(survivors(f"stay\0{mark}")) > 0)
    grader.send_signal(how)
    _, errors = grader.communicate(timeout=20)
    assert grader.returncode == -how
    assert ("KeyboardInterrupt" in errors) == (how == signal.SIGINT)
    wait_for(lambda: survivors(mark) == [])


def wait_for(condition: Any) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("waited 20 s in vain")
