"""The dialog schema on the way of a message: inbox, custody, leases, turns, outbox; a method per step."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from asyncpg import Connection
from kf_contracts.commands import Command
from kf_contracts.events import MessageReceived
from kf_runtime import postgres
from kf_runtime.postgres import Pool

from kf_dialog import effects
from kf_dialog.conversation import (
    Claim,
    Commit,
    Custody,
    Exchange,
    Holder,
    Memory,
    Question,
    Turn,
    Visit,
    Work,
)
from kf_dialog.custody import ASKED_SECONDS, SESSION_SECONDS, SILENT_SECONDS
from kf_dialog.records import Records

SCHEMA = "dialog"
INBOX_CHANNEL = "kf_dialog_inbox"
"""Payload: JSON [open_kfid, external_userid, revision], sent when something to answer changed."""

_QUERIES = postgres.load_queries("kf_dialog")
_CLOSE_SECONDS = 5.0
_QUESTIONS = 100
"""Messages one turn takes; a flood beyond that is the next turn's."""


@dataclass(frozen=True)
class Timing:
    """When unanswered messages fall due, and how long a claim lives; seconds."""

    join: float
    lease: float


@dataclass(frozen=True)
class Outgoing:
    """One row of the outbox that is not published yet."""

    id: int
    command_id: str
    open_kfid: str
    payload: bytes
    carrier: dict[str, str]


@dataclass
class Batch:
    """Commands in order, and the ids of those that are on the stream by now."""

    commands: tuple[Outgoing, ...]
    published: list[int] = field(default_factory=list)


class Store:
    """All SQL of the service. Every method may raise what `postgres.TRANSIENT` lists."""

    def __init__(self, pool: Pool, timing: Timing) -> None:
        self._pool, self._timing = pool, timing

    @classmethod
    async def open(cls, dsn: str, timing: Timing) -> Self:
        """Connect and bring the schema up to date.

        Raises:
            postgres.DatabaseError: with the remedy.
        """
        pool = await postgres.connect(dsn, SCHEMA, init=_codecs, reset=_stateless)
        try:
            await postgres.migrate(pool, SCHEMA, postgres.load_migrations("kf_dialog"))
        except BaseException:
            pool.terminate()
            raise
        return cls(pool, timing)

    @property
    def records(self) -> Records:
        """What is kept beside the way of a message, through the same connections."""
        return Records(self._pool)

    async def close(self) -> None:
        """Close the connections; those that do not end within a few seconds are cut."""
        try:
            await asyncio.wait_for(self._pool.close(), _CLOSE_SECONDS)
        except TimeoutError:
            self._pool.terminate()

    async def answers(self) -> bool:
        """True when the database answers."""
        return bool(await self._pool.fetchval("SELECT true"))

    async def record(
        self, event: MessageReceived, carrier: dict[str, str], status: str, reason: str, quiet: float
    ) -> str | None:
        """Store one item; status `new` makes its conversation due `quiet` seconds later.

        Returns what became of it: the status, or the reason for which it wants no answer, such as
        `with_servicer` while a human has the chat. None: it was stored before.
        """
        outcome: str | None = await self._pool.fetchval(
            _QUERIES.record,
            event.open_kfid,
            event.external_userid,
            event.msgid,
            event.origin,
            event.msgtype,
            event.send_time,
            _storable(event.item),
            carrier,
            status,
            reason,
            quiet,
            self._timing.join,
            SESSION_SECONDS,
        )
        return outcome

    async def visit(self, event: MessageReceived, visit: Visit) -> None:
        """Remember how a customer came into the chat."""
        scene, param = _storable(visit.scene), _storable(visit.scene_param)
        await self._pool.execute(
            _QUERIES.visit, event.open_kfid, event.external_userid, event.send_time, scene, param
        )

    async def change_holder(
        self, open_kfid: str, external_userid: str, custody: Custody, at: datetime | None = None
    ) -> bool:
        """Note who has a conversation; a human or the pool takes over what is unanswered.

        at: when it was so by our clock, now by default. False: newer news are there already.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            changed = await connection.fetch(
                _QUERIES.change_holder,
                open_kfid,
                external_userid,
                custody.holder,
                custody.reason,
                custody.servicer_userid,
                at,
            )
            if changed and custody.holder in (Holder.POOL, Holder.SERVICER):
                await connection.fetch(_QUERIES.close_held, open_kfid, external_userid, SESSION_SECONDS)
            return bool(changed)

    async def recall(self, open_kfid: str, external_userid: str, msgid: str) -> bool:
        """Take a message back that is not answered yet; False when there is none."""
        async with self._pool.acquire() as connection, connection.transaction():
            # In the order in which commit() locks, or the two could wait for each other.
            await connection.fetch(_QUERIES.lock_conversation, open_kfid, external_userid)
            return bool(await connection.fetchval(_QUERIES.recall, open_kfid, external_userid, msgid))

    async def is_held(self, open_kfid: str, external_userid: str) -> bool:
        """True when a human or the pool has the chat."""
        return bool(await self._pool.fetchval(_QUERIES.held, open_kfid, external_userid, SESSION_SECONDS))

    async def is_holder_silent(self, open_kfid: str, external_userid: str) -> bool:
        """True when a human or the pool has the chat and nothing was heard of them for a while."""
        found = await self._pool.fetchval(_QUERIES.silent_holder, open_kfid, external_userid, SILENT_SECONDS)
        return bool(found)

    async def take_back(self, open_kfid: str, external_userid: str, custody: Custody) -> bool:
        """The human is gone: the bot has the chat, and answers what was said since they were last heard of.

        False: no human and no pool had it, or nothing was said.
        """
        customer = (open_kfid, external_userid)
        async with self._pool.acquire() as connection, connection.transaction():
            since = await connection.fetchval(_QUERIES.heard_of_holder, *customer)
            if since is None:
                return False
            change = (custody.holder, custody.reason, custody.servicer_userid, None)
            await connection.fetch(_QUERIES.change_holder, *customer, *change)
            return bool(await connection.fetch(_QUERIES.reopen, *customer, since))

    async def claim(self, limit: int, waited: float = 0.0) -> list[Claim]:
        """Take up to `limit` due conversations that nobody works on, each under a lease.

        waited: only those whose customer has been waiting for so many seconds.
        """
        rows = await self._pool.fetch(_QUERIES.claim, limit, self._timing.lease, ASKED_SECONDS, waited)
        return [Claim(*row) for row in rows]

    async def next_due(self) -> float | None:
        """Seconds until the next conversation falls due; None when none is waiting."""
        seconds: float | None = await self._pool.fetchval(_QUERIES.next_due)
        return seconds

    async def renew(self, claims: Iterable[Claim]) -> dict[tuple[str, str], int]:
        """Prolong leases; the revision of each conversation that is still ours, by its key."""
        columns = zip(*((c.open_kfid, c.external_userid, c.token) for c in claims), strict=True)
        rows = await self._pool.fetch(_QUERIES.renew, *map(list, columns), self._timing.lease)
        return {(row["open_kfid"], row["external_userid"]): row["revision"] for row in rows}

    async def load(self, claim: Claim, exchanges: int) -> Work | None:
        """The unanswered messages and the last `exchanges` turns; None when nothing waits any more."""
        await self._pool.execute(_QUERIES.close_held, *claim.key, SESSION_SECONDS)
        rows = await self._pool.fetch(_QUERIES.load, *claim.key, self._timing.join, _QUESTIONS)
        if not rows:
            return None
        first = rows[0]
        past = await self._pool.fetch(_QUERIES.history, *claim.key, first["memory_position"], exchanges)
        return Work(
            revision=first["revision"],
            waiting_since=first["waiting_since"],
            join_left=first["join_left"],
            questions=tuple(Question(r["msgid"], r["position"], r["item"], r["carrier"]) for r in rows),
            history=tuple(Exchange(*row) for row in reversed(past)),
            memory=Memory(first["memory"], first["memory_position"]) if first["memory"] else None,
            visit=Visit(first["scene"], first["scene_param"]),
            waited=first["waited"],
            unhelpful=first["unhelpful"],
            kept=await self._pool.fetchval(_QUERIES.kept, *claim.key),
        )

    async def commit(self, claim: Claim, turn: Turn, *, accept_newer: bool) -> Commit:
        """Store turn and commands and mark the messages answered: all of it or nothing.

        accept_newer: messages that arrived meanwhile are left to the next turn instead of spoiling this one.
        """
        msgids = [question.msgid for question in turn.work.questions]
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_QUERIES.lock_claim, *claim.key, claim.token, SESSION_SECONDS)
            if row is None:
                return Commit.LOST
            if row["held"] or (row["revision"] != turn.work.revision and not accept_newer):
                return Commit.NEWER
            answered = await connection.fetch(_QUERIES.answer_messages, *claim.key, msgids, turn.turn_id)
            if not answered:
                return Commit.NEWER
            await self._add(connection, claim, turn, msgids)
            await self._settle(connection, claim)
            return Commit.DONE

    async def _add(self, connection: Any, claim: Claim, turn: Turn, msgids: list[str]) -> None:
        work, answer, handover = turn.work, turn.answer, turn.answer.handover
        await connection.execute(
            _QUERIES.add_turn,
            *claim.key,
            turn.turn_id,
            work.questions[-1].position,
            msgids,
            answer.question,
            effects.spoken(turn.commands),
            answer.outcome,
            answer.model,
            answer.input_tokens,
            answer.output_tokens,
            list(answer.passage_ids),
            work.waiting_since,
            answer.search_seconds,
            answer.model_seconds,
            turn.carrier,
            answer.cost,
            turn.currency,
            answer.gap,
            handover.reason if handover else "",
            effects.summary_of(answer),
            answer.kept,
        )
        for rating in turn.ratings:
            await connection.execute(
                _QUERIES.add_rating, *claim.key, rating.msgid, rating.score, rating.label
            )
        for command in turn.commands:
            await _enqueue(connection, command, turn.carrier)
        await self._advance(connection, claim, turn)

    async def _advance(self, connection: Any, claim: Claim, turn: Turn) -> None:
        answer, memory = turn.answer, turn.answer.memory
        asked = effects.hands_over(turn.commands)
        helped = answer.outcome.helped
        unhelpful = 0 if helped or asked else turn.work.unhelpful + (helped is False)
        await connection.execute(
            _QUERIES.advance,
            *claim.key,
            unhelpful,
            asked,
            f"handover: {answer.handover.reason}" if answer.handover else "",
            memory.text if memory else "",
            memory.position if memory else 0,
        )

    async def enqueue(self, command: Command, carrier: dict[str, str]) -> None:
        """Ask the sender for something that no turn decides; once per command id."""
        await _enqueue(self._pool, command, carrier)

    async def settle(self, claim: Claim) -> None:
        """Give the claim back; what is unanswered falls due by the merge rule. Nothing if it was lost."""
        async with self._pool.acquire() as connection:
            await self._settle(connection, claim)

    async def _settle(self, connection: Any, claim: Claim) -> None:
        await connection.execute(_QUERIES.settle, *claim.key, claim.token, self._timing.join)

    async def postpone(self, claim: Claim) -> None:
        """Give the claim back after a failure; it falls due again after 1, 2, 4 ... at most 60 s."""
        await self._pool.execute(_QUERIES.postpone, *claim.key, claim.token)

    @asynccontextmanager
    async def outbox(self, limit: int) -> AsyncIterator[Batch]:
        """The oldest unpublished commands; those in `published` at the end are marked.

        One batch at a time over all replicas: two at once could mix up a conversation's order.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetch(_QUERIES.lock_outbox)
            rows = await connection.fetch(_QUERIES.unpublished, limit)
            batch = Batch(
                tuple(
                    Outgoing(r["id"], r["command_id"], r["open_kfid"], r["payload"].encode(), r["carrier"])
                    for r in rows
                )
            )
            yield batch
            if batch.published:
                await connection.execute(_QUERIES.mark_published, batch.published)

    async def prune_outbox(self, age: float, limit: int) -> int:
        """Delete up to `limit` commands published over `age` seconds ago, oldest first; returns how many."""
        pruned: int = await self._pool.fetchval(_QUERIES.prune_outbox, age, limit)
        return pruned


async def _enqueue(connection: Any, command: Command, carrier: dict[str, str]) -> None:
    await connection.execute(
        _QUERIES.add_command,
        command.command_id,
        command.open_kfid,
        command.external_userid,
        command.encode().decode(),
        carrier,
    )


async def _codecs(connection: "Connection[Any]") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def _stateless(_: object) -> None:
    """Nothing of ours outlives a transaction: the pool's default reset would double the round trips."""


def _storable(value: Any) -> Any:
    """The same JSON value without what PostgreSQL cannot hold: NUL and lone surrogates become U+FFFD."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_storable(entry) for entry in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(entry) for name, entry in value.items()}
    return value
