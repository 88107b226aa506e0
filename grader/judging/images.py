"""Built images as facts: their size in every sense that somebody prints, and the program in them.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.model.absent import absent_fact
from grader.model.arms import runs_image
from grader.model.base import Message
from grader.model.grade import Fact, FactState
from grader.model.image import Image, ImageFile, ImageResult, ImageSize
from grader.model.lab import Lab, Metric
from grader.model.steps import image_step


def facts_from_images(lab: Lab, images: Sequence[ImageResult]) -> tuple[Fact, ...]:
    """Return the facts of every metric that is read off an image, on each arm that stands for one.

    Returns: A size per notion, in the lab's order of notions; the size of the program that the image starts.  Where
        there is no image, its reason: a recipe that is refused is `not_run`, as nobody saw what it makes.
    """
    return tuple(fact for image in images for fact in _of_image(lab, image))


def _of_image(lab: Lab, result: ImageResult) -> Iterator[Fact]:
    for name, metric in lab.metrics.items():
        for arm in metric.arms.get(result.subject, ()):
            if metric.source not in ("image", "artifact") or not runs_image(arm):
                continue
            empty = _empty(name, metric, arm, result)
            if result.image is None:
                yield empty
            elif metric.source == "artifact":
                yield _program(empty, result.image.program)
            else:
                yield from _sizes(metric, empty, result.image)


def _empty(name: str, metric: Metric, arm: str, result: ImageResult) -> Fact:
    reason = result.reason or Message(code="fact.not-measured", params={"arm": arm})
    state: FactState = "failed" if result.state == "failed" and not reason.blameless else "not_run"
    artifact = result.image.artifact if result.image is not None else None
    fact = absent_fact(name, result.subject, arm, reason, state=state, unit=metric.unit, artifact=artifact)
    return fact.model_copy(update={"evidence": (f"steps/{image_step(result.subject)}/meta.json",)})


def _sizes(metric: Metric, empty: Fact, image: Image) -> Iterator[Fact]:
    order = {notion: place for place, notion in enumerate(metric.notions)}
    sizes = sorted(image.sizes, key=lambda size: order.get(size.notion, len(order)))
    if not sizes:
        yield empty
    for size in sizes:
        yield _measured(empty, size.size_bytes, _how(size)).model_copy(update={"notion": size.notion})


def _how(size: ImageSize) -> str:
    return f"{size.method}, printed as {size.printed}" if size.printed else size.method


def _program(empty: Fact, program: ImageFile | None) -> Fact:
    if program is None:
        return empty.model_copy(update={"reason": Message(code="image.no-program")})
    return _measured(empty, program.size_bytes, f"size of {program.path} in the image, copied out of it")


def _measured(empty: Fact, size_bytes: int, method: str) -> Fact:
    changes: dict[str, object] = {"state": "measured", "value": size_bytes, "n": 1, "method": method, "reason": None}
    return empty.model_copy(update=changes)
