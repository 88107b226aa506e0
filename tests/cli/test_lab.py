"""`grader lab`: what it prints, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grader.adapters.labfile import LAB_FILE, labs_directory, load_lab
from grader.cli.lab import lab_app
from grader.errors import LabError

SHIPPED = labs_directory() / "lab12-f25"


def run(*args: str) -> str:
    result = CliRunner().invoke(lab_app, args, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_list_names_id_version_and_title() -> None:
    lab = load_lab("lab12-f25").lab
    assert [lab.id, lab.version, lab.title] == next(
        line.split(maxsplit=2) for line in run("list").splitlines() if line.startswith(lab.id)
    )
    listed = json.loads(run("list", "--json"))
    assert {"id": lab.id, "version": lab.version, "title": lab.title} in listed["labs"]


def test_show_names_every_criterion_row_arm_and_rule() -> None:
    lab = load_lab("lab12-f25").lab
    shown = run("show", "lab12-f25")
    lines = shown.splitlines()
    for criterion in lab.rubric:
        line = next(one for one in lines if f" {criterion.id} " in one)
        assert f"{criterion.points:.2f}" in line
        assert criterion.title in line
        assert all(need in line for need in criterion.needs)
    for row in lab.table.rows:
        assert any(one.split()[:1] == [row.key] for one in lines)
    for name, metric in lab.metrics.items():
        for subject, arms in metric.arms.items():
            assert any(one.split() == [f"{subject}.{name}", *", ".join(arms).split()] for one in lines)
    assert "4,698,112 B" in shown
    assert all(rule.id in shown for rule in lab.rules)


def test_show_as_json_is_the_definition_itself() -> None:
    data = json.loads(run("show", str(SHIPPED), "--json"))
    assert data.pop("sha256") == load_lab("lab12-f25").digest
    assert data == load_lab("lab12-f25").lab.model_dump(mode="json", by_alias=True)


def test_validate_says_that_a_lab_is_sound_and_what_it_is_worth() -> None:
    assert "10 points and 2 bonus" in run("validate", str(SHIPPED))
    data = json.loads(run("validate", str(SHIPPED / LAB_FILE), "--json"))
    assert (data["points"], data["bonus"]) == (10.0, 2.0)


def test_validate_raises_one_error_with_every_mistake(tmp_path: Path) -> None:
    text = (SHIPPED / LAB_FILE).read_text(encoding="utf-8")
    (tmp_path / LAB_FILE).write_text(
        text.replace("port: 8080", "port: 0").replace("severity: info", "severity: mild"), encoding="utf-8"
    )
    with pytest.raises(LabError) as caught:
        CliRunner().invoke(lab_app, ["validate", str(tmp_path)], catch_exceptions=False)
    told = str(caught.value)
    assert caught.value.exit_code == 2
    assert told.count("found `mild`; allowed: `error`, `warning`, `info`") == text.count("severity: info")
    assert "probes.server.port: found `0`; allowed: more than 0" in told


def test_schema_describes_lab_yml_with_the_names_of_the_file() -> None:
    schema = json.loads(run("schema"))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "schema" in schema["properties"]
    assert schema["additionalProperties"] is False
    assert "from" in schema["$defs"]["CriterionSpec"]["properties"]
    assert set(load_lab("lab12-f25").lab.model_dump(by_alias=True)) == set(schema["properties"])


def test_schema_of_grades_names_the_keys_of_the_contract() -> None:
    keys = json.loads(run("schema", "--grade"))["properties"].keys()
    assert {
        "schema",
        "lab",
        "submission",
        "host",
        "grader",
        "facts",
        "claims",
        "verdicts",
        "findings",
        "criteria",
        "score",
    } <= keys


@pytest.mark.parametrize("command", ["show", "validate"])
def test_an_unknown_lab_is_answered_with_the_known_ones(command: str) -> None:
    with pytest.raises(LabError, match="allowed: `lab12-f25`"):
        CliRunner().invoke(lab_app, [command, "nope"], catch_exceptions=False)
