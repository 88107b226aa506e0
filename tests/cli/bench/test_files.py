from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.adapters.output import SampleFile
from grader.cli.bench.files import Targets, told_where
from grader.cli.progress import ConsoleProgress
from grader.errors import GraderError, HostError, StatsError, StoppedError, UsageError
from grader.model.bench import Block
from grader.model.run import Sample
from grader.model.samplelog import SampleHeader
from tests.benches import arm, bench, times

RESULT = bench([arm("a", times(0.1, 8)), arm("b", times(0.2, 8))])
QUIET = ConsoleProgress(quiet=True)
LATER = 1e11
"""Of runs that a comparison made which began before, as any of these tests did."""


def targets(**files: Path) -> Targets:
    none = dict.fromkeys(Targets.model_fields)
    return Targets.model_validate(none | files)


def save_runs(log: SampleFile, *, began: float, runs: int = 3) -> None:
    writer = log.begin(SampleHeader(key="0" * 64, rounds=runs, began=began), ())
    writer.begin_block(Block(orders=(("a",),) * runs))
    for index in range(runs):
        good = {"arm": "a", "outcome": "ok", "total_s": 0.1, "first_output_s": None, "exit_code": 0, "started_s": 0}
        writer.add(Sample.model_validate(good | {"round_index": index}))
    log.close()


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


@pytest.mark.parametrize("error", [UsageError("x"), StatsError("x", hint="more"), HostError("x")])
def test_any_error_tells_where_the_runs_are(tmp_path: Path, error: GraderError) -> None:
    log = SampleFile(tmp_path / "runs.jsonl")
    before = error.hint
    save_runs(log, began=LATER)
    with pytest.raises(type(error)) as caught, told_where(log, QUIET):
        raise error
    assert caught.value.hint.startswith(before)
    assert caught.value.hint.endswith(f"3 runs are kept in `{log.path}`")


def test_runs_of_an_earlier_comparison_are_not_told_as_those_of_this_one(tmp_path: Path) -> None:
    log = SampleFile(tmp_path / "runs.jsonl")
    save_runs(log, began=1.0)
    with pytest.raises(UsageError) as caught, told_where(log, QUIET):
        raise UsageError("x")
    assert caught.value.hint == ""
    with pytest.raises(StoppedError, match="no run was begun"), told_where(log, QUIET):
        raise KeyboardInterrupt


def test_a_mistake_of_ours_tells_where_the_runs_are_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = SampleFile(tmp_path / "runs.jsonl")
    save_runs(log, began=LATER)
    with pytest.raises(ZeroDivisionError), told_where(log, ConsoleProgress()):
        raise ZeroDivisionError
    assert f"3 runs are kept in `{log.path}`" in capsys.readouterr().err
