"""What a fact reads like in a cell of the comparison table.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.arms import in_container
from grader.model.base import Language
from grader.model.grade import Fact, Quantity, Spread, Verdict
from grader.model.lab import Derived, Lab, Row
from grader.model.selection import alike, best_fact, has_none, instead_id, is_exact, is_own_arm
from grader.render.catalogue import phrase
from grader.render.confounds import shares_of
from grader.render.labels import NAMES, arm_name, name_of
from grader.render.numerals import localised
from grader.render.spreads import digits_half_width
from grader.units import find_unit, format_bytes, format_factor, format_percent, format_ratio, format_seconds

SMALLEST_SPREAD = 1e-4
"""An interval narrower than this share of its value sets no digits: nobody reads a percentage to nine places."""

AS_MUCH_DIGITS = 20
"""A factor beside a percentage is there to be grasped: two digits do."""


def quantity_text(
    quantity: Quantity,
    unit: str | None = None,
    *,
    count: bool = True,
    spread: Spread | None = None,
    language: Language = "en",
) -> str:
    """Return a value for people; times and ratios with the digits that their interval or spread supports.

    Args:
        count: Whether a size carries its exact count of bytes.
        spread: Of the runs that it is the median of.
    """
    value, low, high = quantity.value, quantity.low, quantity.high
    if not isinstance(value, int | float):
        return NAMES[language].get(f"value.{value}", str(value))
    half_width = digits_half_width(spread) if spread is not None else None
    if low is not None and high is not None:
        half_width = (high - low) / 2
    if half_width is not None and half_width < SMALLEST_SPREAD * abs(value):
        half_width = None
    if quantity.unit == "byte":
        text = format_bytes(value, unit)
        text = text if count else text.partition(" (")[0]
    elif quantity.unit == "second":
        text = format_seconds(value, unit, half_width=half_width)
    elif quantity.unit == "percent":
        text = format_percent(value, half_width=half_width)
    elif quantity.unit == "ratio":
        text = format_ratio(value, half_width=half_width)
    else:
        text = str(value)
    return localised(text, language)


def fact_text(lab: Lab, fact: Fact, unit: str | None = None, *, language: Language = "en") -> str:
    """Return a measured fact as a cell's text; a stand-in arm or another compiler is named in it."""
    notes: list[str] = []
    if not is_own_arm(lab, fact):
        notes.append(_stand_in(fact.arm, language))
    if _is_another_notion(lab, fact):
        notes.append(notion_in_cell(fact.notion, language))
    if not fact.comparable:
        notes.append(other_compiler(lab, fact, language))
    count = fact.comparable and is_exact(lab, fact)
    value = quantity_text(fact.quantity(), unit, count=count, spread=fact.spread, language=language)
    return _with_notes(value, notes)


def notion_in_cell(notion: str | None, language: Language) -> str:
    """Name a notion in a cell, where the marks of code that a sentence has would be seen."""
    return name_of("notion", notion or "", language=language).replace("`", "")


def _with_notes(value: str, notes: Sequence[str]) -> str:
    """Put notes in brackets behind a value, in the same ones where it ends with some."""
    if not notes:
        return value
    return f"{value[:-1]}; {'; '.join(notes)})" if value.endswith(")") else f"{value} ({'; '.join(notes)})"


def _is_another_notion(lab: Lab, fact: Fact) -> bool:
    """True for a size of an image that is not the one that the lab's own command shows."""
    metric = lab.metrics.get(fact.metric)
    return metric is not None and metric.source == "image" and fact.notion != next(iter(metric.notions), None)


def row_text(
    lab: Lab,
    row: Row,
    role: str,
    facts: Sequence[Fact],
    verdicts: Sequence[Verdict],
    unit: str | None = None,
    *,
    notion: str | None = None,
    language: Language = "en",
) -> str | None:
    """Return what this run would write into a cell of the table; None where nothing was measured.

    Args:
        notion: The one that the cell's own text is in; None for the lab's first.
    """
    if row.shows is not None:
        return _shown_text(lab, f"{role}.{row.shows}", facts, language) if role in lab.subjects else None
    if row.metric is None:
        return None
    if role in lab.subjects:
        fact = best_fact(lab, f"{role}.{row.metric}", facts, notion)
        if fact is not None and fact.state == "measured":
            return fact_text(lab, fact, unit, language=language)
        return _instead_text(lab, row, role, facts, unit, language)
    return derived_text(lab, row, facts, verdicts, language=language)


def _shown_text(lab: Lab, claim_id: str, facts: Sequence[Fact], language: Language) -> str | None:
    """Return what a probe found, in a word, with the arm that it found it on; None where it was not run."""
    fact = best_fact(lab, claim_id, facts)
    if fact is None or fact.state == "not_run":
        return None
    if fact.state == "failed":
        return _with_notes(phrase("cell.fails", language), [_stand_in(fact.arm, language)])
    _, colon, said = str(fact.value).partition(": ")
    text = phrase("cell.no-server", language, said=said) if colon else phrase("cell.works", language)
    return _with_notes(text, [_stand_in(fact.arm, language)])


def derived_text(
    lab: Lab, row: Row, facts: Sequence[Fact], verdicts: Sequence[Verdict], *, language: Language = "en"
) -> str | None:
    """Return the derived cell of a row; None unless both of its sides were measured."""
    if row.metric is None or row.derived is None:
        return None
    derived = row.derived
    measured = [f for s in lab.subjects if (f := best_fact(lab, f"{s}.{row.metric}", facts)) and f.state == "measured"]
    if len(measured) != len(lab.subjects):
        return _derived_instead(lab, row, derived, facts, language)
    if not all(f.comparable for f in measured):
        return phrase("cell.not-comparable", language)
    verdict = next((v for v in verdicts if v.id == derived.id), None)
    arms = "/".join(f.arm for f in measured)
    if verdict is not None and verdict.measured is not None:
        value = quantity_text(verdict.measured, language=language)
        note = _derived_note(lab, derived, verdict.measured, arms, facts, language)
        return _with_notes(value, [*_as_much(verdict.measured, language), *([note] if note else [])])
    paired = next((f for f in facts if f.id == f"{derived.id}@{arms}" and f.state == "measured"), None)
    if paired is None:
        return None
    return f"{quantity_text(paired.quantity(), language=language)} ({_stand_in(arms, language)})"


def _derived_note(
    lab: Lab, derived: Derived, measured: Quantity, arms: str, facts: Sequence[Fact], language: Language
) -> str:
    """Return what a derived value must not be shown without: the engines' share, or which sizes were compared."""
    if derived.unit == "ratio":
        return shares_of(lab, arms, facts, language)
    if measured.notion is None or all(f.notion == measured.notion for f in _shown(lab, derived, facts)):
        return ""
    return phrase("cell.both-by", language, how=notion_in_cell(measured.notion, language))


def _shown(lab: Lab, derived: Derived, facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts that stand in the row of a derived quantity."""
    metric = next(
        (row.metric for row in lab.table.rows if row.derived is not None and row.derived.id == derived.id), None
    )
    best = [best_fact(lab, f"{subject}.{metric}", facts) for subject in lab.subjects]
    return [fact for fact in best if fact is not None]


def _instead_text(
    lab: Lab, row: Row, role: str, facts: Sequence[Fact], unit: str | None, language: Language
) -> str | None:
    """Return the row's other metric where a subject can have none of its own, with the other subjects' beside it."""
    if row.instead is None or not has_none(lab, f"{role}.{row.metric}", facts):
        return None
    sides = alike(lab, row.instead, facts)
    own_side = best_fact(lab, f"{role}.{row.instead}", facts)
    measured = {str(f.subject): f for f in sides}
    if role not in measured and own_side is not None and own_side.state == "measured":
        measured = {role: own_side}
    if role not in measured:
        return None

    def value(fact: Fact) -> str:
        return quantity_text(fact.quantity(), unit, count=False, spread=fact.spread, language=language)

    fact = measured.pop(role)
    notes = [_one_run(row.instead, fact.arm, language)]
    if fact.mode is not None and fact.mode != "native":
        # Most of a peak may be the runtime's compiler, and none of it where the module was compiled beforehand.
        notes.append(name_of("mode", fact.mode, language=language))
    if not fact.comparable:
        notes.append(other_compiler(lab, fact, language))
    own = {} if language == "en" else lab.messages.get(language, {})
    for subject, other in measured.items():
        name = subject if language == "en" else name_of("subject", subject, own, language=language)
        notes.append(f"{name} {value(other)}")
    return f"{value(fact)} ({'; '.join(notes)})"


def _derived_instead(lab: Lab, row: Row, derived: Derived, facts: Sequence[Fact], language: Language) -> str | None:
    """Return the derived cell worked out from the row's other metric, labelled as that."""
    if row.instead is None or not any(has_none(lab, f"{s}.{row.metric}", facts) for s in lab.subjects):
        return None
    name = instead_id(row.instead, derived)
    fact = next((f for f in facts if f.claim_id == name and f.state == "measured"), None)
    if fact is None:
        return None
    if not fact.comparable:
        return phrase("cell.not-comparable", language)
    notes = [*_as_much(fact.quantity(), language), _one_run(row.instead, fact.arm, language)]
    return _with_notes(quantity_text(fact.quantity(), language=language), notes)


def _as_much(reduction: Quantity, language: Language) -> list[str]:
    """Say a reduction below zero the other way too: `-888.1%` smaller is `9.9× as much`."""
    if reduction.unit != "percent" or not isinstance(reduction.value, int | float) or reduction.value >= 0:
        return []
    factor = 1 - reduction.value / 100
    shown = format_factor(factor, factor / AS_MUCH_DIGITS)
    return [phrase("cell.as-much", language, factor=localised(shown, language))]


def _one_run(metric: str, arms: str, language: Language) -> str:
    """Name a metric of single runs with its arms; English cells keep its id, as they keep the arms'."""
    name = metric if language == "en" else name_of("metric", metric, language=language)
    return phrase("cell.one-run", language, name=name, arm=_stand_in(arms, language))


def _stand_in(arms: str, language: Language) -> str:
    """Name the arm, or the arms of a ratio; English cells keep the ids, which `fill` finds again."""
    one_by_one = arms.split("/")
    name = " / ".join(one_by_one) if language == "en" else arm_name(arms, language=language)
    contained = any(in_container(arm) for arm in one_by_one)
    return name if contained else phrase("cell.no-container", language, name=name)


def row_unit(lab: Lab, row: Row, role: str, cell: str, others: Sequence[str]) -> str | None:
    """Return the unit to write a cell in: its own, else one of its row; derived cells have none."""
    if role not in lab.subjects or row.metric is None:
        return None
    return next((unit for text in (cell, *others) if (unit := find_unit(text))), None)


def other_compiler(lab: Lab, fact: Fact, language: Language) -> str:
    """Return which compiler a module is of, and which it should be of: `Go, not TinyGo`."""
    found = (fact.compiler or "?").partition(" ")[0]
    return phrase("cell.other-compiler", language, found=found, expected=_lab_compiler(lab, language))


def _lab_compiler(lab: Lab, language: Language) -> str:
    names = {"tinygo": "TinyGo", "go": "Go"}
    known = [names.get(tool, tool) for tool in lab.toolchains if tool != "go"]
    return known[0] if known else phrase("cell.lab-compiler", language)
