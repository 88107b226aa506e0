"""Quantities that text and pasted output state outside the comparison table.

A number is read only where something names it: words before it in its own line (`Image size: 4.7 MB`), or, for a line
of nothing but the number and words such as `Average` or `Result`, the nearest label, command or heading above.  Which
subject it belongs to is asked in the same order.  Every other number is left alone: prose is full of them.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace

from grader.claims.listings import Listings
from grader.claims.markdown import Document, SourceTable
from grader.claims.output import normal_line
from grader.claims.parse import LIMIT, LIMIT_FROM, Place, Reading, estimate, no_answer, plain_text
from grader.claims.scopes import LINE_LIMIT, Placed, Scope, placed_lines
from grader.claims.table import DECIMAL_NOTIONS, DOCKER_DIGITS, notions_in, stated_unit, usual_base
from grader.claims.vocabulary import SEVERAL, Name, Quantity, Vocabulary
from grader.model.lab import Lab, Metric
from grader.model.report import Claim, ClaimSource, Rejected, Span
from grader.units import Base, Printed, find_quantities, in_unit

ONE_OF_RUNS = "rejected.one-of-runs"
NO_NAME = "rejected.no-name"
NO_SUBJECT = "rejected.no-subject"
COMPARISON = "rejected.comparison"
PROSE_FROM = 160
"""Characters from which a line is a paragraph; quantities of no subject have too common names to be read there."""

MAX_NUMBERS = 30
"""Numbers of a line that are looked at; no statement has more."""

MAX_ROWS = 200
"""Rows of a table of another form that are read."""

MAX_COLUMNS = 12
"""Columns of such a table that are read."""

MAX_READINGS = 100
"""Readings kept of one id, and numbers told to have been left out."""

_GENERIC_WORDS = """
    average avg mean median result results total exact exactly precise precisely more reported measured value size
    time is was were are equals equal approximately approx about around roughly nearly from by via runs run over across
    for cli mode of the in at on and or also i e that it with using after as per shown printed output sec seconds
    length σ ls lh docker images image inspect stats ctr once real bytes byte binary mib mb kib kb
    среднее средний средняя среднем итог итого результат примерно около составляет составил составила составило равно
    равен это по за запусков запуска запусках из через точнее точно и или то есть байт
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())
"""Words that say nothing about which quantity a number is."""

_WORD = re.compile(r"[^\W\d_]+")
_COMPARES = re.compile(
    r"(?<!\w)(?:faster|slower|smaller|larger|bigger|lighter|heavier|lower|higher|vs|versus|reduction|improvement|speed-?up"
    r"|overhead|saves?|less than|more than|быстрее|медленнее|меньше|больше|легче|против|экономи\w+|ускорени\w+)(?!\w)"
    r"|\)\s*/|[×*x]\s*100\b|\(\(|\\frac|\d\s?[a-zA-Zа-яА-Я]{1,7}\s*/\s*\d[^=]*[=≈]",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.;!?](?=\s)|→")
_BRACKETS = re.compile(r"\([^()]*\)")
_OTHER = re.compile(
    r"(?<!\w)(?:limit|peak|elapsed|import(?:ed|ing)|fetched|upload(?:ed)?|download(?:ed)?|transfer\w*|cached?|compil(?:e|es|ing|ation)|build"
    r"|expected|min(?:imum)?|max(?:imum)?|saved|лимит|сборк\w+|ожидаем\w+)(?!\w)(?! environment)",
    re.IGNORECASE,
)
_AVERAGE = re.compile(r"(?<!\w)(?:average|avg|mean|средн\w+)(?!\w)", re.IGNORECASE)
_SYSTEMD = re.compile(r"\s*(?:Memory|CPU|Tasks): \S+(?: \(|$)")
_NUMBERED = re.compile(r"\W*(?:run|запуск|прогон|попытка|attempt)?\W*\d{1,3}\W*", re.IGNORECASE)
_CLOSE_BEHIND = re.compile(
    r"[^\w,;]{0,3}(?:\(|from|by|via|with|in|по|через|из|в)\W{0,3}[^\d,;]{0,60}|\s*\w+ \w+", re.IGNORECASE
)
_COMMENT = re.compile(r"^\s*(?:#+|//|>)\s(?=\s*\S)")
_NAME_BEHIND = re.compile(r"[^\d.,;:]{0,60}")
_OF = re.compile(r"\s*of (?:the |idle )?\w")
_MARKER = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)]|#|//|>)\s+")
_ALONE = re.compile(r"[\W_]*")
_PER_MIB = re.compile(r"1024\s*/\s*1024|1024\s*\*\*\s*2|1048576|/\s*1MB", re.IGNORECASE)
_PER_KIB = re.compile(r"/\s*1024\b|/\s*1KB", re.IGNORECASE)
_PER_MB = re.compile(r"/\s*1000\s*/\s*1000|/\s*1000000|/\s*1e6", re.IGNORECASE)
_SMALLEST_BYTES = 1024


@dataclass(slots=True)
class Found:
    """What the report states outside its comparison table, and what was left alone."""

    claims: list[Claim] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def statement_claims(
    document: Document,
    tables: Sequence[SourceTable],
    compared: Set[int],
    lab: Lab,
    words: Vocabulary,
    template: Set[str],
    *,
    file: str | None = None,
) -> Found:
    """Read every line and every table of which no line is in `compared`.

    Args:
        compared: Lines, from 0, of the tables that the comparison was read from.
        template: Lines of the lab's own template as `output.normal_line` writes them; they state nothing.
        file: Name of a file of output beside the report, None for the report itself.
    """
    reader = _Reader(document, lab, words, file)
    starts = {table.lines.start: table for table in tables if table.lines.start not in compared}
    in_table = compared | {n for table in starts.values() for n in table.lines}
    lines = list(placed_lines(document, words, _title(file)))
    alone = [_is_alone(placed) for placed in lines]
    for index, placed in enumerate(lines):
        if normal_line(document.lines[placed.line]) in template:
            continue
        if placed.line in starts:
            reader.read_table(starts[placed.line], placed.above)
        if placed.line not in in_table:
            reader.read_line(
                placed, alone[index] and True in (*alone[max(0, index - 1) : index], *alone[index + 1 : index + 2])
            )
    return reader.found


def _title(file: str | None) -> str:
    """Return the words of a file's name: `wasm-startup-seconds.txt` says what the number in it is."""
    return re.sub(r"[\W_]+", " ", file.rpartition("/")[2].rpartition(".")[0]) if file else ""


def _unit_of_title(title: str) -> str | None:
    found = re.search(r"\b(seconds|sec|ms|bytes|kib|mib)\b", title, re.IGNORECASE)
    return found[1] if found else None


def _is_alone(placed: Placed) -> bool:
    """True for a line of nothing but a number; beside another such line it is one of several runs."""
    if len(placed.text) > 60:
        return False
    text = _MARKER.sub("", placed.text, count=1)
    numbers = find_quantities(text, most=2)
    if len(numbers) != 1 or numbers[0].dimension not in (None, "second"):
        return False
    if numbers[0].dimension is None and not _has_decimals(text, numbers[0]):
        return False
    return bool(_ALONE.fullmatch(text[: numbers[0].start] + text[numbers[0].end :]))


@dataclass(frozen=True, slots=True)
class _Line:
    """Text of a line to be read; `in_runs` where its neighbours are numbers too, `span` where it is only a cell."""

    text: str
    placed: Placed
    source: ClaimSource
    in_runs: bool = False
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in its line; `before` is the text between the number before it and this one."""

    line: _Line
    printed: Printed
    before: str

    @property
    def so_far(self) -> str:
        return self.line.text[: self.printed.start]

    @property
    def after(self) -> str:
        return self.line.text[self.printed.end :]


@dataclass(slots=True)
class _Reader:
    document: Document
    lab: Lab
    words: Vocabulary
    file: str | None = None
    found: Found = field(default_factory=Found)
    listings: Listings = field(init=False)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listings = Listings(self.words)

    def read_line(self, placed: Placed, in_runs: bool) -> None:
        line = self.document.lines[placed.line][:LINE_LIMIT]
        rows = self.listings.read(placed.line, _COMMENT.sub("", line, count=1))
        if rows is not None:
            for claim_id, reading, notion in rows:
                self._keep(claim_id, reading, _Line(line, placed, "output"), notion)
            return
        text = _MARKER.sub("", placed.text, count=1) if not placed.is_heading else placed.text
        if placed.in_code and _SYSTEMD.match(line):
            return
        if not any(c.isdigit() for c in text):
            self._not_available(text, placed)
            return
        source: ClaimSource = "output" if placed.in_code else "text"
        self._read_text(_Line(text, placed, source, in_runs))

    def read_table(self, table: SourceTable, above: tuple[Scope, ...]) -> None:
        """Read a table of another form, by the words of its rows and columns."""
        heads = [plain_text(cell.text)[:200] for cell in table.header[:MAX_COLUMNS]]
        naming = [bool(self.words.names.find(head)) for head in heads]
        for row in table.rows[:MAX_ROWS]:
            if len(row) == 1:  # a line of text below a table belongs to it for Markdown
                placed = Placed(row[0].line - 1, plain_text(row[0].text), above, False, False)
                self._read_text(_Line(placed.text, placed, "text", span=row[0].span))
            if len(row) < 2:
                continue
            label = plain_text(row[0].text)[:200]
            names_row = bool(self.words.names.find(label))
            if _NUMBERED.fullmatch(label):
                continue  # one of several runs
            for cell, head, names_column in zip(row[1:], heads[1:], naming[1:], strict=False):
                name, other = (head, label) if names_column and not names_row else (label, head)
                scopes = (Scope(cell.line - 1, other), *above)
                placed = Placed(cell.line - 1, f"{name}: {plain_text(cell.text)}", scopes, False, False)
                if any(c.isdigit() for c in cell.text):
                    self._read_text(_Line(placed.text, placed, "text", span=cell.span), skip=len(name))
                else:
                    self._not_available(placed.text, placed)

    def _read_text(self, line: _Line, *, skip: int = 0) -> None:
        text, placed = line.text, line.placed
        compared = [m.start() for m in _COMPARES.finditer(text)]
        stops = [m.start() for m in _SENTENCE_END.finditer(text)] if compared else []
        end, last = 0, None
        previous: Printed | None = None
        quantities = find_quantities(text, most=MAX_NUMBERS)
        first = quantities[0].start if quantities else 0
        for quantity in quantities:
            if quantity.start < skip or quantity.dimension in ("percent", "ratio"):
                continue
            completed = self._completed(quantity, text, placed)
            if completed is None:
                continue
            if any(bisect(stops, place) == bisect(stops, quantity.start) for place in compared):
                self._reject(COMPARISON, placed.line)
                continue
            before = text[end : quantity.start]
            if before.rstrip().endswith("±") or _OTHER.search(before) or _in_range(text, quantity):
                last, end = None, quantity.end
                continue
            if previous is not None and LIMIT.fullmatch(before) and completed.value >= LIMIT_FROM * previous.value:
                continue
            number = _Number(line, completed, before)
            target = self._target(number, last)
            if target is not None and target.subject is None and len(text) > PROSE_FROM:
                target = None  # `a cold start in the cloud takes 5 ms` within a paragraph tells of the world
                self._reject(NO_NAME, placed.line)
            if target is not None and self._is_beyond(target, completed):
                target = None  # `16 GB RAM` is the machine's
                self._reject(NO_NAME, placed.line)
            if target is not None:
                if target is last and _AVERAGE.search(before) and not _AVERAGE.search(text[:first]):
                    self._forget(target.id, placed.line)  # the runs, written before their average
                self._state(target, number)
                previous = completed
            last, end = target, quantity.end

    def _target(self, number: _Number, last: Quantity | None) -> Quantity | None:
        """Return what a number is: named before it, the same as the number before it, or as the scopes say.

        What stands behind it names it only where no word stands before it: `4.5 MB binary size`.
        """
        before, so_far, quantity, placed = number.before, number.so_far, number.printed, number.line.placed
        named = self._named(before, quantity)
        if named is not None:
            chosen = self._of_subject(named, [before, so_far], placed.above)
            if chosen is None:
                self._reject(NO_SUBJECT, placed.line)
            return chosen
        if last is not None and _only_generic(before):
            return last if last.unit == quantity.dimension else None
        named_behind = _NAME_BEHIND.match(number.after)
        after = named_behind[0] if named_behind else ""
        behind = _OF.match(after)
        if not _only_generic(so_far) and not behind:
            self._reject(NO_NAME, placed.line)
            return None
        named = self._named(after, quantity) if behind or not _WORD.search(so_far) else None
        if named is not None:
            return self._of_subject(named, [after, so_far], placed.above)
        if behind:
            self._reject(NO_NAME, placed.line)
            return None
        if number.line.in_runs:
            self._reject(ONE_OF_RUNS, placed.line)
            return None
        return self._by_scopes(quantity, so_far, placed)

    def _named(self, text: str, quantity: Printed) -> str | None:
        """Return the name in a text that can be this quantity: one of several words first, then the last."""
        units = {q.name for q in self.words.quantities if q.unit == quantity.dimension}
        for part in (_BRACKETS.sub(" ", text), text):
            names = [n for n in self.words.names.find(part) if n.key in units]
            if names:
                return max(names, key=_weight).key
        return None

    def _of_subject(self, name: str, texts: Sequence[str], above: Sequence[Scope]) -> Quantity | None:
        """Return the quantity of that name whose subject, or words beside it, the nearest text names."""
        for quantity in (q for q in self.words.quantities if q.name == name):
            if quantity.subject is None:
                scopes = (*texts, *(scope.words for scope in above))
                about = quantity.about
                return quantity if about is None or any(about.find(text) for text in scopes) else None
        subject = self._subject(texts, above)
        return next((q for q in self.words.quantities if q.name == name and q.subject == subject), None)

    def _subject(self, texts: Sequence[str], above: Sequence[Scope]) -> str | None:
        """Return the one subject of the nearest text that names one; the numbers of headings are asked last.

        A command is not asked: what stands below it may be about something else.
        """
        words = [*texts, *(scope.words for scope in above if scope.command is None)]
        named = (self.words.subject_of(text) for text in words)
        found = next((subject for subject in named if subject is not None and subject != SEVERAL), None)
        headings = [scope.words for scope in reversed(above) if scope.is_heading]
        return found or next((s for text in headings if (s := self.words.numbered(text)) is not None), None)

    def _by_scopes(self, quantity: Printed, so_far: str, placed: Placed) -> Quantity | None:
        """Return what the nearest scope says that a number without a name is."""
        for scope in placed.above:
            if scope.command is not None:
                found = self._by_id(scope.command.id)
                if found is not None and found.unit == quantity.dimension:
                    if scope.command.once or not re.match(r"\s*(?:real|user|sys)\b", so_far):
                        return found
                    return None
                continue
            named = self._named(scope.words, quantity)
            if named is not None:
                return self._of_subject(named, [so_far], placed.above)
            if scope.is_label and not placed.in_code and not _only_generic(scope.words):
                break
        self._reject(NO_NAME, placed.line)
        return None

    def _is_beyond(self, target: Quantity, quantity: Printed) -> bool:
        """True for a size that no measurement of the metric can be."""
        metric = self.lab.metrics.get(target.name)
        ceiling = metric.ceiling if metric is not None and metric.unit == "byte" else None
        return ceiling is not None and quantity.value > ceiling

    def _only_names(self, text: str, printed: Quantity) -> bool:
        """True where a text beside a command's number only names what the command prints, or its kin: `Cold: 1.1`."""
        kin = {q.name for q in self.words.quantities if q.unit == printed.unit}
        for name in reversed(self.words.names.find(text)):
            if name.key in kin:
                text = text[: name.end - name.length] + text[name.end :]
        return _only_generic(text)

    def _by_id(self, claim_id: str) -> Quantity | None:
        return next((q for q in self.words.quantities if q.id == claim_id), None)

    def _completed(self, quantity: Printed, text: str, placed: Placed) -> Printed | None:
        """Return a number with the unit that its command or its label gives it; None if nothing does."""
        if quantity.dimension is not None:
            return quantity
        nearest = placed.above[0] if placed.above else None
        others = text[: quantity.start] + text[quantity.end :]
        if nearest is None:
            return None
        if nearest.command is not None:
            found = self._by_id(nearest.command.id)
            if found is not None and not _only_generic(others) and not self._only_names(others, found):
                return None
            unit = None if found is None else _printed_unit(found, nearest.words, quantity, text)
        else:
            if not _only_generic(others):
                return None
            unit = stated_unit(nearest.words) or (_unit_of_title(nearest.words) if nearest.line < 0 else None)
            if unit is None and nearest.is_label and placed.in_code and _has_decimals(text, quantity):
                seconds = {q.name for q in self.words.quantities if q.unit == "second"}
                named = self.words.names.find(nearest.words)
                unit = "s" if named and {n.key for n in named} <= seconds else None  # what `time` prints
        return in_unit(quantity, unit) if unit else None

    def _state(self, target: Quantity, number: _Number) -> None:
        metric, quantity = self.lab.metrics.get(target.name), number.printed
        notion = self._notion(metric, target, number)
        if notion in DECIMAL_NOTIONS and quantity.digits > DOCKER_DIGITS:
            notion = None  # Docker's columns have three digits: who names them here has divided by himself
        base: Base = "binary"
        if metric is not None and quantity.ambiguous:
            base = usual_base(metric, target.subject or "", notion, quantity)
        read = quantity
        if base == "decimal":
            again = find_quantities(number.line.text, base=base, most=MAX_NUMBERS)
            read = next((q for q in again if q.start == quantity.start and q.dimension), quantity)
        reading = Reading(read.value, read.low, read.high, read.dimension, read.written_unit)
        meaning = base if quantity.ambiguous else None
        reading = replace(reading, qualifier=estimate(number.before, number.after), meaning=meaning)
        self._keep(target.id, reading, number.line, notion)

    def _notion(self, metric: Metric | None, target: Quantity, number: _Number) -> str | None:
        """Return the tool that the words close to a number name; none where they name several."""
        if metric is None:
            return None
        behind = _CLOSE_BEHIND.match(number.after)
        ahead = re.split(r"[,;]\s", number.before)[-1]
        for text in (behind[0] if behind else "", ahead):
            named = notions_in(text, metric.notions)
            if named:
                return named[0] if len(named) == 1 else None
        above = number.line.placed.above
        command = above[0].command if above else None
        return command.notion or None if command is not None and command.id == target.id else None

    def _not_available(self, text: str, placed: Placed) -> None:
        """Read `Memory usage: N/A` as an answer."""
        label, colon, rest = text.partition(":")
        answer = no_answer(rest) if colon and len(label) <= 200 else None
        names = self.words.names.find(label) if answer else []
        if answer is None or not names or answer == "—":
            return
        found = self._of_subject(max(names, key=_weight).key, [label], placed.above)
        if found is not None:
            self._keep(found.id, Reading(None, qualifier=answer), _Line(text, placed, "text"), None)

    def _keep(self, claim_id: str, reading: Reading, line: _Line, notion: str | None) -> None:
        self.counts[claim_id] = self.counts.get(claim_id, 0) + 1
        if self.counts[claim_id] > MAX_READINGS:
            return
        claims, place = self.found.claims, self._place(line)
        restated = bool(claims) and claims[-1].id == claim_id and claims[-1].line == place.line
        index = len(claims) - 1 if restated and _restates(claims[-1], reading) else len(claims)
        # of several readings the first is preferred
        claims.insert(index, reading.claim(claim_id, place, notion=notion, preferred=False))

    def _place(self, line: _Line) -> Place:
        number = line.placed.line
        whole = self.document.lines[number][:LINE_LIMIT]
        quote = whole.strip()
        start = whole.index(quote)
        span = line.span or self.document.span(number, start, start + len(quote))
        return Place(quote, number + 1, span, "file" if self.file else line.source, file=self.file)

    def _forget(self, claim_id: str, number: int) -> None:
        claims = self.found.claims
        while claims and claims[-1].id == claim_id and claims[-1].line == number + 1:
            claims.pop()

    def _reject(self, code: str, number: int) -> None:
        rejected = self.found.rejected
        quote = self.document.lines[number][:LINE_LIMIT].strip()[:200]
        if len(rejected) < MAX_READINGS and quote and (not rejected or rejected[-1].line != number + 1):
            rejected.append(Rejected(code=code, quote=quote, line=number + 1, file=self.file))


def _restates(claim: Claim, reading: Reading) -> bool:
    """True for a number that says more exactly what the one before it in its line says: `4.5M (4698112 bytes)`."""
    if claim.low is None or claim.high is None or reading.low is None or reading.high is None or reading.qualifier:
        return False
    inside = claim.low <= reading.low and reading.high <= claim.high
    return inside and reading.high - reading.low < claim.high - claim.low


def _in_range(text: str, quantity: Printed) -> bool:
    """True for an end of a span such as `100-150 ms`: prose gives such for what was not measured."""
    return bool(
        re.search(r"\d\s?[^\W\d_]{0,3}\s?[-–—]\s?$", text[max(0, quantity.start - 16) : quantity.start])
        or re.match(r"\s?[-–—]\s?~?\d", text[quantity.end :])
    )


def _weight(name: Name) -> tuple[int, int]:
    return (name.length if name.length >= 9 else 0, name.end)


def _only_generic(text: str) -> bool:
    return len(text) <= 200 and all(word.casefold() in _GENERIC for word in _WORD.findall(text))


def _has_decimals(text: str, number: Printed) -> bool:
    """True for a number written with a decimal mark: `1.00` is a time, `1` may count anything."""
    return bool(re.search(r"[.,]\d", text[number.start : number.end]))


def _printed_unit(found: Quantity, command: str, quantity: Printed, text: str) -> str | None:
    """Return the unit of a bare number that a command printed, None if it may count anything."""
    if found.unit == "byte":
        if _PER_MIB.search(command):
            return "MiB"
        if _PER_MB.search(command):
            return None
        if _PER_KIB.search(command):
            return "KiB"
        return "B" if isinstance(quantity.value, int) and quantity.value >= _SMALLEST_BYTES else None
    if found.unit == "second" and _has_decimals(text, quantity):
        return "ms" if re.search(r"millisecond", command, re.IGNORECASE) else "s"
    return None
