"""Rows that tools print, read by their shape: `ls -l`, PowerShell's and cmd's listings, `wc -c`, `du`,
`docker images` old and new, `docker cp`, `docker stats`, `ctr images ls`.

`ls -h` of GNU rounds up (2450459 bytes are `2.4M`), that of BSD and macOS to the nearest (`2.3M`); the mark behind the
permissions or the group `staff` tells the second, and where nothing tells the range holds both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from grader.claims.parse import Reading
from grader.claims.vocabulary import Vocabulary
from grader.model.lab import Listing, ListingKind
from grader.units import Base, Printed, find_quantities, label_scales

LS_NOTION = "file"
TOOL_NOTIONS: Mapping[ListingKind, str] = {
    "files": LS_NOTION,
    "docker_images": "docker_images",
    "docker_stats": "docker_stats",
    "ctr_images": "ctr_ls",
}
HEADER_REACH = 12
"""Lines below a header of `docker images` or `docker stats` that may be its rows."""

_DIGIT = re.compile(r"\d")
_LS = re.compile(
    r"\s*-[rwxsStT-]{9}(?P<mark>[@+.]?)\s+\d+\s+(?P<owner>\S{1,60})\s+(?P<group>\S{1,60}(?:\s\S{1,60})?)\s{1,60}"
    r"(?P<size>\d[\d.,]{0,20}[KMGTkB]?)\s{1,20}\S.{5,40}\s(?P<name>\S+)\s*$"
)
_POWERSHELL = re.compile(
    r"\s*-[a-z-]{4,6}\s+\S+\s+\S+(?:\s[AP]M)?\s+(?P<size>\d[\d.,\u00a0 ]{0,30})\s{1,20}(?P<name>\S+)\s*$"
)
_CMD = re.compile(
    r"\s*\d[\d./-]{7,9}\s+\d\d?:\d\d(?:\s[AP]M)?\s+(?P<size>\d[\d.,\u00a0 ]{0,30})\s{1,20}(?P<name>\S+)\s*$"
)
_COUNT = re.compile(r"\s*(?P<size>\d[\d.,]{0,20}[KMG]?)\s+(?P<name>\S+)\s*$")
_IMAGES_HEADER = re.compile(r"\b(?:IMAGE ID|REPOSITORY|TAG)\b.*\bSIZE\b|\bDISK USAGE\b|\bCONTENT SIZE\b")
_NEW_HEADER = re.compile(r"\bDISK USAGE\b")
_IMAGE_ID = re.compile(r"(?:^|\s)(?:sha256:)?[0-9a-f]{12,64}\b", re.IGNORECASE)
_IMAGE_ROW = re.compile(r"\S+\s+\S+\s+[0-9a-f]{12}\s.{0,40}\sago\s+\S+\s*$")
_COPIED = re.compile(r"\bSuccessfully copied (?P<size>\S+).{0,40}? to (?P<name>\S+)")
_STATS = re.compile(
    r"(?<![\d.,])(?P<used>\d[\d.,]{0,20}\s?[KMG]?i?B)\s{0,9}/\s{0,9}\d[\d.,]{0,20}\s?[KMG]i?B", re.IGNORECASE
)
_STATS_HEADER = re.compile(r"^\W*(?:CONTAINER|NAME|ID)\b.*\bMEM USAGE\b")
_CTR_ROW = re.compile(r"\bapplication/vnd\S+|\bsha256:", re.IGNORECASE)


@dataclass(slots=True)
class Listings:
    """Reads lines in order; keeps the last header of each kind."""

    vocabulary: Vocabulary
    images_header: tuple[int, bool] | None = None
    stats_header: int | None = None
    _patterns: dict[ListingKind, list[tuple[re.Pattern[str], Listing]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pattern, entry in self.vocabulary.listings:
            self._patterns.setdefault(entry.kind, []).append((pattern, entry))

    def read(self, number: int, line: str) -> tuple[tuple[str, Reading, str], ...] | None:
        """Return (claim id, reading, notion) of a row; an empty tuple for a header or a row about something else.

        None for a line that is no row of a listing.
        """
        if _STATS_HEADER.search(line):
            self.stats_header = number
            return ()
        if _IMAGES_HEADER.search(line):
            self.images_header = (number, bool(_NEW_HEADER.search(line)))
            return ()
        if not _DIGIT.search(line):  # no row is without a size
            return None
        for read in (self._file, self._copied, self._stats, self._ctr, self._image):
            found = read(number, line)
            if found is not None:
                return tuple(found)
        return None

    def _named(self, kind: ListingKind, name: str) -> Iterator[Listing]:
        for pattern, entry in self._patterns.get(kind, []):
            if pattern.search(name):
                yield entry
                return

    def _file(self, number: int, line: str) -> list[tuple[str, Reading, str]] | None:
        found = _LS.match(line) or _POWERSHELL.match(line) or _CMD.match(line)
        if found is None:
            count = _COUNT.match(line)
            if count is None or not any(self._named("files", count["name"])):
                return None
            found = count
        groups = found.groupdict()
        reading = file_size(found["size"], nearest=groups.get("mark") == "@" or groups.get("group") == "staff")
        if reading is None:
            return []
        return [(e.id, reading, e.notion or LS_NOTION) for e in self._named("files", found["name"])]

    def _copied(self, number: int, line: str) -> list[tuple[str, Reading, str]] | None:
        found = _COPIED.search(line)
        return None if found is None else []  # the archive that `docker cp` sends is larger than the file in it

    def _stats(self, number: int, line: str) -> list[tuple[str, Reading, str]] | None:
        found = _STATS.search(line)
        below = self.stats_header is not None and number - self.stats_header <= HEADER_REACH
        if found is None or not (below or re.search(r"\d%", line)) or "|" in line or ":" in line:
            return None
        size = _first(found["used"], "binary")
        return (
            []
            if size is None
            else [(e.id, size, e.notion or TOOL_NOTIONS["docker_stats"]) for e in self._named("docker_stats", line)]
        )

    def _ctr(self, number: int, line: str) -> list[tuple[str, Reading, str]] | None:
        if not _CTR_ROW.search(line) or "=>" in line or "REPOSITORY" in line:
            return None
        sizes = [q for q in find_quantities(line) if q.dimension == "byte"]
        name = line.split()[0] if line.split() else ""
        if not sizes:
            return None
        return [
            (e.id, printed_in(sizes[-1], "binary"), e.notion or TOOL_NOTIONS["ctr_images"])
            for e in self._named("ctr_images", name)
        ]

    def _image(self, number: int, line: str) -> list[tuple[str, Reading, str]] | None:
        below = self.images_header is not None and number - self.images_header[0] <= HEADER_REACH
        if not (below or _IMAGE_ROW.match(line)) or not line.split():
            return None
        sizes = [q for q in find_quantities(line, base="decimal") if q.dimension == "byte"]
        if not sizes:
            return None
        entries = list(self._named("docker_images", line.split()[0]))
        if not entries and not _IMAGE_ID.search(line):
            return None
        if below and self.images_header is not None and self.images_header[1]:
            notions = ("disk_usage", "content")
            return [(e.id, printed_in(q, "decimal"), n) for e in entries for q, n in zip(sizes, notions, strict=False)]
        return [(e.id, printed_in(sizes[-1], "decimal"), e.notion or TOOL_NOTIONS["docker_images"]) for e in entries]


def file_size(written: str, *, nearest: bool) -> Reading | None:
    """Read the size column of `ls`; without a letter it counts bytes."""
    text = written.replace("\u00a0", " ").strip()
    if text.rstrip("B")[-1:].isdigit():
        digits = re.sub(r"[\s.,]", "", text.rstrip("B"))
        return Reading(int(digits), int(digits), int(digits), "byte", "B") if len(digits) <= 15 else None
    size = _first(text, "binary")
    if size is None or nearest or size.low is None or size.high is None:
        return size
    return replace(size, low=max(0, size.low - (size.high - size.low) / 2))  # not from `value`, which is a whole byte


def _first(text: str, base: Base) -> Reading | None:
    found = next((q for q in find_quantities(text, base=base) if q.dimension == "byte"), None)
    return printed_in(found, base) if found else None


def printed_in(size: Printed, base: Base) -> Reading:
    """Return a size whose label the tool uses in one meaning only, with the range of that meaning."""
    scales = label_scales(size.written_unit or "")
    if scales is None:
        return Reading(size.value, size.low, size.high, size.dimension, size.written_unit)
    scale = scales[0] if base == "decimal" else scales[1]
    low, high = size.low / min(scales) * scale, size.high / max(scales) * scale
    return Reading(round((low + high) / 2) if low > 0 else size.value, low, high, size.dimension, size.written_unit)
