"""Codes that live 20 s come first, keep slots of their own, and are not sent when they are dead."""

from dataclasses import replace

from kf_runtime import postgres
from kf_sender.claimed import Claimed, Wait
from kf_sender.store import Store
from kf_sender.tables import SCHEMA
from kf_sender.verdict import DELIVERED

from tests.fakes.kf_desk import SEND_ON_EVENT, KfDesk
from tests.fakes.senders import FAST, Office, command, welcome
from tests.fakes.wecom_api import Raw


async def test_a_welcome_is_sent_with_its_code_before_everything_else(hall: Office, desk: KfDesk) -> None:
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(5)), welcome("w1", "wmNew"))
    hall.start(kf_sender_workers=1)
    await hall.until("c4", "sent")
    sends = [asked for asked in desk.asked if "send_msg" in asked.path]
    assert sends[0].path == SEND_ON_EVENT
    assert (sends[0].json["code"], sends[0].json["text"]) == ("code-w1", {"content": "欢迎"})


async def test_a_dead_code_is_not_tried(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.publish(welcome("w1", lives=-1), command("c1"))
    row = await hall.until("w1", "expired")
    await hall.until("c1", "sent")
    assert "time was over" in row["reason"]
    assert not [asked for asked in desk.asked if asked.path == SEND_ON_EVENT]


async def test_a_refused_code_fails_and_stops_nobody(hall: Office, desk: KfDesk) -> None:
    desk.on(SEND_ON_EVENT, {"errcode": 95018, "errmsg": "refused"})
    hall.start()
    await hall.publish(welcome("w1"), command("c1"))
    await hall.until("w1", "failed")
    await hall.until("c1", "sent")


async def test_a_code_that_an_unanswered_attempt_used_counts_as_sent(hall: Office, desk: KfDesk) -> None:
    desk.on(SEND_ON_EVENT, Raw(drop=True), {"errcode": 40058, "errmsg": "invalid code"})
    hall.start()
    await hall.publish(welcome("w1"))
    row = await hall.until("w1", "sent")
    assert "nobody answered" in row["reason"]


async def test_ordinary_sends_leave_slots_for_the_next_welcome(hall: Office) -> None:
    pacing = replace(FAST, slots=20, kept=2, ahead=1.0)
    pool = await postgres.connect(hall.database_url, SCHEMA, max_size=4)
    store = Store(pool, pacing)
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(25)))
    granted = [claim for _ in range(25) if isinstance(claim := await store.claim(), Claimed)]
    assert len(granted) == 18
    for claim in granted:
        await store.settle(claim, DELIVERED)
    await hall.store(welcome("w1", "wmX"), welcome("w2", "wmY"))
    urgent = [await store.claim(), await store.claim()]
    assert [claim.kind for claim in urgent if isinstance(claim, Claimed)] == ["send_on_event"] * 2
    assert isinstance(await store.claim(), Wait)
    # Shortly before the others run out the kept slots may be used: none is wasted.
    await hall.row("DELETE FROM slot WHERE id > $1", granted[-1].slot_id)
    await hall.row("UPDATE slot SET urgent = false, counts_until = now() + interval '0.8 s'")
    assert isinstance(await store.claim(), Claimed)
    await pool.close()
