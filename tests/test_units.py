"""Quantities are read as printed and written so that reading them again encloses the value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.units import (
    Base,
    Dimension,
    find_quantities,
    find_unit,
    format_bytes,
    format_factor,
    format_factors,
    format_percent,
    format_ratio,
    format_seconds,
    in_unit,
    label_scales,
    parse_duration,
    parse_quantity,
)

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("4.48 MiB", "byte", 4.48 * MIB),
        ("2.4M", "byte", 2.4 * MIB),
        ("826K", "byte", 826 * 1024),
        ("840kB", "byte", 840_000),
        ("361.0 B", "byte", 361),
        ("4,698,112 B", "byte", 4_698_112),
        ("4 698 112 bytes", "byte", 4_698_112),
        ("4\u00a0698\u00a0112 байт", "byte", 4_698_112),
        ("4\u202f698\u202f112 B", "byte", 4_698_112),
        ("4.698.112 B", "byte", 4_698_112),
        ("12.345 B", "byte", 12_345),
        ("1,823 MB", "byte", 1.823 * MIB),
        ("1.234,5 KiB", "byte", 1234.5 * 1024),
        ("4,698.5 KiB", "byte", 4698.5 * 1024),
        ("1,5 МБ", "byte", 1.5 * MIB),
        ("1,600ms", "second", 1.6),
        ("0,932 ms", "second", 0.000932),
        ("1,5 s", "second", 1.5),
        ("1,234 s", "second", 1.234),
        ("12 мс", "second", 0.012),
        ("0,48 сек", "second", 0.48),
        ("3 с", "second", 3),
        ("250 µs", "second", 0.00025),
        ("250us", "second", 0.00025),
        ("1.2e-3 s", "second", 0.0012),
        ("0m0.580s", "second", 0.58),
        ("real 1m2.5s", "second", 62.5),
        ("82 %", "percent", 82),
        (r"47.8\%", "percent", 47.8),
        ("\u22128.1%", "percent", -8.1),
        ("1.96x", "ratio", 1.96),
        ("в 6,82 раза", "ratio", 6.82),
        ("13.5×", "ratio", 13.5),
        ("3 times", "ratio", 3),
    ],
)
def test_quantity_is_read_in_base_units(text: str, dimension: Dimension, value: float) -> None:
    read = parse_quantity(text, dimension)
    assert read is not None
    assert read.value == pytest.approx(value, rel=1e-12)
    assert read.low <= value <= read.high


@pytest.mark.parametrize(
    "text",
    [
        "0.39.0 MB",
        "v2 MB",
        "p50 ms",
        "main5s",
        "1.2.3 s",
        "9" * 40 + " B",
        "5 strings",
        "7 more",
        "1:1.6",
        "12:30:05 s",
    ],
)
def test_what_only_looks_like_a_quantity_has_no_dimension(text: str) -> None:
    assert all(q.dimension is None for q in find_quantities(text))


def test_printed_precision_is_half_a_unit_of_the_last_digit() -> None:
    read = parse_quantity("0.4480 s", "second")
    assert read is not None
    assert (read.low, read.high) == pytest.approx((0.44795, 0.44805))


def test_a_whole_count_of_bytes_is_exact() -> None:
    read = parse_quantity("4698112 B", "byte")
    assert read is not None
    assert (read.low, read.value, read.high) == (4698112, 4698112, 4698112)


@pytest.mark.parametrize(("base", "value"), [("decimal", 4_700_000), ("binary", 4.7 * MIB)])
def test_a_label_with_two_meanings_covers_both(base: Base, value: float) -> None:
    read = parse_quantity("4.7 MB", "byte", base=base)
    assert read is not None
    assert read.ambiguous
    assert read.value == pytest.approx(value)
    assert read.low == 4_650_000
    assert read.high == pytest.approx(4.75 * MIB)


@pytest.mark.parametrize("base", ["decimal", "binary"])
def test_a_small_k_before_bytes_is_a_thousand_everywhere(base: Base) -> None:
    read = parse_quantity("840 kB", "byte", base=base)
    (bare,) = find_quantities("840")
    completed = in_unit(bare, "kB", base=base)
    assert read is not None
    assert completed is not None
    assert (read.low, read.value, read.high) == (839_500, 840_000, 840_500)
    assert (completed.low, completed.value, completed.high) == (839_500, 840_000, 840_500)
    assert not read.ambiguous
    assert label_scales("kB") is None
    assert label_scales("KB") == (1000, 1024)


def test_times_and_sizes_are_never_below_zero() -> None:
    for text, dimension in (("0 s", "second"), ("0 MB", "byte")):
        read = parse_quantity(text, dimension)  # type: ignore[arg-type]
        assert read is not None
        assert read.low == 0 < read.high


def test_a_bare_number_takes_the_unit_of_its_column() -> None:
    (bare,) = find_quantities("536")
    read = in_unit(bare, "ms")
    assert read is not None
    assert (read.value, read.dimension) == (0.536, "second")
    assert in_unit(bare, "furlong") is None


sizes = st.integers(min_value=0, max_value=1 << 42)
times = st.floats(min_value=0, max_value=1e6, allow_nan=False)
widths = st.one_of(st.none(), st.floats(min_value=1e-9, max_value=1e6))
byte_units = st.sampled_from([None, "B", "KiB", "MiB", "GiB", "kB", "MB", "GB"])


@given(sizes, byte_units, widths)
def test_a_written_size_is_read_back(size: int, unit: str | None, half_width: float | None) -> None:
    text = format_bytes(size, unit, half_width=half_width)
    read = find_quantities(text)
    assert read[0].low <= size <= read[0].high, text
    if not half_width:
        assert read[-1].value == size


@given(times, st.sampled_from([None, "s", "ms", "µs"]), widths)
def test_a_written_time_is_read_back(value: float, unit: str | None, half_width: float | None) -> None:
    text = format_seconds(value, unit, half_width=half_width)
    read = parse_quantity(text, "second")
    assert read is not None
    assert read.low <= value <= read.high, text


@given(st.floats(min_value=-1e6, max_value=100), widths)
def test_a_written_percentage_is_read_back(value: float, half_width: float | None) -> None:
    read = parse_quantity(format_percent(value, half_width=half_width), "percent")
    assert read is not None
    assert read.low <= value <= read.high


@given(st.floats(min_value=0, max_value=1e6), widths)
def test_a_written_factor_is_read_back(value: float, half_width: float | None) -> None:
    text = format_ratio(value, half_width=half_width)
    read = parse_quantity(text, "ratio")
    assert read is not None
    assert read.low <= value <= read.high, text


@given(times, st.sampled_from([None, "s", "ms", "µs"]), st.floats(min_value=1e-9, max_value=1.9))
def test_a_digit_finer_than_half_the_half_width_is_at_most_the_second(
    value: float, unit: str | None, half_width: float
) -> None:
    text = format_seconds(value, unit, half_width=half_width)
    read = parse_quantity(text, "second")
    assert read is not None
    last_digit = (read.high - read.value) * 2
    finer = last_digit < half_width / 2 * (1 - 1e-6) and last_digit != pytest.approx(1e-9)
    if finer:
        assert read.digits <= 2
        assert last_digit * 10 >= half_width / 2 * (1 - 1e-6)


@given(st.text(alphabet="0123456789.,-+ exX×sMKiBб%\u00a0\u202f'e", max_size=60))
def test_any_text_is_read_without_an_error_and_in_order(text: str) -> None:
    read = find_quantities(text)
    assert all(q.low <= q.value <= q.high for q in read)
    assert [q.start for q in read] == sorted(q.start for q in read)


def test_sizes_times_and_factors_look_like_this() -> None:
    assert format_bytes(4_698_112) == "4.48 MiB (4,698,112 B)"
    assert format_bytes(4_698_112, "MB") == "4.70 MB (4,698,112 B)"
    assert format_bytes(839_578) == "819.9 KiB (839,578 B)"
    assert format_bytes(361) == "361 B"
    assert format_bytes(361, "MB") == "361 B"
    assert format_bytes(1_434_000, half_width=15_000) == "1.37 MiB"
    assert format_seconds(0.00214) == "2.14 ms"
    assert format_seconds(0.00214, half_width=0.0001) == "2.1 ms"
    assert format_seconds(0.448) == "0.448 s"
    assert format_seconds(2.3, "ms") == "2300 ms"
    assert format_seconds(2.3, "ms", half_width=0.1) == "2.3 s"
    assert format_seconds(0.258, half_width=0.007) == "0.26 s"
    assert format_seconds(0.011, half_width=0.0022) == "11 ms"
    assert format_seconds(0.0008, half_width=0.0002) == "0.8 ms"
    assert format_percent(47.84) == "47.8%"
    assert format_percent(99.9814) == "99.98%"
    assert format_percent(100) == "100.0%"
    assert format_ratio(1.624) == "1.62×"
    assert format_ratio(0.63) == "0.63× (1.6× slower)"
    assert format_ratio(0.999) == "1.00×"


@pytest.mark.parametrize(
    ("value", "half_width", "shown"),
    [
        (0.63, 0.02, "0.63× (1.6× slower)"),
        (0.5, 0.2, "0.5× (2.0× slower)"),
        (0.6, 0.1, "0.60× (1.7× slower)"),
        (0.7, 0.2, "0.7× (1.4× slower)"),
        (0.6, 0.9, "0.6× (slower)"),
        (0.0031, 0.0003, "0.0031× (320× slower)"),
        (5, 0.3, "5.0×"),
    ],
)
def test_a_factor_below_one_is_said_the_other_way_too_where_the_digits_let_both_agree(
    value: float, half_width: float, shown: str
) -> None:
    assert format_ratio(value, half_width=half_width) == shown


@given(st.floats(0.001, 1000), st.floats(1.0001, 100), st.floats(1.0001, 100))
def test_a_factor_shown_with_its_interval_is_never_0_and_is_1_only_if_1_is_possible(
    value: float, below: float, above: float
) -> None:
    low, high = value / below, value * above
    shown, first, last = (float(text) for text in format_factors(value, low, high))
    assert 0 < first <= low + (high - low) / 40
    assert last >= high - (high - low) / 40
    assert first <= shown <= last
    if low > 1 or high < 1:
        assert 1 not in (first, shown, last)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("TODO MiB", "MiB"),
        ("TODO MB", "MB"),
        ("TODO KB", "KiB"),
        ("TODO kB", "kB"),
        ("4.5M", "MiB"),
        ("826K", "KiB"),
        ("4,7 МБ", "MB"),
        ("TODO МиБ", "MiB"),
        ("2450459 bytes", "B"),
        ("TODO s (avg over 5 runs)", "s"),
        ("326 мс", "ms"),
        ("TODO µs", "µs"),
        ("TODO", None),
        ("N/A (MODE=once)", None),
        ("2x faster", None),
    ],
)
def test_the_unit_of_a_cell_is_found_however_it_is_written(text: str, unit: str | None) -> None:
    assert find_unit(text) == unit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("60s", 60),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h", 3600),
        ("0.5", 0.5),
        ("1m30", 90),
        (" 2m ", 120),
        ("500ms", 0.5),
        ("1s20ms", 1.02),
        ("1m5ms", 60.005),
    ],
)
def test_a_duration_is_read_as_people_type_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "5 m", "m", "1e9", "nan", "inf", "5d", "ms", "0ms", "1m1h", "٥"])
def test_what_is_no_duration_above_zero_is_none(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (3.07, 2.69, 3.46, ("3.1", "2.7", "3.5")),
        (2.1, 1.4, 2.8, ("2.1", "1.4", "2.8")),
        (1.004, 0.9966, 1.0114, ("1.00", "0.99", "1.02")),
        (1.1, 0.17, 6.2, ("1", "0.1", "7")),
        (2.7, 1.17, 6.8, ("3", "1.2", "7")),
        (326, 300, 359, ("330", "300", "360")),
    ],
)
def test_an_interval_is_written_with_the_digits_that_it_bears(
    value: float, low: float, high: float, shown: tuple[str, str, str]
) -> None:
    assert format_factors(value, low, high) == shown


@pytest.mark.parametrize(
    ("value", "half_width", "nearest", "down", "up"),
    [
        (3.07, 0.385, "3", "3", "4"),
        (2.69, 0.385, "3", "2", "3"),
        (1.096, 0.0155, "1.10", "1.09", "1.10"),
        (1.5, 0.15, "1.5", "1.5", "1.5"),
        (19.4, 9.5, "20", "10", "20"),
        (326, 29.5, "300", "300", "400"),
        (5, 30, "5", "5", "5"),
        (0.047, 0.01, "0.05", "0.04", "0.05"),
    ],
)
def test_a_factor_and_its_bounds_have_the_same_digits_down_to_their_first(
    value: float, half_width: float, nearest: str, down: str, up: str
) -> None:
    assert format_factor(value, half_width) == nearest
    assert format_factor(value, half_width, rounding="down") == down
    assert format_factor(value, half_width, rounding="up") == up
