"""The catalogue refuses what would put an unknown file on a host, and finds sets that do not work."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from grader.errors import UsageError
from grader.model.catalogue import Archive, Catalogue, Rules, chosen, refusals, version_key

SHA = "ab" * 32


def archive(**changes: object) -> dict[str, object]:
    return {"url": "https://example.org/tool-1.2.0.tar.gz", "sha256": SHA, "checked": "single", **changes}


def tool(**changes: object) -> dict[str, Any]:
    return {
        "about": "a tool",
        "chosen_by": {"variable": "tool_version"},
        "layout": {"format": "tar.gz", "links": {"tool": "bin/tool"}},
        "releases": {"1.2.0": {"amd64": archive(), "arm64": {"absent": "never built"}}},
        **changes,
    }


def catalogue(**tools: object) -> Catalogue:
    return Catalogue.model_validate({"schema": "grader/catalogue/1", "tools": tools})


def rules(*given: dict[str, object]) -> Rules:
    return Rules.model_validate({"schema": "grader/compatibility/1", "rules": list(given)})


def test_a_mirror_keeps_the_original_domain_as_its_top_folder() -> None:
    found = Archive.model_validate(archive())
    assert found.mirrored("http://127.0.0.1:8000/files/") == "http://127.0.0.1:8000/files/example.org/tool-1.2.0.tar.gz"
    assert found.mirrored("") == found.url


@pytest.mark.parametrize(
    "wrong",
    [
        tool(releases={"latest": {"amd64": archive(), "arm64": archive()}}),
        tool(releases={"1.2.0": {"amd64": archive()}}),
        tool(releases={v: {"amd64": archive(), "arm64": archive()} for v in ("1.2.0", "1.10.0")}),
        tool(releases={"1.2.0": {"amd64": archive(sha256="ab"), "arm64": archive()}}),
        tool(releases={"1.2.0": {"amd64": archive(url="http://example.org/x"), "arm64": archive()}}),
        tool(releases={"1.2.0": {"amd64": archive(url="https://example.org/{{ version }}"), "arm64": archive()}}),
        tool(layout={"format": "tar.gz", "links": {"tool": "../../bin/sh"}}),
        tool(layout={"format": "file", "links": {"a": "a", "b": "b"}}),
        tool(chosen_by={"variable": "a_version", "list": "a_list"}),
    ],
    ids=["latest", "one-arch", "oldest-first", "sha", "plain-http", "template", "escape", "two-links", "two-choices"],
)
def test_an_entry_that_breaks_a_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        catalogue(tool=wrong)


def test_tools_are_sorted_by_name() -> None:
    catalogue(atool=tool(), btool=tool())
    with pytest.raises(ValidationError, match="write atool, btool"):
        catalogue(btool=tool(), atool=tool())


def test_what_is_not_there_is_said_with_what_is() -> None:
    known = catalogue(tool=tool())
    for asked, said in (
        (("other", "1.2.0", "amd64"), "no tool `other`"),
        (("tool", "9.9", "amd64"), "no version `9.9` of `tool`"),
        (("tool", "1.2.0", "arm64"), "never built"),
    ):
        with pytest.raises(UsageError) as refused:
            known.archive(*asked)  # type: ignore[arg-type]
        assert said in refused.value.what
    assert known.archive("tool", "1.2.0", "amd64").sha256 == SHA


def test_versions_are_chosen_by_a_variable_or_by_an_item_of_a_list() -> None:
    known = catalogue(
        a=tool(chosen_by={"list": "some_list"}),
        b=tool(chosen_by={"variable": "b_version"}),
        c=tool(chosen_by={"variable": "c_version"}),
    )
    items = [{"name": "a", "version": "1.2.0"}, {"name": "z", "version": "3"}]
    assert chosen(known, {"some_list": items, "b_version": "1.2.0", "c_version": ""}) == {"a": "1.2.0", "b": "1.2.0"}
    assert chosen(known, {"some_list": [{**items[0], "state": "absent"}]}) == {}
    layers = {"some_list": items, "some_group_list": [{"name": "a", "version": "1.3"}]}
    assert chosen(known, layers) == {"a": "1.3"}
    assert chosen(known, {**layers, "some_host_list": [{"name": "a", "state": "absent"}]}) == {}


def test_a_version_that_yaml_made_a_number_is_refused() -> None:
    with pytest.raises(UsageError, match="is no text"):
        chosen(catalogue(tool=tool()), {"tool_version": 1.2})


RULE: dict[str, object] = {
    "id": "a",
    "tools": {"tinygo": {"at_least": "0.39", "below": "0.41"}, "golang": {"at_least": "1.26"}},
    "says": "requires",
    "remedy": "do",
}


@pytest.mark.parametrize(
    ("tinygo", "golang", "refused"),
    [
        ("0.39.0", "1.26.4", True),
        ("0.40.9", "1.26", True),
        ("0.39.0", "1.25.9", False),
        ("0.41.0", "1.26.4", False),
        ("0.38.0", "1.26.4", False),
    ],
)
def test_a_rule_holds_when_every_tool_is_in_its_range(tinygo: str, golang: str, refused: bool) -> None:
    assert bool(refusals(rules(RULE), {"tinygo": tinygo, "golang": golang})) is refused


def test_a_rule_about_a_tool_that_is_not_chosen_does_not_hold() -> None:
    assert refusals(rules(RULE), {"tinygo": "0.39.0"}) == ()


def test_a_rule_with_a_need_holds_only_where_the_need_is() -> None:
    needing = rules({**RULE, "tools": {"docker": {"at_least": "28"}}, "needs": ["docker-runs-shim"]})
    assert refusals(needing, {"docker": "28.5.2"}) == ()
    assert refusals(needing, {"docker": "28.5.2"}, ["docker-runs-shim"]) != ()


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("1.6.20~ds1-1+deb12u3", "1.6.25"), ("1.9.0", "1.10.0"), ("27.5.1", "28"), ("v0.6.0", "0.6.1"), ("2.2", "2.2.0")],
)
def test_versions_are_ordered_by_their_numbers(lower: str, higher: str) -> None:
    assert version_key(lower) < version_key(higher)
