"""The records as an operator reads them, and one customer forgotten in every store."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kf_cli import __main__ as kf
from kf_cli.dialog_records import open_records
from kf_contracts.events import DeliveryStatus
from kf_runtime.logging import hashed
from kf_runtime.postgres import DatabaseError
from typer.testing import CliRunner

from tests.fakes.dialog import ACCOUNT, Town
from tests.fakes.kf_desk import kf_desk
from tests.fakes.senders import office

SENT = "SELECT 1 FROM command WHERE status = 'sent' AND external_userid = 'wmGone'"


@pytest.fixture
async def town(nats_url: str, database_url: str) -> AsyncIterator[Town]:
    async with Town.open(nats_url, database_url) as town:
        yield town


async def answered(town: Town, *customers: str) -> None:
    async with town.replica():
        for customer in customers:
            await town.say(customer, "怎么退货？")
        await town.replied(len(customers))


async def kf_prints(town: Town, *arguments: str) -> tuple[int, Any]:
    """A command in a thread of its own, as it runs an event loop of its own."""
    environment = {"DATABASE_URL": town.database_url, "NATS_URL": town.nats_url}
    result = await asyncio.to_thread(CliRunner(env=environment).invoke, kf.app, list(arguments))
    return result.exit_code, result.output


async def test_conversations_are_listed_shown_and_exported(town: Town) -> None:
    await answered(town, "wm1", "wm2")
    status, printed = await kf_prints(town, "conversations", "--json")
    rows = json.loads(printed)
    assert status == 0
    assert {row["customer"] for row in rows} == {hashed("wm1"), hashed("wm2")}
    assert all((row["open_kfid"], row["holder"], row["turns"]) == (ACCOUNT, "bot", 1) for row in rows)
    status, printed = await kf_prints(town, "show", hashed("wm1"))
    assert status == 0
    assert "怎么退货？" in printed
    status, printed = await kf_prints(town, "export", "wm1")
    exported = json.loads(printed)
    assert (exported["external_userid"], len(exported["messages"]), len(exported["turns"])) == ("wm1", 1, 1)
    status, printed = await kf_prints(town, "export", "--days", "1")
    assert len(printed.splitlines()) == 2
    status, _ = await kf_prints(town, "show", "nobody")
    assert status == 1


async def test_who_got_no_answer_is_listed_with_the_reason(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "怎么退货？")
        (reply,) = await town.replied(1)
        await town.tell(reply, DeliveryStatus.FAILED, reason="95001")
        await town.until("SELECT 1 FROM delivery")
        await town.rows("UPDATE conversation SET waiting_since = now() - interval '1 hour'")
    async with open_records(town.database_url) as records:
        found = await records.unanswered(30.0)
    assert {(each.why, each.reason) for each in found} == {("waiting", ""), ("answer failed", "95001")}
    assert {each.customer for each in found} == {hashed("wm1")}


async def test_an_erased_customer_is_nowhere_and_the_others_stay(town: Town) -> None:
    async with kf_desk() as desk, office(town.nats_url, town.database_url, desk.base_url) as hall:
        await answered(town, "wmGone", "wmStays")
        await town.publish(b'{"external_userid": "wmGone"', "broken")
        hall.start()
        async with asyncio.timeout(45):
            while not await hall.row(SENT):
                await asyncio.sleep(0.1)
        status, printed = await kf_prints(town, "erase", "wmGone", "--yes", "--json")
    stores = {row["store"]: (row["before"], row["after"]) for row in json.loads(printed)}
    assert status == 0
    for store in ('"dialog"."inbox"', '"dialog"."turn"', '"sender"."command"', "KF_INBOUND", "KF_DELIVERY"):
        assert stores[store][0] > 0, store
    assert {after for _, after in stores.values()} == {0}
    assert len(await town.rows("SELECT 1 FROM turn WHERE external_userid = 'wmStays'")) == 1


async def test_a_database_without_conversations_is_told_with_the_mend(database_url: str) -> None:
    with pytest.raises(DatabaseError, match="start dialog once"):
        async with open_records(database_url):
            pass
