"""Feedback says what happened once, adds up with the score, and lets no word of a student act."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.judging.rubric import score
from grader.model.base import Language, Message
from grader.model.grade import Circumstances, Criterion, Grade, ManualMark, SubmissionRef, Verdict
from grader.model.lab import Lab
from grader.render.catalogue import translated
from grader.render.criteria import groups
from grader.render.feedback import feedback_markdown
from grader.render.lab_table import table_markdown
from tests.render.pages import criteria, grade

HOSTILE = (
    "see https://evil.example/x www.evil.example @octocat #12 !7 mail me@evil.example <script>alert(1)</script> "
    "[a](javascript:b) | `x` \x1b[2J\u202e"
)
ZERO_WIDTH = "\u200b"
LINKS = re.compile(r"https?://|www\.\w|(?<![\w])@\w|#\d|!\d|\w@\w")
"""What forges make links of in the text that is shown, after all escapes are undone."""


def feedback(lab: Lab, given: Grade, language: Language = "en", logs: tuple[tuple[str, str], ...] = ()) -> str:
    return feedback_markdown(lab, translated(lab, given, language), logs, language)


def with_criteria(*those: Criterion, **changes: object) -> Grade:
    given = grade().model_copy(update={"criteria": those, "score": score(those), "findings": ()})
    return given.model_copy(update=changes)


def criterion(code: str = "criterion.usable", **changes: object) -> Criterion:
    data = {
        "id": "t2.startup",
        "title": "Start-up",
        "points": 0,
        "max": 0.5,
        "outcome": "fail",
        "reason": Message(code=code, params={"id": "native.startup_time", "rows": "image_size", "cells": "x.native"}),
        "reproduce": "grader fill DIR",
    }
    return Criterion.model_validate(data | changes)


def shown_text(markdown: str) -> str:
    """Return the text nodes that a reader sees, a line per node; code is no place for links."""
    nodes = []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown):
        nodes += [child.content for child in token.children or () if child.type in ("text", "html_inline")]
    return "\n".join(nodes)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_word_of_a_student_becomes_a_link_a_mention_or_markup(lab: Lab, language: Language) -> None:
    given = grade(HOSTILE)
    page = feedback(lab, given, language, ((HOSTILE, HOSTILE),))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(page)
    inline = [child.type for token in tokens for child in token.children or ()]
    assert not {"link_open", "image", "html_inline"} & set(inline)
    assert "html_block" not in {token.type for token in tokens}
    assert not LINKS.search(shown_text(page))
    assert f"@{ZERO_WIDTH}octocat" in shown_text(page), "the name itself stays readable"
    assert "\x1b" not in page
    assert "\u202e" not in page


@given(st.text(alphabet="@#!:/w.ahtps \\_*1", max_size=60))
def test_no_mix_of_marks_makes_a_link(text: str) -> None:
    from grader.render.escape import markdown

    assert not LINKS.search(shown_text(f"x {markdown(text)}"))


def test_points_listed_as_lost_add_up_with_the_score(lab: Lab) -> None:
    marked = criterion(id="t1.explain", max=1, points=0.25, outcome="review", manual=ManualMark(points=0.25, note="no"))
    those = (criterion(), criterion(id="t2.memory", outcome="pass", points=0.5), marked)
    given = with_criteria(*those)
    assert sum(c.max - c.points for c in groups(those)["lost"]) == given.score.lost == 1.25
    page = feedback(lab, given)
    lost = page.partition("## Points lost")[2].partition("\n## ")[0]
    assert "(t1.explain, 0.75 of 1): given by the instructor: no." in lost
    assert "t1.explain" not in page.partition("## Points earned")[2]


def test_a_submissions_name_is_no_claims_id(lab: Lab) -> None:
    about = grade().submission.model_copy(update={"id": "lab.v2_final-01234567"})
    assert feedback(lab, with_criteria(submission=about)).startswith("# Feedback: lab.v2\\_final-01234567\n")


def test_no_id_version_or_host_of_a_stored_grade_acts(lab: Lab) -> None:
    """They are words of ours in a grade of ours; `judge` takes one from anywhere."""
    made = grade()
    rule = made.findings[0].model_copy(update={"rule": f"`{HOSTILE}"})
    one = made.criteria[0].model_copy(update={"id": HOSTILE, "evidence": (f"report:{HOSTILE}",)})
    changes = {
        "findings": (rule,),
        "criteria": (one, *made.criteria[1:]),
        "lab": made.lab.model_copy(update={"id": HOSTILE, "version": HOSTILE, "sha256": f"``{HOSTILE}"}),
        "host": made.host.model_copy(update={"os": HOSTILE, "architecture": HOSTILE}),
        "grader": made.grader.model_copy(update={"version": HOSTILE}),
    }
    crafted = made.model_copy(update=changes)
    for markdown in (feedback(lab, crafted), table_markdown(lab, translated(lab, crafted, "en"))):
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
        inline = {child.type for token in tokens for child in token.children or ()}
        assert not {"link_open", "image", "html_inline"} & inline
        assert "html_block" not in {token.type for token in tokens}
        assert not LINKS.search(shown_text(markdown))
        assert not set("\x1b\u202e") & set(markdown)


def test_a_finding_says_how_to_settle_it(lab: Lab) -> None:
    assert "To check it yourself: `time docker run --rm moscow-time-traditional`" in feedback(lab, grade())
    quiet = grade().findings[0].model_copy(update={"reproduce": ""})
    found = feedback(lab, grade().model_copy(update={"findings": (quiet,)})).partition("## Worth a look")[2]
    assert "To check it yourself" not in found.partition("##")[0]


def test_a_full_mark_of_a_person_is_earned() -> None:
    marked = criterion(points=0.5, outcome="fail", manual=ManualMark(points=0.5))
    assert groups([marked])["passed"] == [marked]


def test_a_bonus_stands_apart_and_never_among_lost_or_waiting_points(lab: Lab) -> None:
    those = tuple(criterion(id=f"b.{o}", bonus=True, outcome=o) for o in ("fail", "review", "not_run", "partial"))
    found = groups(those)
    assert found["bonus"] == list(those)
    assert not any(found[name] for name in ("lost", "review", "apart", "passed"))
    page = feedback(lab, with_criteria(*those))
    assert "## Bonus" in page
    assert "costs nothing" in page
    assert "## Points lost" not in page


def test_a_command_names_the_report_and_the_folder_in_which_it_runs(lab: Lab) -> None:
    about = grade().submission.model_copy(update={"report": "labs/my report.md", "root": "labs/lab12"})
    page = feedback(lab, with_criteria(criterion("criterion.not-stated"), submission=about))
    assert "`grader claims '../my report.md'`" in page
    assert "Run the commands in `labs/lab12`." in page
    assert not re.search(r"\b(DIR|REPORT)\b", page)


def test_a_report_from_elsewhere_has_a_placeholder_that_a_student_understands(lab: Lab) -> None:
    about = grade().submission.model_copy(update={"report": "@report"})
    page = feedback(lab, with_criteria(criterion("criterion.no-table"), submission=about))
    assert "`grader claims your-report.md`" in page


@pytest.mark.parametrize("name", ["`; rm -rf ~ #.md", "a\n\n# b.md", "``.md", "$(id).md"])
def test_a_hostile_report_name_ends_neither_the_code_nor_the_shells_quotes(lab: Lab, name: str) -> None:
    about = grade().submission.model_copy(update={"report": name})
    page = feedback(lab, with_criteria(criterion("criterion.no-table"), submission=about))
    tokens = MarkdownIt("commonmark").parse(page)
    code = [c.content for t in tokens for c in t.children or () if c.type == "code_inline"]
    assert [c for c in code if c.startswith("grader claims '") and c.endswith("'")]
    assert [t.content for t in tokens if t.type == "heading_open" and t.tag == "h1"] == [""]


@pytest.mark.parametrize(
    "code", ["criterion.nothing-handed-in", "criterion.need-failed", "criterion.perhaps-in-a-picture"]
)
def test_no_command_is_shown_that_would_not_show_the_reason(lab: Lab, code: str) -> None:
    page = feedback(lab, with_criteria(criterion(code)))
    assert "To check it yourself" not in page
    assert "Run the commands" not in page


def test_a_reason_in_the_tools_own_output_keeps_the_labs_command(lab: Lab) -> None:
    page = feedback(lab, with_criteria(criterion("criterion.below-floor")))
    assert "To check it yourself: `grader fill .`" in page


def test_a_reason_for_which_several_things_were_not_run_is_said_once(lab: Lab) -> None:
    reason = Message(code="engine.no-container-engine", params={"arm": "docker"})
    other = Message(code="engine.no-container-engine", params={"arm": "oci"})
    those = tuple(
        criterion(id=f"t2.{i}", title=f"Title {i}", outcome="not_run", reason=r) for i, r in enumerate((reason, other))
    )
    verdicts = tuple(
        Verdict(id=i, verdict="not_run", claimed=None, measured=None, reason=reason)
        for i in ("native.image_size", "native.memory_idle")
    )
    page = feedback(lab, with_criteria(*those, verdicts=verdicts))
    table, _, criteria_part = page.partition("## Not assessed")
    assert table.count("container engine (Docker or containerd),") == 1
    assert criteria_part.count("container engine (Docker or containerd),") == 1
    assert "Title 0" in criteria_part
    assert "Title 1" in criteria_part


def test_the_labs_table_says_each_gap_reason_once(lab: Lab) -> None:
    given = grade()
    template = given.facts[0].model_dump() | {"state": "not_run", "value": None, "n": None, "method": None}
    facts = [
        type(given.facts[0]).model_validate(
            template
            | {"id": f"{subject}.image_size@{arm}", "subject": subject, "metric": "image_size", "arm": arm}
            | {"reason": Message(code="engine.no-container-engine", params={"arm": arm})}
        )
        for subject, arm in (("native", "docker"), ("wasm", "oci"))
    ]
    text = table_markdown(lab, translated(lab, given.model_copy(update={"facts": tuple(facts)}), "en"))
    assert text.count("container engine (Docker or containerd),") == 1
    assert "- image size (native), image size (WASM): needs a container engine" in text


@pytest.mark.parametrize(
    ("code", "language", "expected"),
    [
        ("criterion.table-rows-absent", "en", "rows that the table lacks: image size"),
        ("criterion.table-incomplete", "en", "cells still empty: x (native)"),
        ("criterion.table-gaps", "ru", "в таблице нет строк: размер образа; пустые ячейки: x (обычная сборка)"),
    ],
)
def test_absent_rows_and_empty_cells_are_told_apart(lab: Lab, code: str, language: Language, expected: str) -> None:
    assert expected in feedback(lab, with_criteria(criterion(code)), language)


def test_who_handed_in_the_courses_files_alone_is_told_so(lab: Lab) -> None:
    bare = Circumstances(sources_changed=False, known_values_apply=True)
    page = feedback(lab, with_criteria(circumstances=bare, claims=()))
    assert "Only the course's own files are here" in page
    for change in ({"own_words": 5}, {"sources_changed": True}, {"own_files": ("main.wasm",)}, {"pictures": 1}):
        changed = bare.model_copy(update=change)
        assert "Only the course" not in feedback(lab, with_criteria(circumstances=changed, claims=()))


def test_a_missing_report_is_told_with_the_names_it_may_have(lab: Lab) -> None:
    about = grade().submission.model_copy(update={"report": None})
    assert "labs/submission12.md" in feedback(lab, with_criteria(submission=about))


def test_a_report_in_another_encoding_is_told(lab: Lab) -> None:
    note = Message(code="claims.encoding-cp1251")
    about = SubmissionRef.model_validate(grade().submission.model_dump() | {"notes": (note,)})
    assert "CP1251, not UTF-8" in feedback(lab, with_criteria(submission=about))


def test_a_russian_page_has_no_english_but_names_commands_and_quotes(lab: Lab) -> None:
    given = grade("4.5 МиБ")
    those = tuple(c.model_copy(update={"id": s.id}) for c, s in zip(criteria("4.5 МиБ"), lab.rubric, strict=False))
    page = feedback(lab, given.model_copy(update={"criteria": those}), "ru")
    prose = re.sub(r"`+[^`]*`+|\([a-z0-9_.\\]+, ", "", page)
    english = set(re.findall(r"[A-Za-z]{2,}", prose))
    names = {"grader", "debian", "WASM", "JSON", "lab", "wasmtime", "amd", "arm", "Go", "md", "TinyGo", "Dockerfile"}
    assert english <= names, english - names


def test_a_russian_page_writes_points_and_sizes_the_russian_way(lab: Lab) -> None:
    page = feedback(lab, with_criteria(criterion(max=0.75)), "ru")
    assert "0,75 из 0,75" in page
    assert "4,48 МиБ (4 698 112 Б)" in page


def test_a_long_list_of_cells_is_not_cut(lab: Lab) -> None:
    cells = ", ".join(f"{row.key}.{s}" for row in lab.table.rows for s in ("native", "wasm", "derived"))
    reason = Message(code="criterion.table-incomplete", params={"cells": cells})
    page = feedback(lab, with_criteria(criterion(reason=reason)))
    assert "server mode (difference)" in page
