"""Cells of a roster are data: what is not on the allow-list is left out with its line, and the others go on."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.model.roster import parse_roster

HEADING = "name,host,edition,group,port,user\n"
GOOD = "Anna Ivanova,student-1.example.org,f25,student,22,lab\n"


def parse(rows: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Return the hosts, and line and text of what was refused."""
    roster = parse_roster(HEADING + rows, {"f25", "m26"})
    return [host.host for host in roster.hosts], [(row.line, row.what) for row in roster.refused]


def test_a_good_row_is_taken_as_it_is() -> None:
    (host,) = parse_roster(HEADING + GOOD, {"f25"}).hosts
    assert (host.name, host.host, host.edition, host.group) == (
        "Anna Ivanova", "student-1.example.org", "f25", "student",
    )  # fmt: skip
    assert (host.port, host.user) == (22, "lab")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("=1+1,a.example,f25,student,,", "`name` is `=1+1`: a cell must not begin as a formula"),
        ("Anna,@a,f25,student,,", "`host` is `@a`: a cell must not begin as a formula"),
        ("{{ x }},a.example,f25,student,,", "`name` is `{{ x }}`: use up to 100 letters"),
        ("Anna,a b,f25,student,,", "`host` is `a b`: use a name of"),
        ("Anna,-oProxyCommand=x,f25,student,,", "formula"),
        ("Anna,999.1.1.1,f25,student,,", "`host` is `999.1.1.1`"),
        ("Anna,a.example,f99,student,,", "`edition` is `f99`: the inventory has `f25`, `m26`"),
        ("Anna,a.example,f25,teacher,,", "`group` is `teacher`: use `student` or `grading`"),
        ("Anna,a.example,f25,student,0,", "`port` is `0`: use 1 to 65535"),
        ("Anna,a.example,f25,student,2²,", "`port` is `2²`"),
        ("Anna,a.example,f25,student,,ro ot", "`user` is `ro ot`"),
        ("Anna,,f25,student,,", "`host` is empty"),
        ("Anna,a.example,f25", "found 3 cells, the heading has 6"),
        ("Anna,a.example,f25,student,,,x", "found 7 cells"),
    ],
)
def test_a_bad_row_is_left_out_with_its_line_and_the_others_go_on(row: str, says: str) -> None:
    hosts, refused = parse(f"{row}\n{GOOD}")
    assert hosts == ["student-1.example.org"]
    ((line, what),) = refused
    assert line == 2
    assert says in what


def test_a_host_named_twice_counts_once() -> None:
    hosts, refused = parse(GOOD + GOOD.replace("Anna", "Boris"))
    assert hosts == ["student-1.example.org"]
    assert refused == [(3, "`student-1.example.org` is in line 2 already")]


def test_a_host_in_both_groups_is_left_out_of_both() -> None:
    hosts, refused = parse(GOOD + GOOD.replace("student,22", "grading,22"))
    assert hosts == []
    assert [line for line, _ in refused] == [2, 3]
    assert "a host of students must not grade" in refused[0][1]


def test_semicolons_a_mark_of_byte_order_and_windows_line_ends_are_a_spreadsheets_csv() -> None:
    text = "\ufeff" + (HEADING + GOOD).replace(",", ";").replace("\n", "\r\n")
    assert [host.host for host in parse_roster(text, {"f25"}).hosts] == ["student-1.example.org"]


@pytest.mark.parametrize("text", ["", "name,host\n", "name,host,edition,group,shell\n", 'name,host,edition,group\n"a'])
def test_what_is_no_roster_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(UsageError):
        parse_roster(text, {"f25"})


@given(st.lists(st.lists(st.text(max_size=20), min_size=6, max_size=6), max_size=4))
def test_no_cell_gets_through_that_could_be_a_template_an_option_or_a_formula(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    for host in parse_roster(HEADING + written.getvalue(), {"f25"}).hosts:
        for cell in (host.name, host.host, host.user):
            assert not set(cell) & set('{}%"\\$`;&|<>/\n\r')
            assert not cell.startswith(("=", "+", "-", "@"))
