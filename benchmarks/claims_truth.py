"""Compare what is read from a folder of reports with hand-checked readings, field by field.

Prints counts and report numbers, never a quote.  Reports lie as `DIR/<n>.md`; the truth is one JSON object per line
with `pr` and `claims`.

    python benchmarks/claims_truth.py --reports DIR --truth FILE.jsonl [--lab lab12-f25] [--details]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from grader.adapters.labfile import load_lab
from grader.claims.reader import read_report
from grader.model.report import Claim

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
}
"""Truth field -> claim id."""

SIZE_TOLERANCE = 0.05
"""Sizes are right within 5 %: a label such as `MB` has two meanings."""

TRUTH_ROUNDING = 0.002
"""The hand-checked values are themselves rounded to three digits or more."""

OUTCOMES = ("stated", "right", "wrong", "missing", "extra")


def outcome(truth: object, claim: Claim | None) -> str | None:
    """Return how a reading relates to the truth; None where both say nothing."""
    read = claim.value if claim is not None else None
    if truth is None:
        return "extra" if read is not None else None
    if isinstance(truth, str):
        said = read if read is not None else claim.qualifier if claim is not None else None
        return "missing" if said is None else "right" if str(said).casefold() == truth.casefold() else "wrong"
    if claim is None or not isinstance(read, int | float):
        return "missing"
    assert isinstance(truth, int | float)
    if claim.unit == "byte":
        return "right" if abs(read - truth) <= SIZE_TOLERANCE * abs(truth) else "wrong"
    low, high = claim.low if claim.low is not None else read, claim.high if claim.high is not None else read
    slack = TRUTH_ROUNDING * abs(truth)
    return "right" if min(low, read) - slack <= truth <= max(high, read) + slack else "wrong"


def main() -> int:
    """Print one line per field and the totals; exit 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reports", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--lab", default="lab12-f25", help="id or folder of a lab")
    parser.add_argument("--details", action="store_true", help="also name the reports behind each count")
    options = parser.parse_args()
    loaded = load_lab(options.lab)
    counts: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    details: list[str] = []
    for line in options.truth.read_text("utf-8").splitlines():
        entry = json.loads(line)
        report = options.reports / f"{entry['pr']}.md"
        if not report.is_file():
            continue
        reading = read_report(report.read_bytes(), loaded.lab, loaded.template)
        for field, claim_id in FIELDS.items():
            truth, claim = entry["claims"].get(field), reading.preferred(claim_id)
            result = outcome(truth, claim)
            counts[field]["stated"] += truth is not None
            if result is not None:
                counts[field][result] += 1
                if result != "right":
                    details.append(f"{result} {field} {entry['pr']}")
    _print(counts, details if options.details else [])
    return 0


def _print(counts: Mapping[str, Counter[str]], details: list[str]) -> None:
    print(f"{'field':<28}" + "".join(f"{name:>9}" for name in OUTCOMES))
    total: Counter[str] = Counter()
    for field, counter in counts.items():
        total += counter
        print(f"{field:<28}" + "".join(f"{counter[name]:>9}" for name in OUTCOMES))
    print(f"{'total':<28}" + "".join(f"{total[name]:>9}" for name in OUTCOMES))
    print("\n".join(sorted(details)))


if __name__ == "__main__":
    sys.exit(main())
