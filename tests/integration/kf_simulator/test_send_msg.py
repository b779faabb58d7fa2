"""send_msg and send_msg_on_event: limits, state, window, quota, codes (sheet sections 4, 5 and 12)."""

import asyncio
from typing import Any

import pytest

from tests.fakes.simulator import SimulatorClient

HOURS = 3600


def menu(*items: dict[str, Any]) -> dict[str, Any]:
    return {"msgtype": "msgmenu", "msgmenu": {"head_content": "请选择", "list": list(items)}}


CLICK = {"type": "click", "click": {"id": "1", "content": "好"}}


async def token(sim: SimulatorClient) -> str:
    """A Token for pulls that must not count as made without one."""
    return str((await sim.control("POST", "/control/callback/tokens"))["token"])


async def test_a_message_reaches_the_customer_and_makes_the_session_the_assistants(
    sim: SimulatorClient,
) -> None:
    chat = await sim.chat()
    await chat.write()
    assert (await chat.state())["service_state"] == 0
    reply = await chat.send("您好", msgid="answer_1-A")
    assert reply == {"errcode": 0, "errmsg": "ok", "msgid": "answer_1-A"}
    assert (await chat.state())["service_state"] == 1
    last = (await chat.transcript())[-1]
    assert (last["direction"], last["msgid"], last["body"]) == ("app", "answer_1-A", {"content": "您好"})


async def test_without_a_msgid_one_is_made(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    first, second = await chat.send("一"), await chat.send("二")
    assert first["msgid"] != second["msgid"]
    assert len(first["msgid"]) == 32


@pytest.mark.parametrize(
    ("msgid", "errcode", "words"),
    [("x" * 33, 40058, "msgid exceed max length"), ("a b", 40058, "msgid"), ("好", 40058, "msgid")],
)
async def test_a_malformed_msgid_is_refused(
    sim: SimulatorClient, msgid: str, errcode: int, words: str
) -> None:
    chat = await sim.chat()
    await chat.write()
    reply = await chat.send(msgid=msgid)
    assert (reply["errcode"], words in reply["errmsg"]) == (errcode, True)


async def test_an_empty_msgid_is_refused(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    body = {"touser": chat.external_userid, "open_kfid": chat.open_kfid, "msgtype": "text", "msgid": ""}
    assert (await sim.api("send_msg", **body, text={"content": "x"}))["errcode"] == 40058


async def test_a_used_msgid_is_refused_with_an_unknown_code_or_by_switch_accepted(
    sim: SimulatorClient,
) -> None:
    chat, other = await sim.chat(), await sim.chat(1)
    await chat.write()
    await other.write()
    await chat.send(msgid="same")
    reply = await chat.send(msgid="same")
    assert (reply["errcode"], "msgid" in reply["errmsg"]) == (95099, True)
    assert (await other.send(msgid="same"))["errcode"] == 0, "unique within one account only"
    await sim.control("PATCH", "/control/switches", duplicate_msgid="accept")
    assert (await chat.send(msgid="same"))["errcode"] == 0


async def test_a_text_of_2048_bytes_passes_and_one_more_does_not(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    assert (await chat.send("好" * 682 + "ab"))["errcode"] == 0
    assert (await chat.send("好" * 683))["errcode"] == 45002
    await sim.control("PATCH", "/control/switches", oversize_errcode=40058)
    assert (await chat.send("好" * 683))["errcode"] == 40058
    assert (await sim.judge())["broken"] == {"oversize_text": 2}


async def test_five_messages_for_each_customer_message(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    assert [(await chat.send(str(n)))["errcode"] for n in range(6)] == [0, 0, 0, 0, 0, 95001]
    await chat.write("还有")
    assert (await chat.send("nochmal"))["errcode"] == 0


async def test_after_48_hours_the_window_is_closed(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    await chat.send()
    await sim.control("POST", "/control/clock/advance", seconds=48 * HOURS + 60)
    await sim.token()
    assert (await chat.send("zu spät"))["errcode"] == 95002
    await sim.control("PATCH", "/control/switches", window_errcode=95018)
    assert (await chat.send("zu spät"))["errcode"] == 95018
    assert (await chat.state())["service_state"] == 4, "48 hours without activity end a session"
    await chat.write("wieder da")
    assert (await chat.state())["service_state"] == 0
    assert (await chat.send("da"))["errcode"] == 0


async def test_nothing_can_be_sent_before_the_customer_speaks(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.enter()
    reply = await chat.send()
    assert reply["errcode"] == 95018
    assert reply["errmsg"].startswith("send msg session status invalid, hint: [")


@pytest.mark.parametrize(("target", "fields"), [(2, {}), (3, {"servicer_userid": "zhangsan"}), (4, {})])
async def test_pool_human_and_end_forbid_sending(
    sim: SimulatorClient, target: int, fields: dict[str, str]
) -> None:
    chat = await sim.chat()
    await chat.write()
    await chat.trans(target, **fields)
    assert (await chat.send())["errcode"] == 95018


async def test_by_switch_a_human_session_takes_messages_and_a_new_one_does_not(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", human_state_sendable=True, new_state_sendable=False)
    chat = await sim.chat()
    await chat.write()
    assert (await chat.send())["errcode"] == 95018
    await chat.trans(3, servicer_userid="zhangsan")
    assert (await chat.send())["errcode"] == 0


async def test_state_comes_before_window_and_window_before_quota(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    for number in range(5):
        await chat.send(str(number))
    await sim.control("POST", "/control/clock/advance", seconds=48 * HOURS + 60)
    await sim.token()
    assert (await chat.send("6"))["errcode"] == 95002
    await chat.servicer("take")
    assert (await chat.send("6"))["errcode"] == 95018


@pytest.mark.parametrize(
    ("fields", "errcode"),
    [
        ({"msgtype": "markdown", "markdown": {"content": "x"}}, 40008),
        ({"msgtype": "text", "text": {"content": " "}}, 44004),
        ({"msgtype": "image", "image": {"media_id": "unknown"}}, 40007),
        ({"msgtype": "link", "link": {"title": "t", "url": "example.com", "thumb_media_id": "x"}}, 45034),
        ({"msgtype": "location", "location": {"latitude": 91, "longitude": 0}}, 40058),
        ({"msgtype": "location", "location": {"latitude": 31.2, "longitude": 121.5}}, 0),
        ({"msgtype": "business_card", "business_card": {"userid": "zhangsan"}}, 0),
        ({"msgtype": "ca_link", "ca_link": {"link_url": "https://work.weixin.qq.com/ca/x"}}, 0),
        (menu(CLICK), 0),
        (menu(*[CLICK] * 11), 95008),
        (menu({"type": "dance", "dance": {}}), 95009),
        (menu({**CLICK, "view": {}}), 40058),
        ({"msgtype": "msgmenu", "msgmenu": {}}, 40063),
        ({"touser": "wmunknown"}, 40096),
        ({"touser": ""}, 40058),
        ({"open_kfid": "kfc0"}, 95000),
        ({"open_kfid": "wkgone"}, 95004),
    ],
)
async def test_bodies_are_checked(sim: SimulatorClient, fields: dict[str, Any], errcode: int) -> None:
    chat = await sim.chat()
    await chat.write()
    assert (await chat.send(**fields))["errcode"] == errcode


async def test_a_send_can_fail_seconds_later(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    fault = {"kind": "send_fail", "api": "send_msg", "fail_type": 13, "seconds": 0.05}
    await sim.control("POST", "/control/faults", **fault)
    assert (await chat.send(msgid="m1"))["errcode"] == 0
    lines = await chat.transcript(after=1, wait_seconds=20)
    assert lines[0]["body"]["event_type"] == "msg_send_fail"
    assert (await chat.transcript())[1]["fail_type"] == 13


async def welcome(sim: SimulatorClient, code: str, **fields: Any) -> int:
    body = {"code": code, "msgtype": "text", "text": {"content": "欢迎"}} | fields
    return int((await sim.api("send_msg_on_event", **body))["errcode"])


async def test_a_welcome_code_works_once_within_20_seconds(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    code = (await chat.enter())["body"]["welcome_code"]
    assert await welcome(sim, code) == 0
    assert await welcome(sim, code) == 40058
    assert (await chat.transcript())[-1]["extra"] == {"situation": "entered"}
    assert (await chat.state())["service_state"] == 4
    late = await sim.chat()
    code = (await late.enter())["body"]["welcome_code"]
    await sim.control("POST", "/control/clock/advance", seconds=21)
    assert await welcome(sim, code) == 40058


async def test_each_entry_gives_a_new_code_until_a_welcome_is_used(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    first, second = (await chat.enter())["body"], (await chat.enter())["body"]
    assert first["welcome_code"] != second["welcome_code"]
    await welcome(sim, second["welcome_code"])
    assert "welcome_code" not in (await chat.enter())["body"]


async def test_by_the_strict_rule_a_customer_who_wrote_lately_gets_no_code(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    assert "welcome_code" in (await chat.enter())["body"]
    await sim.control("PATCH", "/control/switches", welcome_strict=True)
    assert "welcome_code" not in (await chat.enter())["body"]


async def test_codes_of_pool_human_and_end_follow_their_terms(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    pooled = (await chat.trans(2))["msg_code"]
    assert await welcome(sim, pooled, **menu(CLICK)) == 40008, "only text"
    taken = (await chat.trans(3, servicer_userid="lisi"))["msg_code"]
    assert await welcome(sim, pooled) == 95018, "no longer in the pool"
    assert await welcome(sim, taken) == 0
    ended = (await chat.trans(4))["msg_code"]
    assert await welcome(sim, ended, **menu(CLICK)) == 0


async def test_a_code_does_not_use_up_the_quota(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    code = (await chat.enter())["body"]["welcome_code"]
    await chat.write()
    await welcome(sim, code)
    assert [(await chat.send(str(n)))["errcode"] for n in range(5)] == [0] * 5


async def test_a_code_uses_up_the_quota_by_switch(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", event_sends_count=True, quota_per_message=1)
    chat = await sim.chat()
    await chat.write()
    code = (await chat.enter())["body"]["welcome_code"]
    text = {"msgtype": "text", "text": {"content": "x"}}
    assert (await sim.api("send_msg_on_event", code=code, **text))["errcode"] == 0
    assert (await chat.send())["errcode"] == 95001


async def test_the_order_of_the_checks_is_a_switch(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    for order, errcode in ((["window", "state", "quota"], 95002), (["state", "window", "quota"], 95018)):
        await sim.control("PATCH", "/control/switches", check_order=order)
        assert (await chat.send())["errcode"] == errcode


async def test_by_switch_a_breach_is_told_later_as_a_failed_message(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", breach_reported="later", quota_per_message=1)
    chat = await sim.chat()
    await chat.write()
    assert [(await chat.send(msgid=f"m{n}"))["errcode"] for n in range(2)] == [0, 0]
    async with asyncio.timeout(30):
        while (last := (await chat.pull(token=await token(sim)))["msg_list"][-1])["msgtype"] != "event":
            await asyncio.sleep(0.1)
    assert (last["event"]["fail_msgid"], last["event"]["fail_type"]) == ("m1", 6)
    assert (await sim.judge())["broken"] == {"over_quota": 1}


async def test_sends_at_the_same_time_all_arrive(sim: SimulatorClient) -> None:
    chats = [await sim.chat() for _ in range(10)]
    for chat in chats:
        await chat.write()
    replies = await asyncio.gather(*(chat.send() for chat in chats))
    assert {reply["errcode"] for reply in replies} == {0}
