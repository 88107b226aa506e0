"""What reading a hostile report costs: seconds of processor time per MB, by kind of report, the dearest first.

usage: python benchmarks/report_cost.py [--bytes N] [--kind WORDS]

Goal: at most 5 s per MB for any kind, whatever its size: try 100,000 and 1,000,000 bytes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from grader.adapters.labfile import load_lab  # noqa: E402
from grader.claims.reader import read_report  # noqa: E402
from tests.claims.bombs import BOMBS  # noqa: E402


def main() -> int:
    """Print one line per kind; exit 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=200_000, help="about so long is each report (default: 200,000)")
    parser.add_argument("--kind", default="", help="only kinds with these words in their name")
    parser.add_argument("--lab", default="lab12-f25", help="id or folder of a lab")
    asked = parser.parse_args()
    loaded = load_lab(asked.lab)
    read_report(b"first", loaded.lab, loaded.template)  # whatever is made once
    costs: list[tuple[float, int, str]] = []
    for kind, written in BOMBS.items():
        if asked.kind not in kind:
            continue
        data = written(asked.bytes).encode()
        start = time.process_time()
        read_report(data, loaded.lab, loaded.template, max_bytes=len(data))
        costs.append(((time.process_time() - start) / len(data) * 1e6, len(data), kind))
    for cost, size, kind in sorted(costs, reverse=True):
        print(f"{cost:6.2f} s/MB {size:>10,} bytes  {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
