"""KnowledgeService over gRPC: one method per call, errors turned into the contract's codes."""

import asyncio
import dataclasses
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from kf_contracts.knowledge.v1 import knowledge_pb2_grpc as pb_grpc
from kf_runtime.postgres import TRANSIENT

from kf_knowledge import metrics, replies, requests
from kf_knowledge.calibration import TooFewQuestionsError, calibrate
from kf_knowledge.clusters import MOST_QUESTIONS, clusters, distinct
from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.curation import Curation, InvalidWordsError
from kf_knowledge.drafts import DocumentChangedError, Drafts, UnknownCollectionError, UnknownDocumentError
from kf_knowledge.embedder import Embedder, EmbeddingConfigError, EmbeddingUnavailableError
from kf_knowledge.ingestion import Ingestor, Submission
from kf_knowledge.passages import Document
from kf_knowledge.publishing import Publisher
from kf_knowledge.requests import InvalidRequestError
from kf_knowledge.search import Searcher
from kf_knowledge.store import Store
from kf_knowledge.versions import DraftChangedError, UnknownVersionError, Versions

log = structlog.get_logger()

SEARCH_SECONDS = 10.0
READ_SECONDS = 10.0
WRITE_SECONDS = 600.0
UPLOAD_BYTES = 32 * 1024 * 1024

_DEFAULT_LIMIT, _MAX_LIMIT = 5, 50
_DEFAULT_PAGE, _MAX_PAGE = 100, 1_000

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_CODES: tuple[tuple[tuple[type[Exception], ...], grpc.StatusCode], ...] = (
    (
        (InvalidRequestError, InvalidDocumentError, InvalidWordsError, TooFewQuestionsError),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    ((UnknownDocumentError, UnknownCollectionError, UnknownVersionError), grpc.StatusCode.NOT_FOUND),
    ((DocumentChangedError, DraftChangedError), grpc.StatusCode.ABORTED),
    ((EmbeddingConfigError,), grpc.StatusCode.FAILED_PRECONDITION),
    ((EmbeddingUnavailableError,), grpc.StatusCode.UNAVAILABLE),
    ((TimeoutError,), grpc.StatusCode.DEADLINE_EXCEEDED),
    (TRANSIENT, grpc.StatusCode.UNAVAILABLE),
)
# Our own errors are written to be read by the caller; what others raise may quote the customer.
_OWN_WORDS = tuple(kind for kinds, _ in _CODES[:5] for kind in kinds)


def _call(seconds: float) -> Callable[[Any], Any]:
    """A method that ends in time, and whose errors become the contract's codes."""

    def decorate(method: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any, Context], Any]:
        @functools.wraps(method)
        async def answer(self: Any, request: Any, context: Context) -> Any:
            return await _answer(context, seconds, method(self, request))

        return answer

    return decorate


class KnowledgeServicer(pb_grpc.KnowledgeServiceServicer):  # type: ignore[misc]
    """One method per call of the contract, which describes them."""

    def __init__(
        self,
        *,
        store: Store,
        drafts: Drafts,
        versions: Versions,
        curation: Curation,
        searcher: Searcher,
        ingestor: Ingestor,
        publisher: Publisher,
        embedder: Embedder,
    ) -> None:
        self._store, self._drafts, self._versions, self._curation = store, drafts, versions, curation
        self._searcher, self._ingestor, self._publisher = searcher, ingestor, publisher
        self._embedder = embedder

    async def answers(self) -> bool:
        """Whether the database answers."""
        return await self._store.answers()

    @_call(SEARCH_SECONDS)
    async def Search(self, request: pb.SearchRequest) -> pb.SearchResponse:  # noqa: D102, N802
        if not request.query.strip():
            raise InvalidRequestError("query: is empty")
        limit = requests.number(request.limit, "limit", _DEFAULT_LIMIT, _MAX_LIMIT)
        result = await self._searcher.search(
            request.collection, request.query, limit, requests.scope(request)
        )
        metrics.searched(result)
        return replies.search_response(result, request.query, explain=request.explain)

    @_call(WRITE_SECONDS)
    async def IngestDocument(  # noqa: D102, N802
        self, request: pb.IngestDocumentRequest
    ) -> pb.IngestDocumentResponse:
        document, changed = await self._ingest(requests.submission(request), request)
        return pb.IngestDocumentResponse(document=replies.document(document), changed=changed)

    @_call(WRITE_SECONDS)
    async def UploadDocument(  # noqa: D102, N802
        self, parts: AsyncIterator[pb.UploadDocumentRequest]
    ) -> pb.UploadDocumentResponse:
        head, content = await _received(parts)
        document, changed = await self._ingest(requests.submission(head, content), head)
        return pb.UploadDocumentResponse(document=replies.document(document), changed=changed)

    @_call(READ_SECONDS)
    async def DeleteDocument(  # noqa: D102, N802
        self, request: pb.DeleteDocumentRequest
    ) -> pb.DeleteDocumentResponse:
        document_id = requests.document_uuid(request.document_id)
        remove = self._drafts.remove if request.draft else self._drafts.erase
        await remove(request.collection, document_id)
        log.info(
            "document.deleted",
            collection=request.collection,
            document_id=str(document_id),
            draft=request.draft,
        )
        return pb.DeleteDocumentResponse()

    @_call(READ_SECONDS)
    async def ListDocuments(  # noqa: D102, N802
        self, request: pb.ListDocumentsRequest
    ) -> pb.ListDocumentsResponse:
        size = requests.number(request.page_size, "page_size", _DEFAULT_PAGE, _MAX_PAGE)
        try:
            page, token = await self._store.documents(
                request.collection, size, request.page_token, draft=request.draft
            )
        except ValueError:
            raise InvalidRequestError("page_token: is not one that ListDocuments gave") from None
        return pb.ListDocumentsResponse(documents=map(replies.document, page), next_page_token=token)

    @_call(READ_SECONDS)
    async def GetDocument(self, request: pb.GetDocumentRequest) -> pb.GetDocumentResponse:  # noqa: D102, N802
        document_id = requests.document_uuid(request.document_id)
        limit = requests.number(request.limit, "limit", _DEFAULT_PAGE, _MAX_PAGE)
        found = await self._store.document_passages(
            request.collection, document_id, limit, draft=request.draft
        )
        if not found:
            raise UnknownDocumentError(request.collection, document_id)
        return pb.GetDocumentResponse(passages=map(replies.passage, found))

    @_call(READ_SECONDS)
    async def ListCollections(  # noqa: D102, N802
        self, _request: pb.ListCollectionsRequest
    ) -> pb.ListCollectionsResponse:
        found = await self._store.collections()
        return pb.ListCollectionsResponse(collections=map(replies.collection, found))

    @_call(WRITE_SECONDS)
    async def CalibrateCollection(  # noqa: D102, N802
        self, request: pb.CalibrateCollectionRequest
    ) -> pb.CalibrateCollectionResponse:
        questions = requests.test_questions(request.questions)
        measured = await calibrate(
            self._store,
            self._searcher,
            request.collection,
            questions or await self._curation.questions(request.collection),
            dry_run=request.dry_run,
        )
        log.info("collection.calibrated", collection=request.collection, threshold=measured.threshold)
        return pb.CalibrateCollectionResponse(**dataclasses.asdict(measured))

    @_call(WRITE_SECONDS)
    async def PublishCollection(  # noqa: D102, N802
        self, request: pb.PublishCollectionRequest
    ) -> pb.PublishCollectionResponse:
        publication = await self._publisher.publish(request.collection, force=request.force)
        log.info(
            "collection.published" if publication.published else "collection.refused",
            collection=request.collection,
            version=publication.version,
            documents=len(publication.changes),
            forced=request.force,
        )
        return replies.publish_response(publication)

    @_call(WRITE_SECONDS)
    async def RollbackCollection(  # noqa: D102, N802
        self, request: pb.RollbackCollectionRequest
    ) -> pb.RollbackCollectionResponse:
        version = await self._versions.rollback(request.collection, request.version)
        log.info("collection.rolled_back", collection=request.collection, version=version)
        return pb.RollbackCollectionResponse(version=version)

    @_call(WRITE_SECONDS)
    async def DiscardDraft(self, request: pb.DiscardDraftRequest) -> pb.DiscardDraftResponse:  # noqa: D102, N802
        await self._versions.discard(request.collection)
        log.info("collection.draft_discarded", collection=request.collection)
        return pb.DiscardDraftResponse()

    @_call(READ_SECONDS)
    async def DiffCollection(  # noqa: D102, N802
        self, request: pb.DiffCollectionRequest
    ) -> pb.DiffCollectionResponse:
        found = await self._versions.changes(request.collection)
        return pb.DiffCollectionResponse(changes=replies.changes(found))

    @_call(READ_SECONDS)
    async def ListVersions(self, request: pb.ListVersionsRequest) -> pb.ListVersionsResponse:  # noqa: D102, N802
        found = await self._versions.versions(request.collection)
        return pb.ListVersionsResponse(versions=map(replies.version, found))

    @_call(READ_SECONDS)
    async def SetTestQuestions(  # noqa: D102, N802
        self, request: pb.SetTestQuestionsRequest
    ) -> pb.SetTestQuestionsResponse:
        name = requests.collection_name(request.collection)
        await self._curation.set_questions(name, requests.test_questions(request.questions))
        return pb.SetTestQuestionsResponse()

    @_call(READ_SECONDS)
    async def ListTestQuestions(  # noqa: D102, N802
        self, request: pb.ListTestQuestionsRequest
    ) -> pb.ListTestQuestionsResponse:
        found = await self._curation.questions(request.collection)
        return pb.ListTestQuestionsResponse(questions=map(replies.test_question, found))

    @_call(WRITE_SECONDS)
    async def EvaluateCollection(  # noqa: D102, N802
        self, request: pb.EvaluateCollectionRequest
    ) -> pb.EvaluateCollectionResponse:
        measured = await self._publisher.evaluate(request.collection)
        if measured is None:
            raise InvalidRequestError("collection: has no test questions: set some first")
        return replies.evaluation(measured)

    @_call(READ_SECONDS)
    async def SetWords(self, request: pb.SetWordsRequest) -> pb.SetWordsResponse:  # noqa: D102, N802
        name = requests.collection_name(request.collection)
        await self._curation.set_words(name, [tuple(group.words) for group in request.groups])
        return pb.SetWordsResponse()

    @_call(READ_SECONDS)
    async def ListWords(self, request: pb.ListWordsRequest) -> pb.ListWordsResponse:  # noqa: D102, N802
        groups = await self._curation.words(request.collection)
        return pb.ListWordsResponse(groups=[pb.WordGroup(words=group) for group in groups])

    @_call(WRITE_SECONDS)
    async def ClusterQuestions(  # noqa: D102, N802
        self, request: pb.ClusterQuestionsRequest
    ) -> pb.ClusterQuestionsResponse:
        if len(request.questions) > MOST_QUESTIONS:
            raise InvalidRequestError(f"questions: {len(request.questions)} are more than {MOST_QUESTIONS}")
        questions = distinct(request.questions)
        vectors = await self._embedder.embed_questions(questions)
        groups = await asyncio.to_thread(clusters, vectors) if questions else []
        found = [[questions[index] for index in group] for group in groups]
        return pb.ClusterQuestionsResponse(
            clusters=[await self._cluster(request.collection, group) for group in found]
        )

    async def _cluster(self, collection: str, questions: list[str]) -> pb.QuestionCluster:
        result = await self._searcher.search(collection, questions[0], 1)
        nearest = replies.found_passage(result.found[0]) if result.found else None
        return pb.QuestionCluster(questions=questions, nearest=nearest, answerable=result.answerable)

    async def _ingest(
        self, submission: Submission, request: pb.IngestDocumentRequest
    ) -> tuple[Document, bool]:
        if request.dry_run:
            return await self._ingestor.preview(submission)
        document, changed = await self._ingestor.ingest(submission)
        if not request.draft and not document.published:
            await self._publisher.publish_if_untested(document.collection)
            document = await self._store.document(document.collection, document.id) or document
        log.info(
            "document.ingested",
            collection=document.collection,
            document_id=str(document.id),
            passages=document.passage_count,
            changed=changed,
            published=document.published,
        )
        return document, changed


async def _received(
    parts: AsyncIterator[pb.UploadDocumentRequest],
) -> tuple[pb.IngestDocumentRequest, bytes]:
    """An upload's first message and its content; refused as soon as there is too much of it."""
    head: pb.IngestDocumentRequest | None = None
    content = bytearray()
    async for part in parts:
        if part.WhichOneof("part") == "document":
            if head is not None or part.document.content:
                raise InvalidRequestError("document: must come once, first, and without content")
            head = part.document
            requests.submission(head)
            continue
        content += part.content
        if len(content) > UPLOAD_BYTES:
            raise InvalidRequestError(f"content: at most {UPLOAD_BYTES:,} bytes are allowed")
    if head is None:
        raise InvalidRequestError("document: is missing")
    return head, bytes(content)


async def _answer(context: Context, seconds: float, work: Awaitable[Any]) -> Any:
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
