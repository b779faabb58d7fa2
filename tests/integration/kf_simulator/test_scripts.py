"""Scripts of faults, their seeds, and the faults that move the clock, end tokens and lose cursors."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.simulator import Chat, SimulatorClient, running_simulator


async def spoken(sim: SimulatorClient) -> Chat:
    chat = await sim.chat()
    await chat.write()
    return chat


async def finished(sim: SimulatorClient) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (progress := await sim.control("GET", "/control/script"))["running"]:
            await asyncio.sleep(0.02)
    return dict(progress)


async def test_a_script_takes_its_steps_in_time(sim: SimulatorClient) -> None:
    steps = [
        {"fault": {"kind": "errcode", "api": "account/list"}, "switches": {"quota_per_message": 1}},
        {"at_seconds": 0.1, "advance_seconds": 60, "void_tokens": 42001},
        {"at_seconds": 0.2, "clear": True, "fault": {"kind": "bad_gateway", "api": "send_msg"}},
    ]
    await sim.control("POST", "/control/script", steps=steps)
    assert await finished(sim) == {"running": False, "done": 3, "steps": 3}
    assert [fault["kind"] for fault in await sim.control("GET", "/control/faults")] == ["bad_gateway"]
    assert (await sim.control("GET", "/control/clock"))["offset"] == 60
    assert (await sim.control("GET", "/control/switches"))["quota_per_message"] == 1


async def test_a_script_can_be_stopped(sim: SimulatorClient) -> None:
    await sim.control("POST", "/control/script", steps=[{"at_seconds": 3600, "advance_seconds": 5}])
    await sim.control("DELETE", "/control/script")
    assert await finished(sim) == {"running": False, "done": 0, "steps": 1}


@pytest.mark.parametrize(
    "script",
    [
        {"steps": []},
        {"steps": [{"at_seconds": 2}, {"at_seconds": 1}]},
        {"steps": [{"fault": {"kind": "gremlin"}}]},
        {"steps": [{"switches": {"no_such": 1}}]},
    ],
)
async def test_a_wrong_script_is_refused_as_a_whole(sim: SimulatorClient, script: dict[str, Any]) -> None:
    assert (await sim.http.post("/control/script", json=script)).status_code == 422


async def run_with_dice(sim: SimulatorClient, seed: int, *, reverse: bool) -> dict[int, list[int]]:
    """Which sends to three customers are hit, when they come in one order or in the other."""
    fault = {"kind": "errcode", "api": "send_msg", "probability": 0.5, "times": None}
    await sim.control("POST", "/control/reset")
    await sim.control("PATCH", "/control/switches", quota_per_message=0)
    await sim.control("POST", "/control/script", seed=seed, steps=[{"fault": fault}])
    await finished(sim)
    chats = list(enumerate([await spoken(sim) for _ in range(3)]))
    hits: dict[int, list[int]] = {number: [] for number, _ in chats}
    for _ in range(10):
        for number, chat in reversed(chats) if reverse else chats:
            hits[number].append((await chat.send())["errcode"])
    return hits


async def test_a_seed_repeats_a_run_however_the_customers_interleave(sim: SimulatorClient) -> None:
    first = await run_with_dice(sim, 7, reverse=False)
    assert {code for codes in first.values() for code in codes} == {0, -1}
    assert await run_with_dice(sim, 7, reverse=True) == first
    assert await run_with_dice(sim, 8, reverse=False) != first


async def test_faults_and_a_script_come_from_the_settings_again_after_a_reset(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"steps": [{"fault": {"kind": "notice_lost"}}]}))
    faults = '[{"kind": "slow", "api": "send_msg", "seconds": 0}]'
    async with running_simulator(kf_simulator_faults=faults, kf_simulator_script=script) as sim:
        for _ in range(2):
            await finished(sim)
            kinds = [fault["kind"] for fault in await sim.control("GET", "/control/faults")]
            assert kinds == ["slow", "notice_lost"]
            await sim.control("POST", "/control/reset")


async def test_a_lost_cursor_reads_from_the_oldest_again(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write("eins")
    cursor = (await chat.pull())["next_cursor"]
    await chat.write("zwei")
    await sim.control("POST", "/control/faults", kind="cursor_lost")
    assert [item["text"]["content"] for item in (await chat.pull(cursor=cursor))["msg_list"]] == [
        "eins",
        "zwei",
    ]
    assert [item["text"]["content"] for item in (await chat.pull(cursor=cursor))["msg_list"]] == ["zwei"]


async def test_a_token_ends_in_the_middle_of_a_run(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await sim.control("POST", "/control/faults", kind="token_ended", api="send_msg", skip=1, errcode=40014)
    assert [(await chat.send(str(n)))["errcode"] for n in range(3)] == [0, 40014, 40014]
    await sim.token()
    assert (await chat.send("3"))["errcode"] == 0


@pytest.mark.parametrize(("jump", "errcode"), [(49 * 3600.0, 95002), (-7200.0, 0)])
async def test_the_clock_jumps_at_a_call(sim: SimulatorClient, jump: float, errcode: int) -> None:
    chat = await spoken(sim)
    await sim.control("PATCH", "/control/switches", check_order=["window"])
    await sim.control(
        "POST", "/control/faults", kind="clock_jump", api="service_state/get", jump_seconds=jump
    )
    await chat.state()
    assert (await sim.control("GET", "/control/clock"))["offset"] == jump
    await sim.token()
    assert (await chat.send())["errcode"] == errcode
