"""What a grading in containers adds to a grade: times, ratios, sizes of images and memory of both sides."""

from __future__ import annotations

from collections.abc import Iterator

from grader.model.base import Message
from grader.model.grade import Compared, Conditions, Fact, Interval, Mode, Quantity, Spread, Verdict

ROUNDS = 12
TIMES: tuple[tuple[str, str, Mode, float], ...] = (
    ("native", "docker", "native", 0.258),
    ("native", "docker-nonet", "native", 0.188),
    ("native", "ctr-runc", "native", 0.091),
    ("wasm", "ctr-wasmtime", "jit", 0.131),
    ("wasm", "ctr-crun-wasmedge", "interpreted", 0.172),
)
RATIOS = {"ctr-runc/ctr-wasmtime": 0.695, "docker/ctr-runc": 2.84, "docker/ctr-wasmtime": 1.97}
SIZES = {
    ("native", "docker"): {"docker_images": 4_698_112, "docker_inspect": 4_698_112, "unpacked": 4_698_112},
    ("wasm", "oci"): {"content": 867_545, "ctr_ls": 361, "oci_archive": 873_472, "unpacked": 2_450_459},
}
MiB = 1 << 20


def container_facts() -> tuple[Fact, ...]:
    """Return facts of every table and sentence that only containers fill."""
    return (*_times(), *_ratios(), *_sizes(), *_memory())


def container_verdicts() -> tuple[Verdict, ...]:
    """Return a verdict on the lab's own ratio and on its percentage of memory, which is below zero here."""
    ratio = Quantity(value=RATIOS["docker/ctr-wasmtime"], unit="ratio", low=1.9, high=2.05, arm="docker/ctr-wasmtime")
    return (
        Verdict(
            id="startup_time.ratio",
            verdict="consistent",
            claimed=Quantity(value=2.0, unit="ratio"),
            measured=ratio,
            reason=Message(code="verdict.usable"),
        ),
        Verdict(
            id="memory_idle.reduction",
            verdict="unverifiable",
            claimed=None,
            measured=None,
            reason=Message(code="verdict.no-number", params={"qualifier": "N/A"}),
        ),
    )


def _fact(subject: str | None, metric: str, arm: str, unit: str, value: float, **more: object) -> Fact:
    return _of(subject, metric, arm, state="measured", value=value, unit=unit, method="m", **({"n": 1} | more))


def _of(subject: str | None, metric: str, arm: str, **more: object) -> Fact:
    prefix = f"{subject}." if subject else ""
    return Fact.model_validate(
        {"id": f"{prefix}{metric}@{arm}", "subject": subject, "metric": metric, "arm": arm} | more
    )


def _times() -> Iterator[Fact]:
    for subject, arm, mode, seconds in TIMES:
        spread = Spread(median=seconds, p5=seconds * 0.9, p95=seconds * 1.2, mad=seconds / 20, n=ROUNDS)
        more = {"mode": mode, "conditions": "warm", "spread": spread, "n": ROUNDS}
        yield _fact(subject, "startup_time", arm, "second", seconds, **more)


def _ratios() -> Iterator[Fact]:
    for arms, value in RATIOS.items():
        numerator, denominator = arms.split("/")
        params = {"numerator": numerator, "denominator": denominator, "factor": "2.0", "low": "1.9", "high": "2.1"}
        compared = Compared(
            verdict="faster",
            reason=Message(code="bench.faster", params=params),
            loop_numerator="Average: 0.258 seconds",
            loop_denominator="Average: 0.131 seconds",
            loop_ratio=value,
        )
        interval = Interval(low=value * 0.96, high=value * 1.04, level=0.95)
        yield _fact(None, "startup_time.ratio", arms, "ratio", value, interval=interval, compared=compared)


def _sizes() -> Iterator[Fact]:
    for (subject, arm), sizes in SIZES.items():
        for notion, size in sizes.items():
            yield _fact(subject, "image_size", arm, "byte", size, notion=notion)


def _memory() -> Iterator[Fact]:
    moments: tuple[tuple[Conditions, float], ...] = (("warm", 1.1), ("after-1000-requests", 5.3))
    for conditions, mebibytes in moments:
        for notion, more in (("docker_stats", 0.0), ("cgroup", 0.01), ("shim", 12.0)):
            size = round((mebibytes + more) * MiB)
            yield _fact("native", "memory_idle", "docker", "byte", size, notion=notion, conditions=conditions)
    for subject, arm, peak, shim in (("native", "docker", 4.1, 12.9), ("wasm", "ctr-wasmtime", 40.9, 57.3)):
        for notion, mebibytes in (("cgroup", peak), ("shim", shim)):
            size = round(mebibytes * MiB)
            yield _fact(subject, "memory_peak", arm, "byte", size, notion=notion, conditions="warm")
    yield _fact(None, "memory_peak.reduction", "docker/ctr-wasmtime", "percent", -897.6)
    none = Message(code="fact.no-server-but", params={"said": "Netdev not set", "instead": "memory_peak"})
    yield _of("wasm", "memory_idle", "ctr-wasmtime", state="not_run", value=None, reason=none)
