"""sync_msg: cursors, tokens, pages, retention, and what is in the stream (sheet sections 3 and 12)."""

import asyncio
from typing import Any

import pytest

from tests.fakes.simulator import SimulatorClient

RETENTION_SECONDS = 3 * 24 * 3600


async def callback_token(sim: SimulatorClient) -> str:
    return str((await sim.control("POST", "/control/callback/tokens"))["token"])


def texts(reply: dict[str, Any]) -> list[str]:
    return [item["text"]["content"] for item in reply["msg_list"] if item["msgtype"] == "text"]


async def test_without_a_cursor_it_reads_from_the_oldest_and_the_cursor_goes_on(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write("一")
    await chat.write("二")
    first = await chat.pull(limit=1)
    assert (texts(first), first["has_more"]) == (["一"], 1)
    second = await chat.pull(cursor=first["next_cursor"])
    assert (texts(second), second["has_more"]) == (["二"], 0)
    assert texts(await chat.pull(cursor=second["next_cursor"])) == []
    assert texts(await chat.pull(cursor=first["next_cursor"])) == ["二"], "an old cursor replays"


async def test_a_reply_has_the_keys_in_the_order_of_real_logs(sim: SimulatorClient) -> None:
    reply = await (await sim.chat()).pull()
    assert list(reply) == ["errcode", "errmsg", "next_cursor", "msg_list", "has_more"]


async def test_ids_look_like_real_ones(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.enter()
    await chat.write()
    reply = await chat.pull()
    event, message = reply["msg_list"]
    assert (len(event["msgid"]), len(message["msgid"]), len(reply["next_cursor"])) == (44, 41, 19)
    assert len(event["event"]["welcome_code"]) == 43
    assert (chat.open_kfid[:2], len(chat.open_kfid)) == ("wk", 32)
    assert (chat.external_userid[:2], len(chat.external_userid)) == ("wm", 32)
    assert chat.open_kfid[2:12] == chat.external_userid[2:12]
    token = await callback_token(sim)
    assert (token[:3], len(token)) == ("ENC", 47)


async def test_events_carry_ids_only_inside_the_event(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.enter(scene="oamenu3", scene_param="%E5%9C%BA")
    item = (await chat.pull())["msg_list"][0]
    assert set(item) == {"msgid", "send_time", "origin", "msgtype", "event"}
    assert (item["origin"], item["event"]["scene_param"]) == (4, "%E5%9C%BA")
    assert (item["event"]["open_kfid"], item["event"]["external_userid"]) == (
        chat.open_kfid,
        chat.external_userid,
    )


async def test_messages_of_the_app_never_appear_but_their_failure_does(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    cursor = (await chat.pull())["next_cursor"]
    await chat.send(msgid="answer-1")
    assert (await chat.pull(cursor=cursor))["msg_list"] == []
    await sim.control("POST", f"/control/chats/{chat.open_kfid}/send_fails", msgid="answer-1", fail_type=10)
    event = (await chat.pull(cursor=cursor))["msg_list"][0]["event"]
    assert (event["event_type"], event["fail_msgid"], event["fail_type"]) == ("msg_send_fail", "answer-1", 10)


async def test_accounts_have_streams_of_their_own(sim: SimulatorClient) -> None:
    one, other = await sim.chat(0), await sim.chat(1)
    await one.write("一")
    await other.write("二")
    first, second = await one.pull(), await other.pull()
    assert (texts(first), texts(second)) == (["一"], ["二"])
    assert (await other.pull(cursor=first["next_cursor"]))["errcode"] == 40058


async def test_what_is_older_than_three_days_is_gone(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write("alt")
    cursor = (await chat.pull(limit=1))["next_cursor"]
    await sim.control("POST", "/control/clock/advance", seconds=RETENTION_SECONDS + 60)
    await chat.write("neu")
    await sim.token()
    assert texts(await chat.pull()) == ["neu"]
    assert texts(await chat.pull(cursor=cursor)) == ["neu"]


@pytest.mark.parametrize("body", [{}, {"open_kfid": ""}])
async def test_open_kfid_is_required(sim: SimulatorClient, body: dict[str, str]) -> None:
    reply = await sim.api("sync_msg", **body)
    assert reply["errcode"] == 40058
    assert reply["errmsg"].startswith("syncMsg: field `open_kfid` unexpected empty string. invalid Request")


@pytest.mark.parametrize(("open_kfid", "errcode"), [("kfc0123", 95000), ("wkunknown", 95004)])
async def test_a_wrong_open_kfid_is_refused(sim: SimulatorClient, open_kfid: str, errcode: int) -> None:
    assert (await sim.api("sync_msg", open_kfid=open_kfid))["errcode"] == errcode


async def test_an_account_taken_from_the_app_is_refused(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await sim.control("PATCH", f"/control/accounts/{chat.open_kfid}", granted=False)
    assert (await chat.pull())["errcode"] == 48007


@pytest.mark.parametrize("cursor", ["tooShort", "1" * 19, "0OIl" * 4, "x" * 65])
async def test_a_bad_cursor_is_refused(sim: SimulatorClient, cursor: str) -> None:
    assert (await (await sim.chat()).pull(cursor=cursor))["errcode"] == 40058


async def test_the_errcodes_of_both_are_switches(sim: SimulatorClient) -> None:
    changes = {"missing_open_kfid_errcode": 40063, "bad_cursor_errcode": 40035}
    await sim.control("PATCH", "/control/switches", **changes)
    chat = await sim.chat()
    assert (await sim.api("sync_msg"))["errcode"] == 40063
    assert (await chat.pull(cursor="bad"))["errcode"] == 40035


async def test_a_limit_over_1000_is_clamped_or_by_switch_refused(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    assert (await chat.pull(limit=1001))["errcode"] == 0
    await sim.control("PATCH", "/control/switches", sync_limit_over="error")
    assert (await chat.pull(limit=1001))["errcode"] == 40058


async def test_a_token_lives_ten_minutes(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    token = await callback_token(sim)
    assert (await chat.pull(token=token))["errcode"] == 0
    await sim.control("POST", "/control/clock/advance", seconds=601)
    assert (await chat.pull(token=token))["errcode"] == 95007
    assert (await chat.pull(token="ENCwrong"))["errcode"] == 95007


async def test_without_a_token_there_are_ten_calls_a_minute_then_a_block(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    token = await callback_token(sim)
    codes = [(await chat.pull())["errcode"] for _ in range(11)]
    assert codes == [0] * 10 + [45009]
    assert (await chat.pull(token=token))["errcode"] == 0
    await sim.control("PATCH", "/control/switches", sync_block_scope="all")
    assert (await chat.pull(token=token))["errcode"] == 45009
    await sim.control("POST", "/control/clock/advance", seconds=61)
    assert (await chat.pull())["errcode"] == 0
    assert (await sim.judge())["broken"]["tokenless_sync"] == 1


async def test_more_than_five_at_once_are_refused(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    token = await callback_token(sim)
    await sim.control("POST", "/control/faults", kind="slow", api="sync_msg", seconds=0.5, times=8)
    codes = [reply["errcode"] for reply in await asyncio.gather(*(chat.pull(token=token) for _ in range(8)))]
    assert codes.count(45033) > 0
    await sim.control("PATCH", "/control/switches", sync_parallel=0)
    await sim.control("POST", "/control/faults", kind="slow", api="sync_msg", seconds=0.5, times=8)
    codes = [reply["errcode"] for reply in await asyncio.gather(*(chat.pull(token=token) for _ in range(8)))]
    assert codes == [0] * 8


async def test_has_more_may_come_with_an_empty_or_short_page(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write("一")
    await chat.write("二")
    await sim.control("POST", "/control/faults", kind="empty_page")
    await sim.control("POST", "/control/faults", kind="short_page")
    empty = await chat.pull()
    assert (empty["msg_list"], empty["has_more"]) == ([], 1)
    short = await chat.pull(cursor=empty["next_cursor"])
    assert (texts(short), short["has_more"]) == (["一"], 1)
    assert texts(await chat.pull(cursor=short["next_cursor"])) == ["二"]


async def test_other_types_and_recalls_arrive(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    place = {"latitude": 31.2, "longitude": 121.5, "name": "外滩", "address": "上海"}
    line = await chat.write(msgtype="location", body=place)
    await chat.write("好的", menu_id="m1")
    await sim.control(
        "POST", f"/control/chats/{chat.open_kfid}/{chat.external_userid}/recalls", msgid=line["msgid"]
    )
    location, tapped, recall = (await chat.pull())["msg_list"]
    assert (location["msgtype"], location["location"]) == ("location", place)
    assert tapped["text"] == {"content": "好的", "menu_id": "m1"}
    assert (recall["event"]["event_type"], recall["event"]["recall_msgid"]) == (
        "user_recall_msg",
        line["msgid"],
    )
