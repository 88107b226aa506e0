"""Claimed, recomputed and measured side by side, and the timed arms, as texts.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from grader.model.arms import in_container
from grader.model.base import Language, Record
from grader.model.grade import Fact, Grade, Quantity, Verdict, VerdictName
from grader.model.lab import Lab
from grader.model.report import preferred_claims
from grader.render import escape
from grader.render.catalogue import phrase
from grader.render.cells import fact_text, quantity_text, row_text
from grader.render.labels import arm_name, cell_name, name_of, own_words, quantity_name
from grader.render.markdown import code_span
from grader.render.numerals import localised
from grader.render.spreads import median_text, tails_text

TOTAL, FIRST_OUTPUT, FIRST_ANSWER = "startup_time", "first_output_time", "first_answer_time"
NOTHING = "—"
QUOTE_CHARACTERS = 60
"""Of a claim in the comparison's own column: two or three lines of a cell; the page quotes more of it."""
_LIST_MARK = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?=[^\W\d]|\*\*|`)")
"""Before a word only: `- 5 %` is a number."""
VERDICTS = {
    "reproduced": "verdict-name.reproduced",
    "consistent": "verdict-name.consistent",
    "contradicted": "verdict-name.contradicted",
    "unverifiable": "verdict-name.unverifiable",
    "not_run": "verdict-name.not-run",
    "missing": "verdict-name.missing",
}


class ComparisonLine(Record):
    """One quantity, in words: what was claimed, what its own row gives, what we measured, and the verdict.

    `state` is the verdict as data, `verdict` its name.
    """

    id: str
    label: str
    claimed: str
    recomputed: str
    measured: str
    state: VerdictName
    verdict: str
    reason: str


def comparison(lab: Lab, grade: Grade, language: Language = "en") -> tuple[ComparisonLine, ...]:
    """Return a line per verdict, in the lab's order; `grade` must be worded in that language."""
    quotes = preferred_claims(grade.claims)
    own = own_words(lab, language)
    return tuple(
        ComparisonLine(
            id=v.id,
            label=_label(lab, v.id, own, language),
            claimed=_quote(quotes[v.id].quote) if v.id in quotes else NOTHING,
            recomputed=_quantity(v.recomputed, language),
            measured=_measured(lab, grade, v, language),
            state=v.verdict,
            verdict=phrase(VERDICTS[v.verdict], language),
            reason=v.reason.text,
        )
        for v in grade.verdicts
    )


class ArmLine(Record):
    """One timed arm in words: its mode, both medians with their spreads, and how many runs there were.

    `metric` says what of the arm: `TOTAL` of its runs, or `FIRST_ANSWER` of its server, which has no `total`.  `first`
    is the time to the first output of a run, or to the first valid answer of a server.
    """

    metric: str
    arm: str
    name: str
    mode: str
    total: str
    first: str
    n: str


def timed_arms(facts: Sequence[Fact], language: Language = "en") -> tuple[ArmLine, ...]:
    """Return a line per timed arm, the control last, so that what the sandbox costs stands beside the times."""
    measured = [f for f in facts if f.state == "measured"]
    firsts = {f.arm: f for f in measured if f.metric == FIRST_OUTPUT}
    ordered = sorted(
        (f for f in measured if f.metric in (TOTAL, FIRST_ANSWER)),
        key=lambda f: (f.subject is None, f.subject or "", f.metric != TOTAL),
    )
    return tuple(_arm_line(f, firsts.get(f.arm) if f.metric == TOTAL else f, language) for f in ordered)


def sandbox_cost(facts: Sequence[Fact], language: Language = "en") -> str:
    """Return what the control among the timed arms is there for; empty if there is none."""
    timed = [f for f in facts if f.metric == TOTAL and f.state == "measured"]
    if all(f.subject is not None for f in timed):
        return ""
    contained = any(in_container(f.arm) for f in timed)
    return phrase("feedback.sandbox-cost-containers" if contained else "feedback.sandbox-cost", language)


def timed_name(metric: str, arm: str, language: Language = "en") -> str:
    """Return what was timed: an arm, or the server on it."""
    return phrase("page.server-arm", language, arm=arm) if metric == FIRST_ANSWER else arm_name(arm, language=language)


def _arm_line(fact: Fact, first: Fact | None, language: Language) -> ArmLine:
    return ArmLine(
        metric=fact.metric,
        arm=fact.arm,
        name=timed_name(fact.metric, fact.arm, language),
        mode=name_of("mode", (fact.mode if fact.subject else None) or "control", language=language),
        total=_with_spread(fact, language) if fact.metric == TOTAL else NOTHING,
        first=_with_spread(first, language) if first is not None else NOTHING,
        n=str(fact.n),
    )


def origin(grade: Grade, language: Language = "en", safe: Callable[[str], str] = str) -> str:
    """Return which lab and which program judged, and on what kind of host.

    Args:
        safe: Makes each of these words harmless where they are shown: a stored grade may hold a stranger's.
    """
    lab, host = grade.lab, grade.host
    return phrase(
        "feedback.origin",
        language,
        lab=safe(lab.id),
        version=safe(lab.version),
        digest=code_span(lab.sha256[:12]),
        grader=safe(grade.grader.version),
        system=safe(f"{host.os} {host.architecture}"),
        cpus=host.cpus,
    )


def points(value: float, language: Language = "en") -> str:
    """Return points without needless zeros: `0.75`, `10`."""
    return localised(f"{value:.2f}".rstrip("0").rstrip("."), language)


def first_upper(text: str) -> str:
    """Return text with its first letter as a capital, the others as they are."""
    return text[:1].upper() + text[1:]


def _with_spread(fact: Fact, language: Language) -> str:
    """Return a median with what nine in ten runs lie between, where there is more than one."""
    if fact.spread is None or fact.spread.n == 1:
        return quantity_text(fact.quantity(), language=language)
    value, tails = median_text(fact.spread), tails_text(fact.spread)
    return phrase("feedback.spread", language, value=localised(value, language), tails=localised(tails, language))


def _quote(quote: str) -> str:
    """Return the beginning of what was read, without the mark of the list that it stood in or half a pair of bold."""
    shown = escape.one_line(_LIST_MARK.sub("", quote), QUOTE_CHARACTERS)
    return shown.replace("**", "") if shown.count("**") % 2 else shown


def _measured(lab: Lab, grade: Grade, verdict: Verdict, language: Language) -> str:
    notion = verdict.measured.notion if verdict.measured is not None else None
    of_id = [f for f in grade.facts if f.id == verdict.fact]
    fact = next((f for f in of_id if f.notion == notion), next(iter(of_id), None))
    if fact is not None and fact.state == "measured":
        return fact_text(lab, fact, language=language)
    for row in lab.table.rows:
        if row.derived is not None and row.derived.id == verdict.id:
            return row_text(lab, row, "derived", grade.facts, grade.verdicts, language=language) or NOTHING
        subject, _, metric = verdict.id.partition(".")
        if row.metric is not None and row.metric == metric:
            return row_text(lab, row, subject, grade.facts, grade.verdicts, language=language) or NOTHING
    return NOTHING


def _quantity(quantity: Quantity | None, language: Language) -> str:
    return quantity_text(quantity, language=language) if quantity is not None else NOTHING


def _label(lab: Lab, claim_id: str, own: Mapping[str, str], language: Language) -> str:
    """Name a quantity by its cell of the table, so that a student finds it there."""
    subject, _, metric = claim_id.partition(".")
    for row in lab.table.rows:
        if row.derived is not None and row.derived.id == claim_id:
            return first_upper(cell_name(f"{row.key}.derived", own, language=language))
        if row.metric and metric == row.metric:
            return first_upper(cell_name(f"{row.key}.{subject}", own, language=language))
    return first_upper(quantity_name(claim_id, own, language=language))
