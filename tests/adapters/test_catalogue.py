"""The catalogue that is shipped holds together, and one with a mistake names its file and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.adapters.catalogue import folder, load_catalogue, load_rules
from grader.errors import UsageError
from grader.model.catalogue import Archive, refusals


@pytest.mark.parametrize(
    ("versions", "needs", "rule"),
    [
        ({"tinygo": "0.39.0", "golang": "1.26.4"}, [], "tinygo-go-0.39"),
        ({"spin": "4.0.1"}, ["spin-tinygo-template"], "spin-tinygo-template"),
        ({"containerd": "1.6.20~ds1"}, ["wasm-layers"], "containerd-wasm-layers"),
        ({"docker": "28.5.2"}, ["docker-runs-shim"], "docker-runs-shim"),
    ],
)
def test_the_sets_that_are_known_not_to_work_are_refused(versions: dict[str, str], needs: list[str], rule: str) -> None:
    assert [found.id for found in refusals(load_rules(), versions, needs)] == [rule]


def test_every_rule_is_about_tools_that_there_are() -> None:
    known = {*load_catalogue().tools, "docker"}
    assert {name for rule in load_rules().rules for name in rule.tools} <= known


def test_every_file_has_an_address_of_its_own_that_holds_its_version() -> None:
    seen: set[str] = set()
    for tool in load_catalogue().tools.values():
        for version, release in tool.releases.items():
            for found in (release.amd64, release.arm64):
                if isinstance(found, Archive):
                    assert found.url not in seen
                    assert version in found.url
                    seen.add(found.url)
    assert len(seen) > 20


def test_no_command_is_linked_by_two_tools() -> None:
    commands = [name for tool in load_catalogue().tools.values() for name in tool.layout.links]
    assert len(commands) == len(set(commands))


def test_architectures_are_told_apart_by_the_address() -> None:
    for tool in load_catalogue().tools.values():
        for release in tool.releases.values():
            if isinstance(release.amd64, Archive):
                assert re.search("amd64|x86_64", release.amd64.url)
            if isinstance(release.arm64, Archive):
                assert re.search("arm64|aarch64", release.arm64.url)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema: grader/catalogue/1\ntools: {a: {about: x}}\n", "`tools.a"),
        ("schema: [\n", "is no YAML"),
        ("schema: grader/catalogue/2\ntools: {}\n", "`schema`"),
    ],
)
def test_a_catalogue_with_a_mistake_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        load_catalogue(file)
    assert refused.value.where == str(file)
    assert said in refused.value.what


def test_a_catalogue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_catalogue(tmp_path / "none.yml")


def test_the_catalogue_is_where_it_is_said_to_be() -> None:
    assert (folder() / "artifacts.yml").is_file()
