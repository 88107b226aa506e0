from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.recipes.dockerfile import Dockerfile, parse_dockerfile
from grader.recipes.imagebuild import ImageBuild, check_image_build, labelled
from grader.recipes.refusal import refuse

ALLOWED = ("golang", "alpine", "tinygo/tinygo:0.39.0", "busybox")

COURSE = """FROM golang:1.21-alpine AS builder
WORKDIR /app
COPY main.go .
RUN CGO_ENABLED=0 GOOS=linux go build -tags netgo -trimpath \\
    -ldflags="-s -w -extldflags=-static" -o moscow-time main.go
FROM scratch
COPY --from=builder /app/moscow-time /app/moscow-time
EXPOSE 8080
ENTRYPOINT ["/app/moscow-time"]
"""


def codes(text: str) -> list[tuple[str, int | None]]:
    found = check_image_build(text, ALLOWED)
    return [] if isinstance(found, ImageBuild) else [(r.message.code, r.line) for r in found]


def needs(text: str) -> ImageBuild:
    found = check_image_build(text, ALLOWED)
    assert isinstance(found, ImageBuild), found
    return found


def test_a_two_stage_build_names_its_base() -> None:
    assert needs(COURSE) == ImageBuild(bases=("golang:1.21-alpine",))


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("# syntax=docker/dockerfile:1\nFROM scratch\n", "image.syntax", 1),
        ("#!/bin/x\n# Syntax = evil\nFROM scratch\n", "image.syntax", 2),
        ("# words\n\n  # syntax=evil\nFROM scratch\n", "image.syntax", 3),
        ("// syntax=evil\nFROM scratch\n", "image.syntax", 1),
        ("FROM scratch\nADD https://x/y /\n", "image.remote-add", 2),
        ("FROM scratch\nADD git@host:me/it /\n", "image.remote-add", 2),
        ("FROM scratch\nADD me@host:it/x.git /\n", "image.remote-add", 2),
        ("FROM scratch\nADD github.com/a/b /\n", "image.remote-add", 2),
        ("FROM scratch\nADD a b some/where.git#main /\n", "image.remote-add", 2),
        ("FROM scratch\nENV U=https://x\nADD $U /\n", "image.remote-add", 3),
        ("FROM scratch\nADD htt\\ps://x /\n", "image.remote-add", 2),
        ("FROM scratch\nADD h\\ttps:x /\n", "image.remote-add", 2),
        ('FROM scratch\nADD "https://x" /\n', "image.remote-add", 2),
        ('FROM scratch\nADD ["https://x", "/"]\n', "image.remote-add", 2),
        ("FROM scratch\nadd https://x /\n", "image.remote-add", 2),
        ("FROM evil/image\n", "image.base", 1),
        ("FROM ghcr.io/library/golang\n", "image.base", 1),
        ("FROM localhost:5000/golang\n", "image.base", 1),
        ("FROM golang/\n", "image.base", 1),
        ("FROM tinygo/tinygo:latest\n", "image.base", 1),
        ("FROM scratch\nCOPY --from=evil/image /x /\n", "image.base", 2),
        ("FROM scratch\nCOPY --from=later /x /\nFROM alpine AS later\n", "image.base", 2),
        ("FROM alpine\nRUN --mount=type=bind,from=evil/image,target=/x ls\n", "image.base", 2),
        ("FROM alpine\nRUN --mount=FROM=evil/image,target=/x ls\n", "image.base", 2),
        ("FROM scratch\nCOPY --from=$X /x /\n", "image.flag", 2),
        ("FROM $BASE\n", "image.variable", 1),
        ("ARG TARGETOS=x\nFROM ${TARGETOS:-golang}\n", "image.variable", 2),
        ("ARG A=\nFROM ${A-golang}\n", "image.variable", 2),
        ('FROM "golang"\n', "image.variable", 1),
        ("FROM --platform=$X golang\n", "image.flag", 1),
        ("FROM --security=insecure golang\n", "image.flag", 1),
        ("FROM alpine\nRUN --security=insecure id\n", "image.flag", 2),
        ("FROM alpine\nRUN --network=host id\n", "image.flag", 2),
        ("FROM alpine\nRUN --device=x id\n", "image.flag", 2),
        ('FROM alpine\nRUN --se"curity"=insecure id\n', "image.flag", 2),
        ("FROM alpine\nRUN --se\\curity=insecure id\n", "image.flag", 2),
        ('FROM alpine\nRUN --mount="type=secret,id=x" id\n', "image.flag", 2),
        ("FROM alpine\nRUN --Network=host id\n", "image.flag", 2),
        ("FROM alpine\nRUN --mount=type=cache,target=/x --sec\\\nurity=insecure id\n", "image.flag", 2),
        ("FROM alpine\nRUN --mount=type=secret,id=x id\n", "image.mount", 2),
        ("FROM alpine\nRUN --mount=type=ssh id\n", "image.mount", 2),
        ("FROM alpine\nRUN --mount=type=cache,TYPE=secret id\n", "image.mount", 2),
        ("FROM alpine AS a\nONBUILD ADD https://x /\nFROM a\n", "image.onbuild", 2),
    ],
)
def test_what_reaches_out_is_refused_with_its_line(text: str, code: str, line: int) -> None:
    assert codes(text)[0] == (code, line)


def test_everything_that_is_refused_is_named_at_once() -> None:
    text = "# syntax=x\nFROM evil/image\nADD https://x /\nRUN --network=host id\n"
    assert codes(text) == [("image.syntax", 1), ("image.base", 2), ("image.remote-add", 3), ("image.flag", 4)]


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        ("ARG V=1.21\nFROM golang:${V}-alpine\n", ("golang:1.21-alpine",)),
        ("ARG V\nFROM golang:${V:-1.22}\n", ("golang:1.22",)),
        ('ARG I="alpine"\nFROM $I\nCOPY --from=busybox:1 /bin/sh /sh\n', ("alpine", "busybox:1")),
        ("FROM docker.io/library/golang@sha256:" + "a" * 64, ("docker.io/library/golang@sha256:" + "a" * 64,)),
        (
            "FROM --platform=linux/amd64 tinygo/tinygo:0.39.0 AS B\nFROM b\nCOPY --from=0 /x /x\n",
            ("tinygo/tinygo:0.39.0",),
        ),
        ("FROM scratch\nADD main.wasm /\nHEALTHCHECK --start-period=3s CMD x\n", ()),
    ],
)
def test_bases_are_named_with_their_variables_put_in(text: str, bases: tuple[str, ...]) -> None:
    assert needs(text).bases == bases


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("RUN --mount=type=cache,target=/c id", "RUN --mount"),
        ("COPY --chmod=755 a /a", "COPY --chmod"),
        ("COPY --link a /a", "COPY --link"),
        ("HEALTHCHECK --start-interval=5s CMD true", "HEALTHCHECK --start-interval"),
        ("FROM --platform=$BUILDPLATFORM alpine", "FROM --platform=$BUILDPLATFORM"),
        ("FROM --platform=${TARGETPLATFORM} scratch", "FROM --platform=${TARGETPLATFORM}"),
    ],
)
def test_the_first_thing_that_only_buildkit_can_do_is_told_with_its_line(line: str, found: str) -> None:
    """Else the classic builder fails on it, and that would look like the student's mistake."""
    needed = needs(f"FROM alpine\n{line}\nRUN --mount=type=cache,target=/c id\n").needs_buildkit
    assert needed == refuse("image.needs-buildkit", 2, found=found)


@pytest.mark.parametrize(
    "text",
    [
        "FROM --platform=linux/amd64 alpine\nCOPY --chown=1:1 a /a\n",
        "FROM alpine\nARG TARGETOS\nRUN echo $TARGETOS\n",
        "FROM alpine AS build\nFROM scratch\nCOPY --from=build /a /a\n",
    ],
)
def test_what_the_classic_builder_can_do_needs_no_other(text: str) -> None:
    assert needs(text).needs_buildkit is None


def test_a_platform_variable_is_no_trouble_for_a_builder_that_runs_nothing() -> None:
    found = check_image_build("FROM --platform=$BUILDPLATFORM scratch\nCOPY a /a\n", (), runs=False)
    assert isinstance(found, ImageBuild)
    assert found.needs_buildkit is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FROM alpine\nRUN a \\\u2028\nADD https://x /\n", "dockerfile.odd-character"),
        ("FROM alpine\nRUN a \\\u00a0\nADD https://x /\n", "dockerfile.odd-character"),
        ("FROM alpine\nRUN a \\\n\x1c\nADD https://x /\n", "dockerfile.odd-character"),
        ("FROM alpine\nRUN a \\\r\r\nADD https://x /\n", "dockerfile.odd-character"),
        ("FROM alpine\nRUN a \\\\\nADD https://x /\n", "dockerfile.continuation"),
        ("# any=thing\n# escape=`\nFROM alpine\nRUN a \\\nADD https://x /\n", "dockerfile.escape"),
    ],
)
def test_lines_that_two_readers_end_differently_are_refused(text: str, code: str) -> None:
    assert [found for found, _ in codes(text)] == [code]


def test_where_nothing_may_run_a_run_is_refused() -> None:
    found = check_image_build('FROM scratch\nCOPY a /a\nRUN ["/a"]\n', ALLOWED, runs=False)
    assert not isinstance(found, ImageBuild)
    assert [(r.message.code, r.line) for r in found] == [("image.run", 3)]
    assert isinstance(check_image_build("FROM scratch\nCOPY a /a\n", ALLOWED, runs=False), ImageBuild)


@pytest.mark.parametrize(
    "text",
    [COURSE, "FROM \\\n  golang\n\n# words\nRUN x \\\n y\nFROM scratch", "FROM scratch", "FROM alpine\r\nRUN x\r\n"],
)
def test_a_label_stands_first_in_every_stage_and_nothing_else_changes(text: str) -> None:
    before, after = parse_dockerfile(text), parse_dockerfile(labelled(text, "own.name", "1-2-3"))
    assert isinstance(before, Dockerfile)
    assert isinstance(after, Dockerfile)
    for old, new in zip(before.stages, after.stages, strict=True):
        label, *rest = new.instructions
        assert (label.keyword, label.value) == ("LABEL", 'own.name="1-2-3"')
        assert [(i.keyword, i.value, i.flags) for i in rest] == [
            (i.keyword, i.value, i.flags) for i in old.instructions
        ]
        assert (new.base, new.name) == (old.base, old.name)


def test_a_label_stands_again_behind_every_label_of_the_recipe() -> None:
    text = "FROM a\nLABEL own.name=x \\\n b=c\n# words\nRUN y\nFROM b\nLABEL own.name=x\n"
    after = parse_dockerfile(labelled(text, "own.name", "1-2-3"))
    assert isinstance(after, Dockerfile)
    ours = 'own.name="1-2-3"'
    found = [[i.value.split()[0] for i in stage.instructions] for stage in after.stages]
    assert found == [[ours, "own.name=x", ours, "y"], [ours, "own.name=x", ours]]


def test_what_add_takes_is_named() -> None:
    found = needs('FROM scratch\nADD --chown=1 a b* /\nADD ["c d", "/"]\nCOPY e /\n').added
    assert [(one.line, one.source) for one in found] == [(2, "a"), (2, "b*"), (3, "c d")]


@given(st.text(st.sampled_from("ADRUNFOMhtps:/.$\\\"'`-=# \t\n\r\x85\u2028"), max_size=60))
def test_no_text_below_a_base_hides_a_remote_add(noise: str) -> None:
    """Whatever stands above it, a line that the builder would take for `ADD https://…` is refused somehow."""
    above = f"FROM alpine\n{noise}"
    if above.rstrip(" \t").endswith("\\") or above.split("\n")[-1].strip(" \t"):
        above += "\n\nRUN x\n"
    text = f"{above}\nADD https://x /\n"
    continued = above.rstrip("\n \t\r").endswith("\\") or _ends_in_continuation(above)
    if not continued:
        assert codes(text) != []


def _ends_in_continuation(text: str) -> bool:
    """As BuildKit reads: comments and empty lines do not end a continuation."""
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip(" \t").startswith("#")]
    return bool(lines) and lines[-1].rstrip(" \t\r").endswith("\\")
