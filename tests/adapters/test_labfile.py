"""Loading a lab: every kind of mistake is told with file, line, field and what is allowed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.adapters.labfile import (
    LAB_FILE,
    MAX_BYTES,
    MAX_MISTAKES,
    TEMPLATE_FILE,
    find_labs,
    labs_directory,
    load_lab,
)
from grader.errors import LabError

SHIPPED = labs_directory() / "lab12-f25"
SOURCE = (SHIPPED / LAB_FILE).read_text(encoding="utf-8")
Edit = Callable[..., Path]


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    """Return a function that writes the shipped lab with pieces replaced, each of which must be there."""

    def write(*pieces: tuple[str, str]) -> Path:
        text = SOURCE
        for old, new in pieces:
            assert old in text, old
            text = text.replace(old, new, 1)
        (tmp_path / LAB_FILE).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def line_of(words: str, text: str = SOURCE) -> int:
    return text[: text.index(words)].count("\n") + 1


def rule(identifier: str, field: str) -> str:
    """Return the place of a field of one of the shipped lab's rules."""
    return f"rules[{[r.id for r in load_lab(SHIPPED).lab.rules].index(identifier)}].{field}"


def error_of(path: str | Path) -> LabError:
    with pytest.raises(LabError) as caught:
        load_lab(path)
    return caught.value


def test_the_shipped_lab_loads_by_id_by_folder_and_by_file() -> None:
    by_id = load_lab("lab12-f25")
    assert by_id.lab.id == "lab12-f25"
    assert by_id.directory == SHIPPED
    assert by_id.template == (SHIPPED / TEMPLATE_FILE).read_text(encoding="utf-8")
    assert load_lab(SHIPPED) == by_id
    assert load_lab(str(SHIPPED / LAB_FILE)) == by_id


def test_shipped_labs_are_found() -> None:
    assert SHIPPED in find_labs()
    assert all((folder / LAB_FILE).is_file() for folder in find_labs())


# old text, new text, words whose line the error names, field, words of the message
FIELD_MISTAKES = [
    ("  rounds: 12", "  rounds: 0", "rounds", "parameters.rounds", ["found `0`; allowed: at least 1, or `auto`"]),
    ("  rounds: 12", "  roundz: 12", "roundz", "parameters.roundz", ["unknown key", "did you mean `rounds`", "`seed`"]),
    (
        "tolerance: printed",
        "tolerance: exact",
        "tolerance: exact",
        "metrics.binary_size.tolerance",
        ["`exact`", "`printed`, `usable`, `value`"],
    ),
    ("kind: stdout_json", "kind: stdout", "  once:", "probes.once", ["`stdout`", "`stdout_json`, `http`, `cgi`"]),
    ("    kind: http\n", "", "  server:", "probes.server", ["`kind`", "missing", "`cgi`, `http`, `stdout_json`"]),
    (
        "        file: Dockerfile\n",
        "        fil: Dockerfile\n",
        "fil: ",
        "steps.native.first_of[0].fil",
        ["did you mean `file`", "`allow`"],
    ),
    ("points: 0.75", "points: 0", "points: 0", "rubric[0].points", ["found `0`", "more than 0"]),
    ("points: 0.75", "points: much", "points: much", "rubric[0].points", ["found `much`", "a number"]),
    ('version: "1.0.0"', "version: 1.10", "version: 1.10", "version", ["a text", "put it in quotes"]),
    ("id: lab12-f25", "id: Lab 12", "id: Lab 12", "id", ["found `Lab 12`", "lower-case letters"]),
    ("subjects: [native, wasm]", "subjects: native", "subjects: native", "subjects", ["found `native`", "a list"]),
    ("subjects: [native, wasm]", "subjects: []", "subjects: []", "subjects", ["at least 1"]),
    ("  en:\n", "  en: hello\n  xx:\n", "  en: hello", "messages.en", ["found `hello`", "a mapping"]),
    ('offset: "+03:00"', 'offset: "3 h"', "- {key: moscow_time", "probes.once.checks[1].offset", ["`3 h`", "`+03:00`"]),
    ("port: 8080", "port: 80800", "port: 80800", "probes.server.port", ["`80800`", "less than 65536"]),
    ("evidence: review", "evidence: claimed", "- id: t1.explain", "rubric[3]", ["`check`", "`evidence: claimed`"]),
    ("size: 2450459", "size: yes", "size: yes", "known_artifacts[0].size", ["`yes`", "a whole number"]),
]


@pytest.mark.parametrize(("old", "new", "at", "field", "words"), FIELD_MISTAKES)
def test_a_wrong_field_is_told_with_line_and_allowed_values(
    edited: Edit, old: str, new: str, at: str, field: str, words: list[str]
) -> None:
    folder = edited((old, new))
    error = error_of(folder)
    line = line_of(at, (folder / LAB_FILE).read_text(encoding="utf-8"))
    assert error.where == f"{folder / LAB_FILE}:{line}: {field}"
    for word in words:
        assert word in error.what
    assert "\n" not in error.what  # one mistake is told once
    assert "docs/lab-format.md" in error.hint


CROSS_MISTAKES = [
    ("[native, wasm]", "[na-tive, wasm]", "subjects: [na-tive", "subjects[0]", ["in a formula"]),
    (
        "needs: [t1.once]",
        "needs: [t1.oncee]",
        "needs: [t1.oncee]",
        "rubric[1].needs[0]",
        ["`t1.oncee`", "did you mean `t1.once`"],
    ),
    ("needs: [t1.once]", "needs: [t1.server]", "needs: [t1.server]", "rubric[1].needs", ["t1.server → t1.server"]),
    (
        "from: [native.server_mode]",
        "from: [native.servermode]",
        "native.servermode",
        "rubric[1].from[0]",
        ["unknown fact", "`native.server_mode`"],
    ),
    (
        "from: [tinygo.version]",
        "from: [tinygo.versions]",
        "tinygo.versions",
        "rubric[10].from[0]",
        ["unknown claim", "`tinygo.version`"],
    ),
    ("task: t2\n", "task: t9\n", "task: t9", "rubric[4].task", ["unknown task `t9`", "`bonus`"]),
    (
        "[docker, process]",
        "[dokker, process]",
        "dokker",
        "metrics.memory_idle.arms.native[0]",
        ["did you mean `docker`", "`wasmtime-aot`"],
    ),
    (
        "arms: {native: [docker, build]",
        "arms: {nativ: [docker, build]",
        "nativ: [docker, build]",
        "metrics.binary_size.arms.nativ",
        ["unknown subject"],
    ),
    (
        "probe: once\n    floor",
        "probe: twice\n    floor",
        "probe: twice",
        "metrics.startup_time.probe",
        ["`once`, `server`, `wagi`"],
    ),
    ("control: sandbox-noop", "control: nothing", "control: nothing", "timing.control", ["unknown arm `nothing`"]),
    (
        "- docker/ctr-wasmtime",
        "- docker/spin",
        "- docker/spin",
        "timing.ratios[0]",
        ["unknown timed arm `spin`"],
    ),
    ("- docker/ctr-wasmtime", "- docker\n", "- docker\n", "timing.ratios[0]", ["`numerator/denominator`"]),
    (
        "formula: native / wasm",
        "formula: native / wasn",
        "native / wasn",
        "table.rows[2].derived.formula",
        ["column 10", "`native`, `wasm`"],
    ),
    (
        "metric: image_size\n",
        "metric: picture_size\n",
        "metric: picture_size",
        "table.rows[1].metric",
        ["unknown metric"],
    ),
    ("[memory usage,", "[Memory usage,", "[Memory usage,", "table.rows[3].labels[0]", ["lower case"]),
    (
        "[memory usage,",
        "[startup,",
        "labels: [startup,",
        "table.rows[3].labels[0]",
        ["`startup` is there already", "table.rows.2.labels"],
    ),
    (
        "claim(tinygo.version)",
        "claim(tinygo.versio)",
        "claim(tinygo.versio)",
        rule("tinygo-version-other", "when"),
        ["column 1", "did you mean `tinygo.version`"],
    ),
    (
        "wasm.binary_size@committed",
        "wasm.binary_size@comited",
        'when: >-\n      claim(wasm.binary_size).high < 0.95 * fact("wasm.binary_size@comited',
        rule("committed-module-other", "when"),
        ["unknown arm `comited`"],
    ),
    (
        "> 1.05 * claim",
        "> 1.05 claim",
        "when: >-\n      claim(wasm.image_size).low > 1.05 claim",
        rule("wasm-image-larger", "when"),
        ["column 35", "found `claim`"],
    ),
    (
        "about: tinygo.toolchain",
        "about: tinygo.tools",
        "about: tinygo.tools",
        rule("tinygo-toolchain-other", "about"),
        ["unknown claim"],
    ),
    (
        "criteria: [t3.image_size]",
        "criteria: [t3.image]",
        "criteria: [t3.image]",
        rule("wasm-image-larger", "criteria[0]"),
        ["unknown criterion"],
    ),
    ("(?P<value>https", "(?P<url>https", "(?P<url>https", "texts[3].pattern", ["`url`", "(?P<value>…)"]),
    ("(?P<value>https", "((?P<value>https", "((?P<value>https", "texts[3].pattern", ["no regular expression"]),
    (
        "key: moscow_time, similar",
        "key: time, similar",
        "key: time, similar",
        "outputs[0].key",
        ["`moscow_time`, `timestamp`"],
    ),
    ("notion: oci_archive", "notion: oci", "notion: oci}", "known_values[18].notion", ["`oci_archive`"]),
    (
        "known_values:\n  - {id: native.binary_size",
        "known_values:\n  - {id: native.binary",
        "{id: native.binary,",
        "known_values[0].id",
        ["unknown claim"],
    ),
    (
        '    rule.wasm-image-larger: "The',
        '    rule.wasm-image: "The',
        'rule.wasm-image: "The',
        "messages.en.rule.wasm-image",
        ["unknown code"],
    ),
    (
        "is not the course's 0.39.0",
        "is {found}",
        "is {found}",
        "messages.en.rule.tinygo-version-other",
        ["`found`", "`quote`"],
    ),
    ("is not the course's 0.39.0", "is {", "is {", "messages.en.rule.tinygo-version-other", ["brace"]),
    (
        "claims: [native.cli_output]",
        "claims: [native.output]",
        "claims: [native.output]",
        "handed_in.t1.claims[0]",
        ["unknown claim"],
    ),
    (
        "same_instant_as: timestamp",
        "same_instant_as: unix",
        "same_instant_as: unix",
        "probes.once.checks[1].same_instant_as",
        ["`timestamp`"],
    ),
    ("tool: tinygo", "tool: gccgo", "tool: gccgo", "steps.wasm.first_of[1].tool", ["`go`, `tinygo`"]),
    ("        compiler: Go\n", "", "- kind: tool # runs", "steps.wasm.first_of[2]", ["`compiler` is needed"]),
    ("- id: t1.server", "- id: t1.once", "- id: t1.once\n    task: t1\n    points: 0.5", "rubric[1].id", ["twice"]),
    ("floor: 65536", "floor: 1e12", "floor: 1e12", "metrics.memory_idle.floor", ["above the ceiling"]),
    ("port: 8080", "port: 32768", "port: 32768", "probes.server.port", ["`32768`", "connect to itself", "60999"]),
    ("port: 8080", "port: 60999", "port: 60999", "probes.server.port", ["`60999`", "connect to itself"]),
    (
        "instead: memory_peak",
        "instead: peak",
        "instead: peak",
        "table.rows[3].instead",
        ["unknown metric", "`memory_peak`"],
    ),
    (
        "instead: memory_peak",
        "instead: startup_time",
        "instead: startup_time",
        "table.rows[3].instead",
        ["`second`", "`byte`"],
    ),
    (
        "source: answer\n    tolerance: usable\n    probe: server",
        "source: answer\n    tolerance: usable\n    probe: once",
        "probe: once\n    arms: {native: [docker, process], wasm: [ctr-wasmtime, wasmtime]}\n  cli_output",
        "metrics.first_answer_time.probe",
        ["`stdout_json`", "`http`"],
    ),
    (
        "tolerance: usable\n    probe: server\n    notions",
        "tolerance: usable\n    probe: wagi\n    notions",
        "probe: wagi\n    notions",
        "metrics.memory_idle.probe",
        ["`cgi`", "`stdout_json`, `http`"],
    ),
]


@pytest.mark.parametrize(("old", "new", "at", "field", "words"), CROSS_MISTAKES)
def test_a_name_that_leads_nowhere_is_told_with_line_and_allowed_values(
    edited: Edit, old: str, new: str, at: str, field: str, words: list[str]
) -> None:
    folder = edited((old, new))
    told = str(error_of(folder))
    line = line_of(at, (folder / LAB_FILE).read_text(encoding="utf-8"))
    place = f"{LAB_FILE}:{line}: {field}: "
    assert place in told
    message = told[told.index(place) :].splitlines()[0]
    for word in words:
        assert word in message


def test_needs_that_go_round_are_told_with_the_way(edited: Edit) -> None:
    folder = edited(
        ("needs: [t1.once]", "needs: [t1.evidence]"), ("check: stated\n", "check: stated\n    needs: [t1.server]\n")
    )
    assert "t1.server → t1.evidence → t1.server" in str(error_of(folder))


def test_several_mistakes_are_listed_in_the_order_of_the_file(edited: Edit) -> None:
    error = error_of(edited(("unit: ratio", "unit: x"), ("port: 8080", "porte: 8080")))
    fields = [line.split(": ")[1] for line in str(error).splitlines()[:-1]]
    assert fields == ["probes.server.porte", "table.rows[2].derived.unit"]


def test_a_flood_of_mistakes_is_cut_and_counted(edited: Edit) -> None:
    folder = edited(("questions:\n", "questions:\n" + "  - {}\n" * (MAX_MISTAKES + 5)))
    lines = error_of(folder).what.splitlines()
    assert len(lines) == MAX_MISTAKES + 1
    assert lines[-1] == "and 5 more mistakes"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("subjects: [native, wasm]", "subjects: [native, wasm]\nsubjects: [a]", 2, 'duplicate key "subjects"'),
        ("subjects: [native, wasm]", "subjects: native, wasm]:\n  - x: [", 1, "column"),
        ("subjects: [native, wasm]", "subjects:\t[native, wasm]\n\tx: 1", 1, "column"),
    ],
)
def test_a_yaml_error_is_told_with_its_line(edited: Edit, old: str, new: str, line: int, words: str) -> None:
    first = line_of("subjects: [native, wasm]")
    error = error_of(edited((old, new)))
    place, _, number = error.where.rpartition(":")
    assert place.endswith(LAB_FILE)
    assert int(number) >= first + line - 1
    assert words in error.what


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / LAB_FILE).write_bytes("schema: grader/lab/1\ntitle: Лаба\n".encode("cp1251"))
    error = error_of(tmp_path)
    assert error.where.endswith(f"{LAB_FILE}:2")
    assert "not UTF-8" in error.what


def test_a_file_that_is_too_large_is_refused_unparsed(tmp_path: Path) -> None:
    (tmp_path / LAB_FILE).write_bytes(b"#" * (MAX_BYTES + 1))
    assert str(MAX_BYTES) in error_of(tmp_path).what


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n", "[" * 3000, "a: &a [*a]\n", "{a: b"])
def test_what_is_no_mapping_is_refused_with_one_clear_message(tmp_path: Path, text: str) -> None:
    (tmp_path / LAB_FILE).write_text(text, encoding="utf-8")
    error = error_of(tmp_path)
    assert LAB_FILE in error.where
    assert "Traceback" not in str(error)


def test_an_unknown_id_is_answered_with_the_known_ones() -> None:
    assert "did you mean `lab12-f25`" in error_of("lab12-f26").what


@pytest.mark.parametrize("name", ["no/such/folder", "other.yml", "./lab12-f25"])
def test_a_path_that_is_not_there_is_told_as_one(name: str) -> None:
    assert "no such lab file" in error_of(name).what


@pytest.mark.skipif(os.geteuid() == 0, reason="needs: user: root reads every file")
def test_an_unreadable_file_is_told(edited: Edit) -> None:
    folder = edited()
    (folder / LAB_FILE).chmod(0)
    assert "cannot be read" in error_of(folder).what


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / LAB_FILE).write_bytes(b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode())
    assert load_lab(tmp_path).lab == load_lab("lab12-f25").lab


def test_the_digest_covers_what_judging_depends_on_and_nothing_else(tmp_path: Path) -> None:
    shutil.copy(SHIPPED / LAB_FILE, tmp_path)
    shutil.copy(SHIPPED / TEMPLATE_FILE, tmp_path)
    first = load_lab(tmp_path).digest
    assert first == load_lab("lab12-f25").digest
    (tmp_path / "README.md").write_text("for people\n", encoding="utf-8")
    assert load_lab(tmp_path).digest == first
    (tmp_path / TEMPLATE_FILE).write_text("# another\n", encoding="utf-8")
    second = load_lab(tmp_path).digest
    (tmp_path / LAB_FILE).write_text(SOURCE.replace("points: 0.75", "points: 0.70", 1), encoding="utf-8")
    assert len({first, second, load_lab(tmp_path).digest}) == 3


def test_a_lab_needs_no_template(edited: Edit) -> None:
    assert load_lab(edited()).template == ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_lab_is_loaded_or_refused_by_our_own_error(tmp_path: Path, data: st.DataObject) -> None:
    """Cut a piece out of the middle, put another in: never anything but a lab or a LabError that names the file."""
    start = data.draw(st.integers(0, len(SOURCE)))
    length = data.draw(st.integers(0, 40))
    piece = data.draw(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=8))
    text = SOURCE[:start] + piece + SOURCE[start + length :]
    (tmp_path / LAB_FILE).write_text(text, encoding="utf-8")
    place = LAB_FILE
    try:
        load_lab(tmp_path)
    except LabError as error:
        place = error.where
    assert LAB_FILE in place
