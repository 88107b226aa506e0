"""`doctor` before the environment exists: what is missing and the command that mends it; always exit 3 then."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader import __version__
from grader.bootstrap import survey
from grader.bootstrap.checks import NEEDS, Check, Line, table, told
from grader.errors import UsageError

SCHEMA = "grader/doctor/1"
DEFAULT_PURPOSE = "grade"
DEFAULT_LAB = "lab12-f25"


def main(root: Path, arguments: Sequence[str]) -> int:
    """Print the answer; returns the exit code."""
    options = _parse([a for a in arguments if a != "doctor"])
    _refuse_unknown_lab(root, options.lab)
    needs = NEEDS[options.purpose]
    places = {"GRADER_CACHE": options.cache, "GRADER_LOCK": options.lock}
    checks = survey.bare(root, {**os.environ, **{name: value for name, value in places.items() if value}})
    gap = any(check.state == "missing" and check.id in needs for check in checks)
    if options.json:
        answer = {
            "schema": SCHEMA,
            "grader": __version__,
            "for": options.purpose,
            "lab": options.lab,
            "ready": not gap,
            "checks": [as_json(check, needed=check.id in needs) for check in checks],
        }
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        lines = [Line(c.id, c.state, c.text(), c.remedy, c.id in needs, c.prevents) for c in checks]
        print(table(lines, options.purpose), end="")
    return 3 if gap else 0


def as_json(check: Check, *, needed: bool) -> Mapping[str, object]:
    """Return a check as the full `doctor` prints it."""
    message = {"code": check.code, "params": dict(check.params), "text": check.text()}
    about = told(check.id, check.params, check.text(), check.prevents)
    return {
        "id": check.id,
        "state": check.state,
        "message": message,
        "remedy": check.remedy,
        "needed": needed,
        **about,
    }


def _refuse_unknown_lab(root: Path, lab: str) -> None:
    """Raises: UsageError.  What is in a lab's file can be checked only once a YAML reader is there."""
    if (root / "labs" / lab / "lab.yml").is_file() or (Path(lab) / "lab.yml").is_file() or Path(lab).is_file():
        return
    known = ", ".join(f"`{path.parent.name}`" for path in sorted(root.glob("labs/*/lab.yml")))
    raise UsageError(f"no such lab: `{lab}`", hint=f"one of {known}, or the path of a lab's folder")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # argparse exits here, with a text of its own
        raise UsageError(message, where="doctor", hint="see `grader doctor --help`")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="grader doctor", add_help=False, allow_abbrev=False)
    parser.add_argument("--for", dest="purpose", choices=sorted(NEEDS), default=DEFAULT_PURPOSE)
    parser.add_argument("--lab", default=os.environ.get("GRADER_LAB") or DEFAULT_LAB)
    parser.add_argument("--cache")
    parser.add_argument("--lock")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)
