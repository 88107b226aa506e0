"""Compare what is read from a folder of reports with hand-checked readings, field by field.

Prints counts and report numbers, never a quote.  Reports lie as `DIR/<n>.md`; the truth is one JSON object per line
with `pr` and `claims`.  `right` allows 5 % for sizes and the printed precision for the rest; `close` counts the sizes
within 1.2 %, where the meaning of `MB` or `KB` was read right too.

A second table judges each report alone, as if it came with the provided files, where the truth says how its sizes
stand to the reproducible ones (`sizes_vs_reproducible`): whether a finding of severity warning or above quotes a wrong
size, and how often a consistent report gets an error, a warning of a rule about sizes, or any warning.

    PYTHONPATH=. python benchmarks/claims_truth.py --reports DIR --truth FILE.jsonl [--lab lab12-f25] [--details]
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from grader.adapters.labfile import load_lab
from grader.claims.gaps import absent_rows, empty_cells
from grader.claims.reader import read_report
from grader.judging.circumstances import with_reading
from grader.judging.compare import is_known
from grader.judging.judge import judge
from grader.model.grade import Circumstances, Finding
from grader.model.lab import Lab
from grader.model.report import Claim, ReportReading, Span
from grader.units import find_quantities

FIELDS: Mapping[str, str] = {
    "traditional_binary_bytes": "native.binary_size",
    "wasm_binary_bytes": "wasm.binary_size",
    "traditional_image_bytes": "native.image_size",
    "wasm_image_bytes": "wasm.image_size",
    "traditional_startup_s": "native.startup_time",
    "wasm_startup_s": "wasm.startup_time",
    "traditional_memory_bytes": "native.memory_idle",
    "wasm_memory": "wasm.memory_idle",
    "binary_reduction_pct": "binary_size.reduction",
    "image_reduction_pct": "image_size.reduction",
    "startup_speedup_x": "startup_time.ratio",
    "tinygo_version": "tinygo.version",
    "spin_url": "spin.url",
    "spin_local_avg_s": "spin.local_time",
    "spin_cold_avg_s": "spin.cold_time",
    "spin_warm_avg_s": "spin.warm_time",
    "spin_deploy_s": "spin.deploy_time",
}
"""Truth field -> claim id."""

SIZE_TOLERANCE = 0.05
"""Sizes are right within 5 %: a label such as `MB` has two meanings."""

CLOSE = 0.012
"""Half of the smallest step between two meanings of one label (KB: 2.4 %)."""

TRUTH_ROUNDING = 0.002
"""The hand-checked values are themselves rounded to three digits or more."""

REDACTED = "<redacted>"

OUTCOMES = ("stated", "right", "wrong", "missing", "extra", "sizes", "close")


def outcome(truth: object, claim: Claim | None) -> str | None:
    """Return how a reading relates to the truth; None where both say nothing."""
    read = claim.value if claim is not None else None
    if truth is None:
        return "extra" if read is not None else None
    if isinstance(truth, str):
        said = read if read is not None else claim.qualifier if claim is not None else None
        return "missing" if said is None else "right" if _same_text(str(said), truth) else "wrong"
    if claim is None or not isinstance(read, int | float):
        return "missing"
    assert isinstance(truth, int | float)
    if claim.unit == "byte":
        return "right" if abs(read - truth) <= SIZE_TOLERANCE * abs(truth) else "wrong"
    low, high = claim.low if claim.low is not None else read, claim.high if claim.high is not None else read
    slack = TRUTH_ROUNDING * abs(truth)
    return "right" if min(low, read) - slack <= truth <= max(high, read) + slack else "wrong"


def _same_text(said: str, truth: str) -> bool:
    """Compare without case, a remark in brackets and an address's last slash; a redacted part may be anything."""
    said, truth = (text.partition(" (")[0].strip().rstrip("/").casefold() for text in (said, truth))
    if REDACTED in truth:
        first, _, last = truth.partition(REDACTED)
        return said.startswith(first) and said.endswith(last)
    return said == truth


def compare_one(truth: Mapping[str, object], reading: ReportReading, counts: Mapping[str, Counter[str]]) -> list[str]:
    """Count one report; return what is not right in it, as `<outcome> <field>`."""
    doubts: list[str] = []
    for field, claim_id in FIELDS.items():
        value, claim = truth.get(field), reading.preferred(claim_id)
        result = outcome(value, claim)
        counts[field]["stated"] += value is not None
        if result is None:
            continue
        counts[field][result] += 1
        if result != "right":
            doubts.append(f"{result} {field}")
        elif claim is not None and claim.unit == "byte" and isinstance(value, int | float):
            assert isinstance(claim.value, int | float)
            close = abs(claim.value - value) <= CLOSE * abs(value)
            counts[field].update(sizes=1, close=int(close))
            doubts += [] if close else [f"unit {field}"]
    return doubts


CONSISTENT, NOT_SAID = "consistent", "n/a"
"""What the truth says of a report whose sizes the provided files give, and of one without sizes."""

SIZES = ("traditional_binary_bytes", "wasm_binary_bytes", "traditional_image_bytes", "wasm_image_bytes")


PROVIDED = Circumstances(sources_changed=False, known_values_apply=True)
"""The course's own files, of which the truth knows no others."""


def judge_one(truth: Mapping[str, object], reading: ReportReading, lab: Lab, counts: Counter[str]) -> list[str]:
    """Count what judging one report found; return what is not as it should be."""
    said = str(truth.get("sizes_vs_reproducible"))
    here = with_reading(PROVIDED, reading, empty_cells(lab, reading), absent_rows(lab, reading))
    findings = judge(lab, (), reading.claims, here, {}).findings
    loud = [f for f in findings if f.severity != "info"]
    sizes = {rule.id for rule in lab.rules if rule.about.endswith("_size")}
    if said == NOT_SAID:
        return []
    if said != CONSISTENT:
        claims = truth["claims"]
        assert isinstance(claims, dict)
        quoted = any(_quotes(f, wrong_sizes(claims, lab)) for f in loud)
        counts.update(other=1, other_warned=int(bool(loud)), other_quoted=int(quoted))
        return [] if quoted else ["no finding quotes a wrong size in"]
    found = {
        "error": any(f.severity == "error" for f in findings),
        "size_warning": any(f.rule in sizes for f in loud),
        "any_warning": bool(loud),
    }
    counts.update(consistent=1, **{f"consistent_{name}": int(hit) for name, hit in found.items()})
    return [f"{name} in consistent" for name, hit in found.items() if hit]


def wrong_sizes(claims: Mapping[str, object], lab: Lab) -> list[float]:
    """Return the true readings that no known value explains: as printed sizes, else as exact counts."""
    stated = [(FIELDS[name], v) for name in SIZES if isinstance(v := claims.get(name), int | float)]
    return [v for claim_id, v in stated if not _explained(claim_id, v, lab, SIZE_TOLERANCE)] or [
        v for claim_id, v in stated if not _explained(claim_id, v, lab, 0)
    ]


def _explained(claim_id: str, value: float, lab: Lab, spread: float) -> bool:
    claim = Claim(
        id=claim_id,
        value=value,
        low=value * (1 - spread),
        high=value * (1 + spread),
        unit="byte",
        quote="-",
        line=1,
        source="table",
        span=Span(start=0, end=0),
    )
    return any(is_known(claim, known) for known in lab.known_values if known.id == claim_id)


def _quotes(finding: Finding, wrong: list[float]) -> bool:
    read = [q for q in find_quantities(finding.quote) if q.dimension == "byte"]
    return any(q.low * (1 - CLOSE) <= value <= q.high * (1 + CLOSE) for q in read for value in wrong)


def main() -> int:
    """Print one line per field, the totals, what judging found and what both cost; exit 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reports", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--lab", default="lab12-f25", help="id or folder of a lab")
    parser.add_argument("--details", action="store_true", help="also name the reports behind each count")
    options = parser.parse_args()
    loaded = load_lab(options.lab)
    counts: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    details: list[str] = []
    judged: Counter[str] = Counter()
    seconds, size, reports = 0.0, 0, 0
    for line in options.truth.read_text("utf-8").splitlines():
        entry = json.loads(line)
        report = options.reports / f"{entry['pr']}.md"
        if not report.is_file():
            continue
        data = report.read_bytes()
        start = time.process_time()
        reading = read_report(data, loaded.lab, loaded.template)
        doubts = judge_one(entry, reading, loaded.lab, judged) if "sizes_vs_reproducible" in entry else []
        seconds, size, reports = seconds + time.process_time() - start, size + len(data), reports + 1
        doubts += compare_one(entry["claims"], reading, counts)
        details += [f"{doubt} {entry['pr']}" for doubt in doubts]
    _print(counts, details if options.details else [])
    _print_judged(judged)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = f"in {seconds:.2f} s of processor time, peak {peak_mib:.0f} MiB"
    print(f"{reports} reports, {size:,} bytes read and judged {cost}")
    return 0


def _print(counts: Mapping[str, Counter[str]], details: list[str]) -> None:
    print(f"{'field':<28}" + "".join(f"{name:>9}" for name in OUTCOMES))
    total: Counter[str] = Counter()
    for field, counter in counts.items():
        total += counter
        print(f"{field:<28}" + "".join(f"{counter[name]:>9}" for name in OUTCOMES))
    print(f"{'total':<28}" + "".join(f"{total[name]:>9}" for name in OUTCOMES))
    if total["stated"]:
        print(
            f"right: {total['right'] / total['stated']:.1%} of what is stated; values where none is: {total['extra']}"
        )
    if total["sizes"]:
        print(f"within {CLOSE:.1%}: {total['close'] / total['sizes']:.1%} of the sizes that are right")
    print("\n".join(sorted(details)))


def _print_judged(judged: Counter[str]) -> None:
    if not judged:
        return
    print(f"sizes that the provided files cannot give: {judged['other']} reports, ", end="")
    print(f"{judged['other_warned']} with a warning, {judged['other_quoted']} with one that quotes a wrong size")
    print(f"consistent sizes: {judged['consistent']} reports, {judged['consistent_error']} with an error, ", end="")
    print(f"{judged['consistent_size_warning']} with a warning about sizes, ", end="")
    print(f"{judged['consistent_any_warning']} with any warning")


if __name__ == "__main__":
    sys.exit(main())
