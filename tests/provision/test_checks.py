"""Roles and `doctor` name a check alike: every id that a role says is in the list, and the other way round."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from grader.adapters.catalogue import folder, load_rules
from grader.bootstrap.checks import ORDER
from tests.project.conftest import ROOT
from tests.provision.test_pitfalls import PITFALLS

CHECKS: list[dict[str, Any]] = json.loads((folder() / "checks.json").read_text(encoding="utf-8"))["checks"]
SAID = re.compile(r"(?:msg: (?:>-\s+)?[\"']?|^\s+)([a-z]+-[a-z]+|\{\{ item\.item\.name \}\}-version): ", re.MULTILINE)


def said() -> set[tuple[str, str]]:
    """Return role and id of all that the roles say when a check fails."""
    found = {
        (file.parts[-3], id_)
        for file in (ROOT / "roles").glob("*/tasks/*.yml")
        for id_ in SAID.findall(file.read_text(encoding="utf-8"))
    }
    module = (ROOT / "roles/containerd/library/containerd_config.py").read_text(encoding="utf-8")
    assert "containerd-config: " in module
    module = (ROOT / "roles/lab_artifacts/library/lab_artifact.py").read_text(encoding="utf-8")
    assert "artifact-known: " in module
    by_name = {("wasm_tools", f"{name}-version") for name in ("hyperfine", "wasmedge", "wasmtime")}
    return (
        {pair for pair in found if "{" not in pair[1]}
        | by_name
        | {("containerd", "containerd-config"), ("lab_artifacts", "artifact-known")}
    )


def test_the_list_holds_exactly_what_the_roles_and_the_program_say() -> None:
    """An id that both say is a role's; one of the program alone names the role that has to do with it."""
    by_roles = said()
    ids = {id_ for _, id_ in by_roles}
    assert {(check["role"], check["id"]) for check in CHECKS if check["id"] in ids} == by_roles
    assert {check["id"] for check in CHECKS} == ids | set(PITFALLS)
    assert {check["role"] for check in CHECKS} <= {path.name for path in (ROOT / "roles").iterdir()}


def test_the_list_is_sorted_and_no_id_is_that_of_a_rule() -> None:
    ids = [check["id"] for check in CHECKS]
    assert ids == sorted(set(ids))
    assert not set(ids) & {f"versions-{rule.id}" for rule in load_rules().rules}


def test_every_tag_is_one_of_a_role() -> None:
    """`doctor --fix` runs the roles with these tags."""
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "roles").glob("*/tasks/main.yml"))
    tags = set(re.findall(r"\b[a-z_]+_(?:install|configure|files)\b", text))
    assert {tag for check in CHECKS for tag in check["tags"]} <= tags


def test_every_check_says_what_it_prevents_and_what_mends_it() -> None:
    assert all(check["prevents"] and check["remedy"] for check in CHECKS)


def test_the_guide_holds_every_check_and_names_no_other() -> None:
    guide = ROOT / "docs/checks.md"
    text = guide.read_text(encoding="utf-8")
    rows = [f"| `{c['id']}` | {code(c['prevents'])} | {c['remedy'].replace('|', chr(92) + '|')} |" for c in CHECKS]
    table = "\n".join(["", "| Check | Prevents | Mends it |", "|---|---|---|", *rows, "", ""])
    made = re.sub(r"(<!-- made by .* -->\n).*(<!-- end -->)", lambda m: f"{m[1]}{table}{m[2]}", text, flags=re.DOTALL)
    if os.environ.get("GRADER_WRITE_TABLE"):
        guide.write_text(made, encoding="utf-8")
        text = made
    assert text == made
    known = {c["id"] for c in CHECKS} | {f"versions-{rule.id}" for rule in load_rules().rules} | set(ORDER)
    named = re.findall(r"^\|.*\| ([^|]*) \|$", text.partition("## Every check")[0], re.MULTILINE)
    ids = {id_ for cell in named for id_ in re.findall(r"`([^`]+)`", cell)}
    assert ids
    assert ids <= known
    assert set(PITFALLS) - {"containerd-access"} <= ids


def code(text: str) -> str:
    """Return a text as code in a cell; one that holds backticks is prose."""
    safe = text.replace("|", chr(92) + "|")
    return safe if "`" in text else f"`{safe}`"
