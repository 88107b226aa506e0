"""What judging needs of a submission: which of its files are the course's own, changed or the student's."""

from __future__ import annotations

import pytest

from grader.judging.circumstances import circumstances_of, with_reading
from grader.model.grade import Circumstances
from grader.model.lab import Lab
from grader.model.submission import Manifest, ManifestEntry, Submission


def submission(root: str, report: str | None = None, **files: str) -> Submission:
    """Return a submission of files with these digests; `__` stands for a dot."""
    prefix = "" if root == "." else f"{root}/"
    entries = [
        ManifestEntry(path=f"{prefix}{name.replace('__', '.')}", size=1, sha256=sha256)
        for name, sha256 in sorted(files.items())
    ]
    return Submission(
        id="x-01234567",
        source="directory",
        manifest=Manifest(entries=tuple(entries)),
        frozen_dir="",
        root=root,
        report_path=report,
    )


def circumstances(lab: Lab, given: Submission) -> Circumstances:
    return circumstances_of(lab, given, None, ("a.native",), ("a",))


def provided(lab: Lab, number: int = 0) -> str:
    (known,) = (known for known in lab.inputs.provided if known.path == "main.go")
    return known.sha256[number]


@pytest.mark.parametrize("root", [".", "labs/lab12"])
def test_the_courses_own_source_is_no_work_of_a_student(lab: Lab, root: str) -> None:
    found = circumstances(lab, submission(root, main__go=provided(lab)))
    assert (found.sources_changed, found.known_values_apply, found.own_files) == (False, True, ())
    assert not circumstances(lab, submission(root, main__go=provided(lab, -1))).sources_changed, "another checkout"


@pytest.mark.parametrize("root", [".", "labs/lab12"])
def test_a_changed_source_is_seen_and_the_known_values_are_not_of_it(lab: Lab, root: str) -> None:
    found = circumstances(lab, submission(root, main__go="0" * 64))
    assert (found.sources_changed, found.known_values_apply) == (True, False)


def test_a_source_that_is_not_there_has_not_been_changed(lab: Lab) -> None:
    found = circumstances(lab, submission(".", notes__txt="0" * 64))
    assert (found.sources_changed, found.known_values_apply) == (False, True)


def test_a_file_that_a_task_asks_for_is_the_students_and_another_one_is_not(lab: Lab) -> None:
    found = circumstances(lab, submission("lab", main__wasm="0" * 64, notes__txt="1" * 64))
    assert found.own_files == ("main.wasm",)


def test_the_report_is_no_source_whatever_it_is_called(lab: Lab) -> None:
    found = circumstances(lab, submission(".", report="main.go", main__go="0" * 64))
    assert not found.sources_changed


def test_without_a_report_there_are_no_words_and_no_table_but_the_gaps_are_kept(lab: Lab) -> None:
    found = circumstances(lab, submission("."))
    assert (found.own_words, found.pictures, found.has_table) == (0, 0, False)
    assert (found.empty_cells, found.absent_rows) == (("a.native",), ("a",))


def test_another_report_takes_the_place_of_all_that_the_first_one_said() -> None:
    first = Circumstances(
        sources_changed=True,
        known_values_apply=False,
        own_files=("app",),
        own_words=9,
        pictures=2,
        has_table=True,
        empty_cells=("a.native",),
        filled_claims=("native.size",),
    )
    files = Circumstances(sources_changed=True, known_values_apply=False, own_files=("app",))
    assert with_reading(first, None, ()) == files
