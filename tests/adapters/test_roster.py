"""The roster lies in the inventory's folder; its editions are the files of `group_vars`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grader.adapters.roster import load_roster, sources, write_inventory
from grader.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "group_vars").mkdir()
    for name in ("all", "student", "f25"):
        (tmp_path / f"group_vars/{name}.yml").write_text("---\n", encoding="utf-8")
    return tmp_path


def test_an_inventory_without_a_roster_has_none(folder: Path) -> None:
    assert load_roster(folder) is None
    assert load_roster(folder / "hosts.yml") is None


def test_only_an_edition_with_its_versions_can_be_named(folder: Path) -> None:
    rows = "name,host,edition,group\nA,a.example,f25,student\nB,b.example,student,student\n"
    (folder / "roster.csv").write_text(rows, encoding="utf-8")
    roster = load_roster(folder)
    assert roster is not None
    assert [host.host for host in roster.hosts] == ["a.example"]
    assert "the inventory has `f25`" in roster.refused[0].what


def test_a_table_that_is_no_plain_file_is_not_passed_over(folder: Path) -> None:
    (folder / "roster.csv").symlink_to(folder / "nowhere")
    with pytest.raises(UsageError, match="no plain file"):
        load_roster(folder)


def test_where_the_table_is_all_the_groups_variables_lie_beside_its_hosts(folder: Path) -> None:
    (folder / "roster.csv").write_text("name,host,edition,group\nA,a.example,f25,student\n", encoding="utf-8")
    roster = load_roster(folder)
    scratch = folder / ".scratch"
    scratch.mkdir()
    assert sources(folder, None, scratch) == (folder,)
    assert sources(folder, roster, scratch) == (scratch / "roster.yml",)
    assert (scratch / "group_vars/f25.yml").is_file()
    (scratch / "group_vars").unlink()
    (folder / "hosts.yml").write_text("student: {}\n", encoding="utf-8")
    assert sources(folder, roster, scratch) == (folder, scratch / "roster.yml")


def test_a_table_in_another_encoding_is_refused_with_its_name(folder: Path) -> None:
    (folder / "roster.csv").write_bytes("name,host,edition,group\nЖ,a,f25,student\n".encode("cp1251"))
    with pytest.raises(UsageError) as refused:
        load_roster(folder)
    assert str(folder / "roster.csv") in str(refused.value)
    assert "CSV UTF-8" in refused.value.hint


def test_the_inventory_is_for_the_user_alone_and_marks_every_cell(folder: Path) -> None:
    (folder / "roster.csv").write_text(
        "name,host,edition,group,port,user\nЖанна О'Х,192.0.2.1,f25,grading,2222,lab\n", encoding="utf-8"
    )
    roster = load_roster(folder)
    assert roster is not None
    file = folder / "made.yml"
    write_inventory(roster, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    assert text.count("!unsafe") == 3
    read = YAML(typ="rt").load(text)
    cells = read["all"]["hosts"]["192.0.2.1"]
    assert (cells["lab_roster_name"].value, cells["ansible_port"]) == ("Жанна О'Х", 2222)
    assert set(read) == {"all", "f25", "grading"}
