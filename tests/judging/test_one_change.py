"""A report made from facts contradicts nothing; one changed number contradicts exactly its own claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grader.adapters.labfile import load_lab
from grader.claims.reader import read_report
from grader.judging.compare import judge_claims
from grader.judging.rules import judge_rules
from grader.model.grade import Circumstances, Finding
from tests.claims.test_generated_reports import FACTORS, LABELS, LAYOUTS, MIB, SIDES, SIZES, TIMES, Facts, rows_of

LOADED = load_lab("lab12-f25")
HERE = Circumstances(sources_changed=False, known_values_apply=True)

CELLS = {
    "native.binary_size": "4.48 MiB",
    "wasm.binary_size": "2.34 MiB",
    "native.image_size": "4.7 MB",
    "wasm.image_size": "819.9 KiB",
}

KNOWN = Facts(
    native_binary=4_698_112,
    wasm_binary=2_450_459,
    native_image=4_698_112,
    wasm_image=845_824,
    native_startup=0.4,
    wasm_startup=0.5,
    memory=1.5 * MIB,
)
"""What the provided files give; times and memory are set anew for each report."""
RIGHT = {"binary_size.reduction": 47.84, "image_size.reduction": 82.1}


def report(cells: Mapping[str, str], native_s: float, wasm_s: float, mib: float) -> bytes:
    """The outputs are always those of the facts; the cells may say otherwise."""
    table = f"""| Metric | Traditional Container | WASM Container | Improvement |
|---|---|---|---|
| Binary Size | {cells["native.binary_size"]} | {cells["wasm.binary_size"]} | {cells["binary_size.reduction"]} |
| Image Size | {cells["native.image_size"]} | {cells["wasm.image_size"]} | {cells["image_size.reduction"]} |
| Startup Time | {cells["native.startup_time"]} | {cells["wasm.startup_time"]} | {cells["startup_time.ratio"]} |
| Memory Usage | {cells["native.memory_idle"]} | N/A | N/A |
"""
    return around(table, native_s, wasm_s, mib)


def around(table: str, native_s: float, wasm_s: float, mib: float) -> bytes:
    """Put the outputs of the facts before a table."""
    return f"""# Lab

## Task 2

```console
$ for i in {{1..5}}; do /usr/bin/time -f "%e" docker run --rm -e MODE=once moscow-time-traditional; done
Average: {native_s:.4g} seconds
$ docker stats --no-stream
CONTAINER ID   NAME               CPU %     MEM USAGE / LIMIT     MEM %
ce73c71ad3c1   test-traditional   0.00%     {mib:.3f}MiB / 7.5GiB   0.02%
```

## Task 3

```console
$ for i in {{1..5}}; do /usr/bin/time -f "%e" sudo ctr run --rm docker.io/library/moscow-time-wasm:latest w$i; done
Average: {wasm_s:.4f} seconds
```

## Task 4

{table}""".encode()


def right_cells(native_s: float, wasm_s: float, mib: float) -> dict[str, str]:
    word = "faster" if wasm_s < native_s else "slower"
    return {
        **CELLS,
        **{key: f"{percent:.1f}% smaller" for key, percent in RIGHT.items()},
        "native.startup_time": f"{native_s * 1000:.0f} ms",
        "wasm.startup_time": f"{wasm_s * 1000:.0f} ms",
        "startup_time.ratio": f"{native_s / wasm_s:.2f}x {word}",
        "native.memory_idle": f"{mib:.2f} MiB",
    }


def judged(data: bytes) -> tuple[set[str], tuple[Finding, ...]]:
    reading = read_report(data, LOADED.lab, LOADED.template)
    verdicts = judge_claims(LOADED.lab, reading.claims, (), HERE)
    findings = judge_rules(LOADED.lab, reading.claims, (), HERE)
    return {v.id for v in verdicts if v.verdict == "contradicted"}, findings


seconds = st.integers(110, 990).map(lambda n: 2 * n / 1000)  # what five runs of 0.01 s can average to
memory = st.floats(1.1, 4).map(lambda x: round(x, 3))
changed = st.sampled_from(
    [*CELLS, *RIGHT, "native.startup_time", "wasm.startup_time", "startup_time.ratio", "native.memory_idle"]
)


@settings(max_examples=30)
@given(native_s=seconds, wasm_s=seconds, mib=memory)
def test_a_report_made_from_facts_contradicts_nothing(native_s: float, wasm_s: float, mib: float) -> None:
    assert judged(report(right_cells(native_s, wasm_s, mib), native_s, wasm_s, mib)) == (set(), ())


@settings(max_examples=60)
@given(native_s=seconds, wasm_s=seconds, mib=memory, which=changed, factor=st.sampled_from([0.3, 0.6, 1.7, 3.1]))
def test_one_changed_number_contradicts_exactly_its_own_claim(
    native_s: float, wasm_s: float, mib: float, which: str, factor: float
) -> None:
    cells = right_cells(native_s, wasm_s, mib)
    number, _, unit = cells[which].partition(
        "x" if which.endswith("ratio") else " " if "%" not in cells[which] else "%"
    )
    wrong = float(number) * factor
    if which in RIGHT:
        share = 100 - RIGHT[which]
        excess = 100 * RIGHT[which] / share
        assume(all(abs(wrong - right) > 2 for right in (RIGHT[which], share, excess)))
        assume(wrong < 100)
    if which == "startup_time.ratio":
        ratio = native_s / wasm_s
        forms = (ratio, 1 / ratio, abs(ratio - 1), abs(1 / ratio - 1))
        assume(all(abs(wrong / form - 1) > 0.15 for form in forms if form > 0.01))
        assume(all(abs(wrong - form) > 0.02 for form in forms))
    mark = "x" if which.endswith("ratio") else "%" if which in RIGHT else " "
    cells[which] = f"{wrong:.3g}{mark}{unit}"
    contradicted, findings = judged(report(cells, native_s, wasm_s, mib))
    assert contradicted == {which}
    assert all(f.severity != "error" for f in findings)
    if which in CELLS or which == "native.memory_idle":
        assert {f.quote for f in findings} == {cells[which]}


PLACES = {
    "native.binary_size": (0, 1),
    "wasm.binary_size": (0, 2),
    "binary_size.reduction": (0, 3),
    "native.image_size": (1, 1),
    "wasm.image_size": (1, 2),
    "image_size.reduction": (1, 3),
    "native.startup_time": (2, 1),
    "wasm.startup_time": (2, 2),
    "startup_time.ratio": (2, 3),
    "native.memory_idle": (3, 1),
}
"""Row and column of each claim in the rows of `rows_of`."""


def far(wrong: float, *rights: float) -> bool:
    return all(abs(wrong - right) > max(0.04, 0.15 * right) for right in rights)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=25)
@given(
    native_s=seconds,
    wasm_s=seconds,
    mib=memory,
    size=st.sampled_from(sorted(SIZES)),
    time=st.sampled_from(sorted(TIMES)),
    factor=st.sampled_from(sorted(FACTORS)),
    language=st.sampled_from(["en", "ru"]),
    which=st.none() | st.sampled_from(sorted(PLACES)),
    by=st.sampled_from([0.3, 0.6, 1.7, 3.1]),
)
def test_one_changed_number_contradicts_its_own_claim_in_every_layout(
    layout: Callable[[list[str], list[list[str]]], str],
    native_s: float,
    wasm_s: float,
    mib: float,
    size: str,
    time: str,
    factor: str,
    language: str,
    which: str | None,
    by: float,
) -> None:
    """Units, precision, language, conventions and layout vary; a report without a change contradicts nothing."""
    facts = replace(KNOWN, native_startup=native_s, wasm_startup=wasm_s, memory=mib * MIB)
    rows = rows_of(facts, SIZES[size], TIMES[time], FACTORS[factor], language)
    if which is not None:
        row, column = PLACES[which]
        rows[row][column] = changed_cell(facts, which, by, (size, time, factor, language))
    table = layout([LABELS[language][0], *SIDES[language]], rows)
    contradicted, findings = judged(around(table, native_s, wasm_s, mib))
    assert contradicted == ({which} if which else set()), table
    assert all(f.severity != "error" for f in findings)
    assert which is not None or findings == ()


def changed_cell(facts: Facts, which: str, by: float, style: tuple[str, str, str, str]) -> str:
    """Write the same report's cell with another number."""
    size, time, factor, language = style
    fields = {
        "native.binary_size": ("native_binary", SIZES[size]),
        "wasm.binary_size": ("wasm_binary", SIZES[size]),
        "native.image_size": ("native_image", SIZES[size]),
        "wasm.image_size": ("wasm_image", SIZES[size]),
        "native.startup_time": ("native_startup", TIMES[time]),
        "wasm.startup_time": ("wasm_startup", TIMES[time]),
        "native.memory_idle": ("memory", lambda b: f"{b / MIB:.3f} MiB"),
    }
    if which in fields:
        name, write = fields[which]
        return write(getattr(facts, name) * by)
    if which == "startup_time.ratio":
        ratio = facts.native_startup / facts.wasm_startup
        wrong = ratio * by
        told = max(wrong, 1 / wrong)  # some conventions print the inverse
        forms = (ratio, 1 / ratio, abs(ratio - 1), abs(1 / ratio - 1))
        assume(far(wrong, *forms) and far(told, *forms))
        return FACTORS[factor](wrong)
    share = 1 - RIGHT[which] / 100
    wrong = RIGHT[which] * by
    assume(wrong < 99 and far(wrong, RIGHT[which], 100 * (1 - share) / share))
    return f"{wrong:.1f}% {'smaller' if language == 'en' else 'меньше'}"


@pytest.mark.parametrize("which", ["native.startup_time", "wasm.startup_time"])
def test_a_printed_zero_contradicts_no_cell_and_is_a_finding(which: str) -> None:
    native_s, wasm_s = (0.0, 0.5) if which.startswith("native") else (0.4, 0.0)
    cells = right_cells(0.4, 0.5, 1.5)
    contradicted, findings = judged(report(cells, native_s, wasm_s, 1.5))
    assert contradicted == set()
    assert {f.rule for f in findings} == {f"{which.partition('.')[0]}-startup-{end}" for end in ("zero", "own-output")}
