"""What a command line of `grader bench` means: all that can be refused before anything runs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from grader.cli.bench.args import (
    AUTO_LIMIT_S,
    NamedCommand,
    duration_s,
    make_plan,
    parse_arms,
    parse_expectation,
    parse_prepare,
    parse_ready,
    parse_rounds,
    refuse_odd_names,
)
from grader.cli.bench.imageargs import ImagePlan, parse_image_plan
from grader.cli.bench.targets import Targets
from grader.errors import UsageError
from grader.judging.expected import Expectation
from grader.model.base import Language, Record
from grader.model.bench import ExperimentPlan
from grader.model.grade import Conditions
from grader.workflow.bench import TimeLimits
from grader.workflow.benchrun import Url


class Asked(Record):
    """What the command line asked for, as given."""

    arms: tuple[str, ...]
    images: tuple[str, ...]
    image_arms: str | None
    env: tuple[str, ...]
    args: str | None
    baseline: str | None
    expect_json: bool
    expect_regex: str | None
    expect_exit: int | None
    expect_fresh: str | None
    ready: str
    rounds: str
    time_limit: str | None
    timeout: str | None
    state: Conditions
    prepare: tuple[str, ...]
    cold_files: tuple[Path, ...]
    memory: bool
    shell: bool
    seed: int | None
    targets: Targets
    language: Language
    cache: Path | None
    lock: Path | None
    quiet: bool


@dataclass(frozen=True)
class Meant:
    """What the command line means.

    `arms` are commands; those that run images are the plan's.  `given_s` bounds the whole command, `whole_s` the
    comparison.
    """

    arms: tuple[NamedCommand, ...]
    images: ImagePlan
    plan: ExperimentPlan
    expected: Expectation
    url: Url | None
    prepare: tuple[tuple[str | None, tuple[str, ...]], ...]
    limits: TimeLimits
    given_s: float | None
    whole_s: float | None


def understood(asked: Asked) -> Meant:
    """Return what the options mean.  Raises: UsageError for the first that cannot hold."""
    arms = parse_arms(asked.arms, shell=asked.shell)
    images = parse_image_plan(asked.image_arms, asked.images, asked.env, asked.args, commands=bool(arms))
    names = [*(arm.name for arm in arms), *images.arms]
    refuse_odd_names(names)
    prepare = parse_prepare(asked.prepare, names, shell=asked.shell)
    expected = parse_expectation(
        json=asked.expect_json, regex=asked.expect_regex, code=asked.expect_exit, fresh=asked.expect_fresh
    )
    url = parse_ready(asked.ready)
    _refuse_conflicts(asked, url)
    rounds = parse_rounds(asked.rounds, asked.state, prepared=bool(prepare))
    seed = asked.seed if asked.seed is not None else secrets.randbits(31)
    given_s = None if asked.time_limit is None else duration_s(asked.time_limit, "--time-limit")
    whole_s = AUTO_LIMIT_S if given_s is None and rounds is None else given_s
    run_s = None if asked.timeout is None else duration_s(asked.timeout, "--timeout")
    return Meant(
        arms=arms,
        images=images,
        plan=make_plan(names, asked.baseline, rounds, seed, asked.ready, asked.state),
        expected=expected,
        url=url,
        prepare=prepare,
        limits=TimeLimits.of(run_s, whole_s, len(names)),
        given_s=given_s,
        whole_s=whole_s,
    )


def _refuse_conflicts(asked: Asked, url: Url | None) -> None:
    """Raises: UsageError for options that cannot hold together."""
    if url is not None and asked.expect_exit is not None:
        raise UsageError("a server is ended by us, so its exit code says nothing", where="--expect-exit")
    if url is not None and asked.memory:
        raise UsageError(
            "the peak of a server is not read", where="--memory", hint="it is for programs that end by themselves"
        )
    if asked.image_arms is not None and asked.state == "file-cold":
        raise UsageError(
            "the files of an image lie with a daemon and cannot be dropped from memory here",
            where="--state",
            hint="`warm`, or `first` for the first start after the image was loaded",
        )
    if asked.cold_files and asked.state != "file-cold":
        raise UsageError("files are dropped only with `--state file-cold`", where="--cold-file")
