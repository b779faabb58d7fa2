"""Faults on demand: each of them as a client meets it, how often, and for whom."""

import httpx
import pytest

from tests.fakes.simulator import Chat, SimulatorClient


async def arm(sim: SimulatorClient, **fault: object) -> int:
    return int((await sim.control("POST", "/control/faults", **fault))["id"])


async def spoken(sim: SimulatorClient) -> Chat:
    chat = await sim.chat()
    await chat.write()
    return chat


async def said(chat: Chat) -> list[str]:
    return [line["body"]["content"] for line in await chat.transcript() if line["direction"] == "app"]


@pytest.mark.parametrize("errcode", [-1, 45009, 45033, 95018])
async def test_an_errcode_hits_as_often_as_told_and_changes_nothing(
    sim: SimulatorClient, errcode: int
) -> None:
    chat = await spoken(sim)
    await arm(sim, kind="errcode", api="send_msg", errcode=errcode, times=2)
    assert [(await chat.send(str(n)))["errcode"] for n in range(3)] == [errcode, errcode, 0]
    assert await said(chat) == ["2"]


async def test_a_bad_gateway_is_html_and_changes_nothing(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await arm(sim, kind="bad_gateway", api="send_msg")
    query = {"access_token": await sim.token()}
    body = {"touser": chat.external_userid, "open_kfid": chat.open_kfid, "msgtype": "text"}
    reply = await sim.http.post("/cgi-bin/kf/send_msg", params=query, json=body | {"text": {"content": "x"}})
    assert (reply.status_code, reply.headers["content-type"].split(";")[0]) == (502, "text/html")
    assert await said(chat) == []


async def test_a_connection_dropped_after_the_effect_leaves_the_client_in_doubt(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await arm(sim, kind="drop_after", api="send_msg")
    with pytest.raises(httpx.TransportError):
        await chat.send("angekommen", msgid="m1")
    assert await said(chat) == ["angekommen"]
    repeated = await chat.send("angekommen", msgid="m1")
    assert "msgid" in repeated["errmsg"]
    judged = await sim.judge()
    assert (judged["ok"], judged["repeated_sends"]) == (True, 1)


async def test_a_connection_dropped_before_has_no_effect(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await arm(sim, kind="drop_before", api="send_msg")
    with pytest.raises(httpx.TransportError):
        await chat.send("verloren")
    assert await said(chat) == []


async def test_json_is_cut_after_the_effect(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await arm(sim, kind="cut_json", api="send_msg")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        await chat.send("angekommen")
    assert await said(chat) == ["angekommen"]


async def test_a_slow_answer_is_still_an_answer(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await arm(sim, kind="slow", api="*", seconds=0.2)
    assert (await chat.send())["errcode"] == 0


async def test_a_fault_can_be_for_one_customer_and_after_some_calls(sim: SimulatorClient) -> None:
    one, other = await spoken(sim), await spoken(sim)
    await arm(sim, kind="errcode", external_userid=other.external_userid, skip=1, times=None)
    assert [(await one.send(str(n)))["errcode"] for n in range(3)] == [0, 0, 0]
    assert [(await other.send(str(n)))["errcode"] for n in range(3)] == [0, -1, -1]


async def test_dice_with_a_seed_fall_the_same_way(sim: SimulatorClient) -> None:
    async def run() -> list[int]:
        number = await arm(sim, kind="errcode", api="account/list", probability=0.5, seed=7, times=None)
        codes = [(await sim.api("account/list"))["errcode"] for _ in range(30)]
        await sim.control("DELETE", f"/control/faults/{number}")
        return codes

    first = await run()
    assert set(first) == {0, -1}
    assert await run() == first


async def test_faults_are_listed_and_cleared(sim: SimulatorClient) -> None:
    number = await arm(sim, kind="errcode", api="send_msg", times=3)
    await (await spoken(sim)).send()
    listed = (await sim.control("GET", "/control/faults"))[0]
    assert (listed["id"], listed["hits"], listed["left"]) == (number, 1, 2)
    await sim.control("DELETE", "/control/faults")
    assert await sim.control("GET", "/control/faults") == []
    assert (await sim.http.delete("/control/faults/99")).status_code == 404


async def test_an_unknown_fault_or_switch_is_refused(sim: SimulatorClient) -> None:
    assert (await sim.http.post("/control/faults", json={"kind": "gremlin"})).status_code == 422
    assert (await sim.http.patch("/control/switches", json={"nope": 1})).status_code == 422
    wrong = await sim.http.patch("/control/switches", json={"quota_per_message": 3, "window_hours": -1})
    assert wrong.status_code == 422
    assert (await sim.control("GET", "/control/switches"))["quota_per_message"] == 5
