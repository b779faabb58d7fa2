"""What is left after a run, from three witnesses: dialog's and sender's tables, the simulator, the traces."""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import asyncpg
from kf_cli.simulator import Line
from nats.aio.client import Client

from tests.e2e.chaos.crowd import Customer
from tests.e2e.stack import Running

_OPEN = """
SELECT 'message without an answer' AS what, open_kfid, external_userid, msgid AS id
FROM dialog.inbox WHERE status = 'new'
UNION ALL SELECT 'conversation under lease', open_kfid, external_userid, ''
FROM dialog.conversation WHERE due_at IS NOT NULL OR lease_until IS NOT NULL
UNION ALL SELECT 'unpublished command', open_kfid, external_userid, command_id
FROM dialog.outbox WHERE published_at IS NULL
UNION ALL SELECT 'command ' || status, open_kfid, external_userid, command_id
FROM sender.command WHERE status NOT IN ('sent', 'expired')
UNION ALL SELECT 'unpublished outcome', open_kfid, external_userid, command_id
FROM sender.delivery_change WHERE published_at IS NULL
"""
_MESSAGES = "SELECT external_userid, msgid, status, reason, turn_id FROM dialog.inbox WHERE origin = 3"
_TURNS = "SELECT external_userid, turn_id, position, msgids, outcome, passage_ids FROM dialog.turn"
_PARTS = """
SELECT p.external_userid, p.msgid, p.part_no, p.status, p.text, c.turn_id, c.seq
FROM sender.part p JOIN sender.command c USING (open_kfid, external_userid, command_id)
"""
# From the span in which dialog took a message, by its turn and command, to the attempt that delivered it.
_TRACED = """
SELECT u.msgid, coalesce(s.outcome, u.outcome) FROM turns u
LEFT JOIN commands c ON c.turn_id = u.turn_id
LEFT JOIN sends s ON s.command_id = c.command_id
WHERE EXISTS (SELECT 1 FROM terms t WHERE t.key = 'kf.msgid' AND t.value = u.msgid)
"""
_WORK_QUEUES = ("KF_NOTICE", "KF_OUTBOUND")


@dataclass(frozen=True)
class Records:
    """Everything that a verdict rests on."""

    messages: dict[str, Any]
    """Rows of dialog's inbox by msgid."""
    turns: dict[str, Any]
    """By turn_id."""
    parts: list[Any]
    """What the sender was to send."""
    transcripts: dict[str, list[Line]]
    """By external_userid."""
    judge: dict[str, Any]
    delivered: dict[str, list[str]]
    """What the traces say became of each msgid."""
    open: list[str]
    """What is not at its end."""


async def still_open(run: Running, expected: int) -> list[str]:
    """What is under way in tables and queues; `expected` customer messages must be known."""
    connection = await asyncpg.connect(run.stack.layout.database_url, timeout=10)
    try:
        rows = await connection.fetch(_OPEN)
        known = await connection.fetchval("SELECT count(*) FROM dialog.inbox WHERE origin = 3")
    finally:
        await connection.close()
    found = [f"{row['what']}: {row['open_kfid']}/{row['external_userid']} {row['id']}" for row in rows]
    if known != expected:
        found.append(f"{known} of {expected} messages arrived")
    return found + await _queued(run)


async def _queued(run: Running) -> list[str]:
    client = Client()
    await client.connect(run.stack.layout.nats_url, connect_timeout=5)
    try:
        counts = {name: (await client.jetstream().stream_info(name)).state.messages for name in _WORK_QUEUES}
    finally:
        await client.close()
    return [f"{count} in {name}" for name, count in counts.items() if count]


async def settle(run: Running, expected: int, seconds: float) -> list[str]:
    """Wait until nothing is under way; returns what still is when time is up."""
    deadline = monotonic() + seconds
    left = ["not looked yet"]
    while left and monotonic() < deadline:
        await asyncio.sleep(1.0)
        left = await still_open(run, expected)
    # An answer that comes twice comes late.
    await asyncio.sleep(3.0)
    return left


async def collect(run: Running, crowd: Sequence[Customer], left: list[str]) -> Records:
    """Read all witnesses."""
    connection = await asyncpg.connect(run.stack.layout.database_url, timeout=10)
    try:
        messages = await connection.fetch(_MESSAGES)
        turns = await connection.fetch(_TURNS)
        parts = await connection.fetch(_PARTS)
    finally:
        await connection.close()
    return Records(
        messages={row["msgid"]: row for row in messages},
        turns={row["turn_id"]: row for row in turns},
        parts=list(parts),
        transcripts={c.chat.external_userid: await run.simulator.transcript(c.chat) for c in crowd},
        judge=await run.simulator.judge(),
        delivered=await _traced(run, [msgid for c in crowd for msgid, _ in c.asked]),
        open=left,
    )


async def _traced(run: Running, msgids: Sequence[str], seconds: float = 30.0) -> dict[str, list[str]]:
    """Outcomes by msgid in the dashboard's own tables; spans may be on their way for a moment."""
    deadline = monotonic() + seconds
    found: dict[str, list[str]] = {}
    while monotonic() < deadline:
        found = await asyncio.to_thread(_read_traces, run)
        if all("delivered" in found.get(msgid, ()) for msgid in msgids):
            break
        await asyncio.sleep(1.0)
    return found


def _read_traces(run: Running) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in (run.stack.layout.data / "traces").glob("*.db"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
            for msgid, outcome in database.execute(_TRACED):
                found.setdefault(msgid, []).append(outcome)
    return found
