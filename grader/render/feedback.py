"""One student's feedback and the comparison behind it, as Markdown.  Pure: templates are part of the program."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from grader.model.base import Language, Record
from grader.model.grade import Criterion, Fact, Grade, Quantity, Verdict
from grader.model.lab import Lab, Row
from grader.model.report import preferred_claims
from grader.model.selection import best_fact
from grader.render import escape
from grader.render.cells import fact_text, quantity_text, row_text
from grader.units import format_seconds

LOG_LINES = 30
"""Lines of a tool's message that feedback shows; the whole of it is in `steps/`."""


class ComparisonLine(Record):
    """One quantity, in words: what was claimed, what its own row gives, what we measured, and the verdict."""

    id: str
    label: str
    claimed: str
    recomputed: str
    measured: str
    verdict: str
    reason: str


def comparison(lab: Lab, grade: Grade) -> tuple[ComparisonLine, ...]:
    """Return a line per verdict, in the lab's order; `grade` must be worded."""
    quotes = preferred_claims(grade.claims)
    return tuple(
        ComparisonLine(
            id=v.id,
            label=_label(lab, v.id),
            claimed=escape.one_line(quotes[v.id].quote, 60) if v.id in quotes else "—",
            recomputed=_quantity(v.recomputed),
            measured=_measured(lab, grade, v),
            verdict=v.verdict.replace("_", " "),
            reason=v.reason.text,
        )
        for v in grade.verdicts
    )


def comparison_markdown(lines: Sequence[ComparisonLine]) -> str:
    """Return the comparison as a Markdown table."""
    rows = ["| Quantity | Claimed | Recomputed | Measured | Verdict | Why |", "|---|---|---|---|---|---|"]
    for line in lines:
        cells = (line.label, line.claimed, line.recomputed, line.measured, line.verdict, line.reason)
        rows.append("| " + " | ".join(escape.markdown(c) for c in cells) + " |")
    return "\n".join(rows) + "\n"


def feedback_markdown(lab: Lab, grade: Grade, logs: Sequence[tuple[str, str]], language: Language = "en") -> str:
    """Return one student's feedback; `grade` must be worded, `logs` are tools' messages by step."""
    # Markdown, not HTML, so no autoescape: every text of a student goes through `md` or `fenced`.
    environment = Environment(
        loader=PackageLoader("grader.render", "templates"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": escape.markdown, "fenced": fenced}
    return environment.get_template("feedback.md.j2").render(
        grade=grade,
        table=comparison_markdown(comparison(lab, grade)),
        timed=timed_arms_markdown(grade.facts),
        points=points,
        origin=origin(grade),
        logs=list(logs),
        **_groups(grade.criteria),
    )


def table_markdown(lab: Lab, grade: Grade, language: Language = "en") -> str:
    """Return the lab's comparison table filled by this run alone, with the reason under each gap."""
    heads = ["Metric", *(_title(s) for s in lab.subjects), "Difference"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    gaps: list[str] = []
    for row in (r for r in lab.table.rows if r.metric):
        cells = [row_text(lab, row, role, grade.facts, grade.verdicts) for role in (*lab.subjects, "derived")]
        lines.append("| " + " | ".join([row.labels[0].capitalize(), *(c or "not run" for c in cells)]) + " |")
        gaps += _gaps(lab, row, grade)
    text = "\n".join(lines) + "\n"
    timed = timed_arms_markdown(grade.facts)
    if timed:
        text += f"\nTimed arms, medians with their intervals:\n\n{timed}"
    if gaps:
        text += "\nNot run:\n\n" + "\n".join(gaps) + "\n"
    return f"{text}\n{origin(grade)}\n"


def origin(grade: Grade) -> str:
    """Return which lab and which program judged, and on what kind of host."""
    lab, host = grade.lab, grade.host
    return (
        f"Lab {lab.id} {lab.version} (`{lab.sha256[:12]}`), grader {grade.grader.version}, "
        f"{host.os} {host.architecture}, {host.cpus} CPUs."
    )


class ArmLine(Record):
    """One timed arm in words: its mode, both medians with their intervals, and how many runs there were."""

    arm: str
    mode: str
    total: str
    first_output: str
    n: str


TOTAL, FIRST_OUTPUT = "startup_time", "first_output_time"


def timed_arms(facts: Sequence[Fact]) -> tuple[ArmLine, ...]:
    """Return a line per timed arm, the control last, so that what the sandbox costs stands beside the times."""
    totals = {f.arm: f for f in facts if f.metric == TOTAL and f.state == "measured"}
    firsts = {f.arm: f for f in facts if f.metric == FIRST_OUTPUT and f.state == "measured"}
    ordered = sorted(totals.values(), key=lambda f: f.subject is None)
    return tuple(
        ArmLine(
            arm=f.arm,
            mode=f.mode or "control",
            total=_with_interval(f),
            first_output=_with_interval(firsts[f.arm]) if f.arm in firsts else "—",
            n=str(f.n),
        )
        for f in ordered
    )


def timed_arms_markdown(facts: Sequence[Fact]) -> str:
    """Return the timed arms as a Markdown table, empty if nothing was timed."""
    lines = timed_arms(facts)
    if not lines:
        return ""
    rows = ["| Arm | Mode | Spawn to exit | Spawn to first output | Runs |", "|---|---|---|---|---|"]
    rows += [f"| {x.arm} | {x.mode} | {x.total} | {x.first_output} | {x.n} |" for x in lines]
    return "\n".join(rows) + "\n"


def _with_interval(fact: Fact) -> str:
    value = quantity_text(fact.quantity())
    if fact.interval is None:
        return value
    half_width = (fact.interval.high - fact.interval.low) / 2
    unit = value.rpartition(" ")[2]
    low, high = (
        format_seconds(bound, unit, half_width=half_width).rpartition(" ")[0]
        for bound in (fact.interval.low, fact.interval.high)
    )
    return f"{value} ({low} to {high})"


def fenced(text: str) -> str:
    """Return text in a fence that it cannot close."""
    lines = escape.plain(text).splitlines()
    shown = lines if len(lines) <= LOG_LINES else [*lines[:LOG_LINES], f"… {len(lines) - LOG_LINES} more lines"]
    longest = max((len(run) for line in shown for run in _backtick_runs(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *shown, fence])


def points(value: float) -> str:
    """Return points without needless zeros: `0.75`, `10`."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _backtick_runs(line: str) -> list[str]:
    return ["`" * len(run) for run in "".join(c if c == "`" else " " for c in line).split()]


def _groups(criteria: Sequence[Criterion]) -> dict[str, list[Criterion]]:
    groups: dict[str, list[Criterion]] = {"lost": [], "review": [], "apart": [], "passed": []}
    names = {"fail": "lost", "partial": "lost", "review": "review", "not_run": "apart", "error": "apart"}
    for c in criteria:
        name = "passed" if c.manual else names.get(c.outcome, "passed")
        if c.bonus and name == "lost":
            continue
        groups[name].append(c)
    return groups


def _gaps(lab: Lab, row: Row, grade: Grade) -> list[str]:
    gaps = []
    for subject in lab.subjects:
        fact = best_fact(lab, f"{subject}.{row.metric}", grade.facts)
        if fact is not None and fact.state != "measured" and fact.reason is not None:
            gaps.append(f"- {row.labels[0]} ({subject}): {escape.markdown(fact.reason.text)}")
    return gaps


def _measured(lab: Lab, grade: Grade, verdict: Verdict) -> str:
    fact = next((f for f in grade.facts if f.id == verdict.fact), None)
    if fact is not None and fact.state == "measured":
        return fact_text(lab, fact)
    row = next((r for r in lab.table.rows if r.derived and r.derived.id == verdict.id), None)
    if row is not None:
        return row_text(lab, row, "derived", grade.facts, grade.verdicts) or "—"
    return "—"


def _quantity(quantity: Quantity | None) -> str:
    return quantity_text(quantity) if quantity is not None else "—"


def _label(lab: Lab, claim_id: str) -> str:
    for row in lab.table.rows:
        if row.derived is not None and row.derived.id == claim_id:
            return f"{row.labels[0]}: difference"
        if row.metric and claim_id.partition(".")[2] == row.metric:
            return f"{row.labels[0]}: {claim_id.partition('.')[0]}"
    return claim_id


def _title(subject: str) -> str:
    return "WASM" if subject == "wasm" else subject.capitalize()
