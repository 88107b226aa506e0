"""A grade with one of everything that a page shows, and the page of it; texts are what a test puts there."""

from __future__ import annotations

from functools import lru_cache

from grader.adapters.labfile import load_lab
from grader.model.base import Language, Message
from grader.model.grade import (
    Circumstances,
    Criterion,
    CriterionOutcome,
    Fact,
    Finding,
    Grade,
    GraderRef,
    LabRef,
    ManualMark,
    Quantity,
    Score,
    Spread,
    SubmissionRef,
    Verdict,
)
from grader.model.host import Fingerprint
from grader.model.lab import Lab
from grader.model.report import Claim, Span
from grader.model.run import Campaign, Sample, ServerStarts, TimedRuns
from grader.render.catalogue import worded
from grader.render.labels import own_words
from grader.render.page import feedback_html
from tests.render.containerfacts import container_facts, container_verdicts

ARMS = (("native", "process", 0.0021), ("wasm", "wasmtime", 0.31), (None, "sandbox-noop", 0.0017))
ROUNDS = 12
TABLE = (
    "| Metric | Traditional | WASM | Difference |\n|---|---|---|---|\n| Binary size | **4.5 MiB** | {text} | 48% |\n"
)
LOG = "main.go:3:2: undefined: clock\n{text}"


def campaign(*, failed: bool = False) -> Campaign:
    """Return twelve rounds of three arms whose times differ a hundredfold; the WASM arm may fail in its third."""
    samples: list[Sample] = []
    for number in range(ROUNDS):
        for _, arm, seconds in ARMS:
            bad = failed and arm == "wasmtime" and number == 2
            if failed and arm == "wasmtime" and number > 2:
                continue
            samples.append(
                Sample(
                    arm=arm,
                    round_index=number,
                    outcome="timeout" if bad else "ok",
                    total_s=None if bad else seconds * (1 + number / 20),
                    first_output_s=None if bad else seconds,
                    exit_code=None if bad else 0,
                    started_s=float(number),
                )
            )
    return Campaign(seed=1, rounds=ROUNDS, warmups=2, arms=tuple(arm for _, arm, _ in ARMS), samples=tuple(samples))


STARTS = tuple(0.012 + number / 1000 for number in range(7))


def timed_runs(*, failed: bool = False) -> TimedRuns:
    """Return the campaign and seven starts of the native server."""
    server = ServerStarts(probe="server", arm="process", seconds=STARTS)
    return TimedRuns(campaign=campaign(failed=failed), starts=(server,))


def facts(*, timed: bool = True, failed: bool = False) -> tuple[Fact, ...]:
    """Return a size, the times of the three arms, and those of the native server."""
    size = Fact(
        id="native.binary_size@build",
        subject="native",
        metric="binary_size",
        arm="build",
        state="measured",
        value=4_698_112,
        unit="byte",
        n=1,
        method="size of the file",
        evidence=("steps/build-native/meta.json",),
    )
    answer = Fact(
        id="native.first_answer_time@process",
        subject="native",
        metric="first_answer_time",
        arm="process",
        mode="native",
        conditions="warm",
        state="measured",
        value=STARTS[3],
        unit="second",
        spread=Spread(median=STARTS[3], p5=STARTS[0], p95=STARTS[6], mad=STARTS[3] / 10, n=len(STARTS)),
        n=len(STARTS),
        method="median of 7 starts",
    )
    servers = (answer,) if timed else ()
    return (size, *servers, *(_time(*arm, timed=timed and not (failed and arm[1] == "wasmtime")) for arm in ARMS))


def _time(subject: str | None, arm: str, seconds: float, *, timed: bool) -> Fact:
    fact_id = f"{subject}.startup_time@{arm}" if subject else f"startup_time@{arm}"
    if not timed:
        reason = Message(code="engine.no-sandbox")
        return Fact(
            id=fact_id, subject=subject, metric="startup_time", arm=arm, state="not_run", value=None, reason=reason
        )
    return Fact(
        id=fact_id,
        subject=subject,
        metric="startup_time",
        arm=arm,
        mode="native" if subject != "wasm" else "jit",
        conditions="warm",
        state="measured",
        value=seconds * 1.275,
        unit="second",
        spread=Spread(median=seconds * 1.275, p5=seconds * 1.1, p95=seconds * 1.45, mad=seconds / 10, n=ROUNDS),
        n=ROUNDS,
        method="median of 12 runs",
        evidence=("samples.csv",),
    )


def grade(text: str = "4.5 MiB", *, timed: bool = True, failed: bool = False, contained: bool = False) -> Grade:
    """Return a grade in which `text` stands wherever a student's words can reach a page.

    Args:
        contained: With all that a grading in containers adds.
    """
    size = Quantity(value=4_698_112, unit="byte", arm="build")
    quote = text[:2000] or "-"
    return Grade(
        lab=LabRef(id="lab12-f25", version="1.0.0", sha256="a" * 64),
        submission=SubmissionRef(
            id=f"{text[:300]}-01234567",
            source="directory",
            manifest_sha256="b" * 64,
            files=3,
            bytes=99,
            report=f"{text[:300]}.md",
            notes=(Message(code="intake.link-dangling", params={"path": text}),),
        ),
        host=Fingerprint(os="debian 12", kernel="6.1", architecture="x86_64", cpus=2, cgroup="v2"),
        grader=GraderRef(version="0.1.0"),
        circumstances=Circumstances(sources_changed=False, known_values_apply=True, own_words=99, has_table=True),
        facts=(*facts(timed=timed, failed=failed), *(container_facts() if contained else ())),
        claims=(
            Claim(
                id="native.binary_size",
                value=4_718_592,
                unit="byte",
                quote=quote,
                line=41,
                source="table",
                span=Span(start=0, end=1),
            ),
        ),
        verdicts=(
            Verdict(
                id="native.binary_size",
                verdict="contradicted",
                claimed=size,
                recomputed=size,
                measured=size,
                fact="native.binary_size@build",
                reason=Message(code="verdict.contradicted"),
            ),
            Verdict(
                id="wasm.memory_idle",
                verdict="unverifiable",
                claimed=None,
                measured=None,
                reason=Message(code="verdict.no-number", params={"qualifier": text}),
            ),
            *(container_verdicts() if contained else ()),
        ),
        findings=(
            Finding(
                rule="native-startup-zero",
                severity="warning",
                message=Message(code="rule.native-startup-zero"),
                quote=text,
                line=43,
                reproduce="time docker run --rm moscow-time-traditional",
            ),
        ),
        criteria=criteria(text),
        score=Score(
            points=2.5, lost=1.5, pending_review=2, not_assessed=3, manual=1, max=10, bonus=0.5, state="needs_review"
        ),
    )


def criteria(text: str) -> tuple[Criterion, ...]:
    """Return a criterion of each outcome, and one that a person marked."""
    outcomes: tuple[CriterionOutcome, ...] = ("pass", "partial", "fail", "review", "not_run", "error")
    reason = Message(code="criterion.not-accepted", params={"found": text, "accepted": "0.39.0"})
    plain = tuple(
        Criterion(
            id=f"t1.{outcome.replace('_', '-')}",
            title=f"Criterion {number}",
            points=1 if outcome == "pass" else 0,
            max=1,
            outcome=outcome,
            reason=reason,
            evidence=("report:41", "native.binary_size@build"),
            reproduce="ls -l main.wasm",
        )
        for number, outcome in enumerate(outcomes)
    )
    marked = plain[3].model_copy(update={"id": "t1.marked", "points": 1.0, "manual": ManualMark(points=1, note=text)})
    return (*plain, marked)


@lru_cache
def the_lab() -> Lab:
    return load_lab("lab12-f25").lab


def page(
    text: str = "4.5 MiB",
    language: Language = "en",
    *,
    timed: bool = True,
    failed: bool = False,
    contained: bool = False,
) -> str:
    """Return the page of that grade."""
    lab = the_lab()
    shown = worded(
        grade(text, timed=timed, failed=failed, contained=contained), own_words(lab, language), language=language
    )
    runs = timed_runs(failed=failed) if timed else TimedRuns()
    cell = text.replace("\n", " ").replace("|", "\\|")[:2000]
    return feedback_html(lab, shown, runs, TABLE.format(text=cell), [(text, LOG.format(text=text))], language)
