"""The page docs/hostile-corpus.md, made from the cases so that it cannot say anything else than they do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grader.render.messages_en import EN
from tests.hostile.catalogue import Case, Defence, Family, Fate, Outcome, worst

INTRODUCTION = Path(__file__).with_name("introduction.md")


def page(families: Sequence[Family], defences: Mapping[str, Defence]) -> str:
    """Return the whole page."""
    count = sum(len(family.cases) for family in families)
    parts = [INTRODUCTION.read_text("utf-8").format(count=count), _defences(defences), _winners(families, defences)]
    parts += [_family(family, defences) for family in families]
    return "\n".join(parts)


def _defences(defences: Mapping[str, Defence]) -> str:
    rows = ["| What holds | How | No cgroups | `--trust` | What is left there |", "|---|---|---|---|---|"]
    rows += [f"| {d.name} | {d.does} | {d.without_cgroups} | {d.trusted} | {d.left} |" for d in defences.values()]
    return "\n".join(rows) + "\n"


def _winners(families: Sequence[Family], defences: Mapping[str, Defence]) -> str:
    """Name the cases that win on a lesser host, and what `grader doctor` says on it."""

    def named(of: Callable[[Defence], Fate], fate: Fate) -> str:
        found = (
            f"`{family.name}/{case.name}`"
            for family in families
            for case in family.cases
            if worst(tuple(of(defences[name]) for name in case.held_by)) == fate
        )
        return ", ".join(found) + "."

    no_cgroup, no_tool, refused = (
        _doctor(code) for code in ("sandbox.no-cgroup", "sandbox.no-tool", "sandbox.refused")
    )
    return "\n".join(
        (
            "## Which win where\n",
            f"**No cgroups.** `grader doctor` warns (`cgroups`: {no_cgroup}), and runs go on.",
            f"These win: {named(_without_cgroups, 'wins')}",
            f"These meet a weaker limit: {named(_without_cgroups, 'weaker')}\n",
            "**No user namespaces, and a plain user.**",
            f"`grader doctor` says `MISSING` (`sandbox`: {refused}), with the setting that mends it, and ends with 3;",
            f"the same where a program is missing ({no_tool}).",
            "None wins, because nothing of a submission is run: its facts are `not_run`.",
            "As root the sandbox needs no user namespace.\n",
            "**No user namespaces, and `--trust`.** `run.json` says so under `boundary`.",
            f"These win: {named(_trusted, 'wins')}",
            f"These meet a weaker limit: {named(_trusted, 'weaker')}\n",
        )
    )


def _doctor(code: str) -> str:
    """Return a message's own wording, its details left out."""
    return re.sub(r"`?\{\w+\}`?", "…", EN[code])


def _without_cgroups(defence: Defence) -> Fate:
    return defence.without_cgroups


def _trusted(defence: Defence) -> Fate:
    return defence.trusted


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
