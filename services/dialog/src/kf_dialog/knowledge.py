"""Asks the knowledge service over gRPC: deadlines, patience with a restart, passages as our own values."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from time import monotonic
from typing import Any

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_contracts.knowledge.v1 import knowledge_pb2, knowledge_pb2_grpc
from kf_runtime.grpc import READY

from kf_dialog.prompt import Found, Passage
from kf_dialog.quarantine import quarantine

log = structlog.get_logger()
# The same few passages answer most questions.
_clean = lru_cache(maxsize=4096)(quarantine)

AWAY_SECONDS = 10.0
"""How long a turn waits for a knowledge service that is away, at the most: an answer is due within 30 s."""
_DEADLINE_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_PASSAGES = 5
# Each further question of a burst brings passages of its own.
_PASSAGES_MORE, _PASSAGES_MOST = 2, 15


class Knowledge:
    """The knowledge service as a turn needs it."""

    def __init__(self, channel: grpc.aio.Channel, collection_of: Callable[[str], str]) -> None:
        """collection_of: the collection of an open_kfid, as of now."""
        self._stub: Any = knowledge_pb2_grpc.KnowledgeServiceStub(channel)
        self._health: Any = health_pb2_grpc.HealthStub(channel)
        self._collection_of = collection_of

    async def answers(self) -> bool:
        """True when the service says that it is ready."""
        reply = await self._health.Check(health_pb2.HealthCheckRequest(service=READY), timeout=2)
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

    async def find(self, open_kfid: str, queries: tuple[str, ...], seconds: float = AWAY_SECONDS) -> Found:
        """Passages for all queries together, best first; `available` is False when one could not be asked.

        seconds: how long a service that is away is waited for.
        Only what the service calls answerable counts: the merely nearest passages invite made-up answers.
        """
        started = monotonic()
        collection = self._collection_of(open_kfid)
        replies = await asyncio.gather(*(self._search(collection, query, seconds) for query in queries))
        limit = min(_PASSAGES + _PASSAGES_MORE * (len(queries) - 1), _PASSAGES_MOST)
        answered = [reply for reply in replies if reply is not None]
        return Found(
            passages=merge([[_passage(p) for p in r.passages] for r in answered if r.answerable], limit),
            # A question that could not be looked up is not one without an answer.
            available=len(answered) == len(queries),
            seconds=monotonic() - started,
        )

    async def _search(self, collection: str, query: str, seconds: float) -> Any | None:
        """One search; None when the service fails, or stays away for so long."""
        request = knowledge_pb2.SearchRequest(collection=collection, query=query, limit=_PASSAGES)
        deadline = monotonic() + min(seconds, AWAY_SECONDS)
        while True:
            try:
                left = max(_AGAIN_SECONDS, deadline - monotonic())
                return await self._stub.Search(
                    request, timeout=min(_DEADLINE_SECONDS, left), wait_for_ready=True
                )
            except grpc.aio.AioRpcError as error:
                away = error.code() in _AWAY and monotonic() + _AGAIN_SECONDS < deadline
                if not away:
                    log.warning("knowledge.failed", code=error.code().name)
                    return None
            # It or its database is restarting: the right answer in some seconds beats an apology now.
            await asyncio.sleep(_AGAIN_SECONDS)


def merge(rankings: list[list[Passage]], limit: int) -> tuple[Passage, ...]:
    """Rankings as one, taking turns from the first on, each passage once."""
    merged: dict[str, Passage] = {}
    for rank in range(max(map(len, rankings), default=0)):
        for ranking in rankings:
            if rank < len(ranking):
                merged.setdefault(ranking[rank].passage_id, ranking[rank])
    return tuple(merged.values())[:limit]


def _passage(found: knowledge_pb2.Passage) -> Passage:
    text, question = _clean(found.text), _clean(found.question)
    if text.removed or question.removed:
        log.warning(
            "passage.quarantined",
            passage_id=found.passage_id,
            document=found.document_id,
            sentences=text.removed + question.removed,
            remedy="the document gives orders to the model: correct it",
        )
    titles = dict.fromkeys(filter(None, (found.title, *found.headings)))
    return Passage(found.passage_id, " > ".join(titles) or found.source, text.text, question.text)
