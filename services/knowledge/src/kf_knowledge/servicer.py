"""KnowledgeService over gRPC: checks requests, turns the service's values and errors into the contract's."""

import asyncio
import dataclasses
import re
import uuid
from collections.abc import Awaitable
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from kf_contracts.knowledge.v1 import knowledge_pb2_grpc as pb_grpc
from kf_runtime.postgres import TRANSIENT

from kf_knowledge.calibration import MOST_QUESTIONS, TestQuestion, TooFewQuestionsError, calibrate
from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.embedder import EmbeddingConfigError, EmbeddingUnavailableError
from kf_knowledge.ingestion import Ingestor, Submission
from kf_knowledge.passages import Document, Format
from kf_knowledge.search import Found, Searcher
from kf_knowledge.store import DocumentChangedError, Store, UnknownDocumentError

log = structlog.get_logger()

SEARCH_SECONDS = 10.0
READ_SECONDS = 10.0
WRITE_SECONDS = 600.0

_DEFAULT_LIMIT, _MAX_LIMIT = 5, 50
_DEFAULT_PAGE, _MAX_PAGE = 100, 1_000
_MAX_SOURCE, _MAX_TITLE = 512, 256
_COLLECTION = re.compile(r"[0-9A-Za-z_-]{1,64}")

_Response = TypeVar("_Response")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class InvalidRequestError(Exception):
    """A field of the request is wrong; the message begins with its name."""


_CODES: tuple[tuple[tuple[type[Exception], ...], grpc.StatusCode], ...] = (
    ((InvalidRequestError, InvalidDocumentError, TooFewQuestionsError), grpc.StatusCode.INVALID_ARGUMENT),
    ((UnknownDocumentError,), grpc.StatusCode.NOT_FOUND),
    ((DocumentChangedError,), grpc.StatusCode.ABORTED),
    ((EmbeddingConfigError,), grpc.StatusCode.FAILED_PRECONDITION),
    ((EmbeddingUnavailableError,), grpc.StatusCode.UNAVAILABLE),
    ((TimeoutError,), grpc.StatusCode.DEADLINE_EXCEEDED),
    (TRANSIENT, grpc.StatusCode.UNAVAILABLE),
)
# Our own errors are written to be read by the caller; what others raise may quote the customer.
_OWN_WORDS = (
    InvalidRequestError,
    InvalidDocumentError,
    TooFewQuestionsError,
    UnknownDocumentError,
    EmbeddingConfigError,
    EmbeddingUnavailableError,
    DocumentChangedError,
)


class KnowledgeServicer(pb_grpc.KnowledgeServiceServicer):  # type: ignore[misc]
    """One method per call of the contract."""

    def __init__(self, store: Store, searcher: Searcher, ingestor: Ingestor) -> None:
        self._store = store
        self._searcher = searcher
        self._ingestor = ingestor

    async def Search(  # noqa: N802
        self, request: pb.SearchRequest, context: Context
    ) -> pb.SearchResponse:
        """See the contract."""
        return await _answer(context, SEARCH_SECONDS, self._search(request))

    async def IngestDocument(  # noqa: N802
        self, request: pb.IngestDocumentRequest, context: Context
    ) -> pb.IngestDocumentResponse:
        """See the contract."""
        return await _answer(context, WRITE_SECONDS, self._ingest(request))

    async def DeleteDocument(  # noqa: N802
        self, request: pb.DeleteDocumentRequest, context: Context
    ) -> pb.DeleteDocumentResponse:
        """See the contract."""
        return await _answer(context, READ_SECONDS, self._delete(request))

    async def ListDocuments(  # noqa: N802
        self, request: pb.ListDocumentsRequest, context: Context
    ) -> pb.ListDocumentsResponse:
        """See the contract."""
        return await _answer(context, READ_SECONDS, self._list(request))

    async def ListCollections(  # noqa: N802
        self, request: pb.ListCollectionsRequest, context: Context
    ) -> pb.ListCollectionsResponse:
        """See the contract."""
        return await _answer(context, READ_SECONDS, self._collections())

    async def CalibrateCollection(  # noqa: N802
        self, request: pb.CalibrateCollectionRequest, context: Context
    ) -> pb.CalibrateCollectionResponse:
        """See the contract."""
        return await _answer(context, WRITE_SECONDS, self._calibrate(request))

    async def _search(self, request: pb.SearchRequest) -> pb.SearchResponse:
        if not request.query.strip():
            raise InvalidRequestError("query: is empty")
        if request.limit > _MAX_LIMIT:
            raise InvalidRequestError(f"limit: {request.limit} is more than {_MAX_LIMIT}")
        result = await self._searcher.search(
            request.collection, request.query, request.limit or _DEFAULT_LIMIT
        )
        return pb.SearchResponse(
            passages=[_passage(found) for found in result.found], answerable=result.answerable
        )

    async def _ingest(self, request: pb.IngestDocumentRequest) -> pb.IngestDocumentResponse:
        document, changed = await self._ingestor.ingest(submission(request))
        log.info(
            "document.ingested",
            collection=document.collection,
            document_id=str(document.id),
            passages=document.passage_count,
            changed=changed,
        )
        return pb.IngestDocumentResponse(document=_document(document), changed=changed)

    async def _delete(self, request: pb.DeleteDocumentRequest) -> pb.DeleteDocumentResponse:
        try:
            document_id = uuid.UUID(request.document_id)
        except ValueError:
            raise InvalidRequestError("document_id: is not an id that ListDocuments gave") from None
        await self._store.delete(request.collection, document_id)
        log.info("document.deleted", collection=request.collection, document_id=str(document_id))
        return pb.DeleteDocumentResponse()

    async def _list(self, request: pb.ListDocumentsRequest) -> pb.ListDocumentsResponse:
        if request.page_size > _MAX_PAGE:
            raise InvalidRequestError(f"page_size: {request.page_size} is more than {_MAX_PAGE}")
        try:
            page, token = await self._store.documents(
                request.collection, request.page_size or _DEFAULT_PAGE, request.page_token
            )
        except ValueError:
            raise InvalidRequestError("page_token: is not one that ListDocuments gave") from None
        return pb.ListDocumentsResponse(
            documents=[_document(document) for document in page], next_page_token=token
        )

    async def _collections(self) -> pb.ListCollectionsResponse:
        return pb.ListCollectionsResponse(
            collections=[
                pb.Collection(name=c.name, document_count=c.document_count, passage_count=c.passage_count)
                for c in await self._store.collections()
            ]
        )

    async def _calibrate(self, request: pb.CalibrateCollectionRequest) -> pb.CalibrateCollectionResponse:
        if len(request.questions) > MOST_QUESTIONS:
            raise InvalidRequestError(f"questions: {len(request.questions)} are more than {MOST_QUESTIONS}")
        if not all(one.question.strip() for one in request.questions):
            raise InvalidRequestError("questions: one is empty")
        questions = [TestQuestion(one.question, frozenset(one.expected)) for one in request.questions]
        measured = await calibrate(
            self._store, self._searcher, request.collection, questions, dry_run=request.dry_run
        )
        log.info("collection.calibrated", collection=request.collection, threshold=measured.threshold)
        return pb.CalibrateCollectionResponse(**dataclasses.asdict(measured))


async def _answer(context: Context, seconds: float, work: Awaitable[_Response]) -> _Response:
    """The work's response before the caller's deadline or ours, or the call ended with the error's code."""
    remaining = context.time_remaining()
    try:
        async with asyncio.timeout(seconds if remaining is None else min(seconds, remaining)):
            return await work
    except Exception as error:
        # The last frame before the wire: whatever was raised becomes a code, and a bug a logged INTERNAL.
        code = _code(error)
        if code is grpc.StatusCode.INTERNAL:
            log.exception("knowledge.call_failed", error=type(error).__name__)
        details = str(error) if isinstance(error, _OWN_WORDS) else type(error).__name__
        await context.abort(code, details)
        raise AssertionError("abort returns never") from error


def _code(error: Exception) -> grpc.StatusCode:
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), grpc.StatusCode.INTERNAL)


def submission(request: pb.IngestDocumentRequest) -> Submission:
    """The request's document, its fields checked; InvalidRequestError names the one that is wrong."""
    if not _COLLECTION.fullmatch(request.collection):
        raise InvalidRequestError("collection: must be 1 to 64 of 0-9 A-Z a-z _ -")
    if not 1 <= len(request.source) <= _MAX_SOURCE or "\x00" in request.source:
        raise InvalidRequestError(f"source: must be 1 to {_MAX_SOURCE} characters")
    if len(request.title) > _MAX_TITLE or "\x00" in request.title:
        raise InvalidRequestError(f"title: must be at most {_MAX_TITLE} characters")
    try:
        kind = Format(request.format) if request.format else None
    except ValueError:
        raise InvalidRequestError(f"format: {request.format} is unknown to this server") from None
    return Submission(request.collection, request.source, request.title.strip(), kind, request.content)


def _passage(found: Found) -> pb.Passage:
    passage, hit = found.passage, found.hit
    return pb.Passage(
        passage_id=str(passage.id),
        document_id=str(passage.document_id),
        source=passage.source,
        title=passage.title,
        headings=passage.headings,
        text=passage.text,
        question=passage.question,
        score=hit.score,
        dense_score=hit.dense,
        lexical_score=hit.lexical,
    )


def _document(document: Document) -> pb.Document:
    updated_at = Timestamp()
    updated_at.FromDatetime(document.updated_at)
    return pb.Document(
        document_id=str(document.id),
        collection=document.collection,
        source=document.source,
        title=document.title,
        format=pb.DocumentFormat.Name(document.format),
        passage_count=document.passage_count,
        updated_at=updated_at,
    )
