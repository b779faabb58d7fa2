"""service_state, servicers, accounts, customers and media (sheet sections 6 to 8 and 12)."""

from typing import Any

import pytest

from tests.fakes.simulator import Chat, SimulatorClient

HUMAN = {"servicer_userid": "zhangsan"}


async def in_state(sim: SimulatorClient, state: int) -> Chat:
    """A chat brought into a state without the API that is under test."""
    chat = await sim.chat()
    await chat.write()
    if state == 1:
        await chat.send()
    if state == 2:
        await sim.control("PATCH", f"/control/accounts/{chat.open_kfid}", reception="pool")
        chat = await sim.chat()
        await chat.write()
    if state >= 3:
        await chat.servicer("take")
    if state == 4:
        await chat.servicer("end")
    assert (await chat.state())["service_state"] == state
    return chat


@pytest.mark.parametrize(
    ("state", "allowed"), [(0, {1, 2, 3, 4}), (1, {2, 3, 4}), (2, {3, 4}), (3, {3, 4}), (4, set())]
)
async def test_the_transition_table(sim: SimulatorClient, state: int, allowed: set[int]) -> None:
    for target in range(5):
        chat = await in_state(sim, state)
        await sim.control("PATCH", f"/control/accounts/{chat.open_kfid}", reception="assistant")
        reply = await chat.trans(target, **(HUMAN if target == 3 else {}))
        assert reply["errcode"] == (0 if target in allowed else 95016), f"{state} to {target}"
        if target in allowed:
            assert (await chat.state())["service_state"] == target


async def test_an_uncertain_transition_is_a_switch(sim: SimulatorClient) -> None:
    switches = await sim.control("GET", "/control/switches")
    await sim.control("PATCH", "/control/switches", transitions=[*switches["transitions"], "2>1"])
    chat = await in_state(sim, 2)
    assert (await chat.trans(1))["errcode"] == 0


async def test_the_errcode_of_a_change_out_of_an_ended_session_is_a_switch(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", ended_transition_errcode=95013)
    chat = await in_state(sim, 4)
    assert (await chat.trans(1))["errcode"] == 95013


async def test_only_a_serving_servicer_can_be_given_a_chat(sim: SimulatorClient) -> None:
    chat = await in_state(sim, 1)
    assert (await chat.trans(3))["errcode"] == 40058
    assert (await chat.trans(3, servicer_userid="nobody"))["errcode"] == 95014
    await sim.control("POST", "/control/servicers/lisi/status", open_kfid=chat.open_kfid, status=1)
    assert (await chat.trans(3, servicer_userid="lisi"))["errcode"] == 95019
    assert (await chat.trans(3, servicer_userid="zhangsan"))["errcode"] == 0
    assert (await chat.state())["servicer_userid"] == "zhangsan"


async def test_a_change_of_our_own_makes_no_event(sim: SimulatorClient) -> None:
    chat = await in_state(sim, 1)
    cursor = (await chat.pull())["next_cursor"]
    await chat.trans(2)
    assert (await chat.pull(cursor=cursor))["msg_list"] == []


async def test_what_a_servicer_does_makes_events(sim: SimulatorClient) -> None:
    chat = await in_state(sim, 2)
    cursor = (await chat.pull())["next_cursor"]
    await chat.servicer("take", "zhangsan")
    await chat.servicer("transfer", "lisi")
    await chat.servicer("end", "lisi")
    await chat.servicer("say", "lisi", "还有一件事")
    *events, said = (await chat.pull(cursor=cursor))["msg_list"]
    changes = [item["event"] for item in events]
    assert [change["change_type"] for change in changes] == [1, 2, 3, 4]
    assert [("msg_code" in change) for change in changes] == [True, False, True, False]
    assert (changes[1]["old_servicer_userid"], changes[1]["new_servicer_userid"]) == ("zhangsan", "lisi")
    assert (said["origin"], said["servicer_userid"], said["text"]["content"]) == (5, "lisi", "还有一件事")
    assert (await chat.state())["service_state"] == 3


async def test_a_servicer_recalls_and_refuses(sim: SimulatorClient) -> None:
    chat = await in_state(sim, 3)
    said = await chat.servicer("say", "zhangsan", "versehen")
    path = f"/control/chats/{chat.open_kfid}/{chat.external_userid}/servicer"
    await sim.control("POST", path, action="recall", userid="zhangsan", msgid=said["msgid"])
    for action in ("reject", "accept"):
        await chat.servicer(action, "zhangsan")
    recalled, *switched = (item["event"] for item in (await chat.pull())["msg_list"][-3:])
    assert (recalled["event_type"], recalled["recall_msgid"]) == ("servicer_recall_msg", said["msgid"])
    assert {event["event_type"] for event in switched} == {"reject_customer_msg_switch_change"}
    assert [event["reject_switch"] for event in switched] == [1, 0]
    assert any(line["recalled"] for line in await chat.transcript() if line["direction"] == "servicer")
    wrong = {"action": "recall", "userid": "zhangsan", "msgid": "no"}
    assert (await sim.http.post(path, json=wrong)).status_code == 404


async def test_going_off_line_counts_differently_in_event_and_list(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    path = "/control/servicers/lisi/status"
    await sim.control("POST", path, open_kfid=chat.open_kfid, status=1, stop_type=1)
    event = (await chat.pull())["msg_list"][0]["event"]
    assert (event["event_type"], event["status"], event["stop_type"]) == ("servicer_status_change", 2, 1)
    query = {"access_token": sim.access_token, "open_kfid": chat.open_kfid}
    listed = (await sim.http.get("/cgi-bin/kf/servicer/list", params=query)).json()["servicer_list"]
    assert listed == [{"userid": "zhangsan", "status": 0}, {"userid": "lisi", "status": 1, "stop_type": 1}]


@pytest.mark.parametrize(("reception", "state"), [("assistant", 0), ("human", 3), ("pool", 2)])
async def test_reception_decides_where_a_new_message_lands(
    sim: SimulatorClient, reception: str, state: int
) -> None:
    chat = await sim.chat()
    await sim.control("PATCH", f"/control/accounts/{chat.open_kfid}", reception=reception)
    await chat.write()
    assert (await chat.state())["service_state"] == state


async def test_with_nobody_serving_human_reception_falls_back_to_a_new_session(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await sim.control("PATCH", f"/control/accounts/{chat.open_kfid}", reception="human")
    for userid in ("zhangsan", "lisi"):
        await sim.control("POST", f"/control/servicers/{userid}/status", open_kfid=chat.open_kfid, status=1)
    await chat.write()
    assert (await chat.state())["service_state"] == 0


async def test_accounts_are_listed_in_pages(sim: SimulatorClient) -> None:
    everything = (await sim.api("account/list"))["account_list"]
    assert [account["name"] for account in everything] == ["售前咨询", "售后服务"]
    assert (await sim.api("account/list", offset=1, limit=1))["account_list"] == everything[1:]
    assert (await sim.api("account/list", limit=101))["errcode"] == 40058


async def test_batchget_knows_only_customers_of_the_last_48_hours(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.enter(scene="oamenu3")
    stranger = await sim.customer("从没来过")
    request = {"external_userid_list": [chat.external_userid, stranger], "need_enter_session_context": 1}
    reply = await sim.api("customer/batchget", **request)
    assert [customer["nickname"] for customer in reply["customer_list"]] == ["小王"]
    assert reply["customer_list"][0]["enter_session_context"]["scene"] == "oamenu3"
    assert reply["invalid_external_userid"] == [stranger]
    await sim.control("POST", "/control/clock/advance", seconds=49 * 3600)
    await sim.token()
    assert (await sim.api("customer/batchget", **request))["customer_list"] == []
    assert (await sim.api("customer/batchget", external_userid_list=[]))["errcode"] == 40058


async def upload(sim: SimulatorClient, kind: str, name: str, data: bytes) -> dict[str, Any]:
    query = {"access_token": sim.access_token or await sim.token(), "type": kind}
    files = {"media": (name, data, "image/png")}
    return (await sim.http.post("/cgi-bin/media/upload", params=query, files=files)).json()  # type: ignore[no-any-return]


PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


async def test_media_goes_up_is_sent_and_comes_back(sim: SimulatorClient) -> None:
    uploaded = await upload(sim, "image", "图.png", PNG)
    assert uploaded["created_at"].isdigit()
    chat = await sim.chat()
    await chat.write()
    body = {"media_id": uploaded["media_id"]}
    assert (await chat.send(msgtype="image", image=body))["errcode"] == 0
    assert (await chat.send(msgtype="voice", voice=body))["errcode"] == 40007, "wrong kind"
    query = {"access_token": sim.access_token, "media_id": uploaded["media_id"]}
    got = await sim.http.get("/cgi-bin/media/get", params=query)
    assert (got.content, got.headers["content-type"]) == (PNG, "image/png")
    assert "filename*=UTF-8''%E5%9B%BE.png" in got.headers["content-disposition"]
    part = await sim.http.get("/cgi-bin/media/get", params=query, headers={"range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")


async def test_media_is_gone_after_three_days_and_errors_are_json(sim: SimulatorClient) -> None:
    media_id = (await upload(sim, "image", "a.png", PNG))["media_id"]
    await sim.control("POST", "/control/clock/advance", seconds=3 * 24 * 3600 + 60)
    query = {"access_token": await sim.token(), "media_id": media_id}
    reply = await sim.http.get("/cgi-bin/media/get", params=query)
    assert (reply.headers["content-type"].split(";")[0], reply.json()["errcode"]) == (
        "application/json",
        40007,
    )


@pytest.mark.parametrize(
    ("kind", "data", "errcode"),
    [
        ("image", b"", 44001),
        ("image", b"12345", 40006),
        ("image", b"GIF89a....", 40009),
        ("voice", b"RIFF......", 40004),
        ("video", b"0123456789", 40011),
        ("sticker", PNG, 40005),
        ("voice", b"#!AMR" + b"0" * 2 * 1024 * 1024, 45001),
    ],
)
async def test_media_that_is_not_allowed_is_refused(
    sim: SimulatorClient, kind: str, data: bytes, errcode: int
) -> None:
    assert (await upload(sim, kind, "a", data))["errcode"] == errcode
