"""What a lab definition must satisfy beyond the types of its fields: names that exist, texts that parse.

`check_lab` returns every mistake with the path of the field that holds it; `adapters.labfile` adds file and line.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from grader.errors import LabError
from grader.judging.expression import Reading, parse_condition, parse_formula, readings
from grader.model.arms import ARMS, ENGINE_OF_ARM
from grader.model.base import Record
from grader.model.confound import confound_of, confounded
from grader.model.lab import HttpProbe, Lab, Metric, Probe, Row, StdoutJsonProbe, ToolCommand

Path = tuple[str | int, ...]
EPHEMERAL_PORTS = range(32768, 61000)
"""Linux' default of `net.ipv4.ip_local_port_range`."""

PROBES_OF_SOURCE: Mapping[str, tuple[str, ...]] = {
    "probe": ("stdout_json", "http", "cgi"),
    "timing": ("stdout_json",),
    "memory": ("stdout_json", "http"),
    "answer": ("http",),
}
"""Kinds of probe that can give a metric of that source its facts."""

PLATFORMS: Mapping[str, str] = {"linux": "linux", "wasi": "wasi/wasm", "wasip1": "wasip1/wasm"}
"""Operating systems that an image can be for, each as a lab writes it."""

FINDING_FIELDS = frozenset({"quote", "other", "other_line"})
"""Params of a rule's finding, as `judging.rules` makes it."""


class Mistake(Record):
    """One mistake of a lab definition: the path of its field from the top, and what is wrong with it."""

    path: Path
    what: str


def check_lab(lab: Lab) -> tuple[Mistake, ...]:
    """Return every mistake that no single field shows, in the order of the checks; empty for a sound lab."""
    checks: tuple[Callable[[Lab], Iterator[Mistake]], ...] = (
        _subjects,
        _steps,
        _images,
        _probes,
        _metrics,
        _timing,
        _table,
        _known_values,
        _patterns,
        _rules,
        _handed_in,
        _rubric,
        _messages,
    )
    return tuple(mistake for check in checks for mistake in check(lab))


def claim_ids(lab: Lab) -> frozenset[str]:
    """Return every claim id that a report of this lab can hold."""
    measured = {f"{subject}.{name}" for name, metric in lab.metrics.items() for subject in metric.arms}
    derived = {row.derived.id for row in lab.table.rows if row.derived}
    return frozenset(
        measured
        | derived
        | {t.id for t in (*lab.texts, *lab.evidence)}
        | {o.id for o in lab.outputs}
        | {q.id for q in lab.statements.quantities}
    )


def unknown(what: str, found: str, allowed: Collection[str]) -> str:
    """Word an unknown name: what was found, the closest allowed ones, all allowed ones."""
    near = get_close_matches(found, sorted(allowed), n=2, cutoff=0.6)
    guess = f"; did you mean {listed(near, ' or ')}?" if near else ";"
    return f"unknown {what} `{found}`{guess} allowed: {listed(sorted(allowed)) or 'none'}"


def listed(names: Iterable[str], separator: str = ", ") -> str:
    """Join names in backticks."""
    return separator.join(f"`{name}`" for name in names)


def _known(path: Path, what: str, found: str, allowed: Collection[str]) -> Iterator[Mistake]:
    if found not in allowed:
        yield Mistake(path=path, what=unknown(what, found, allowed))


def _unique(path: Path, key: str, names: Iterable[str]) -> Iterator[Mistake]:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            yield Mistake(path=(*path, index, key), what=f"`{name}` is there twice, first as entry {seen[name] + 1}")
        seen.setdefault(name, index)


def _subject_arms(lab: Lab, path: Path, arms: Mapping[str, tuple[str, ...]]) -> Iterator[Mistake]:
    for subject, names in arms.items():
        yield from _known((*path, subject), "subject", subject, lab.subjects)
        for index, arm in enumerate(names):
            yield from _known((*path, subject, index), "arm", arm, ENGINE_OF_ARM)


def _subjects(lab: Lab) -> Iterator[Mistake]:
    for index, subject in enumerate(lab.subjects):
        if subject in lab.subjects[:index]:
            yield Mistake(path=("subjects", index), what=f"subject `{subject}` is there twice")
        if not subject.isidentifier():
            yield Mistake(
                path=("subjects", index),
                what=f"subject `{subject}` cannot be written in a formula; allowed: letters, digits and `_`",
            )


def _steps(lab: Lab) -> Iterator[Mistake]:
    for subject, step in lab.steps.items():
        yield from _known(("steps", subject), "subject", subject, lab.subjects)
        for index, source in enumerate(step.first_of):
            if source.kind != "file":
                yield from _known(("steps", subject, "first_of", index, "tool"), "tool", source.tool, lab.toolchains)
            if isinstance(source, ToolCommand) and not source.comparable and not source.compiler:
                yield Mistake(
                    path=("steps", subject, "first_of", index),
                    what="`compiler` is needed where `comparable` is false: it is shown beside the size",
                )
    for subject in lab.subjects:
        if subject not in lab.steps:
            yield Mistake(path=("steps",), what=f"subject `{subject}` has no step")


def _images(lab: Lab) -> Iterator[Mistake]:
    for subject, source in lab.images.items():
        yield from _known(("images", subject), "subject", subject, lab.subjects)
        if source.platform.partition("/")[0] not in PLATFORMS:
            yield Mistake(
                path=("images", subject, "platform"), what=unknown("platform", source.platform, (*PLATFORMS.values(),))
            )
    for name, metric in lab.metrics.items():
        for subject in metric.arms if metric.source == "image" else ():
            if subject not in lab.images:
                yield Mistake(
                    path=("metrics", name, "arms", subject), what=f"subject `{subject}` has no entry in `images`"
                )


def _probes(lab: Lab) -> Iterator[Mistake]:
    for name, probe in lab.probes.items():
        path: Path = ("probes", name)
        yield from _known((*path, "metric"), "metric", probe.metric, lab.metrics)
        yield from _subject_arms(lab, (*path, "arms"), probe.arms)
        if probe.metric in lab.metrics:
            known = lab.metrics[probe.metric].arms
            for subject, arms in probe.arms.items():
                for index, arm in enumerate(arms):
                    yield from _known(
                        (*path, "arms", subject, index), f"arm of metric `{probe.metric}`", arm, known.get(subject, ())
                    )
        if isinstance(probe, HttpProbe):
            if probe.port in EPHEMERAL_PORTS:
                first, last = EPHEMERAL_PORTS[0], EPHEMERAL_PORTS[-1]
                yield Mistake(
                    path=(*path, "port"),
                    what=f"port `{probe.port}` is an ephemeral one: a client that asks it before the server listens "
                    f"can be given it and connect to itself; allowed: any outside {first} to {last}",
                )
            for subject in probe.expect_failure:
                yield from _known((*path, "expect_failure", subject), "subject", subject, lab.subjects)
        yield from _checks(path, probe)


def _checks(path: Path, probe: Probe) -> Iterator[Mistake]:
    if isinstance(probe, StdoutJsonProbe):
        lists = [((*path, "checks"), probe.checks)]
    else:
        lists = [((*path, "get", index, "checks"), get.checks) for index, get in enumerate(probe.get)]
    for where, checks in lists:
        keys = {check.key for check in checks}
        for index, check in enumerate(checks):
            if (check.offset is None) != (check.same_instant_as is None):
                yield Mistake(path=(*where, index), what="`offset` and `same_instant_as` need each other")
            if check.same_instant_as is not None:
                yield from _known((*where, index, "same_instant_as"), "key", check.same_instant_as, keys - {check.key})


def _metrics(lab: Lab) -> Iterator[Mistake]:
    for name, metric in lab.metrics.items():
        path: Path = ("metrics", name)
        yield from _subject_arms(lab, (*path, "arms"), metric.arms)
        for subject, arms in metric.arms.items():
            if not arms:
                yield Mistake(path=(*path, "arms", subject), what="at least one arm is needed")
        if metric.probe is not None:
            yield from _known((*path, "probe"), "probe", metric.probe, lab.probes)
        elif metric.source in PROBES_OF_SOURCE:
            yield Mistake(path=path, what=f"`probe` is needed for `source: {metric.source}`")
        yield from _fitting_probe(lab, path, metric)
        if metric.floor is not None and metric.ceiling is not None and metric.floor > metric.ceiling:
            yield Mistake(
                path=(*path, "floor"), what=f"floor `{metric.floor:g}` is above the ceiling `{metric.ceiling:g}`"
            )


def _fitting_probe(lab: Lab, path: Path, metric: Metric) -> Iterator[Mistake]:
    kinds = PROBES_OF_SOURCE.get(metric.source, ())
    probe = lab.probes.get(metric.probe or "")
    if probe is not None and kinds and probe.kind not in kinds:
        yield Mistake(
            path=(*path, "probe"),
            what=f"probe `{metric.probe}` is of kind `{probe.kind}`; "
            f"allowed for `source: {metric.source}`: {listed(kinds)}",
        )


def _timing(lab: Lab) -> Iterator[Mistake]:
    timing = lab.timing
    yield from _known(("timing", "probe"), "probe", timing.probe, lab.probes)
    yield from _subject_arms(lab, ("timing", "arms"), timing.arms)
    if timing.control is not None:
        yield from _known(("timing", "control"), "arm", timing.control, ENGINE_OF_ARM)
    timed = {arm for arms in timing.arms.values() for arm in arms}
    for index, ratio in enumerate(timing.ratios):
        path: Path = ("timing", "ratios", index)
        numerator, slash, denominator = ratio.partition("/")
        if not slash:
            yield Mistake(path=path, what=f"found `{ratio}`; allowed: two timed arms as `numerator/denominator`")
            continue
        for arm in (numerator, denominator):
            yield from _known(path, "timed arm", arm, timed)
        if numerator in timed and denominator in timed and confounded(lab, ratio) and confound_of(lab, ratio) is None:
            engines = f"`{ARMS[numerator].engine}` and `{ARMS[denominator].engine}`"
            what = (
                f"`{ratio}` compares two engines, {engines}; list beside it `{numerator}/<arm>` and "
                f"`<arm>/{denominator}` with another timed arm of `{ARMS[denominator].engine}`"
            )
            yield Mistake(path=path, what=what)


def _table(lab: Lab) -> Iterator[Mistake]:
    columns, rows = lab.table.columns, lab.table.rows
    for subject in columns.subjects:
        yield from _known(("table", "columns", "subjects", subject), "subject", subject, lab.subjects)
    yield from _unique(("table", "rows"), "key", (row.key for row in rows))
    roles = {"metric": columns.metric, "derived": columns.derived, "other": columns.other}
    by_role: dict[Path, tuple[str, ...]] = {("table", "columns", role): words for role, words in roles.items()}
    by_role |= {("table", "columns", "subjects", subject): words for subject, words in columns.subjects.items()}
    yield from _words(by_role)
    yield from _words({("table", "rows", index, "labels"): row.labels for index, row in enumerate(rows)})
    for index, row in enumerate(rows):
        path: Path = ("table", "rows", index)
        if row.metric is not None:
            yield from _known((*path, "metric"), "metric", row.metric, lab.metrics)
        if row.shows is not None:
            yield from _known((*path, "shows"), "metric", row.shows, lab.metrics)
            if row.metric is not None:
                yield Mistake(path=(*path, "shows"), what="a row with a `metric` shows that one")
        if row.instead is not None:
            yield from _instead(lab, (*path, "instead"), row)
        if row.derived is None:
            continue
        if row.metric is None:
            yield Mistake(path=(*path, "derived"), what="a row needs a `metric` to have something derived from it")
        yield from _parses((*path, "derived", "formula"), row.derived.formula, _formula_of(lab))


def _instead(lab: Lab, path: Path, row: Row) -> Iterator[Mistake]:
    assert row.instead is not None  # narrowed by the caller
    if row.metric is None:
        yield Mistake(path=path, what="a row needs a `metric` to have another instead of it")
    yield from _known(path, "metric", row.instead, lab.metrics)
    own, other = lab.metrics.get(row.metric or ""), lab.metrics.get(row.instead)
    if own is not None and other is not None and own.unit != other.unit:
        what = f"metric `{row.instead}` has unit `{other.unit}`; allowed: that of the row's metric, `{own.unit}`"
        yield Mistake(path=path, what=what)


def _formula_of(lab: Lab) -> Callable[[str], object]:
    return lambda formula: parse_formula(formula, frozenset(lab.subjects))


def _words(by_owner: Mapping[Path, tuple[str, ...]]) -> Iterator[Mistake]:
    """Words are matched in lower case, and one word cannot mean two things."""
    owners: dict[str, Path] = {}
    for path, words in by_owner.items():
        for index, word in enumerate(words):
            if word != word.lower() or word != word.strip() or not word:
                yield Mistake(path=(*path, index), what=f"found `{word}`; allowed: lower case with no blank at an end")
            if word in owners:
                other = ".".join(str(part) for part in owners[word])
                yield Mistake(path=(*path, index), what=f"`{word}` is there already, under `{other}`")
            owners.setdefault(word, path)


def _parses(path: Path, source: str, parse: Callable[[str], object]) -> Iterator[Mistake]:
    try:
        parse(source)
    except LabError as error:
        yield Mistake(path=path, what=f"{error.where}: {error.what}")


def _known_values(lab: Lab) -> Iterator[Mistake]:
    claims = claim_ids(lab)
    for index, known in enumerate(lab.known_values):
        path: Path = ("known_values", index)
        yield from _known((*path, "id"), "claim", known.id, claims)
        metric = lab.metrics.get(known.id.partition(".")[2])
        if metric is not None and metric.notions:
            yield from _known((*path, "notion"), "notion", known.notion, metric.notions)
    yield from _unique(("known_artifacts",), "id", (known.id for known in lab.known_artifacts))


def _patterns(lab: Lab) -> Iterator[Mistake]:
    named = (("texts", lab.texts), ("evidence", lab.evidence))
    for key, index, text in ((key, index, text) for key, texts in named for index, text in enumerate(texts)):
        path: Path = (key, index, "pattern")
        broken = tuple(_compiles(path, text.pattern))
        yield from broken
        if not broken and "value" not in (groups := re.compile(text.pattern).groupindex):
            found = f"found groups {listed(groups)}" if groups else "found no named group"
            yield Mistake(path=path, what=f"{found}; allowed: one group `(?P<value>…)`")
    for index, output in enumerate(lab.outputs):
        yield from _known(("outputs", index, "key"), "key", output.key, output.keys)
        yield from _compiles(("outputs", index, "similar"), output.similar or "")
    yield from _statements(lab)


def _statements(lab: Lab) -> Iterator[Mistake]:
    claims, spoken = claim_ids(lab), lab.statements
    for subject in spoken.subjects:
        yield from _known(("statements", "subjects", subject), "subject", subject, lab.subjects)
    for subject, pattern in spoken.headings.items():
        yield from _known(("statements", "headings", subject), "subject", subject, lab.subjects)
        yield from _compiles(("statements", "headings", subject), pattern)
    for metric in spoken.words:
        yield from _known(("statements", "words", metric), "metric", metric, lab.metrics)
    for index, command in enumerate(spoken.commands):
        yield from _known(("statements", "commands", index, "id"), "claim", command.id, claims)
        yield from _compiles(("statements", "commands", index, "pattern"), command.pattern)
    for index, listing in enumerate(spoken.listings):
        yield from _known(("statements", "listings", index, "id"), "claim", listing.id, claims)
        yield from _compiles(("statements", "listings", index, "name"), listing.name)


def _compiles(path: Path, pattern: str) -> Iterator[Mistake]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield Mistake(path=path, what=f"is no regular expression: {error}")


def _rules(lab: Lab) -> Iterator[Mistake]:
    claims, criteria = claim_ids(lab), {c.id for c in lab.rubric}
    yield from _unique(("rules",), "id", (rule.id for rule in lab.rules))
    for index, rule in enumerate(lab.rules):
        path: Path = ("rules", index)
        yield from _known((*path, "about"), "claim", rule.about, claims)
        for position, criterion in enumerate(rule.criteria):
            yield from _known((*path, "criteria", position), "criterion", criterion, criteria)
        yield from _parses((*path, "when"), rule.when, parse_condition)
        try:
            asked = readings(parse_condition(rule.when))
        except LabError:
            continue
        for reading in asked:
            yield from _reading(lab, (*path, "when"), reading, claims)


def _reading(lab: Lab, path: Path, reading: Reading, claims: Collection[str]) -> Iterator[Mistake]:
    identifier, at, arm = reading.id.partition("@")
    where = f"column {reading.column}: "
    if reading.kind == "claim" and at:
        yield Mistake(path=path, what=f"{where}a claim's id has no arm, found `{reading.id}`")
        return
    if identifier not in claims:
        yield Mistake(path=path, what=where + unknown(reading.kind, identifier, claims))
        return
    if at:
        for name in arm.split("/"):
            if name not in ENGINE_OF_ARM:
                yield Mistake(path=path, what=where + unknown("arm", name, ENGINE_OF_ARM))


def _handed_in(lab: Lab) -> Iterator[Mistake]:
    claims = claim_ids(lab)
    for task, handed_in in lab.handed_in.items():
        for index, claim in enumerate(handed_in.claims):
            yield from _known(("handed_in", task, "claims", index), "claim", claim, claims)
        if not any(criterion.task == task for criterion in lab.rubric):
            yield Mistake(path=("handed_in", task), what=f"no criterion of the rubric belongs to task `{task}`")


def _rubric(lab: Lab) -> Iterator[Mistake]:
    claims = claim_ids(lab)
    by_id = {criterion.id: criterion for criterion in lab.rubric}
    derived = {row.derived.id for row in lab.table.rows if row.derived}
    yield from _unique(("rubric",), "id", (criterion.id for criterion in lab.rubric))
    for index, criterion in enumerate(lab.rubric):
        path: Path = ("rubric", index)
        yield from _known((*path, "task"), "task", criterion.task, lab.handed_in)
        measured = criterion.evidence == "executed" or criterion.check in ("size", "measurement")
        allowed = claims & _measured(lab) if measured else derived if criterion.check == "derived" else claims
        for position, wanted in enumerate(criterion.from_):
            yield from _known((*path, "from", position), "fact" if measured else "claim", wanted, allowed)
        if criterion.evidence == "claimed" and criterion.check != "table_complete" and not criterion.from_:
            yield Mistake(path=path, what=f"`from` must name at least one claim for `check: {criterion.check}`")
        for position, need in enumerate(criterion.needs):
            yield from _known((*path, "needs", position), "criterion", need, by_id)
        cycle = _cycle(criterion.id, {c.id: c.needs for c in lab.rubric})
        if cycle:
            yield Mistake(path=(*path, "needs"), what=f"needs itself: {' → '.join(cycle)}")


def _measured(lab: Lab) -> frozenset[str]:
    return frozenset(f"{subject}.{name}" for name, metric in lab.metrics.items() for subject in metric.arms)


def _cycle(start: str, needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return a way from `start` back to it, empty if there is none."""
    ways: list[tuple[str, ...]] = [(start, need) for need in needs[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, need) for need in needs.get(way[-1], ())]
    return ()


def _messages(lab: Lab) -> Iterator[Mistake]:
    wanted, names = {f"rule.{rule.id}" for rule in lab.rules}, _names(lab)
    if wanted and "en" not in lab.messages:
        yield Mistake(path=("messages",), what="language `en` is needed: prose in `grade.json` is English")
    for language, wordings in lab.messages.items():
        for code in sorted(wanted - set(wordings)):
            yield Mistake(path=("messages", language), what=f"`{code}` has no wording")
        for code in sorted(_to_translate(lab) - set(wordings)) if language != "en" else ():
            yield Mistake(path=("messages", language), what=f"`{code}` has no name in this language")
        for code, wording in wordings.items():
            yield from _known(("messages", language, code), "code", code, wanted | names)
            if code in wanted:
                yield from _wording(("messages", language, code), wording)


def _names(lab: Lab) -> frozenset[str]:
    """Return the codes under which a lab may name what is its own, in each language."""
    kinds: dict[str, Iterable[str]] = {
        "claim": claim_ids(lab),
        "metric": lab.metrics,
        "row": (row.key for row in lab.table.rows),
        "subject": (*lab.subjects, "derived"),
        "title": (criterion.id for criterion in lab.rubric),
    }
    return frozenset({"lab.title"} | {f"{kind}.{name}" for kind, names in kinds.items() for name in names})


def _to_translate(lab: Lab) -> frozenset[str]:
    """Return the names that are English in a page of another language unless it gives its own."""
    own = {f"title.{criterion.id}" for criterion in lab.rubric} | {f"row.{row.key}" for row in lab.table.rows}
    return frozenset({"lab.title"} | own | (_names(lab) & set(lab.messages.get("en", {}))))


def _wording(path: Path, wording: str) -> Iterator[Mistake]:
    """A wording is a format string over what a finding carries."""
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(wording) if name is not None]
    except ValueError as error:
        yield Mistake(path=path, what=f"{error}; write a literal brace twice")
        return
    for field in fields:
        yield from _known(path, "field", field, FINDING_FIELDS)
