from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerd import WASM, Containerd, ContainerdEngine, find_address, open_containerd
from grader.adapters.containerfile import host_platform
from grader.adapters.ociarchive import OciArchive
from grader.adapters.owner import own_name
from grader.errors import HostError
from grader.model.run import Artifact, Completed
from grader.recipes.oci import Platform
from tests.adapters.containers import SERVE, once, server, shell
from tests.adapters.opened import LIMITS, left_in_containerd, opened_containerd
from tests.engines.engines import Engines
from tests.engines.wasm import ECHO, ENDLESS, HOLDS, TRAP, wasm_archive
from tests.images import Blobs, tar, zipped
from tests.samplelab import small_lab

WASM_LIMITS = LIMITS.model_copy(update={"memory_bytes": 512 << 20})

pytestmark = [pytest.mark.serial, pytest.mark.once]


@pytest.fixture
def engine(containerd: Containerd) -> ContainerdEngine:
    return ContainerdEngine(small_lab().probes.values(), containerd, containerd.runner)


def wasm(folder: Path, text: str, *, env: tuple[str, ...] = ()) -> Artifact:
    archive = wasm_archive(folder / "wasm", "made/here:1", text, env=env)
    with OciArchive.open(archive) as opened:
        digest = opened.image(WASM, host_platform()).digest.removeprefix("sha256:")
    return Artifact(subject="wasm", label="image", sha256=digest, size=archive.stat().st_size, path=str(archive))


def ran(engine: ContainerdEngine, what: Artifact, **changes: object) -> Completed:
    limits = LIMITS.model_copy(update=changes)
    return engine.run_once(engine.command("ctr-runc", what, once({"WORD": "hello"}), limits))


def test_arguments_do_not_replace_the_entry_point(engine: ContainerdEngine, tmp_path: Path) -> None:
    what = shell(tmp_path, "echo $0 $1")
    done = engine.run_once(engine.command("ctr-runc", what, once(args=("one", "two")), LIMITS))
    assert done.stdout == "one two\n"


CONFINED = """
/bin/busybox touch /x 2>/dev/null && echo root is writable
/bin/busybox touch /tmp/x || echo tmp is not
/bin/busybox dd if=/dev/zero of=/tmp/big bs=1M count=40 2>/dev/null && echo tmp has no end
/bin/busybox chown 1 /tmp/x 2>/dev/null && echo may change owners
/bin/busybox mount -t tmpfs x /tmp 2>/dev/null && echo may mount
/bin/busybox grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
/bin/busybox ip -o link | /bin/busybox wc -l
"""


def test_what_a_container_may_not_do(engine: ContainerdEngine, tmp_path: Path) -> None:
    none = "0000000000000000"
    assert [line.split() for line in ran(engine, shell(tmp_path, CONFINED)).stdout.splitlines()] == [
        ["CapEff:", none],
        ["CapBnd:", none],
        ["NoNewPrivs:", "1"],
        ["Seccomp:", "2"],
        ["1"],
    ]


def states_of_modules() -> list[dict[str, str]]:
    """Return what the kernel says of each process that runs a module of ours: a copy of its shim, in our cgroup."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ours = own_name().encode() in (process / "cmdline").read_bytes()
            if ours and own_name() in (process / "cgroup").read_text():
                lines = (process / "status").read_text().splitlines()
                found.append({name: value.strip() for name, _, value in (line.partition(":") for line in lines)})
    return found


@pytest.mark.usefixtures("wasm_shim")
def test_what_a_module_s_process_may_not_do(engine: ContainerdEngine, tmp_path: Path) -> None:
    """A way out of the WASM runtime ends in this process."""
    command = engine.command("ctr-wasmtime", wasm(tmp_path, ENDLESS), server(), WASM_LIMITS)
    with engine.serve(command, 8080) as serving:
        while not serving.ended() and not any(s["Seccomp"] == "2" for s in states_of_modules()):
            time.sleep(0.02)
        (state,) = states_of_modules()
        serving.stop(0.1)
    only_low_ports = f"{1 << 10:016x}"
    assert {state["CapPrm"], state["CapEff"], state["CapBnd"]} == {only_low_ports}
    assert (state["CapInh"], state["CapAmb"]) == ("0" * 16, "0" * 16)
    assert (state["NoNewPrivs"], state["Seccomp"]) == ("1", "2")


def test_a_volume_is_writable(engine: ContainerdEngine, tmp_path: Path) -> None:
    done = ran(engine, shell(tmp_path, "/bin/busybox touch /data/x && echo $WORD", Volumes={"/data": {}}))
    assert (done.outcome, done.stdout) == ("ok", "hello\n")


def test_a_program_that_speaks_as_ctr_does_is_still_the_program(engine: ContainerdEngine, tmp_path: Path) -> None:
    done = ran(engine, shell(tmp_path, "echo 'ctr: failed to create shim task' >&2; exit 1"))
    assert (done.outcome, done.exit_code) == ("failed", 1)


def test_a_server_is_reached_looked_at_and_stopped(engine: ContainerdEngine, tmp_path: Path) -> None:
    command = engine.command("ctr-runc", shell(tmp_path, SERVE), server(), LIMITS)
    with engine.serve(command, 8080) as serving:
        deadline = time.monotonic() + 20
        while (answer := serving.ask("/", 8080, timeout_s=2)).reason is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (answer.status, answer.body) == (200, "hi")
        assert {reading.notion for reading in serving.memory()} == {"cgroup", "shim"}
        stopped = serving.stop(0.5)
    assert stopped.how == "killed"  # a shell as first process has no handler for SIGTERM
    assert stopped.completed.stdout.startswith("begun\n")


def test_a_plan_needs_no_image(engine: ContainerdEngine) -> None:
    unbuilt = Artifact(subject="wasm", label="image", sha256="", size=0, path="unbuilt")
    argv = engine.command("ctr-wasmtime", unbuilt, once(), LIMITS).argv
    assert argv[argv.index("--platform") + 1] == "wasi/wasm"
    assert argv[argv.index("--runtime") + 1] == "io.containerd.wasmtime.v1"


# WebAssembly.


@pytest.mark.usefixtures("wasm_shim")
def test_a_module_gets_its_environment_and_its_arguments(engine: ContainerdEngine, tmp_path: Path) -> None:
    what = wasm(tmp_path, ECHO, env=("OF_THE_IMAGE=1",))
    done = engine.run_once(engine.command("ctr-wasmtime", what, once({"WORD": "hello"}, ["more"]), WASM_LIMITS))
    assert done.exit_code == 1  # one argument after the program's name
    texts = done.stdout.split("\0")
    assert {"OF_THE_IMAGE=1", "WORD=hello"} <= set(texts)
    assert texts[-3:] == ["/app.wasm", "more", ""]


@pytest.mark.usefixtures("wasm_shim")
def test_a_module_that_traps_failed_and_is_no_trouble_of_ours(engine: ContainerdEngine, tmp_path: Path) -> None:
    done = engine.run_once(engine.command("ctr-wasmtime", wasm(tmp_path, TRAP), once(), WASM_LIMITS))
    assert (done.outcome, done.exit_code, done.reason) == ("failed", 137, None)


@pytest.mark.usefixtures("wasm_shim")
def test_a_module_that_never_ends_is_ended(engine: ContainerdEngine, tmp_path: Path) -> None:
    limits = WASM_LIMITS.model_copy(update={"timeout_s": 3})
    done = engine.run_once(engine.command("ctr-wasmtime", wasm(tmp_path, ENDLESS), once(), limits))
    assert done.outcome == "timeout"


@pytest.mark.usefixtures("wasm_shim")
def test_the_memory_of_a_module_is_read_from_its_cgroup(engine: ContainerdEngine, tmp_path: Path) -> None:
    done = engine.memory(engine.command("ctr-wasmtime", wasm(tmp_path, ECHO), once(), WASM_LIMITS))
    peak = done.memory_peak[0]
    assert peak.notion == "cgroup"
    assert 1 << 20 < peak.size_bytes < WASM_LIMITS.memory_bytes


@pytest.mark.usefixtures("wasm_shim")
def test_the_memory_of_a_module_is_not_that_of_its_shim_although_it_runs_in_a_copy_of_it(
    engine: ContainerdEngine, tmp_path: Path
) -> None:
    limits = WASM_LIMITS.model_copy(update={"timeout_s": 4})
    done = engine.memory(engine.command("ctr-wasmtime", wasm(tmp_path, HOLDS), once(), limits))
    sizes = {reading.notion: reading.size_bytes for reading in done.memory_peak}
    assert sizes["cgroup"] > 100 << 20
    assert 1 << 20 < sizes["shim"] < 100 << 20


@pytest.mark.usefixtures("wasm_shim")
def test_a_module_without_a_start_is_no_trouble_of_ours(engine: ContainerdEngine, tmp_path: Path) -> None:
    done = engine.run_once(engine.command("ctr-wasmtime", wasm(tmp_path, "(module)"), once(), WASM_LIMITS))
    assert done.outcome in ("failed", "not-started")


def test_an_archive_is_listed_by_ctr_with_the_size_that_we_print(
    containerd: Containerd, engine: ContainerdEngine, engines: Engines, wasm_shim: Path, tmp_path: Path
) -> None:
    what = wasm(tmp_path, ECHO)
    engine.run_once(engine.command("ctr-wasmtime", what, once(), WASM_LIMITS))
    with OciArchive.open(Path(what.path)) as opened:
        (ours,) = [s for s in opened.image(WASM, host_platform()).sizes if s.notion == "ctr_ls"]
    listed = engines.run("ctr", "--namespace", own_name(), "images", "ls").stdout
    assert ours.printed in listed


@pytest.mark.parametrize("platform", ["wasi/wasm", str(host_platform())])
def test_an_index_with_an_attestation_is_listed_with_the_size_that_we_print(
    containerd: Containerd, tmp_path: Path, platform: str
) -> None:
    blobs = Blobs()
    manifest = blobs.image(platform, [zipped(tar({"main.wasm": b"x" * 5000}))])
    target = blobs.index([manifest, blobs.attestation(manifest)])
    named = target | {"annotations": {"org.opencontainers.image.ref.name": "indexed"}}
    path = blobs.layout(tmp_path / "a.tar", [named])
    containerd.ctr.ask("images", "import", "--all-platforms", "--no-unpack", "--base-name", "made/here", str(path))
    with OciArchive.open(path) as opened:
        sizes = {s.notion: s for s in opened.image(Platform.parse(platform), host_platform()).sizes}
    (line,) = [line for line in containerd.ctr.ask("images", "ls").splitlines() if "made/here" in line]
    assert f" {sizes['ctr_ls'].printed} " in line
    assert (sizes["ctr_ls"].size_bytes == target["size"]) == (platform == "wasi/wasm")


def test_an_arm_whose_runtime_is_not_there_says_which(engine: ContainerdEngine) -> None:
    missing = engine.capabilities()["arm:ctr-wasmedge"]
    assert missing is not None
    assert (missing.code, missing.params["shim"]) == ("engine.no-shim", "containerd-shim-wasmedge-v1")
    crun = engine.capabilities()["arm:ctr-crun-wasmedge"]
    assert crun is not None
    assert crun.code in ("engine.tool-missing", "engine.crun-without-wasm")
    assert engine.capabilities()["arm:ctr-runc"] is None


def test_a_shim_that_drops_the_environment_is_no_arm_for_a_probe_that_needs_it(
    engine: ContainerdEngine, wasm_shim: Path
) -> None:
    reason = engine.capabilities()["arm:shim-native"]
    assert reason is not None
    assert reason.code == "engine.shim-drops-environment"


def test_tools_name_the_client_the_shims_and_runc(containerd: Containerd, wasm_shim: Path) -> None:
    names = [one.name for one in containerd.tools]
    assert names[:3] == ["ctr", "containerd-shim-runc-v2", "containerd-shim-wasmtime-v1"]
    assert "runc" in names
    assert all(len(one.sha256) == 64 for one in containerd.tools)


# Trouble.

KILLED = """
import sys
from pathlib import Path
from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerd import ContainerdEngine, open_containerd
from grader.model.run import Artifact, Limits
from tests.adapters.containers import SERVE, once, server, shell
from tests.adapters.opened import LIMITS, left_in_containerd, opened_containerd
from tests.samplelab import small_lab
parents = CgroupParents.find()
what = Artifact.model_validate_json(sys.argv[2])
with open_containerd(Path(sys.argv[1]), "/usr/bin", parents) as containerd:
    engine = ContainerdEngine(small_lab().probes.values(), containerd, containerd.runner)
    with engine.serve(engine.command("ctr-runc", what, server(), Limits(timeout_s=60)), 8080) as serving:
        while len(serving.memory()) < 2:
            pass
        print("serving", flush=True)
        input()
"""


def test_what_a_killed_grader_leaves_is_removed_by_the_next(engines: Engines, tmp_path: Path) -> None:
    what = shell(tmp_path, "/bin/busybox sleep 60")
    argv = [sys.executable, "-c", KILLED, engines.containerd_address, what.model_dump_json()]
    killed = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "serving\n"
    killed.kill()
    killed.communicate()
    assert left_in_containerd(engines, killed.pid)[0]  # its namespace, whatever is still in it
    with opened_containerd(engines):
        pass
    assert not any(left_in_containerd(engines, killed.pid))


def test_a_daemon_that_dies_is_a_broken_host(own_engines: Engines, tmp_path: Path) -> None:
    with opened_containerd(own_engines) as containerd:
        engine = ContainerdEngine(small_lab().probes.values(), containerd, containerd.runner)
        assert ran(engine, shell(tmp_path, "echo $WORD")).outcome == "ok"
        os.kill(own_engines.pid("containerd"), signal.SIGKILL)
        with pytest.raises(HostError):
            ran(engine, shell(tmp_path, "echo $WORD"))
        own_engines.start("containerd")


def test_a_daemon_that_does_not_answer_is_a_broken_host(tmp_path: Path) -> None:
    with (
        pytest.raises(HostError),
        open_containerd(tmp_path / "no.sock", "/usr/bin", CgroupParents.find()),
    ):
        raise AssertionError("opened")


def test_the_address_is_the_one_that_is_named_or_the_hosts_own(tmp_path: Path) -> None:
    assert find_address({"CONTAINERD_ADDRESS": "/x/y"}) == Path("/x/y")
    assert find_address({"CONTAINERD_ADDRESS": "unix:///x/y"}) == Path("/x/y")
    assert find_address({}, tmp_path / "no.sock") is None
    (tmp_path / "there").touch()
    assert find_address({}, tmp_path / "there") == tmp_path / "there"
