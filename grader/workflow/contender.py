"""One arm of a comparison, whatever it runs, as it is timed, weighed and told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from grader.model.base import Message
from grader.model.bench import Bench, BenchImage, ExperimentPlan
from grader.workflow.benchmemory import Weighable
from grader.workflow.benchrun import Arm


@dataclass(frozen=True)
class Contender:
    """An arm, and the runs that read its memory: prepared and checked alike.  `image` is None for a command."""

    arm: Arm
    weighable: Weighable
    argv: tuple[str, ...]
    image: BenchImage | None = None


@dataclass(frozen=True)
class TwoEngines:
    """A ratio of two images on two engines, with the two ratios that it is the product of; None if no arm is between.

    `alike` compares the images on one engine, `engine` is the share of the change of engine alone.
    """

    ratio: tuple[str, str]
    alike: tuple[str, str] | None = None
    engine: tuple[str, str] | None = None

    def within(self, compared: Set[tuple[str, str]]) -> TwoEngines:
        """Return the same as far as there are these ratios: of an arm that failed there is none."""
        return self if self.alike in compared and self.engine in compared else TwoEngines(self.ratio)

    def message(self) -> Message:
        """Return what to know of the ratio."""
        ratio = " / ".join(self.ratio)
        if self.alike is None or self.engine is None:
            return Message(code="bench.two-engines-unknown", params={"ratio": ratio})
        params = {"ratio": ratio, "alike": " / ".join(self.alike), "engine": " / ".join(self.engine)}
        return Message(code="bench.two-engines", params=params)


def two_engines(contenders: Mapping[str, Contender], baseline: str) -> tuple[TwoEngines, ...]:
    """Return which ratios to the baseline hide a change of engine, and what takes each apart."""
    images = {name: one.image for name, one in contenders.items() if one.image is not None}
    below = images.get(baseline)
    if below is None:
        return ()
    found = []
    for name, above in images.items():
        if above.engine == below.engine or above.digest == below.digest:
            continue
        between = next((c for c, i in images.items() if (i.digest, i.engine) == (above.digest, below.engine)), None)
        if between is not None:
            found.append(TwoEngines((name, baseline), alike=(between, baseline), engine=(name, between)))
            continue
        between = next((c for c, i in images.items() if (i.digest, i.engine) == (below.digest, above.engine)), None)
        alike, engine = ((name, between), (between, baseline)) if between is not None else (None, None)
        found.append(TwoEngines((name, baseline), alike=alike, engine=engine))
    return tuple(found)


def with_pairs(plan: ExperimentPlan, apart: Sequence[TwoEngines]) -> ExperimentPlan:
    """Return the plan with the ratios that take others apart, as far as they are not to the baseline anyway."""
    pairs = [pair for one in apart for pair in (one.alike, one.engine) if pair is not None]
    beside = dict.fromkeys(pair for pair in pairs if pair[1] != plan.baseline)
    return plan.model_copy(update={"beside": tuple(beside)})


def with_images(bench: Bench, contenders: Mapping[str, Contender], apart: Sequence[TwoEngines]) -> Bench:
    """Return the result with what the arms were made of, and what to know of that."""
    arms = tuple(arm.model_copy(update={"image": contenders[arm.name].image}) for arm in bench.arms)
    compared = {(ratio.numerator, ratio.denominator) for ratio in bench.ratios}
    notes = [one.within(compared).message() for one in apart if one.ratio in compared]
    notes += [
        Message(code="bench.shim-variables", params={"name": arm.name})
        for arm in arms
        if arm.image is not None and not arm.image.own_variables
    ]
    return bench.model_copy(update={"arms": arms, "notes": tuple(notes)})
