"""The pages in a real browser, on a desk and on a phone: every flow, with scripts and without, and what axe finds."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is missing: pip install 'fashion_hash[test]'"
)
if CHROMIUM is None:
    pytest.skip("no chromium: `make chromium` installs it by apt", allow_module_level=True)
from axe_playwright_python.sync_playwright import Axe  # noqa: E402

from tests.worlds.picture_world import picture  # noqa: E402

WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}
PAGES = (
    "/",
    "/?user=user-0",
    "/?user=user-0&like=outfit-000012&is.season=summer",
    "/?user=user-0&sum.price=1",
    "/?user=nobody",
    "/canvas?user=user-0&s.top=top-003&lock.top=1&do=fill",
    "/canvas?do=empty",
    "/search",
    "/search?q=a+red+linen+shirt&user=user-0",
    "/item?type=top&id=top-004&user=user-0",
    "/item?type=top&id=nothing",
    "/nothing",
    "/model",
)

Open = Callable[..., Any]


def widths(ordinary: str) -> list[Any]:
    """Every width; only one of them belongs to the ordinary tests."""
    return [pytest.param(width, marks=() if width == ordinary else pytest.mark.slow) for width in WIDTHS]


@pytest.fixture(scope="module")
def address(pages: TestClient) -> Iterator[str]:
    """The service on a port of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(pages.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as drivers:
        browser = drivers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Open]:
    """Opens pages in a width and a theme; what the console says against them fails the test."""
    said: list[str] = []
    contexts = []

    def opener(path: str, width: str = "desk", dark: bool = False, scripts: bool = True) -> Any:
        size = dict(zip(("width", "height"), WIDTHS[width]))
        phone = width == "phone"
        context = browser.new_context(
            viewport=size,
            is_mobile=phone,
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
            base_url=address,
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert [line for line in said if "404" not in line and "422" not in line] == []


def heading(page: Any) -> str:
    return page.locator("h1").inner_text()


def swapped(page: Any, act: Callable[[], None], until: str) -> None:
    """Acts, and waits until the address holds a text."""
    act()
    page.wait_for_url(re.compile(re.escape(until)))
    settled(page)


def settled(page: Any) -> None:
    """Waits until htmx has taken in what it put onto the page; before, a change of a field asks for nothing."""
    page.wait_for_load_state()
    page.wait_for_function("() => !document.querySelector('.htmx-request, .htmx-swapping, .htmx-added')")


@pytest.mark.parametrize("width", widths("desk"))
def test_somebody_new_taps_five_outfits_and_undoes_one(opened: Open, width: str) -> None:
    page = opened("/", width)
    page.evaluate("window.same = true")
    for count in range(1, 6):
        page.locator(".btn.main", has_text="Like").nth(count).click()
        page.wait_for_url(lambda url, count=count: url.count("like=") == count)
        page.locator("main:not(.htmx-request):not(.htmx-swapping)").wait_for()
    page.get_by_role("heading", name="Twelve outfits for you").wait_for()
    assert page.evaluate("window.same")  # the list was replaced, not the page
    first = page.locator(".look").first.inner_text()
    swapped(page, lambda: page.locator(".undo").first.click(), "like=")
    page.get_by_role("heading", name="Someone new").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Twelve outfits for you").wait_for()
    assert page.locator(".look").first.inner_text() == first


@pytest.mark.parametrize("width", widths("phone"))
def test_a_person_is_found_and_filtered(opened: Open, width: str) -> None:
    page = opened("/", width)
    page.get_by_label("Another person").fill("er-0")
    page.get_by_role("button", name="Find").click()
    page.locator(".user", has_text="user-0").click()
    page.get_by_role("heading", name="Twelve outfits for user-0").wait_for()
    settled(page)
    if width == "phone":
        page.locator(".filters > summary").click()
    swapped(page, lambda: page.get_by_label("summer").click(force=True), "is.season=summer")
    page.get_by_role("link", name="Without filters").first.wait_for()  # htmx changes the address before the page
    settled(page)
    assert page.get_by_label("summer").is_checked()
    before = page.locator("article.look").count()
    price = page.locator("input[name='sum.price']")
    swapped(
        page,
        lambda: price.evaluate("(e) => { e.value = 130; e.dispatchEvent(new Event('change', {bubbles: true})) }"),
        "sum.price=130",
    )
    page.locator("output", has_text="at most 130").wait_for()
    assert 0 < page.locator("article.look").count() <= before
    assert "at most 130" in page.locator("output").first.inner_text()
    page.get_by_role("link", name="Without filters").first.click()
    page.wait_for_url(re.compile(r"\?user=user-0$"))


@pytest.mark.parametrize("width", widths("desk"))
def test_an_outfit_is_built(opened: Open, width: str) -> None:
    page = opened("/?user=user-0", width)
    page.get_by_role("link", name="Open outfit 1 on the canvas").click()
    page.get_by_role("heading", name="An outfit for user-0").wait_for()
    swapped(page, lambda: page.get_by_role("link", name="Lock Top").click(), "lock.top=1")
    top = page.locator(".slot").first.locator(".piece").first.get_attribute("href")
    shoe = page.locator(".slot").nth(2)
    other = shoe.locator(".alternatives a:not([aria-current])").first
    chosen = other.get_attribute("title")
    other.click()
    page.wait_for_function(
        "(title) => document.querySelectorAll('.slot .said')[2].innerText.startsWith(title)", arg=chosen
    )
    swapped(page, lambda: page.get_by_role("link", name="Surprise me").click(), "surprise=1")
    assert page.locator(".slot").first.locator(".piece").first.get_attribute("href") == top
    shared = page.get_by_label("Share this look").input_value()
    again = opened(shared, width)
    assert again.locator(".slot .said").all_inner_texts() == page.locator(".slot .said").all_inner_texts()


@pytest.mark.parametrize("width", widths("phone"))
def test_words_find_items_and_a_chip_is_taken_away(opened: Open, width: str) -> None:
    page = opened("/?user=user-0", width)
    page.get_by_label("Ask in words").fill("a red linen shirt")
    page.get_by_label("Ask in words").press("Enter")
    page.get_by_role("heading", name="“a red linen shirt”").wait_for()
    page.get_by_role("link", name="Search without colour red").click()
    page.get_by_role("link", name="as it was understood").wait_for()
    page.get_by_role("link", name="Outfits around them").click()
    page.locator("article.look").first.wait_for()
    page.locator("article.look .pieces a").first.click()
    page.get_by_role("link", name="Build around it").click()
    page.get_by_role("heading", name="Build around").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_photo_finds_what_looks_like_it(opened: Open, width: str) -> None:
    page = opened("/search?user=user-0", width)
    if width == "phone":
        page.locator(".photo > summary").click()
    photo = {"name": "photo.png", "mimeType": "image/png", "buffer": picture("orange", 2, "PNG")}
    page.get_by_label("A photo of what you look for").set_input_files(photo)
    page.get_by_role("button", name="Find what looks like it").click()
    page.get_by_role("heading", name="Like your photo").wait_for()
    settled(page)
    assert page.locator(".items .look").count() == 24
    swapped(page, lambda: page.get_by_role("link", name="shoe", exact=True).click(), "type=shoe")
    page.get_by_label("Ask in words").fill("blue")
    page.get_by_label("Ask in words").press("Enter")
    page.get_by_role("heading", name="Like your photo, and “blue”").wait_for()
    check_with_axe(page, [page.url])


@pytest.mark.parametrize("width", WIDTHS)
def test_the_slider_weighs_taste_and_keeps_a_lock(opened: Open, width: str) -> None:
    page = opened("/canvas?user=user-0&s.top=top-003&lock.top=1&do=fill", width)
    page.locator("#weighed", has_text="as learned").wait_for()
    move = "(e) => { e.value = 0.9; e.dispatchEvent(new Event('change', {bubbles: true})) }"
    swapped(page, lambda: page.locator("#taste").evaluate(move), "taste=0.9")
    page.locator("#weighed", has_text="90 % taste").wait_for()
    assert "s.top=top-003" in page.url
    swapped(page, lambda: page.get_by_role("link", name="Surprise me").click(), "surprise=1")
    assert "taste=0.9" in page.url
    check_with_axe(page, [page.url])


def test_everything_works_without_scripts(opened: Open) -> None:
    page = opened("/?user=user-0", scripts=False)
    page.get_by_role("link", name="Like outfit 2").click()
    assert "like=" in page.url
    page.get_by_label("summer").click(force=True)
    page.get_by_role("button", name="Show").click()
    assert "is.season=summer" in page.url
    assert "like=" in page.url
    page.get_by_role("link", name="Take back").first.click()
    assert "like=" not in page.url
    page.get_by_role("link", name="Canvas", exact=True).click()
    page.get_by_role("link", name="Surprise me").click()
    assert "surprise=1" in page.url
    page.locator("#taste").press("ArrowRight")
    page.get_by_role("button", name="Weigh").click()
    assert "taste=0.55" in page.url


def test_the_first_outfit_is_on_the_first_screen_of_a_phone(opened: Open) -> None:
    for path in ("/?user=user-0", "/?user=user-0&like=outfit-000012"):
        box = opened(path, "phone").locator(".look .flat").first.bounding_box()
        assert box["y"] + box["height"] < WIDTHS["phone"][1], path


def test_paper_shows_whole_cards_and_nothing_to_press(opened: Open) -> None:
    for path in ("/?user=user-0", "/canvas?user=user-0", "/search?q=a+red+linen+shirt"):
        page = opened(path)
        page.emulate_media(media="print")
        assert page.locator(".btn:visible, form:visible, nav:visible, summary:visible").count() == 0, path
        cards = page.locator(".look, .slot")
        assert cards.evaluate_all("(all) => all.every((e) => getComputedStyle(e).breakInside === 'avoid')"), path


def test_a_list_that_is_fetched_shows_the_outlines_of_its_cards(opened: Open) -> None:
    page = opened("/?user=user-0")
    outline = "() => getComputedStyle(document.querySelector('.look'), '::after').content"
    assert page.evaluate(outline) == "none"
    page.evaluate("document.querySelector('main').classList.add('htmx-request')")
    assert page.evaluate(outline) == '""'


def test_the_keyboard_reaches_the_content_and_focus_is_seen(opened: Open) -> None:
    page = opened("/?user=user-0")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "To the content"
    for _ in range(3):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"


def check_with_axe(page: Any, paths: Sequence[str]) -> None:
    axe = Axe()
    for path in paths:
        page.goto(path)
        found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [
            (each["id"], [node["html"][:160] + " " + node["failureSummary"] for node in each["nodes"]][:3])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path


def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(opened: Open) -> None:
    check_with_axe(opened("/", "phone", dark=True), PAGES[::4])


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious_on_any_page(opened: Open, width: str, dark: bool) -> None:
    check_with_axe(opened("/", width, dark), PAGES)
