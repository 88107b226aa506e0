"""The module behind the role `lab_artifacts`: whatever a run left behind, one more run mends it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.provision.mirror import served
from tests.provision.modules import load_module

TOOL = b"#!/bin/sh\necho tool\n"


lab_artifact = load_module("lab_artifacts", "lab_artifact")


def entry(name: str, content: bytes = b"", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def archive(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> str:
    """Write an archive; returns its digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tool(path: Path) -> str:
    return archive(
        path,
        entry("tool-1.0/bin/tool", TOOL, mode=0o755),
        entry("tool-1.0/lib/data", b"12345", mode=0o644),
        entry("tool-1.0/lib/link", type=tarfile.SYMTYPE, linkname="../lib/data"),
    )


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path / "mirror") as (address, asked):
        yield address
        assert all("//" not in path for path in asked)


@pytest.fixture
def wanted(tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(lab_artifact, "PAUSE_S", 0.0)
    sha256 = tool(tmp_path / "mirror/example.org/tool-1.0.tar.gz")
    return lab_artifact.Wanted(
        name="tool",
        root=tmp_path / "opt",
        cache_dir=tmp_path / "cache",
        link_dir=tmp_path / "bin",
        version="1.0",
        url=f"{mirror}/example.org/tool-1.0.tar.gz",
        sha256=sha256,
        strip=1,
        links={"tool": "bin/tool"},
        facts=str(tmp_path / "facts/lab.fact"),
    )


def apply(wanted: Any, state: str = "present", *, check: bool = False) -> dict[str, Any]:
    result = lab_artifact.apply(wanted, state, check=check)
    assert isinstance(result, dict)
    return result


def everything(tmp_path: Path) -> set[str]:
    return {str(path.relative_to(tmp_path)) for name in ("opt", "bin") for path in (tmp_path / name).rglob("*")}


def test_a_release_is_unpacked_and_linked_and_a_second_run_changes_nothing(wanted: Any, tmp_path: Path) -> None:
    first = apply(wanted)
    assert first["changed"]
    assert first["downloaded"] == (tmp_path / "mirror/example.org/tool-1.0.tar.gz").stat().st_size
    command = tmp_path / "bin/tool"
    assert command.read_bytes() == TOOL
    assert os.access(command, os.X_OK)
    assert (wanted.release / "lib/link").read_bytes() == b"12345"
    second = apply(wanted)
    assert not second["changed"]
    assert second["downloaded"] == 0
    assert json.loads(Path(wanted.facts).read_text()) == {"tool": {"version": "1.0", "sha256": wanted.sha256}}


def test_check_mode_on_a_bare_host_says_what_would_change_and_touches_nothing(wanted: Any, tmp_path: Path) -> None:
    result = apply(wanted, check=True)
    assert result["changed"]
    assert "1.0 is not installed" in result["diff"]["before"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror"]


def cut_off(wanted: Any) -> None:
    data = wanted.release / "lib/data"
    data.write_bytes(data.read_bytes()[:2])


def same_length(wanted: Any) -> None:
    program = wanted.release / "bin/tool"
    program.write_bytes(bytes(len(TOOL)))


def forget_record(wanted: Any) -> None:
    (wanted.release / lab_artifact.RECORD).write_text("{half", encoding="utf-8")


def killed_before_the_swap(wanted: Any) -> None:
    wanted.release.rename(wanted.home / ".new-1.0")


def foreign_program(wanted: Any) -> None:
    (wanted.link_dir / "tool").unlink()
    (wanted.link_dir / "tool").write_text("mine", encoding="utf-8")


def other_version(wanted: Any) -> None:
    (wanted.home / "0.9").mkdir()


DAMAGE: list[Callable[[Any], object]] = [
    cut_off,
    same_length,
    forget_record,
    killed_before_the_swap,
    foreign_program,
    other_version,
    lambda wanted: (wanted.release / "bin/tool").chmod(0o644),
    lambda wanted: (wanted.release / "lib/data").unlink(),
    lambda wanted: (wanted.release / "more").write_text("x", encoding="utf-8"),
    lambda wanted: (wanted.link_dir / "tool").unlink(),
    lambda wanted: (wanted.link_dir / "other").symlink_to(wanted.release / "lib/data"),
    lambda wanted: Path(wanted.facts).unlink(),
]
NAMES = [
    "cut-off", "same-length", "no-record", "killed", "foreign-program", "other-version", "no-run-bit", "file-gone",
    "file-more", "link-gone", "link-more", "facts-gone",
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=NAMES)
def test_damage_is_mended_by_one_more_run_from_the_cache(
    wanted: Any, tmp_path: Path, damage: Callable[[Any], object]
) -> None:
    apply(wanted)
    whole = everything(tmp_path)
    damage(wanted)
    cached = replace(wanted, offline=True)
    assert apply(cached, check=True)["changed"]
    assert apply(cached)["changed"]
    assert everything(tmp_path) - {f"bin/tool{lab_artifact.SAVED}"} == whole
    assert (tmp_path / "bin/tool").read_bytes() == TOOL
    assert os.access(tmp_path / "bin/tool", os.X_OK)
    assert not apply(cached)["changed"]


def test_somebody_elses_program_is_kept_aside(wanted: Any) -> None:
    apply(wanted)
    foreign_program(wanted)
    apply(wanted)
    assert (wanted.link_dir / f"tool{lab_artifact.SAVED}").read_text(encoding="utf-8") == "mine"


def test_a_file_with_another_digest_never_reaches_the_host(wanted: Any, tmp_path: Path) -> None:
    with pytest.raises(lab_artifact.ArtifactError) as refused:
        apply(replace(wanted, sha256="0" * 64))
    assert wanted.sha256 in str(refused.value)
    assert "0" * 64 in str(refused.value)
    assert everything(tmp_path) == set()
    assert not list(tmp_path.glob("cache/**/*.gz"))
    assert apply(wanted)["changed"]


def test_a_download_that_was_cut_off_is_refused_and_the_next_run_mends_it(wanted: Any, tmp_path: Path) -> None:
    file = tmp_path / "mirror/example.org/tool-1.0.tar.gz"
    whole = file.read_bytes()
    file.write_bytes(whole[:50])
    with pytest.raises(lab_artifact.ArtifactError, match="50 bytes"):
        apply(wanted)
    assert everything(tmp_path) == set()
    file.write_bytes(whole)
    assert apply(wanted)["changed"]


def test_a_file_in_the_cache_that_went_bad_is_fetched_again(wanted: Any) -> None:
    apply(wanted)
    wanted.archive.write_bytes(b"bad")
    (wanted.release / "bin/tool").unlink()
    assert apply(wanted)["downloaded"] > 0


def test_without_a_network_only_the_cache_is_used(wanted: Any) -> None:
    with pytest.raises(lab_artifact.ArtifactError, match="nothing may be fetched") as refused:
        apply(replace(wanted, offline=True))
    assert str(wanted.archive) in str(refused.value)
    apply(wanted, "fetched")
    assert apply(replace(wanted, offline=True))["changed"]


def test_a_file_of_a_bundle_is_read_from_the_disk(wanted: Any, tmp_path: Path) -> None:
    assert apply(replace(wanted, url=f"file://{tmp_path}/mirror/example.org/tool-1.0.tar.gz"))["downloaded"] > 0


def test_a_file_that_a_bundle_does_not_have_is_no_fault_of_the_network(wanted: Any, tmp_path: Path) -> None:
    with pytest.raises(lab_artifact.ArtifactError, match=r"none\.tar\.gz.*hint: a bundle has the versions"):
        apply(replace(wanted, url=f"file://{tmp_path}/none.tar.gz", retries=1))


def test_an_address_with_no_file_is_tried_again_and_then_named(wanted: Any) -> None:
    with pytest.raises(lab_artifact.ArtifactError, match=r"cannot fetch .*/none\.tar\.gz"):
        apply(replace(wanted, url=wanted.url.replace("tool-1.0", "none"), retries=2))


def test_a_disk_that_is_too_small_is_said_before_the_download(wanted: Any) -> None:
    with pytest.raises(lab_artifact.ArtifactError, match="bytes free"):
        apply(replace(wanted, size=1 << 60))


@pytest.mark.parametrize(
    "bad",
    [
        entry("../out", b"x"),
        entry("/out", b"x"),
        entry("tool-1.0/a/../../../out", b"x"),
        entry("tool-1.0/lib/out", type=tarfile.SYMTYPE, linkname="../../out"),
        entry("tool-1.0/lib/out", type=tarfile.SYMTYPE, linkname="/out"),
        entry("tool-1.0/lib/out", type=tarfile.LNKTYPE, linkname="../out"),
        entry("tool-1.0/lib/out", type=tarfile.FIFOTYPE),
    ],
    ids=["above", "absolute", "through", "symlink-above", "symlink-absolute", "hardlink-above", "fifo"],
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(
    wanted: Any, tmp_path: Path, bad: tuple[tarfile.TarInfo, bytes]
) -> None:
    sha256 = archive(tmp_path / "mirror/example.org/tool-1.0.tar.gz", entry("tool-1.0/bin/tool", TOOL), bad)
    with pytest.raises(lab_artifact.ArtifactError):
        apply(replace(wanted, sha256=sha256))
    assert everything(tmp_path) == {"opt/tool"}


def test_set_user_id_and_write_bits_of_an_archive_are_dropped(wanted: Any, tmp_path: Path) -> None:
    path = tmp_path / "mirror/example.org/tool-1.0.tar.gz"
    sha256 = archive(path, entry("tool-1.0/bin/tool", TOOL, mode=0o6777))
    apply(replace(wanted, sha256=sha256))
    assert (wanted.release / "bin/tool").stat().st_mode & 0o7777 == 0o755


def test_an_archive_without_the_program_is_refused(wanted: Any) -> None:
    with pytest.raises(lab_artifact.ArtifactError, match="holds no `bin/other`"):
        apply(replace(wanted, links={"other": "bin/other"}))


def test_a_newer_version_takes_the_place_of_the_older(wanted: Any, tmp_path: Path) -> None:
    apply(wanted)
    sha256 = archive(tmp_path / "mirror/example.org/tool-2.0.tar.gz", entry("tool-2.0/bin/tool", b"new", mode=0o755))
    newer = replace(wanted, version="2.0", url=wanted.url.replace("1.0", "2.0"), sha256=sha256)
    apply(newer)
    assert (tmp_path / "bin/tool").read_bytes() == b"new"
    assert not wanted.release.exists()
    assert not wanted.archive.exists()
    assert not apply(newer)["changed"]


def test_absent_leaves_nothing_of_the_tool_and_is_done_once(wanted: Any, tmp_path: Path) -> None:
    apply(wanted)
    (tmp_path / "bin/other").write_text("not ours", encoding="utf-8")
    assert apply(wanted, "absent", check=True)["changed"]
    assert apply(wanted, "absent")["changed"]
    assert everything(tmp_path) == {"bin/other"}
    assert not Path(wanted.facts).exists()
    assert not apply(wanted, "absent")["changed"]


def test_a_single_file_gets_its_run_bit(wanted: Any, tmp_path: Path) -> None:
    file = tmp_path / "mirror/example.org/plugin"
    file.write_bytes(b"ELF")
    single = replace(
        wanted,
        url=wanted.url.replace("tool-1.0.tar.gz", "plugin"),
        sha256=hashlib.sha256(b"ELF").hexdigest(),
        format="file",
        strip=0,
        links={"docker-plugin": "docker-plugin"},
    )
    apply(single)
    assert os.access(tmp_path / "bin/docker-plugin", os.X_OK)
    assert not apply(single)["changed"]


def test_an_override_changes_what_it_names_of_a_file_and_leaves_the_rest() -> None:
    releases = {"1": {"amd64": {"url": "https://a", "sha256": "0"}, "arm64": {"absent": "why"}}}
    laid = lab_artifact.overridden("go", releases, {"1": {"amd64": {"sha256": "1"}, "arm64": {"url": "https://b"}}})
    assert laid == {"1": {"amd64": {"url": "https://a", "sha256": "1"}, "arm64": {"url": "https://b"}}}
    assert releases["1"]["amd64"]["sha256"] == "0"


@pytest.mark.parametrize("overrides", ["1.2", {"sha256": "0"}, {"1": {"amd64": "0"}}, ["1"]])
def test_an_override_of_another_shape_is_told_by_its_tool(overrides: object) -> None:
    with pytest.raises(lab_artifact.ArtifactError, match="`lab_artifacts_overrides` of `go`"):
        lab_artifact.overridden("go", {}, overrides)
