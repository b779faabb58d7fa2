"""Everything the service keeps in PostgreSQL: schema knowledge, one method per statement or transaction."""

import base64
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kf_runtime import postgres

from kf_knowledge import bm25
from kf_knowledge.bm25 import PassageTerms, Terms
from kf_knowledge.embedder import Vectors
from kf_knowledge.passages import Collection, Document, Format, StoredPassage

SCHEMA = "knowledge"
# Below this many passages reading all of a collection's vectors is exact and as fast as the index.
SCAN_PASSAGES = 5_000
# A bound on the work of one search; a query picks some 300 passages as a rule.
_MAX_MATCHING = 1_000


@dataclass(frozen=True)
class Statistics:
    """A collection's numbers for BM25, with the frequencies of the lexemes asked for.

    threshold: the evidence from which on a question is answerable, if the collection has its own.
    """

    collection_id: int
    passages: int
    lexemes: int
    frequencies: Mapping[str, int]
    threshold: float | None


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
    """Reads and writes knowledge; safe for any number of replicas. The pool is one of database.open_pool.

    question_bias is taken from the cosines of FAQ questions: see Embedder.
    """

    def __init__(self, pool: postgres.Pool, dimension: int, question_bias: float = 0.0) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_knowledge")
        self._nearest_by_index = self._sql.nearest_by_index.replace("{dimension}", str(dimension))
        self._bias = question_bias

    async def answers(self) -> bool:
        """Whether the database answers."""
        return bool(await self._pool.fetchval("SELECT true"))

    async def statistics(self, collection: str, lexemes: Iterable[str]) -> Statistics | None:
        """The collection's numbers, or None when there is no such collection."""
        row = await self._pool.fetchrow(self._sql.collection_statistics, collection, list(lexemes))
        if row is None:
            return None
        frequencies = dict(zip(row["lexemes"], row["frequencies"], strict=True))
        return Statistics(
            row["id"], row["passage_count"], row["lexeme_count"], frequencies, row["answerable_evidence"]
        )

    async def set_threshold(self, collection: str, threshold: float) -> None:
        """Keeps the evidence from which on a question is answerable in this collection."""
        await self._pool.execute(self._sql.set_threshold, collection, threshold)

    async def nearest(self, statistics: Statistics, vector: Vectors, limit: int) -> dict[uuid.UUID, float]:
        """The passages nearest to a vector with their cosines, best first."""
        by_scan = statistics.passages <= SCAN_PASSAGES
        statement = self._sql.nearest_by_scan if by_scan else self._nearest_by_index
        rows = await self._pool.fetch(statement, statistics.collection_id, vector, limit, self._bias)
        return _scores(rows, "cosine")

    async def cosines(self, vector: Vectors, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, float]:
        """The exact cosines of given passages."""
        if not ids:
            return {}
        return _scores(await self._pool.fetch(self._sql.cosines, vector, ids, self._bias), "cosine")

    async def matching_terms(self, statistics: Statistics, terms: Terms) -> list[PassageTerms]:
        """Term frequencies of the passages that hold what picks candidates."""
        query = tsquery(statistics.collection_id, terms.selective)
        rows = await self._pool.fetch(self._sql.matching_terms, query, _MAX_MATCHING)
        return [PassageTerms(**row) for row in rows]

    async def terms(self, ids: Sequence[uuid.UUID]) -> list[PassageTerms]:
        """Term frequencies of given passages."""
        rows = await self._pool.fetch(self._sql.terms, ids) if ids else []
        return [PassageTerms(**row) for row in rows]

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
        await connection.executemany(
            self._sql.insert_passages,
            [(p.id, collection_id, document_id, p.headings, p.question, p.text) for p in passages],
        )
        await connection.executemany(
            self._sql.insert_terms,
            [
                (p.id, tsvector(collection_id, p.lexemes), *bm25.packed(p.lexemes), p.lexemes.total())
                for p in passages
            ],
        )
        await connection.executemany(
            self._sql.insert_vectors,
            [(p.id, collection_id, vector, bool(p.question)) for p in passages for vector in p.vectors],
        )
        await connection.execute(self._sql.add_frequencies, collection_id, [p.id for p in passages])
        await connection.execute(
            self._sql.count_collection, collection_id, len(passages), sum(p.lexemes.total() for p in passages)
        )

    async def _remove(self, connection: Any, collection_id: int, ids: Sequence[uuid.UUID]) -> None:
        if not ids:
            return
        lexemes = await connection.fetchval(self._sql.count_lexemes, ids)
        await connection.execute(self._sql.subtract_frequencies, collection_id, ids)
        await connection.execute(self._sql.delete_unused_frequencies, collection_id)
        await connection.execute(self._sql.delete_passages, ids)
        await connection.execute(self._sql.count_collection, collection_id, -len(ids), -lexemes)


def tsvector(collection_id: int, lexemes: Iterable[str]) -> str:
    """A tsvector literal of a collection's lexemes, without positions."""
    return " ".join(_quoted(collection_id, lexeme) for lexeme in lexemes)


def tsquery(collection_id: int, alternatives: Iterable[Iterable[str]]) -> str:
    """A tsquery literal: passages of the collection that hold all lexemes of any of the alternatives."""
    return " | ".join(
        " & ".join(_quoted(collection_id, lexeme) for lexeme in together) for together in alternatives
    )


def _quoted(collection_id: int, lexeme: str) -> str:
    return f"'{collection_id}:" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


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
