"""Reports generated from known facts through the variety of real ones are read back: value, unit and side.

Language, layout, units, decimal marks, precision, conventions of factors and places of the numbers vary on their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.adapters.labfile import load_lab
from grader.claims.reader import read_report
from grader.model.lab import Lab
from grader.model.report import ReportReading

MIB, KIB = 1 << 20, 1 << 10
LAB: Lab = load_lab("lab12-f25").lab
FEW = settings(max_examples=20)
"""A report takes some 10 ms, and each layout has its own test."""


@dataclass(frozen=True)
class Facts:
    """What one imagined student measured; sizes in bytes, times in seconds."""

    native_binary: int
    wasm_binary: int
    native_image: int
    wasm_image: int
    native_startup: float
    wasm_startup: float
    memory: float


FACTS = st.builds(
    Facts,
    native_binary=st.integers(3_000_000, 9_000_000),
    wasm_binary=st.integers(1_100_000, 2_900_000),
    native_image=st.integers(1_900_000, 9_000_000),
    wasm_image=st.integers(300_000, 1_040_000),
    native_startup=st.integers(50, 3000).map(lambda ms: ms / 1000),
    wasm_startup=st.integers(50, 9000).map(lambda ms: ms / 1000),
    memory=st.integers(1100, 9000).map(lambda thousandth: thousandth / 1000 * MIB),
)

Written = Callable[[float], str]


def mark(text: str, decimal: str) -> str:
    return text.replace(".", decimal)


SIZES: dict[str, Written] = {
    "MiB": lambda b: f"{b / MIB:.2f} MiB",
    "KiB": lambda b: f"{b / KIB:.1f} KiB",
    "bytes": lambda b: f"{round(b):,} bytes",
    "spaced": lambda b: f"{round(b):,} B".replace(",", " "),
    "bold": lambda b: f"**{b / MIB:.2f} MiB**",
    "code": lambda b: f"`{b / MIB:.2f}MiB`",
    "about": lambda b: f"~{b / MIB:.2f} MiB",
    "footnote": lambda b: f"{b / MIB:.2f} MiB[^1]",
    "both": lambda b: f"{b / MIB:.1f} MiB ({round(b)} bytes)",
}
TIMES: dict[str, Written] = {
    "s": lambda s: f"{s:.3f} s",
    "ms": lambda s: f"{s * 1000:.0f} ms",
    "seconds": lambda s: f"{s:.4f} seconds",
    "sec": lambda s: f"{s:.3f} sec",
    "мс": lambda s: f"{s * 1000:.0f} мс",
    "about": lambda s: f"≈ {s:.3f} s",
    "both": lambda s: f"{s:.3f} s ({s * 1000:.0f} ms)",
}
FACTORS: dict[str, Callable[[float], str]] = {
    "plain": lambda f: f"{f:.4f}x",
    "sign": lambda f: f"{f:.4f}×",
    "word": lambda f: f"{f:.2f}x faster" if f >= 1 else f"{1 / f:.2f}x slower",
    "subject": lambda f: f"WASM is {f:.2f}x faster" if f >= 1 else f"Traditional is {1 / f:.2f}x faster",
    "russian": lambda f: f"в {f:.2f} раза быстрее" if f >= 1 else f"в {1 / f:.2f} раза медленнее",
}
LABELS = {
    "en": ("Metric", "Binary Size", "Image Size", "Startup Time (CLI)", "Memory Usage"),
    "ru": ("Метрика", "Размер бинарного файла", "Размер образа", "Время запуска", "Использование памяти"),
}
SIDES = {
    "en": ("Traditional Container", "WASM Container", "Improvement", "Notes"),
    "ru": ("Традиционный контейнер", "WASM контейнер", "Разница", "Примечание"),
}


def smaller(reference: float, candidate: float, language: str) -> str:
    percent = (reference - candidate) / reference * 100
    word = ("smaller" if percent >= 0 else "larger") if language == "en" else ("меньше" if percent >= 0 else "больше")
    return f"{abs(percent):.1f}% {word}"


def rows_of(
    facts: Facts, size: Written, time: Written, factor: Callable[[float], str], language: str
) -> list[list[str]]:
    labels = LABELS[language]
    return [
        [
            labels[1],
            size(facts.native_binary),
            size(facts.wasm_binary),
            smaller(facts.native_binary, facts.wasm_binary, language),
            "`ls -l`",
        ],
        [
            labels[2],
            size(facts.native_image),
            size(facts.wasm_image),
            smaller(facts.native_image, facts.wasm_image, language),
            "",
        ],
        [
            labels[3],
            time(facts.native_startup),
            time(facts.wasm_startup),
            factor(facts.native_startup / facts.wasm_startup),
            "5 runs",
        ],
        [labels[4], f"{facts.memory / MIB:.3f} MiB", "N/A", "N/A", "`docker stats`"],
    ]


def pipes(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def tabs(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("\t".join(line) for line in (header, *rows)) + "\n"


def turned(header: list[str], rows: list[list[str]]) -> str:
    columns = [list(column) for column in zip(header, *rows, strict=True)]
    return pipes(columns[0], columns[1:3])


def split(header: list[str], rows: list[list[str]]) -> str:
    return pipes(header, rows[:2]) + "\nThen the times:\n\n" + pipes(header, rows[2:])


def repeated(header: list[str], rows: list[list[str]]) -> str:
    return pipes(header, [*rows[:2], header, *rows[2:]])


def swapped(header: list[str], rows: list[list[str]]) -> str:
    order = [2, 4, 0, 3, 1]
    return pipes([header[i] for i in order], [[row[i] for i in order] for row in rows])


def without_notes(header: list[str], rows: list[list[str]]) -> str:
    return pipes(header[:4], [row[:4] for row in rows])


def in_fence(header: list[str], rows: list[list[str]]) -> str:
    return f"```text\n{pipes(header, rows)}```\n"


def behind_open_fence(header: list[str], rows: list[list[str]]) -> str:
    return f"```bash\ndocker images\n\n{pipes(header, rows)}"


def in_list(header: list[str], rows: list[list[str]]) -> str:
    return "- The table:\n\n" + "".join(f"  {line}\n" for line in pipes(header, rows).splitlines())


def with_decoys(header: list[str], rows: list[list[str]]) -> str:
    empty = [[row[0], "TODO MB", "TODO MB", "TODO %", ""] for row in rows]
    example = [[row[0], "99 MiB", "88 MiB", "11% smaller", ""] for row in rows[:2]]
    before = f"Fill this:\n\n{pipes(header, empty)}\nFor example:\n\n{pipes(header, example)}\nMine:\n\n"
    return (
        before
        + pipes(header, rows)
        + "\n| When WASM | When Traditional |\n|---|---|\n| 5 MB of edge | 9 s of server |\n"
    )


def html(header: list[str], rows: list[list[str]]) -> str:
    def line(tag: str, cells: list[str]) -> str:
        return "  <tr>\n" + "".join(f"    <{tag}>{cell}</{tag}>\n" for cell in cells) + "  </tr>\n"

    return "<table>\n" + line("th", header) + "".join(line("td", row) for row in rows) + "</table>\n"


def terse_html(header: list[str], rows: list[list[str]]) -> str:
    lines = ("<th>".join(("", *header)), *("<td>".join(("", *row)) for row in rows))
    return "<TABLE border=1>" + "".join(f"<tr>{line}\n" for line in lines)


def aligned(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (header, *rows)
    )


def semicolons(header: list[str], rows: list[list[str]]) -> str:
    return "```csv\n" + "\n".join(";".join(line) for line in (header, *rows)) + "\n```\n"


def spread_out(header: list[str], rows: list[list[str]]) -> str:
    return pipes(header, rows).replace("\n", "\n\n")


LAYOUTS = [
    html,
    terse_html,
    aligned,
    semicolons,
    spread_out,
    pipes,
    tabs,
    split,
    repeated,
    swapped,
    without_notes,
    in_fence,
    behind_open_fence,
    in_list,
    with_decoys,
]


def read(text: str) -> ReportReading:
    return read_report(text.encode(), LAB, "")


def near(reading: ReportReading, claim_id: str, value: float, tolerance: float) -> None:
    claim = reading.preferred(claim_id)
    assert claim is not None, claim_id
    assert isinstance(claim.value, int | float), (claim_id, claim.quote)
    assert claim.value == pytest.approx(value, rel=tolerance), (claim_id, claim.quote)


def check(reading: ReportReading, facts: Facts) -> None:
    near(reading, "native.binary_size", facts.native_binary, 0.005)
    near(reading, "wasm.binary_size", facts.wasm_binary, 0.005)
    near(reading, "native.image_size", facts.native_image, 0.005)
    near(reading, "wasm.image_size", facts.wasm_image, 0.02)
    near(reading, "native.startup_time", facts.native_startup, 0.001)
    near(reading, "wasm.startup_time", facts.wasm_startup, 0.001)
    near(reading, "native.memory_idle", facts.memory, 0.001)


@pytest.mark.parametrize("layout", LAYOUTS)
@FEW
@given(
    facts=FACTS,
    size=st.sampled_from(sorted(SIZES)),
    time=st.sampled_from(sorted(TIMES)),
    factor=st.sampled_from(sorted(FACTORS)),
    language=st.sampled_from(["en", "ru"]),
    decimal=st.sampled_from([".", ","]),
    crlf=st.booleans(),
)
def test_a_table_is_read_back_in_every_layout(
    layout: Callable[[list[str], list[list[str]]], str],
    facts: Facts,
    size: str,
    time: str,
    factor: str,
    language: str,
    decimal: str,
    crlf: bool,
) -> None:
    """A comma is a decimal mark only beside a unit that leaves no doubt; there the mark is varied."""
    loose = decimal == "," and size in ("MiB", "bold", "code", "about", "footnote")
    size_text: Written = (lambda b: mark(SIZES[size](b), ",")) if loose else SIZES[size]
    rows = rows_of(facts, size_text, TIMES[time], FACTORS[factor], language)
    text = layout([LABELS[language][0], *SIDES[language]], rows)
    reading = read(text.replace("\n", "\r\n") if crlf else text)
    check(reading, facts)
    near(reading, "startup_time.ratio", facts.native_startup / facts.wasm_startup, 0.01)
    reduction = reading.preferred("binary_size.reduction")
    assert reduction is not None
    assert reduction.value == pytest.approx(
        (facts.native_binary - facts.wasm_binary) / facts.native_binary * 100, abs=0.1
    )
    memory = reading.preferred("wasm.memory_idle")
    assert memory is not None
    assert (memory.value, memory.qualifier) == (None, "N/A")
    assert reading.table is not None


@FEW
@given(facts=FACTS, size=st.sampled_from(sorted(SIZES)), time=st.sampled_from(sorted(TIMES)))
def test_a_table_with_the_sides_as_rows_is_read_back(facts: Facts, size: str, time: str) -> None:
    rows = rows_of(facts, SIZES[size], TIMES[time], FACTORS["plain"], "en")
    check(read(turned([LABELS["en"][0], *SIDES["en"]], rows)), facts)


BULLETS = """# Lab

## Task 2 — Build {native}

- **Binary Size:** {nb}
- **Image Size** from `docker image inspect`: {ni}
- Average startup time across 5 runs: {ns}
- Memory usage in server mode is {mem} of 7.6 GiB

## Task 3 — Build {wasm}

- **WASM binary size (from `ls -l main.wasm`)**: {wb}
- WASI image size: {wi}
- Average startup time is {ws}
- Memory usage: N/A, `ctr` has no such figure
"""
HEADINGS = """## Task 2: {native}

### Binary size

{nb}

### Image size
Result: {ni}

### Startup benchmark

0.51 s
0.77 s
0.61 s

Average: {ns}

### Memory usage

`{mem}`

## Task 3: {wasm}

### Binary size
{wb}
### Image size
{wi}
### Average startup time
{ws}
"""
TWO_TABLES = """### {native}

| What | Result |
|---|---|
| Binary size | {nb} |
| Image size | {ni} |
| Startup time, average of 5 | {ns} |
| Memory usage | {mem} |

### {wasm}

| What | Result |
|---|---|
| Binary size | {wb} |
| Image size | {wi} |
| Startup time, average of 5 | {ws} |
| Memory usage | N/A |
"""
RUSSIAN = """# Лабораторная

## Задание 2. Обычный контейнер

Размер бинарного файла: {nb}
Размер образа составил {ni}.
Среднее время запуска за 5 запусков: {ns}
Использование памяти: {mem}

## Задание 3. WASM

Размер бинарного файла: {wb}
Размер образа: {wi}
Среднее время запуска: {ws}
"""


@pytest.mark.parametrize("form", [BULLETS, HEADINGS, TWO_TABLES, RUSSIAN], ids=["bullets", "headings", "tables", "ru"])
@FEW
@given(
    facts=FACTS,
    size=st.sampled_from(sorted(set(SIZES) - {"footnote"})),
    time=st.sampled_from(sorted(TIMES)),
    names=st.sampled_from(
        [("Traditional Container", "WASM Container"), ("the traditional image", "main.wasm with ctr")]
    ),
)
def test_a_report_without_a_comparison_table_is_read_back(
    form: str, facts: Facts, size: str, time: str, names: tuple[str, str]
) -> None:
    texts = {
        "native": names[0],
        "wasm": names[1],
        "nb": SIZES[size](facts.native_binary),
        "wb": SIZES[size](facts.wasm_binary),
        "ni": SIZES[size](facts.native_image),
        "wi": SIZES[size](facts.wasm_image),
        "ns": TIMES[time](facts.native_startup),
        "ws": TIMES[time](facts.wasm_startup),
        "mem": f"{facts.memory / MIB:.3f} MiB",
    }
    reading = read(form.format(**texts))
    check(reading, facts)
    assert reading.table is None


def gnu(size: int) -> str:
    """Write a size as `ls -h` of GNU does: rounded up, one decimal below 10."""
    unit, letter = (MIB, "M") if size >= MIB else (KIB, "K")
    tenths = -(-size * 10 // unit)
    return f"{tenths / 10:.1f}{letter}" if tenths < 100 else f"{-(-size // unit)}{letter}"


def transcript(facts: Facts, prompt: str, fenced: bool) -> str:
    fence = "```\n" if fenced else ""
    runs = "".join(f"{facts.native_startup + d:.2f}\n" for d in (0.01, -0.01, 0.02))
    return f"""## Task 2

{fence}{prompt}ls -lh moscow-time-traditional
-rwxr-xr-x 1 user user {gnu(facts.native_binary)} Apr  8 19:07 moscow-time-traditional
{fence}
{fence}{prompt}docker image inspect moscow-time-traditional | awk '{{print $1/1024/1024 " MB"}}'
{facts.native_image / MIB:.5f} MB
{fence}
{fence}{prompt}for i in 1 2 3; do /usr/bin/time -f "%e" docker run --rm -e MODE=once moscow-time-traditional; done
{runs}Average: {facts.native_startup:.4f} seconds
{fence}
{fence}{prompt}docker stats test-traditional --no-stream
CONTAINER ID   NAME               CPU %     MEM USAGE / LIMIT    MEM %     NET I/O
17a7d6a0aafd   test-traditional   0.00%     {facts.memory / MIB:.3f}MiB / 3.824GiB   0.03%   1.76kB / 2.22kB
{fence}
## Task 3

{fence}{prompt}ls -l main.wasm
-rw-r--r-- 1 user user {facts.wasm_binary} Apr  9 07:42 main.wasm
{fence}
{fence}{prompt}sudo ctr images ls
REF                     TYPE                                        DIGEST        SIZE  FOR
moscow-time-wasm:latest application/vnd.oci.image.manifest.v1+json sha256:81d5ce {facts.wasm_image / KIB:.1f} KiB wasi
{fence}
{fence}{prompt}for i in 1 2 3; do sudo ctr run --rm moscow-time-wasm:latest w$i; done
Average: {facts.wasm_startup:.4f} seconds
{fence}
"""


@FEW
@given(facts=FACTS, prompt=st.sampled_from(["$ ", "user@host:~/labs$ ", "# ", ""]), fenced=st.booleans())
def test_pasted_output_alone_is_read_back(facts: Facts, prompt: str, fenced: bool) -> None:
    if prompt == "# " and not fenced:
        prompt = "$ "  # outside a fence `# ls` is a heading for Markdown and for a reader alike
    reading = read(transcript(facts, prompt, fenced))
    claim = reading.preferred("native.binary_size")
    assert claim is not None
    assert claim.low is not None
    assert claim.high is not None
    assert claim.low <= facts.native_binary <= claim.high, "what `ls -h` rounded up lies in the range"
    near(reading, "wasm.binary_size", facts.wasm_binary, 0)
    near(reading, "native.image_size", facts.native_image, 0.00001)
    near(reading, "wasm.image_size", facts.wasm_image, 0.001)
    near(reading, "native.startup_time", facts.native_startup, 0.0001)
    near(reading, "wasm.startup_time", facts.wasm_startup, 0.0001)
    near(reading, "native.memory_idle", facts.memory, 0.001)


MEANINGS: dict[str, Callable[[int], tuple[str, str]]] = {
    "decimal": lambda b: (
        f"{b / 1e6:.2f} MB",
        f"moscow-time-traditional   latest   b032d297d0ea   2 hours ago   {b / 1e6:.2f}MB",
    ),
    "binary": lambda b: (f"{b / MIB:.2f} MB", f"Image size: {b} bytes"),
}


@pytest.mark.parametrize("meaning", sorted(MEANINGS))
@FEW
@given(size=st.integers(3_000_000, 9_000_000))
def test_the_reports_own_output_settles_what_mb_means(meaning: str, size: int) -> None:
    cell, output = MEANINGS[meaning](size)
    header = "REPOSITORY   TAG   IMAGE ID   CREATED   SIZE\n"
    text = f"## Task 2 traditional\n\n```\n$ docker images\n{header}{output}\n```\n\n" + pipes(
        ["Metric", "Traditional", "WASM"], [["Image size", cell, "TODO"]]
    )
    claim = read(text).preferred("native.image_size")
    assert claim is not None
    assert claim.meaning == meaning
    assert claim.why == "why.own-output"
    assert claim.value == pytest.approx(size, rel=0.003)
    assert claim.low is not None
    assert claim.high is not None
    assert claim.high - claim.low == pytest.approx(10_000 if meaning == "decimal" else MIB / 100, rel=0.01)


@FEW
@given(facts=FACTS, claim_id=st.sampled_from(["native.binary_size", "wasm.image_size", "native.startup_time"]))
def test_one_changed_number_changes_exactly_that_claim(facts: Facts, claim_id: str) -> None:
    fields = {
        "native.binary_size": "native_binary",
        "wasm.image_size": "wasm_image",
        "native.startup_time": "native_startup",
    }
    header = [LABELS["en"][0], *SIDES["en"]]

    def values(of: Facts) -> dict[str, object]:
        rows = [[*row[:3], "", ""] for row in rows_of(of, SIZES["MiB"], TIMES["ms"], FACTORS["plain"], "en")]
        return {c.id: c.value for c in read(pipes(header, rows)).claims if c.preferred}

    changed = {**facts.__dict__, fields[claim_id]: getattr(facts, fields[claim_id]) * 2}
    before, after = values(facts), values(Facts(**changed))
    assert {key for key in before if before[key] != after[key]} == {claim_id}
