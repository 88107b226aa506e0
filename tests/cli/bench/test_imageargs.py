from __future__ import annotations

import pytest

from grader.cli.bench.imageargs import ImagePlan, NamedImage, parse_image_plan
from grader.errors import UsageError


def plan(arms: str | None, *images: str, env: tuple[str, ...] = (), args: str | None = None) -> ImagePlan:
    return parse_image_plan(arms, images, env, args, commands=False)


def test_images_are_for_all_arms_or_for_the_one_that_is_named() -> None:
    found = plan("docker, ctr-wasmtime", "app:1", "ctr-wasmtime=./app=2.tar", "odd=name.tar")
    assert found.arms == ("docker", "ctr-wasmtime")
    assert found.images == (
        NamedImage(name="app:1"),
        NamedImage(name="./app=2.tar", arm="ctr-wasmtime"),
        NamedImage(name="odd=name.tar"),
    )


def test_programs_are_told_variables_and_words() -> None:
    found = plan("docker", "app", env=("MODE=once", "EMPTY=", "URL=a=b"), args="-x 'two words'")
    assert found.env == {"MODE": "once", "EMPTY": "", "URL": "a=b"}
    assert found.args == ("-x", "two words")


def test_a_variable_is_for_commands_too() -> None:
    assert parse_image_plan(None, [], ["MODE=once"], None, commands=True) == ImagePlan(env={"MODE": "once"})


@pytest.mark.parametrize(
    ("made", "where", "said"),
    [
        (lambda: plan("dokcer", "app"), "--arms", "`dokcer` is no arm"),
        (lambda: plan("docker,", "app"), "--arms", "`` is no arm"),
        (lambda: plan("process", "app"), "--arms", "`process` runs no image"),
        (lambda: plan("docker"), "--arms", "no image for these arms"),
        (lambda: plan(None, "app"), "--image", "which arms"),
        (lambda: plan("docker", "ctr-runc=app"), "--image", "`ctr-runc` is not among the arms"),
        (lambda: plan("docker", "docker="), "--image", "names no image"),
        (lambda: plan("docker", "a\x1b[2J"), "--image", "names no image"),
        (lambda: plan("docker", "app", env=("MODE",)), "--env", "`MODE` is no variable"),
        (lambda: plan("docker", "app", env=("1=2",)), "--env", "`1=2` is no variable"),
        (lambda: plan("docker", "app", env=("A=1", "A=2")), "--env", "`A` is given twice"),
        (lambda: plan("docker", "app", args="'x"), "--args", "No closing quotation"),
        (lambda: plan(None, args="x"), "--args", "there is no image"),
        (lambda: plan(None, env=("A=1",)), "--env", "nothing to compare"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_option_that_says_it(made: object, where: str, said: str) -> None:
    assert callable(made)
    with pytest.raises(UsageError) as caught:
        made()
    assert said in caught.value.what
    assert caught.value.where == where
    assert caught.value.hint
