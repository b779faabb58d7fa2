"""How long a customer is given to go on typing."""

from typing import Any

import pytest
from kf_dialog.quiet import seconds_after
from kf_wecom import models


def item(msgtype: str = "text", **body: Any) -> models.SyncItem:
    ids = {"msgid": "m", "open_kfid": "wk", "external_userid": "wm", "send_time": 1, "origin": 3}
    return models.parse_item({**ids, "msgtype": msgtype, msgtype: body})


def after(text: str) -> float:
    return seconds_after(item(content=text), 1.0)


@pytest.mark.parametrize(
    "text", ["你好", "您好！", "在吗", "请问一下", "我想问一下", "hi", "Hello!", "晚上好", "有个问题"]
)
def test_a_greeting_alone_waits_longest_for_its_question(text: str) -> None:
    assert after(text) > max(after("红色的"), after("我买的沙发到了"), after("多久发货？"))


@pytest.mark.parametrize(
    "text", ["这件有红色的吗", "多久发货？", "how much is it?", "可以退货么", "那我的呢"]
)
def test_a_full_question_is_answered_soonest(text: str) -> None:
    assert after(text) < after("我买的沙发到了") < after("你好")


@pytest.mark.parametrize("text", ["我买的沙发，", "还有", "the blue one and", "是这样的：", "就是…"])
def test_a_sentence_that_goes_on_waits_for_its_end(text: str) -> None:
    assert after(text) > after("我买的沙发到了")


def test_a_tap_is_a_whole_wish() -> None:
    assert seconds_after(item(content="你好", menu_id="kf.faq"), 1.0) == 0.0


@pytest.mark.parametrize("msgtype", ["image", "file", "video"])
def test_a_picture_waits_for_the_sentence_about_it(msgtype: str) -> None:
    assert seconds_after(item(msgtype, media_id="x"), 1.0) > after("你好")


def test_a_voice_says_what_it_wants() -> None:
    assert seconds_after(item("voice", media_id="x"), 1.0) == 1.0


def test_a_kind_that_nobody_knows_waits_for_words() -> None:
    assert seconds_after(item("hologram"), 1.0) > 1.0
