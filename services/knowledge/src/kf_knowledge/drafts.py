"""Changes a collection's draft: documents come, are replaced and go whole, and the sums follow."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kf_runtime import postgres

from kf_knowledge import bm25
from kf_knowledge.embedder import Vectors
from kf_knowledge.passages import NO_LABELS, Format, Labels
from kf_knowledge.tsearch import tsvector

LIVE = 2_147_483_647
"""`died` of what is part of the draft."""


@dataclass(frozen=True)
class NewPassage:
    """A passage ready to be stored; one row of `vectors` for each text that stands for it."""

    key: uuid.UUID
    headings: tuple[str, ...]
    question: str
    text: str
    lexemes: Counter[str]
    vectors: Vectors


@dataclass(frozen=True)
class NewDocument:
    """A document's next state: the keys of all its passages in order, and the passages not stored yet.

    pages: of each passage, where the document has pages.
    """

    id: uuid.UUID
    collection: str
    source: str
    title: str
    format: Format
    content_hash: bytes
    keys: Sequence[uuid.UUID]
    new_passages: Sequence[NewPassage]
    labels: Labels = NO_LABELS
    pages: Mapping[uuid.UUID, int] = field(default_factory=dict)


class DocumentChangedError(Exception):
    """Somebody else replaced the document meanwhile: passages thought to be stored are gone."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source!r} is being replaced by others at the same time: try again")


class UnknownDocumentError(Exception):
    """The collection has no such document."""

    def __init__(self, collection: str, document_id: uuid.UUID) -> None:
        super().__init__(f"document {document_id} is not in collection {collection!r}")


@dataclass(frozen=True)
class Locked:
    """A collection whose lock this transaction holds."""

    id: int
    published: int
    draft: int
    revision: int


class UnknownCollectionError(Exception):
    """There is no collection of that name."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"collection {collection!r} is not there")


async def lock(connection: Any, sql: Any, collection: str) -> Locked:
    """Waits for the collection's other writers.

    Raises:
        UnknownCollectionError
    """
    row = await connection.fetchrow(sql.lock_collection, collection)
    if row is None:
        raise UnknownCollectionError(collection)
    return Locked(**row)


class Drafts:
    """Writes drafts; safe for any number of replicas. The pool is one of database.open_pool."""

    def __init__(self, pool: postgres.Pool) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_knowledge", "drafts.sql")

    async def replace(self, new: NewDocument) -> None:
        """Puts a document in the place of the draft's with the same id, all or nothing.

        Raises:
            DocumentChangedError: passages that are neither stored nor among the new ones would be missing.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._sql.create_collection, new.collection)
            collection = await lock(connection, self._sql, new.collection)
            stored = await connection.fetch(self._sql.document_passages, new.id)
            live = {row["key"]: row["id"] for row in stored if row["died"] == LIVE}
            added = [passage for passage in new.new_passages if passage.key not in live]
            if set(new.keys) - live.keys() - {passage.key for passage in added}:
                raise DocumentChangedError(new.source)
            await connection.execute(self._sql.insert_document, new.id, collection.id, new.source)
            await self._new_edition(connection, collection, new)
            gone = [row for row in stored if row["died"] == LIVE and row["key"] not in set(new.keys)]
            lost = await self._end(connection, collection, gone)
            taken = {row["id"] for row in stored}
            ids = {p.key: _free_id(p.key, collection.draft, taken) for p in added}
            await self._add(connection, collection, new.id, added, ids)
            everything = live | ids
            await connection.execute(
                self._sql.order_passages,
                [everything[key] for key in new.keys],
                [new.pages.get(key, 0) for key in new.keys],
            )
            gained = sum(passage.lexemes.total() for passage in added)
            await connection.execute(self._sql.revise, collection.id, len(added) - len(gone), gained - lost)

    async def remove(self, collection: str, document_id: uuid.UUID) -> None:
        """Takes a document out of the draft; the published version keeps it until the next is published.

        Raises:
            UnknownCollectionError, UnknownDocumentError: the draft has none.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await lock(connection, self._sql, collection)
            await connection.execute(self._sql.end_edition, document_id, locked.draft)
            stored = await connection.fetch(self._sql.document_passages, document_id)
            live = [row for row in stored if row["died"] == LIVE]
            if not live:
                raise UnknownDocumentError(collection, document_id)
            lost = await self._end(connection, locked, live)
            await connection.execute(self._sql.delete_abandoned_document, document_id)
            await connection.execute(self._sql.revise, locked.id, -len(live), -lost)

    async def erase(self, collection: str, document_id: uuid.UUID) -> None:
        """Removes a document from every version at once and for good.

        Raises:
            UnknownCollectionError, UnknownDocumentError: no version has it.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await lock(connection, self._sql, collection)
            stored = await connection.fetch(self._sql.document_passages, document_id)
            if not stored:
                raise UnknownDocumentError(collection, document_id)
            live = [row["id"] for row in stored if row["died"] == LIVE]
            seen = [row["id"] for row in stored if row["born"] <= locked.published < row["died"]]
            lexemes = [await connection.fetchval(self._sql.count_lexemes, ids) for ids in (live, seen)]
            await connection.execute(self._sql.change_frequencies, locked.id, live, -1, 0)
            await connection.execute(self._sql.change_frequencies, locked.id, seen, 0, -1)
            await connection.execute(self._sql.delete_unused_frequencies, locked.id)
            await connection.execute(self._sql.delete_passages, [row["id"] for row in stored])
            await connection.execute(self._sql.delete_document, document_id)
            await connection.execute(self._sql.revise, locked.id, -len(live), -lexemes[0])
            await connection.execute(self._sql.revise_published, locked.id, -len(seen), -lexemes[1])

    async def _new_edition(self, connection: Any, collection: Locked, new: NewDocument) -> None:
        labels = new.labels
        await connection.execute(self._sql.end_edition, new.id, collection.draft)
        await connection.execute(
            self._sql.insert_edition,
            new.id,
            collection.id,
            collection.draft,
            new.title,
            new.format,
            new.content_hash,
            len(new.keys),
            labels.language,
            labels.tags,
            labels.valid_from,
            labels.valid_until,
        )

    async def _add(
        self,
        connection: Any,
        collection: Locked,
        document_id: uuid.UUID,
        passages: Sequence[NewPassage],
        ids: Mapping[uuid.UUID, uuid.UUID],
    ) -> None:
        born = collection.draft
        await connection.executemany(
            self._sql.insert_passages,
            [
                (ids[p.key], p.key, collection.id, document_id, born, p.headings, p.question, p.text)
                for p in passages
            ],
        )
        await connection.executemany(
            self._sql.insert_terms,
            [
                (ids[p.key], tsvector(collection.id, p.lexemes), *bm25.packed(p.lexemes), n, born)
                for p in passages
                for n in (p.lexemes.total(),)
            ],
        )
        await connection.executemany(
            self._sql.insert_vectors,
            [
                (ids[p.key], collection.id, vector, bool(p.question), born)
                for p in passages
                for vector in p.vectors
            ],
        )
        await connection.execute(self._sql.change_frequencies, collection.id, list(ids.values()), 1, 0)

    async def _end(self, connection: Any, collection: Locked, rows: Sequence[Any]) -> int:
        """Takes passages out of the draft; returns how many lexemes they had."""
        ids = [row["id"] for row in rows]
        if not ids:
            return 0
        lexemes: int = await connection.fetchval(self._sql.count_lexemes, ids)
        await connection.execute(self._sql.change_frequencies, collection.id, ids, -1, 0)
        await connection.execute(self._sql.delete_unused_frequencies, collection.id)
        unseen = [row["id"] for row in rows if row["born"] == collection.draft]
        await connection.execute(self._sql.delete_passages, unseen)
        for statement in (self._sql.end_passages, self._sql.end_terms, self._sql.end_vectors):
            await connection.execute(statement, ids, collection.draft)
        return lexemes


def _free_id(key: uuid.UUID, draft: int, taken: set[uuid.UUID]) -> uuid.UUID:
    """The passage's key, or an id made from it when an older version still has a passage of that id."""
    return uuid.uuid5(key, str(draft)) if key in taken else key
