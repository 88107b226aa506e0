"""Freeze what was handed in: a content-addressed copy, the lab's root in it, and its report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from grader.errors import HostError, IntakeError
from grader.model.base import Message, digest
from grader.model.lab import Lab
from grader.model.submission import (
    EVIDENCE_BYTES,
    EVIDENCE_FILES,
    REPORT_ENTRY,
    Copied,
    IntakeCaps,
    Manifest,
    ManifestEntry,
    Submission,
    shown,
)
from grader.ports import Intake, Source, Store
from grader.workflow.records import read_record

_KIND = "frozen"
_TREE, _REPORT, _MANIFEST = "tree", "report", "manifest.json"
_NAME_LENGTH = 64


@dataclass(frozen=True)
class _Read:
    """What was read into the staging folder.  `outside` is a report that does not lie in the tree."""

    copied: Copied
    root: str
    report: str | None
    outside: bytes | None


def freeze(
    source: str,
    lab: Lab,
    store: Store,
    intake: Intake,
    caps: IntakeCaps | None = None,
    *,
    report: str | None = None,
) -> Submission:
    """Copy `source` into the store and return it with its root and report chosen.

    Args:
        source: A directory, an archive, or `git:REPO@REF[:PATH]`; never changed.
        caps: Limits; None for the default ones.
        report: The caller's choice: a path inside the submission, else any plain file; None to look for it where
            the lab says.

    Raises:
        IntakeError: Something is refused, or nothing known was handed in; then nothing is left behind.
        HostError: The store failed.
    """
    caps = caps or IntakeCaps()
    with store.scratch() as scratch:
        staging = scratch / "staging"
        staging.mkdir()
        (scratch / "source").mkdir()
        with intake.open(source, scratch / "source", caps) as opened:
            read = _read(opened, staging, lab, intake, caps, report)
            kind, name = opened.kind, opened.name
        manifest = _manifest(read)
        (staging / _MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        if read.outside is not None:
            (staging / _REPORT).write_bytes(read.outside)
        place = store.directory(
            _KIND,
            manifest.sha256(),
            lambda target: _move(staging, target),
            lambda copy: _intact(copy, intake, manifest),
        )
    return _submission(manifest, place, name, kind, read.root, read.report, read.copied.messages)


def report_bytes(submission: Submission) -> bytes | None:
    """Return the report exactly as handed in, None if there is none."""
    if submission.report_path is None:
        return None
    tree = Path(submission.frozen_dir)
    outside = submission.report_path == REPORT_ENTRY
    return (tree.parent / _REPORT if outside else tree / submission.report_path).read_bytes()


def evidence_files(submission: Submission, lab: Lab) -> dict[str, bytes]:
    """Return the files of output beside the report as handed in, by path from its folder."""
    if submission.report_path is None or submission.report_path == REPORT_ENTRY:
        return {}
    folder, tree = submission.report_path.rpartition("/")[0], Path(submission.frozen_dir)
    found: dict[str, bytes] = {}
    for entry in submission.manifest.under(folder):
        name = entry.path.removeprefix(f"{folder}/") if folder else entry.path
        wanted = any(fnmatchcase(name, pattern) for pattern in lab.inputs.evidence)
        if wanted and entry.state == "present" and entry.size <= EVIDENCE_BYTES and len(found) < EVIDENCE_FILES:
            found[name] = (tree / entry.path).read_bytes()
    return found


def choose_root(entries: Sequence[ManifestEntry], lab: Lab) -> str | None:
    """Return the root with the most source files, the first of equals; None if none has any."""
    paths = {entry.path for entry in entries}
    counts = {root: sum(_below(root, name) in paths for name in lab.inputs.sources) for root in lab.inputs.roots}
    best = max(lab.inputs.roots, key=lambda root: counts[root])  # `max` keeps the first of equals
    return best if counts[best] else None


def safe_name(name: str) -> str:
    """Return a name that is a plain folder name on every system: allow-listed characters, 1 to 64 of them."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:_NAME_LENGTH].rstrip("-._")
    return kept or "submission"


def _read(opened: Source, staging: Path, lab: Lab, intake: Intake, caps: IntakeCaps, report: str | None) -> _Read:
    copied = opened.copy(staging / _TREE, caps)
    if opened.packed:
        copied = _unwrapped(copied, staging, lab)
    root = choose_root(copied.entries, lab)
    chosen, outside = _choose_report(opened, copied.entries, root, lab, intake, caps, report)
    if root is None and (chosen is None or chosen == REPORT_ENTRY):
        raise IntakeError(
            f"no known input: expected one of {_listing(lab.inputs.sources)} in {_listing(lab.inputs.roots)}, "
            f"or a report ({_listing(lab.inputs.reports)})",
            where=shown(opened.name),
            hint="give the lab's folder, or the top folder of the repository",
        )
    read = _Read(copied, root or lab.inputs.roots[0], chosen, outside)
    _refuse_missing_content(read, lab)
    return read


def _choose_report(
    opened: Source,
    entries: Sequence[ManifestEntry],
    root: str | None,
    lab: Lab,
    intake: Intake,
    caps: IntakeCaps,
    report: str | None,
) -> tuple[str | None, bytes | None]:
    """Return the report's manifest path, and its bytes if it lies outside the tree."""
    paths = {entry.path for entry in entries}
    if report is not None:
        inside = opened.entry_of(report)
        if inside in paths:
            return inside, None
        return REPORT_ENTRY, intake.read_file(report, caps)
    for candidate in lab.inputs.reports:
        if candidate in paths:
            return candidate, None
        # Only the lab's own folder has its report beside it; next to a repository lie other people's files.
        if candidate.startswith("../") and root == "." and (data := opened.beside(candidate, caps)) is not None:
            return REPORT_ENTRY, data
    return None, None


def _listed_report(entries: Sequence[ManifestEntry], lab: Lab) -> str | None:
    paths = {entry.path for entry in entries}
    return next((candidate for candidate in lab.inputs.reports if candidate in paths), None)


def _unwrapped(copied: Copied, staging: Path, lab: Lab) -> Copied:
    """Take a single top folder off, unless the lab's files are known by their place with it.

    So `lab12.zip` with all in `lab12/` is the folder itself, and a zip of a repository that holds only `labs/` is
    still that repository.
    """
    tops = {entry.path.partition("/")[0] for entry in copied.entries}
    known = choose_root(copied.entries, lab) or _listed_report(copied.entries, lab)
    if known or len(tops) != 1 or not all("/" in entry.path for entry in copied.entries):
        return copied
    (top,) = tops
    (staging / _TREE / top).rename(staging / "unwrapped")
    (staging / _TREE).rmdir()
    (staging / "unwrapped").rename(staging / _TREE)
    entries = tuple(e.model_copy(update={"path": e.path.removeprefix(top + "/")}) for e in copied.entries)
    return Copied(entries=entries, messages=copied.messages)


def _refuse_missing_content(read: _Read, lab: Lab) -> None:
    needed = {_below(read.root, name) for name in lab.inputs.sources} | {read.report}
    for entry in read.copied.entries:
        if entry.state == "absent" and entry.path in needed:
            raise IntakeError(
                "the repository lists this file but does not hold its content",
                where=shown(entry.path),
                hint="fetch it, for example with `git fetch --refetch --no-filter`, and run again",
            )


def _manifest(read: _Read) -> Manifest:
    entries = list(read.copied.entries)
    if read.outside is not None:
        entries.append(ManifestEntry(path=REPORT_ENTRY, size=len(read.outside), sha256=digest(read.outside)))
    return Manifest(entries=tuple(sorted(entries, key=lambda entry: entry.path)))


def _move(staging: Path, target: Path) -> None:
    """Give the store what was staged; scratch and store share a file system, so these are renames.

    Raises: HostError where the store asks again, because it lost what it had been given.
    """
    if not (staging / _MANIFEST).exists():
        raise HostError("the frozen copy was removed while it was being made", hint="run again")
    for item in staging.iterdir():
        item.rename(target / item.name)


def _intact(copy: Path, intake: Intake, manifest: Manifest) -> bool:
    """Return whether a frozen copy is still what its manifest says."""
    tree = [entry for entry in manifest.entries if entry.path != REPORT_ENTRY]
    outside = manifest.find(REPORT_ENTRY)
    try:
        report_whole = outside is None or digest((copy / _REPORT).read_bytes()) == outside.sha256
    except OSError:
        return False
    return report_whole and read_record(copy / _MANIFEST, Manifest) == manifest and intake.intact(copy / _TREE, tree)


def _submission(
    manifest: Manifest,
    place: Path,
    name: str,
    kind: str,
    root: str,
    report: str | None,
    messages: tuple[Message, ...],
) -> Submission:
    return Submission(
        id=f"{safe_name(name)}-{manifest.sha256()[:8]}",
        source=kind,
        manifest=manifest,
        frozen_dir=str(place / _TREE),
        root=root,
        report_path=report,
        messages=messages,
    )


def _below(root: str, name: str) -> str:
    return name if root == "." else f"{root}/{name}"


def _listing(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
