"""The documents name every command and option, and every path they name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from grader.cli.app import app
from tests.project.conftest import ROOT

SHELL_COMPLETION = {"--install-completion", "--show-completion"}
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def options(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield each command's name with each of its long options."""
    for name, child in getattr(command, "commands", {}).items():
        yield from options(child, (*words, name))
    for parameter in getattr(command, "params", ()):
        yield from ((" ".join(words), o) for o in parameter.opts if o.startswith("--") and o not in SHELL_COMPLETION)


def commands(command: object, words: tuple[str, ...] = ()) -> Iterator[str]:
    for name, child in getattr(command, "commands", {}).items():
        yield " ".join((*words, name))
        yield from commands(child, (*words, name))


@pytest.fixture(scope="module")
def text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(app))))
def test_every_command_is_in_the_documents(command: str, text: str) -> None:
    assert re.search(rf"grader {command}\b", text)


@pytest.mark.parametrize("option", sorted({o for _, o in options(typer.main.get_command(app))}))
def test_every_option_is_in_the_documents(option: str, text: str) -> None:
    assert re.search(rf"(?<![\w-]){option}(?![\w-])", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_fence_names_its_language_and_every_command_has_its_prompt(document: Path) -> None:
    fences = re.findall(r"(?ms)^```(.*?)\n(.*?)^```$", document.read_text(encoding="utf-8"))
    assert [body for language, body in fences if not language] == []
    assert [body for language, body in fences if language == "console" and not body.startswith("$ ")] == []


def test_every_test_that_the_trust_model_names_exists() -> None:
    text = (ROOT / "docs/trust-model.md").read_text(encoding="utf-8")
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 30
    assert {name for name in named if f"def {name}(" not in tests} == set()
    files = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", text)) - files == set()
