"""Items of sync_msg: every documented type is typed, everything else is kept whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_wecom.events import EVENTS
from kf_wecom.messages import BODIES
from kf_wecom.models import (
    ChannelsShopProductBody,
    EnterSession,
    Event,
    LocationBody,
    MergedMsgBody,
    Message,
    MsgmenuBody,
    MsgSendFail,
    Origin,
    SessionStatusChange,
    TextBody,
    UnknownMessage,
    parse_item,
)

MESSAGES: dict[str, dict[str, Any]] = {
    "text": {"content": "你好 👋 ", "menu_id": "m1"},
    "image": {"media_id": "med1"},
    "voice": {"media_id": "med1"},
    "video": {"media_id": "med1"},
    "file": {"media_id": "med1"},
    "location": {"latitude": 39.9, "longitude": 116.4, "name": "天安门", "address": "北京"},
    "link": {"title": "t", "desc": "d", "url": "https://x", "pic_url": "https://y"},
    "business_card": {"userid": "zhangsan"},
    "miniprogram": {"title": "t", "appid": "wx1", "pagepath": "p.html", "thumb_media_id": "med1"},
    "msgmenu": {
        "head_content": "h",
        "list": [
            {"type": "click", "click": {"id": "1", "content": "yes"}},
            {"type": "view", "view": {"url": "https://x", "content": "go"}},
            {"type": "miniprogram", "miniprogram": {"appid": "a", "pagepath": "p", "content": "c"}},
            {"type": "text", "text": {"content": "t", "no_newline": 1}},
        ],
        "tail_content": "t",
    },
    "channels_shop_product": {"product_id": "1", "head_img": "h", "title": "t", "sales_price": "9900"},
    "channels_shop_order": {"order_id": 7, "product_titles": "t", "state": "paid"},
    "merged_msg": {
        "title": "群聊的聊天记录",
        "item": [{"send_time": 1, "msgtype": "text", "sender_name": "a", "msg_content": '{"content":"c"}'}],
    },
    "channels": {"sub_type": 1, "nickname": "n", "title": "t"},
    "note": {},
    "meeting": {"anything": 1},
    "schedule": {},
    "calendar": {},
}
IDS = {"open_kfid": "wk1", "external_userid": "wm1"}
EVENT_BODIES: dict[str, dict[str, Any]] = {
    "enter_session": IDS
    | {"scene": "oamenu3", "scene_param": "%E5%9C%BA%E6%99%AF3", "welcome_code": "code43"}
    | {"wechat_channels": {"nickname": "n", "scene": 1}},
    "msg_send_fail": IDS | {"fail_msgid": "m1", "fail_type": 4},
    "servicer_status_change": {"open_kfid": "wk1", "servicer_userid": "s1", "status": 2, "stop_type": 1},
    "session_status_change": IDS | {"change_type": 1, "new_servicer_userid": "s1", "msg_code": "c"},
    "user_recall_msg": IDS | {"recall_msgid": "m1"},
    "servicer_recall_msg": IDS | {"recall_msgid": "m1", "servicer_userid": "s1"},
    "reject_customer_msg_switch_change": IDS | {"servicer_userid": "s1", "reject_switch": 1},
}


def message(msgtype: str, body: Any, **fields: Any) -> dict[str, Any]:
    head = {
        "msgid": "Msg1",
        "open_kfid": "wk1",
        "external_userid": "wm1",
        "send_time": 1700000000,
        "origin": 3,
    }
    return head | {"msgtype": msgtype, msgtype: body} | fields


def event(event_type: str, body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    head = {"msgid": "Evt1", "send_time": 1700000000, "origin": 4, "msgtype": "event"}
    return head | {"event": {"event_type": event_type} | body} | fields


def test_the_samples_cover_every_type() -> None:
    assert MESSAGES.keys() == BODIES.keys()
    assert EVENT_BODIES.keys() == EVENTS.keys()


@pytest.mark.parametrize("msgtype", MESSAGES)
def test_every_msgtype_is_typed(msgtype: str) -> None:
    raw = message(msgtype, MESSAGES[msgtype])
    item = parse_item(raw)
    assert isinstance(item, Message)
    assert type(item.body) is BODIES[msgtype]
    assert (item.msgid, item.open_kfid, item.external_userid) == ("Msg1", "wk1", "wm1")
    assert item.raw == raw


@pytest.mark.parametrize("event_type", EVENT_BODIES)
def test_every_event_is_typed_and_takes_its_ids_from_inside(event_type: str) -> None:
    raw = event(event_type, EVENT_BODIES[event_type])
    item = parse_item(raw)
    assert isinstance(item, Event)
    assert type(item.body) is EVENTS[event_type]
    assert item.open_kfid == "wk1"
    assert item.external_userid == EVENT_BODIES[event_type].get("external_userid", "")
    assert item.raw == raw


def test_text_is_kept_as_it_was_typed() -> None:
    item = parse_item(message("text", MESSAGES["text"]))
    assert isinstance(item, Message)
    assert item.body == TextBody(content="你好 👋 ", menu_id="m1")
    assert item.origin == Origin.CUSTOMER


def test_a_servicers_message_names_the_servicer() -> None:
    item = parse_item(message("text", {"content": "x"}, origin=5, servicer_userid="s1"))
    assert isinstance(item, Message)
    assert (item.origin, item.servicer_userid) == (Origin.SERVICER, "s1")


def test_the_scene_param_is_decoded() -> None:
    item = parse_item(event("enter_session", EVENT_BODIES["enter_session"]))
    assert isinstance(item, Event)
    assert isinstance(item.body, EnterSession)
    assert item.body.scene_param_text == "场景3"


def test_an_entry_without_a_welcome_code_is_typed() -> None:
    item = parse_item(event("enter_session", IDS | {"scene": ""}))
    assert isinstance(item.body if isinstance(item, Event) else None, EnterSession)


@pytest.mark.parametrize("price", ["9900", 9900])
def test_a_price_may_be_text_or_number_and_an_image_have_either_name(price: object) -> None:
    body = {"product_id": "1", "sales_price": price, "head_image": "h", "shop_head_image": "s"}
    item = parse_item(message("channels_shop_product", body))
    assert isinstance(item, Message)
    assert isinstance(item.body, ChannelsShopProductBody)
    assert (item.body.sales_price, item.body.head_img, item.body.shop_head_img) == ("9900", "h", "s")


def test_numbers_as_text_and_nulls_are_read() -> None:
    body = {"latitude": "39.9", "longitude": 116, "name": None}
    item = parse_item(message("location", body, send_time="1700000000", servicer_userid=None))
    assert isinstance(item, Message)
    assert item.body == LocationBody(latitude=39.9, longitude=116.0)


@pytest.mark.parametrize(
    "content", ['{"content":"c"}', '{"text":{"content":"c"}}', '{"msgtype":"text","text":{"content":"c"}}']
)
def test_a_forwarded_message_opens_its_json_text(content: str) -> None:
    body = MergedMsgBody.model_validate({"item": [{"msgtype": "text", "msg_content": content}]})
    assert body.item[0].body() == TextBody(content="c")


@pytest.mark.parametrize("content", ["", "not json", "[]", "1", '{"other":1}'])
def test_a_forwarded_message_that_does_not_open_is_none(content: str) -> None:
    body = MergedMsgBody.model_validate({"item": [{"msgtype": "text", "msg_content": content}]})
    assert body.item[0].body() is None


def test_menu_lines_keep_only_the_object_of_their_type() -> None:
    item = parse_item(message("msgmenu", MESSAGES["msgmenu"]))
    assert isinstance(item, Message)
    assert isinstance(item.body, MsgmenuBody)
    click = item.body.list_[0]
    assert click.click is not None
    assert (click.click.id, click.view) == ("1", None)


def test_event_numbers_newer_than_this_version_are_kept() -> None:
    fail = parse_item(event("msg_send_fail", IDS | {"fail_msgid": "m", "fail_type": 99}))
    change = parse_item(event("session_status_change", IDS | {"change_type": 9}))
    assert isinstance(fail, Event)
    assert isinstance(change, Event)
    assert isinstance(fail.body, MsgSendFail)
    assert isinstance(change.body, SessionStatusChange)
    assert (fail.body.fail_type, change.body.change_type) == (99, 9)


@pytest.mark.parametrize(
    "raw",
    [
        message("hologram", {"x": 1}),
        message("text", {}),
        message("text", None),
        message("text", "just a string"),
        message("image", {"media_id": ""}),
        message("location", {"latitude": "north", "longitude": 1}),
        message("text", {"content": "x"}, send_time="soon"),
        event("new_event", IDS),
        event("msg_send_fail", IDS),
        event("enter_session", {}),
        {"msgid": "Msg1", "msgtype": "event", "event": "x"},
        {"msgid": "Msg1", "msgtype": 5},
        {"msgid": "Msg1"},
    ],
)
def test_what_is_unknown_or_malformed_is_kept_whole(raw: dict[str, Any]) -> None:
    item = parse_item(raw)
    assert isinstance(item, UnknownMessage)
    assert item.raw == raw
    assert item.msgid == raw["msgid"]
    assert item.open_kfid in ("wk1", "")


def test_an_unknown_event_still_says_whose_it_is() -> None:
    item = parse_item(event("new_event", IDS))
    assert isinstance(item, UnknownMessage)
    assert (item.open_kfid, item.external_userid, item.event_type) == ("wk1", "wm1", "new_event")
    assert (item.origin, item.send_time) == (4, 1700000000)


def test_an_item_without_msgid_gets_the_same_name_each_time() -> None:
    first, again = parse_item({"a": 1, "b": [2]}), parse_item({"b": [2], "a": 1})
    other = parse_item({"a": 2})
    assert first.msgid == again.msgid != other.msgid
    assert first.msgid.startswith("unidentified-")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["msgid", "msgtype", "send_time", "origin", "open_kfid", "text", "event", "body", "raw"]
        ),
        json_values | st.sampled_from(["text", "event", "1" * 5000, "٣"]),
    )
)
def test_no_item_can_make_the_parser_raise(raw: dict[str, Any]) -> None:
    item = parse_item(raw)
    assert item.raw == raw
    assert item.msgid


def test_repr_shows_no_word_and_no_customer() -> None:
    for raw in (
        message("text", {"content": "secret words"}),
        event("user_recall_msg", IDS),
        message("x", "words"),
    ):
        item = parse_item(raw)
        assert "words" not in repr(item)
        assert "wm1" not in repr(item)
        assert item.msgid in repr(item)
