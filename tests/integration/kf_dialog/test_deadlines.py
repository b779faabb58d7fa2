"""No customer waits in silence: deadlines, full replicas, alarms, and what is deleted by age."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from kf_contracts.events import MessageReceived
from kf_dialog.schedule import Schedule
from kf_dialog.store import Store, Timing
from kf_dialog.turn import InHand, TurnWorker

from tests.fakes.dialog import ACCOUNT, Town

QUICK = "defaults: {limits: {deadline_seconds: 5}}\n"


def quick(folder: Path) -> dict[str, str]:
    (folder / "accounts.yaml").write_text(QUICK, encoding="utf-8")
    return {
        "KF_DIALOG_ACCOUNTS_FILE": str(folder / "accounts.yaml"),
        "KF_DIALOG_MODEL_TIMEOUT_SECONDS": "100",
    }


class Stuck:
    """A worker whose model never answers; those in a hurry it lets go."""

    def __init__(self) -> None:
        self.hurried: set[str] = set()

    async def work(self, in_hand: InHand) -> None:
        """One turn."""
        if in_hand.hurried:
            self.hurried.add(in_hand.claim.external_userid)
        await asyncio.Event().wait()


async def test_while_all_turns_are_taken_who_waits_too_long_is_hurried(town: Town) -> None:
    store, stuck, stop = await opened(town), Stuck(), asyncio.Event()
    schedule = Schedule(
        store,
        cast(TurnWorker, stuck),
        capacity=1,
        lease_seconds=30.0,
        drain_seconds=0.0,
        hurry_seconds=0.5,
    )
    await record(store, "wm1")
    running = asyncio.create_task(schedule.run(stop))
    await town.until("SELECT 1 FROM conversation WHERE lease_until IS NOT NULL")
    for customer in ("wm2", "wm3"):
        await record(store, customer)
    async with asyncio.timeout(40):
        while stuck.hurried != {"wm2", "wm3"}:
            await asyncio.sleep(0.05)
    stop.set()
    await running
    await store.close()


async def test_a_model_that_hangs_is_not_waited_for_beyond_the_deadline(town: Town, tmp_path: Path) -> None:
    town.model.delay = lambda prompt: 90.0
    async with town.replica(**quick(tmp_path)):
        await town.say("wm1", "多久发货？")
        (reply,) = await town.replied(1)
    assert reply.text
    assert len(await town.rows("SELECT 1 FROM turn")) == 1


async def test_who_waits_past_the_deadline_is_alarmed_once(town: Town) -> None:
    store = await opened(town)
    records = store.records
    await record(store, "wm1")
    assert await records.overdue({}, 60.0) == []
    assert await records.overdue({ACCOUNT: 60.0}, 0.0) == []
    (late,) = await records.overdue({ACCOUNT: 0.0}, 60.0)
    assert (late.external_userid, late.holder, late.in_hand) == ("wm1", "bot", False)
    assert await records.overdue({}, 0.0) == []
    await store.close()


async def test_what_is_older_than_the_retention_is_deleted(town: Town) -> None:
    store = await opened(town)
    for customer in ("wm1", "wm2"):
        await record(store, customer, "ignored")
    await town.rows("UPDATE inbox SET received_at = now() - interval '9 days' WHERE external_userid = 'wm1'")
    for table, columns, values in OLD:
        keys = "open_kfid, external_userid, "
        row = f"SELECT '{ACCOUNT}', c, {values} FROM (VALUES ('wm1', 9), ('wm2', 1)) AS v (c, days)"
        await town.rows(f"INSERT INTO {table} ({keys}{columns}) {row}")
    pruned = await store.records.prune(8 * 24 * 3600.0, 100)
    assert pruned == {"inbox": 1, "turns": 1, "deliveries": 1, "ratings": 1, "conversations": 1}
    for table in ("inbox", "turn", "delivery", "rating", "conversation"):
        assert [r[0] for r in await town.rows(f"SELECT external_userid FROM {table}")] == ["wm2"]
    await store.close()


TURN = (
    "turn_id, position, msgids, question, reply, outcome, model, input_tokens, output_tokens, passage_ids, "
    "waiting_since, search_seconds, model_seconds, finished_at, carrier"
)
AGO = "now() - make_interval(days => days)"
OLD = (
    ("conversation", "last_message_at", AGO),
    (
        "turn",
        TURN,
        f"'t', 1, '{{}}', '', '', '', '', 0, 0, '{{}}', now(), 0, 0, {AGO}, '{{}}'",
    ),
    (
        "delivery",
        "command_id, turn_id, kind, status, parts_sent, parts_total, reason, occurred_at",
        f"'c', 't', '', 'sent', 1, 1, '', {AGO}",
    ),
    ("rating", "msgid, score, label, rated_at", f"'m', 1, '', {AGO}"),
)


async def opened(town: Town) -> Store:
    return await Store.open(town.database_url, Timing(join=10.0, lease=30.0))


async def record(store: Store, customer: str, status: str = "new") -> None:
    event = MessageReceived(
        open_kfid=ACCOUNT,
        external_userid=customer,
        msgid=f"m-{customer}",
        msgtype="text",
        origin=3,
        send_time=datetime.now(UTC),
        item={},
    )
    await store.record(event, {}, status, "", 0.0)
