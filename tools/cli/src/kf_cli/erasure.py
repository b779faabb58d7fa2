"""Removes one customer from every store of the product, and counts what is left to prove it."""

import base64
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kf_contracts.events import DeadLetter, PayloadError
from kf_contracts.streams import KF_DEAD, KF_DELIVERY, KF_INBOUND, KF_OUTBOUND
from kf_runtime import postgres
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

_SCHEMAS = ("dialog", "sender", "knowledge", "gateway")
_TABLES = """
SELECT c.table_schema AS schema, c.table_name AS name
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.column_name = 'external_userid' AND c.table_schema = ANY ($1) AND t.table_type = 'BASE TABLE'
ORDER BY 1, 2
"""
_STREAMS = (KF_INBOUND, KF_OUTBOUND, KF_DELIVERY, KF_DEAD)


@dataclass(frozen=True)
class Erased:
    """One store: what it held of the customer before and after."""

    store: str
    before: int
    after: int


async def erase(database: postgres.Pool, js: JetStreamContext, external_userid: str) -> list[Erased]:
    """Delete everything of a customer; `after` is counted anew when all is deleted.

    The streams first: what they still hold would be stored again.
    """
    held = {name: await _found(js, name, external_userid) for name in _STREAMS}
    for name, sequences in held.items():
        for sequence in sequences:
            # It may have been worked on, and so removed, meanwhile.
            with suppress(NotFoundError):
                await js.delete_msg(name, sequence)
    tables = await _tables(database)
    before = {table: await _count(database, table, external_userid) for table in tables}
    async with database.acquire() as connection, connection.transaction():
        for table in tables:
            await connection.execute(f"DELETE FROM {table} WHERE external_userid = $1", external_userid)  # noqa: S608
    found = [Erased(table, n, await _count(database, table, external_userid)) for table, n in before.items()]
    left = {name: await _found(js, name, external_userid) for name in _STREAMS}
    return [*found, *(Erased(name, len(held[name]), len(left[name])) for name in _STREAMS)]


async def _tables(database: postgres.Pool) -> list[str]:
    """Every table that names customers, whatever version made it."""
    rows = await database.fetch(_TABLES, list(_SCHEMAS))
    return [f'"{row["schema"]}"."{row["name"]}"' for row in rows]


async def _count(database: postgres.Pool, table: str, external_userid: str) -> int:
    query = f"SELECT count(*) FROM {table} WHERE external_userid = $1"  # noqa: S608
    return int(await database.fetchval(query, external_userid))


async def _found(js: JetStreamContext, stream: str, external_userid: str) -> list[int]:
    """The sequences of messages that name the customer."""
    found: list[int] = []
    try:
        state: Any = (await js.stream_info(stream)).state
        sequence = state.first_seq
        while sequence <= state.last_seq:
            message = await js.get_msg(stream, sequence, subject=">", next=True)
            if names(message.data or b"", external_userid):
                found.append(int(message.seq or 0))
            sequence = int(message.seq or 0) + 1
    except NotFoundError:
        pass
    return found


def names(payload: bytes, external_userid: str) -> bool:
    """Whether a payload, or what a dead letter keeps inside, holds the customer's id."""
    wanted = external_userid.encode()
    if wanted in payload:
        return True
    try:
        letter = DeadLetter.decode(payload)
        return bool(letter.payload) and wanted in base64.b64decode(letter.payload)
    except (PayloadError, ValueError):
        return False
