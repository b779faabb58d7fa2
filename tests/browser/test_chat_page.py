"""The customer's side of the chat page in a real Chromium: writing, tapping, sending files, recalling."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.world import World

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGNgaPiPHQ0tCQYGAEfdP8F6a7xOAAAAAElFTkSuQmCC"
)
MENU = {"head_content": "请选择", "list": [{"type": "click", "click": {"id": "7", "content": "人工客服"}}]}


@pytest.fixture
def page(browser: Chromium, world: World) -> Iterator[Page]:
    """The page at desk width; a script error in any test fails it."""
    with browser.page(f"{world.url}/") as page:
        page.wait_text("#lines", "顾客进入会话")
        yield page
        assert page.trouble == []


def test_a_written_message_goes_out_and_the_answer_comes_in(page: Page, world: World) -> None:
    page.type("#text", "耳机怎么配对？ <img src=x onerror=document.title='!'>", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    page.wait_text("#state", "新会话")
    written = world.pull()[-1]
    assert written["text"]["content"].startswith("耳机怎么配对？ <img")
    world.send("长按 3 秒。见 https://example.com/help?a=1。")
    page.wait_text("#lines", "长按 3 秒")
    page.wait_text(".line.mine .meta", "已收取")
    page.wait_text("#state", "智能助手")
    assert page.js("document.querySelector('.bubble a').href") == "https://example.com/help?a=1"
    assert page.js("document.title") == "微信客服模拟器"


def test_without_a_callback_url_the_page_says_that_messages_wait(page: Page) -> None:
    page.wait_text("#alarm", "KF_SIMULATOR_CALLBACK_URL")
    page.type("#text", "你好", enter=True)
    page.wait_text(".line.mine .meta", "没有设置回调地址")


def test_a_tapped_menu_item_is_a_message_with_its_id(page: Page, world: World) -> None:
    page.type("#text", "你好", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    world.send("", msgtype="msgmenu", msgmenu=MENU)
    page.click(".menu button")
    page.wait("document.querySelectorAll('.line.mine').length === 2")
    assert world.pull()[-1]["text"] == {"content": "人工客服", "menu_id": "7"}


def test_a_picture_a_voice_note_a_place_and_a_link_reach_the_app(
    page: Page, world: World, tmp_path: Path
) -> None:
    picture = tmp_path / "bild.png"
    picture.write_bytes(PIXEL)
    page.click("#attach")
    page.choose_file("#picture", picture)
    page.wait("document.querySelector('.bubble img')?.naturalWidth === 8")
    for number, control in enumerate(("#voice", "#place", "#link"), 2):
        page.click(control)
        page.wait(f"document.querySelectorAll('.line.mine').length === {number}")
    items = [item for item in world.pull() if item["msgtype"] != "event"]
    assert [item["msgtype"] for item in items] == ["image", "voice", "location", "link"]
    assert world.media(items[0]["image"]["media_id"]) == PIXEL
    assert world.media(items[1]["voice"]["media_id"]).startswith(b"#!AMR\n")


def test_a_recalled_message_is_struck_out_and_the_app_is_told(page: Page, world: World) -> None:
    page.type("#text", "geheim", enter=True)
    page.click(".recall")
    page.wait("document.querySelectorAll('.line.recalled').length === 1")
    *_, written, event = world.pull()
    assert event["event"]["recall_msgid"] == written["msgid"]


def test_a_message_that_fails_later_is_marked(page: Page, world: World) -> None:
    page.type("#text", "你好", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    msgid = world.send("您好")
    page.wait_text("#lines", "您好")
    world.control("POST", f"/control/chats/{world.account()}/send_fails", msgid=msgid, fail_type=13)
    page.wait_text(".line:not(.mine) .bad", "(13)")


def test_each_message_links_to_its_trace(page: Page, world: World) -> None:
    page.type("#text", "你好", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    sent = world.send("您好")
    page.wait("document.querySelectorAll('.line').length === 2")
    written = world.pull()[-1]["msgid"]
    links = page.js("[...document.querySelectorAll('.line .meta a')].map((link) => link.href)")
    assert links == [f"http://127.0.0.1:9/traces/?q={msgid}" for msgid in (written, sent)]


def test_customers_and_accounts_are_conversations_of_their_own(page: Page, world: World) -> None:
    page.click("#suggestions button")
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    page.type("#nickname", "李女士")
    page.click("#newcomer button")
    page.wait("document.querySelectorAll('#customers button').length === 2")
    page.wait("document.querySelectorAll('.line').length === 0")
    page.type("#text", "第二位", enter=True)
    page.wait_text("#lines", "第二位")
    page.click("#accounts button", 1)
    page.wait_text(".bar", "售后服务")
    page.wait("document.querySelectorAll('.line').length === 0")
    page.click("#accounts button", 0)
    page.click("#customers button", 0)
    page.wait_text("#lines", "耳机怎么配对？")
    assert len(world.control("GET", "/control/customers")) == 2


def test_the_page_speaks_english_and_remembers_it(page: Page) -> None:
    page.type("#text", "hello", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    page.click("#language")
    page.wait_text("#state", "new")
    assert page.js("document.documentElement.lang") == "en"
    assert "Reception" in page.text(".desk").title()
    page.call("Page.reload")
    page.wait_text("#lines", "The customer opened the chat")


def test_a_reset_world_is_met_with_a_new_customer(page: Page, world: World) -> None:
    world.control("POST", "/control/reset")
    page.type("#text", "ins Leere", enter=True)
    page.wait("fetch('control/customers').then((r) => r.json()).then((all) => all.length === 1)")
    page.wait("document.querySelectorAll('.line').length === 0")
    page.wait_text("#lines", "顾客进入会话")
