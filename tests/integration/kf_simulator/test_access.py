"""gettoken, access tokens and the general rules of every call (sheet sections 2 and 12)."""

import re

import pytest

from tests.fakes.simulator import CORP_ID, SECRET, SimulatorClient


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({}, 41002),
        ({"corpid": CORP_ID}, 41004),
        ({"corpid": "wwother", "corpsecret": SECRET}, 40013),
        ({"corpid": CORP_ID, "corpsecret": "wrong"}, 40001),
    ],
)
async def test_gettoken_refuses(sim: SimulatorClient, query: dict[str, str], errcode: int) -> None:
    reply = await sim.http.get("/cgi-bin/gettoken", params=query)
    assert (reply.status_code, reply.json()["errcode"]) == (200, errcode)


async def test_gettoken_gives_the_same_token_while_it_is_valid(sim: SimulatorClient) -> None:
    first = await sim.token()
    assert len(first) > 200
    assert await sim.token() == first


async def test_gettoken_gives_a_new_token_each_time_by_switch(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", gettoken_new_each_time=True)
    first = await sim.token()
    assert await sim.token() != first
    sim.access_token = first
    assert (await sim.api("account/list"))["errcode"] == 0


async def test_a_token_expires_after_7200_seconds(sim: SimulatorClient) -> None:
    first = await sim.token()
    await sim.control("POST", "/control/clock/advance", seconds=7201)
    assert (await sim.api("account/list"))["errcode"] == 42001
    assert await sim.token() != first


@pytest.mark.parametrize("errcode", [40014, 42001, 40001])
async def test_a_token_can_be_ended_early(sim: SimulatorClient, errcode: int) -> None:
    first = await sim.token()
    await sim.control("POST", "/control/access_tokens/void", errcode=errcode)
    assert (await sim.api("account/list"))["errcode"] == errcode
    assert await sim.token() != first


@pytest.mark.parametrize(("query", "errcode"), [({}, 41001), ({"access_token": "unknown"}, 40014)])
async def test_calls_need_a_known_token(sim: SimulatorClient, query: dict[str, str], errcode: int) -> None:
    reply = await sim.http.post("/cgi-bin/kf/account/list", params=query, json={})
    assert (reply.status_code, reply.json()["errcode"]) == (200, errcode)


async def test_an_error_ends_in_the_hint_that_support_asks_for(sim: SimulatorClient) -> None:
    errmsg = (await sim.http.post("/cgi-bin/kf/sync_msg", json={})).json()["errmsg"]
    pattern = (
        r"access_token missing, hint: \[\d+_\d+_[0-9a-f]{32}\], from ip: 127\.0\.0\.1, "
        r"more info at https://open\.work\.weixin\.qq\.com/devtool/query\?e=41001"
    )
    assert re.fullmatch(pattern, errmsg)


async def test_a_caller_outside_the_trusted_addresses_is_refused(sim: SimulatorClient) -> None:
    await sim.token()
    await sim.control("PATCH", "/control/switches", trusted_ips=["10.1.2.3"])
    reply = await sim.api("account/list")
    assert reply["errcode"] == 60020
    assert "from ip: 127.0.0.1" in reply["errmsg"]


async def test_broken_json_and_a_wrong_method_are_bad_parameters(sim: SimulatorClient) -> None:
    query = {"access_token": await sim.token()}
    broken = (await sim.http.post("/cgi-bin/kf/sync_msg", params=query, content=b"{")).json()
    assert (broken["errcode"], "Warning: wrong json format." in broken["errmsg"]) == (40058, True)
    assert (await sim.http.get("/cgi-bin/kf/sync_msg", params=query)).json()["errcode"] == 40058


async def test_over_the_rate_an_api_is_blocked_for_a_minute(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", api_calls_per_minute=3)
    codes = [(await sim.api("account/list"))["errcode"] for _ in range(5)]
    assert codes == [0, 0, 0, 45009, 45009]
    await sim.control("POST", "/control/clock/advance", seconds=61)
    assert (await sim.api("account/list"))["errcode"] == 0


async def test_debug_caps_an_api_at_five_calls_a_minute(sim: SimulatorClient) -> None:
    query = {"access_token": await sim.token(), "debug": "1"}
    replies = [await sim.http.post("/cgi-bin/kf/account/list", params=query, json={}) for _ in range(6)]
    assert [reply.json()["errcode"] for reply in replies] == [0, 0, 0, 0, 0, 45009]
