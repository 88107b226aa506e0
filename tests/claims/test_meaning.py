"""Each claim has one meaning of `MB`, the reason for it, and the range of the printed digits in it."""

from __future__ import annotations

import pytest

from grader.claims.reader import read_report
from grader.model.lab import Lab
from grader.model.report import Claim

MB, MIB, KIB = 10**6, 1 << 20, 1 << 10

KNOWN = [{"id": "native.image_size", "value": 2_073_171, "notion": "docker_inspect"}]


def claim(spoken: Lab, row: str, claim_id: str, text: str = "") -> Claim:
    lab = Lab.model_validate({**spoken.model_dump(by_alias=True), "known_values": KNOWN})
    table = f"| Metric | Traditional | WASM | Notes |\n|---|---|---|---|\n{row}\n"
    found = read_report(f"{table}\n{text}\n".encode(), lab, "").preferred(claim_id)
    assert found is not None
    assert found.source == "table"
    return found


def test_a_single_letter_is_what_ls_prints(spoken: Lab) -> None:
    found = claim(spoken, "| Image size | 7.3M | x | |", "native.image_size")
    assert found.value == pytest.approx(7.3 * MIB)
    assert (found.meaning, found.why) == ("binary", "why.words")


def test_the_reports_own_output_comes_before_known_values(spoken: Lab) -> None:
    row = "| Image size | 1.98 MB | x | |"
    assert claim(spoken, row, "native.image_size").why == "why.known-value"
    text = "Traditional image size from `docker images`: 1.98 MB\n"
    found = claim(spoken, row, "native.image_size", text)
    assert (found.value, found.meaning, found.why) == (1_980_000, "decimal", "why.own-output")


def test_a_known_value_settles_what_nothing_else_does(spoken: Lab) -> None:
    found = claim(spoken, "| Image size | 1.98 MB | x | |", "native.image_size")
    assert found.value == pytest.approx(1.98 * MIB)
    assert found.meaning == "binary"
    assert (found.low, found.high) == pytest.approx((1.975 * MIB, 1.985 * MIB))


def test_a_point_that_was_moved_in_a_number_of_kib_is_seen(spoken: Lab) -> None:
    text = "The WASM image size is 819.9 KiB.\n"
    found = claim(spoken, "| Image size | x | 0.82 MB | |", "wasm.image_size", text)
    assert (found.meaning, found.value) == ("mixed", 820 * KIB)


def test_the_notes_of_the_row_name_the_tool(spoken: Lab) -> None:
    found = claim(spoken, "| Image size | 7.2 MB | x | from `docker image inspect` |", "native.image_size")
    assert (found.meaning, found.why) == ("binary", "why.notes")
    found = claim(spoken, "| Image size | 7.2 MB | x | |", "native.image_size")
    assert (found.meaning, found.why) == ("decimal", "why.usual")


def test_two_digits_of_a_files_size_may_have_been_rounded_up(spoken: Lab) -> None:
    found = claim(spoken, "| Binary size | 4.5 MB | x | |", "native.binary_size")
    assert (found.low, found.high) == pytest.approx((4.4 * MIB, 4.55 * MIB))
    found = claim(spoken, "| Binary size | 4.48 MB | x | |", "native.binary_size")
    assert (found.low, found.high) == pytest.approx((4.475 * MIB, 4.485 * MIB))


def test_a_bound_keeps_its_open_side(spoken: Lab) -> None:
    found = claim(spoken, "| Image size | < 5 MB | x | |", "native.image_size")
    assert (found.low, found.high) == (0, 5 * MB)


def test_a_label_with_one_meaning_has_none_to_choose(spoken: Lab) -> None:
    found = claim(spoken, "| Image size | 4.48 MiB | x | |", "native.image_size")
    assert (found.meaning, found.why) == (None, None)


@pytest.mark.parametrize(
    ("cell", "value"), [("0.574 ms", 0.574), ("< 0.01 ms", 0.00001), ("0.0000 s", 0), ("57 ms", 0.057)]
)
def test_a_time_that_its_unit_makes_impossible_is_read_in_the_next_one(spoken: Lab, cell: str, value: float) -> None:
    """A bound and a zero are kept: they are what a failed measurement looks like."""
    whole = spoken.model_dump(by_alias=True)
    startup = {**whole["metrics"]["startup_time"], "floor": 0.001, "ceiling": 120}
    lab = Lab.model_validate({**whole, "metrics": {**whole["metrics"], "startup_time": startup}})
    table = f"| Metric | Traditional | WASM |\n|---|---|---|\n| Startup | 0.932 ms | {cell} |\n"
    reading = read_report(table.encode(), lab, "")
    wasm, native = reading.preferred("wasm.startup_time"), reading.preferred("native.startup_time")
    assert wasm is not None
    assert wasm.value == pytest.approx(value)
    assert native is not None
    assert native.value == pytest.approx(0.932)
    assert (native.notion, native.why) == ("unit_slip", "why.unit-slip")
    printed = [c.value for c in reading.claims if c.id == "native.startup_time" and not c.preferred]
    assert printed == [pytest.approx(0.000932)]
