"""containerd's configuration by the rules of each generation, from the files that are really found."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.provision.modules import load_module

config = load_module("containerd", "containerd_config")

DEBIAN = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
"""
DOCKERS_PACKAGE = 'disabled_plugins = ["cri"]\n\n#root = "/var/lib/containerd"\n#[grpc]\n#  address = "/run/x.sock"\n'
DEFAULT_20 = """version = 3
root = '/var/lib/containerd'
imports = []

[plugins]
  [plugins.'io.containerd.cri.v1.runtime']
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'
"""
DEFAULT_22 = DEFAULT_20.replace("imports = []", "imports = ['/etc/containerd/conf.d/*.toml']")
DEFAULT_23 = DEFAULT_22.replace("version = 3", "version = 4")
MANY_LINES = DEFAULT_20.replace("imports = []", "imports = [\n  '/etc/other/*.toml',\n]")
BROKEN = "version = 2\n[plugins\n"

OLD = "io.containerd.grpc.v1.cri"
NEW = "io.containerd.cri.v1.runtime"
WASMTIME = config.Runtime("wasmtime", "io.containerd.wasmtime.v1")
DROP_IN = "conf.d/lab-wasmtime.toml"


def planned(version: tuple[int, ...], root: str | None, *runtimes: Any, **more: str) -> dict[str, str | None]:
    present = {**({} if root is None else {config.ROOT: root}), **more}
    files = config.plan(version, present, runtimes, "/etc/containerd")
    assert isinstance(files, dict)
    return files


def after(version: tuple[int, ...], present: dict[str, str], *runtimes: Any) -> dict[str, str]:
    """Return the files of a host after a run."""
    files = {**present, **config.plan(version, present, runtimes, "/etc/containerd")}
    return {name: text for name, text in files.items() if text is not None}


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", (1, 6, 20)),
        ("containerd github.com/containerd/containerd/v2 v2.3.4 0123abc", (2, 3, 4)),
        ("containerd containerd.io 1.7.28 b98a3aace656320842a23f4a392a33f46af97866", (1, 7, 28)),
    ],
)
def test_the_generation_is_what_the_daemon_says(said: str, version: tuple[int, ...]) -> None:
    assert config.generation(said) == version


def test_a_daemon_that_says_nothing_is_refused() -> None:
    with pytest.raises(config.ConfigError, match="cannot tell"):
        config.generation("")


@pytest.mark.parametrize("root", [None, DEBIAN, DOCKERS_PACKAGE, BROKEN])
@pytest.mark.parametrize("version", [(1, 6, 20), (1, 7, 24)])
def test_below_2_0_the_file_is_written_whole(version: tuple[int, ...], root: str | None) -> None:
    files = planned(version, root, WASMTIME)
    written = tomllib.loads(files[config.ROOT] or "")
    assert written["version"] == 2
    assert "imports" not in written
    assert written["plugins"][OLD]["containerd"]["runtimes"] == {
        "runc": {"runtime_type": "io.containerd.runc.v2"},
        "wasmtime": {"runtime_type": "io.containerd.wasmtime.v1"},
    }
    assert not any(name.startswith("conf.d/") for name in files)


@pytest.mark.parametrize(
    ("version", "root", "number"),
    [
        ((2, 0, 0), None, 3),
        ((2, 3, 4), None, 4),
        ((2, 0, 5), DEFAULT_20, 3),
        ((2, 2, 1), DEFAULT_22, 3),
        ((2, 3, 4), DEFAULT_23, 4),
        ((2, 3, 4), DEFAULT_22, 3),  # not migrated: a drop-in of version 4 would keep 2.3.4 from starting
        ((2, 2, 1), DOCKERS_PACKAGE, 3),
        ((2, 2, 1), BROKEN, 3),
        ((2, 2, 1), MANY_LINES, 3),
    ],
)
def test_from_2_0_on_a_drop_in_has_the_version_of_the_root(
    version: tuple[int, ...], root: str | None, number: int
) -> None:
    files = planned(version, root, WASMTIME)
    whole, drop_in = tomllib.loads(files[config.ROOT] or ""), tomllib.loads(files[DROP_IN] or "")
    assert whole["version"] == drop_in["version"] == number
    assert "/etc/containerd/conf.d/*.toml" in whole["imports"]
    assert drop_in["plugins"] == {NEW: {"containerd": {"runtimes": {"wasmtime": {"runtime_type": WASMTIME.type}}}}}


def test_a_root_of_version_2_keeps_it_and_the_old_path_under_2_x() -> None:
    files = planned((2, 1, 0), DEBIAN, WASMTIME)
    assert tomllib.loads(files[DROP_IN] or "")["version"] == 2
    assert OLD in tomllib.loads(files[DROP_IN] or "")["plugins"]
    assert tomllib.loads(files[config.ROOT] or "")["plugins"] == tomllib.loads(DEBIAN)["plugins"]


def test_a_root_that_imports_already_is_left_as_it_is() -> None:
    assert planned((2, 2, 1), DEFAULT_22, WASMTIME)[config.ROOT] == DEFAULT_22


def test_other_imports_stay() -> None:
    written = tomllib.loads(planned((2, 0, 5), MANY_LINES, WASMTIME)[config.ROOT] or "")
    assert written["imports"] == ["/etc/other/*.toml", "/etc/containerd/conf.d/*.toml"]


@pytest.mark.parametrize("version", [(1, 7, 24), (2, 0, 5), (2, 3, 4)])
@pytest.mark.parametrize("root", [None, DEBIAN, DOCKERS_PACKAGE, DEFAULT_20, DEFAULT_22, MANY_LINES])
def test_a_second_run_changes_nothing_and_no_runtimes_give_back_what_was_there(
    version: tuple[int, ...], root: str | None
) -> None:
    found = {} if root is None else {config.ROOT: root}
    first = after(version, found, WASMTIME)
    assert after(version, first, WASMTIME) == first
    assert after(version, first) == found


def test_nothing_is_touched_where_no_runtime_is_to_be_named() -> None:
    assert after((1, 7, 24), {config.ROOT: DEBIAN}) == {config.ROOT: DEBIAN}


@pytest.mark.parametrize("version", [(1, 7, 24), (2, 3, 4)])
def test_a_broken_file_is_kept_aside_and_replaced_even_without_runtimes(version: tuple[int, ...]) -> None:
    made = after(version, {config.ROOT: BROKEN})
    assert made[config.BROKEN] == BROKEN
    assert config.parsed(made[config.ROOT]) is not None
    assert config.SAVED not in made


def test_our_own_file_that_broke_is_made_from_what_was_saved() -> None:
    first = after((1, 7, 24), {config.ROOT: DEBIAN}, WASMTIME)
    damaged = {**first, config.ROOT: first[config.ROOT][:120] + "\n[half"}
    assert after((1, 7, 24), damaged, WASMTIME) == first


@pytest.mark.parametrize("version", [(1, 7, 24), (2, 3, 4)])
def test_our_own_file_that_was_written_over_leaves_what_was_saved(version: tuple[int, ...]) -> None:
    first = after(version, {config.ROOT: DEBIAN}, WASMTIME)
    mended = after(version, {**first, config.ROOT: BROKEN}, WASMTIME)
    assert mended == {**first, config.BROKEN: BROKEN}


def test_a_runtime_that_is_no_longer_wanted_loses_its_file() -> None:
    both = after((2, 2, 1), {config.ROOT: DEFAULT_22}, WASMTIME, config.Runtime("spin", "io.containerd.spin.v2"))
    assert {"conf.d/lab-spin.toml", DROP_IN} <= set(both)
    assert "conf.d/lab-spin.toml" not in after((2, 2, 1), both, WASMTIME)


def test_no_options_are_written_unless_asked_for_and_never_a_binary_name() -> None:
    bare = planned((1, 7, 24), None, WASMTIME)[config.ROOT] or ""
    asked = planned((1, 7, 24), None, config.Runtime("w", "io.containerd.w.v1", systemd_cgroup=True))[config.ROOT] or ""
    assert "options" not in bare
    runtimes = tomllib.loads(asked)["plugins"][OLD]["containerd"]["runtimes"]
    assert runtimes["w"]["options"] == {"SystemdCgroup": True}
    assert "BinaryName" not in bare + asked


@pytest.mark.parametrize(
    ("name", "kind"), [("x]\n[grpc", "io.containerd.x.v1"), ("x", 'a"\nb = "c'), ("", "a"), ("x.y", "a")]
)
def test_a_name_or_type_that_would_write_more_than_itself_is_refused(name: str, kind: str) -> None:
    with pytest.raises(config.ConfigError, match="is no runtime"):
        config.Runtime(name, kind)


@pytest.mark.parametrize("plugin", [OLD, NEW])
def test_a_dump_without_runc_or_with_another_type_is_noticed(plugin: str) -> None:
    dump = f"[plugins.'{plugin}'.containerd.runtimes.wasmtime]\nruntime_type = 'io.containerd.other.v1'\n"
    assert config.lacking(dump, [WASMTIME]) == ["runc", "wasmtime"]


@pytest.fixture
def daemon() -> str:
    found = shutil.which("containerd")
    if found is None:
        pytest.skip("needs: containers: no containerd on PATH")
    return found


def test_the_daemon_itself_shows_what_was_planned(daemon: str, tmp_path: Path) -> None:
    version = config.generation(config.run([daemon, "--version"]).stdout)
    config.prove(daemon, tmp_path, config.plan(version, {}, [WASMTIME], str(tmp_path)), [WASMTIME])


def test_what_the_daemon_skips_without_a_word_is_refused(daemon: str, tmp_path: Path) -> None:
    """A path of the other generation is no mistake to containerd: it reads on, and the runtime is not there."""
    wrong = "io.containerd.nothing.v1"
    text = f'version = 2\n[plugins."{wrong}".containerd.runtimes.wasmtime]\nruntime_type = "{WASMTIME.type}"\n'
    with pytest.raises(config.ConfigError, match="does not show wasmtime"):
        config.prove(daemon, tmp_path, {config.ROOT: text}, [WASMTIME])


def test_what_the_daemon_cannot_read_is_refused(daemon: str, tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="refuses"):
        config.prove(daemon, tmp_path, {config.ROOT: BROKEN}, [WASMTIME])


def test_files_are_written_whole_and_what_was_saved_first(tmp_path: Path) -> None:
    (tmp_path / config.ROOT).write_text(DEBIAN, encoding="utf-8")
    config.put(tmp_path, planned((1, 7, 24), DEBIAN, WASMTIME))
    assert (tmp_path / config.SAVED).read_text(encoding="utf-8") == DEBIAN
    assert config.MARK in (tmp_path / config.ROOT).read_text(encoding="utf-8")
    config.put(tmp_path, config.plan((1, 7, 24), config.read(tmp_path), [], str(tmp_path)))
    assert (tmp_path / config.ROOT).read_text(encoding="utf-8") == DEBIAN
    assert not (tmp_path / config.SAVED).exists()
