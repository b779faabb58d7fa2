"""What servicers do and what WeCom takes back: drafts wait for the session's end, failures are told."""

import asyncio
from typing import Any

import pytest
from kf_contracts.events import DeliveryStatus
from kf_sender.plan import UNDELIVERED

from tests.fakes.kf_desk import SEND_MSG, STATE_GET, KfDesk
from tests.fakes.senders import Office, command, content

HUMAN = {"errcode": 0, "service_state": 3, "servicer_userid": "zhangsan"}


def session(change_type: int) -> dict[str, Any]:
    return {"event_type": "session_status_change", "change_type": change_type}


def failure(msgid: str, fail_type: int) -> dict[str, Any]:
    return {"event_type": "msg_send_fail", "fail_msgid": msgid, "fail_type": fail_type}


def sent_msgids(desk: KfDesk) -> list[str]:
    return [asked.json["msgid"] for asked in desk.asked if asked.path == SEND_MSG]


async def test_drafts_go_out_when_the_session_has_ended_and_the_customer_speaks(
    hall: Office, desk: KfDesk
) -> None:
    desk.refuse("wmA", {"errcode": 95018, "errmsg": "refused"})
    desk.on(STATE_GET, HUMAN)
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "parked")
    await hall.hear("m2")
    await hall.heard("m2")
    await hall.until("c1", "parked")
    await hall.hear("e1", event=session(3))
    await hall.until("c1", "held")
    await hall.publish(command("c2"))
    await hall.until("c2", "held")
    assert len(desk.calls) == 1
    await hall.hear("m3")
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c2"]


async def test_a_session_taken_by_a_servicer_is_looked_at_before_the_next_send(
    hall: Office, desk: KfDesk
) -> None:
    desk.on(STATE_GET, HUMAN)
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.hear("e1", event=session(1))
    async with asyncio.timeout(30):
        while not await hall.row("SELECT 1 FROM customer_queue WHERE look_first"):
            await asyncio.sleep(0.03)
    await hall.publish(command("c1"))
    await hall.until("c1", "parked")
    assert desk.calls == []


@pytest.mark.parametrize("fail_type", [10, 13, 12, 0])
async def test_what_wecom_gave_up_is_failed_or_held_never_sent(
    hall: Office, desk: KfDesk, fail_type: int
) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "sent")
    await hall.hear("e1", event=failure(sent_msgids(desk)[0], fail_type))
    status = "held" if fail_type == 10 else "failed"
    row = await hall.until("c1", status)
    assert (row["parts_sent"], f"msg_send_fail type {fail_type}:" in row["reason"]) == (0, True)
    steps = [event.status for event in await hall.until_delivered("c1", status)]
    assert steps[-2:] == [DeliveryStatus.SENT, DeliveryStatus(status)]
    if status == "failed":
        assert (await hall.until_dead()).command_id == "c1"


async def test_a_message_over_the_quota_is_sent_under_a_new_msgid_when_the_customer_speaks(
    hall: Office, desk: KfDesk
) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "sent")
    await hall.hear("e1", event=failure(sent_msgids(desk)[0], 6))
    await hall.until("c1", "held")
    await hall.hear("e1", event=failure(sent_msgids(desk)[0], 6))
    await hall.hear("m2")
    await hall.until("c1", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c1"]
    assert len(set(sent_msgids(desk))) == 2


async def test_a_failure_of_somebody_elses_message_is_nothing(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("e1", event=failure("unheard_of", 6))
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "sent")


async def test_an_answer_that_wecom_withheld_is_followed_by_words_that_say_so(
    hall: Office, desk: KfDesk
) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "sent")
    await hall.hear("e1", event=failure(sent_msgids(desk)[0], 13))
    [failed] = (await hall.until_delivered("c1", "failed"))[-1:]
    assert failed.replaced_by.startswith("sub-")
    row = await hall.until(failed.replaced_by, "sent")
    assert row["turn_id"] == "turn-c1"
    assert desk.texts("wmA") == ["answer c1", UNDELIVERED]
    # Withheld as well: once is enough.
    await hall.hear("e2", event=failure(sent_msgids(desk)[1], 13))
    assert (await hall.until_delivered(failed.replaced_by, "failed"))[-1].replaced_by == ""
    await hall.publish(command("c2"))
    await hall.until("c2", "sent")
    assert desk.texts("wmA")[2:] == ["answer c2"]


async def test_a_menu_that_did_not_arrive_goes_out_as_its_text(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("m1")
    items = [{"type": "click", "id": "a", "content": "A"}]
    await hall.publish(content("k1", "msgmenu", fields={"head_content": "?", "items": items}))
    await hall.until("k1", "sent")
    await hall.hear("e1", event=failure(sent_msgids(desk)[0], 12))
    await desk.until(shown=2)
    await hall.until("k1", "sent")
    assert desk.texts("wmA") == ["[msgmenu]", "instead of k1"]
    assert len(set(sent_msgids(desk))) == 2
