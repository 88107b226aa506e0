"""One student's feedback as a page that stands alone: no script, no link out of it, nothing fetched.  Pure.

What a student wrote reaches the page in three ways only.  Texts go through `finalize`, which shows control, bidi and
zero-width characters as codes and cuts, and then through jinja's autoescape; the student's table is rendered without
HTML, links or pictures and sanitised; the plot escapes its own texts.  The page's policy forbids everything but its
one style sheet, so that a hole in all of these still runs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Literal

import nh3
from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup
from markupsafe import escape as escape_html

from grader.model.base import Language, Record
from grader.model.grade import Criterion, Fact, Grade, Score
from grader.model.lab import Lab
from grader.model.report import ReportReading
from grader.model.run import TimedRuns
from grader.render import escape
from grader.render.comparison import (
    FIRST_ANSWER,
    NOTHING,
    TOTAL,
    ArmLine,
    comparison,
    first_upper,
    origin,
    points,
    sandbox_cost,
    timed_arms,
    timed_name,
)
from grader.render.confounds import time_notes
from grader.render.criteria import OUTCOMES, SEVERITIES, command, groups, settling
from grader.render.feedback import notes_on_what_is_missing
from grader.render.labels import own_words
from grader.render.numerals import NO_BREAK
from grader.render.plots import PlotWords, TimedArm, is_logarithmic, strip_plot, strips
from grader.render.ratiolines import COLUMNS as RATIO_COLUMNS
from grader.render.ratiolines import noise_of_times, timed_ratios
from grader.render.sidetables import side_tables
from grader.render.templating import Words, environment, first_lines, words_of

MOST_CHARACTERS = 4000
"""Of one text; a report may hold a megabyte without a space."""

QUOTE_CHARACTERS = 300
"""Of a report's text beside a criterion: about four lines; the report itself is at hand."""

TABLE_ROWS, TABLE_LINE_CHARACTERS = 60, 2000
"""The longest known comparison table has 12 rows."""

TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td", "strong", "em", "code", "br", "p"}

WORD_CHARACTERS = 100
"""Of one word in the student's table, which would else be a column of its own letters."""

_TABLE = MarkdownIt("commonmark", {"html": False}).enable("table").disable(
    ["link", "image", "autolink", "reference", "html_block", "html_inline"]
)  # fmt: skip
_WORD_TOO_LONG = re.compile(rf"([^\s<>&;]{{{WORD_CHARACTERS}}})[^\s<>&;]+")
_CODE = re.compile(r"`([^`\n]+)`")
_BEFORE_BYTES = re.compile(r"(?<=\d) (?=(?:[KMGT]i?|k)?B\b|(?:[КМГТ]и?|к)?Б\b)")
_LINE_END = re.compile(r"\r\n?|\n")
_COMBINING = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0]"
_PILED_UP = re.compile(f"({_COMBINING}{{2}}){_COMBINING}+")
"""More than two marks on one letter write over the lines above and below."""


MOST_URGENT = 5
"""Criteria that the head of the page names: more is no summary."""

STATES = {
    "final": "page.state-final",
    "needs_review": "page.state-needs-review",
    "infra_error": "page.state-infra-error",
}
PARTS = {
    "earned": "page.part-earned",
    "manual": "page.part-manual",
    "review": "page.part-review",
    "apart": "page.part-apart",
    "lost": "page.part-lost",
}
GROUPS = {
    "lost": ("page.group-lost", "page.group-lost-how"),
    "review": ("page.group-review", "page.group-review-how"),
    "apart": ("page.group-apart", "page.group-apart-how"),
    "passed": ("page.group-passed", "page.group-passed-how"),
    "bonus": ("page.group-bonus", "page.group-bonus-how"),
}
COLUMNS = ("page.quantity", "page.claimed", "page.recomputed", "page.measured", "page.verdict", "page.why")
TIMED_COLUMNS = ("page.arm", "page.mode", "page.total", "page.first-output", "page.runs")


def feedback_html(
    lab: Lab,
    grade: Grade,
    runs: TimedRuns,
    own_table: str | None,
    logs: Sequence[tuple[str, str]],
    language: Language = "en",
) -> str:
    """Return one student's feedback; equal arguments give equal bytes.

    Args:
        grade: Worded in `language`.
        runs: Every timed run that is at hand.
        own_table: The student's comparison table as filled, in Markdown; None if the report has none.
        logs: Messages of tools that failed, by step.
    """
    t = words_of(language)
    templates = environment(language, autoescape=True, finalize=shown)
    templates.filters |= {
        "quote": _quote,
        "log": lambda text: _log_lines(text, language),
        "sentence": _sentence,
        "marks": _marks,
        "whole": _whole,
        "unbroken": _unbroken,
    }
    style = _style(templates)
    timed = timed_arms(grade.facts, language)
    grouped = groups(grade.criteria)
    lost = sorted(grouped["lost"], key=lambda c: c.points - c.max)
    rows = strips(_timed(runs, _arms_in_order(lab), grade.facts, timed, language), lab.subjects)
    drawing = strip_plot(rows, _axis_words(t, language))
    return templates.get_template("feedback.html.j2").render(
        language=language,
        lab_title=own_words(lab, language)["lab.title"],
        grade=grade,
        style=Markup(style),
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        comparison=comparison(lab, grade, language),
        missing=notes_on_what_is_missing(lab, grade, language),
        outcome_words=OUTCOMES,
        severity_words=SEVERITIES,
        state_words=STATES,
        part_words=PARTS,
        group_words=GROUPS,
        columns=COLUMNS,
        nothing=NOTHING,
        timed_columns=TIMED_COLUMNS,
        own_table=Markup(table_html(own_table)) if own_table else None,
        plot=Markup(drawing),
        axis=t("page.axis-log") if is_logarithmic(rows) else t("page.axis-linear"),
        not_timed=_why_not_timed(grade.facts),
        timed=timed,
        sandbox_cost=sandbox_cost(grade.facts, language),
        ratio_columns=RATIO_COLUMNS,
        ratios=timed_ratios(lab, grade.facts, language),
        noise=noise_of_times(grade.facts, language),
        time_notes=time_notes(lab, grade.facts, language),
        sides=side_tables(lab, grade.facts, language),
        groups=grouped,
        urgent=lost[:MOST_URGENT],
        less_urgent=len(lost[MOST_URGENT:]),
        anchors={c.id: f"c{number}" for number, c in enumerate(grade.criteria, 1)},
        command=lambda criterion: command(criterion, grade.submission, language),
        settling=lambda finding: settling(finding, grade.submission, language),
        evidence=lambda criterion: _evidence(criterion, grade.facts, t),
        parts=score_parts(grade.score),
        points=lambda value: points(value, language),
        logs=logs,
        origin=origin(grade, language),
    )


def comparison_source(report: bytes, reading: ReportReading) -> str | None:
    """Return the lines of the report's comparison table, cut where they are beyond any real one.

    Args:
        report: The report as read, or as filled, which moves no line.
        reading: The reading of the report as read.
    """
    if reading.table is None:
        return None
    lines = _LINE_END.split(report.decode(reading.encoding, "replace"))[reading.table.line - 1 :]
    kept: list[str] = []
    for line in lines[: TABLE_ROWS + 2]:
        row = line.strip(" \t>\ufeff")
        if not row:
            break
        kept.append(row if len(row) <= TABLE_LINE_CHARACTERS else row[:TABLE_LINE_CHARACTERS] + "…")
    return "\n".join(kept)


def table_html(markdown: str) -> str:
    """Return a Markdown table as HTML with no attribute, link, picture or tag beyond `TABLE_TAGS`."""
    cleaned = nh3.clean(_TABLE.render(markdown), tags=TABLE_TAGS, attributes={})
    cleaned = _WORD_TOO_LONG.sub(r"\1…", cleaned)
    # Last, because a character reference such as `&#x202e;` is a character only now.
    return escape.plain(_calm(cleaned))


def _sentence(text: str) -> Markup:
    """Return a sentence of ours: what stands between backticks as code, a student's words in it as text."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(Markup.escape(_cut(first_upper(text), MOST_CHARACTERS)))))


def _whole(text: str) -> str:
    """Return a size whose unit is never parted from its number by the end of a line."""
    return _BEFORE_BYTES.sub(NO_BREAK, text)


def _unbroken(text: str) -> Markup:
    """Return a ratio whose interval no end of a line parts."""
    value, _, interval = text.partition(" ")
    return Markup('{} <span class="whole">{}</span>').format(value, interval) if interval else escape_html(value)


def _marks(text: str) -> Markup:
    """Return a student's cell with its bold and code marks as such, and nothing else of Markdown."""
    cleaned = nh3.clean(_TABLE.renderInline(text[:QUOTE_CHARACTERS]), tags={"strong", "em", "code"}, attributes={})
    return Markup(escape.plain(_calm(cleaned)))


def shown(value: object) -> object:
    """Return what the page shows of any value: texts with acting characters as codes, and cut; markup as it is."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else _cut(value, MOST_CHARACTERS)


class Part(Record):
    """A part of the score: `width` and `start` are percentages of the lab's points."""

    kind: Literal["earned", "manual", "review", "apart", "lost"]
    points: float
    start: float
    width: float


def score_parts(score: Score) -> tuple[Part, ...]:
    """Return the parts of a score that hold points, in the order in which the bar shows them."""
    values: tuple[tuple[Literal["earned", "manual", "review", "apart", "lost"], float], ...] = (
        ("earned", score.points),
        ("manual", score.manual),
        ("review", score.pending_review),
        ("apart", score.not_assessed),
        ("lost", score.lost),
    )
    parts: list[Part] = []
    start = 0.0
    for kind, value in values:
        width = 100 * value / score.max if score.max else 0.0
        if value:
            parts.append(Part(kind=kind, points=value, start=round(start, 3), width=round(width, 3)))
        start += width
    return tuple(parts)


def _style(environment: Environment) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, "page.css")[0]


def _arms_in_order(lab: Lab) -> list[str]:
    return [arm for arms in lab.timing.arms.values() for arm in arms]


def _timed(
    runs: TimedRuns, order: Sequence[str], facts: Sequence[Fact], lines: Sequence[ArmLine], language: Language
) -> tuple[TimedArm, ...]:
    """Return what was timed, each with its runs and its number: arms as the lab lists them, then servers."""
    times: dict[tuple[str, str], tuple[float | None, ...]] = {}
    if runs.campaign is not None:
        samples = runs.campaign.samples
        arms = sorted(runs.campaign.arms, key=lambda arm: order.index(arm) if arm in order else len(order))
        times |= {(TOTAL, arm): tuple(s.total_s for s in samples if s.arm == arm) for arm in arms}
    times |= {(FIRST_ANSWER, server.arm): server.seconds for server in runs.starts}
    by_arm = {(f.metric, f.arm): f for f in facts}
    numbers = {(x.metric, x.arm): x.first if x.metric == FIRST_ANSWER else x.total for x in lines}
    return tuple(
        TimedArm(name=timed_name(*what, language), number=numbers.get(what), fact=by_arm.get(what), times=seconds)
        for what, seconds in times.items()
    )


def _axis_words(t: Words, language: Language) -> PlotWords:
    return PlotWords(
        language=language,
        title=t("page.plot-title"),
        failed=t("page.plot-failed"),
        no_number=t("page.plot-no-number"),
    )


def _why_not_timed(facts: Sequence[Fact]) -> tuple[str, ...]:
    """Return the reasons, each once, for which arms were not timed."""
    reasons = [f.reason.text for f in facts if f.metric == TOTAL and f.reason is not None]
    return tuple(dict.fromkeys(reasons))


class Places(Record):
    """Where the reason of a criterion can be seen: lines of the report in words, and files of the output folder."""

    lines: tuple[str, ...]
    files: tuple[str, ...]


def _evidence(criterion: Criterion, facts: Sequence[Fact], t: Words) -> Places:
    of_fact = {f.id: f.evidence for f in facts}
    lines: list[str] = []
    files: list[str] = []
    for item in dict.fromkeys(criterion.evidence):
        if item.startswith("report:"):
            lines.append(t("page.report-line", line=item.removeprefix("report:")))
        else:
            files += of_fact.get(item, ())  # a fact that left no file has nothing to be seen in
    return Places(lines=tuple(lines), files=tuple(dict.fromkeys(files)))


def _quote(text: str) -> str:
    return escape.one_line(_calm(text[:MOST_CHARACTERS]), QUOTE_CHARACTERS)


def _log_lines(text: str, language: Language) -> str:
    lines, more = first_lines(text, language)
    return "\n".join([*(escape.plain(_calm(line)) for line in lines), *([more] if more else [])])


def _cut(text: str, limit: int) -> str:
    safe = escape.plain(_calm(text[: limit + 1]))
    return safe if len(safe) <= limit else safe[:limit] + "…"


def _calm(text: str) -> str:
    return _PILED_UP.sub(r"\1", text)
