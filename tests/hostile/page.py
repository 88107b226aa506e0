"""The page docs/hostile-corpus.md, made from the cases so that it cannot say anything else than they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.hostile.catalogue import Case, Defence, Family, Outcome, worst

INTRODUCTION = Path(__file__).with_name("introduction.md")


def page(families: Sequence[Family], defences: Mapping[str, Defence]) -> str:
    """Return the whole page."""
    count = sum(len(family.cases) for family in families)
    parts = [INTRODUCTION.read_text("utf-8").format(count=count), _defences(defences)]
    parts += [_family(family, defences) for family in families]
    return "\n".join(parts)


def _defences(defences: Mapping[str, Defence]) -> str:
    rows = ["| What holds | How | No cgroups | `--trust` | What is left there |", "|---|---|---|---|---|"]
    rows += [f"| {d.name} | {d.does} | {d.without_cgroups} | {d.trusted} | {d.left} |" for d in defences.values()]
    return "\n".join(rows) + "\n"


def _family(family: Family, defences: Mapping[str, Defence]) -> str:
    rows = [
        f"## {family.name.capitalize()}\n\n{family.about}\n",
        "| Case | What it tries | What comes of it | What holds it | No cgroups | `--trust` |",
        "|---|---|---|---|---|---|",
    ]
    rows += [_case(case, defences) for case in family.cases]
    return "\n".join(rows) + "\n"


def _case(case: Case, defences: Mapping[str, Defence]) -> str:
    held = [defences[name] for name in case.held_by]
    without, trusted = worst(tuple(d.without_cgroups for d in held)), worst(tuple(d.trusted for d in held))
    cells = (f"`{case.name}`", case.tries, came(case.expect), ", ".join(case.held_by), without, trusted)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def came(expected: Outcome) -> str:
    """Return what must come of a case in a few words: the fact that decides, else the criterion, else the exit."""
    if expected.exit:
        return "refused, exit 2" if expected.exit == 2 else "refused or read whole"
    for fact, came_of_it in reversed(list(expected.facts.items())):
        said = f"`{fact}` {came_of_it.replace(' ', ': `', 1)}{'`' if ' ' in came_of_it else ''}"
        return f"{said}, the attack seen to fail" if any("seen" in p for p in expected.prints.values()) else said
    for verdict, came_of_it in expected.verdicts.items():
        return f"`{verdict}` {came_of_it}"
    for criterion, came_of_it in expected.criteria.items():
        return f"`{criterion}` {came_of_it}"
    return "read and graded"
