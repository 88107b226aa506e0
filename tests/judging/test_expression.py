"""The expression language: grammar, three-valued truth, intervals; checked against brute force."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader.errors import LabError
from grader.judging.expression import (
    FIELDS,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_OPERATORS,
    Operand,
    Reading,
    evaluate_condition,
    evaluate_formula,
    evaluate_range,
    parse_condition,
    parse_formula,
    readings,
)

NAMES = frozenset({"native", "wasm"})


def error_of(source: str, *, formula: bool = False) -> tuple[str, str]:
    with pytest.raises(LabError) as caught:
        parse_formula(source, NAMES) if formula else parse_condition(source)
    return caught.value.where, caught.value.what


def column_of_refusal(source: str) -> str | None:
    try:
        parse_condition(source)
    except LabError as error:
        return error.where
    return None


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("native / wasm", 4.0),
        ("(native - wasm) / native", 0.75),
        ("native - wasm - 1", 5.0),
        ("native / wasm / 2", 2.0),
        ("1 + 2 * 3", 7.0),
        ("-native + 10", 2.0),
        ("--3", 3.0),
        ("2 * -3", -6.0),
        ("4_698_112", 4698112.0),
        ("1.5e3 * 2E-3", 3.0),
        ("(native-wasm)/native", 0.75),
    ],
)
def test_formulas_group_as_on_paper(formula: str, value: float) -> None:
    assert evaluate_formula(formula, {"native": 8.0, "wasm": 2.0}) == value


@pytest.mark.parametrize("formula", ["native / (wasm - 2)", "native / 0", "1e308 * 10 * native", "-(1 / 0)"])
def test_division_by_zero_and_overflow_are_unknown(formula: str) -> None:
    assert evaluate_formula(formula, {"native": 8.0, "wasm": 2.0}) is None


CLAIMS = {
    "native.binary_size": Operand(4.5, 4.45, 4.55),
    "wasm.binary_size": Operand(2.4, 2.35, 2.45, approximate=True),
    "tinygo.version": Operand("0.39.0"),
    "wasm.memory_idle": Operand(None),
}
FACTS = {"wasm.binary_size@committed": Operand(2.4)}


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("claim(native.binary_size).low > claim(wasm.binary_size).high", True),
        ("claim(native.binary_size).value == 4.5", True),
        ("claim(native.binary_size).value != 4.5", False),
        ("claim(tinygo.version).value == '0.39.0'", True),
        ('claim(tinygo.version).value != "0.39.0"', False),
        ("claim(wasm.binary_size).approximate", True),
        ("claim(native.binary_size).approximate", False),
        ("claim(native.binary_size).stated", True),
        ("claim(wasm.memory_idle).missing", True),
        ("claim(spin.url).missing and not claim(spin.url).stated", True),
        ('fact("wasm.binary_size@committed").high <= 2.4', True),
        ('fact("startup_time.ratio@docker/ctr-wasmtime").missing', True),
        ("not 1 < 2 or 3 > 2 and 1 == 1", True),
        ("(1 < 2 or 1 < 2) and 2 < 1", False),
    ],
)
def test_conditions_ask_claims_and_facts(condition: str, truth: bool) -> None:
    assert evaluate_condition(condition, CLAIMS, FACTS) is truth


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("{} < 1", None),
        ("not {} < 1", None),
        ("{} < 1 and 1 < 2", None),
        ("{} < 1 and 2 < 1", False),
        ("2 < 1 and {} < 1", False),
        ("{} < 1 or 1 < 2", True),
        ("1 < 2 or {} < 1", True),
        ("{} < 1 or 2 < 1", None),
        ("1 / 0 < 1", None),
        ("1 / 0 == 1 / 0", None),
        ("{} + 1 == {} + 1", None),
    ],
)
def test_what_is_missing_makes_a_comparison_unknown_unless_the_other_side_decides(
    condition: str, truth: bool | None
) -> None:
    missing = condition.replace("{}", "claim(wasm.memory_idle).value")
    assert evaluate_condition(missing, CLAIMS, FACTS) is truth


@pytest.mark.parametrize("op", ["<", "<=", ">", ">="])
def test_a_text_has_no_order_and_no_arithmetic(op: str) -> None:
    assert evaluate_condition(f"claim(tinygo.version).value {op} 1", CLAIMS, {}) is None
    assert evaluate_condition(f"claim(tinygo.version).value + 1 {op} 1", CLAIMS, {}) is None
    assert evaluate_condition(f"claim(tinygo.version).low {op} 1", CLAIMS, {}) is None


def test_ids_may_hold_dots_hyphens_and_underscores_bare() -> None:
    asked = readings(parse_condition("claim(a-b.c_d.e2).value > fact('x.y@ctr-wasmtime').low"))
    assert asked == (Reading("claim", "a-b.c_d.e2", "value", 1), Reading("fact", "x.y@ctr-wasmtime", "low", 27))


@pytest.mark.parametrize(
    ("source", "column", "words"),
    [
        ("", 1, "the end"),
        ("1 <", 4, "the end"),
        ("1 < 2 )", 7, "an operator or the end, found `)`"),
        ("(1 < 2", 7, "expected `)`"),
        ("1 < 2 < 3", 7, "do not chain"),
        ("1 + 2", 1, "a condition is true or false, found a number"),
        ("not 3", 5, "found a number"),
        ("1 < 2 and 3", 11, "`and` needs a condition on both sides, found a number"),
        ("1 + (1 < 2) > 0", 5, "`+` needs a number on both sides, found a condition"),
        ("(1 < 2) == (1 < 2)", 1, "compares numbers or texts, found a condition"),
        ("'a' == 1", 5, "cannot compare a number with a text"),
        ("'a' < claim(x.y).value", 5, "`==` or `!=` only, found `<`"),
        ("claim(x.y@z).value < 1", 10, "unexpected character `@`"),
        ("claim(x.y).size < 1", 12, "`value`, `low`, `high`, `stated`, `missing`, `approximate`, `notion`"),
        ("claim(x.y).size < 1", 12, "`known`, `confirmed`, `sound`, found `size`"),
        ("1 matches 'x'", 1, "`matches` needs a text on its left, found a number"),
        ("claim(x.y).value matches 1", 26, "expected a regular expression in quotes after `matches`"),
        ("claim(x.y).value matches '('", 26, "is no regular expression"),
        ("claim x.y", 7, "expected `(` after `claim`"),
        ("wasm > 1", 1, "unknown name `wasm`; write `claim(wasm).value`"),
        ("1 < 2 ; import os", 7, "unexpected character `;`"),
        ("__import__('os') < 1", 11, "found `(`"),
        ("1 < 'open", 5, "unexpected character `'`"),
        ("1e999 < 1", 1, "too large"),
        ("(" * (MAX_DEPTH + 1) + "1", MAX_DEPTH + 1, f"more than {MAX_DEPTH} levels"),
        ("not " * (MAX_DEPTH + 1) + "1 < 2", 4 * MAX_DEPTH + 1, f"more than {MAX_DEPTH} levels"),
        ("1" + "+1" * (MAX_OPERATORS + 1), 2 + 2 * MAX_OPERATORS, f"more than {MAX_OPERATORS} operators"),
        (" " * MAX_LENGTH + "1", MAX_LENGTH + 1, f"at most {MAX_LENGTH}"),
    ],
)
def test_errors_name_the_column_and_what_was_expected(source: str, column: int, words: str) -> None:
    where, what = error_of(source)
    assert where == f"column {column}"
    assert words in what


def test_a_formula_knows_only_its_subjects() -> None:
    assert error_of("native / wasn", formula=True) == ("column 10", "unknown name `wasn`; allowed: `native`, `wasm`")
    assert error_of("native / claim(a.b).value", formula=True)[0] == "column 10"
    assert error_of("native < wasm", formula=True) == ("column 1", "a formula is a number, found a condition")


def test_the_longest_expression_that_is_allowed_is_evaluated_without_exhausting_the_stack() -> None:
    assert evaluate_formula("1" + "+1" * MAX_OPERATORS, {}) == MAX_OPERATORS + 1
    assert evaluate_formula("(" * (MAX_DEPTH - 1) + "1" + ")" * (MAX_DEPTH - 1), {}) == 1


@given(st.text(max_size=60), st.text(alphabet="()<>=!+-*/.\"'e1_ andortclimfsvu@", max_size=60))
@example("\x1f", "1 < 2 \u00a0")
def test_any_text_parses_or_is_refused_with_a_column(source: str, other: str) -> None:
    for text in (source, other, source + other):
        where = column_of_refusal(text)
        assert where is None or 1 <= int(where.removeprefix("column ")) <= len(text) + 1


def formulas() -> st.SearchStrategy[str]:
    leaf = st.one_of(st.sampled_from(sorted(NAMES)), st.integers(0, 9).map(str), st.sampled_from(["0.5", "1e2"]))

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        joined = st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join)
        return joined | inner.map(lambda f: f"({f})") | inner.map(lambda f: f"-({f})")

    return st.recursive(leaf, grow, max_leaves=8)


def exactly(tree: ast.expr, names: Mapping[str, Fraction]) -> Fraction:
    """Work a formula out by Python's own grammar and exact fractions."""
    match tree:
        case ast.Constant(value=value):
            return Fraction(str(value))
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(operand=operand):
            return -exactly(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = exactly(left, names), exactly(right, names)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case _:
                    return a / b
        case _:
            raise AssertionError(ast.dump(tree))


@given(formulas(), st.integers(-9, 9), st.integers(-9, 9))
@example("native - wasm - wasm", 1, 2)
@example("native / wasm / wasm", 1, 2)
def test_formulas_agree_with_exact_arithmetic(formula: str, native: int, wasm: int) -> None:
    value = evaluate_formula(formula, {"native": native, "wasm": wasm})
    tree = ast.parse(formula, mode="eval").body
    try:
        exact = exactly(tree, {"native": Fraction(native), "wasm": Fraction(wasm)})
    except ZeroDivisionError:
        # A divisor that is exactly 0 may come out as a tiny float where thirds cancel, then the value is huge.
        assert value is None or abs(value) > 1e12
        return
    if value is None:
        assert abs(exact) > 1e300 or _divides_by_nearly_nothing(tree, native, wasm)
    elif math.isfinite(float(exact)) and not _divides_by_nearly_nothing(tree, native, wasm):
        assert value == pytest.approx(float(exact), rel=1e-6, abs=1e-6)


def _divides_by_nearly_nothing(tree: ast.expr, native: int, wasm: int) -> bool:
    """True where rounding of a divisor decides the result, so that no float agrees with a fraction."""
    names = {"native": Fraction(native), "wasm": Fraction(wasm)}
    divisors = [n.right for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    return any(abs(exactly(divisor, names)) < 1e-9 for divisor in divisors)


UNKNOWN = "claim(no.such).value < 1"


@given(
    st.recursive(
        st.sampled_from(["1 < 2", "2 < 1", UNKNOWN]),
        lambda inner: (
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})")
            | inner.map(lambda c: f"not ({c})")
        ),
        max_leaves=6,
    )
)
def test_truth_is_known_exactly_where_every_reading_of_the_unknown_agrees_or_kleene_says_so(condition: str) -> None:
    """Each unknown replaced by true and by false: a known result must be the one that all replacements give."""
    parts = condition.split(UNKNOWN)
    results = set()
    for choice in range(2 ** (len(parts) - 1)):
        filled = parts[0]
        for index, part in enumerate(parts[1:]):
            filled += ("1 < 2" if choice >> index & 1 else "2 < 1") + part
        results.add(evaluate_condition(filled, {}, {}))
    truth = evaluate_condition(condition, {}, {})
    assert None not in results
    if truth is not None:
        assert results == {truth}
    if UNKNOWN not in condition:
        assert truth is not None


def test_a_range_comes_from_the_printed_precision_of_its_inputs() -> None:
    found = evaluate_range("(native - wasm) / native", {"native": (4.45, 4.55), "wasm": (2.35, 2.45)})
    assert found is not None
    # The formula falls with wasm and rises with native: its true extremes lie at two corners.
    low, high = 1 - 2.45 / 4.45, 1 - 2.35 / 4.55
    assert found[0] <= low
    assert found[1] >= high
    assert found[1] - found[0] < 1.05 * (high - low)


def test_a_range_of_exact_inputs_is_a_point() -> None:
    found = evaluate_range("native / wasm", {"native": (4.0, 4.0), "wasm": (2.0, 2.0)})
    assert found == pytest.approx((2.0, 2.0), rel=1e-12)


@pytest.mark.parametrize("native", [0.1, 0.7])  # the product of floats is above the exact one, and below it
def test_a_range_is_rounded_outwards_so_that_it_holds_the_exact_value(native: float) -> None:
    found = evaluate_range("3 * native", {"native": (native, native)})
    exact = 3 * Fraction(native)
    assert exact != Fraction(3 * native)
    assert found is not None
    assert Fraction(found[0]) <= exact <= Fraction(found[1])


@pytest.mark.parametrize("wasm", [(-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (0.0, 0.0)])
def test_a_divisor_that_may_be_zero_leaves_no_range(wasm: tuple[float, float]) -> None:
    assert evaluate_range("native / wasm", {"native": (1.0, 2.0), "wasm": wasm}) is None


numbers = st.integers(-8, 8).map(float)
shares = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@given(formulas(), st.tuples(numbers, numbers), st.tuples(numbers, numbers), shares, shares)
def test_a_range_holds_the_value_at_every_point_inside(
    formula: str, native: tuple[float, float], wasm: tuple[float, float], across: float, along: float
) -> None:
    box = {"native": (min(native), max(native)), "wasm": (min(wasm), max(wasm))}
    found = evaluate_range(formula, box)
    point = {
        "native": box["native"][0] + across * (box["native"][1] - box["native"][0]),
        "wasm": box["wasm"][0] + along * (box["wasm"][1] - box["wasm"][0]),
    }
    value = evaluate_formula(formula, point)
    if found is not None:
        assert value is not None
        assert found[0] <= value <= found[1]


def test_every_field_can_be_asked() -> None:
    for field in FIELDS:
        source = f"claim(a.b).{field}"
        if field in ("notion", "source", "quote"):
            source += " == 'x'"
        elif field in ("value", "low", "high"):
            source += " > 1"
        parse_condition(source)


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("claim(a.b).value matches '^ab'", True),
        ("claim(a.b).value matches 'x'", False),
        ("not claim(a.b).value matches 'x'", True),
        ("claim(a.b).notion matches 'ls'", True),
        ("claim(c.d).value matches 'x'", None),
        ("claim(n.n).value matches '1'", None),
    ],
)
def test_a_text_is_searched_and_anything_else_is_unknown(condition: str, truth: bool | None) -> None:
    claims = {"a.b": Operand("abc", notion="ctr_ls"), "n.n": Operand(1.0)}
    assert evaluate_condition(condition, claims, {}) is truth


def test_what_nobody_can_tell_of_a_claim_is_unknown() -> None:
    for value in (True, False, None):
        told = {
            "known": Operand(1.0, known=value),
            "confirmed": Operand(1.0, confirmed=value),
            "sound": Operand(1.0, sound=value),
        }
        for field, operand in told.items():
            assert evaluate_condition(f"not claim(a.b).{field}", {"a.b": operand}, {}) is (
                None if value is None else not value
            )
