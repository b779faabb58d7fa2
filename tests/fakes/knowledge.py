"""A knowledge service over real gRPC that answers from a dictionary and can be told to fail."""

import asyncio
from types import TracebackType
from typing import Any, Self

import grpc
from kf_contracts.knowledge.v1 import knowledge_pb2, knowledge_pb2_grpc
from kf_runtime import grpc as kf_grpc


class FakeKnowledge(knowledge_pb2_grpc.KnowledgeServiceServicer):  # type: ignore[misc]
    """Finds the passages of `entries` whose key occurs in the query, longest key first."""

    def __init__(self) -> None:
        self.entries: dict[str, knowledge_pb2.Passage] = {}
        self.queries: list[tuple[str, str]] = []
        """(collection, query) of each search."""
        self.fail_with: list[grpc.StatusCode] = []
        """One status per call to come, then searches succeed again."""
        self.has_all = True
        """Whether a query in which no key occurs finds a passage that repeats it: an echo has a source."""
        self.nearest: list[knowledge_pb2.Passage] = []
        """What is returned then, as not answerable."""
        self.delay = 0.0
        self.target = ""
        self._server = kf_grpc.Server("127.0.0.1", 0)

    def add(self, key: str, text: str, *, question: str = "", title: str = "手册") -> None:
        """A passage that is found by any query containing `key`."""
        self.entries[key] = knowledge_pb2.Passage(
            passage_id=f"p{len(self.entries) + 1}", title=title, text=text, question=question
        )

    async def Search(self, request: Any, context: Any) -> Any:
        self.queries.append((request.collection, request.query))
        await asyncio.sleep(self.delay)
        if self.fail_with:
            await context.abort(self.fail_with.pop(0), "as told")
        keys = sorted((key for key in self.entries if key in request.query), key=len, reverse=True)
        found = [self.entries[key] for key in keys]
        if not found and self.has_all and not self.nearest:
            text = f"一段说明。{request.query}"
            found = [knowledge_pb2.Passage(passage_id="usual", title="说明", text=text)]
        # As the real one: something always comes nearest, but is not always an answer.
        return knowledge_pb2.SearchResponse(passages=found or self.nearest, answerable=bool(found))

    async def stop(self) -> None:
        """Go away, as a killed service would."""
        await self._server.stop(0)

    async def __aenter__(self) -> Self:
        knowledge_pb2_grpc.add_KnowledgeServiceServicer_to_server(self, self._server.server)
        self.target = f"127.0.0.1:{await self._server.start()}"
        await self._server.set_ready(ready=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
