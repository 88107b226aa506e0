"""The role `lab_artifacts` on this host, in a folder of its own, with a mirror of stand-ins."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.project.conftest import ROOT
from tests.provision.mirror import served, write_mirror

pytestmark = [pytest.mark.once, pytest.mark.slow]
Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, list[str]]]:
    """Folder, address, and the paths that were asked for."""
    root = tmp_path_factory.mktemp("mirror")
    write_mirror(root)
    with served(root) as (address, asked):
        yield root, address, asked


@pytest.fixture
def play(tmp_path: Path, mirror: tuple[Path, str, list[str]]) -> Play:
    """Run the role with some items and variables; everything it touches lies below `tmp_path`."""
    root, address, _ = mirror

    def run(items: Sequence[dict[str, str]], *arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
        own = {
            "lab_artifacts_items": items,
            "lab_artifacts_catalogue": str(root / "artifacts.yml"),
            "lab_artifacts_mirror_url": address,
            "lab_artifacts_root": str(tmp_path / "opt"),
            "lab_artifacts_bin_dir": str(tmp_path / "bin"),
            "lab_artifacts_plugin_dir": str(tmp_path / "plugins"),
            "lab_artifacts_cache_dir": str(tmp_path / "cache"),
            "lab_artifacts_controller_cache_dir": str(tmp_path / "controller"),
            "lab_artifacts_retries": 1,
            "_lab_artifacts_facts": str(tmp_path / "facts"),
            "ansible_python_interpreter": os.path.realpath(sys.executable),
        }
        tasks = [{"ansible.builtin.include_role": {"name": str(ROOT / "roles/lab_artifacts")}}]
        book = [{"hosts": "localhost", "connection": "local", "gather_subset": "min", "tasks": tasks}]
        (tmp_path / "play.yml").write_text(json.dumps(book), encoding="utf-8")
        (tmp_path / "vars.json").write_text(json.dumps({**own, **variables}), encoding="utf-8")
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "play.yml"]
        bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            [*argv, "-e", "@vars.json", *arguments],
            cwd=tmp_path, env=bare, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_what_is_listed_is_there_and_what_is_absent_goes(play: Play, tmp_path: Path) -> None:
    items = [{"name": "golang", "version": "1.21.13"}, {"name": "buildx", "version": "0.36.0"}]
    first = play(items)
    assert first.returncode == 0, first.stdout
    assert {path.name for path in (tmp_path / "bin").iterdir()} == {"go", "gofmt"}
    assert (tmp_path / "plugins/docker-buildx").is_symlink()
    facts = json.loads((tmp_path / "facts").read_text(encoding="utf-8"))
    assert {name: fact["version"] for name, fact in facts.items()} == {"golang": "1.21.13", "buildx": "0.36.0"}
    again = play([items[0], {"name": "buildx", "state": "absent"}])
    assert again.returncode == 0, again.stdout
    assert list((tmp_path / "plugins").iterdir()) == []
    everything = play([], lab_artifacts_state="absent")
    assert everything.returncode == 0, everything.stdout
    assert not any((tmp_path / name).exists() for name in ("opt", "cache", "facts"))
    assert list((tmp_path / "bin").iterdir()) == []


def test_what_cannot_be_installed_is_refused_before_anything_is_fetched(
    play: Play, tmp_path: Path, mirror: tuple[Path, str, list[str]]
) -> None:
    asked = mirror[2]
    asked.clear()
    fine = {"name": "golang", "version": "1.21.13"}
    for items, facts, said in (
        ([fine, {"name": "nothing", "version": "1"}], {}, "no tool `nothing` in the catalogue"),
        ([fine, {"name": "spin", "version": "latest"}], {}, "no version `latest` of `spin`"),
        (
            [fine, {"name": "containerd-shim-wasmedge", "version": "0.6.1"}],
            {"_lab_artifacts_architecture": "arm64"},
            "nobody has read its digest",
        ),
    ):
        done = play(items, **facts)
        assert done.returncode != 0
        assert said in " ".join(done.stdout.split())
    assert asked == []
    assert not (tmp_path / "opt").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: files in a host's cache are root's")
def test_a_course_lays_its_own_release_over_the_catalogue_and_the_controller_fetches_it(
    play: Play, tmp_path: Path, mirror: tuple[Path, str, list[str]]
) -> None:
    root, _, asked = mirror
    source = next((root / "github.com/sharkdp").rglob("*x86_64*"))
    own = root / "example.org/hyperfine-9.tar.gz"
    own.parent.mkdir(exist_ok=True)
    own.write_bytes(source.read_bytes())
    file = {
        "url": "https://example.org/hyperfine-9.tar.gz",
        "sha256": hashlib.sha256(own.read_bytes()).hexdigest(),
    }
    asked.clear()
    done = play(
        [{"name": "hyperfine", "version": "9"}],
        lab_artifacts_overrides={"hyperfine": {"9": {"amd64": file, "arm64": file}}},
        lab_artifacts_fetch_on="controller",
    )
    assert done.returncode == 0, done.stdout
    assert asked == ["/example.org/hyperfine-9.tar.gz"]
    assert (tmp_path / "controller/hyperfine/9/hyperfine-9.tar.gz").is_file()
    assert (tmp_path / "opt/hyperfine/9/hyperfine").is_file()
