"""The knowledge service as the operator's commands use it, over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc
import grpc.aio
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from kf_contracts.knowledge.v1 import knowledge_pb2_grpc as pb_grpc
from kf_runtime.grpc import channel

_WORK_SECONDS = 600.0
_READ_SECONDS = 15.0
_PAGE = 1_000
_PIECE = 256 * 1024


class Document(Protocol):
    """One document to import; `name` is its key within the collection."""

    @property
    def name(self) -> str:
        """A file name or an address."""
        ...

    @property
    def ending(self) -> str:
        """What it is, where the name does not tell: .pdf ..."""
        ...

    def read(self) -> bytes:
        """The content; SourceError when it cannot be read."""
        ...


_FORMATS = {
    ".html": pb.DOCUMENT_FORMAT_HTML,
    ".pdf": pb.DOCUMENT_FORMAT_PDF,
    ".txt": pb.DOCUMENT_FORMAT_TEXT,
    ".md": pb.DOCUMENT_FORMAT_MARKDOWN,
}


class KnowledgeError(Exception):
    """The service refused or did not answer; the message says what to do.

    about_document: the service is well, what it was given is not.
    """

    def __init__(self, message: str, *, about_document: bool = False) -> None:
        super().__init__(message)
        self.about_document = about_document


class KnowledgeBase:
    """One connection to the service."""

    def __init__(self, stub: Any, address: str) -> None:
        self._stub, self._address = stub, address

    async def ingest(
        self,
        collection: str,
        source: Document,
        *,
        draft: bool = False,
        labels: pb.Labels | None = None,
        dry_run: bool = False,
    ) -> pb.UploadDocumentResponse:
        """Store one file; unchanged content is not embedded again. It is published unless `draft`."""
        content = await asyncio.to_thread(source.read)
        head = pb.IngestDocumentRequest(
            collection=collection,
            source=source.name,
            format=_FORMATS.get(source.ending, pb.DOCUMENT_FORMAT_UNSPECIFIED),
            draft=draft,
            labels=labels,
            dry_run=dry_run,
        )

        async def parts() -> AsyncIterator[pb.UploadDocumentRequest]:
            yield pb.UploadDocumentRequest(document=head)
            for start in range(0, len(content), _PIECE):
                yield pb.UploadDocumentRequest(content=content[start : start + _PIECE])

        call = self._stub.UploadDocument(parts(), timeout=_WORK_SECONDS)
        reply: pb.UploadDocumentResponse = await self._call(call, source.name)
        return reply

    async def ask(self, method: str, request: Any, *, work: bool = False) -> Any:
        """Call a method of the contract; `work`: one that may take minutes."""
        seconds = _WORK_SECONDS if work else _READ_SECONDS
        return await self._call(
            getattr(self._stub, method)(request, timeout=seconds), getattr(request, "collection", "")
        )

    async def collections(self) -> list[pb.Collection]:
        """Every collection."""
        return list((await self.ask("ListCollections", pb.ListCollectionsRequest())).collections)

    async def documents(self, collection: str, *, draft: bool = False) -> list[pb.Document]:
        """Every document of a collection, by source."""
        found: list[pb.Document] = []
        token = ""
        while True:
            request = pb.ListDocumentsRequest(
                collection=collection, page_size=_PAGE, page_token=token, draft=draft
            )
            reply = await self.ask("ListDocuments", request)
            found += reply.documents
            token = reply.next_page_token
            if not token:
                return found

    async def search(self, collection: str, query: str, limit: int) -> pb.SearchResponse:
        """The passages that a customer's question would find."""
        request = pb.SearchRequest(collection=collection, query=query, limit=limit)
        reply: pb.SearchResponse = await self.ask("Search", request)
        return reply

    async def _call(self, call: Any, subject: str = "") -> Any:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            bad = error.code() is grpc.StatusCode.INVALID_ARGUMENT
            raise KnowledgeError(self._words(error, subject), about_document=bad) from None

    def _words(self, error: grpc.aio.AioRpcError, subject: str) -> str:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return (
                f"The knowledge service does not answer at {self._address}. Is `kf run` running? "
                "Set KF_KNOWLEDGE_ADDRESS or --address."
            )
        prefix = f"{subject}: " if subject else ""
        return f"{prefix}{error.details()} ({error.code().name})"


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[KnowledgeBase]:
    """A connection to the service at host:port."""
    async with channel(address) as opened:
        yield KnowledgeBase(pb_grpc.KnowledgeServiceStub(opened), address)
