"""The knowledge service as the operator's commands use it: import, list, search, remove over gRPC."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from kf_contracts.knowledge.v1 import knowledge_pb2_grpc as pb_grpc
from kf_runtime.grpc import channel

ENDINGS = (".md", ".markdown", ".txt", ".csv")
_INGEST_SECONDS = 600.0
_READ_SECONDS = 15.0
_PAGE = 1_000


class KnowledgeError(Exception):
    """The service refused or did not answer; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """One file to import; `name` is its key within the collection."""

    path: Path
    name: str


class KnowledgeBase:
    """One connection to the service."""

    def __init__(self, stub: Any, address: str) -> None:
        self._stub, self._address = stub, address

    async def ingest(self, collection: str, source: Source) -> pb.IngestDocumentResponse:
        """Store one file; unchanged content is not embedded again."""
        request = pb.IngestDocumentRequest(
            collection=collection, source=source.name, content=source.path.read_bytes()
        )
        call = self._stub.IngestDocument(request, timeout=_INGEST_SECONDS)
        reply: pb.IngestDocumentResponse = await self._call(call, source.name)
        return reply

    async def collections(self) -> list[pb.Collection]:
        """Every collection."""
        reply = await self._call(
            self._stub.ListCollections(pb.ListCollectionsRequest(), timeout=_READ_SECONDS)
        )
        return list(reply.collections)

    async def documents(self, collection: str) -> list[pb.Document]:
        """Every document of a collection, by source."""
        found: list[pb.Document] = []
        token = ""
        while True:
            request = pb.ListDocumentsRequest(collection=collection, page_size=_PAGE, page_token=token)
            reply = await self._call(self._stub.ListDocuments(request, timeout=_READ_SECONDS), collection)
            found += reply.documents
            token = reply.next_page_token
            if not token:
                return found

    async def search(self, collection: str, query: str, limit: int) -> pb.SearchResponse:
        """The passages that a customer's question would find."""
        request = pb.SearchRequest(collection=collection, query=query, limit=limit)
        call = self._stub.Search(request, timeout=_READ_SECONDS)
        reply: pb.SearchResponse = await self._call(call, collection)
        return reply

    async def remove(self, collection: str, document: pb.Document) -> None:
        """Delete one document with its passages."""
        request = pb.DeleteDocumentRequest(collection=collection, document_id=document.document_id)
        await self._call(self._stub.DeleteDocument(request, timeout=_READ_SECONDS), document.source)

    async def _call(self, call: Any, subject: str = "") -> Any:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise KnowledgeError(self._words(error, subject)) from None

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


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """The documents among files and folders (searched to the bottom), each once, in order of name.

    Raises:
        KnowledgeError: a path is not there, a file has an ending that is not understood, or two files would
            be the same document of the collection.
    """
    found: dict[Path, Source] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in ENDINGS)
            found |= {file: Source(file, file.relative_to(path).as_posix()) for file in files}
        elif not path.exists():
            raise KnowledgeError(f"{path} is not there.")
        elif path.suffix.lower() not in ENDINGS:
            raise KnowledgeError(f"{path}: only {' '.join(ENDINGS)} are understood.")
        else:
            found[path] = Source(path, path.name)
    by_name: dict[str, Path] = {}
    for path, source in found.items():
        first = by_name.setdefault(source.name, path)
        if first != path:
            raise KnowledgeError(
                f"{first} and {path} would both be {source.name}: import their folder instead."
            )
    return list(found.values())


def sample_sources() -> list[tuple[str, Source]]:
    """(collection, document) of the sample knowledge base: a folder is a collection."""
    root = Path(str(resources.files("kf_cli") / "sample"))
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    return [(folder.name, source) for folder in folders for source in find_sources([folder])]
