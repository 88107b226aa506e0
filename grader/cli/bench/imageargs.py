"""What the options of `grader bench` mean that are about images; every refusal names the option and what is allowed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from grader.errors import UsageError
from grader.model.arms import ARMS
from grader.model.base import Record

IMAGE_ARMS = tuple(name for name, arm in ARMS.items() if arm.container)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXAMPLE = "write for example `--image app:1 --arms docker,ctr-runc`"


class NamedImage(Record):
    """An image as it was asked for: by the name of a file or an image, for one arm or for all that can run it."""

    name: str
    arm: str | None = None


class ImagePlan(Record):
    """The arms that run images, which images, and what their programs are told; nothing of it if there is no arm."""

    arms: tuple[str, ...] = ()
    images: tuple[NamedImage, ...] = ()
    env: dict[str, str] = {}
    args: tuple[str, ...] = ()


def parse_image_plan(
    arms: str | None, images: Sequence[str], env: Sequence[str], args: str | None, *, commands: bool
) -> ImagePlan:
    """Return the plan.

    Args:
        commands: Whether there are arms that are commands, which `env` is for too.
    Raises: UsageError for what is malformed, unknown, or does nothing.
    """
    variables = parse_env(env)
    if arms is None:
        _refuse_without_arms(images, variables, args, commands=commands)
        return ImagePlan(env=variables)
    names = parse_image_arms(arms)
    if not images:
        raise UsageError("there is no image for these arms", where="--arms", hint=_EXAMPLE)
    return ImagePlan(
        arms=names,
        images=tuple(_image(text, names) for text in images),
        env=variables,
        args=_words(args) if args is not None else (),
    )


def parse_image_arms(text: str) -> tuple[str, ...]:
    """Return the arms of a list such as `docker,ctr-runc`.  Raises: UsageError for one that runs no image."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in IMAGE_ARMS:
            what = "runs no image" if name in ARMS else "is no arm"
            known = ", ".join(f"`{arm}`" for arm in IMAGE_ARMS)
            raise UsageError(f"`{name}` {what}", where="--arms", hint=f"those that do, separated by commas: {known}")
    return names


def parse_env(texts: Sequence[str]) -> dict[str, str]:
    """Return variables by name.  Raises: UsageError for a malformed one, or two of one name."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or _VARIABLE.fullmatch(name) is None or "\0" in value:
            raise UsageError(f"`{text}` is no variable", where="--env", hint="write for example `--env MODE=once`")
        if name in found:
            raise UsageError(f"`{name}` is given twice", where="--env", hint="give each variable once")
        found[name] = value
    return found


def _image(text: str, arms: Sequence[str]) -> NamedImage:
    """Return an image; what stands before `=` is an arm only if there is one of that name, as paths hold `=` too."""
    arm, equals, name = text.partition("=")
    known = equals and arm in IMAGE_ARMS
    if known and arm not in arms:
        raise UsageError(f"`{arm}` is not among the arms", where="--image", hint=f"those are {', '.join(arms)}")
    image = NamedImage(name=name, arm=arm) if known else NamedImage(name=text)
    if not image.name or not image.name.isprintable():
        raise UsageError(f"`{text}` names no image", where="--image", hint=_EXAMPLE)
    return image


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"`{text}` is no list of words: {error}", where="--args", hint="close the quotes") from error


def _refuse_without_arms(images: Sequence[str], env: dict[str, str], args: str | None, *, commands: bool) -> None:
    """Raises: UsageError for an option that does nothing, as no arm runs an image."""
    if images:
        raise UsageError("which arms are to run it?", where="--image", hint=_EXAMPLE)
    if args is not None:
        hint = "a command's own words stand in `--arm NAME=CMD`"
        raise UsageError("it is for the programs of images, and there is no image", where="--args", hint=hint)
    if env and not commands:
        raise UsageError("there is nothing to compare", where="--env", hint=_EXAMPLE)
