"""Callbacks: encryption, verification, retries, faults of notices (sheet sections 1 and 12)."""

from __future__ import annotations

import pytest
from kf_wecom.notice import AccountAuthChanged, KfNotice

from tests.fakes.callback_app import App, connect, listening, progress, reaches
from tests.fakes.simulator import SimulatorClient, running_simulator


def told(app: App) -> list[KfNotice]:
    """The notices about news."""
    return [notice for notice in app.notices if isinstance(notice, KfNotice)]


async def test_each_message_brings_a_signed_encrypted_notice_with_a_usable_token(
    sim: SimulatorClient,
) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await chat.write("一")
        await chat.write("二")
        await reaches(app, 2)
        assert {notice.open_kfid for notice in told(app)} == {chat.open_kfid}
        assert (await chat.pull(token=told(app)[0].token))["errcode"] == 0
        assert (await progress(sim, chat, "delivered"))["tries"] == 1
        body = app.bodies[0].decode()
        assert body.index("<ToUserName>") < body.index("<Token>") < body.index("<OpenKfId>")
        assert "AgentID" not in body


async def test_nodes_come_in_any_order_by_switch(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        await sim.control("PATCH", "/control/switches", notice_shuffle_xml=True)
        chat = await sim.chat()
        for _ in range(12):
            await chat.write()
        await reaches(app, 12)
        orders = {tuple(part.split(">")[0] for part in body.decode().split("<")) for body in app.bodies}
        assert len(orders) > 1


async def test_a_url_that_answers_the_echo_is_verified(sim: SimulatorClient) -> None:
    assert not (await sim.control("POST", "/control/callback/verify"))["ok"]
    async with listening(App()) as app:
        await connect(sim, app)
        assert await sim.control("POST", "/control/callback/verify") == {"ok": True, "fault": ""}


async def test_a_refused_notice_is_tried_four_times_in_all(sim: SimulatorClient) -> None:
    async with listening(App(503, 503, 503, 200)) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await chat.write()
        assert (await progress(sim, chat, "delivered"))["tries"] == 4
        app.statuses = [403] * 5
        await chat.write()
        notice = await progress(sim, chat, "failed")
        assert (notice["tries"], notice["fault"]) == (4, "HTTP 403")
    assert (await sim.judge())["calls"]["callback"] == {"200": 1, "403": 4, "503": 3}


async def test_an_unreachable_url_is_told_in_words(sim: SimulatorClient) -> None:
    await sim.control("PUT", "/control/callback", url="http://127.0.0.1:9/x", retry_seconds=0)
    chat = await sim.chat()
    await chat.write()
    assert "is the gateway running?" in str((await progress(sim, chat, "failed"))["fault"])


async def test_an_answer_after_five_seconds_is_late(
    sim: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kf_simulator.callback.ANSWER_LIMIT_SECONDS", 0.2)
    async with listening(App(delay=2)) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await chat.write()
        await progress(sim, chat, "failed")
    assert (await sim.judge())["broken"]["late_callback"] == 4


async def test_notices_can_be_lost_and_doubled(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await sim.control("POST", "/control/faults", kind="notice_lost")
        await chat.write("nicht gemeldet")
        assert (await progress(sim, chat, "lost"))["fault"] == "lost on purpose"
        await chat.write("auch nicht", notify=False)
        assert (await chat.transcript())[-1]["notice"] is None
        await sim.control("POST", "/control/faults", kind="notice_doubled")
        await chat.write("doppelt")
        await reaches(app, 2)
        assert told(app)[0].token != told(app)[1].token


async def test_a_late_notice_is_overtaken(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        one, other = await sim.chat(0), await sim.chat(1)
        await sim.control("POST", "/control/faults", kind="notice_late", seconds=1.0)
        await one.write()
        await other.write()
        await reaches(app, 2)
        assert [notice.open_kfid for notice in told(app)] == [other.open_kfid, one.open_kfid]


async def test_a_notice_without_news_can_be_sent(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        await sim.control("POST", f"/control/callback/notices/{await sim.account()}")
        await reaches(app, 1)


async def test_the_url_comes_from_the_settings() -> None:
    async with (
        listening(App()) as app,
        running_simulator(kf_simulator_callback_url=app.url) as sim,
    ):
        await (await sim.chat()).write()
        await reaches(app, 1)


async def test_by_switch_one_notice_stands_for_a_batch(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        await sim.control("PATCH", "/control/switches", notice_batch_seconds=1.0)
        one, other = await sim.chat(0), await sim.chat(1)
        for _ in range(3):
            await one.write()
        await other.write()
        await reaches(app, 2)
        await one.write("eine neue")
        await reaches(app, 3)
        assert [notice.open_kfid for notice in told(app)].count(one.open_kfid) == 2
        written = [line for line in await one.transcript() if line["direction"] == "customer"]
        assert all(line["notice"]["progress"] == "delivered" for line in written[:3])


@pytest.mark.parametrize(("resigned", "nonces"), [(True, 2), (False, 1)])
async def test_whether_another_try_is_signed_anew_is_a_switch(
    sim: SimulatorClient, resigned: bool, nonces: int
) -> None:
    async with listening(App(503)) as app:
        await connect(sim, app)
        await sim.control("PATCH", "/control/switches", notice_retry_resigned=resigned)
        await (await sim.chat()).write()
        await reaches(app, 2)
        assert len(set(app.nonces)) == nonces


async def test_an_account_that_is_taken_or_granted_is_told_once(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        account = await sim.account()
        for granted, told_so_far in ((False, 1), (False, 1), (True, 2)):
            await sim.control("PATCH", f"/control/accounts/{account}", granted=granted)
            await reaches(app, told_so_far)
        assert app.notices == [AccountAuthChanged((), (account,)), AccountAuthChanged((account,), ())]
        assert b"<FromUserName><![CDATA[sys]]></FromUserName>" in app.bodies[0]
