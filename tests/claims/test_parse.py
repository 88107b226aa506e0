"""What one cell says, with the mark that belongs to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.claims.parse import (
    Comparison,
    Expectation,
    Reading,
    is_unanswered,
    plain_text,
    read_cell,
    read_derived_cell,
)
from grader.model.report import own_text
from grader.units import Dimension

MIB = 1 << 20
BYTE, SECOND = Expectation("byte"), Expectation("second")
PERCENT, RATIO = Expectation("percent"), Expectation("ratio")
SIDES = Comparison(("traditional", "docker", "контейнер"), ("wasm", "webassembly"))


def preferred(readings: tuple[Reading, ...]) -> Reading:
    (only,) = [r for r in readings if r.preferred]
    return only


@pytest.mark.parametrize(
    ("cell", "value", "qualifier"),
    [
        ("4.5 MiB", 4.5 * MIB, None),
        ("**4.5 MiB**", 4.5 * MIB, None),
        ("`4.5MiB`", 4.5 * MIB, None),
        ("***`4,5 МиБ`***", 4.5 * MIB, None),
        ("_4.5 MiB_", 4.5 * MIB, None),
        ("__4.5 MiB__", 4.5 * MIB, None),
        ("~4.5 MiB", 4.5 * MIB, "~"),
        ("≈ **4.5** MiB", 4.5 * MIB, "~"),
        ("about 4.5 MiB", 4.5 * MIB, "~"),
        ("около 4,5 МиБ", 4.5 * MIB, "~"),
        ("примерно 4.5 MiB", 4.5 * MIB, "~"),
        ("4.5 MiB (estimated)", 4.5 * MIB, "estimated"),
        ("4.5 MiB*", 4.5 * MIB, None),
        ("4.5 MiB¹", 4.5 * MIB, None),
        ("4.5 MiB[^2]", 4.5 * MIB, None),
        ("4.5 MiB<br>stripped", 4.5 * MIB, None),
        ("<b>4.5 MiB</b><script>alert(1)</script>", 4.5 * MIB, None),
        ("<STYLE>p { margin: 1 MiB }</STYLE >4.5 MiB", 4.5 * MIB, None),
        ("<!-- was 3 MiB -->4.5 MiB", 4.5 * MIB, None),
        ("\x1b[1;32m4.5 MiB\x1b[0m", 4.5 * MIB, None),
        ("4.5 MiB MiB", 4.5 * MIB, None),
        ("$4.5$ MiB", 4.5 * MIB, None),
        ("4,698,112 B", 4698112, None),
        ("4698112", 4698112, None),
        ("1.09MiB / 3.824GiB (0.03%)", 1.09 * MIB, None),
        ("4.5 MiB → 4.48 MiB (4,698,112 B), consistent", 4.5 * MIB, None),
    ],
)
def test_a_size_is_read_through_its_marks(cell: str, value: float, qualifier: str | None) -> None:
    reading = preferred(read_cell(cell, BYTE))
    assert reading.value == pytest.approx(value)
    assert reading.qualifier == qualifier
    assert reading.unit == "byte"


@pytest.mark.parametrize(
    ("cell", "qualifier"),
    [
        ("", "empty"),
        ("**  **", "empty"),
        ("...", "empty"),
        ("TODO", "TODO"),
        ("todo ms", "TODO"),
        ("`TODO`", "TODO"),
        ("TODO s (avg over 5 runs)", "TODO"),
        ("**TODO** % smaller", "TODO"),
        ("TBD", "TBD"),
        ("XXX MB", "XXX"),
        ("X.X MB", "XXX"),
        ("X.XX s", "XXX"),
        ("___ MB", "___"),
        ("`___`", "___"),
        ("N/A", "N/A"),
        ("n/a", "N/A"),
        ("`N/A` via `ctr`", "N/A"),
        ("N/A (5 MB of noise)", "N/A"),
        ("-", "—"),
        ("—", "—"),
        ("not available", "not available"),
        ("нет", "нет"),
        ("ran out of time", "ran out of time"),
    ],
)
def test_a_cell_without_a_number_keeps_its_word(cell: str, qualifier: str) -> None:
    for expected in (BYTE, SECOND):
        reading = preferred(read_cell(cell, expected))
        assert (reading.value, reading.qualifier) == (None, qualifier)


def test_numbers_that_are_no_quantity_of_the_row_are_not_read() -> None:
    assert preferred(read_cell("avg over 5 runs", SECOND)).value is None
    assert preferred(read_cell("0.58 s", BYTE)).value is None
    assert preferred(read_cell("12", BYTE)).value is None


def test_all_numbers_of_a_cell_are_kept_and_the_first_is_preferred() -> None:
    readings = read_cell("1.98 MiB / 6.82 MiB*", BYTE)
    assert [r.value for r in readings] == pytest.approx([1.98 * MIB, 6.82 * MIB])
    assert [r.preferred for r in readings] == [True, False]


def test_a_later_number_that_says_the_same_more_precisely_is_preferred() -> None:
    readings = read_cell("4.5M (`4698112` bytes)", BYTE)
    assert [(r.value, r.preferred) for r in readings][1] == (4698112, True)


def test_a_range_is_its_middle_and_covers_both_ends() -> None:
    reading = preferred(read_cell("2.3-2.4 MiB", BYTE))
    assert reading.value == pytest.approx(2.35 * MIB)
    assert (reading.low, reading.high) == pytest.approx((2.25 * MIB, 2.45 * MIB))
    assert preferred(read_cell("0.44 ± 0.02 s", SECOND)).low == pytest.approx(0.42)


def test_a_bound_is_kept_as_one() -> None:
    reading = preferred(read_cell("< 0.01 ms", SECOND))
    assert (reading.low, reading.value, reading.high, reading.qualifier) == (0, 1e-05, 1e-05, "<")


def test_a_bare_number_takes_the_unit_of_its_row() -> None:
    assert preferred(read_cell("580", Expectation("second", unit="ms"))).value == 0.58
    assert preferred(read_cell("580", SECOND)).value is None


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.54x faster", 1.54),
        ("1.96x slower", 1 / 1.96),
        ("WASM is ~1.96x slower", 1 / 1.96),
        ("**Traditional was ~6.18x faster**", 1 / 6.18),
        ("Traditional примерно в 6.82x быстрее", 1 / 6.82),
        ("контейнер в 2 раза медленнее", 2),
        ("WASM в 1,6 раза быстрее", 1.6),
        ("1.6x faster than traditional", 1.6),
        ("1.6x slower than Docker", 1 / 1.6),
        ("1.6x slower than WASM", 1.6),
        ("6x faster (traditional)", 1 / 6),
        ("0.95× faster (traditional slightly faster)", 0.95),
        ("0.65x slower", 0.65),
        ("0.46x", 0.46),
        ("0.88", 0.88),
        (r"$1.6\times$ faster", 1.6),
    ],
)
def test_a_factor_is_traditional_over_wasm(cell: str, value: float) -> None:
    reading = preferred(read_derived_cell(cell, RATIO, SIDES))
    assert reading.value == pytest.approx(value)
    assert reading.low is not None
    assert reading.high is not None
    assert reading.low < value < reading.high


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("46.7% smaller", 46.7),
        ("-46.7% smaller", 46.7),
        ("WASM на 46.7% меньше", 46.7),
        ("82 %", 82),
        ("+1% larger", -1),
        ("-23.7% (larger)", -23.7),
        ("-8.1%", -8.1),
        (r"47.8\% reduction", 47.8),
        ("Docker is 45-47% larger", 46),
    ],
)
def test_a_percentage_is_a_reduction(cell: str, value: float) -> None:
    assert preferred(read_derived_cell(cell, PERCENT, SIDES)).value == pytest.approx(value)


def test_a_minus_in_a_column_of_changes_is_a_reduction() -> None:
    changes = Comparison(SIDES.reference, SIDES.candidate, change=True)
    assert preferred(read_derived_cell("-47.8%", PERCENT, changes)).value == 47.8
    assert preferred(read_derived_cell("+5%", PERCENT, changes)).value == -5
    assert preferred(read_derived_cell("47.8%", PERCENT, changes)).value == 47.8


def test_a_percentage_is_no_factor_and_a_factor_no_percentage() -> None:
    assert preferred(read_derived_cell("-129% (slower)", RATIO, SIDES)).qualifier == "-129% (slower)"
    assert preferred(read_derived_cell("~1.9x smaller", PERCENT, SIDES)).value is None


def test_what_an_earlier_filling_wrote_is_not_read() -> None:
    assert own_text("**4.5 MB** → 4.48 MiB, consistent") == "**4.5 MB**"
    assert preferred(read_cell("N/A → 2.1 ms", SECOND)).qualifier == "N/A"


def test_plain_text_keeps_the_words() -> None:
    assert plain_text(r"✅ **Works** (`net/http`)<br>a \| b_c\_d") == "✅ Works (net/http) a | b_c_d"


marks = st.sampled_from(["", "**", "*", "`", "**`"])
approximations = st.sampled_from([("", None), ("~", "~"), ("≈ ", "~"), ("about ", "~"), ("примерно ", "~")])
units = st.sampled_from(
    [
        ("byte", "KiB", 1024),
        ("byte", "МиБ", MIB),
        ("byte", "GiB", 1 << 30),
        ("second", "ms", 0.001),
        ("second", "мс", 0.001),
        ("second", "s", 1),
        ("second", "сек", 1),
    ]
)


@given(
    st.integers(0, 999),
    st.integers(0, 99),
    st.sampled_from([".", ","]),
    st.sampled_from(["", " ", "\u00a0", "\u202f"]),
    units,
    marks,
    approximations,
    st.sampled_from(["", " (avg of 5 runs)", "*", " → 1 B, consistent"]),
)
def test_a_written_cell_is_read_back(
    whole: int,
    hundredths: int,
    mark: str,
    space: str,
    unit: tuple[Dimension, str, float],
    emphasis: str,
    approximation: tuple[str, str | None],
    tail: str,
) -> None:
    dimension, label, scale = unit
    text = f"{emphasis}{approximation[0]}{whole}{mark}{hundredths:02d}{space}{label}{emphasis[::-1]}{tail}"
    reading = preferred(read_cell(text, Expectation(dimension)))
    assert reading.value == pytest.approx((whole + hundredths / 100) * scale)
    assert reading.qualifier == approximation[1]


alphabet = st.sampled_from(
    [
        *"0123456789.,-+~<>%x×*_`|()[]$\\ ",
        "MB",
        "ms",
        " s",
        "N/A",
        "TODO",
        "slower",
        "faster",
        "wasm",
        "than",
        "→",
        "±",
        "1",
    ]
)


@given(
    st.lists(alphabet, max_size=40).map("".join),
    st.sampled_from(["byte", "second", "percent", "ratio", None]),
)
def test_any_cell_gives_exactly_one_preferred_reading(text: str, dimension: Dimension | None) -> None:
    for readings in (
        read_cell(text, Expectation(dimension)),
        read_derived_cell(text, Expectation(dimension), SIDES),
    ):
        reading = preferred(readings)
        assert (reading.value is not None) or reading.qualifier
        for r in readings:
            if isinstance(r.value, int | float) and r.low is not None and r.high is not None:
                assert r.low <= r.value <= r.high


@pytest.mark.parametrize(
    "cell", ["", "  ", "<!-- your size -->", "TODO", "**TODO**", "`___`", "XXX", "TODO → 4.48 MiB"]
)
def test_a_cell_that_nobody_filled_is_unanswered_whatever_it_should_hold(cell: str) -> None:
    assert is_unanswered(cell)


@pytest.mark.parametrize("cell", ["N/A", "—", "scratch", "works", "4.7 MB", "main.go"])
def test_an_answer_without_a_number_is_an_answer(cell: str) -> None:
    assert not is_unanswered(cell)
