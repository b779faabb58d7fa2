"""Customers' media, upgrades, recall, statistics and the corp's standing (sheet sections 7 and 8)."""

import time
from typing import Any

import pytest

from tests.fakes.simulator import Chat, SimulatorClient

DAY = 86_400


async def spoken(sim: SimulatorClient) -> Chat:
    chat = await sim.chat()
    await chat.write()
    return chat


async def send_file(chat: Chat, kind: str, data: bytes) -> None:
    path = f"/control/chats/{chat.open_kfid}/{chat.external_userid}/media?kind={kind}"
    reply = await chat.client.http.post(path, files={"media": ("a.bin", data)})
    assert reply.status_code == 201


@pytest.mark.parametrize("kind", ["image", "voice", "video", "file"])
async def test_a_file_of_a_customer_comes_as_a_media_id_for_three_days(
    sim: SimulatorClient, kind: str
) -> None:
    chat = await sim.chat()
    await send_file(chat, kind, b"\x89PNG")
    item = (await chat.pull())["msg_list"][-1]
    query = {"access_token": await sim.token(), "media_id": item[kind]["media_id"]}
    got = await sim.http.get("/cgi-bin/media/get", params=query)
    assert (item["msgtype"], got.content) == (kind, b"\x89PNG")
    await sim.control("POST", "/control/clock/advance", seconds=3 * DAY + 1)
    query["access_token"] = await sim.token()
    assert (await sim.http.get("/cgi-bin/media/get", params=query)).json()["errcode"] == 40007


async def test_a_file_that_is_too_large_comes_as_a_text_that_says_so(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await send_file(chat, "image", b"0" * (2 * 1024 * 1024 + 1))
    item = (await chat.pull())["msg_list"][-1]
    assert (item["msgtype"], "过大" in item["text"]["content"]) == ("text", True)


async def test_a_voice_of_more_than_a_minute_is_refused(sim: SimulatorClient) -> None:
    frame = b"\x04" + b"\0" * 12
    query = {"access_token": await sim.token(), "type": "voice"}
    codes = []
    for frames in (3000, 3001):
        files = {"media": ("a.amr", b"#!AMR\n" + frame * frames)}
        codes.append((await sim.http.post("/cgi-bin/media/upload", params=query, files=files)).json())
    assert [reply["errcode"] for reply in codes] == [0, 45007]


async def test_a_sent_message_is_recalled_within_two_minutes(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await chat.send("eins", msgid="m1")
    await chat.send("zwei", msgid="m2")
    ids = {"open_kfid": chat.open_kfid}
    assert (await sim.api("recall_msg", **ids, msgid="m1"))["errcode"] == 0
    assert (await sim.api("recall_msg", **ids, msgid="m9"))["errcode"] == 95028
    await sim.control("POST", "/control/clock/advance", seconds=121)
    assert (await sim.api("recall_msg", **ids, msgid="m2"))["errcode"] == 95029
    assert [line["recalled"] for line in await chat.transcript()] == [False, True, False]
    codes = [(await chat.send(str(number)))["errcode"] for number in range(4)]
    assert codes == [0, 0, 0, 95001]  # the recalled one still counts


async def test_an_upgrade_goes_to_a_member_or_a_group_of_the_configuration(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    query = {"access_token": await sim.token()}
    config = (await sim.http.get("/cgi-bin/kf/customer/get_upgrade_service_config", params=query)).json()
    ids = {"open_kfid": chat.open_kfid, "external_userid": chat.external_userid}
    group = {"chat_id": config["groupchat_range"]["chat_id_list"][0], "wording": "进群"}
    wanted: list[tuple[dict[str, Any], int]] = [
        ({"type": 1, "member": {"userid": config["member_range"]["userid_list"][0], "wording": "x"}}, 0),
        ({"type": 2, "groupchat": group}, 0),
        ({"type": 1, "member": {"userid": "nobody"}}, 60111),
        ({"type": 2, "groupchat": {"chat_id": "no"}}, 40058),
        ({"type": 3}, 40058),
    ]
    for body, errcode in wanted:
        assert (await sim.api("customer/upgrade_service", **ids, **body))["errcode"] == errcode
    assert (await sim.api("customer/cancel_upgrade_service", **ids))["errcode"] == 0
    await sim.control("PATCH", "/control/switches", exclusive_service=True)
    assert (await sim.api("customer/upgrade_service", **ids, **wanted[0][0]))["errcode"] == 95015
    silent = await sim.chat()
    ids["external_userid"] = silent.external_userid
    assert (await sim.api("customer/cancel_upgrade_service", **ids))["errcode"] == 95031


async def test_the_corps_standing_is_a_switch(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", channels_bound=True)
    query = {"access_token": await sim.token()}
    reply = await sim.http.get("/cgi-bin/kf/get_corp_qualification", params=query)
    assert reply.json()["wechat_channels_binding"] is True


async def test_statistics_count_the_days_before_today(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await chat.send()
    await chat.servicer("say", "zhangsan", "hallo")
    await sim.control("POST", "/control/clock/advance", seconds=DAY)
    await sim.token()
    yesterday = {"start_time": int(time.time()), "end_time": int(time.time())}
    days = (await sim.api("get_corp_statistic", open_kfid=chat.open_kfid, **yesterday))["statistic_list"]
    assert len(days) == 1
    assert days[0]["stat_time"] % DAY == 16 * 3600  # midnight in Beijing
    counted = days[0]["statistic"]
    assert (counted["session_cnt"], counted["customer_msg_cnt"], counted["ai_session_reply_cnt"]) == (1, 1, 1)
    for userid, sessions in (("zhangsan", 1), ("lisi", 0)):
        reply = await sim.api("get_servicer_statistic", **yesterday, servicer_userid=userid)
        assert reply["statistic_list"][0]["statistic"]["session_cnt"] == sessions


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (2, 1), (40, 1), (181, 180), (None, None)])
async def test_statistics_refuse_days_out_of_range(
    sim: SimulatorClient, begin: int | None, end: int | None
) -> None:
    now = int(time.time())
    body = (
        {} if begin is None or end is None else {"start_time": now - begin * DAY, "end_time": now - end * DAY}
    )
    if begin == 2:
        body = {"start_time": now - DAY, "end_time": now - 2 * DAY}
    assert (await sim.api("get_corp_statistic", **body))["errcode"] == 40058
