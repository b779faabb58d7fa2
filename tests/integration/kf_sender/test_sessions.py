"""Handover and end: who gets a session, what the customer is told, never away from a human."""

from typing import Any

import pytest

from tests.fakes.kf_desk import SEND_ON_EVENT, SERVICERS, STATE_GET, STATE_TRANS, KfDesk
from tests.fakes.senders import Office, command, end_session, find_holder, hand_over, welcome
from tests.fakes.wecom_api import Raw

NOBODY: dict[str, Any] = {"errcode": 0, "servicer_list": []}


def state(number: int) -> dict[str, Any]:
    return {"errcode": 0, "service_state": number}


def serving(*userids: str) -> dict[str, Any]:
    away = {"userid": "away", "status": 1}
    return {"errcode": 0, "servicer_list": [{"userid": u, "status": 0} for u in userids] + [away]}


def code(value: str) -> dict[str, Any]:
    return {"errcode": 0, "msg_code": value}


def refusal(number: int) -> dict[str, Any]:
    return {"errcode": number, "errmsg": "refused"}


def asked(desk: KfDesk, path: str) -> list[Any]:
    return [each.json for each in desk.asked if each.path == path]


async def holders(hall: Office, command_id: str, status: str) -> tuple[str, str, str]:
    """Whom the command's last event names."""
    event = (await hall.until_delivered(command_id, status))[-1]
    return event.kind, event.holder, event.servicer_userid


def given_to(desk: KfDesk) -> list[tuple[int, str]]:
    return [(t["service_state"], t.get("servicer_userid", "")) for t in asked(desk, STATE_TRANS)]


async def test_a_serving_servicer_gets_the_session_and_the_customer_is_told(
    hall: Office, desk: KfDesk
) -> None:
    desk.on(STATE_GET, state(1), state(3) | {"servicer_userid": "lisi"})
    desk.on(SERVICERS, serving("zhangsan"))
    desk.on(STATE_TRANS, code("c-1"))
    hall.start()
    await hall.publish(hand_over("h1"), command("c2"))
    await hall.until("h1", "sent")
    assert given_to(desk) == [(3, "zhangsan")]
    [notice] = asked(desk, SEND_ON_EVENT)
    assert (notice["code"], notice["text"]["content"]) == ("c-1", "已为您转接人工客服，请稍候。")
    # From now on a human has the chat.
    await hall.until("c2", "parked")
    assert desk.calls == []
    assert await holders(hall, "h1", "sent") == ("hand_over", "servicer", "zhangsan")
    assert await holders(hall, "c2", "parked") == ("send_reply", "servicer", "lisi")


async def test_sessions_go_to_who_has_fewest_and_then_round(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, *[state(1)] * 5)
    desk.on(SERVICERS, *[serving("a", "b")] * 5)
    hall.start()
    for number in range(4):
        await hall.publish(hand_over(f"h{number}", f"wm{number}"))
        await hall.until(f"h{number}", "sent")
    taken = {"event_type": "session_status_change", "change_type": 3, "old_servicer_userid": "b"}
    await hall.hear("e1", "wm1", event=taken)
    await hall.hear("m1", "wmB")
    await hall.heard("m1", "wmB")
    await hall.publish(hand_over("h4", "wm4"))
    await hall.until("h4", "sent")
    assert [userid for _, userid in given_to(desk)] == ["a", "b", "a", "b", "b"]


@pytest.mark.parametrize("number", [95014, 95019])
async def test_who_cannot_take_it_is_passed_over_then_comes_the_pool(
    hall: Office, desk: KfDesk, number: int
) -> None:
    desk.on(STATE_GET, state(1))
    desk.on(SERVICERS, serving("a", "b"))
    desk.on(STATE_TRANS, refusal(number), refusal(number), code("c-pool"))
    hall.start()
    await hall.publish(hand_over("h1"))
    await hall.until("h1", "sent")
    assert given_to(desk) == [(3, "a"), (3, "b"), (2, "")]
    [notice] = asked(desk, SEND_ON_EVENT)
    assert "排队" in notice["text"]["content"]
    assert await holders(hall, "h1", "sent") == ("hand_over", "pool", "")


async def test_when_nobody_can_take_it_the_customer_is_told_the_truth(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(1))
    desk.on(SERVICERS, NOBODY)
    hall.start()
    await hall.publish(hand_over("h1", to_pool=False), command("c2"))
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["抱歉，现在没有人工客服在线。您可以继续向我提问，或稍后再试。", "answer c2"]
    assert await holders(hall, "h1", "sent") == ("hand_over", "assistant", "")


async def test_a_spent_budget_still_has_the_handover_message(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(1))
    desk.on(SERVICERS, NOBODY)
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(*(command(f"c{n}") for n in range(5)), hand_over("h1", to_pool=False))
    await hall.until("h1", "sent")
    await hall.until("c4", "held")
    assert len(desk.texts("wmA")) == 5


async def test_a_doubtful_notice_is_repeated_without_another_handover(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(1))
    desk.on(SERVICERS, serving("a"))
    desk.on(STATE_TRANS, code("c-1"))
    desk.on(SEND_ON_EVENT, Raw(drop=True))
    hall.start()
    await hall.publish(hand_over("h1"))
    await hall.until("h1", "sent")
    assert given_to(desk) == [(3, "a")]
    first, again = asked(desk, SEND_ON_EVENT)
    assert first == again
    assert await holders(hall, "h1", "sent") == ("hand_over", "servicer", "a")


async def test_a_session_that_a_human_has_is_not_handed_over_again(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(3))
    hall.start()
    await hall.publish(hand_over("h1"))
    row = await hall.until("h1", "sent")
    assert "already" in row["reason"]
    assert given_to(desk) == []


async def test_an_end_says_farewell_with_its_code(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(1))
    desk.on(STATE_TRANS, code("c-end"))
    hall.start()
    await hall.publish(end_session("e1", farewell="再见"))
    await hall.until("e1", "sent")
    assert given_to(desk) == [(4, "")]
    [farewell] = asked(desk, SEND_ON_EVENT)
    assert (farewell["code"], farewell["text"]["content"]) == ("c-end", "再见")
    assert await holders(hall, "e1", "sent") == ("end_session", "ended", "")


async def test_a_farewell_and_a_welcome_can_be_menus(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(1))
    desk.on(STATE_TRANS, code("c-end"))
    menu = {"head_content": "满意吗？", "items": [{"type": "click", "id": "1", "content": "满意"}]}
    broken = {"items": [{"type": "hologram"}]}
    hall.start()
    await hall.publish(
        end_session("e1", farewell="满意吗？", menu=menu),
        welcome("w1", "wmNew", menu=menu),
        welcome("w2", "wmOther", menu=broken),
    )
    for command_id in ("e1", "w1", "w2"):
        await hall.until(command_id, "sent")
    sent = {each["code"]: each for each in asked(desk, SEND_ON_EVENT)}
    for each in ("c-end", "code-w1"):
        line = {"type": "click", "click": {"id": "1", "content": "满意"}}
        assert sent[each]["msgmenu"] == {"head_content": "满意吗？", "list": [line]}
    assert sent["code-w2"]["text"] == {"content": "欢迎"}


async def test_who_has_a_session_is_told_without_a_word_to_the_customer(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(3) | {"servicer_userid": "zhangsan"}, state(0))
    hall.start()
    await hall.publish(find_holder("f1"))
    assert await holders(hall, "f1", "sent") == ("find_holder", "servicer", "zhangsan")
    await hall.publish(find_holder("f2"))
    assert await holders(hall, "f2", "sent") == ("find_holder", "assistant", "")
    assert not [each for each in desk.asked if "send_msg" in each.path]


async def test_95016_on_an_ended_session_is_success(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(1), state(4))
    desk.on(STATE_TRANS, refusal(95016))
    hall.start()
    await hall.publish(end_session("e1"))
    await hall.until("e1", "sent")


async def test_a_session_is_never_ended_over_a_human(hall: Office, desk: KfDesk) -> None:
    desk.on(STATE_GET, state(3))
    hall.start()
    await hall.publish(end_session("e1"))
    row = await hall.until("e1", "expired")
    assert "not ended over" in row["reason"]
    assert await holders(hall, "e1", "expired") == ("end_session", "servicer", "")
    # A human was faster: nobody's fault, and nothing for the dead letters.
    assert await hall.dead() == []
    assert given_to(desk) == []
