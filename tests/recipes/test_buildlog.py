from __future__ import annotations

import pytest

from grader.recipes.buildlog import why_not_built

STEP = "The command '/bin/sh -c go build' returned a non-zero code: 2"


@pytest.mark.parametrize(
    ("said", "own", "code"),
    [
        (f"./main.go:3: undefined: x\n{STEP}", True, "image.failed"),
        ("COPY failed: file not found in build context: stat missing.go", True, "image.failed"),
        ("Error response from daemon: dockerfile parse error", True, "image.failed"),
        (
            "Cannot connect to the Docker daemon at … Is the docker daemon running?",
            False,
            "infra.builder-broke",
        ),
        ("write /layer.tar: no space left on device", False, "infra.builder-broke"),
        ("manifest for golang:1.99 not found: manifest unknown", False, "infra.builder-broke"),
        (f"WARNING: Ignoring x: temporary error (try again later)\n{STEP}", False, "image.needs-network"),
        (f"dial tcp: lookup proxy.example on [::1]:53: connection refused\n{STEP}", False, "image.needs-network"),
    ],
)
def test_whose_affair_a_failed_build_is(said: str, own: bool, code: str) -> None:
    found, reason = why_not_built(said, 1, stand_in=False)
    assert (found, reason.code) == (own, code)


def test_a_program_that_prints_a_daemons_words_does_not_excuse_its_build() -> None:
    assert why_not_built(f"no space left on device, sorry\n{STEP}", 1, stand_in=False)[0]


def test_a_disk_that_had_no_room_for_a_build_is_ours_when_it_is_full() -> None:
    said = f"go: write /tmp/x: no space left on device\n{STEP}"
    own, reason = why_not_built(said, 1, stand_in=False, cramped=True)
    assert (own, reason.code) == (False, "infra.builder-broke")
    assert why_not_built(f"undefined: x\n{STEP}", 1, stand_in=False, cramped=True)[0]


@pytest.mark.parametrize(("said", "program"), [("git: not found", "git"), ("/bin/sh: apk: not found", "apk")])
def test_the_colours_of_a_builder_are_no_part_of_what_it_says(said: str, program: str) -> None:
    coloured = f"\x1b[0m\x1b[91m{said}\n\x1b[0m{STEP}"
    assert why_not_built(coloured, 127, stand_in=True)[1].params == {"program": program}
    assert "\x1b" not in str(why_not_built(coloured, 127, stand_in=False)[1])


def test_what_the_stand_in_lacks_is_ours_and_elsewhere_the_recipes() -> None:
    said = f"/bin/sh: apk: not found\n{STEP}"
    own, reason = why_not_built(said, 127, stand_in=True)
    assert (own, reason.code, reason.params) == (False, "infra.stand-in-lacks", {"program": "apk"})
    assert why_not_built(said, 127, stand_in=False)[0]


def test_the_reason_holds_the_last_words() -> None:
    _, reason = why_not_built("first\nlast words\n\n", 3, stand_in=False)
    assert reason.params == {"exit": 3, "said": "last words"}
