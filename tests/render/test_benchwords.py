"""What a comparison says in words: verdicts with their numbers, no digit that the runs do not bear."""

from __future__ import annotations

import re

import pytest

from grader.model.base import Language, Message
from grader.model.bench import Bench, BenchImage, BenchMemory, BenchNoise, NoiseReading
from grader.model.grade import Interval, Spread
from grader.render.benchwords import (
    arm_words,
    noise_note,
    notes,
    others_words,
    ratio_words,
    sentence,
    with_interval,
    worded_bench,
)
from tests.benches import arm, bench, failed_arm, times

NOISY = BenchNoise(
    state="noisy",
    reasons=(Message(code="noise.foreign-load", params={"percent": 96}),),
    probes=(NoiseReading(at_s=0, spawn_s=(0.004,)),),
    repeated=15,
)


@pytest.fixture(scope="module")
def result() -> Bench:
    return bench([arm("quick", times(0.05, 20)), arm("slow", times(0.1, 20)), failed_arm("gone")])


def test_every_ratio_gets_its_sentence(result: Bench) -> None:
    (ratio,) = worded_bench(result).ratios
    assert ratio.text == ratio.reason.text
    assert "`slow`" in ratio.text
    assert "`quick`" in ratio.text
    assert "times slower" in ratio.text


def test_stored_params_keep_their_decimal_point_in_every_language(result: Bench) -> None:
    (ratio,) = worded_bench(result, "ru").ratios
    assert ratio.reason.params == result.ratios[0].reason.params
    assert re.search(r"\d,\d", ratio.text)
    assert not re.search(r"\d\.\d", ratio.text)


def test_milliseconds_of_the_noise_are_written_as_the_language_does() -> None:
    loud = Message(code="noise.spawn", params={"found_ms": 2.29, "quiet_ms": 0.5})
    assert "2,29 мс" in sentence(loud, "ru")
    assert "0,5 мс" in sentence(loud, "ru")
    assert "2.29 ms" in sentence(loud, "en")


def test_the_median_has_no_digit_finer_than_half_of_its_half_width_but_for_a_second() -> None:
    rough = [0.0412, 0.0687, 0.0523, 0.0598, 0.0449, 0.0731]
    shown = arm_words(arm("rough", rough), bench([arm("rough", rough)])).median
    assert shown == "56 ms"


def test_many_even_runs_earn_more_digits() -> None:
    even = times(0.05, 400, spread=0.01)
    shown = arm_words(arm("even", even), bench([arm("even", even)])).median
    assert re.fullmatch(r"(49|50|51)\.\d+ ms", shown)


def test_an_arm_that_failed_has_a_failure_and_no_number(result: Bench) -> None:
    words = arm_words(result.arms[2], result)
    assert words.failure.startswith("failed in its run 1")
    assert (words.median, words.tails, words.mad, words.start, words.runs) == ("", "", "", "", "")


def test_one_run_has_no_spread() -> None:
    once = bench([arm("a", [0.1]), arm("b", [0.2])])
    words = arm_words(once.arms[0], once)
    assert (words.median != "", words.tails, words.mad) == (True, "", "")


def test_without_the_arm_that_divides_the_others_it_is_said_what_to_do(result: Bench) -> None:
    gone = bench([failed_arm("a"), arm("b", times(0.1, 8)), arm("c", times(0.1, 8))])
    gone = gone.model_copy(update={"method": gone.method.model_copy(update={"baseline": "a"})})
    assert any("--baseline b" in note for note in notes(gone))
    assert not any("--baseline" in note for note in notes(result))


def test_outliers_are_counted() -> None:
    far = [*times(0.05, 19), 0.5]
    assert "1 far out" in arm_words(arm("far", far), bench([arm("far", far)])).runs


def test_a_ratio_without_an_interval_shows_hardly_a_number() -> None:
    few = bench([arm("a", times(0.05, 4)), arm("b", times(0.0817, 4))])
    words = ratio_words(few.ratios[0])
    assert re.fullmatch(r"≈\s1\.\d", words.value)
    assert "not resolved" in words.verdict


def test_a_noisy_host_is_named_with_its_reasons(result: Bench) -> None:
    note = noise_note(result.model_copy(update={"noise": NOISY}))
    assert "noisy" in note
    assert "96 %" in note
    assert "15" in note
    assert "quiet" in noise_note(result)


def test_other_tools_are_quoted_with_what_they_got_wrong(result: Bench) -> None:
    said = {words.names: words for words in others_words(bench([arm("a", [0.057] * 6), arm("b", [0.119] * 6)]))}
    assert said["b / a"].loop == "2.2 (0.11 s / 0.05 s)"
    assert said["b / a"].hyperfine.startswith("2.09 ± 0.00")


def test_a_loop_that_divides_by_nothing_says_so() -> None:
    (words,) = others_words(bench([arm("a", [0.004] * 6), arm("b", [0.119] * 6)]))
    assert words.loop.startswith("division by 0")


def test_a_cross_check_that_disagrees_is_told(result: Bench) -> None:
    odd = result.ratios[0].model_copy(update={"agrees": False, "check": Interval(low=3.0, high=3.2, level=0.95)})
    told = notes(result.model_copy(update={"ratios": (odd,)}))
    assert any(re.search(r"bootstrap.*\(3\.0*–3\.[23]0*\),", note) for note in told)
    assert not any("bootstrap" in note for note in notes(result))


@pytest.mark.parametrize("language", ["en", "ru"])
def test_how_it_was_run_is_told(result: Bench, language: Language) -> None:
    method = notes(result, language)[0]
    assert "20" in method
    assert "7" in method


def test_a_name_that_acts_on_a_terminal_is_shown_as_codes() -> None:
    wild = bench([arm("a\x1b[2J\nb", times(0.05, 8)), arm("c", times(0.05, 8))])
    assert "\x1b" not in arm_words(wild.arms[0], wild).name
    assert "\n" not in ratio_words(wild.ratios[0]).names
    assert "\x1b" not in ratio_words(wild.ratios[0]).verdict


def test_a_lower_bound_never_reads_as_nothing() -> None:
    assert with_interval(1.1, 0.42, 1.9) == "1.1 (0.4–1.9)"
    assert with_interval(1.612, 1.59, 1.63) == "1.61 (1.59–1.63)"


def test_tails_far_apart_show_where_each_is() -> None:
    wide = [0.0031, 0.0035, 0.0042, 0.0051, 0.0064, 0.0079, 0.0093, 0.0101]
    words = arm_words(arm("wide", wide), bench([arm("wide", wide)]))
    assert (words.median, words.tails) == ("6 ms", "3.2–9.8 ms")


def test_how_memory_was_read_is_told_with_its_floor(result: Bench) -> None:
    memory = BenchMemory(notion="cgroup", runs=4, floor_bytes=262144, method="memory.peak of its own cgroup")
    (note,) = [n for n in notes(result.model_copy(update={"memory": memory})) if "memory.peak" in n]
    assert "4 runs" in note
    assert "256.0 KiB" in note
    assert not any("memory" in n for n in notes(result))


def test_memory_of_containers_has_no_floor_and_none_is_told(result: Bench) -> None:
    memory = BenchMemory(notion="cgroup", runs=3, method="memory.peak of the container's parent cgroup")
    (note,) = [n for n in notes(result.model_copy(update={"memory": memory})) if "memory.peak" in n]
    assert "empty program" not in note
    assert "—" not in note


@pytest.mark.parametrize(("language", "mode"), [("en", "compiled at start"), ("ru", "компиляция при запуске")])
def test_what_an_arms_containers_were_made_of_is_told_and_what_hides_an_engine(
    result: Bench, language: Language, mode: str
) -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    image = BenchImage(name="app.tar", digest=digest, platform="wasi/wasm", engine="containerd", mode="jit")
    first, *others = result.arms
    two = Message(code="bench.two-engines", params={"ratio": "a / b", "alike": "c / b", "engine": "a / c"})
    arms = (first.model_copy(update={"image": image}), *others)
    told = notes(result.model_copy(update={"arms": arms, "notes": (two,)}), language)
    (about,) = [note for note in told if "app.tar" in note]
    assert all(part in about for part in (first.name, "wasi/wasm", mode, "sha256:0123456789ab"))
    assert digest not in about
    assert [note for note in told if "c / b" in note and "a / c" in note]


def test_a_peak_of_memory_that_was_not_read_is_told_with_its_reason(result: Bench) -> None:
    arms = (result.arms[0].model_copy(update={"no_memory": Message(code="bench.memory-not-told")}), *result.arms[1:])
    told = notes(result.model_copy(update={"arms": arms}))
    assert told[-1] == "`quick`: its peak of memory was not read: this host does not tell it"


def test_a_peak_of_memory_has_the_unit_that_fits(result: Bench) -> None:
    peaks = result.arms[0].model_copy(
        update={"memory_peak": Spread(median=21_000_000, p5=20_900_000, p95=21_100_000, mad=50_000, n=4)}
    )
    assert arm_words(peaks, result).memory == "20.0 MiB"
