"""The tracing dashboard in a real Chromium; the pictures in docs/images/traces-*.png come from here."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kf_cli import embedded
from kf_traces.store import Store

from tests.browser.chromium import Chromium, Page
from tests.fakes.journeys import ACCOUNTS, MS, Journey, answered, large, refused

IMAGES = Path(__file__).parents[2] / "docs" / "images"
KEPT = ("350", "unanswered", "error", "waterfall", "zoomed", "dark")
SHOP, SERVICE = ACCOUNTS
NO_OVERFLOW = (
    "[...document.querySelectorAll('.list, .rows, html')].every((e) => e.scrollWidth <= e.clientWidth)"
)


def some_traces() -> list[Journey]:
    """Answered ones, one that a human holds, one still waiting, one of 600 spans; the newest last."""
    now = time.time_ns() - 60_000 * MS
    journeys = [answered(n, now + n * 3000 * MS, ACCOUNTS[n % 2]) for n in range(9)]
    journeys.append(large(9, now - 60_000 * MS, 600))
    journeys.append(refused(10, now + 30_000 * MS, "park", 95018, SERVICE))
    waiting = Journey(11, now + 34_000 * MS, SHOP)
    waiting.receive()
    broken = refused(12, now + 37_000 * MS, "suspend", 60020, SHOP)
    return [*journeys, waiting, broken]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("traces")
    with closing(Store(folder / "traces.db", 2**27)) as store:
        for journey in some_traces():
            store.add(journey.spans)
    port = embedded.free_port()
    settings = [f"KF_TRACES_PORT={port}", f"KF_TRACES_DATA_DIR={folder}"]
    settings += ["KF_TRACES_OTLP_GRPC_PORT=0", "KF_TRACES_OTLP_HTTP_PORT=0"]
    command = ["env", *settings, sys.executable, "-m", "kf_traces"]
    with embedded.Child("traces", command, port, folder / "traces.log"):
        yield f"http://127.0.0.1:{port}"


def titles(page: Page) -> list[str]:
    found: list[str] = page.js("[...document.querySelectorAll('.item-name')].map((e) => e.innerText)")
    return found


def loaded(page: Page, number: int) -> None:
    page.wait(f"document.querySelectorAll('.item').length === {number}")


def picture(page: Page, name: str) -> None:
    """Some are kept in docs when KF_WRITE_IMAGES is set; taken always, for an empty picture is a fault."""
    keeps = os.environ.get("KF_WRITE_IMAGES") and name in KEPT
    folder = IMAGES if keeps else Path(tempfile.gettempdir())
    assert len(page.screenshot(folder / f"traces-{name}.png")) > 10_000


def key(page: Page, name: str) -> None:
    for kind in ("keyDown", "keyUp"):
        text = {"text": name} if len(name) == 1 and kind == "keyDown" else {}
        page.call("Input.dispatchKeyEvent", type=kind, key=name, **text)


def test_rows_are_titled_in_words_and_tell_only_how_it_ended(browser: Chromium, dashboard: str) -> None:
    with browser.page(dashboard) as page:
        loaded(page, 13)

        assert titles(page)[0] == f"客户消息 · …{SHOP[-6:]}"
        ends = page.js(
            "[...document.querySelectorAll('.item-foot')].map((e) => e.querySelectorAll('.outcome').length)"
        )
        assert ends == [1] * 13
        assert page.text(".item .outcome") == "账号已暂停"
        assert "60020" in page.text(".item-error")
        assert page.trouble == []


@pytest.mark.parametrize(("width", "mobile"), [(350, True), (390, True), (900, False), (1280, False)])
def test_nothing_overflows_sideways(browser: Chromium, dashboard: str, width: int, mobile: bool) -> None:
    with browser.page(dashboard, width, 800, mobile=mobile) as page:
        loaded(page, 13)
        assert page.js(NO_OVERFLOW)
        page.click(".item")
        page.wait("document.querySelectorAll('.row').length > 10")
        assert page.js(NO_OVERFLOW)
        picture(page, f"{width}")


def test_unanswered_errors_and_account_narrow_the_list(browser: Chromium, dashboard: str) -> None:
    with browser.page(dashboard) as page:
        loaded(page, 13)
        page.click("#unanswered")
        loaded(page, 3)
        picture(page, "unanswered")
        page.click("#errors")
        loaded(page, 2)
        page.wait("document.querySelectorAll('#account option').length === 3")
        page.js(
            f"const a = document.querySelector('#account'); a.value = '{SERVICE}';"
            "a.dispatchEvent(new Event('change'))"
        )
        loaded(page, 1)

        assert "unanswered=1" in page.js("location.search")
        assert f"account={SERVICE}" in page.js("location.search")


def test_an_errcode_is_explained_with_its_remedy_in_the_language_of_the_page(
    browser: Chromium, dashboard: str
) -> None:
    with browser.page(f"{dashboard}/?q=60020", 1400, 900) as page:
        page.wait_text(".trace-head .remedy", "60020")
        assert "处理办法" in page.text(".trace-head .remedy")
        key(page, "e")
        page.wait_text(".detail-pane .remedy", "60020")
        picture(page, "error")
        page.click("#language")
        page.wait_text(".detail-pane .remedy", "What to do")
        assert page.trouble == []


def test_grpc_spans_have_short_names_and_waits_are_drawn(browser: Chromium, dashboard: str) -> None:
    with browser.page(dashboard, 1400, 900) as page:
        page.click(".item", 2)
        page.wait("document.querySelectorAll('.row').length > 10")
        names = page.js("[...document.querySelectorAll('.row-title')].map((e) => e.innerText)")

        assert names.count("KnowledgeService/Search") == 2
        assert not any("kf_contracts" in name for name in names)
        assert "排队等待" in page.text(".rows")
        assert page.count(".wait") >= 4
        picture(page, "waterfall")


def test_a_large_trace_draws_only_the_rows_in_sight(browser: Chromium, dashboard: str) -> None:
    with browser.page(f"{dashboard}/trace/{large(9, 0, 1).trace_id}", 1400, 900) as page:
        page.wait("document.querySelectorAll('.row').length > 10")
        assert page.count(".row") < 80
        assert page.js("document.querySelector('.row').getAttribute('aria-setsize')") == "600"

        page.click(".rows .row", 3)
        key(page, "End")

        page.wait(
            "[...document.querySelectorAll('.row')].some((e) => e.getAttribute('aria-posinset') === '600')"
        )
        assert page.count(".row") < 80
        assert page.js(
            "document.querySelector('.row[aria-selected]').getBoundingClientRect().bottom <= innerHeight"
        )


def test_the_waterfall_zooms_by_key_and_by_dragging_over_the_ruler(browser: Chromium, dashboard: str) -> None:
    with browser.page(dashboard, 1400, 900) as page:
        page.click(".item", 2)
        page.wait("document.querySelectorAll('.row').length > 10")
        width = "document.querySelector('.row .bar').getBoundingClientRect().width"
        whole = page.js(width)
        box = page.js("document.querySelector('#ruler').getBoundingClientRect().toJSON()")
        for kind, at in (("mousePressed", 0.0), ("mouseMoved", 0.1), ("mouseReleased", 0.1)):
            x, y = box["x"] + 1 + at * box["width"], box["y"] + 10
            page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        page.wait(f"{width} > {whole} * 2")
        picture(page, "zoomed")

        key(page, "0")

        page.wait(f"Math.abs({width} - {whole}) < 1")


def test_the_keyboard_alone_reaches_a_span(browser: Chromium, dashboard: str) -> None:
    with browser.page(dashboard, 1400, 900) as page:
        loaded(page, 13)
        key(page, "ArrowDown")
        page.wait("document.querySelectorAll('.row').length > 10")
        key(page, "Enter")
        key(page, "ArrowDown")
        key(page, "Enter")
        page.wait("!document.querySelector('#detail').hidden")
        assert "/wecom/callback" in page.text("#detail h2")


def test_the_page_is_readable_in_the_dark(browser: Chromium, dashboard: str) -> None:
    with browser.page(dashboard, 1400, 900) as page:
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        page.click(".item")
        page.wait("document.querySelectorAll('.row').length > 10")
        red = "parseInt(getComputedStyle(document.querySelector('.pane')).backgroundColor.slice(4))"
        assert page.js(red) < 60
        picture(page, "dark")
