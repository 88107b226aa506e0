"""The one expression language of lab definitions: formulas of derived cells and conditions of rules.

Grammar, loosest first; every level but the comparison groups from the left::

    expression  = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = "not" negation | comparison
    comparison  = sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum | "matches" text ]
    sum         = product { ( "+" | "-" ) product }
    product     = sign { ( "*" | "/" ) sign }
    sign        = "-" sign | primary
    primary     = number | text | name | reading | "(" expression ")"
    reading     = ( "claim" | "fact" ) "(" ( id | text ) ")" "." field
    field       = "value" | "low" | "high" | "stated" | "missing" | "approximate" | "notion" | "source"
                | "quote" | "known" | "confirmed" | "sound"
    number      = digits [ "." digits ] [ "e" [ "+" | "-" ] digits ], "_" allowed between digits
    text        = '"' characters '"' | "'" characters "'"
    id          = letters, digits, ".", "_" and "-"; one with "@" or "/" is written as text

Truth has three values, after Kleene: what is missing is unknown, an unknown comparison stays unknown, and a
rule speaks only where its condition is true.  Nothing here is ever passed to `eval`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Literal, get_args

from grader.errors import LabError

MAX_LENGTH = 2000
"""Characters of an expression; the longest one shipped has a fifth of it."""
MAX_DEPTH = 40
"""Nested levels; a person cannot read that many, and the parser's own stack stays shallow."""
MAX_OPERATORS = 200
"""A chain `a + b + …` is a tree as deep as it is long, and whoever walks it recurses that deep."""
MAX_BOXES = 256
"""Sub-boxes of `evaluate_range`: 16 × 16 for a formula over two subjects."""

MATCH_LIMIT = 2000
"""Characters of a text that `matches` searches; patterns of a lab need not be safe on longer ones."""

Field = Literal[
    "value",
    "low",
    "high",
    "stated",
    "missing",
    "approximate",
    "notion",
    "source",
    "quote",
    "known",
    "confirmed",
    "sound",
]
FIELDS: tuple[Field, ...] = get_args(Field)
Value = float | str | bool | None
"""What an expression is worth; None is unknown."""
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A literal text."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """A subject of a formula."""

    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A field of a claim or a fact; `id` may name an arm."""

    kind: Literal["claim", "fact"]
    id: str
    field: Field
    column: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`-` or `not`."""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, a comparison, `and` or `or`."""

    op: str
    left: Node
    right: Node


Node = Number | Text | Name | Reading | Unary | Binary


@dataclass(frozen=True, slots=True)
class Operand:
    """What a condition may ask of a claim or a fact; `value` None means missing.

    `low` and `high` default to the value itself.  Of a claim, each None where it cannot be told:
    `known`: a value that is measured or known explains it.
    `confirmed`: output that the report shows agrees with it.
    `sound`: what its own quote says fits together; a derived cell follows from its row.
    """

    value: float | str | None
    low: float | None = None
    high: float | None = None
    approximate: bool = False
    notion: str | None = None
    source: str | None = None
    quote: str | None = None
    known: bool | None = None
    confirmed: bool | None = None
    sound: bool | None = None


ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_BLANKS = " \t\r\n"
"""Exactly what the tokenizer skips; `str.lstrip` alone would also drop separators such as U+001F."""
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<number>[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<text>"[^"\n]*"|'[^'\n]*')
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<op><=|>=|==|!=|[-+*/()<>.])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_BARE_ID = re.compile(r"[ \t\r\n]*([a-z][a-z0-9]*(?:[._-][a-z0-9]+)*)")
_KEYWORDS = frozenset({"and", "or", "not", "claim", "fact", "matches"})

Type = Literal["number", "truth", "text", "any"]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int

    def shown(self) -> str:
        return "the end" if self.kind == "end" else f"`{self.text}`"


class _Parser:
    """Recursive descent over one expression, one token ahead.

    Each method returns a node together with its static type, so that `1 and 2` is an error of the lab and not a
    condition that is silently never true.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.depth = 0
        self.operators = 0
        self.token = self._read()

    def whole(self) -> tuple[Node, Type]:
        parsed = self._or()
        if self.token.kind != "end":
            raise self._unexpected("an operator or the end")
        return parsed

    def _unexpected(self, expected: str) -> LabError:
        return _error(self.token.column, f"expected {expected}, found {self.token.shown()}")

    def _read(self) -> _Token:
        match = _TOKEN.match(self.source, self.position)
        if match is None or match.lastgroup is None:
            start = len(self.source) - len(self.source[self.position :].lstrip(_BLANKS))
            raise _error(start + 1, f"unexpected character `{self.source[start]}`")
        self.position = match.end()
        return _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1)

    def _next(self) -> _Token:
        token, self.token = self.token, self._read()
        return token

    def _expect(self, text: str) -> None:
        if self.token.kind != "op" or self.token.text != text:
            raise self._unexpected(f"`{text}`")
        self._next()

    def _accept(self, *texts: str) -> _Token | None:
        return self._next() if self.token.kind in ("op", "word") and self.token.text in texts else None

    def _deeper(self, parse: Callable[[], tuple[Node, Type]]) -> tuple[Node, Type]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _error(self.token.column, f"nested more than {MAX_DEPTH} levels deep")
        parsed = parse()
        self.depth -= 1
        return parsed

    def _chain(self, ops: tuple[str, ...], operand: Callable[[], tuple[Node, Type]], wanted: Type) -> tuple[Node, Type]:
        """Parse `operand { op operand }`, grouped from the left; each operand must be of type `wanted`."""
        column = self.token.column
        node, kind = operand()
        while token := self._accept(*ops):
            self.operators += 1
            if self.operators > MAX_OPERATORS:
                raise _error(token.column, f"more than {MAX_OPERATORS} operators")
            _require(kind, wanted, token.text, column)
            column = self.token.column
            right, right_kind = operand()
            _require(right_kind, wanted, token.text, column)
            node, kind = Binary(token.text, node, right), wanted
        return node, kind

    def _or(self) -> tuple[Node, Type]:
        return self._deeper(lambda: self._chain(("or",), self._and, "truth"))

    def _and(self) -> tuple[Node, Type]:
        return self._chain(("and",), self._not, "truth")

    def _not(self) -> tuple[Node, Type]:
        if not self._accept("not"):
            return self._comparison()
        column = self.token.column
        node, kind = self._deeper(self._not)
        _require(kind, "truth", "not", column)
        return Unary("not", node), "truth"

    def _comparison(self) -> tuple[Node, Type]:
        column = self.token.column
        left, left_kind = self._sum()
        if self._accept("matches"):
            return self._matches(left, left_kind, column), "truth"
        token = self._accept(*COMPARISONS)
        if token is None:
            return left, left_kind
        right_column = self.token.column
        right, right_kind = self._sum()
        if "truth" in (left_kind, right_kind):
            where = column if left_kind == "truth" else right_column
            raise _error(where, f"`{token.text}` compares numbers or texts, found a condition")
        if {left_kind, right_kind} == {"number", "text"}:
            raise _error(token.column, f"`{token.text}` cannot compare a number with a text")
        if "text" in (left_kind, right_kind) and token.text not in ("==", "!="):
            raise _error(token.column, f"texts compare by `==` or `!=` only, found `{token.text}`")
        if self.token.kind == "op" and self.token.text in COMPARISONS:
            raise _error(self.token.column, "comparisons do not chain: join two of them by `and`")
        return Binary(token.text, left, right), "truth"

    def _matches(self, left: Node, kind: Type, column: int) -> Node:
        if kind not in ("text", "any"):
            raise _error(column, f"`matches` needs a text on its left, found {_TYPE_NAME[kind]}")
        token = self.token
        if token.kind != "text":
            raise self._unexpected("a regular expression in quotes after `matches`")
        self._next()
        try:
            re.compile(token.text[1:-1])
        except re.error as error:
            raise _error(token.column, f"{token.text} is no regular expression: {error}") from error
        return Binary("matches", left, Text(token.text[1:-1]))

    def _sum(self) -> tuple[Node, Type]:
        return self._chain(("+", "-"), self._product, "number")

    def _product(self) -> tuple[Node, Type]:
        return self._chain(("*", "/"), self._sign, "number")

    def _sign(self) -> tuple[Node, Type]:
        if not self._accept("-"):
            return self._primary()
        column = self.token.column
        node, kind = self._deeper(self._sign)
        _require(kind, "number", "-", column)
        return Unary("-", node), "number"

    def _primary(self) -> tuple[Node, Type]:
        token = self.token
        if token.kind == "number":
            self._next()
            value = float(token.text)
            if not math.isfinite(value):
                raise _error(token.column, f"number `{token.text}` is too large")
            return Number(value), "number"
        if token.kind == "text":
            self._next()
            return Text(token.text[1:-1]), "text"
        if token.kind == "word" and token.text in ("claim", "fact"):
            return self._reading("claim" if token.text == "claim" else "fact")
        if token.kind == "word" and token.text not in _KEYWORDS:
            self._next()
            return Name(token.text, token.column), "number"
        if self._accept("("):
            parsed = self._or()
            self._expect(")")
            return parsed
        raise self._unexpected("a number, a name, `claim(…)`, `fact(…)` or `(`")

    def _reading(self, kind: Literal["claim", "fact"]) -> tuple[Node, Type]:
        column = self._next().column
        if self.token.kind != "op" or self.token.text != "(":
            raise self._unexpected(f"`(` after `{kind}`")
        # An id holds dots and hyphens that would be tokens of their own, so it is read from the source here.
        bare = _BARE_ID.match(self.source, self.position)
        if bare:
            self.position = bare.end()
            self._next()
            identifier = bare[1]
        else:
            self._next()
            if self.token.kind != "text":
                raise self._unexpected("an id, in quotes if it has `@` or `/`")
            identifier = self._next().text[1:-1]
        self._expect(")")
        self._expect(".")
        for field in FIELDS:
            if self.token.kind == "word" and self.token.text == field:
                self._next()
                return Reading(kind, identifier, field, column), _FIELD_TYPE[field]
        raise self._unexpected("a field: " + ", ".join(f"`{f}`" for f in FIELDS))


_FIELD_TYPE: Mapping[Field, Type] = {
    "value": "any",  # a version is a text, a size a number
    "low": "number",
    "high": "number",
    "stated": "truth",
    "missing": "truth",
    "approximate": "truth",
    "notion": "text",
    "source": "text",
    "quote": "text",
    "known": "truth",
    "confirmed": "truth",
    "sound": "truth",
}
_TYPE_NAME: Mapping[Type, str] = {"number": "a number", "truth": "a condition", "text": "a text", "any": "a value"}


def _error(column: int, what: str) -> LabError:
    return LabError(what, where=f"column {column}")


def _require(found: Type, wanted: Type, op: str, column: int) -> None:
    if found != wanted and not (found == "any" and wanted == "number"):
        raise _error(column, f"`{op}` needs {_TYPE_NAME[wanted]} on both sides, found {_TYPE_NAME[found]}")


@lru_cache(maxsize=256)
def _parse(source: str) -> tuple[Node, Type]:
    if len(source) > MAX_LENGTH:
        raise _error(MAX_LENGTH + 1, f"expression of {len(source)} characters; at most {MAX_LENGTH} are allowed")
    return _Parser(source).whole()


def parse_formula(source: str, names: frozenset[str]) -> Node:
    """Parse a formula: a number worked out from `names`, with neither claims nor facts.

    Raises: LabError whose `where` is `column N` (from 1).
    """
    node, kind = _parse(source)
    if kind != "number":
        raise _error(1, f"a formula is a number, found {_TYPE_NAME[kind]}")
    for leaf in leaves(node):
        if isinstance(leaf, Reading):
            raise _error(leaf.column, f"a formula names {_listed(names)}, found `{leaf.kind}(…)`")
        if isinstance(leaf, Name) and leaf.name not in names:
            raise _error(leaf.column, f"unknown name `{leaf.name}`; allowed: {_listed(names)}")
    return node


def parse_condition(source: str) -> Node:
    """Parse a condition over claims and facts.

    Raises: LabError whose `where` is `column N` (from 1).
    """
    node, kind = _parse(source)
    if kind != "truth":
        raise _error(1, f"a condition is true or false, found {_TYPE_NAME[kind]}")
    for leaf in leaves(node):
        if isinstance(leaf, Name):
            raise _error(leaf.column, f"unknown name `{leaf.name}`; write `claim({leaf.name}).value` for a claim")
    return node


def leaves(node: Node) -> Iterator[Number | Text | Name | Reading]:
    """Yield the operands of an expression from left to right."""
    match node:
        case Unary(_, operand):
            yield from leaves(operand)
        case Binary(_, left, right):
            yield from leaves(left)
            yield from leaves(right)
        case _:
            yield node


def readings(node: Node) -> tuple[Reading, ...]:
    """Return the claims and facts that a condition asks for."""
    return tuple(leaf for leaf in leaves(node) if isinstance(leaf, Reading))


def evaluate_formula(formula: str, names: Mapping[str, float]) -> float | None:
    """Return the value of a formula, None where a name is missing, a divisor 0 or the result not finite.

    Raises: LabError if the formula does not parse.
    """
    return _number(_evaluate(parse_formula(formula, frozenset(names)), _Values(names, {}, {})))


def evaluate_condition(condition: str, claims: Mapping[str, Operand], facts: Mapping[str, Operand]) -> bool | None:
    """Return whether a condition holds, None where that is unknown; a rule speaks only where it is True.

    A claim or fact that the mapping does not hold is missing; `facts` is asked by the id as written, with or
    without an arm.  A division by zero, a result that is no finite number, and arithmetic or order on a text are
    unknown.
    Raises: LabError if the condition does not parse.
    """
    truth = _evaluate(parse_condition(condition), _Values({}, claims, facts))
    return truth if isinstance(truth, bool) else None


@dataclass(frozen=True, slots=True)
class _Values:
    names: Mapping[str, float]
    claims: Mapping[str, Operand]
    facts: Mapping[str, Operand]


def _evaluate(node: Node, values: _Values) -> Value:
    match node:
        case Number(number):
            return number
        case Text(text):
            return text
        case Name(name, _):
            return values.names.get(name)
        case Reading(kind, identifier, field, _):
            return _field(values.claims if kind == "claim" else values.facts, identifier, field)
        case Unary("not", operand):
            truth = _evaluate(operand, values)
            return None if truth is None else not truth
        case Unary(_, operand):
            inner = _number(_evaluate(operand, values))
            return None if inner is None else -inner
        case Binary(op, left, right):
            return _binary(op, _evaluate(left, values), _evaluate(right, values))


def _binary(op: str, left: Value, right: Value) -> Value:
    """Apply an operator; `and` and `or` are decided by one side where it suffices (Kleene)."""
    if op in ("and", "or"):
        decisive = op == "or"
        if left is decisive or right is decisive:
            return decisive
        return None if left is None or right is None else not decisive
    if op == "matches":
        if not isinstance(left, str) or not isinstance(right, str):
            return None
        return re.search(right, left[:MATCH_LIMIT]) is not None
    if op in COMPARISONS and isinstance(left, str) and isinstance(right, str):
        return (left == right) == (op == "==") if op in ("==", "!=") else None
    a, b = _number(left), _number(right)
    if a is None or b is None:
        return None
    return COMPARISONS[op](a, b) if op in COMPARISONS else _calculate(op, a, b)


def _calculate(op: str, a: float, b: float) -> float | None:
    if op == "/" and b == 0:
        return None
    result = ARITHMETIC[op](a, b)
    return result if math.isfinite(result) else None


def _number(value: Value) -> float | None:
    return None if value is None or isinstance(value, str | bool) else float(value)


def _field(operands: Mapping[str, Operand], identifier: str, field: Field) -> Value:
    operand = operands.get(identifier)
    missing = operand is None or operand.value is None
    if field in ("stated", "missing"):
        return missing == (field == "missing")
    if operand is None or operand.value is None:
        return None
    told: Mapping[str, Value] = {
        "approximate": operand.approximate,
        "notion": operand.notion,
        "source": operand.source,
        "quote": operand.quote,
        "known": operand.known,
        "confirmed": operand.confirmed,
        "sound": operand.sound,
    }
    if field in told:
        return told[field]
    bound = operand.low if field == "low" else operand.high if field == "high" else None
    if bound is not None:
        return bound
    if field == "value":
        return operand.value
    return operand.value if not isinstance(operand.value, str) else None


def evaluate_range(formula: str, names: Mapping[str, Range]) -> Range | None:
    """Return an interval that holds the formula's value for every choice of inputs within their ranges.

    Interval arithmetic counts a name that occurs twice, as in `(native - wasm) / native`, as if it were two, so
    its interval is too wide.  The inputs are cut into at most `MAX_BOXES` sub-boxes and the intervals united:
    still an enclosure, and with 16 pieces a side about a sixteenth as much too wide.

    Args:
        names: (low, high) of every name, low <= high.
    Returns: None if the result is unbounded, for instance where a divisor may be 0.
    Raises: LabError if the formula does not parse or uses a name that is not given.
    Source: Moore, Kearfott, Cloud, Introduction to Interval Analysis (2009), chapter 6.
    """
    node = parse_formula(formula, frozenset(names))
    used = sorted({leaf.name for leaf in leaves(node) if isinstance(leaf, Name)})
    pieces = int(MAX_BOXES ** (1 / len(used))) if used else 1
    low, high = math.inf, -math.inf
    for box in product(*(_cut(names[name], max(1, pieces)) for name in used)):
        part = _interval(node, dict(zip(used, box, strict=True)))
        if part is None:
            return None
        low, high = min(low, part[0]), max(high, part[1])
    return low, high


def _cut(whole: Range, pieces: int) -> tuple[Range, ...]:
    low, high = whole
    if low == high:
        return (whole,)
    edges = [low + (high - low) * i / pieces for i in range(pieces)] + [high]
    return tuple(pairwise(edges))


def _interval(node: Node, names: Mapping[str, Range]) -> Range | None:
    match node:
        case Number(value):
            return value, value
        case Name(name, _):
            return names[name]
        case Unary("-", operand):
            inner = _interval(operand, names)
            return None if inner is None else (-inner[1], -inner[0])
        case Binary(op, left_node, right_node) if op in ARITHMETIC:
            left, right = _interval(left_node, names), _interval(right_node, names)
            if left is None or right is None or (op == "/" and right[0] <= 0 <= right[1]):
                return None
            corners = _corners(op, left, right)
            bounds = math.nextafter(min(corners), -math.inf), math.nextafter(max(corners), math.inf)
            return bounds if all(map(math.isfinite, bounds)) else None
        case _:
            return None


def _corners(op: str, left: Range, right: Range) -> tuple[float, ...]:
    """Apply the operator to the ends that can give an extreme; the caller rounds outwards by one step."""
    if op == "+":
        return left[0] + right[0], left[1] + right[1]
    if op == "-":
        return left[0] - right[1], left[1] - right[0]
    return tuple(ARITHMETIC[op](a, b) for a in left for b in right)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
