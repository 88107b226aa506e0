"""Pictures of a report: Markdown, Obsidian embeds and HTML, outside code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grader.claims.markdown import Document
from grader.model.report import Picture

MAX_PICTURES = 1000
"""More are not listed; no person looks through them."""

_PICTURE = re.compile(
    r"""!\[[^\]]{0,500}\]\(\s*<?(?P<inline>[^)>\s]{1,2000})      # ![alt](path)
      | !\[\[(?P<embed>[^\]|]{1,500})                           # ![[path]]
      | <img\b[^<>]{0,500}?\bsrc\s*=\s*["']?(?P<html>[^"'\s<>]{1,2000})""",
    re.VERBOSE | re.IGNORECASE,
)


def pictures(document: Document) -> tuple[Picture, ...]:
    """Return the pictures in order of appearance, at most `MAX_PICTURES`."""
    found: list[Picture] = []
    for picture in _all(document):
        if len(found) == MAX_PICTURES:
            break
        found.append(picture)
    return tuple(found)


def _all(document: Document) -> Iterator[Picture]:
    for number, line in enumerate(document.lines):
        if number in document.code:
            continue
        for match in _PICTURE.finditer(line):
            yield Picture(path=match["inline"] or match["embed"] or match["html"], line=number + 1)
