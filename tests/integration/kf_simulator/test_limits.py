"""Limits by the minute and the hour, their scale, bans for bad secrets (sheet sections 2 and 10)."""

import pytest

from tests.fakes.simulator import CORP_ID, SECRET, SimulatorClient, running_simulator


async def calls(sim: SimulatorClient, count: int) -> list[int]:
    return [(await sim.api("account/list"))["errcode"] for _ in range(count)]


@pytest.mark.parametrize("limit", ["api_calls_per_minute", "ip_calls_per_minute"])
async def test_over_a_minutes_limit_the_block_lasts_a_minute(sim: SimulatorClient, limit: str) -> None:
    await sim.control("PATCH", "/control/switches", **{limit: 2})
    assert await calls(sim, 4) == [0, 0, 45009, 45009]
    await sim.control("POST", "/control/clock/advance", seconds=61)
    assert await calls(sim, 1) == [0]


@pytest.mark.parametrize("limit", ["api_calls_per_hour", "ip_calls_per_hour"])
async def test_over_an_hours_limit_the_block_lasts_an_hour(sim: SimulatorClient, limit: str) -> None:
    await sim.control("PATCH", "/control/switches", **{limit: 2})
    assert await calls(sim, 3) == [0, 0, 45009]
    await sim.control("POST", "/control/clock/advance", seconds=3000)
    assert await calls(sim, 1) == [45009]
    await sim.control("POST", "/control/clock/advance", seconds=700)
    assert await calls(sim, 1) == [0]


async def test_every_limit_is_scaled_by_one_setting() -> None:
    async with running_simulator(kf_simulator_limit_scale=0.0003) as sim:
        assert await calls(sim, 4) == [0, 0, 0, 45009]  # 10,000 a minute become 3
        chat = await sim.chat()
        assert [(await chat.pull())["errcode"] for _ in range(2)] == [0, 45009]  # 10 without a Token become 1


async def test_bad_secrets_get_the_address_banned_for_an_hour(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", bad_secrets_per_hour=3)

    async def gettoken(secret: str) -> int:
        query = {"corpid": CORP_ID, "corpsecret": secret}
        return int((await sim.http.get("/cgi-bin/gettoken", params=query)).json()["errcode"])

    assert [await gettoken("wrong") for _ in range(5)] == [40001, 40001, 40001, 40001, 45009]
    assert await gettoken(SECRET) == 45009
    await sim.control("POST", "/control/clock/advance", seconds=3601)
    assert await gettoken(SECRET) == 0


async def test_an_untrusted_address_gets_a_token_by_switch_only(sim: SimulatorClient) -> None:
    await sim.token()
    await sim.control("PATCH", "/control/switches", trusted_ips=["10.1.2.3"])
    query = {"corpid": CORP_ID, "corpsecret": SECRET}
    assert (await sim.http.get("/cgi-bin/gettoken", params=query)).json()["errcode"] == 60020
    await sim.control("PATCH", "/control/switches", trusted_ips_gettoken=False)
    assert (await sim.http.get("/cgi-bin/gettoken", params=query)).json()["errcode"] == 0
    assert await calls(sim, 1) == [60020]
