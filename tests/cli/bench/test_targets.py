from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.adapters.output import SampleFile
from grader.cli.bench.targets import Targets
from grader.errors import HostError, UsageError
from tests.benches import arm, bench, times
from tests.samplefiles import save_runs

RESULT = bench([arm("a", times(0.1, 8)), arm("b", times(0.2, 8))])


def targets(**files: Path) -> Targets:
    none = dict.fromkeys(Targets.model_fields)
    return Targets.model_validate(none | files)


@pytest.mark.parametrize("content", [b"my notes\n", b"{}\n", b"\xff"])
def test_samples_never_replace_what_is_no_file_of_samples(tmp_path: Path, content: bytes) -> None:
    precious = tmp_path / "precious.md"
    precious.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        targets(samples=precious).check()
    assert (refused.value.where, str(precious) in refused.value.what) == ("--samples", True)
    assert precious.read_bytes() == content


def test_samples_never_replace_a_device_or_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for target in (Path("/dev/null"), tmp_path / "link"):
        with pytest.raises(UsageError):
            targets(samples=target).check()


def test_samples_of_an_earlier_comparison_and_an_empty_file_may_stand_where_new_ones_go(tmp_path: Path) -> None:
    save_runs(SampleFile(tmp_path / "old.jsonl"), began=1.0)
    (tmp_path / "empty").touch()
    for name in ("old.jsonl", "empty", "new"):
        targets(samples=tmp_path / name).check()


def test_two_options_never_write_one_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        targets(export_json=tmp_path / "out", export_csv=tmp_path / "." / "out").check()
    assert (refused.value.where, "`--export-json`" in refused.value.what) == ("--export-csv", True)
    targets(export_json=Path("/dev/null"), export_csv=Path("/dev/null")).check()


def test_a_picture_of_another_kind_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"would hold SVG"):
        targets(plot=tmp_path / "runs.png").check()
    for name in ("runs.SVG", "runs"):
        targets(plot=tmp_path / name).check()


def test_a_dash_is_not_made_into_a_file_of_that_name() -> None:
    with pytest.raises(UsageError, match="`-` is no file") as refused:
        targets(export_json=Path("-")).check()
    assert "--json" in refused.value.hint


def test_an_export_that_fails_is_named_with_its_file_and_the_others_are_written(tmp_path: Path) -> None:
    missing = tmp_path / "gone" / "out.csv"
    plot = tmp_path / "out.svg"
    with pytest.raises(HostError) as failed:
        targets(export_json=Path("/dev/full"), export_csv=missing, plot=plot).write(RESULT, "en", tmp_path / "runs")
    assert "--export-json `/dev/full`: cannot write results: No space left on device" in failed.value.what
    assert f"--export-csv `{missing}`" in failed.value.what
    assert f"`{tmp_path / 'runs'}`" in failed.value.hint
    assert plot.read_bytes().startswith(b"<svg")


def test_exports_are_written_whole(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("export_json", "export_csv", "export_hyperfine", "plot")}
    targets(**files).write(RESULT, "en", tmp_path / "runs")
    assert json.loads(files["export_json"].read_bytes())["schema"] == "grader/bench/1"
    assert len(files["export_csv"].read_text().splitlines()) == 1 + 2 * 9
    assert len(json.loads(files["export_hyperfine"].read_bytes())["results"]) == 2
