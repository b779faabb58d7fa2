import json
from typing import Any

import pytest
from kf_dialog.conversation import Question
from kf_dialog.reading import question_text, readable, unread


def question(number: int, msgtype: str, body: object) -> Question:
    item = {"msgid": f"m{number}", "open_kfid": "wk1", "external_userid": "wm1", "send_time": 1, "origin": 3}
    return Question(f"m{number}", number, {**item, "msgtype": msgtype, msgtype: body}, {})


def text(number: int, content: str) -> Question:
    return question(number, "text", {"content": content})


def read(msgtype: str, body: dict[str, Any]) -> str:
    return question_text([question(1, msgtype, body)])


def test_a_burst_is_one_text_and_pictures_are_named() -> None:
    burst = [text(1, " 你好 "), question(2, "image", {"media_id": "x"}), text(3, "坏了")]
    assert question_text(burst) == "你好\n[图片]\n坏了"
    assert readable(burst) == ["你好", "坏了"]
    assert [q.msgid for q in unread(burst)] == ["m2"]


def test_an_unknown_or_empty_message_is_still_named() -> None:
    odd = [question(1, "hologram", None), text(2, "  "), question(3, "text", {})]
    assert question_text(odd) == "[消息]\n[消息]\n[消息]"
    assert readable(odd) == []


def test_the_text_of_a_tapped_menu_line_is_what_the_customer_said() -> None:
    assert question_text([question(1, "text", {"content": "查订单", "menu_id": "7"})]) == "查订单"


def test_what_was_seen_or_heard_stands_in_for_the_media() -> None:
    burst = [question(1, "image", {"media_id": "x"}), question(2, "voice", {"media_id": "y"})]
    seen = {"m1": "一台冒烟的\n机器", "m2": "这个还能保修吗"}
    assert question_text(burst, seen) == "[图片：一台冒烟的 机器]\n这个还能保修吗"
    assert unread(burst, seen) == []


@pytest.mark.parametrize(
    ("msgtype", "body", "words"),
    [
        (
            "location",
            {"latitude": 30.25, "longitude": 120.16, "name": "西湖", "address": "杭州市"},
            ("位置", "西湖", "杭州市", "30.25000"),
        ),
        ("link", {"title": "说明", "desc": "保修", "url": "https://a.cn"}, ("链接", "说明", "https://a.cn")),
        ("miniprogram", {"title": "商城", "appid": "wx1"}, ("小程序：商城",)),
        (
            "channels_shop_product",
            {"product_id": "77", "title": "X2 Pro", "sales_price": 299900, "shop_nickname": "禾屿"},
            ("商品", "X2 Pro", "2999 元", "禾屿", "77"),
        ),
        (
            "channels_shop_order",
            {"order_id": "A1", "product_titles": "滤芯", "price_wording": "¥99.00", "state": "待发货"},
            ("订单", "滤芯", "¥99.00", "待发货", "A1"),
        ),
        ("channels", {"sub_type": 2, "nickname": "禾屿", "title": "新品"}, ("视频号直播", "禾屿", "新品")),
    ],
)
def test_cards_and_places_become_words(msgtype: str, body: dict[str, Any], words: tuple[str, ...]) -> None:
    line = read(msgtype, body)
    assert all(word in line for word in words)
    assert (line[0], line[-1]) == ("[", "]")
    assert readable([question(1, msgtype, body)]) == [line]


def test_a_forwarded_bundle_is_read_one_message_per_line() -> None:
    items = [
        {"msgtype": "text", "sender_name": "甲", "msg_content": json.dumps({"text": {"content": "坏了"}})},
        {"msgtype": "image", "sender_name": "乙", "msg_content": json.dumps({"image": {"media_id": "x"}})},
        {"msgtype": "merged_msg", "sender_name": "丙", "msg_content": "{}"},
        {"msgtype": "text", "sender_name": "丁", "msg_content": "不是 JSON"},
    ]
    line = read("merged_msg", {"title": "群聊", "item": items})
    assert line == "[聊天记录：群聊\n甲：坏了\n乙：[图片]\n丙：[聊天记录]\n丁：[消息]]"


def test_cards_without_words_are_only_named() -> None:
    assert read("business_card", {"userid": "u"}) == "[名片]"
    assert read("miniprogram", {"appid": "wx1"}) == "[小程序]"
    assert unread([question(1, "note", {})])


def test_very_long_content_is_shortened() -> None:
    assert len(read("link", {"title": "长" * 9000, "url": "https://a.cn"})) < 700
    assert len(question_text([text(1, "长" * 9000)])) == 2000
