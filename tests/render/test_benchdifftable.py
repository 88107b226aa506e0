"""What changed between two sessions, on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from grader.model.base import Language
from grader.model.benchdiff import BenchDiff
from grader.render.benchdifftable import diff_report, worded_diff
from grader.stats.benchdiff import compare_benches
from tests.benches import HOST, arm, bench, failed_arm, times

ROUNDS = 20
BASE = arm("native", times(0.05, ROUNDS))
OLD = bench([BASE, arm("wasm", times(0.08, ROUNDS)), failed_arm("lame"), arm("gone\x1b[2J", times(0.05, ROUNDS))])
NEW = bench([BASE, arm("wasm", times(0.16, ROUNDS)), arm("lame", times(0.05, ROUNDS)), arm("came", [0.05] * ROUNDS)])


def printed(diff: BenchDiff, *, width: int = 120, encoding: str = "utf-8", language: Language = "en") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    Console(file=file, width=width, highlight=False).print(diff_report(diff, language))
    return raw.getvalue().decode(encoding)


def test_a_change_of_a_ratio_is_told_with_both_values() -> None:
    text = printed(compare_benches(OLD, NEW), width=200)
    (line,) = [line for line in text.splitlines() if line.startswith("wasm / native")]
    assert "2.0 times slower against `native` than before" in line
    assert "1.6" in line
    assert "3.2" in line
    assert text.rstrip().endswith("Something changed.")


def test_what_came_went_and_recovered_is_told() -> None:
    text = printed(compare_benches(OLD, NEW))
    assert "Only in the newer session: came" in text
    assert r"Only in the older session: gone\x1b[2J" in text
    assert "it failed then and works now" in text


def test_nothing_changed_is_said_plainly() -> None:
    assert "Nothing that these rounds resolve changed." in printed(compare_benches(OLD, OLD))


def test_the_drift_that_is_named_is_less_than_what_is_called_a_change() -> None:
    far = bench([BASE, arm("wasm", times(0.08 * 2.7, ROUNDS))])
    text = " ".join(printed(compare_benches(OLD, far), width=200).split())
    assert "2.7 times slower than before" in text
    assert "2.5-fold" in text


def test_notes_on_the_host_come_first() -> None:
    other = NEW.model_copy(update={"host": HOST.model_copy(update={"cpus": 4})})
    first = printed(compare_benches(OLD, other, across_hosts=True)).splitlines()[0]
    assert first.strip() == "another host: it had 2 CPUs and has 4"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    ("encoding", "language"), [("utf-8", "en"), ("ascii", "en"), ("utf-8", "ru"), ("koi8-r", "ru")]
)
def test_it_fits_the_terminal_and_its_encoding(width: int, encoding: str, language: Language) -> None:
    text = printed(compare_benches(OLD, NEW), width=width, encoding=encoding, language=language)
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_every_reason_is_worded_and_its_params_are_kept() -> None:
    diff = compare_benches(OLD, NEW)
    told = worded_diff(diff, "ru")
    assert all(a.text and a.reason.text for a in told.arms)
    assert all(ratio.text and ratio.reason.text for ratio in told.ratios)
    assert [r.reason.params for r in told.ratios] == [r.reason.params for r in diff.ratios]
