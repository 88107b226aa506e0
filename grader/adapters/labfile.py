"""Load a lab definition from its folder; each mistake in it is told with file, line, field and what is allowed."""

from __future__ import annotations

import hashlib
import re
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from grader.adapters.shipped import shipped
from grader.errors import LabError
from grader.judging.labcheck import Mistake, check_lab, listed, unknown
from grader.model.base import Record, first_mistake
from grader.model.lab import Lab
from grader.model.selftest import SelfTest

LAB_FILE = "lab.yml"
TEMPLATE_FILE = "template.md"
SELFTEST_FILE = "selftest.yml"
JUDGED_FILES = (LAB_FILE, TEMPLATE_FILE)
"""Files of a lab folder that a grade depends on; the starter and the solution are for people."""
MAX_BYTES = 1 << 20
"""Of one lab file; the one shipped has a fiftieth of it."""
MAX_MISTAKES = 20
"""Told at once; the rest are counted."""
MAX_FOUND = 60
"""Characters of a wrong value that a message repeats."""
HINT = "`grader lab schema` prints the format, docs/lab-format.md explains it"

Loc = tuple[str | int, ...]


class LoadedLab(Record):
    """A lab definition with its identity; `directory` is on this host and never reaches an output."""

    lab: Lab
    digest: str
    directory: Path
    template: str


def labs_directory() -> Path:
    """Return where the labs that come with the package lie."""
    return shipped("labs")


def find_labs() -> tuple[Path, ...]:
    """Return the folders of the labs that come with the package, by name."""
    directory = labs_directory()
    if not directory.is_dir():
        return ()
    return tuple(sorted(folder for folder in directory.iterdir() if (folder / LAB_FILE).is_file()))


def load_lab(name_or_path: str | Path) -> LoadedLab:
    """Load and check a lab: one that comes with the package by its id, any other by its folder or `lab.yml`.

    Raises: LabError that lists every mistake found.
    """
    file = _lab_file(name_or_path)
    data = _read(file)
    text = _decode(file, data)
    lab = _validated(file, text)
    template = file.parent / TEMPLATE_FILE
    template_data = _read(template) if template.is_file() else b""
    return LoadedLab(
        lab=lab,
        digest=_digest({LAB_FILE: data, TEMPLATE_FILE: template_data}),
        directory=file.parent.resolve(),
        template=_decode(template, template_data),
    )


def load_selftest(folder: Path) -> SelfTest:
    """Load the self-test of a lab's folder.

    Raises: LabError if there is none, or one that does not fit its format.
    """
    file = folder / SELFTEST_FILE
    if not file.is_file():
        raise LabError(
            f"this lab has no `{SELFTEST_FILE}`",
            where=_shown(folder),
            hint="docs/lab-format.md shows how one is written",
        )
    document = _yaml(file, _decode(file, _read(file)))
    try:
        return SelfTest.model_validate(document)
    except ValidationError as error:
        raise LabError(first_mistake(error), where=_shown(file), hint=HINT) from error


def _lab_file(name_or_path: str | Path) -> Path:
    shipped = {folder.name: folder for folder in find_labs()}
    if isinstance(name_or_path, str) and name_or_path in shipped:
        return shipped[name_or_path] / LAB_FILE
    path = Path(name_or_path)
    if path.is_dir():
        path = path / LAB_FILE
    if path.is_file():
        return path
    if path.suffix == ".yml" or "/" in str(name_or_path):
        raise LabError("no such lab file", where=_shown(path), hint=f"give a folder with `{LAB_FILE}`, or an id")
    raise LabError(
        unknown("lab", str(name_or_path), shipped), hint=f"give one of these, or the path of a folder with `{LAB_FILE}`"
    )


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise LabError(
            f"cannot be read: {error.strerror}", where=_shown(file), hint="make it readable for you"
        ) from error
    if len(data) > MAX_BYTES:
        raise LabError(
            f"larger than {MAX_BYTES} bytes, which is the most allowed", where=_shown(file), hint="shorten it"
        )
    return data


def _decode(file: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LabError(
            f"byte `0x{data[error.start]:02x}` is not UTF-8", where=f"{_shown(file)}:{line}", hint="save it as UTF-8"
        ) from error


def _digest(files: Mapping[str, bytes]) -> str:
    """Return one sha256 over names, lengths and contents, so that no byte can move from one file to another."""
    total = hashlib.sha256()
    for name in JUDGED_FILES:
        total.update(f"{name} {len(files[name])}\n".encode())
        total.update(files[name])
    return total.hexdigest()


def _shown(path: Path) -> str:
    """Return the path as short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _validated(file: Path, text: str) -> Lab:
    """Parse and check.  Values come from the plain loader; lines are looked up only once something is wrong."""
    values = _yaml(file, text)
    if not isinstance(values, dict):
        raise LabError(
            f"found {_found(values)}; allowed: a mapping with the keys {listed(_keys(Lab))}",
            where=f"{_shown(file)}:1",
            hint=HINT,
        )
    try:
        lab = Lab.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        misspelt = {loc for d in details if d["type"] == "extra_forbidden" for loc in _meant(d)}
        mistakes: Iterable[Mistake] = _joined(
            Mistake(path=_field(d["loc"], values), what=_wording(d))
            for d in details
            if not _is_echo(d) and not (d["type"] == "missing" and d["loc"] in misspelt)
        )
    else:
        mistakes = check_lab(lab)
        if not mistakes:
            return lab
    raise _all_of(file, text, mistakes)


def _joined(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Return one mistake for a value that each kind of field refused: `found 0; allowed: at least 1, or auto`."""
    joined: dict[tuple[Loc, str], str] = {}
    for mistake in mistakes:
        found, allowed, choice = mistake.what.partition("; allowed: ")
        before = joined.get((mistake.path, found))
        joined[mistake.path, found] = mistake.what if before is None or not allowed else f"{before}, or {choice}"
    return [Mistake(path=path, what=what) for (path, _), what in joined.items()]


def _yaml(file: Path, text: str) -> object:
    # Imported here: a program that loads no lab does not pay for it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a reused anchor is allowed: the last one counts
        try:
            return YAML(typ="safe", pure=True).load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{_shown(file)}:{mark.line + 1}" if mark else _shown(file)
            column = f"column {mark.column + 1}: " if mark else ""
            problem = str(error.problem or error.context or "is no YAML").split(" with value ")[0]
            raise LabError(f"{column}{problem}", where=where, hint=HINT) from error
        except RecursionError as error:
            raise LabError("nested too deep", where=_shown(file), hint=HINT) from error
        except (YAMLError, ValueError) as error:
            raise LabError(f"is no YAML: {str(error).splitlines()[0]}", where=_shown(file), hint=HINT) from error


def _all_of(file: Path, text: str, mistakes: Iterable[Mistake]) -> LabError:
    """Return one error for all mistakes, in the order of the file."""
    root = _nodes(text)
    # What an anchor repeats is one mistake: its fields lie on one line and say the same.
    by_place: dict[tuple[int, str], Loc] = {}
    for mistake in mistakes:
        by_place.setdefault((_line(root, mistake.path), mistake.what), mistake.path)
    placed = sorted(((line, path, what) for (line, what), path in by_place.items()), key=lambda m: m[0])
    told = [(f"{_shown(file)}:{line}: {_dotted(path)}", what) for line, path, what in placed[:MAX_MISTAKES]]
    where, first = told[0]
    lines = [first, *(f"{where}: {what}" for where, what in told[1:])]
    if len(placed) > MAX_MISTAKES:
        lines.append(f"and {len(placed) - MAX_MISTAKES} more mistakes")
    return LabError("\n".join(lines), where=where, hint=HINT)


def _nodes(text: str) -> Any:
    from ruamel.yaml import YAML

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return YAML(typ="safe", pure=True).compose(text)


def _line(root: Any, path: Loc) -> int:
    """Return the line (from 1) of a field, or of the nearest thing around it that the file holds."""
    node, line = root, root.start_mark.line
    for part in path:
        if node.id == "mapping":
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif node.id == "sequence" and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1


def _dotted(path: Loc) -> str:
    """Write a path as `rubric[3].points`, entries counted from 0 as in the file's own order."""
    written = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return written.removeprefix(".")


def _field(loc: Loc, values: object) -> Loc:
    """Drop the names of union members from pydantic's path: the file does not hold them."""
    path: list[str | int] = []
    node = values
    for index, part in enumerate(loc):
        if isinstance(node, dict):
            if part not in node and index < len(loc) - 1:
                continue
            node = node.get(part)
        elif isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _meant(detail: Any) -> Iterator[Loc]:
    """Yield the places of keys that an unknown key may be a slip for; they are not missing besides."""
    around, key = detail["loc"][:-1], str(detail["loc"][-1])
    for near in get_close_matches(key, tuple(_keys_at(around))):
        yield (*around, near)


def _is_echo(detail: Any) -> bool:
    """True for a list called too short only because its wrong entries, told by themselves, do not count."""
    return bool(detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"])


_TYPES = {
    "string": "a text",
    "float": "a number",
    "int": "a whole number",
    "bool": "`true` or `false`",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _wording(detail: Any) -> str:
    """Turn one of pydantic's errors into what was found and what is allowed."""
    kind, context, given = str(detail["type"]), detail.get("ctx", {}), detail.get("input")
    found = f"found {_found(given)}"
    if kind == "missing":
        return "is needed and missing"
    if kind == "extra_forbidden":
        return unknown("key", str(detail["loc"][-1]), tuple(_keys_at(detail["loc"][:-1])))
    if kind == "literal_error":
        return f"{found}; allowed: {_quoted(context['expected'])}"
    if kind == "union_tag_invalid":
        return f"`kind`: found `{context['tag']}`; allowed: {_quoted(context['expected_tags'])}"
    if kind == "union_tag_not_found":
        return f"`kind` is needed and missing; allowed: {listed(sorted(_tags_at(detail['loc'])))}"
    if kind == "string_pattern_mismatch":
        return f"{found}; allowed: {_PATTERNS.get(context['pattern'], 'what matches `' + context['pattern'] + '`')}"
    if kind == "too_short":
        return f"needs at least {context['min_length']}, found {context['actual_length']}"
    if kind == "value_error":
        return str(context["error"])
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{found}; allowed: {words} {context[key]:g}"
    expected = _TYPES.get(re.sub(r"_(type|parsing|from_float)$", "", kind))
    if expected is None:
        return f"{found}: {detail['msg']}"
    # YAML reads an unquoted 1.21 as a number, which would lose the zero of 1.20.
    advice = "; put it in quotes" if expected == "a text" and isinstance(given, int | float) else ""
    return f"{found}; allowed: {expected}{advice}"


_PATTERNS = {
    r"^[a-z][a-z0-9]*([._-][a-z0-9]+)*$": "lower-case letters and digits, joined by `.`, `_` or `-`",
    r"^[0-9a-f]{64}$": "64 lower-case hex digits of a sha256",
    r"^[+-]\d\d:\d\d$": "an offset such as `+03:00`",
}


def _quoted(expected: str) -> str:
    """Turn pydantic's `'a', 'b' or 'c'` into our own list."""
    return listed(re.findall(r"'([^']*)'", expected))


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    return f"`{text[:MAX_FOUND]}…`" if len(text) > MAX_FOUND else f"`{text}`"


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def _keys_at(loc: Loc) -> Iterator[str]:
    """Yield the keys that a mapping at pydantic's path may have."""
    for candidate in _unwrapped(_type_at(loc)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            yield from _keys(candidate)


def _tags_at(loc: Loc) -> Iterator[str]:
    for member in _unwrapped(_type_at(loc)):
        yield _tag(member)


def _tag(member: Any) -> str:
    fields = getattr(member, "model_fields", {})
    return str(fields["kind"].default) if "kind" in fields else ""


def _type_at(loc: Loc) -> Any:
    """Walk the types of `Lab` along pydantic's path, where a union member is named by its `kind`."""
    current: Any = Lab
    for part in loc:
        current = _inside(_unwrapped(current), part)
    return current


def _inside(candidates: tuple[Any, ...], part: str | int) -> Any:
    for candidate in candidates:
        if get_origin(candidate) is tuple and isinstance(part, int):
            return get_args(candidate)[0]
        if get_origin(candidate) is dict:
            return get_args(candidate)[1]
        if _tag(candidate) == part and len(candidates) > 1:
            return candidate
        for name, field in getattr(candidate, "model_fields", {}).items():
            if part in (name, field.alias):
                return field.annotation
    return None


def _unwrapped(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself, without `Annotated` and None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(one for arg in get_args(annotation) if arg is not type(None) for one in _unwrapped(arg))
    return (annotation,)
