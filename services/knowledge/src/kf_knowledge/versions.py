"""Publishes drafts, goes back, throws drafts away: which version customers' questions search."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kf_runtime import postgres

from kf_knowledge.drafts import UnknownCollectionError, lock

KEPT_VERSIONS = 6
"""The published one and five to go back to; what only older ones held is deleted."""


class UnknownVersionError(Exception):
    """The collection has no such version to go back to."""


class DraftChangedError(Exception):
    """The draft is not the one that was evaluated any more."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"the draft of {collection!r} was changed meanwhile: try again")


@dataclass(frozen=True)
class Version:
    """A version that was published, with the figures of its evaluation, if it had one."""

    number: int
    published_at: dt.datetime
    document_count: int
    passage_count: int
    current: bool
    evaluation: Mapping[str, Any] | None


@dataclass(frozen=True)
class Change:
    """What became of one document between two versions: added, removed or changed, and how many passages."""

    source: str
    kind: str
    passages_added: int
    passages_removed: int


class Versions:
    """The versions of collections; safe for any number of replicas. The pool is one of database.open_pool."""

    def __init__(self, pool: postgres.Pool) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_knowledge", "versions.sql")

    async def revision(self, collection: str) -> int:
        """Changes with every change of the draft.

        Raises:
            UnknownCollectionError
        """
        revision = await self._pool.fetchval(self._sql.revision, collection)
        if revision is None:
            raise UnknownCollectionError(collection)
        return int(revision)

    async def publish(
        self, collection: str, revision: int | None = None, evaluation: Mapping[str, Any] | None = None
    ) -> int:
        """Makes the draft what customers' questions search, at once; returns the version that is published.

        An unchanged draft is published already. `revision`: publish only the draft that had it.

        Raises:
            UnknownCollectionError, DraftChangedError
        """
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await lock(connection, self._sql, collection)
            if revision is not None and locked.revision != revision:
                raise DraftChangedError(collection)
            if not await connection.fetchval(self._sql.is_changed, locked.id, locked.published):
                return locked.published
            await connection.execute(self._sql.publish_frequencies, locked.id)
            number: int = await connection.fetchval(self._sql.publish, locked.id)
            stored = json.dumps(evaluation) if evaluation is not None else None
            await connection.execute(self._sql.insert_version, locked.id, stored)
            await self._forget(connection, locked.id)
            return number

    async def rollback(self, collection: str, number: int = 0) -> int:
        """Publishes an older version again (0: the one before); what came later is in the draft again.

        Raises:
            UnknownCollectionError, UnknownVersionError
        """
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await lock(connection, self._sql, collection)
            known = [row["number"] for row in await connection.fetch(self._sql.version_numbers, locked.id)]
            earlier = [one for one in known if one < locked.published]
            target = number or max(earlier, default=0)
            if target not in known:
                raise UnknownVersionError(
                    f"{collection!r} has no version {number or 'before the published one'} to go back to; "
                    f"it has {', '.join(map(str, known)) or 'none'}"
                )
            await connection.execute(self._sql.move_frequencies, locked.id, locked.published, target)
            await connection.execute(self._sql.delete_unused_frequencies, locked.id)
            await connection.execute(self._sql.set_published, locked.id, target)
            return target

    async def discard(self, collection: str) -> None:
        """Makes the draft equal to the published version again.

        Raises:
            UnknownCollectionError
        """
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await lock(connection, self._sql, collection)
            await connection.execute(self._sql.discard_passages, locked.id, locked.published)
            revived = await connection.fetch(self._sql.revive_passages, locked.id, locked.published)
            ids = [row["id"] for row in revived]
            await connection.execute(self._sql.revive_terms, ids)
            await connection.execute(self._sql.revive_vectors, ids)
            await connection.execute(self._sql.discard_editions, locked.id, locked.published)
            await connection.execute(self._sql.forget_documents, locked.id)
            await connection.execute(self._sql.discard_frequencies, locked.id)
            await connection.execute(self._sql.delete_unused_frequencies, locked.id)
            await connection.execute(self._sql.discard_versions, locked.id, locked.published)
            await connection.execute(self._sql.discard, locked.id)

    async def versions(self, collection: str) -> list[Version]:
        """The versions that can be published again, newest first."""
        rows = await self._pool.fetch(self._sql.versions, collection)
        return [Version(**{**row, "evaluation": json.loads(row["evaluation"] or "null")}) for row in rows]

    async def changes(self, collection: str) -> list[Change]:
        """What publishing the draft would change, by source."""
        return [Change(**row) for row in await self._pool.fetch(self._sql.changes, collection)]

    async def _forget(self, connection: Any, collection_id: int) -> None:
        oldest = await connection.fetchval(self._sql.oldest_kept, collection_id, KEPT_VERSIONS)
        await connection.execute(self._sql.forget_versions, collection_id, oldest)
        await connection.execute(self._sql.forget_passages, collection_id, oldest)
        await connection.execute(self._sql.forget_editions, collection_id, oldest)
        await connection.execute(self._sql.forget_documents, collection_id)
