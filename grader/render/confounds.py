"""How much of a ratio of two programs on two engines is the engine's, wherever such a ratio is shown.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.model.arms import in_container
from grader.model.base import Language
from grader.model.confound import Confound, confound_of, confounded
from grader.model.grade import Fact
from grader.model.lab import Lab
from grader.render.benchwords import with_interval
from grader.render.catalogue import phrase
from grader.render.labels import arm_name
from grader.render.numerals import localised
from grader.units import format_factor, format_factors


def time_notes(lab: Lab, facts: Sequence[Fact], language: Language = "en") -> tuple[str, ...]:
    """Return what to know of times where containers were timed: what is in them, and which ratios hide an engine.

    Each measured ratio of two programs on two engines comes with how much of it is the engine's.
    """
    timed = [f for f in facts if f.metric == "startup_time" and f.state == "measured"]
    notes = [phrase("note.container-times", language)] if any(in_container(f.arm) for f in timed) else []
    measured = _measured(facts)
    for ratio in lab.timing.ratios:
        if ratio in measured and confounded(lab, ratio):
            notes.append(_taken_apart(confound_of(lab, ratio), ratio, measured, language))
    return tuple(notes)


def shares_of(lab: Lab, ratio: str, facts: Sequence[Fact], language: Language = "en") -> str:
    """Return the two factors of a ratio of two engines in a few words for a cell; empty for any other ratio."""
    measured = _measured(facts)
    if not confounded(lab, ratio):
        return ""
    parts = confound_of(lab, ratio)
    if parts is None or parts.alike not in measured or parts.engine not in measured:
        return phrase("cell.engine-unknown", language)
    alike, engine = (_factor(measured[one], language) for one in (parts.alike, parts.engine))
    return phrase("cell.engine-share", language, alike=alike, engine=engine)


def _taken_apart(parts: Confound | None, ratio: str, measured: Mapping[str, Fact], language: Language) -> str:
    name = arm_name(ratio, language=language)
    name = name[:1].upper() + name[1:]
    if parts is None or parts.alike not in measured or parts.engine not in measured:
        return phrase("note.engine-unknown", language, ratio=name)
    return phrase(
        "note.engine-share",
        language,
        ratio=name,
        value=_ratio(measured[ratio], language),
        alike=_ratio(measured[parts.alike], language),
        alike_arms=arm_name(parts.alike, language=language),
        engine=_ratio(measured[parts.engine], language),
        engine_arms=arm_name(parts.engine, language=language),
    )


def _measured(facts: Sequence[Fact]) -> dict[str, Fact]:
    return {f.arm: f for f in facts if f.metric == "startup_time.ratio" and f.state == "measured"}


def _ratio(fact: Fact, language: Language) -> str:
    assert isinstance(fact.value, int | float)  # of a measured ratio
    if fact.interval is None:
        return localised(f"≈\u00a0{format_factor(fact.value, fact.value / 20)}", language)
    return localised(with_interval(fact.value, fact.interval.low, fact.interval.high), language)


def _factor(fact: Fact, language: Language) -> str:
    assert isinstance(fact.value, int | float)
    if fact.interval is None:
        shown = format_factor(fact.value, fact.value / 20)
    else:
        shown, _, _ = format_factors(fact.value, fact.interval.low, fact.interval.high)
    return localised(f"{shown}×", language)
