"""A lab in several languages: one that is there is whole, and what it lacks is named."""

from __future__ import annotations

import pytest

from grader.judging.labcheck import check_lab
from grader.model.lab import Lab


def without(lab: Lab, code: str) -> Lab:
    russian = {name: text for name, text in lab.messages["ru"].items() if name != code}
    return lab.model_copy(update={"messages": {**lab.messages, "ru": russian}})


def test_the_shipped_lab_is_whole(lab: Lab) -> None:
    assert check_lab(lab) == ()


@pytest.mark.parametrize("code", ["title.t3.module", "row.memory_idle", "claim.spin.url", "lab.title"])
def test_a_name_that_another_language_lacks_is_said(lab: Lab, code: str) -> None:
    (mistake,) = check_lab(without(lab, code))
    assert mistake.path == ("messages", "ru")
    assert mistake.what == f"`{code}` has no name in this language"


def test_a_new_criterion_without_a_russian_title_is_said(lab: Lab) -> None:
    new = lab.rubric[0].model_copy(update={"id": "t1.new", "title": "Something new"})
    (mistake,) = check_lab(lab.model_copy(update={"rubric": (*lab.rubric, new)}))
    assert mistake.what == "`title.t1.new` has no name in this language"


def test_a_lab_in_english_alone_needs_no_names(lab: Lab) -> None:
    assert check_lab(lab.model_copy(update={"messages": {"en": lab.messages["en"]}})) == ()


def test_a_ratio_of_two_programs_on_two_engines_needs_the_two_that_take_it_apart(lab: Lab) -> None:
    halves = {"ctr-runc/ctr-wasmtime", "docker/ctr-runc"}
    ratios = tuple(ratio for ratio in lab.timing.ratios if ratio not in halves)
    (mistake,) = check_lab(lab.model_copy(update={"timing": lab.timing.model_copy(update={"ratios": ratios})}))
    assert mistake.path == ("timing", "ratios", 0)
    assert "compares two engines, `docker` and `containerd`" in mistake.what


def test_a_metric_of_images_needs_an_image_of_its_subject(lab: Lab) -> None:
    images = {"wasm": lab.images["wasm"]}
    (mistake,) = check_lab(lab.model_copy(update={"images": images}))
    assert (mistake.path, mistake.what) == (
        ("metrics", "image_size", "arms", "native"),
        "subject `native` has no entry in `images`",
    )


def test_an_image_is_for_linux_or_for_wasi(lab: Lab) -> None:
    images = lab.images | {"native": lab.images["native"].model_copy(update={"platform": "windows"})}
    (mistake,) = check_lab(lab.model_copy(update={"images": images}))
    assert mistake.path == ("images", "native", "platform")
    assert "unknown platform `windows`" in mistake.what


def test_a_row_shows_a_metric_or_states_one(lab: Lab) -> None:
    def with_row(**changes: object) -> Lab:
        (row,) = (r for r in lab.table.rows if r.key == "server_mode")
        rows = tuple(r.model_copy(update=changes) if r is row else r for r in lab.table.rows)
        return lab.model_copy(update={"table": lab.table.model_copy(update={"rows": rows})})

    (unknown,) = check_lab(with_row(shows="server"))
    assert unknown.path[-1] == "shows"
    assert "unknown metric `server`" in unknown.what
    (both,) = check_lab(with_row(metric="server_mode"))
    assert both.what == "a row with a `metric` shows that one"
