import base64
import json
from typing import Any

import pytest
from kf_gateway.cursor import Progress
from kf_gateway.inbound import ItemError, dead_letter, received

CAUGHT_UP = Progress()
TEXT: dict[str, Any] = {
    "msgid": "from_wecom_1",
    "open_kfid": "wk1",
    "external_userid": "wm1",
    "send_time": 1_800_000_000,
    "origin": 3,
    "msgtype": "text",
    "text": {"content": "你好"},
}
ENTER: dict[str, Any] = {
    "msgid": "from_wecom_2",
    "send_time": 1_800_000_000,
    "origin": 4,
    "msgtype": "event",
    "event": {
        "event_type": "enter_session",
        "open_kfid": "wk1",
        "external_userid": "wm2",
        "welcome_code": "w",
    },
}


def test_a_text_becomes_an_event_with_the_whole_item() -> None:
    event = received("wk1", TEXT, CAUGHT_UP)
    assert (event.external_userid, event.msgid, event.msgtype, event.origin) == (
        "wm1",
        "from_wecom_1",
        "text",
        3,
    )
    assert event.send_time.timestamp() == 1_800_000_000
    assert event.answerable
    assert event.item == TEXT


def test_the_ids_of_an_event_come_from_inside_it() -> None:
    event = received("wk1", ENTER, CAUGHT_UP)
    assert (event.open_kfid, event.external_userid, event.msgtype) == ("wk1", "wm2", "event")


def test_an_unknown_type_is_published_as_it_is() -> None:
    item = {**TEXT, "msgtype": "hologram", "hologram": {"depth": 3}}
    event = received("wk1", item, CAUGHT_UP)
    assert (event.msgtype, event.external_userid, event.item) == ("hologram", "wm1", item)


def test_the_account_is_the_one_that_was_asked() -> None:
    assert received("wk9", TEXT, CAUGHT_UP).open_kfid == "wk9"


def test_history_is_marked() -> None:
    assert not received("wk1", TEXT, Progress(answer_from=1_800_000_001)).answerable


@pytest.mark.parametrize("msgid", [None, "", [], "with space", "line\r\nbreak", "中文", "x" * 129])
def test_an_item_without_a_usable_msgid_is_refused(msgid: object) -> None:
    with pytest.raises(ItemError, match="msgid"):
        received("wk1", {**TEXT, "msgid": msgid}, CAUGHT_UP)


@pytest.mark.parametrize("item", [{}, {"msgtype": []}, {"event": 3, "msgtype": "event"}, {"text": None}])
def test_a_hopeless_item_is_refused_and_nothing_worse(item: dict[str, Any]) -> None:
    with pytest.raises(ItemError):
        received("wk1", item, CAUGHT_UP)


def test_an_impossible_send_time_is_refused() -> None:
    with pytest.raises(ItemError, match="send_time"):
        received("wk1", {**TEXT, "send_time": 10**18}, CAUGHT_UP)


def test_an_item_too_big_for_the_stream_is_refused() -> None:
    with pytest.raises(ItemError, match="too big"):
        received("wk1", {**TEXT, "text": {"content": "x" * 1_000_000}}, CAUGHT_UP)


def test_a_dead_letter_shows_the_shape_and_keeps_the_whole() -> None:
    letter = dead_letter("wk1", TEXT, "why")
    assert letter.shape["text"] == "dict"
    assert "你好" not in json.dumps(letter.shape, ensure_ascii=False)
    assert json.loads(base64.b64decode(letter.payload)) == TEXT
    assert letter.subject == "kf.inbound.wk1"


def test_a_dead_letter_of_a_huge_item_keeps_the_shape_only() -> None:
    assert dead_letter("wk1", {"text": "x" * 1_000_000}, "why").payload == ""
