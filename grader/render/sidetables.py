"""What containers add to the numbers: every size of an image, and memory by arm; each with what it means.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.model.arms import in_container
from grader.model.base import Language, Record
from grader.model.grade import Fact
from grader.model.lab import HttpProbe, Lab
from grader.model.selection import BESIDE, arms_of, facts_for, notions_of
from grader.render.catalogue import phrase
from grader.render.cells import notion_in_cell, other_compiler, quantity_text
from grader.render.comparison import NOTHING, first_upper
from grader.render.labels import arm_name, name_of

LATER = "after-1000-requests"


class SideTable(Record):
    """A small table with a title and what it means; texts may hold a stranger's words."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def side_tables(lab: Lab, facts: Sequence[Fact], language: Language = "en") -> tuple[SideTable, ...]:
    """Return the tables that only containers fill; none where there were none."""
    found = (_image_sizes(lab, facts, language), _memory(lab, facts, language))
    return tuple(one for one in found if one is not None)


def _image_sizes(lab: Lab, facts: Sequence[Fact], language: Language) -> SideTable | None:
    metric = next((name for name, one in lab.metrics.items() if one.source == "image"), None)
    if metric is None:
        return None
    by_place = {
        (f.notion, subject): f
        for subject in lab.subjects
        for f in facts_for(lab, f"{subject}.{metric}", facts)
        if f.state == "measured"
    }
    notions = [n for n in notions_of(lab, metric, facts) if any((n, s) in by_place for s in lab.subjects)]
    rows = [
        (
            notion_in_cell(notion, language),
            *(_size(lab, by_place.get((notion, subject)), language) for subject in lab.subjects),
        )
        for notion in notions
    ]
    if not rows:
        return None
    heads = [phrase("note.size", language)]
    heads += [first_upper(name_of("subject", subject, language=language)) for subject in lab.subjects]
    notes = [phrase("note.image-sizes", language)]
    if _is_index_alone(by_place):
        notes.append(phrase("note.index-alone", language))
    title = phrase("note.image-sizes-title", language)
    return SideTable(title=title, heads=tuple(heads), rows=tuple(rows), notes=tuple(notes))


def _is_index_alone(sizes: dict[tuple[str | None, str], Fact]) -> bool:
    """Return whether `ctr images ls` counts less than there is: no manifest in an index was of its platform."""
    for (notion, subject), listed in sizes.items():
        content = sizes.get(("content", subject))
        if notion == "ctr_ls" and content is not None and _number(listed) < _number(content):
            return True
    return False


def _number(fact: Fact) -> float:
    return float(fact.value) if isinstance(fact.value, int | float) else 0.0


def _size(lab: Lab, fact: Fact | None, language: Language) -> str:
    if fact is None:
        return NOTHING
    text = quantity_text(fact.quantity(), language=language)
    return text if fact.comparable else f"{text}, {other_compiler(lab, fact, language)}"


def _memory(lab: Lab, facts: Sequence[Fact], language: Language) -> SideTable | None:
    idle, peak = _memory_metrics(lab)
    arms = [arm for arm in _arms_in_order(lab, (idle, peak)) if _has_memory(facts, arm)]
    if not any(in_container(arm) for arm in arms):
        return None
    rows = []
    for arm in arms:
        mine = [f for f in facts if f.arm == arm and f.state == "measured"]
        at_rest = [f for f in mine if f.metric == idle and f.conditions != LATER]
        later = [f for f in mine if f.metric == idle and f.conditions == LATER]
        once = [f for f in mine if f.metric == peak]
        beside = [f for f in (*at_rest, *once) if f.notion == BESIDE]
        cells = (_readings(lab, found, language) for found in (at_rest, later, once))
        rows.append((arm_name(arm, language=language), *cells, _bytes(beside[0], language) if beside else NOTHING))
    codes = ("page.arm", "note.memory-idle", "note.memory-later", "note.memory-peak", "note.memory-beside")
    return SideTable(
        title=phrase("note.memory-title", language),
        heads=tuple(phrase(code, language) for code in codes),
        rows=tuple(rows),
        notes=(phrase("note.memory", language),),
    )


def _memory_metrics(lab: Lab) -> tuple[str, str]:
    """Return the metric of a server at rest and that of one run; empty where a lab has none."""
    of_servers, of_runs = "", ""
    for name, metric in lab.metrics.items():
        if metric.source == "memory":
            if isinstance(lab.probes.get(metric.probe or ""), HttpProbe):
                of_servers = of_servers or name
            else:
                of_runs = of_runs or name
    return of_servers, of_runs


def _arms_in_order(lab: Lab, metrics: Sequence[str]) -> Iterator[str]:
    named = [a for s in lab.subjects for m in metrics for a in (*arms_of(lab, f"{s}.{m}"), *lab.timing.arms.get(s, ()))]
    yield from dict.fromkeys([*named, *([lab.timing.control] if lab.timing.control is not None else [])])


def _has_memory(facts: Sequence[Fact], arm: str) -> bool:
    return any(f.arm == arm and f.state == "measured" and f.metric.startswith("memory") for f in facts)


def _readings(lab: Lab, found: Sequence[Fact], language: Language) -> str:
    """Return the readings of one moment, each by its notion, the lab's first one first."""
    order = notions_of(lab, found[0].metric, found) if found else ()
    texts = [
        f"{_bytes(fact, language)} ({notion_in_cell(fact.notion, language)})"
        for notion in order
        for fact in found
        if fact.notion == notion
    ]
    return "; ".join(texts) or NOTHING


def _bytes(fact: Fact, language: Language) -> str:
    return quantity_text(fact.quantity(), count=False, language=language)
