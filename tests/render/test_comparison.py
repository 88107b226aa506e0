from __future__ import annotations

import pytest

from grader.model.base import Language, Message
from grader.model.grade import Fact, Grade, Spread, Verdict
from grader.model.lab import Lab
from grader.render.cells import fact_text
from grader.render.comparison import comparison, timed_arms
from tests.render import pages

NO_SERVER = Message(code="fact.no-server-but", params={"said": "Netdev not set", "instead": "memory_peak"})
MIB = 1 << 20


def memory(subject: str, metric: str, arm: str, value: float | None, **changes: object) -> Fact:
    fact: dict[str, object] = {"id": f"{subject}.{metric}@{arm}", "subject": subject, "metric": metric, "arm": arm}
    fact |= {"state": "measured" if value else "not_run", "value": value, "unit": "byte", "notion": "cgroup"}
    fact |= {"method": "read" if value else None, "reason": None if value else NO_SERVER}
    return Fact.model_validate(fact | changes)


NATIVE = memory("native", "memory_peak", "process", 2 * MIB, mode="native")
GONE = memory("wasm", "memory_idle", "wasmtime", None, mode="jit")
PEAK = memory("wasm", "memory_peak", "wasmtime", 30 * MIB, mode="jit")


def measured(lab: Lab, *facts: Fact, claim: str = "wasm.memory_idle", language: Language = "en") -> str:
    """Return what the comparison says was measured of a claim that nothing was set against."""
    why = Message(code="verdict.no-number", params={"qualifier": "N/A"})
    verdict = Verdict(id=claim, verdict="unverifiable", claimed=None, measured=None, reason=why)
    given: Grade = pages.grade().model_copy(update={"facts": facts, "verdicts": (verdict,)})
    (line,) = comparison(lab, given, language)
    return line.measured


def test_what_stands_in_for_a_server_is_shown_beside_a_claim_that_has_no_number(lab: Lab) -> None:
    assert measured(lab, NATIVE, GONE, PEAK) == (
        "30.00 MiB (memory_peak of one run, wasmtime, no container; compiled at start; native 2.00 MiB)"
    )


def test_a_module_that_was_compiled_beforehand_says_so(lab: Lab) -> None:
    """Most of the peak of the other is the compiler's."""
    assert "compiled beforehand" in measured(lab, NATIVE, GONE, PEAK.model_copy(update={"mode": "aot"}))


def test_nothing_stands_in_where_the_server_was_only_not_measured(lab: Lab) -> None:
    absent = GONE.model_copy(update={"reason": Message(code="engine.no-sandbox")})
    assert measured(lab, NATIVE, absent, PEAK) == "—"


def test_a_fact_that_no_row_of_the_table_holds_is_not_guessed(lab: Lab) -> None:
    assert measured(lab, NATIVE, PEAK, claim="spin.cold_time") == "—"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_mode_is_named_in_each_language(lab: Lab, language: Language) -> None:
    words = {"en": "compiled at start", "ru": "компил"}
    assert words[language] in measured(lab, NATIVE, GONE, PEAK, language=language)


@pytest.mark.parametrize(
    ("quote", "shown"),
    [
        ("- **Local average:** 12 ms", "**Local average:** 12 ms"),
        ("2. Warm: 3 ms", "Warm: 3 ms"),
        ("- 5 % smaller", "- 5 % smaller"),
        ("—", "—"),
        ("1.5 MiB", "1.5 MiB"),
        ("* **Calculated average of all of the cold requests to the app: 12 ms**",
         "Calculated average of all of the cold requests to the app…"),
    ],
)  # fmt: skip
def test_a_claim_is_shown_without_the_mark_of_its_list_and_half_a_pair_of_bold(
    lab: Lab, quote: str, shown: str
) -> None:
    given = pages.grade(quote)
    (line,) = (x for x in comparison(lab, given) if x.id == "native.binary_size")
    assert line.claimed == shown


@pytest.mark.parametrize(
    ("at", "mad", "expected"),
    [
        ((0.009, 0.011, 0.014), 0.001, "11 ms (9–14 ms)"),
        ((0.0021, 0.0021, 0.0024), 0.00005, "2.1 ms (2.1–2.4 ms)"),
        ((0.250, 0.258, 0.266), 0.004, "0.26 s (0.250–0.266 s)"),
        ((2.0, 2.0, 2.0), 0.0, "2.00 s (2.00–2.00 s)"),
        ((0.0071, 0.0074, 0.0083), 0.0003, "7.4 ms (7.1–8.3 ms)"),
        ((0.009, 0.012, 0.017), 0.003, "12 ms (9–17 ms)"),
    ],
)
def test_a_median_stands_with_what_nine_in_ten_lie_between(
    at: tuple[float, float, float], mad: float, expected: str
) -> None:
    low, value, high = at
    fact = Fact(
        id="native.first_answer_time@process",
        subject="native",
        metric="first_answer_time",
        arm="process",
        state="measured",
        value=value,
        unit="second",
        spread=Spread(median=value, p5=low, p95=high, mad=mad, n=7),
        n=7,
        method="median of 7 starts",
    )
    (line,) = timed_arms([fact])
    assert line.first == expected
    alone = fact.model_copy(update={"spread": Spread(median=value, p5=value, p95=value, mad=0, n=1), "n": 1})
    (line,) = timed_arms([alone])
    assert "(" not in line.first  # one run lies between nothing


def test_a_lab_without_a_compiler_of_its_own_is_named_in_the_language(lab: Lab) -> None:
    bare = lab.model_copy(update={"toolchains": {"go": "1.24"}})
    fact = memory("wasm", "memory_peak", "wasmtime", 5 << 20, comparable=False, compiler="go 1.24")
    assert "not the lab's compiler" in fact_text(bare, fact)
    assert "а не компилятор этой работы" in fact_text(bare, fact, language="ru")
