"""Examines what answers come from: embeddings, what the collections hold, questions that found nothing."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from kf_cli.doctor.accounts import collection_of
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine
from kf_cli.doctor.model import ask, decoded
from kf_cli.doctor.postgres import not_yet, table_exists
from kf_cli.doctor.system import System
from kf_cli.doctor.wecom import granted

_SECONDS = 5.0
_FAILING_SHARE, _FAILING_LEAST = 0.4, 5
_COLLECTIONS = "SELECT name, document_count, passage_count FROM knowledge.collection ORDER BY name"
_NEWEST = "SELECT max(updated_at)::timestamptz(0)::text FROM knowledge.edition"
_OUTCOMES = """
SELECT count(*) AS turns, count(*) FILTER (WHERE outcome IN ('apologised', 'no_answer')) AS failed
FROM dialog.turn WHERE finished_at > now() - interval '1 day'
"""


async def embeddings(system: System) -> list[Finding]:
    """The endpoint gives vectors of the dimension that the stored passages have."""
    base, model = system.get("EMBEDDING_BASE_URL").rstrip("/"), system.get("EMBEDDING_MODEL")
    if not base:
        return [fine("内置 multilingual-e5-small / embedded")]
    address = urlsplit(base).netloc
    try:
        body = {"model": model, "input": ["?"], "encoding_format": "float"}
        reply = await ask(f"{base}/embeddings", system.get("EMBEDDING_API_KEY"), body, _SECONDS)
    except httpx.HTTPError:
        return [found("embeddings.refused", address=address)]
    facts = {"status": str(reply.status_code), "model": model}
    if reply.status_code in (401, 403):
        return [found("embeddings.key", **facts)]
    if reply.status_code in (400, 404, 405):
        return [found("embeddings.model", **facts)]
    given = _dimension(decoded(reply))
    if reply.status_code != httpx.codes.OK or not given:
        return [found("embeddings.error", **facts)]
    stored = await _stored_dimension(system)
    if stored not in (0, given):
        return [found("embeddings.dimension", stored=stored, given=given)]
    return [fine(f"{model} @ {address}, {given}")]


def _dimension(answer: Any) -> int:
    try:
        return len(answer["data"][0]["embedding"])
    except (KeyError, IndexError, TypeError):
        return 0


async def _stored_dimension(system: System) -> int:
    """0 while no passage is stored: then any dimension will do."""
    if not await table_exists(system, "knowledge.embedding_model", "knowledge.passage"):
        return 0
    return int(
        await system.database.fetchval(
            "SELECT dimension FROM knowledge.embedding_model WHERE EXISTS (SELECT FROM knowledge.passage)"
        )
        or 0
    )


async def knowledge_base(system: System) -> list[Finding]:
    """Each account's collection holds something, and most questions of the last day found an answer."""
    if not await table_exists(system, "knowledge.collection", "dialog.turn"):
        return not_yet("knowledge")
    rows = await system.database.fetch(_COLLECTIONS)
    held = {row["name"]: row["passage_count"] for row in rows}
    findings = [
        found("knowledge.empty", collection=name) for name in sorted(_wanted(system)) if not held.get(name)
    ]
    findings += await _failing(system)
    newest = await system.database.fetchval(_NEWEST)
    words = ", ".join(f"{name} {count}" for name, count in held.items())
    return findings or [fine(f"{words}; 最近导入 / newest {newest}")]


def _wanted(system: System) -> set[str]:
    """The collections that the granted accounts answer from."""
    return {collection_of(system, account.open_kfid) for account in granted(system)}


async def _failing(system: System) -> list[Finding]:
    row = await system.database.fetchrow(_OUTCOMES)
    turns, failed = (row["turns"], row["failed"]) if row else (0, 0)
    if failed < _FAILING_LEAST or failed < _FAILING_SHARE * turns:
        return []
    return [found("knowledge.failing", share=f"{failed / turns:.0%}", count=failed)]


async def turns(system: System) -> list[Finding]:
    """No customer's messages have been due for an answer for long."""
    if not await table_exists(system, "dialog.conversation"):
        return not_yet("dialog")
    count = await system.database.fetchval(
        "SELECT count(*) FROM dialog.conversation WHERE due_at < now() - make_interval(secs => $1)",
        _STUCK_SECONDS,
    )
    if count:
        return [found("turn.stuck", count=count, age=f"{_STUCK_SECONDS:.0f}")]
    return [fine("没有人在久等 / nobody waits long")]


_STUCK_SECONDS = 60.0
CHECKS = (
    Check(
        "embeddings",
        "向量",
        "embeddings",
        embeddings,
        needs=("migrations",),
        settings=("EMBEDDING_BASE_URL", "EMBEDDING_MODEL"),
    ),
    Check(
        "knowledge_base",
        "知识库",
        "knowledge base",
        knowledge_base,
        needs=("migrations", "permission"),
        settings=("KF_DIALOG_COLLECTIONS",),
    ),
    Check("turns", "待回答", "waiting for an answer", turns, needs=("migrations",)),
)
