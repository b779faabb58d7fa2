"""Faults that show in what was sent, or was not: humans, limits, refused payloads, stuck work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kf_cli.simulator import Chat
from kf_contracts.commands import EndSession
from kf_contracts.events import SendReply
from kf_runtime import nats as kf_nats

from tests.faults.servers import jetstream
from tests.faults.world import Settings, World, injects

WAIT_SECONDS = 120


async def until(world: World, query: str, *values: Any) -> None:
    """Wait until a query on the installation's database gives something true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await world.sql(query, *values):
            await asyncio.sleep(0.1)


async def publish(world: World, command: SendReply | EndSession) -> None:
    async with jetstream(world.target.get("NATS_URL")) as js:
        subject = f"kf.outbound.{command.open_kfid}"
        template = "kf.outbound.{open_kfid}"
        await kf_nats.publish(js, subject, command.encode(), msg_id=command.command_id, template=template)


def reply_to(chat: Chat, name: str) -> SendReply:
    return SendReply(
        command_id=name,
        open_kfid=chat.open_kfid,
        external_userid=chat.external_userid,
        turn_id=f"turn-{name}",
        in_reply_to=("m1",),
        text="您好",
    )


# Dialog has answered everything, and the sender has brought each answer to where it rests.
SETTLED = """
SELECT NOT EXISTS (SELECT FROM dialog.inbox WHERE external_userid = $1 AND status = 'new')
    AND NOT EXISTS (
        SELECT FROM dialog.outbox o WHERE o.external_userid = $1 AND NOT EXISTS (
            SELECT FROM sender.command c WHERE c.command_id = o.command_id
                AND (c.status NOT IN ('queued', 'sending', 'unknown')
                    OR c.stored_at < now() - interval '1 minute')))
"""


async def forget(world: World, chat: Chat) -> None:
    """Take a customer out of every table, dead letters included, so that the next fault finds all well."""
    await until(world, SETTLED, chat.external_userid)
    who = (chat.open_kfid, chat.external_userid)
    for table in ("sender.command", "sender.customer_queue", "dialog.inbox", "dialog.conversation"):
        await world.sql(f"DELETE FROM {table} WHERE open_kfid = $1 AND external_userid = $2", *who)
    await world.sql("UPDATE sender.limiter SET paused_until = '-infinity', slow_slots = NULL")
    await world.sql("DELETE FROM sender.account")
    async with jetstream(world.target.get("NATS_URL")) as js:
        await js.purge_stream("KF_DEAD")


@asynccontextmanager
async def spoken(world: World) -> AsyncIterator[Chat]:
    """A customer who has asked something and has been answered."""
    chat = await world.run.simulator.meet(world.account(), "小林")
    await world.run.simulator.write(chat, "保修多久？")
    await world.run.reply_to(chat)
    await until(
        world,
        "SELECT count(*) > 0 FROM sender.customer_queue WHERE external_userid = $1",
        chat.external_userid,
    )
    try:
        yield chat
    finally:
        await forget(world, chat)


@injects("reception-human")
async def reception_human(world: World) -> AsyncIterator[Settings]:
    path = f"/control/accounts/{world.account()}"
    await world.control("PATCH", path, {"reception": "human"})
    chat = await world.run.simulator.meet(world.account(), "小王")
    await world.run.simulator.write(chat, "在吗？")
    await until(
        world, "SELECT count(*) > 0 FROM dialog.conversation WHERE external_userid = $1", chat.external_userid
    )
    try:
        yield {}
    finally:
        await world.control("PATCH", path, {"reception": "assistant"})
        await forget(world, chat)


@injects("session-with-a-human")
async def session_with_a_human(world: World) -> AsyncIterator[Settings]:
    path = f"/control/accounts/{world.account()}"
    await world.control("PATCH", path, {"reception": "human"})
    chat = await world.run.simulator.meet(world.account(), "小赵")
    await world.run.simulator.write(chat, "在吗？")
    await publish(world, reply_to(chat, "to-a-human"))
    await until(world, "SELECT count(*) > 0 FROM sender.command WHERE errcode = 95018")
    try:
        yield {}
    finally:
        await world.control("PATCH", path, {"reception": "assistant"})
        await forget(world, chat)


def refused_send(name: str, errcode: int, settled: str) -> None:
    """Register a send_msg that the simulator refuses, until the ledger says so."""

    @injects(name)
    async def refuse(world: World) -> AsyncIterator[Settings]:
        async with spoken(world) as chat:
            fault = {"kind": "errcode", "api": "send_msg", "errcode": errcode, "times": None}
            await world.control("POST", "/control/faults", fault)
            await publish(world, reply_to(chat, name))
            try:
                await until(world, settled)
            finally:
                await world.control("DELETE", "/control/faults")
            yield {}


refused_send("send-frequency", 45009, "SELECT paused_until > now() + interval '20 s' FROM sender.limiter")
refused_send("payload-refused", 40058, "SELECT count(*) > 0 FROM sender.command WHERE status = 'failed'")
refused_send("account-refused", 48007, "SELECT count(*) > 0 FROM sender.account WHERE failures > 0")


@injects("state-change-refused")
async def state_change_refused(world: World) -> AsyncIterator[Settings]:
    async with spoken(world) as chat:
        fault = {"kind": "errcode", "api": "service_state/trans", "errcode": 95016, "times": None}
        await world.control("POST", "/control/faults", fault)
        ids = {"open_kfid": chat.open_kfid, "external_userid": chat.external_userid}
        await publish(world, EndSession(command_id="end-refused", **ids))
        try:
            await until(world, "SELECT count(*) > 0 FROM sender.command WHERE errcode = 95016")
            yield {}
        finally:
            await world.control("DELETE", "/control/faults")


@injects("turn-stuck")
async def turn_stuck(world: World) -> AsyncIterator[Settings]:
    async with spoken(world) as chat:
        # Held by a lease that nobody works on: what a replica that hangs looks like.
        await world.sql(
            "UPDATE dialog.conversation SET due_at = now() - interval '5 min', "
            "lease_token = lease_token + 1, "
            "lease_until = now() + interval '1 hour' WHERE external_userid = $1",
            chat.external_userid,
        )
        yield {}


@injects("sends-stuck")
async def sends_stuck(world: World) -> AsyncIterator[Settings]:
    async with spoken(world) as chat:
        # Nobody is queued for a turn, so nobody sends it.
        await world.sql(
            "UPDATE sender.command SET status = 'queued', errcode = NULL, "
            "stored_at = now() - interval '9 min' "
            "WHERE external_userid = $1",
            chat.external_userid,
        )
        yield {}
