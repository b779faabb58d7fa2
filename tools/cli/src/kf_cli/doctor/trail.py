"""What every store knows of a message or a customer: stream, inbox, turn, outbox, ledger, dead letters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from kf_contracts import streams
from kf_contracts.events import DeadLetter, PayloadError
from kf_runtime.logging import hashed
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, DeliverPolicy

from kf_cli.doctor.postgres import table_exists
from kf_cli.doctor.system import System

_SCAN_SECONDS = 8.0
_BATCH = 500
_LETTERS = 200
_INBOX = """
SELECT open_kfid, external_userid, msgid, msgtype, origin, status, reason, turn_id, send_time, received_at
FROM dialog.inbox WHERE {where} ORDER BY position DESC LIMIT $2
"""
_CONVERSATION = """
SELECT due_at, waiting_since, lease_until, failures, holder, holder_reason, holder_at,
    due_at < now() - interval '1 minute' AS is_overdue
FROM dialog.conversation WHERE open_kfid = $1 AND external_userid = $2
"""
_TURN = """
SELECT turn_id, outcome, model, handover_reason, finished_at FROM dialog.turn
WHERE open_kfid = $1 AND external_userid = $2 AND turn_id = $3
"""
_UNPUBLISHED = """
SELECT count(*) FROM dialog.outbox
WHERE open_kfid = $1 AND external_userid = $2 AND published_at IS NULL AND payload LIKE '%' || $3 || '%'
"""
_COMMANDS = """
SELECT command_id, kind, status, errcode, reason, parts_sent, parts_total, created_at, changed_at
FROM sender.command WHERE open_kfid = $1 AND external_userid = $2 AND turn_id = $3 ORDER BY seq
"""
_REFUSED = "SELECT errcode FROM sender.account WHERE open_kfid IN ($1, '') AND failures > 0 LIMIT 1"
_BY_HASH = "left(encode(sha256(external_userid::bytea), 'hex'), 12)"


@dataclass(frozen=True)
class Trail:
    """What was found of one message, rows as in the tables; None or empty: that store knows nothing."""

    msgid: str
    streamed_at: datetime | None = None
    message: Mapping[str, Any] | None = None
    conversation: Mapping[str, Any] | None = None
    turn: Mapping[str, Any] | None = None
    unpublished: int = 0
    commands: tuple[Mapping[str, Any], ...] = ()
    refused_with: int | None = None
    """The errcode for which the account (or the corp) rests."""
    dead_letters: tuple[tuple[int, str], ...] = ()
    """(number, reason) of letters that name the message or one of its commands."""
    traces: tuple[str, ...] = field(default=())

    @property
    def customer(self) -> str:
        """Hashed, as in the logs."""
        return hashed(self.message["external_userid"]) if self.message else ""


async def trail_of(system: System, msgid: str) -> Trail:
    """Follow one message of a customer through every store."""
    rows = await _inbox(system, "msgid = $1", msgid, 1)
    if not rows:
        letters = await _letters(system, [msgid])
        return Trail(msgid, streamed_at=await _in_stream(system, msgid), dead_letters=letters)
    return await _follow(system, rows[0])


async def trails_of(system: System, customer: str, limit: int) -> list[Trail]:
    """The newest messages of a customer, by external_userid or by the hash that logs show, newest first."""
    where = f"(external_userid = $1 OR {_BY_HASH} = $1) AND origin = 3"
    return [await _follow(system, row) for row in await _inbox(system, where, customer, limit)]


async def _inbox(system: System, where: str, value: str, limit: int) -> list[Mapping[str, Any]]:
    if not await table_exists(system, "dialog.inbox"):
        return []
    return [dict(row) for row in await system.database.fetch(_INBOX.format(where=where), value, limit)]


async def _follow(system: System, message: Mapping[str, Any]) -> Trail:
    database, who = system.database, (message["open_kfid"], message["external_userid"])
    conversation = await database.fetchrow(_CONVERSATION, *who)
    turn_id = message["turn_id"] or ""
    turn = await database.fetchrow(_TURN, *who, turn_id)
    commands, refused_with = [], None
    if await table_exists(system, "sender.command"):
        commands = [dict(row) for row in await database.fetch(_COMMANDS, *who, turn_id)] if turn_id else []
        refused_with = await database.fetchval(_REFUSED, message["open_kfid"])
    return Trail(
        message["msgid"],
        message=message,
        conversation=dict(conversation) if conversation else None,
        turn=dict(turn) if turn else None,
        unpublished=await database.fetchval(_UNPUBLISHED, *who, turn_id) if turn_id else 0,
        commands=tuple(commands),
        refused_with=refused_with,
        dead_letters=await _letters(system, [message["msgid"], *(c["command_id"] for c in commands)]),
    )


async def _in_stream(system: System, msgid: str) -> datetime | None:
    """When KF_INBOUND took the message: its dedup ids are read, never the messages themselves."""
    js = system.nats.jetstream()
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, headers_only=True, inactive_threshold=30.0)
    try:
        subscription = await js.pull_subscribe("", stream=streams.KF_INBOUND, config=config)
    except NatsError:
        return None
    deadline = monotonic() + _SCAN_SECONDS
    try:
        while monotonic() < deadline:
            for message in await subscription.fetch(_BATCH, timeout=1):
                if (message.headers or {}).get("Nats-Msg-Id", "").endswith(f":{msgid}"):
                    return message.metadata.timestamp
    except (NatsError, TimeoutError):
        # The end of the stream: nothing came within a second.
        return None
    finally:
        await subscription.unsubscribe()
    return None


async def _letters(system: System, ids: list[str]) -> tuple[tuple[int, str], ...]:
    """The newest dead letters that name one of these ids."""
    js = system.nats.jetstream()
    try:
        state = (await js.stream_info(streams.KF_DEAD)).state
    except NatsError:
        return ()
    found: list[tuple[int, str]] = []
    first = max(state.first_seq, state.last_seq - _LETTERS + 1, 1)
    for number in range(first, state.last_seq + 1) if state.messages else ():
        try:
            raw = (await js.get_msg(streams.KF_DEAD, number)).data or b""
            letter = DeadLetter.decode(raw)
        except (NatsError, PayloadError):
            continue
        if letter.command_id in ids or any(each in json.dumps(letter.shape) for each in ids):
            found.append((number, letter.reason))
    return tuple(found)
