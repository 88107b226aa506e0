"""The lab's comparison table filled by one run, as Markdown.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from grader.model.base import Language
from grader.model.grade import Grade
from grader.model.lab import Lab, Row
from grader.model.selection import best_fact
from grader.render import escape
from grader.render.catalogue import phrase
from grader.render.cells import row_text
from grader.render.comparison import NOTHING, first_upper, origin, sandbox_cost, timed_arms
from grader.render.confounds import time_notes
from grader.render.labels import cell_name, name_of, own_words, row_name
from grader.render.markdown import table
from grader.render.ratiolines import noise_of_times, timed_ratios_markdown
from grader.render.sidetables import side_tables


def table_markdown(lab: Lab, grade: Grade, language: Language = "en") -> str:
    """Return the lab's comparison table filled by this run alone, with the reason for each gap.

    Args:
        grade: Worded in `language`.
    """
    own = own_words(lab, language)
    columns = (*lab.subjects, "derived")
    heads = [phrase("feedback.metric", language)]
    heads += [first_upper(name_of("subject", column, own, language=language)) for column in columns]
    rows = [_row(lab, row, grade, columns, own, language) for row in lab.table.rows if row.metric or row.shows]
    parts = [table(heads, rows)]
    timed = timed_arms_markdown(grade, language)
    if timed:
        parts.append(f"{phrase('feedback.timed-short', language)}:\n\n{timed}")
    if cost := sandbox_cost(grade.facts, language):
        parts.append(f"{cost}\n")
    noise = noise_of_times(grade.facts, language)
    if noise:
        parts.append(f"{escape.markdown(noise, 2000)}\n")
    ratios = timed_ratios_markdown(lab, grade.facts, language)
    if ratios:
        parts.append(f"{phrase('page.ratios', language)}. {phrase('feedback.ratios', language)}:\n\n{ratios}")
    parts += [f"{escape.markdown(note, 2000)}\n" for note in time_notes(lab, grade.facts, language)]
    parts += side_tables_markdown(lab, grade, language)
    gaps = _gaps(lab, grade, own, language)
    if gaps:
        lines = "".join(
            f"- {', '.join(cells)}: {escape.markdown(reason, escape.SENTENCE)}\n" for reason, cells in gaps.items()
        )
        parts.append(f"{phrase('feedback.not-measured', language)}:\n\n{lines}")
    return "\n".join([*parts, f"{origin(grade, language, escape.markdown)}\n"])


def timed_arms_markdown(grade: Grade, language: Language = "en") -> str:
    """Return the timed arms as a Markdown table, empty if nothing was timed."""
    heads = [phrase(f"page.{head}", language) for head in ("arm", "mode", "total", "first-output", "runs")]
    rows = [(x.name, x.mode, x.total, x.first, x.n) for x in timed_arms(grade.facts, language)]
    return table(heads, rows) if rows else ""


def side_tables_markdown(lab: Lab, grade: Grade, language: Language = "en") -> list[str]:
    """Return what containers add to the numbers, each table with its title before it and its meaning after it."""
    parts = []
    for one in side_tables(lab, grade.facts, language):
        meaning = "".join(f"\n{escape.markdown(note, 2000)}\n" for note in one.notes)
        parts.append(f"{one.title}:\n\n{table(one.heads, one.rows)}{meaning}")
    return parts


def _row(
    lab: Lab, row: Row, grade: Grade, columns: tuple[str, ...], own: Mapping[str, str], language: Language
) -> list[str]:
    absent = phrase("verdict-name.not-run", language)
    cells = [row_text(lab, row, column, grade.facts, grade.verdicts, language=language) or absent for column in columns]
    if row.derived is None:
        cells[-1] = NOTHING
    return [first_upper(row_name(row.key, own, language=language)), *cells]


def _gaps(lab: Lab, grade: Grade, own: Mapping[str, str], language: Language) -> dict[str, list[str]]:
    """Return the cells that hold no value by the reason for it, so that each reason is said once."""
    gaps: dict[str, list[str]] = {}
    for row in lab.table.rows:
        for subject in lab.subjects if row.metric else ():
            fact = best_fact(lab, f"{subject}.{row.metric}", grade.facts)
            filled = row_text(lab, row, subject, grade.facts, grade.verdicts)
            if fact is not None and fact.state != "measured" and fact.reason is not None and filled is None:
                gaps.setdefault(fact.reason.text, []).append(cell_name(f"{row.key}.{subject}", own, language=language))
    return gaps
