"""The feedback page in a real browser: what loads, what a person sees, and whether everybody can read it."""

from __future__ import annotations

import base64
import itertools

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from grader.model.base import Language
from tests.pages.conftest import Open, Scheme

pytestmark = pytest.mark.once

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PHONE, DESKTOP = 360, 1280
LONG = "Ж" * 3000 + "<script>document.title='run'</script>" + "[" * 200


@pytest.mark.parametrize("text", ["4.5 MiB", "<img src=x onerror=\"document.title='run'\"><script>throw 1</script>"])
def test_nothing_is_fetched_nothing_runs_and_the_console_stays_empty(opened: Open, text: str) -> None:
    said: list[str] = []
    asked: list[str] = []

    def watch(tab: Page) -> None:
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))

    tab = opened(text, watch=watch)
    tab.wait_for_load_state("networkidle")
    assert said == []
    assert asked == [tab.url]
    assert tab.title() != "run"
    assert tab.evaluate("document.scripts.length") == 0


@pytest.mark.parametrize(("scheme", "width"), list(itertools.product(SCHEMES, (PHONE, DESKTOP))))
@pytest.mark.parametrize("language", ["en", "ru"])
def test_axe_finds_no_violation(opened: Open, scheme: Scheme, width: int, language: Language) -> None:
    found = Axe().run(opened(scheme=scheme, width=width, language=language, failed=True, contained=True))
    assert found.violations_count == 0, found.generate_report()


def test_axe_would_find_one(opened: Open) -> None:
    """The check above means nothing if axe does not run in a page with our policy."""
    tab = opened()
    tab.evaluate("document.documentElement.removeAttribute('lang')")
    assert Axe().run(tab).violations_count >= 1


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize("text", ["4.5 MiB", LONG])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_never_scrolls_sideways(opened: Open, width: int, text: str, language: Language) -> None:
    tab = opened(text, width=width, language=language, contained=True)
    assert tab.locator(".stack.side").count() == 2
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    outside = "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg')"
    inner = f"{outside} && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 90))"
    assert tab.evaluate(inner) == []


@pytest.mark.parametrize("width", [320, DESKTOP])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_labels_of_the_plot_neither_meet_nor_leave_it(opened: Open, width: int, language: Language) -> None:
    tab = opened(width=width, language=language, failed=True)
    boxes = tab.evaluate(
        "[...document.querySelectorAll('.plot text')].map(t => t.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.right, b.bottom])"
    )
    left, right = tab.evaluate("(f => [f.left, f.right])(document.querySelector('figure').getBoundingClientRect())")
    assert len(boxes) >= 8
    assert all(left <= box[0] and box[2] <= right for box in boxes)
    for a, b in itertools.combinations(boxes, 2):
        across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        assert across <= 0 or down <= 3, (a, b)  # lines of text may touch by their descenders


def test_what_scrolls_can_be_reached_by_keyboard_and_shows_its_focus(opened: Open) -> None:
    tab = opened(width=320)
    regions = tab.evaluate("document.querySelectorAll('[role=region][tabindex=\"0\"]').length")
    for _ in range(tab.evaluate("document.links.length")):
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.tagName") == "A"
    for _ in range(regions):
        tab.keyboard.press("Tab")
        style = tab.evaluate(
            "(s => [s.outlineStyle, parseFloat(s.outlineWidth)])(getComputedStyle(document.activeElement))"
        )
        assert style == ["solid", 3]
        assert tab.evaluate("document.activeElement.getAttribute('role')") == "region"
    assert regions >= 3


def test_the_head_leads_to_a_criterion_without_leaving_the_page(opened: Open) -> None:
    tab = opened(width=PHONE)
    link = tab.locator("nav a").first
    title = link.inner_text()
    link.click()
    reached = tab.locator("li:target")
    assert title in reached.inner_text()
    assert reached.evaluate("e => e.getBoundingClientRect().top") < 800


def test_on_a_phone_a_cell_with_code_in_it_stays_one_text(opened: Open) -> None:
    tab = opened("**4.5** `MiB` or so", width=PHONE)
    cells = tab.locator(".stack td[data-label=Claimed]")
    texts = cells.first.locator("div")
    assert texts.inner_text() == "4.5 MiB or so"
    assert texts.evaluate("e => e.getBoundingClientRect().height") < 40


def test_on_a_phone_what_was_not_said_takes_no_room(opened: Open) -> None:
    said = "[...document.querySelectorAll('.stack td')].filter(e => e.innerText.trim() === '—' && e.offsetHeight)"
    assert opened(width=PHONE).evaluate(f"{said}.map(e => e.dataset.label)") == ["Claimed"]
    assert len(opened(width=DESKTOP).evaluate(f"{said}.map(e => e.dataset.label)")) > 1


def test_on_a_phone_each_value_of_the_comparison_stands_beside_its_name(opened: Open) -> None:
    tab = opened(width=PHONE)
    name = "getComputedStyle(document.querySelector('.stack td'), '::before').content"
    assert tab.evaluate(name) == '"Claimed"'
    assert tab.evaluate("getComputedStyle(document.querySelector('.stack td')).display") == "grid"


def test_on_a_phone_the_tables_of_containers_are_read_without_scrolling(opened: Open) -> None:
    tab = opened(width=PHONE, contained=True)
    cell = tab.locator(".stack.side td[data-label='Runtime beside it'] div").first
    assert cell.inner_text() == "13.10\u00a0MiB"
    assert cell.evaluate("e => e.getBoundingClientRect().right") <= PHONE
    command = tab.locator(".stack.side tbody th").first
    assert command.inner_text() == "docker images"  # a command keeps its letters


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_no_sentence_sticks_to_the_table_above_it(opened: Open, width: int) -> None:
    gaps = "[...document.querySelectorAll('table + p, .scroll + p, figure + p')].map(p => p.getBoundingClientRect().top"
    found = opened(width=width, contained=True).evaluate(
        f"{gaps} - p.previousElementSibling.getBoundingClientRect().bottom)"
    )
    assert len(found) >= 3
    assert min(found) >= 8


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_pictures_are_not_blank_and_follow_the_colour_scheme(browser: Browser, opened: Open, width: int) -> None:
    light, dark = (
        looked_at(browser, opened(scheme=scheme, width=width).screenshot(full_page=True)) for scheme in SCHEMES
    )
    assert light[0] > 100
    assert dark[0] > 100
    assert light[1] > 200
    assert dark[1] < 80


def test_it_prints_on_white_whatever_the_scheme_and_keeps_rows_whole(opened: Open) -> None:
    tab = opened(scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert tab.evaluate("getComputedStyle(document.querySelector('tr')).breakInside") == "avoid"
    printed = tab.pdf(format="A4")
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 2


def test_without_the_style_sheet_the_page_can_still_be_read(browser: Browser, opened: Open) -> None:
    tab = opened()
    tab.evaluate("document.querySelector('style').remove()")
    assert "contradicted" in tab.inner_text("table")


def looked_at(browser: Browser, png: bytes) -> tuple[int, float]:
    """Return how many colours a picture has and how bright it is (0 to 255); the browser itself decodes it."""
    tab = browser.new_page()
    counted = tab.evaluate(
        """async source => {
            const picture = new Image();
            picture.src = source;
            await picture.decode();
            const canvas = new OffscreenCanvas(picture.width, picture.height);
            const context = canvas.getContext("2d");
            context.drawImage(picture, 0, 0);
            const data = context.getImageData(0, 0, picture.width, picture.height).data;
            const colours = new Set();
            let sum = 0;
            for (let i = 0; i < data.length; i += 4) {
                sum += data[i] + data[i + 1] + data[i + 2];
                colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
            }
            return [colours.size, sum / (data.length / 4 * 3)];
        }""",
        "data:image/png;base64," + base64.b64encode(png).decode(),
    )
    tab.close()
    return int(counted[0]), float(counted[1])
