"""A mirror is filled with what it lacks and can be made, and keeps what it has."""

from __future__ import annotations

from grader.workflow.mirror import Mirrored, fill_mirror


def test_what_is_there_stays_what_can_be_made_is_pushed_and_the_rest_is_told() -> None:
    mirror = {"real:1": "sha256:a"}
    pushed: list[str] = []

    def push(image: str) -> str | None:
        pushed.append(image)
        return "sha256:b" if image == "made:1" else None

    done = list(fill_mirror(["real:1", "made:1", "absent:1"], digest_of=mirror.get, push=push))
    assert done == [
        Mirrored(image="real:1", state="present", digest="sha256:a"),
        Mirrored(image="made:1", state="pushed", digest="sha256:b"),
        Mirrored(image="absent:1", state="missing"),
    ]
    assert pushed == ["made:1", "absent:1"]


def test_each_image_is_told_before_the_next_is_touched() -> None:
    asked: list[str] = []

    def digest_of(image: str) -> str:
        asked.append(image)
        return "sha256:a"

    first = next(fill_mirror(["one:1", "two:1"], digest_of=digest_of, push=lambda image: None))
    assert (first.image, asked) == ("one:1", ["one:1"])
