"""Versions come from the roles' defaults and an inventory's groups; one that is not there is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.adapters.rolevariables import load_variables
from grader.errors import UsageError


def groups(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / "group_vars" / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_an_edition_goes_before_all_hosts_and_both_before_the_defaults(tmp_path: Path) -> None:
    groups(tmp_path, all='golang_version: "1.0"\nspin_version: "2.0"\n', f25='golang_version: "1.21.13"\n')
    found = load_variables(tmp_path, "f25")
    assert (found["golang_version"], found["spin_version"]) == ("1.21.13", "2.0")
    assert found["docker_state"] == "present"


def test_an_edition_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no edition `m27`") as caught:
        load_variables(groups(tmp_path, all="{}", f25="{}"), "m27")
    assert "`f25`" in caught.value.hint


@pytest.mark.parametrize(("text", "said"), [("a: [", "is no YAML"), ("- a\n", "holds no variables by name")])
def test_a_file_that_holds_no_variables_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        load_variables(groups(tmp_path, f25=text), "f25")
    assert caught.value.where.endswith("f25.yml")
