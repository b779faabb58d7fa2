"""Refusals, doubts and crashes: each errcode class against a WeCom that answers so."""

import asyncio

import pytest
from kf_contracts.events import DeliveryStatus
from structlog.testing import capture_logs

from tests.fakes.kf_desk import SEND_MSG, STATE_GET, STATE_TRANS, KfDesk
from tests.fakes.senders import Office, command
from tests.fakes.wecom_api import GETTOKEN, Raw


def refusal(code: int, errmsg: str = "refused") -> dict[str, object]:
    return {"errcode": code, "errmsg": errmsg}


def sent_msgids(desk: KfDesk) -> list[str]:
    return [asked.json["msgid"] for asked in desk.asked if asked.path == SEND_MSG]


DOUBTS = [
    Raw(drop=True),
    Raw(b'{"errcode":0,"err', declared=90),
    Raw(b"<html>", status=502),
    Raw(b'{"errcode":'),
]


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_an_unknown_outcome_is_settled_under_the_same_msgid(
    hall: Office, desk: KfDesk, doubt: Raw
) -> None:
    desk.swallow("wmA", doubt)
    hall.start()
    await hall.publish(command("c1"), command("c2"))
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c2"]
    first, again, other = sent_msgids(desk)
    assert first == again != other
    assert "unknown" in [event.status for event in await hall.until_delivered("c1", "sent")]


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_what_was_lost_on_the_way_is_sent_again(hall: Office, desk: KfDesk, doubt: Raw) -> None:
    desk.refuse("wmA", doubt, refusal(-1), refusal(-1))
    hall.start()
    await hall.publish(command("c1"))
    steps = [event.status for event in await hall.until_delivered("c1", "sent")]
    # Being refused now says nothing about the attempt that nobody answered.
    assert "queued" not in steps[steps.index(DeliveryStatus.UNKNOWN) :]
    assert desk.texts("wmA") == ["answer c1"]
    assert len(set(sent_msgids(desk))) == 1


async def test_a_crash_between_send_and_record_doubles_nothing(hall: Office, desk: KfDesk) -> None:
    desk.swallow("wmA", Raw(delay=60))
    _, crashing = hall.start()
    await hall.publish(command("c1"), command("c2"))
    await desk.until(shown=1)
    crashing.cancel()
    hall.start()
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c2"]
    assert len(desk.calls) == 3


async def test_busy_is_tried_again_and_others_go_on(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", refusal(-1), refusal(6000))
    hall.start()
    await hall.publish(command("a1"), command("a2"), command("b1", "wmB"))
    await hall.until("a2", "sent")
    assert desk.texts("wmA") == ["answer a1", "answer a2"]
    assert desk.texts("wmB") == ["answer b1"]


async def test_45009_pauses_every_replica_and_loses_nothing(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", refusal(45009, "api freq out of limit"))
    hall.start()
    await hall.publish(command("a1"))
    row = await hall.until("a1", "queued")
    async with asyncio.timeout(20):
        while row["errcode"] != 45009:
            row = await hall.until("a1", "queued")
            await asyncio.sleep(0.05)
    hall.start()
    await hall.publish(command("b1", "wmB"))
    await hall.until("b1", "queued")
    pause = await hall.row("SELECT extract(epoch FROM paused_until - now()) AS left, slow_slots FROM limiter")
    assert 55 < pause["left"] <= 61
    assert pause["slow_slots"] == 500
    assert len(desk.calls) == 1
    await hall.row("UPDATE limiter SET paused_until = now()")
    await hall.row("UPDATE customer_queue SET next_attempt_at = now()")
    await hall.until("a1", "sent")
    await hall.until("b1", "sent")


async def test_a_dead_token_is_renewed_once_and_the_message_sent_once(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", refusal(42001))
    hall.start()
    await hall.publish(command("c1"), command("c2"))
    await hall.until("c2", "sent")
    assert desk.paths().count(GETTOKEN) == 2
    tokens = [asked.query["access_token"] for asked in desk.asked if asked.path == SEND_MSG]
    assert tokens == ["SecretToken1", "SecretToken2", "SecretToken2"]


async def test_a_new_session_is_taken_by_the_assistant_and_sent_once_more(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", refusal(95018))
    desk.on(STATE_GET, {"errcode": 0, "service_state": 0})
    hall.start()
    await hall.publish(command("c1"))
    await hall.until("c1", "sent")
    trans = [asked.json for asked in desk.asked if asked.path == STATE_TRANS]
    assert [body["service_state"] for body in trans] == [1]
    assert desk.texts("wmA") == ["answer c1"]


async def test_an_assistant_session_that_refuses_is_held_after_a_few_tries(
    hall: Office, desk: KfDesk
) -> None:
    desk.refuse("wmA", *[refusal(95018)] * 4)
    desk.on(STATE_GET, *[{"errcode": 0, "service_state": 1}] * 4)
    hall.start()
    await hall.publish(command("c1"))
    row = await hall.until("c1", "held")
    assert len(desk.calls) == 4
    assert "95018" in row["reason"]


async def test_nothing_is_sent_over_a_human(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", refusal(95018))
    human = {"errcode": 0, "service_state": 3, "servicer_userid": "zhangsan"}
    desk.on(STATE_GET, human, human, {"errcode": 0, "service_state": 1})
    hall.start()
    await hall.publish(command("c1"))
    events = await hall.until_delivered("c1", "parked")
    assert events[-1].errcode == 95018
    assert "servicer" in events[-1].reason
    assert "zhangsan" not in events[-1].reason
    await hall.publish(command("c2"))
    await hall.until("c2", "parked")
    assert len(desk.calls) == 1
    await hall.publish(command("c3"))
    await hall.until("c3", "sent")
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c2", "answer c3"]


@pytest.mark.parametrize("code", [95018, 95013])
async def test_an_ended_session_holds_until_the_customer_speaks(
    hall: Office, desk: KfDesk, code: int
) -> None:
    desk.refuse("wmA", refusal(code))
    desk.on(STATE_GET, {"errcode": 0, "service_state": 4})
    await hall.store(command("c1"), command("c2"))
    hall.start()
    await hall.until("c1", "held")
    await hall.until("c2", "held")
    assert len(desk.calls) == 1


async def test_a_spent_quota_holds_the_rest_of_the_answer(hall: Office, desk: KfDesk) -> None:
    desk.on(SEND_MSG, {"errcode": 0, "msgid": "x"}, refusal(95001, "send count limit"))
    hall.start()
    await hall.publish(command("c1", text="这是其中的一句话。" * 200))
    row = await hall.until("c1", "held")
    assert (row["parts_sent"], row["parts_total"], row["errcode"]) == (1, 3, 95001)
    assert len(desk.calls) == 2
    await hall.publish(command("c2"))
    await hall.until("c2", "sent")


async def test_a_bad_payload_fails_into_the_dead_letters_without_its_text(hall: Office, desk: KfDesk) -> None:
    text = "秘密的一句话。" * 200
    desk.refuse("wmA", refusal(40058, "invalid Request Parameter 秘密"))
    hall.start()
    await hall.publish(command("c1", text=text), command("c2"))
    await hall.until("c2", "sent")
    row = await hall.until("c1", "failed")
    assert (row["parts_sent"], row["errcode"]) == (0, 40058)
    assert desk.texts("wmA") == ["answer c2"]
    letter = await hall.until_dead()
    assert (letter.command_id, letter.errcode, letter.payload) == ("c1", 40058, "")
    assert [part["status"] for part in letter.shape["parts"]] == ["failed"] * 3
    assert "秘密" not in letter.encode().decode()
    assert "wmA" not in letter.encode().decode()


@pytest.mark.parametrize("code", [77777, 95007, 95014])
async def test_a_code_that_no_send_should_meet_is_a_dead_letter_and_an_error_in_the_log(
    hall: Office, desk: KfDesk, code: int
) -> None:
    desk.refuse("wmA", refusal(code))
    with capture_logs() as logs:
        hall.start()
        await hall.publish(command("c1"), command("c2"), command("b1", "wmB"))
        await hall.until("c2", "sent")
        await hall.until("b1", "sent")
    letter = await hall.until_dead()
    assert (letter.command_id, letter.errcode) == ("c1", code)
    [line] = [line for line in logs if line["event"] == "send.failed"]
    assert (line["log_level"], line["errcode"]) == ("error", code)
    assert desk.texts("wmA") == ["answer c2"]


async def end_pauses_until_sent(hall: Office, command_id: str) -> None:
    """The pauses last a minute and longer: end them as they come."""
    async with asyncio.timeout(40):
        while (await hall.row("SELECT status FROM command WHERE command_id = $1", command_id))[
            "status"
        ] != "sent":
            await hall.row("UPDATE account SET paused_until = now()")
            await asyncio.sleep(0.1)


async def test_a_misconfigured_account_rests_and_the_others_go_on(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", *[refusal(48007, "kf account not granted")] * 3)
    with capture_logs() as logs:
        hall.start()
        await hall.publish(command("a1"), command("a2", "wmA2"), command("b1", "wmB", open_kfid="wkOther"))
        await hall.until("b1", "sent")
        for command_id in ("a1", "a2"):
            await end_pauses_until_sent(hall, command_id)
    alerts = [line for line in logs if line["event"] == "account.refused"]
    assert [(line["errcode"], bool(line["remedy"])) for line in alerts] == [(48007, True)]
    assert (await hall.row("SELECT failures FROM account WHERE open_kfid = 'wkTest0001'"))["failures"] == 0


async def test_a_fault_of_the_corp_stops_every_account_with_one_alert_and_heals_by_itself(
    hall: Office, desk: KfDesk
) -> None:
    desk.on(SEND_MSG, *[refusal(60020, "not allow to access from your ip, from ip: 1.2.3.4")] * 2)
    with capture_logs() as logs:
        await hall.store(command("a1"), *(command(f"b{n}", f"wm{n}", open_kfid="wkB") for n in range(3)))
        hall.start(kf_sender_workers=1)
        for command_id in ("a1", "b0", "b1", "b2"):
            await end_pauses_until_sent(hall, command_id)
    alerts = [line for line in logs if line["event"] == "account.refused"]
    assert [(line["errcode"], line["concerns"]) for line in alerts] == [(60020, "every account")]
    assert "1.2.3.4" in alerts[0]["remedy"]
    # While it was refused one call at a time found out: two refusals, then everybody.
    assert len(desk.calls) == 6


async def test_no_connection_is_no_doubt_and_heals_by_itself(hall: Office, desk: KfDesk) -> None:
    base, hall.api_base = hall.api_base, "http://127.0.0.1:9"
    stop, first = hall.start()
    await hall.publish(command("c1"))
    row = await hall.until("c1", "queued")
    async with asyncio.timeout(20):
        while "connect_error" not in row["reason"]:
            row = await hall.until("c1", "queued")
            await asyncio.sleep(0.02)
    assert (await hall.row("SELECT count(*) AS n FROM slot"))["n"] <= 1
    stop.set()
    await first
    hall.api_base = base
    hall.start()
    await hall.until("c1", "sent")
    assert desk.texts("wmA") == ["answer c1"]
