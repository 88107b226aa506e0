"""Files of output beside a report: only what the lab names, plain and small, no links."""

from __future__ import annotations

from pathlib import Path

from grader.adapters.evidence import evidence_beside
from grader.model.submission import EVIDENCE_BYTES, EVIDENCE_FILES


def test_matching_files_are_read_by_their_path_from_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    (tmp_path / "out" / "deep").mkdir(parents=True)
    for name in ("report.txt", "beside.txt", "out/a.txt", "out/deep/b.txt", "out/c.bin", "other.md"):
        (tmp_path / name).write_text(name)
    assert evidence_beside(report, ["out/*.txt"]) == {"out/a.txt": b"out/a.txt", "out/deep/b.txt": b"out/deep/b.txt"}
    assert list(evidence_beside(report, ["*.txt"])) == ["beside.txt"], "neither the report nor what lies deeper"
    assert evidence_beside(report, ["missing/*.txt"]) == {}


def test_links_and_large_files_are_left_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    folder = tmp_path / "work"
    (folder / "out").mkdir(parents=True)
    (folder / "out" / "link.txt").symlink_to(secret)
    (folder / "linked").symlink_to(folder / "out")
    (folder / "out" / "large.txt").write_bytes(b"x" * (EVIDENCE_BYTES + 1))
    (folder / "out" / "fits.txt").write_bytes(b"x" * EVIDENCE_BYTES)
    assert list(evidence_beside(folder / "r.md", ["out/*.txt", "linked/*.txt"])) == ["out/fits.txt"]


def test_no_more_files_than_the_cap_are_read(tmp_path: Path) -> None:
    for number in range(EVIDENCE_FILES + 5):
        (tmp_path / f"{number:03}.txt").write_text("x")
    assert len(evidence_beside(tmp_path / "r.md", ["*.txt"])) == EVIDENCE_FILES
