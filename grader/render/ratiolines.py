"""The ratios of the arms' times in one student's feedback: value, verdict, and what the course's loop prints.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.base import Language, Record
from grader.model.grade import Compared, Fact
from grader.model.lab import Lab
from grader.render.benchwords import sentence, with_interval
from grader.render.catalogue import phrase
from grader.render.cells import other_compiler
from grader.render.comparison import first_upper
from grader.render.labels import arm_name
from grader.render.markdown import table
from grader.render.numerals import localised
from grader.units import format_factor

COLUMNS = ("bench-out.arms", "bench-out.ratio", "bench-out.verdict", "feedback.loop-heading")


class RatioLine(Record):
    """One ratio in words."""

    name: str
    value: str
    verdict: str
    loop: str


def timed_ratios(lab: Lab, facts: Sequence[Fact], language: Language = "en") -> tuple[RatioLine, ...]:
    """Return a line per ratio of two arms that both were timed, in the lab's order.

    A module of another compiler than the lab's is named: its ratio holds here and says little of the lab's.
    """
    measured = [(f, f.compared) for f in facts if f.state == "measured" and f.compared is not None]
    return tuple(
        RatioLine(
            name=_name(lab, fact, language),
            value=localised(_value(fact), language),
            verdict=first_upper(_verdict(compared, language)),
            loop=_loop(compared, language),
        )
        for fact, compared in measured
    )


def noise_of_times(facts: Sequence[Fact], language: Language = "en") -> str:
    """Return why the host was not quiet while arms were timed, as a sentence; empty if it was."""
    reasons = dict.fromkeys(sentence(reason, language) for fact in facts for reason in fact.noise)
    return phrase("feedback.noisy", language, reasons="; ".join(reasons)) if reasons else ""


def timed_ratios_markdown(lab: Lab, facts: Sequence[Fact], language: Language = "en") -> str:
    """Return the ratios as a Markdown table, empty if there are none."""
    heads = [phrase(code, language) for code in COLUMNS]
    rows = [(x.name, x.value, x.verdict, x.loop) for x in timed_ratios(lab, facts, language)]
    return table(heads, rows) if rows else ""


def _name(lab: Lab, fact: Fact, language: Language) -> str:
    name = arm_name(fact.arm, language=language)
    return name if fact.comparable else f"{name} ({other_compiler(lab, fact, language)})"


def _value(fact: Fact) -> str:
    assert isinstance(fact.value, int | float)
    if fact.interval is None:
        return f"≈\u00a0{format_factor(fact.value, fact.value / 20)}"
    return with_interval(fact.value, fact.interval.low, fact.interval.high)


def _verdict(compared: Compared, language: Language) -> str:
    """Return the verdict with the arms by their names: elsewhere in feedback nobody meets their ids."""
    names = {"numerator", "denominator"}
    named = {
        param: arm_name(value, language=language) if param in names and isinstance(value, str) else value
        for param, value in compared.reason.params.items()
    }
    return sentence(compared.reason.model_copy(update={"params": named}), language).replace("`", "")


def _loop(compared: Compared, language: Language) -> str:
    """Return the loop's two lines, averages of times that are cut to hundredths of a second, and their ratio."""
    lines = (compared.loop_numerator, compared.loop_denominator)
    ratio = phrase("bench-out.no-ratio", language) if compared.loop_ratio is None else f"{compared.loop_ratio:.3g}"
    return phrase("feedback.loop", language, ratio=localised(ratio, language), first=lines[0], second=lines[1])
