"""Everything the service keeps in PostgreSQL: schema knowledge, one method per statement or transaction."""

import base64
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kf_runtime import postgres

from kf_knowledge.embedder import Vectors
from kf_knowledge.passages import Collection, Document, Format, StoredPassage
from kf_knowledge.ranking import Lexical

SCHEMA = "knowledge"
# Below this many passages reading all of a collection's vectors is exact and as fast as the index.
SCAN_PASSAGES = 5_000


@dataclass(frozen=True)
class Statistics:
    """A collection's numbers for BM25, with the frequencies of the lexemes asked for."""

    collection_id: int
    passages: int
    lexemes: int
    frequencies: Mapping[str, int]


@dataclass(frozen=True)
class NewPassage:
    """A passage ready to be stored; one row of `vectors` for each text that stands for it."""

    id: uuid.UUID
    headings: tuple[str, ...]
    question: str
    text: str
    lexemes: Counter[str]
    vectors: Vectors


@dataclass(frozen=True)
class NewDocument:
    """A document's next state: all its passage ids in order, and the passages that are not stored yet."""

    id: uuid.UUID
    collection: str
    source: str
    title: str
    format: Format
    content_hash: bytes
    passage_ids: Sequence[uuid.UUID]
    new_passages: Sequence[NewPassage]


class DocumentChangedError(Exception):
    """Somebody else replaced the document meanwhile: passages thought to be stored are gone."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source!r} is being replaced by others at the same time: try again")


class UnknownDocumentError(Exception):
    """The collection has no such document."""

    def __init__(self, collection: str, document_id: uuid.UUID) -> None:
        super().__init__(f"document {document_id} is not in collection {collection!r}")


class Store:
    """Reads and writes knowledge; safe for any number of replicas. The pool is one of database.open_pool."""

    def __init__(self, pool: postgres.Pool, dimension: int) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_knowledge")
        self._nearest_by_index = self._sql.nearest_by_index.replace("{dimension}", str(dimension))

    async def answers(self) -> bool:
        """Whether the database answers."""
        return bool(await self._pool.fetchval("SELECT true"))

    async def statistics(self, collection: str, lexemes: Iterable[str]) -> Statistics | None:
        """The collection's numbers, or None when there is no such collection."""
        row = await self._pool.fetchrow(self._sql.collection_statistics, collection, list(lexemes))
        if row is None:
            return None
        frequencies = dict(zip(row["lexemes"], row["frequencies"], strict=True))
        return Statistics(row["id"], row["passage_count"], row["lexeme_count"], frequencies)

    async def nearest(self, statistics: Statistics, vector: Vectors, limit: int) -> dict[uuid.UUID, float]:
        """The passages nearest to a vector with their cosines, best first."""
        arguments = (statistics.collection_id, vector, limit)
        if statistics.passages <= SCAN_PASSAGES:
            return _scores(await self._pool.fetch(self._sql.nearest_by_scan, *arguments), "cosine")
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            # Without it the index's first candidates are filtered by collection, and few or none are left.
            await connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            await connection.execute("SET LOCAL hnsw.ef_search = 100")
            return _scores(await connection.fetch(self._nearest_by_index, *arguments), "cosine")

    async def cosines(self, vector: Vectors, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, float]:
        """The exact cosines of given passages."""
        return _scores(await self._pool.fetch(self._sql.cosines, vector, ids), "cosine")

    async def lexical_scores(
        self,
        statistics: Statistics,
        selective: Sequence[str],
        weights: Mapping[str, float],
        also: Iterable[uuid.UUID],
    ) -> dict[uuid.UUID, Lexical]:
        """BM25 of the passages that hold a selective lexeme and of those listed in `also`."""
        rows = await self._pool.fetch(
            self._sql.lexical_scores,
            statistics.collection_id,
            " | ".join(_quoted(lexeme) for lexeme in selective),
            list(also),
            list(weights),
            list(weights.values()),
            max(statistics.lexemes / max(statistics.passages, 1), 1.0),
        )
        return {row["id"]: Lexical(row["score"], row["matched"]) for row in rows}

    async def passages(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, StoredPassage]:
        """Passages by id; one that was deleted meanwhile is left out."""
        rows = await self._pool.fetch(self._sql.passages, ids)
        return {row["id"]: StoredPassage(**{**row, "headings": tuple(row["headings"])}) for row in rows}

    async def document(self, collection: str, document_id: uuid.UUID) -> Document | None:
        """One document, or None."""
        row = await self._pool.fetchrow(self._sql.document, collection, document_id)
        return _document(row) if row else None

    async def documents(
        self, collection: str, limit: int, page_token: str = ""
    ) -> tuple[list[Document], str]:
        """A page of documents ordered by source, and the token of the next page (empty at the end).

        Raises:
            ValueError: the token is not one of ours.
        """
        after = _source_of(page_token)
        rows = await self._pool.fetch(self._sql.documents, collection, after, limit + 1)
        page = [_document(row) for row in rows[:limit]]
        return page, _page_token(page[-1].source) if len(rows) > limit else ""

    async def collections(self) -> list[Collection]:
        """All collections, by name."""
        return [Collection(**row) for row in await self._pool.fetch(self._sql.collections)]

    async def passage_ids(self, document_id: uuid.UUID) -> set[uuid.UUID]:
        """The ids of a document's passages."""
        return {row["id"] for row in await self._pool.fetch(self._sql.passage_ids, document_id)}

    async def replace(self, new: NewDocument) -> Document:
        """Puts a document in the place of the one with the same id, all or nothing.

        Raises:
            DocumentChangedError: passages that are neither stored nor among the new ones would be missing.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._sql.create_collection, new.collection)
            collection_id = await connection.fetchval(self._sql.lock_collection, new.collection)
            stored = {row["id"] for row in await connection.fetch(self._sql.passage_ids, new.id)}
            wanted = set(new.passage_ids)
            added = [passage for passage in new.new_passages if passage.id not in stored]
            if wanted - stored - {passage.id for passage in added}:
                raise DocumentChangedError(new.source)
            await connection.execute(
                self._sql.upsert_document,
                new.id,
                collection_id,
                new.source,
                new.title,
                new.format,
                new.content_hash,
                len(wanted),
            )
            await self._remove(connection, collection_id, list(stored - wanted))
            await self._add(connection, collection_id, new.id, added)
            await connection.execute(self._sql.order_passages, new.passage_ids)
            return _document(await connection.fetchrow(self._sql.document, new.collection, new.id))

    async def delete(self, collection: str, document_id: uuid.UUID) -> None:
        """Removes a document with everything that was made of it.

        Raises:
            UnknownDocumentError: there is none.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            collection_id = await connection.fetchval(self._sql.lock_collection, collection)
            if await connection.fetchrow(self._sql.document, collection, document_id) is None:
                raise UnknownDocumentError(collection, document_id)
            ids = [row["id"] for row in await connection.fetch(self._sql.passage_ids, document_id)]
            await self._remove(connection, collection_id, ids)
            await connection.execute(self._sql.delete_document, document_id)
            await connection.execute(self._sql.count_collection, collection_id, 0, 0)

    async def _add(
        self, connection: Any, collection_id: int, document_id: uuid.UUID, passages: Sequence[NewPassage]
    ) -> None:
        lengths = [passage.lexemes.total() for passage in passages]
        await connection.executemany(
            self._sql.insert_passages,
            [
                (
                    p.id,
                    collection_id,
                    document_id,
                    0,
                    p.headings,
                    p.question,
                    p.text,
                    tsvector(p.lexemes),
                    length,
                )
                for p, length in zip(passages, lengths, strict=True)
            ],
        )
        await connection.executemany(
            self._sql.insert_vectors,
            [(p.id, collection_id, vector) for p in passages for vector in p.vectors],
        )
        await connection.execute(self._sql.add_frequencies, collection_id, [p.id for p in passages])
        await connection.execute(self._sql.count_collection, collection_id, len(passages), sum(lengths))

    async def _remove(self, connection: Any, collection_id: int, ids: Sequence[uuid.UUID]) -> None:
        if not ids:
            return
        lexemes = await connection.fetchval(self._sql.count_lexemes, ids)
        await connection.execute(self._sql.subtract_frequencies, collection_id, ids)
        await connection.execute(self._sql.delete_unused_frequencies, collection_id)
        await connection.execute(self._sql.delete_passages, ids)
        await connection.execute(self._sql.count_collection, collection_id, -len(ids), -lexemes)


def tsvector(lexemes: Counter[str]) -> str:
    """A tsvector literal that holds each lexeme as often as it occurs (PostgreSQL counts to 255)."""
    return " ".join(
        f"{_quoted(lexeme)}:{','.join(map(str, range(1, min(count, 255) + 1)))}"
        for lexeme, count in lexemes.items()
    )


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _scores(rows: Iterable[Any], column: str) -> dict[uuid.UUID, float]:
    return {row["id"]: row[column] for row in rows}


def _document(row: Any) -> Document:
    return Document(**{**row, "format": Format(row["format"])})


def _page_token(source: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(source).encode()).decode()


def _source_of(token: str) -> str:
    try:
        return str(json.loads(base64.b64decode(token, altchars=b"-_", validate=True))) if token else ""
    except ValueError:
        raise ValueError("not a page token of this service") from None
