"""The drawing of a comparison in a real browser: nothing is fetched, nothing is cut off, everybody can read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from grader.model.base import Language
from grader.render.benchplot import bench_svg
from tests.benches import arm, bench, failed_arm, times
from tests.pages.conftest import Scheme

pytestmark = pytest.mark.once

RESULT = bench(
    [
        arm("native", times(0.05, 20)),
        arm("a module whose name is somewhat longer than the others " * 2, [*times(0.081, 19), 0.2]),
        arm("jitter", times(0.055, 20, spread=0.2)),
        failed_arm("gone"),
    ]
)
CONTRAST = """() => {
  const linear = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const parts = rgb => rgb.match(/[\\d.]+/g).map(Number).map(linear);
  const light = rgb => parts(rgb).reduce((sum, part, at) => sum + part * [.2126, .7152, .0722, 0][at], 0);
  const ground = light(getComputedStyle(document.querySelector('.card')).fill);
  return [...document.querySelectorAll('text')].map(t => {
    const ink = light(getComputedStyle(t).fill);
    return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
  });
}"""
OUTSIDE = """() => {
  const frame = document.documentElement.getBoundingClientRect();
  return [...document.querySelectorAll('text, circle, line')].map(e => e.getBoundingClientRect())
    .filter(r => r.right > frame.right + 1 || r.left < frame.left - 1 || r.bottom > frame.bottom + 1).length;
}"""

Drawn = Callable[..., Page]


@pytest.fixture
def drawn(browser: Browser, tmp_path: Path) -> Iterator[Drawn]:
    contexts: list[BrowserContext] = []

    def draw(
        scheme: Scheme = "light", language: Language = "en", watch: Callable[[Page], None] = lambda _: None
    ) -> Page:
        file = tmp_path / "plot.svg"
        file.write_bytes(bench_svg(RESULT, language))
        contexts.append(browser.new_context(color_scheme=scheme, viewport={"width": 1000, "height": 900}))
        tab = contexts[-1].new_page()
        watch(tab)
        tab.goto(file.as_uri())
        return tab

    yield draw
    for context in contexts:
        context.close()


def test_nothing_is_fetched_and_the_console_stays_empty(drawn: Drawn) -> None:
    said: list[str] = []
    asked: list[str] = []

    def watch(tab: Page) -> None:
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))

    tab = drawn(watch=watch)
    tab.wait_for_load_state("networkidle")
    assert said == []
    assert asked == [tab.url]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(drawn: Drawn, scheme: Scheme) -> None:
    contrasts = drawn(scheme).evaluate(CONTRAST)
    assert len(contrasts) > 15
    assert min(contrasts) >= 4.5


@pytest.mark.parametrize("language", ["en", "ru"])
def test_nothing_lies_outside_the_frame(drawn: Drawn, language: Language) -> None:
    assert drawn(language=language).evaluate(OUTSIDE) == 0


def test_light_and_dark_have_different_grounds(drawn: Drawn) -> None:
    ground = "getComputedStyle(document.querySelector('.card')).fill"
    assert drawn("light").evaluate(ground) != drawn("dark").evaluate(ground)
