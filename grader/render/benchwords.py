"""A comparison of commands in words and rounded numbers, shared by the terminal and the drawing.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from grader.model.base import Language, Message, Record
from grader.model.bench import Bench, BenchArm, BenchRatio, Ending, LoopAverage, LoopRatio
from grader.model.grade import Spread
from grader.render.catalogue import phrase, worded, words
from grader.render.escape import one_line
from grader.render.labels import name_of
from grader.render.numerals import agreeing, localised
from grader.render.spreads import median_text, notch, tails_text
from grader.units import format_bytes, format_factor, format_factors, format_seconds

ENDINGS: Mapping[Ending, str] = {
    "rounds": "bench-out.ending-rounds",
    "precision": "bench-out.ending-precision",
    "most-rounds": "bench-out.ending-most-rounds",
    "time": "bench-out.ending-time",
    "no-arms": "bench-out.ending-no-arms",
}

WIDEST = 2000
"""Characters of a sentence; the names of arms are in it."""

DIGEST_CHARACTERS = len("sha256:") + 12
"""Of an image's digest, as Docker shows it; all of it is in the JSON."""

_NUMERALS = ("drift", "factor", "faster", "found_ms", "high", "low", "new_ms", "old_ms", "quiet_ms", "slower")
"""Params that hold a number, most of them already formatted."""


class ArmWords(Record):
    """One arm as people read it; texts are empty where there is no such number."""

    name: str
    median: str
    tails: str
    mad: str
    start: str
    memory: str
    runs: str
    failure: str


class OtherWords(Record):
    """What a bash loop and hyperfine would say of one pair; empty where the tool would have stopped."""

    names: str
    loop: str
    hyperfine: str


class RatioWords(Record):
    """One ratio as people read it: `a / b`, `1.61 (1.59–1.63)`, and the verdict in a sentence."""

    names: str
    value: str
    verdict: str


def worded_bench(bench: Bench, language: Language = "en") -> Bench:
    """Return a copy in which every message and every ratio's `text` is a sentence; params stay as they are."""
    told = worded(bench, language=language)
    ratios = tuple(r.model_copy(update={"text": sentence(r.reason, language)}) for r in told.ratios)
    return told.model_copy(update={"ratios": ratios})


def sentence(message: Message, language: Language) -> str:
    """Return the wording of a message with its formatted numbers as the language writes them."""
    shown = {
        name: localised(_number(value), language) if name in _NUMERALS and isinstance(value, str | float) else value
        for name, value in message.params.items()
    }
    return agreeing(words(message.model_copy(update={"params": shown}), language=language), language)


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def headline(arm: BenchArm, bench: Bench) -> Spread | None:
    """Return the times of an arm on the clock that the ratios take."""
    return arm.total if bench.method.clock == "total" else arm.start


def arm_words(arm: BenchArm, bench: Bench, language: Language = "en") -> ArmWords:
    """Return an arm's numbers, with no digit that its runs do not bear."""
    spread = headline(arm, bench)
    several = spread if spread is not None and spread.n > 1 else None  # One run has no spread, not one of nothing.
    flagged = sum(s.flagged for s in arm.samples)
    runs = phrase("bench-out.outliers", language, n=arm.n, flagged=flagged) if flagged else str(arm.n)
    return ArmWords(
        name=one_line(arm.name),
        median=localised(median_text(spread), language) if spread else "",
        tails=localised(tails_text(several), language) if several else "",
        mad=localised(format_seconds(several.mad, half_width=several.mad / 5 or None), language) if several else "",
        start=localised(median_text(arm.start), language) if arm.start else "",
        memory=localised(_size(arm.memory_peak), language) if arm.memory_peak else "",
        runs="" if arm.failure else runs,
        failure=_failure(arm, language),
    )


def ratio_words(ratio: BenchRatio, language: Language = "en") -> RatioWords:
    """Return a ratio; without an interval it has no number that anyone may rely on, and shows a digit or two of it."""
    names = f"{one_line(ratio.numerator)} / {one_line(ratio.denominator)}"
    if ratio.low is None or ratio.high is None:
        value = f"≈\u00a0{format_factor(ratio.ratio, ratio.ratio / 20)}"
    else:
        value = with_interval(ratio.ratio, ratio.low, ratio.high)
    verdict = one_line(sentence(ratio.reason, language), WIDEST)
    return RatioWords(names=names, value=localised(value, language), verdict=verdict)


def with_interval(value: float, low: float, high: float) -> str:
    """Return `1.61 (1.59–1.63)`, with the digits that `format_factors` grants."""
    shown, below, above = format_factors(value, low, high)
    return f"{shown} ({below}–{above})"


def notes(bench: Bench, language: Language = "en") -> tuple[str, ...]:
    """Return what else to know: how it was run, and where the cross-check disagrees."""
    method = bench.method
    ending = phrase(ENDINGS[method.ending], language)
    told = [
        phrase(
            "bench-out.method",
            language,
            rounds=method.rounds,
            seed=bench.seed,
            warmups=method.warmups,
            conditions=method.conditions,
            ending=ending,
        )
    ]
    told += _images(bench, language)
    told += [sentence(note, language) for note in bench.notes]
    told += _without_baseline(bench, language)
    told += _doubts(bench, language)
    if bench.memory is not None:
        told.append(phrase("bench-out.memory-how", language, runs=bench.memory.runs, file=bench.memory.method))
        if bench.memory.floor_bytes is not None:
            floor = localised(format_bytes(bench.memory.floor_bytes), language)
            told[-1] += " " + phrase("bench-out.memory-floor", language, floor=floor)
    for arm in bench.arms:
        if arm.no_memory is not None:
            reason = sentence(arm.no_memory, language)
            told.append(phrase("bench-out.no-memory", language, name=arm.name, reason=reason))
    return tuple(one_line(note, WIDEST) for note in told)


def noise_note(bench: Bench, language: Language = "en") -> str:
    """Return whether the host was quiet, and if not, why that is thought."""
    noise = bench.noise
    if noise.state == "quiet":
        return phrase("bench-out.quiet", language, readings=len(noise.probes), repeated=noise.repeated)
    reasons = "; ".join(sentence(reason, language) for reason in noise.reasons)
    return phrase("bench-out.noisy", language, repeated=noise.repeated, reasons=reasons)


def others_words(bench: Bench, language: Language = "en") -> tuple[OtherWords, ...]:
    """Return for each pair of arms what other tools would say of the same runs; of failed arms too, as they would."""
    other = bench.other_tools
    loops = {loop.arm: loop for loop in other.loop}
    said: dict[tuple[str, str], tuple[str, str]] = {}
    for one in other.loop_ratios:
        said[one.numerator, one.denominator] = (
            _loop_words(one, loops[one.numerator], loops[one.denominator], language),
            "",
        )
    for two in other.relative:
        if two.spread is not None:
            loop, _ = said.get((two.numerator, two.denominator), ("", ""))
            shown = localised(f"{two.ratio:.2f} ± {two.spread:.2f}", language)
            said[two.numerator, two.denominator] = (loop, shown)
    return tuple(
        OtherWords(names=f"{one_line(above)} / {one_line(below)}", loop=loop, hyperfine=hyperfine)
        for (above, below), (loop, hyperfine) in said.items()
    )


def _loop_words(ratio: LoopRatio, above: LoopAverage, below: LoopAverage, language: Language) -> str:
    """Return `1.78 (0.0818 s / 0.0459 s)`, and how many runs in it had failed."""
    shown = phrase("bench-out.no-ratio", language) if ratio.ratio is None else f"{ratio.ratio:.3g}"
    text = localised(f"{shown} ({above.average_s:.6g} s / {below.average_s:.6g} s)", language)
    bad = above.bad_runs + below.bad_runs
    return phrase("bench-out.loop-bad", language, said=text, bad=bad) if bad else text


def _images(bench: Bench, language: Language) -> Iterator[str]:
    """Say of each arm that ran an image which one, and how its code was run."""
    for arm in bench.arms:
        if arm.image is not None:
            yield phrase(
                "bench-out.image",
                language,
                name=arm.name,
                image=arm.image.name,
                platform=arm.image.platform,
                mode=name_of("mode", arm.image.mode, language=language),
                digest=arm.image.digest[:DIGEST_CHARACTERS],
            )


def _without_baseline(bench: Bench, language: Language) -> Iterator[str]:
    """Say why arms that have times have no ratio."""
    timed = [arm.name for arm in bench.arms if arm.n]
    baseline = bench.method.baseline
    if baseline and baseline not in timed and len(timed) > 1:
        yield phrase("bench-out.no-baseline", language, baseline=baseline, other=timed[0])


def _doubts(bench: Bench, language: Language) -> Iterator[str]:
    for ratio in bench.ratios:
        if ratio.agrees is False and ratio.check is not None:
            check = ratio.check
            shown = localised(with_interval(math.sqrt(check.low * check.high), check.low, check.high), language)
            names = f"{ratio.numerator} / {ratio.denominator}"
            yield phrase("bench-out.disagrees", language, names=names, interval=shown)


def _failure(arm: BenchArm, language: Language) -> str:
    if arm.failure is None:
        return ""
    reason = sentence(arm.failure.reason, language)
    return one_line(phrase("bench-out.failed", language, run=arm.failure.run, reason=reason), WIDEST)


def _size(spread: Spread) -> str:
    return format_bytes(spread.median, half_width=max(notch(spread) or 0, spread.median / 200) or None)
