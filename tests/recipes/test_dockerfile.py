from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.recipes.dockerfile import KEYWORDS, Dockerfile, environment, parse_dockerfile
from grader.recipes.refusal import Refusal

TWO_STAGES = """# syntax=docker/dockerfile:1
ARG VERSION=1

FROM golang:1.21-alpine AS builder
# a comment
WORKDIR /w
RUN --mount=type=cache,target=/c A=1 \\
    # a comment inside
    go build \\

    -o x main.go
FROM scratch
COPY --from=builder /w/x /x
ENTRYPOINT ["/x", "now"]
"""


def read(text: str) -> Dockerfile:
    parsed = parse_dockerfile(text)
    assert isinstance(parsed, Dockerfile), parsed
    return parsed


def refused(text: str) -> Refusal:
    parsed = parse_dockerfile(text)
    assert isinstance(parsed, Refusal), parsed
    return parsed


def test_stages_instructions_and_their_lines() -> None:
    parsed = read(TWO_STAGES)
    builder, last = parsed.stages
    assert (builder.base, builder.name, builder.line) == ("golang:1.21-alpine", "builder", 4)
    assert (last.base, last.name) == ("scratch", None)
    run = builder.instructions[1]
    assert (run.keyword, run.line, run.flags) == ("RUN", 7, ("--mount=type=cache,target=/c",))
    assert run.value.split() == ["A=1", "go", "build", "-o", "x", "main.go"]
    assert last.instructions[1].words == ("/x", "now")
    assert last.instructions[0].flags == ("--from=builder",)


def test_a_syntax_directive_is_reported_and_a_later_comment_of_that_form_is_none() -> None:
    assert read(TWO_STAGES).syntax == "docker/dockerfile:1"
    assert read("FROM scratch\n# syntax=other\n").syntax is None


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    assert read("\ufeff" + TWO_STAGES.replace("\n", "\r\n")) == read(TWO_STAGES)


def test_environment_before_a_line_in_all_three_forms() -> None:
    stage = read('FROM a\nENV A=1 B="x y"\nENV OLD the value\nARG C=3\nARG D\nRUN x\nENV A=2\n').stages[0]
    found = {name: value for name, (value, _) in environment(stage, 6).items()}
    assert found == {"A": "1", "B": "x y", "OLD": "the value", "C": "3"}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("FROM a\nRUN <<EOF\ngo build\nEOF\n", "dockerfile.heredoc", 2),
        ("# escape=`\nFROM a\n", "dockerfile.escape", 1),
        ("FROM a\nFRUN x\n", "dockerfile.unknown-instruction", 2),
        ("RUN x\nFROM a\n", "dockerfile.before-from", 1),
        ("FROM a b c d\n", "dockerfile.from", 1),
        ("", "dockerfile.no-stage", None),
        ("FROM a\n" + "#" * (65 << 10), "dockerfile.too-large", None),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, code: str, line: int | None) -> None:
    refusal = refused(text)
    assert (refusal.message.code, refusal.line) == (code, line)


@given(st.text())
def test_any_text_is_read_or_refused_and_never_raises(text: str) -> None:
    parse_dockerfile(text)
    parse_dockerfile("FROM a\nRUN " + text)


@given(st.lists(st.tuples(st.sampled_from(sorted(KEYWORDS - {"FROM"})), st.from_regex(r"[a-z]{1,9}", fullmatch=True))))
def test_simple_instructions_come_back_in_order(pairs: list[tuple[str, str]]) -> None:
    parsed = read("FROM base\n" + "".join(f"{keyword} {value}\n" for keyword, value in pairs))
    assert [(i.keyword, i.value) for i in parsed.stages[0].instructions] == pairs
