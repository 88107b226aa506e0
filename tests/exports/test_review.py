"""The review file: what goes out comes back, formulas are text, and a bad row says what is wrong with it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.exports.review import COLUMNS, read_review, review_csv, review_json
from grader.model.review import ReviewFile, ReviewItem

FORMULA = '=HYPERLINK("http://example.org","x")'


def item(**more: object) -> ReviewItem:
    data: dict[str, object] = {
        "id": "0123456789abcdef:t1.explain",
        "grade": "fedcba9876543210",
        "submission": "handed-in-01234567",
        "criterion": "t1.explain",
        "title": "Explains",
        "max": 0.5,
        "outcome": "review",
        "suggested": None,
        "reason": "a person reads it",
    }
    return ReviewItem.model_validate(data | more)


def review(*items: ReviewItem) -> ReviewFile:
    return ReviewFile(lab="lab", lab_sha256="0" * 64, grader="1", items=items)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=60)


@pytest.mark.parametrize("write", [review_csv, review_json])
@given(note=texts, points=st.none() | st.floats(0, 100).map(lambda x: round(x, 3)), quote=texts)
def test_what_goes_out_comes_back(write: object, note: str, points: float | None, quote: str) -> None:
    assert callable(write)
    answers = read_review(write(review(item(note=note, points=points, quote=quote, suggested=0.25))), "review")
    assert [(a.id, a.points, a.note, a.suggested, a.max) for a in answers] == [
        ("0123456789abcdef:t1.explain", points, note.strip(), 0.25, 0.5)
    ]
    assert [(a.submission, a.criterion, a.outcome) for a in answers] == [("handed-in-01234567", "t1.explain", "review")]


@given(text=st.sampled_from("=+-@\t\r").flatmap(lambda first: texts.map(lambda rest: first + rest)))
def test_no_cell_of_a_submission_begins_a_formula(text: str) -> None:
    data = review_csv(review(item(quote=text, context=text, reason=text, submission=text, note=text)))
    for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_that_a_spreadsheet_saved_again_is_read(separator: str, encoding: str, end: str) -> None:
    rows = [("ID", "Points", "note", "own column"), ("abc:t1", '"0,5"', "ясно", "x"), ("", "", "", "")]
    text = end.join(separator.join(row) for row in rows) + end
    answers = read_review(text.encode(encoding), "review")
    assert [(a.place, a.id, a.points, a.note) for a in answers] == [("row 2", "abc:t1", 0.5, "ясно")]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ("=1+1", "a formula, not a number"),
        ("-cmd|' /C calc'!A0", "a formula, not a number"),
        ("half", "no number"),
        ("nan", "no number"),
        ("inf", "no number"),
        ("1_0", "no number"),
        ("0.5.1", "no number"),
    ],
)
def test_points_that_are_no_number_are_named_with_their_row(points: str, said: str) -> None:
    (answer,) = read_review(f"id,points,note\nabc:t1,{points},good\n".encode(), "review")
    assert answer.place == "row 2"
    assert said in answer.trouble
    assert points[:20] in answer.trouble


def test_a_note_is_text_whatever_it_begins_with() -> None:
    (answer,) = read_review(f'id,points,note\nabc:t1,1,"{FORMULA.replace(chr(34), chr(34) * 2)}"\n'.encode(), "review")
    assert answer.note == FORMULA


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the columns id, points, note are missing"),
        (b"id,points\na,1\n", "the columns note are missing"),
        (b"id,points,note,points\na,1,x,2\n", "the column points is there twice"),
        (b"\x89PNG\x00\xff", "this is no UTF-8 text"),
        (b"\xff\xfea", "this is no UTF-16 text"),
        (b"{", "this is no JSON, or it is cut off"),
        (b"[" * 100_000, "this is no JSON, or it is cut off"),
        (b"{}", "no review file"),
        (b'{"schema": "grader/review/2", "items": []}', "no review file"),
        (b'id,points,note\n"' + b"x" * 200_000 + b'",1,\n', "this is no CSV"),
    ],
)
def test_what_is_no_review_file_is_one_clear_message(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")) as caught:
        read_review(data, "marks.csv")
    assert caught.value.where == "marks.csv"


def test_a_row_with_a_cell_too_many_is_named_and_the_others_are_read() -> None:
    first, second = read_review(b"id,points,note\na:t,1,x,y\nb:t,1,z\n", "review")
    assert "it has 4 cells, the header has 3" in first.trouble
    assert (second.id, second.trouble) == ("b:t", "")


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        {"points": 1},
        {"id": 7},
        {"id": "a", "note": []},
        {"id": "a", "points": True},
        {"id": "a", "points": {}},
    ],
)
def test_an_item_of_json_that_is_none_is_named(wrong: object) -> None:
    data = json.dumps({"schema": "grader/review/1", "items": [{"id": "a:t", "points": 1}, wrong]}).encode()
    good, bad = read_review(data, "review")
    assert (good.points, good.trouble) == (1, "")
    assert bad.place == "item 2"
    assert bad.trouble


@given(data=st.binary(max_size=400))
def test_no_bytes_break_it(data: bytes) -> None:
    for prefix in (b"", b"id,points,note\n", b'{"schema": "grader/review/1", "items": ['):
        try:
            read_review(prefix + data, "review")
        except UsageError:
            continue


def test_the_columns_that_a_person_fills_are_the_last() -> None:
    assert COLUMNS[-2:] == ("points", "note")
