"""Reports of one kind of line each, as long as wanted: what makes a reader slow; tests and benchmarks share them."""

from __future__ import annotations

from collections.abc import Callable

TABLE = "| Metric | Traditional | WASM |\n|---|---|---|\n"
ROW = "| Startup | 1 s | 2 s |\n"


def lines(line: str) -> Callable[[int], str]:
    """Return what repeats a line up to a number of characters."""
    return lambda length: line * max(1, length // len(line))


def below(first: str, line: str) -> Callable[[int], str]:
    """Return what repeats a line below others."""
    return lambda length: first + line * (length // len(line))


def steps(mark: str, most: int) -> Callable[[int], str]:
    """Return what nests each line one deeper than the one before it, up to `most` and from the beginning again."""
    return lambda length: "".join(f"{mark * (n % most)}- x\n" for n in range(2 * length // (most * len(mark))))


BOMBS: dict[str, Callable[[int], str]] = {
    # containers
    "quotes of 1,000 levels": lines("> " * 1000 + "x\n"),
    "text below 1,000 quotes": below("> " * 1000 + "x\n", "y\n"),
    "pipes below 1,000 quotes": below("> " * 1000 + "x\n", "y|\n"),
    "code below 8 quotes": below("> " * 8 + "~~~\n", "y\n"),
    "quotes of tabs": lines(">\t" * 500 + "x\n"),
    "lists of 1,000 levels": lines("- " * 1000 + "x\n"),
    "text below 1,000 lists": below("- " * 1000 + "x\n", "y\n"),
    "text below quotes in lists": below("- > " * 500 + "x\n", "y\n"),
    "numbered lists": lines("1. " * 700 + "x\n"),
    "mixed containers": lines("> - 1. " * 150 + "x\n"),
    "steps of lists": steps("  ", 500),
    "steps of quotes": steps("> ", 500),
    "flat list": lines("- x\n"),
    "tables in list items": lines("- | a | b |\n  |---|---|\n  | 1 | 2 |\n"),
    "tables in quotes": lines("> | Metric | Traditional | WASM |\n> |---|---|---|\n> | Startup | 1 s | 2 s |\n"),
    # tables
    "rows": below(TABLE, ROW),
    "rows of another table": below("| a | b |\n|---|---|\n", "| Startup | 1 s |\n"),
    "tables": lines(TABLE + ROW + "\n"),
    "wide tables": lines(f"|{'a|' * 40}\n|{'-|' * 40}\n|{'startup 5 s|' * 40}\n\n"),
    "one cell": lambda length: f"{TABLE}| Startup | {'9' * length} s | 2 s |\n",
    "one cell of times": lambda length: f"{TABLE}| Startup | {'9 s ' * (length // 4)} | 2 s |\n",
    "one row": lambda length: f"{'|a' * (length // 4)}|\n{'|-' * (length // 4)}|\n",
    "pipes": lines("|"),
    "lines of pipes": lines("|||\n"),
    "strokes": lines("a | b | c\n"),
    "tabs": lines("a\tb\tc\n"),
    "html rows": below("<table>\n", "<tr><td>Startup</td><td>1 s</td><td>2 s</td></tr>\n"),
    "open html tables": lines("<table><tr><td>"),
    "open html cells": lines("<td"),
    # inline marks
    "brackets": lines("["),
    "lines of brackets": lines("[" * 50 + "\n"),
    "links": lines("[a](b"),
    "link definitions": lines("[a]: b\n"),
    "pictures": lines("![a](b"),
    "embeds": lines("![["),
    "html pictures": lines("<img "),
    "emphasis": lines("*a "),
    "strong emphasis": lines("**a** " * 300 + "\n"),
    "underlines": lines("_a"),
    "ticks": lines("`"),
    "backslashes": lines("\\"),
    "formulas": lines("\\text{" * 280 + "\n"),
    "angles": lines("<"),
    # blocks
    "html blocks": lines("<div>\n"),
    "html comments": lines("<!-- x -->\n\n"),
    "open html comments": lines("<!--\n"),
    "fences": lines("```\n"),
    "open fences": lines("```a\n"),
    "underlined headings": lines("a\n===\n"),
    "headings": lines("# Startup traditional\n"),
    "marks of headings": lines("#"),
    "paragraph": lines("a\n"),
    "indented code": lines("    a\n"),
    "line ends": lines("\r"),
    "spaces": lines(" "),
    "right-to-left marks": lines("\u202e\u200f"),
    "one long line": lines("a "),
    # numbers, names and commands
    "digits": lines("1"),
    "digits and points": lines("1."),
    "numbers": lines("1 " * 30 + "\n"),
    "sizes in one line": lines("Image size: 4.5 MB / "),
    "sizes": lines("Image size: 4.5 MB wasm\n"),
    "names and sizes": lines("1 MB wasm binary size " * 5 + "\n"),
    "names": lines("startup time wasm: "),
    "comparisons": lines("faster 1 MB. " * 150 + "\n"),
    "fractions": lines("x / 5 " * 330 + "\n"),
    "averages": lines("Average: 0.5 seconds\n"),
    "commands": lines("$ docker run x\nAverage: 0.5 s\n"),
    "words of commands": lines("time spin " * 200 + "\n"),
    "commands in one line": lines("docker run " * 180 + "\n"),
    "a command without end": below("$ docker run x \\\n", "a \\\n"),
    "prompts": lines("a@b" * 660 + "\n"),
    "listings": lines("-rwxr-xr-x 1 u g 4.5M Apr  9 13:24 main.wasm\n"),
    "one long listing": below("-rwxr-xr-x 1 u g 4.5M ", "Apr "),
    "objects": lines('{"moscow_time": "a", "timestamp": 1}\n'),
    "open objects": lines("{"),
    "long objects": lines("{" + "a" * 3999),
    "versions": lines("tinygo " * 200 + "\n"),
    "dates": lines("mon " * 400 + "\n"),
    "addresses": lines("https://" + "a-" * 40),
}
"""Kind -> a report of it with about so many characters."""
