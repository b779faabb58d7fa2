"""The servicer's desk and the fault panel of the chat page in a real Chromium."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.world import World


@pytest.fixture
def page(browser: Chromium, world: World) -> Iterator[Page]:
    """The page at desk width; a script error in any test fails it."""
    with browser.page(f"{world.url}/") as page:
        page.wait_text("#lines", "顾客进入会话")
        yield page
        assert page.trouble == []


def events(world: World) -> list[dict[str, object]]:
    return [
        item["event"]
        for item in world.pull()
        if item["msgtype"] == "event" and item["event"]["event_type"] == "session_status_change"
    ]


def test_a_servicer_takes_a_waiting_chat_answers_hands_it_on_and_ends_it(page: Page, world: World) -> None:
    page.click("[data-mode=pool]")
    page.wait("document.querySelector('[data-mode=pool]').ariaPressed === 'true'")
    page.type("#text", "我要人工", enter=True)
    page.wait_text("#chats", "排队等待人工")
    page.click("#take")
    page.wait_text("#state", "人工接待 · zhangsan")
    page.type("#reply", "您好，我是张三", enter=True)
    page.wait_text("#lines", "您好，我是张三")
    page.click("#transfer")
    page.wait_text("#state", "lisi")
    page.click("#end")
    page.wait_text("#state", "已结束")
    assert [event["change_type"] for event in events(world)] == [1, 2, 3]
    assert ["msg_code" in event for event in events(world)] == [True, False, True]
    said = next(item for item in world.pull() if item["origin"] == 5)
    assert (said["servicer_userid"], said["text"]["content"]) == ("zhangsan", "您好，我是张三")


def test_the_reception_mode_decides_who_gets_a_new_chat(page: Page, world: World) -> None:
    page.click("[data-mode=human]")
    page.wait("document.querySelector('[data-mode=human]').ariaPressed === 'true'")
    assert world.control("GET", "/control/accounts")[0]["reception"] == "human"
    page.type("#text", "有人吗", enter=True)
    page.wait_text("#state", "人工接待 · zhangsan")
    page.click("#accounts button", 1)
    page.wait("document.querySelector('[data-mode=assistant]').ariaPressed === 'true'")


def test_a_servicer_goes_off_line_and_on_again(page: Page, world: World) -> None:
    page.click("#servicers .on", 0)
    page.wait_text("#servicers", "已停止")
    assert world.control("GET", "/control/servicers")[0]["status"] == 1
    assert world.pull()[-1]["event"]["event_type"] == "servicer_status_change"
    page.click("#servicers .off", 0)
    page.wait("document.querySelectorAll('#servicers .on').length === 2")


def test_the_desk_lists_every_customer_and_opens_the_chat_that_is_chosen(page: Page, world: World) -> None:
    page.type("#text", "我是第一位", enter=True)
    page.wait_text("#lines", "我是第一位")
    page.click("#newcomer button")
    page.wait("document.querySelectorAll('#customers button').length === 2")
    page.type("#text", "我是第二位", enter=True)
    page.wait_text("#chats", "我是第二位")
    page.click("#chats .chat", 1)
    page.wait_text("#lines", "我是第一位")
    page.wait("document.querySelector('#chats .chat:nth-child(2)').ariaCurrent === 'true'")


def test_faults_are_armed_counted_and_cleared(page: Page, world: World) -> None:
    page.click("#faults summary")
    page.wait("document.querySelector('#faults').open")
    page.click("#presets button", 6)
    page.wait_text("#armed", "errcode -1 · send_msg · 0/1")
    page.type("#text", "你好", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    ids = {"open_kfid": world.account(), "touser": world.customer()}
    with pytest.raises(AssertionError, match="system busy"):
        world.app("send_msg", **ids, msgtype="text", text={"content": "x"})
    page.wait_text("#armed", "1/1")
    page.click("#clear")
    page.wait("document.querySelector('#armed').children.length === 0")
    assert world.control("GET", "/control/faults") == []


def test_the_clock_moves_and_the_judge_is_shown(page: Page, world: World) -> None:
    page.type("#text", "你好", enter=True)
    page.wait("document.querySelectorAll('.line.mine').length === 1")
    page.click("#faults summary")
    page.wait_text("#judge", "没有违反规则")
    for _ in range(2):
        world.send("您好")
    page.wait_text("#judge", "duplicate_answer 1")
    page.click("#clock button", 1)
    page.wait_text("#offset", "+48.5 h")
    assert world.control("GET", "/control/clock")["offset"] == 48.5 * 3600
