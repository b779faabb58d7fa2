"""The chat page at phone and desk width: nothing is cut off; the pictures in docs/images come from here."""

import os
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.world import World

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MENU = {
    "head_content": "整机保修一年，充电盒保修六个月。还想了解什么？",
    "list": [
        {"type": "click", "click": {"id": "1", "content": "怎么申请保修"}},
        {"type": "click", "click": {"id": "9", "content": "人工客服"}},
    ],
}
ANSWER = (
    "首次配对：\n1. 打开充电盒盖。\n2. 长按按键 3 秒，指示灯蓝白闪烁。\n3. 在手机蓝牙里选择 Cloud X1。\n"
    "更多见 https://example.com/help"
)


class App(BaseHTTPRequestHandler):
    """An app that takes every notice."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep quiet."""


@pytest.fixture(autouse=True)
def _notified(world: World) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), App) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        world.control("PUT", "/control/callback", url=f"http://127.0.0.1:{server.server_port}/")
        yield
        world.control("PUT", "/control/callback", url="")
        server.shutdown()
        thread.join()


def conversation(page: Page, world: World) -> None:
    """Something to look at: a question, an answer, a menu, and a chat that waits for a human."""
    page.wait_text("#lines", "顾客进入会话")
    page.type("#text", "你好，耳机怎么配对？", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    world.send(ANSWER)
    page.wait_text("#lines", "Cloud X1")
    page.type("#text", "那保修多久？", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 2")
    world.send("", msgtype="msgmenu", msgmenu=MENU)
    page.wait("document.querySelectorAll('.menu button').length === 2")
    world.control("PATCH", f"/control/accounts/{world.account()}", reception="pool")
    other = world.control("POST", "/control/customers", nickname="李女士")["external_userid"]
    world.control("POST", f"/control/chats/{world.account()}/{other}/messages", text="我要找人工客服")
    world.pull()
    page.js("document.activeElement.blur()")
    page.wait("document.querySelectorAll('#customers button').length === 2")
    page.wait("document.querySelectorAll('#chats .chat').length === 2")


def picture(page: Page, name: str, folder: Path) -> tuple[int, int]:
    """Take the picture and return its size; it goes to docs when it is missing there or asked for."""
    kept = IMAGES / f"simulator-{name}.png"
    wanted = os.environ.get("KF_UPDATE_SCREENSHOTS") == "1" or not kept.exists()
    png = page.screenshot(kept if wanted else folder / kept.name)
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize(
    ("name", "width", "height"), [("desk", 1280, 800), ("phone", 390, 844), ("tablet", 820, 1000)]
)
def test_nothing_is_wider_than_the_window(
    browser: Chromium, world: World, tmp_path: Path, name: str, width: int, height: int
) -> None:
    with browser.page(f"{world.url}/", width, height, mobile=name == "phone") as page:
        conversation(page, world)
        page.js("document.querySelector('#lines').scrollTo(0, 1e6)")
        assert page.js("document.documentElement.scrollWidth") <= width
        assert page.js("document.querySelector('#composer').getBoundingClientRect().bottom") <= height
        if name != "tablet":
            assert picture(page, name, tmp_path) == (width, height)
            assert (IMAGES / f"simulator-{name}.png").stat().st_size < 300_000
        assert page.trouble == []


def test_on_a_phone_desk_and_faults_are_tabs(browser: Chromium, world: World) -> None:
    with browser.page(f"{world.url}/", 390, 844, mobile=True) as page:
        conversation(page, world)
        assert page.js("document.querySelector('.desk').getClientRects().length") == 0
        page.click("[data-view=desk]")
        page.wait_text("#chats", "我要找人工客服")
        page.click("#chats .chat", 0)
        page.click("#take")
        page.wait_text("#chats", "人工接待 · zhangsan")
        page.type("#reply", "您好", enter=True)
        page.click("[data-view=phone]")
        page.wait_text("#lines", "您好")
        page.click("[data-view=faults]")
        page.wait("document.querySelector('#presets button').getClientRects().length > 0")
        assert page.js("document.documentElement.scrollWidth") <= 390
        assert page.trouble == []
