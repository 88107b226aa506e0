"""`grader bench compare` as a command: streams, exit codes, and files that are none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grader.cli.app import app
from grader.errors import GraderError, UsageError
from grader.exports.bench import bench_json
from grader.model.bench import Bench
from tests.benches import HOST, arm, bench, times

BASE = arm("native", times(0.05, 20))
OLD = bench([BASE, arm("wasm", times(0.08, 20))])
NEW = bench([BASE, arm("wasm", times(0.16, 20))])


def compare(folder: Path, old: Bench, new: Bench, *options: str) -> Result:
    for name, result in (("old", old), ("new", new)):
        (folder / f"{name}.json").write_bytes(bench_json(result))
    return CliRunner().invoke(
        app, ["bench", "compare", str(folder / "old.json"), str(folder / "new.json"), *options], env={"COLUMNS": "160"}
    )


def test_a_change_is_printed_and_ends_with_0(tmp_path: Path) -> None:
    ran = compare(tmp_path, OLD, NEW)
    assert ran.exit_code == 0
    assert "2.0 times slower" in ran.stdout


def test_json_is_one_document_with_every_reason_in_english(tmp_path: Path) -> None:
    ran = compare(tmp_path, OLD, NEW, "--json", "--lang", "ru")
    document = json.loads(ran.stdout)
    assert document["schema"] == "grader/bench-diff/1"
    assert document["changed"] is True
    assert document["ratios"][0]["change"] == "slower"
    assert "times slower" in document["ratios"][0]["text"]


def test_results_without_an_arm_in_common_are_refused_with_the_names(tmp_path: Path) -> None:
    ran = compare(tmp_path, OLD, bench([arm("other", times(0.05, 20)), arm("third", times(0.05, 20))]))
    assert isinstance(ran.exception, UsageError)
    assert "`native`, `wasm`" in ran.exception.hint
    assert ran.exception.where.endswith("new.json")


def test_a_median_that_stands_alone_has_two_digits(tmp_path: Path) -> None:
    ran = compare(tmp_path, OLD, NEW)
    found = re.findall(r"(\d+(?:\.\d+)?) m?s\b", ran.stdout)
    assert found
    assert all(len(number.replace(".", "").lstrip("0")) <= 2 for number in found), found


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--json"], "--json"), (["--arm", "zz=false"], "--arm"), (["-q"], "--quiet"), (["--lang", "ru"], "--lang")],
)
def test_options_of_a_comparison_that_is_not_run_are_refused(tmp_path: Path, options: list[str], named: str) -> None:
    result = tmp_path / "old.json"
    result.write_bytes(bench_json(OLD))
    ran = CliRunner().invoke(app, ["bench", *options, "compare", str(result), str(result)])
    assert isinstance(ran.exception, UsageError)
    assert (ran.exception.where, ran.exception.exit_code, ran.stdout) == (named, 2, "")


def test_what_the_environment_sets_for_all_commands_is_no_option_given(tmp_path: Path) -> None:
    result = tmp_path / "old.json"
    result.write_bytes(bench_json(OLD))
    settings = {"GRADER_LANG": "ru", "GRADER_CACHE": str(tmp_path)}
    assert CliRunner().invoke(app, ["bench", "compare", str(result), str(result)], env=settings).exit_code == 0


def test_another_host_is_wrong_usage_unless_asked_for(tmp_path: Path) -> None:
    other = NEW.model_copy(update={"host": HOST.model_copy(update={"kernel": "6.12"})})
    refused = compare(tmp_path, OLD, other)
    assert isinstance(refused.exception, GraderError)
    assert refused.exception.exit_code == 2
    assert compare(tmp_path, OLD, other, "--across-hosts").exit_code == 0


@pytest.mark.parametrize("content", [b"", b"{}", b'{"results": []}', b"\xff"])
def test_a_file_that_is_no_result_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "good.json").write_bytes(bench_json(OLD))
    (tmp_path / "bad.json").write_bytes(content)
    ran = CliRunner().invoke(app, ["bench", "compare", str(tmp_path / "good.json"), str(tmp_path / "bad.json")])
    assert isinstance(ran.exception, GraderError)
    assert ran.exception.where.endswith("bad.json")
    assert ran.exception.exit_code == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["bench", "compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert isinstance(ran.exception, GraderError)
    assert "a.json" in str(ran.exception)
