"""Reads what the service keeps in PostgreSQL, schema knowledge: for searches and for lists."""

import base64
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kf_runtime import postgres

from kf_knowledge.bm25 import Candidate, Terms
from kf_knowledge.embedder import Vectors
from kf_knowledge.passages import Collection, Document, Format, Labels, StoredPassage
from kf_knowledge.tsearch import tsquery

SCHEMA = "knowledge"
# Below this many passages reading all of a collection's vectors is exact and as fast as the index.
SCAN_PASSAGES = 5_000
# A bound on the work of one search; a query picks some 300 passages as a rule.
_MAX_MATCHING = 1_000


@dataclass(frozen=True)
class Scope:
    """What of a collection a search may see: one version, and of its documents those that fit the filter."""

    draft: bool = False
    language: str = ""
    tags: tuple[str, ...] = ()


EVERYTHING = Scope()


@dataclass(frozen=True)
class Statistics:
    """The numbers of a collection's version for BM25, with the frequencies of the lexemes asked for.

    threshold: the evidence from which on a question is answerable, if the collection has its own.
    restricted: whether it holds documents that are not valid at this time.
    word_groups: the collection's own words of which the question holds one.
    """

    collection_id: int
    version: int
    passages: int
    lexemes: int
    frequencies: Mapping[str, int]
    threshold: float | None
    restricted: bool = False
    scope: Scope = EVERYTHING
    word_groups: Sequence[Sequence[str]] = ()

    @property
    def filtered(self) -> bool:
        """Whether some documents of the version must not be found."""
        return self.restricted or bool(self.scope.language or self.scope.tags)


class Store:
    """Reads knowledge; safe for any number of replicas. The pool is one of database.open_pool.

    question_bias is taken from the cosines of FAQ questions: see Embedder.
    """

    def __init__(self, pool: postgres.Pool, dimension: int, question_bias: float = 0.0) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_knowledge")
        self._bias = question_bias
        nearest = self._sql.nearest_by_index.replace("{dimension}", str(dimension))
        self._by_scan = _with_filter(self._sql.nearest_by_scan, self._sql.admitted_documents, 5)
        self._by_index = _with_filter(nearest, self._sql.admitted_documents, 5)
        self._matching = _with_filter(self._sql.matching, self._sql.admitted_documents, 6)

    async def answers(self) -> bool:
        """Whether the database answers."""
        return bool(await self._pool.fetchval("SELECT true"))

    async def statistics(
        self, collection: str, lexemes: Iterable[str], scope: Scope = EVERYTHING, question: str = ""
    ) -> Statistics | None:
        """The numbers of what is searched, or None when there is no such collection."""
        row = await self._pool.fetchrow(
            self._sql.collection_statistics, collection, list(lexemes), scope.draft, question
        )
        if row is None:
            return None
        return Statistics(
            collection_id=row["id"],
            version=row["version"],
            passages=row["passages"],
            lexemes=row["lexemes"],
            frequencies=dict(zip(row["known"], row["frequencies"], strict=True)),
            threshold=row["answerable_evidence"],
            restricted=row["restricted"],
            scope=scope,
            word_groups=[group.split("\x1f") for group in row["word_groups"]],
        )

    async def set_threshold(self, collection: str, threshold: float) -> None:
        """Keeps the evidence from which on a question is answerable in this collection."""
        await self._pool.execute(self._sql.set_threshold, collection, threshold)

    async def nearest(self, statistics: Statistics, vector: Vectors, limit: int) -> list[Candidate]:
        """The passages nearest to a vector, best first."""
        statements = self._by_scan if statistics.passages <= SCAN_PASSAGES else self._by_index
        rows = await self._fetch_scoped(statements, statistics, vector, limit, self._bias)
        return [Candidate(*row.values()) for row in rows]

    async def matching(self, statistics: Statistics, terms: Terms, vector: Vectors) -> list[Candidate]:
        """The passages that hold what picks candidates, in no order."""
        query = tsquery(statistics.collection_id, terms.selective)
        if not query:
            return []
        rows = await self._fetch_scoped(self._matching, statistics, query, vector, self._bias, _MAX_MATCHING)
        return [Candidate(*row.values()) for row in rows]

    async def passages(
        self, statistics: Statistics, ids: Sequence[uuid.UUID]
    ) -> dict[uuid.UUID, StoredPassage]:
        """Passages by id; one that was erased meanwhile is left out."""
        rows = await self._pool.fetch(self._sql.passages, ids, statistics.version)
        return {row["id"]: _passage(row) for row in rows}

    async def document(self, collection: str, document_id: uuid.UUID) -> Document | None:
        """One document as the draft has it, or None."""
        row = await self._pool.fetchrow(self._sql.document, collection, document_id)
        return _document(row) if row else None

    async def documents(
        self, collection: str, limit: int, page_token: str = "", *, draft: bool = False
    ) -> tuple[list[Document], str]:
        """A page of documents ordered by source, and the token of the next page (empty at the end).

        Raises:
            ValueError: the token is not one of ours.
        """
        after = _source_of(page_token)
        rows = await self._pool.fetch(self._sql.documents, collection, after, limit + 1, draft)
        page = [_document(row) for row in rows[:limit]]
        return page, _page_token(page[-1].source) if len(rows) > limit else ""

    async def document_passages(
        self, collection: str, document_id: uuid.UUID, limit: int, *, draft: bool
    ) -> list[StoredPassage]:
        """The first passages of a document, in its order."""
        rows = await self._pool.fetch(self._sql.document_passages, collection, document_id, draft, limit)
        return [_passage(row) for row in rows]

    async def collections(self) -> list[Collection]:
        """All collections, by name."""
        return [Collection(**row) for row in await self._pool.fetch(self._sql.collections)]

    async def live_keys(self, document_id: uuid.UUID) -> set[uuid.UUID]:
        """The keys of a document's passages in the draft."""
        return {row["key"] for row in await self._pool.fetch(self._sql.live_passages, document_id)}

    async def _fetch_scoped(
        self, statements: tuple[str, str], statistics: Statistics, *parameters: Any
    ) -> list[Any]:
        scope = statistics.scope
        which = [statistics.collection_id, statistics.version, *parameters]
        if not statistics.filtered:
            return await self._pool.fetch(statements[0], *which)
        return await self._pool.fetch(statements[1], *which, scope.language, scope.tags)


def _with_filter(statement: str, condition: str, parameters: int) -> tuple[str, str]:
    """A statement of so many parameters without and with the filter, which takes two more."""
    condition = condition.rstrip(";").replace("{language}", f"${parameters + 1}")
    condition = condition.replace("{tags}", f"${parameters + 2}")
    return statement.replace("{admitted}", ""), statement.replace("{admitted}", condition)


def _document(row: Any) -> Document:
    labels = {name: row[name] for name in ("language", "valid_from", "valid_until")}
    return Document(
        **{name: value for name, value in row.items() if name not in {*labels, "tags", "format"}},
        format=Format(row["format"]),
        labels=Labels(**labels, tags=tuple(row["tags"])),
    )


def _passage(row: Any) -> StoredPassage:
    return StoredPassage(**{**row, "headings": tuple(row["headings"])})


def _page_token(source: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(source).encode()).decode()


def _source_of(token: str) -> str:
    try:
        return str(json.loads(base64.b64decode(token, altchars=b"-_", validate=True))) if token else ""
    except ValueError:
        raise ValueError("not a page token of this service") from None
