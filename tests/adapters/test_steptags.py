"""A tag is one of a step, or Ansible's own; any other would run nothing and call the host ready."""

from __future__ import annotations

import json

import pytest

from grader.adapters.steptags import require_tags, step_tags, tags_of
from grader.errors import UsageError
from tests.project.conftest import ROOT


def test_every_tag_that_mends_a_check_is_one_of_a_step() -> None:
    checks = json.loads((ROOT / "roles/lab_artifacts/files/checks.json").read_text(encoding="utf-8"))["checks"]
    wanted = {tag for check in checks for tag in check["tags"]}
    assert wanted
    assert wanted <= step_tags()


def test_the_tags_of_ansible_itself_are_taken() -> None:
    require_tags(("all", "docker_install", "untagged"))


def test_tags_of_tasks_in_a_block_are_read_too() -> None:
    inner = {"rescue": [{"tags": ["c", "d"]}], "tags": "b"}
    assert list(tags_of([{"tags": "a, e"}, {"block": [inner]}])) == ["a", "e", "b", "c", "d"]


@pytest.mark.parametrize("tag", ["nosuch", "docker_instal", "lab_preflight_hosts"])
def test_another_tag_is_refused_with_tags_that_there_are(tag: str) -> None:
    with pytest.raises(UsageError, match=f"`{tag}`") as refused:
        require_tags(("docker_install", tag))
    assert refused.value.where == "--tags"
    assert any(f"`{known}`" in refused.value.hint for known in step_tags())
