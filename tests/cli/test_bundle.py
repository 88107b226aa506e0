"""`grader bundle verify` and `apply` say in one clear message what is wrong, and run nothing before all is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grader.adapters import bundlefolder, bundleplay
from grader.adapters.catalogue import load_catalogue
from grader.adapters.rolevariables import role_defaults
from grader.cli.app import app
from grader.cli.bundle import _not_held
from grader.errors import GraderError, HostError
from grader.model.bundle import Bundle, Image
from grader.model.catalogue import chosen
from tests.project.conftest import ROOT

DEFAULTS = chosen(load_catalogue(), role_defaults())


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, str]:
    """Return a bundle of one package, one wheel and one image, for a release that no host has, and its digest."""
    folder = tmp_path / "bundle"
    bundlefolder.open_for_writing(folder)
    paths = ("debs/a.deb", "images/i.tar", "wheels/w.whl")
    for path in paths:
        (folder / path).parent.mkdir()
        (folder / path).write_text(path, encoding="utf-8")
    bundle = Bundle(
        schema_="grader/bundle/1", edition="f25", architecture="amd64", release="trixi3", tools={}, single=(),
        packages=("a",), images=(Image(name="i:1", digest=f"sha256:{'1' * 64}", path="images/i.tar"),),
        files=tuple(bundlefolder.entry_of(folder, path) for path in paths),
    )  # fmt: skip
    return folder, bundlefolder.finish(folder, bundle)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["bundle", *map(str, words)])


def refused(*words: object) -> tuple[str, GraderError]:
    result = run(*words)
    assert isinstance(result.exception, GraderError), result.output
    return result.stderr, result.exception


def test_a_bundle_that_is_as_its_digest_says_is_told_in_one_line(made: tuple[Path, str]) -> None:
    folder, digest = made
    result = run("verify", folder, "--digest", digest)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "3 files" in result.stdout
    assert "f25 for trixi3 amd64" in result.stdout


def test_everything_that_differs_is_named_and_the_end_is_wrong_usage(made: tuple[Path, str]) -> None:
    folder, digest = made
    (folder / "debs/a.deb").unlink()
    (folder / "wheels/w.whl").write_text("wh", encoding="utf-8")
    said, error = refused("verify", folder, "--digest", digest)
    assert said.splitlines() == ["`debs/a.deb` is missing", "`wheels/w.whl` is half written: 2 of 12 bytes"]
    assert error.exit_code == 2
    assert "in 2 places" in str(error)


def test_the_digest_must_be_one(made: tuple[Path, str]) -> None:
    _, error = refused("verify", made[0], "--digest", "sha256:12")
    assert "is no digest" in str(error)


def test_a_hundred_differences_are_not_a_hundred_lines(made: tuple[Path, str]) -> None:
    folder, digest = made
    for number in range(100):
        (folder / f"debs/{number}").touch()
    said, error = refused("verify", folder, "--digest", digest)
    assert len(said.splitlines()) == 20
    assert "(80 are not shown)" in str(error)


def test_nothing_is_applied_from_a_bundle_that_differs(made: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = made
    (folder / "more").touch()
    _, error = refused("apply", folder, "--digest", digest, "--inventory", tmp_path)
    assert "differs from its manifest" in str(error)


def test_an_inventory_that_is_not_there_is_told_before_anything_is_hashed(made: tuple[Path, str]) -> None:
    _, error = refused("apply", made[0], "--digest", made[1], "--inventory", made[0] / "none")
    assert "no such inventory" in str(error)


@pytest.mark.slow
def test_a_bundle_for_other_hosts_is_one_message_per_host_and_nothing_is_brought_there(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    """By real playbooks on local connections: what is refused is refused before anything is changed."""
    pytest.importorskip("ansible_runner", reason="ansible-runner is not installed")
    inventory = tmp_path / "hosts.yml"
    python = "'{{ ansible_playbook_python }}'"
    local = f"{{ansible_connection: local, ansible_become: false, ansible_python_interpreter: {python}}}"
    gone = "{ansible_host: 127.0.0.1, ansible_port: 1}"
    inventory.write_text(
        f"f25:\n  hosts: {{one: {local}, gone: {gone}}}\nstudent:\n  hosts: {{one: , gone: , other: {local}}}\n",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    result = run(
        "apply", made[0], "--digest", made[1], "--inventory", inventory, "--out", out, "--limit", "student,nosuch",
        "--retries", 0, "--json", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 3, result.stderr
    said = {host["host"]: (host["outcome"], host["message"]) for host in json.loads(result.stdout)["hosts"]}
    assert said["gone"][0] == "unreachable"
    assert said["nosuch"][0] == "refused"
    for host in ("one", "other"):
        assert said[host][0] == "failed"
        assert said[host][1].startswith("bundle-release: found `")
        assert "expected `trixi3`" in said[host][1]
    assert (out / "logs/one.log").is_file()
    kept = [file for file in out.rglob("*") if file.is_file()]
    assert all("carried.tar" not in file.name for file in kept)


def test_a_bundle_can_be_applied_in_check_mode(made: tuple[Path, str], tmp_path: Path) -> None:
    pytest.importorskip("ansible_runner", reason="ansible-runner is not installed")
    (tmp_path / "hosts.yml").write_text("student: {hosts: {one: }}\n", encoding="utf-8")
    words = ("--inventory", tmp_path / "hosts.yml", "--out", tmp_path / "out", "--limit", "nosuch", "--check", "--json")
    result = run("apply", made[0], "--digest", made[1], *words)
    assert (result.exit_code, json.loads(result.stdout)["check"]) == (2, True)


def test_an_edition_is_no_common_group_and_an_address_is_one(tmp_path: Path) -> None:
    made = ("--inventory", ROOT / "inventory/example", "--release", "trixie")
    _, error = refused("create", tmp_path / "b", *made, "--edition", "student")
    assert "no edition `student`" in error.what
    _, error = refused("create", tmp_path / "b", *made, "--edition", "f25", "--mirror", "mirror.example.org")
    assert (error.where, error.exit_code) == ("--mirror", 2)
    _, error = refused("create", tmp_path / "b", "--inventory", tmp_path / "no", *made[2:], "--edition", "f25")
    assert error.what == "no such inventory"
    assert not (tmp_path / "b").exists()


def test_versions_of_single_hosts_are_compared_with_the_bundles(tmp_path: Path) -> None:
    """Read by Ansible, as for a run; where that cannot be, it is said."""
    pytest.importorskip("ansible_runner", reason="ansible-runner is not installed")
    hosts = "{plain: , own: {golang_version: '1.26.4'}}"
    (tmp_path / "hosts.yml").write_text(
        f"f25:\n  vars: {{golang_version: 1.2.3}}\n  hosts: {hosts}\n", encoding="utf-8"
    )
    (line,) = [
        line
        for line in _not_held(load_catalogue(), DEFAULTS | {"golang": "1.2.3"}, tmp_path, "f25")
        if "golang" in line
    ]
    assert line.startswith("own: is to get what is not in this bundle")
    assert "golang 1.26.4 (it holds 1.2.3)" in line
    (tmp_path / "hosts.yml").write_text("f25: [", encoding="utf-8")
    (line,) = _not_held(load_catalogue(), {}, tmp_path, "f25")
    assert line.startswith("what single hosts set was not looked at")


def test_a_bundle_that_temporary_files_have_no_room_for_is_told_before_it_is_packed(made: tuple[Path, str]) -> None:
    folder, digest = made
    bundle = bundlefolder.read_manifest(folder, digest)
    huge = tuple(entry.model_copy(update={"size": 1 << 60}) for entry in bundle.files)
    with (
        pytest.raises(HostError, match="are free"),
        bundleplay.carried_variables(bundle.model_copy(update={"files": huge}), folder, digest),
    ):
        pass


def test_the_roles_are_told_to_take_everything_from_the_bundle(made: tuple[Path, str]) -> None:
    folder, digest = made
    said = bundleplay.variables(bundlefolder.read_manifest(folder, digest), folder, digest, folder / "carried")
    assert said["lab_artifacts_mirror_url"] == f"file://{folder}/files"
    images = said["lab_content_bundle_images"]
    assert isinstance(images, list)
    (image,) = images
    assert image["archive"] == str(folder / "images/i.tar")
    assert image["sha256"] == bundlefolder.entry_of(folder, "images/i.tar").sha256
