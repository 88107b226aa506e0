"""Compare what is read from a folder of reports with hand-checked readings, field by field.

Prints counts and report numbers, never a quote.  Reports lie as `DIR/<n>.md`; the truth is one JSON object per line
with `pr` and `claims`.  `right` allows 5 % for sizes and the printed precision for the rest; `close` counts the sizes
within 1.2 %, where the meaning of `MB` or `KB` was read right too.

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
from grader.claims.reader import read_report
from grader.model.report import Claim, ReportReading

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


def main() -> int:
    """Print one line per field, the totals and what reading cost; exit 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reports", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--lab", default="lab12-f25", help="id or folder of a lab")
    parser.add_argument("--details", action="store_true", help="also name the reports behind each count")
    options = parser.parse_args()
    loaded = load_lab(options.lab)
    counts: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    details: list[str] = []
    seconds, size, reports = 0.0, 0, 0
    for line in options.truth.read_text("utf-8").splitlines():
        entry = json.loads(line)
        report = options.reports / f"{entry['pr']}.md"
        if not report.is_file():
            continue
        data = report.read_bytes()
        start = time.process_time()
        reading = read_report(data, loaded.lab, loaded.template)
        seconds, size, reports = seconds + time.process_time() - start, size + len(data), reports + 1
        details += [f"{doubt} {entry['pr']}" for doubt in compare_one(entry["claims"], reading, counts)]
    _print(counts, details if options.details else [])
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{reports} reports, {size:,} bytes read in {seconds:.2f} s of processor time, peak {peak_mib:.0f} MiB")
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


if __name__ == "__main__":
    sys.exit(main())
