"""Who holds a chat: quiet while a human serves, a handover and its outcome, the way back."""

from datetime import UTC, datetime, timedelta

from kf_contracts.commands import EndSession, FindHolder, HandOver, SendOnEvent
from kf_contracts.events import DeliveryStatus, SessionHolder
from starlette.responses import JSONResponse, Response

from tests.fakes.dialog import Town

SENT = DeliveryStatus.SENT
STATUS = "SELECT status, reason FROM inbox WHERE msgid = $1 AND status <> 'new'"


def call_of(function: str) -> Response:
    """A completion that calls one of our functions."""
    call = {"id": "c1", "type": "function", "function": {"name": function, "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return JSONResponse({**body, "usage": usage})


async def closed_as(town: Town, msgid: str) -> tuple[str, str]:
    (row,) = await town.until(STATUS, msgid)
    return tuple(row)


async def held_by(town: Town, holder: str) -> None:
    await town.until("SELECT 1 FROM conversation WHERE holder = $1", holder)


async def test_the_bot_is_quiet_while_a_servicer_writes_and_back_after_the_end(town: Town) -> None:
    async with town.replica():
        await town.send("wm1", {"msgtype": "text", "text": {"content": "我来"}}, origin=5)
        to_the_human = await town.say("wm1", "那就麻烦您了，我的订单呢？")
        assert await closed_as(town, to_the_human) == ("ignored", "with_servicer")
        await town.event("wm1", event_type="session_status_change", change_type=3)
        to_the_bot = await town.say("wm1", "多久发货？")
        assert await closed_as(town, to_the_bot) == ("answered", "")
        (reply,) = await town.replied(1)
    assert reply.in_reply_to == (to_the_bot,)


async def test_a_servicer_who_writes_while_the_model_thinks_has_the_last_word(town: Town) -> None:
    town.knowledge.add("发货", "付款后 48 小时内发货。")
    town.model.delay = lambda _: 3.0
    async with town.replica():
        asked = await town.say("wm1", "多久发货？")
        await town.asked(1)
        await town.send("wm1", {"msgtype": "text", "text": {"content": "我来回答"}}, origin=5)
        assert await closed_as(town, asked) == ("ignored", "with_servicer")
        other = await town.say("wm2", "多久发货？")
        (reply,) = await town.replied(1)
    assert reply.in_reply_to == (other,)


async def test_who_asks_for_a_human_gets_one_and_is_answered_by_nobody_else(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "转人工")
        (handover,) = await town.commanded(HandOver)
        meanwhile = await town.say("wm1", "在吗？")
        await town.tell(handover, SENT, holder=SessionHolder.SERVICER, servicer_userid="zhang")
        assert await closed_as(town, meanwhile) == ("ignored", "with_servicer")
    (turn,) = await town.rows("SELECT outcome, handover_reason, handover_result FROM turn")
    assert tuple(turn) == ("handed_over", "wish", "servicer")
    (row,) = await town.rows("SELECT servicer_userid FROM conversation")
    assert row[0] == "zhang"


async def test_when_nobody_takes_it_the_bot_answers_what_came_meanwhile(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "转人工")
        (handover,) = await town.commanded(HandOver)
        meanwhile = await town.say("wm1", "那多久发货？")
        await town.tell(handover, SENT, holder=SessionHolder.ASSISTANT)
        assert await closed_as(town, meanwhile) == ("answered", "")
    results = await town.rows("SELECT handover_result FROM turn ORDER BY position")
    assert [row[0] for row in results] == ["nobody", ""]


async def test_a_handover_that_fails_is_told_to_the_customer(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "转人工")
        (handover,) = await town.commanded(HandOver)
        await town.tell(handover, DeliveryStatus.FAILED, reason="95016")
        await held_by(town, "bot")
        (sorry,) = await town.replied(1)
    assert sorry.command_id == f"{handover.command_id}-sorry"
    assert "没有人工客服在线" in sorry.text


async def test_an_answer_that_was_parked_shows_that_a_human_has_the_chat(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "多久发货？")
        (reply,) = await town.replied(1)
        await town.tell(reply, DeliveryStatus.PARKED, holder=SessionHolder.POOL, reason="state 2")
        await held_by(town, "pool")
        assert await closed_as(town, await town.say("wm1", "有人吗？")) == ("ignored", "with_pool")
    (delivery,) = await town.rows("SELECT turn_id, kind, status, reason FROM delivery")
    assert tuple(delivery) == (reply.turn_id, "send_reply", "parked", "state 2")


async def test_a_human_who_was_not_heard_of_for_two_days_holds_nothing(town: Town) -> None:
    async with town.replica():
        await town.send("wm1", {"msgtype": "text", "text": {"content": "我来"}}, origin=5)
        await held_by(town, "servicer")
        await town.rows("UPDATE conversation SET holder_at = now() - interval '49 hours'")
        assert await closed_as(town, await town.say("wm1", "多久发货？")) == ("answered", "")


async def test_when_a_human_fell_silent_wecom_is_asked_who_has_the_chat(town: Town) -> None:
    async with town.replica():
        await town.send("wm1", {"msgtype": "text", "text": {"content": "我来"}}, origin=5)
        await held_by(town, "servicer")
        await town.rows("UPDATE conversation SET holder_at = now() - interval '11 minutes'")
        first = await town.say("wm1", "多久发货？")
        (question,) = await town.commanded(FindHolder)
        assert await closed_as(town, first) == ("ignored", "with_servicer")
        await town.tell(question, SENT, holder=SessionHolder.ASSISTANT)
        (reply,) = await town.replied(1)
    assert reply.in_reply_to == (first,)


async def test_a_human_who_is_still_there_is_asked_for_once(town: Town) -> None:
    async with town.replica():
        await town.send("wm1", {"msgtype": "text", "text": {"content": "我来"}}, origin=5)
        await held_by(town, "servicer")
        await town.rows("UPDATE conversation SET holder_at = now() - interval '11 minutes'")
        await town.say("wm1", "多久发货？")
        (question,) = await town.commanded(FindHolder)
        await town.tell(question, SENT, holder=SessionHolder.SERVICER, servicer_userid="zhang")
        await town.until("SELECT 1 FROM conversation WHERE servicer_userid = 'zhang'")
        assert await closed_as(town, await town.say("wm1", "在吗？")) == ("ignored", "with_servicer")
        assert len(await town.commands()) == 1


async def test_what_a_servicer_wrote_days_ago_silences_nobody_now(town: Town) -> None:
    async with town.replica():
        then = datetime.now(UTC) - timedelta(days=2.5)
        old = {"origin": 5, "answerable": False, "send_time": then}
        await town.send("wm1", {"msgtype": "text", "text": {"content": "我来"}}, **old)
        await held_by(town, "servicer")
        assert await closed_as(town, await town.say("wm1", "多久发货？")) == ("answered", "")


async def test_who_comes_back_to_a_human_is_not_greeted_over_them(town: Town) -> None:
    async with town.replica():
        await town.send("wm1", {"msgtype": "text", "text": {"content": "我来"}}, origin=5)
        await town.enters("wm1", welcome_code="A")
        await town.enters("wm2", welcome_code="B")
        (greeting,) = await town.commanded(SendOnEvent)
    assert greeting.external_userid == "wm2"


async def test_a_goodbye_ends_the_session_with_the_survey_and_the_tap_is_stored(town: Town) -> None:
    town.knowledge.add("再见", "没有别的问题了就说再见。")
    town.model.script = [call_of("end_session")]
    async with town.replica():
        await town.say("wm1", "没有别的问题了，再见")
        (end,) = await town.commanded(EndSession)
        assert [line["id"] for line in end.menu["items"]] == ["kf.rate.1", "kf.rate.2", "kf.rate.3"]
        calls = len(town.model.prompts)
        tap = {"content": "一般", "menu_id": "kf.rate.2"}
        await town.send("wm1", {"msgtype": "text", "text": tap})
        (rating,) = await town.until("SELECT score, label FROM rating")
        assert "谢谢" in (await town.replies())[-1].text
    assert tuple(rating) == (2, "一般")
    assert len(town.model.prompts) == calls


async def test_an_older_outcome_does_not_undo_the_end_of_the_session(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "多久发货？")
        (reply,) = await town.replied(1)
        await town.event("wm1", event_type="session_status_change", change_type=3)
        await town.until("SELECT 1 FROM conversation WHERE holder_reason <> ''")
        (row,) = await town.rows("SELECT holder_at - interval '1 second' AS before FROM conversation")
        late = {"holder": SessionHolder.SERVICER, "occurred_at": row["before"]}
        await town.tell(reply, DeliveryStatus.PARKED, **late)
        await town.until("SELECT 1 FROM delivery WHERE status = 'parked'")
        assert await closed_as(town, await town.say("wm1", "几点关门？")) == ("answered", "")
