"""Any report is read or refused with one clear error, and reading takes work in proportion to its length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.adapters.labfile import load_lab
from grader.claims import statements
from grader.claims.reader import read_report
from grader.errors import IntakeError
from grader.model.lab import Lab
from grader.model.report import ReportReading
from tests.claims.bombs import BOMBS

LAB: Lab = load_lab("lab12-f25").lab

PIECES = (
    "## Task 2 — Traditional\n",
    "# 2\n",
    "**Binary size:**\n",
    "- Image size: 4.7 MB",
    "| Metric | Traditional | WASM |\n|---|---|---|\n",
    "| Binary size | 4.5 MB |",
    "| | | |\n",
    "Metric\tTraditional\tWASM\n",
    "```bash\n",
    "```\n",
    "~~~~\n",
    "$ docker run --rm x\n",
    "docker image inspect x | awk '{print $1/1024/1024}'\n",
    "REPOSITORY  TAG  IMAGE ID  CREATED  SIZE\n",
    "moscow-time-traditional latest b032d297d0ea 2 hours ago 4.7MB\n",
    "-rwxr-xr-x 1 u g 4.5M Apr  9 13:24 main.wasm\n",
    "CONTAINER ID NAME CPU % MEM USAGE / LIMIT\n",
    "1.09MiB / 3.8GiB 0.1%\n",
    "Average: 0.5 seconds\n",
    "real 0m0.5s\n",
    '{"moscow_time": "x", "timestamp": 1}',
    '{"unix_time": {"a": 1}}',
    "tinygo version 0.39.0\n",
    "![x](y.png)",
    "<script>alert(1)</script>",
    "‮\u200f\u2066",
    "\u202f4 698 112\u00a0B",
    "10^10000000 1e99 9e-99 0.0.0.0",
    "> > > > ",
    "\r",
    "\n\n",
    "\\",
    "N/A",
    "4.5 ± 0.1 MB",
    "XXX TODO ___",
)


def spans_are_true(reading: ReportReading, data: bytes) -> None:
    for claim in reading.claims:
        assert claim.file is None
        assert 0 <= claim.span.start <= claim.span.end <= len(data)
        assert sum(c.preferred for c in reading.claims if c.id == claim.id) == 1
        if isinstance(claim.value, int | float) and claim.low is not None and claim.high is not None:
            assert claim.low <= claim.value <= claim.high or claim.low == pytest.approx(claim.value)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=40).map("".join))
def test_any_mixture_of_what_reports_hold_is_read(text: str) -> None:
    data = text.encode("utf-8", "replace")
    try:
        reading = read_report(data, LAB, "")
    except IntakeError:
        assert b"\x00" in data
        return
    spans_are_true(reading, data)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_of_a_report_or_a_file_beside_it_are_read_or_refused(report: bytes, beside: bytes) -> None:
    try:
        read_report(report, LAB, "", evidence={"x.txt": beside})
    except IntakeError as error:
        assert error.hint  # noqa: PT017


@pytest.mark.parametrize("kind", sorted(BOMBS))
def test_a_long_report_of_one_kind_is_read_within_its_bounds(kind: str) -> None:
    data = BOMBS[kind](12_000).encode()
    reading = read_report(data, LAB, "")
    counts = {c.id: 0 for c in reading.claims}
    for claim in reading.claims:
        counts[claim.id] += 1
    assert max(counts.values(), default=0) <= 400
    assert len(reading.rejected) <= statements.MAX_READINGS
    spans_are_true(reading, data)


def test_ten_thousand_rows_keep_the_claims_few() -> None:
    header = "| Metric | Traditional | WASM |\n|---|---|---|\n"
    reading = read_report((header + "| Startup | 1 s | 2 s |\n" * 10_000).encode(), LAB, "")
    assert reading.table is not None
    assert len(reading.claims) <= 200
