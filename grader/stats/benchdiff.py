"""What changed between two comparisons of the same commands, and what cannot be told.  Pure.

A ratio is of pairs of runs that shared their moments, so two sessions of one host may be set against each other.  The
times themselves may not: identical commands have other times whenever the host has another mood.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from grader.errors import StatsError, UsageError
from grader.model.base import Message, Scalar
from grader.model.bench import Bench, BenchArm
from grader.model.benchdiff import ArmChange, ArmDiff, BenchDiff, RatioChange, RatioDiff, Shift, Side
from grader.model.host import Fingerprint
from grader.stats.estimate import quantile
from grader.stats.ratio import RatioEstimate, log_ratios, paired_ratio
from grader.stats.shift import shift_interval
from grader.stats.verdict import BAND, FEWEST_ROUNDS
from grader.units import format_factor, format_factors, format_reach

DRIFT = 2.5
"""A median of one and the same command moved up to 2.1-fold between two stretches of 10 rounds or more of one recorded
series.  A rank-sum test of the times in such stretches calls up to 100 % of them changed by over 10 %, of the ratio
of two arms in them none (benchmarks/session_changes.py)."""

SPAWN_APART = 1.5
"""From here on the start of an empty program says that the host is not as it was."""

_HOST: Mapping[str, str] = {
    "os": "bench-diff.host-os",
    "kernel": "bench-diff.host-kernel",
    "architecture": "bench-diff.host-architecture",
    "cpus": "bench-diff.host-cpus",
    "cgroup": "bench-diff.host-cgroup",
}


_CHANGES = ("faster", "slower", "fails_now", "works_now")


def compare_benches(old: Bench, new: Bench, *, across_hosts: bool = False) -> BenchDiff:
    """Return per arm and per ratio what changed.

    Args:
        across_hosts: Compare ratios although the hosts differ; times are not compared then.
    Raises: UsageError if the hosts differ and that was not asked for, or if the two did not time the same thing.
    """
    _refuse_other_things(old, new)
    hosts = tuple(_host_differences(old.host, new.host))
    if hosts and not across_hosts:
        apart = ", ".join(f"{d.params['field']} `{d.params['old']}` and `{d.params['new']}`" for d in hosts)
        raise UsageError(
            f"the two were measured on different hosts: {apart}",
            hint="measure both on one host, or set only the ratios side by side with `--across-hosts`",
        )
    before, after = {arm.name: arm for arm in old.arms}, {arm.name: arm for arm in new.arms}
    both = [name for name in after if name in before]
    drift = None if hosts else _drift(old, new)
    arms = tuple(_arm(before[name], after[name], old, new, drift) for name in both)
    ratios = tuple(_ratio(old, new, a, b) for a, b in _pairs(old, new))
    return BenchDiff(
        changed=any(change in _CHANGES for change in (*(a.change for a in arms), *(r.change for r in ratios))),
        same_host=not hosts,
        clock=new.method.clock,
        conditions=new.method.conditions,
        arms=arms,
        ratios=ratios,
        appeared=tuple(name for name in after if name not in before),
        gone=tuple(name for name in before if name not in after),
        notes=(*hosts, *_tool_differences(old.host, new.host), *_spawn_difference(old, new)),
    )


def _refuse_other_things(old: Bench, new: Bench) -> None:
    for name, one, other in (
        ("clock", old.method.clock, new.method.clock),
        ("state", old.method.conditions, new.method.conditions),
    ):
        if one != other:
            raise UsageError(
                f"the two did not time the same thing: the {name} was `{one}` and is `{other}`",
                hint="run the comparison again with the options of the older one",
            )


def _drift(old: Bench, new: Bench) -> float:
    """Return the factor by which times of one command may differ: more where empty programs start otherwise too."""
    if "noisy" in (old.noise.state, new.noise.state):
        return math.inf
    was, now = _quietest_spawn(old), _quietest_spawn(new)
    return DRIFT * max(now / was, was / now) if was is not None and now is not None else DRIFT


def _arm(old: BenchArm, new: BenchArm, before: Bench, after: Bench, drift: float | None) -> ArmDiff:
    was, now = list(_times(old, before).values()), list(_times(new, after).values())
    shift = _shift([math.log(s) for s in was], [math.log(s) for s in now]) if drift is not None else None
    change, reason = _arm_change(old, new, shift, min(len(was), len(now)), drift)
    return ArmDiff(
        name=new.name,
        old=quantile(was, 0.5) if was else None,
        new=quantile(now, 0.5) if now else None,
        shift=shift,
        change=change,
        reason=reason,
        other_command=old.argv != new.argv,
    )


def _arm_change(
    old: BenchArm, new: BenchArm, shift: Shift | None, rounds: int, drift: float | None
) -> tuple[ArmChange, Message]:
    """Return what may be said of an arm's times; `drift` is what the hosts may differ by, None if they are two."""
    if old.failure is not None and new.failure is not None:
        return "still_fails", Message(code="bench-diff.still-fails")
    if new.failure is not None:
        return "fails_now", Message(code="bench-diff.fails-now")
    if old.failure is not None:
        return "works_now", Message(code="bench-diff.works-now")
    if drift is None:
        return "not_compared", Message(code="bench-diff.arm-other-host")
    if shift is None or rounds < FEWEST_ROUNDS:
        return "not_resolved", Message(code="bench-diff.arm-too-few", params={"rounds": FEWEST_ROUNDS})
    if math.isinf(drift):
        return "not_resolved", Message(code="bench-diff.noisy")
    said: dict[str, Scalar] = {"drift": format_factor(drift, drift / 20, rounding="up")}
    if shift.low > drift:
        return "slower", Message(code="bench-diff.arm-slower", params=said | _factors(shift))
    if shift.high < 1 / drift:
        return "faster", Message(code="bench-diff.arm-faster", params=said | _factors(_inverse(shift)))
    return "not_resolved", Message(code="bench-diff.arm-drift", params=said)


def _pairs(old: Bench, new: Bench) -> Iterator[tuple[str, str]]:
    """Yield the ratios of the new session whose arms the old one has timed too."""
    timed = {arm.name for arm in old.arms if arm.n}
    for ratio in new.ratios:
        if {ratio.numerator, ratio.denominator} <= timed:
            yield ratio.numerator, ratio.denominator


def _ratio(old: Bench, new: Bench, numerator: str, denominator: str) -> RatioDiff:
    was, now = _paired(old, numerator, denominator), _paired(new, numerator, denominator)
    before, after = paired_ratio(*was), paired_ratio(*now)
    noisy = "noisy" in (old.noise.state, new.noise.state)
    shift = _shift(log_ratios(*was), log_ratios(*now))
    if before.interval is None or after.interval is None:
        shift = None
    change, reason = _ratio_change(numerator, denominator, shift, noisy=noisy)
    return RatioDiff(
        numerator=numerator,
        denominator=denominator,
        old=_side(before),
        new=_side(after),
        shift=shift,
        change=change,
        reason=reason,
    )


def _ratio_change(numerator: str, denominator: str, shift: Shift | None, *, noisy: bool) -> tuple[RatioChange, Message]:
    """Return a change only where the whole interval lies outside the band in which two arms count as equal.

    An interval that only leaves out 1 is no change yet: of identical commands it does so in one case of twenty.
    """
    names: dict[str, Scalar] = {"numerator": numerator, "denominator": denominator}
    if shift is None:
        return "not_resolved", Message(code="bench-diff.too-few", params=names)
    edge = 1 + BAND
    if 1 / edge <= shift.low and shift.high <= edge:
        percent: dict[str, Scalar] = {"percent": round(BAND * 100)}
        return "no_change", Message(code="bench-diff.no-change", params=names | percent)
    if noisy:
        return "not_resolved", Message(code="bench-diff.noisy", params=names)
    if shift.low > edge:
        return "slower", Message(code="bench-diff.slower", params=names | _factors(shift))
    if shift.high < 1 / edge:
        return "faster", Message(code="bench-diff.faster", params=names | _factors(_inverse(shift)))
    half = (shift.high - shift.low) / 2
    sides: dict[str, Scalar] = {
        "faster": format_reach(max(1.0, 1 / shift.low), half),
        "slower": format_reach(max(1.0, shift.high), half),
    }
    return "not_resolved", Message(code="bench-diff.not-resolved", params=names | sides)


def _times(arm: BenchArm, bench: Bench) -> dict[int, float]:
    """Return the times that count, on the clock of the ratios, by round; none of an arm that failed."""
    on_clock = {s.round: s.total if bench.method.clock == "total" else s.start for s in arm.samples if s.used}
    return {round_index: seconds for round_index, seconds in on_clock.items() if seconds is not None}


def _paired(bench: Bench, numerator: str, denominator: str) -> tuple[list[float], list[float]]:
    by_name = {arm.name: _times(arm, bench) for arm in bench.arms}
    above, below = by_name[numerator], by_name[denominator]
    rounds = sorted(above.keys() & below.keys())
    return [above[r] for r in rounds], [below[r] for r in rounds]


def _shift(old: list[float], new: list[float]) -> Shift | None:
    try:
        found = shift_interval(old, new)
    except StatsError:
        return None
    low, high = math.exp(found.interval.low), math.exp(found.interval.high)
    return Shift(factor=math.exp(found.value), low=low, high=high, level=found.interval.level)


def _side(estimate: RatioEstimate) -> Side:
    interval = estimate.interval
    return Side(
        value=estimate.value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=estimate.n,
    )


def _inverse(shift: Shift) -> Shift:
    return Shift(factor=1 / shift.factor, low=1 / shift.high, high=1 / shift.low, level=shift.level)


def _factors(shift: Shift) -> dict[str, Scalar]:
    return dict(zip(("factor", "low", "high"), format_factors(shift.factor, shift.low, shift.high), strict=True))


def _host_differences(old: Fingerprint, new: Fingerprint) -> Iterator[Message]:
    for field, code in _HOST.items():
        was, now = getattr(old, field), getattr(new, field)
        if was != now:
            yield Message(code=code, params={"field": field, "old": was, "new": now})


def _tool_differences(old: Fingerprint, new: Fingerprint) -> Iterator[Message]:
    """Yield the programs that are not those of before; a change of a ratio may be theirs.

    Two programs of one host may have one name: then the first digest stands for what only that side has.
    """
    for name in sorted({tool.name for tool in old.tools} & {tool.name for tool in new.tools}):
        was, now = ({t.sha256: t for t in host.tools if t.name == name} for host in (old, new))
        left, came = sorted(was.keys() - now.keys()), sorted(now.keys() - was.keys())
        if left and came:
            before, after = was[left[0]], now[came[0]]
            versions = before.version != after.version and before.version and after.version
            params: dict[str, Scalar] = {
                "tool": name,
                "old": before.version if versions else before.sha256[:12],
                "new": after.version if versions else after.sha256[:12],
            }
            yield Message(code="bench-diff.tool", params=params)


def _spawn_difference(old: Bench, new: Bench) -> Iterator[Message]:
    was, now = _quietest_spawn(old), _quietest_spawn(new)
    if was is not None and now is not None and not 1 / SPAWN_APART <= now / was <= SPAWN_APART:
        params: dict[str, Scalar] = {"old_ms": f"{was * 1e3:.2f}", "new_ms": f"{now * 1e3:.2f}"}
        yield Message(code="bench-diff.spawn", params=params)


def _quietest_spawn(bench: Bench) -> float | None:
    return min((quantile(reading.spawn_s, 0.5) for reading in bench.noise.probes), default=None)
