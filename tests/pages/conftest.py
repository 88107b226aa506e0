"""A real browser, and the pages that it looks at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from grader.model.base import Language
from tests.render.pages import page

Open = Callable[..., Page]
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs: browser: no chromium on PATH")
    with sync_playwright() as driver:
        # Root gets no sandbox from chromium; the pages are ours, and may fetch nothing.
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a feedback page as a file, as a student does."""
    contexts: list[BrowserContext] = []

    def open_page(
        text: str = "4.5 MiB",
        *,
        width: int = 1280,
        scheme: Scheme = "light",
        language: Language = "en",
        failed: bool = False,
        contained: bool = False,
        watch: Callable[[Page], None] = lambda page: None,
    ) -> Page:
        file = tmp_path / f"feedback-{len(contexts)}.html"
        file.write_text(page(text, language, failed=failed, contained=contained), encoding="utf-8")
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        contexts.append(context)
        tab = context.new_page()
        watch(tab)
        tab.goto(file.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
