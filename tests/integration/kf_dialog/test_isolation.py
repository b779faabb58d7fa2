"""Accounts know nothing of each other, and ids are data, whatever they are made of."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from kf_contracts.events import MessageReceived, SendReply
from kf_dialog.conversation import Answer, Outcome, Turn
from kf_dialog.store import Store, Timing

HOSTILE = (
    "wm'; DROP TABLE inbox; --",
    'wm" OR "1"="1',
    "wm\\'; SELECT pg_sleep(9); --",
    "%",
    "wm_",
    "$1",
    "微信😀",
)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = await Store.open(database_url, Timing(join=0.0, lease=30.0))
    yield store
    await store.close()


async def say(store: Store, account: str, customer: str, msgid: str) -> None:
    text = f"{account} {msgid}"
    item = {
        "msgid": msgid, "open_kfid": account, "external_userid": customer, "send_time": 1, "origin": 3,
        "msgtype": "text", "text": {"content": text},
    }  # fmt: skip
    event = MessageReceived(
        open_kfid=account, external_userid=customer, msgid=msgid, msgtype="text", origin=3,
        send_time=datetime.now(UTC), item=item,
    )  # fmt: skip
    assert await store.record(event, {}, "new", "", 0.0) is not None


async def answer_all(store: Store) -> dict[tuple[str, str], tuple[list[str], list[str]]]:
    """Answer whatever is due; (questions, remembered questions) of each conversation."""
    seen = {}
    for claim in await store.claim(99):
        work = await store.load(claim, 10)
        if work is None:
            continue
        asked = [question.text for question in work.questions]
        seen[claim.key] = (asked, [exchange.question for exchange in work.history])
        turn_id = f"t{claim.token}-{abs(hash(claim.key))}"
        command = SendReply(
            command_id=f"{turn_id}-1", open_kfid=claim.open_kfid, external_userid=claim.external_userid,
            turn_id=turn_id, in_reply_to=tuple(q.msgid for q in work.questions), text="答",
        )  # fmt: skip
        answer = Answer("\n".join(asked), "答", Outcome.ANSWERED)
        await store.commit(claim, Turn(turn_id, work, answer, {}, (command,)), accept_newer=True)
    return seen


async def test_the_same_customer_at_two_accounts_is_two_conversations(store: Store) -> None:
    """WeCom gives one person the same external_userid at every account of a corp."""
    for msgid in ("m1", "m2"):
        for account in ("wkShop", "wkSaas"):
            await say(store, account, "wmSame", msgid)
        seen = await answer_all(store)
        assert set(seen) == {("wkShop", "wmSame"), ("wkSaas", "wmSame")}
        for (account, _), (asked, remembered) in seen.items():
            assert all(text.startswith(account) for text in [*asked, *remembered])
            assert len(remembered) == (msgid == "m2")


async def test_the_same_msgid_at_two_accounts_is_two_messages(store: Store) -> None:
    await say(store, "wkShop", "wmSame", "m1")
    await say(store, "wkSaas", "wmSame", "m1")
    assert not await store.recall("wkOther", "wmSame", "m1")
    assert await store.recall("wkShop", "wmSame", "m1")
    assert set(await answer_all(store)) == {("wkSaas", "wmSame")}


async def test_ids_that_look_like_sql_are_only_ids(store: Store) -> None:
    for number, customer in enumerate(HOSTILE):
        await say(store, "wkShop", customer, f"{HOSTILE[-number]} {number}"[:32])
    seen = await answer_all(store)
    assert {customer for _, customer in seen} == set(HOSTILE)
    assert all(len(asked) == 1 for asked, _ in seen.values())
