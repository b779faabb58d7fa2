"""kill -9 in the middle of an import: no half document, nothing published, the rest on a second run."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from kf_cli.kb_import import Importer
from kf_cli.knowledge_base import KnowledgeBase, KnowledgeError, connect
from kf_cli.ports import free_ports
from kf_cli.readiness import answers_grpc
from kf_cli.sources import find_sources
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb

from tests.fakes import office_files as made

FILES, ROWS = 8, 12
WHOLE = """
SELECT e.passage_count, (
    SELECT count(*) FROM knowledge.passage p WHERE p.document_id = d.id
       AND EXISTS (SELECT FROM knowledge.passage_vector v WHERE v.passage_id = p.id)
       AND EXISTS (SELECT FROM knowledge.passage_terms t WHERE t.passage_id = p.id)
) AS whole
FROM knowledge.document d LEFT JOIN knowledge.edition e ON e.document_id = d.id
"""


def write_documents(folder: Path) -> None:
    """Sheets, Word files and pages with so many passages each that a kill falls between them."""
    for number in range(FILES):
        rows = [(f"第{number}类第{row}个问题", f"答案 {number}-{row}") for row in range(ROWS)]
        if number % 2:
            content = made.excel({"问答": [("问题", "答案"), *rows]})
            (folder / f"{number}.xlsx").write_bytes(content)
        else:
            text = "\n".join(("问题,答案", *(",".join(row) for row in rows)))
            (folder / f"{number}.csv").write_text(text, encoding="utf-8")


@asynccontextmanager
async def service(database_url: str) -> AsyncIterator[tuple[Process, KnowledgeBase]]:
    (port,) = free_ports(1)
    env = os.environ | {"DATABASE_URL": database_url, "KF_KNOWLEDGE_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kf_knowledge", env=env, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(90):
            while not await answers_grpc(port):
                await asyncio.sleep(0.1)
        async with connect(f"127.0.0.1:{port}") as knowledge:
            yield process, knowledge
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


@asynccontextmanager
async def postgres_at(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.mark.timeout(300)
async def test_import_goes_on_where_kill_9_stopped_it(database_url: str, tmp_path: Path) -> None:
    write_documents(tmp_path)
    sources, importer = find_sources([tmp_path]), Importer("shop", pb.Labels())
    async with service(database_url) as (process, knowledge), postgres_at(database_url) as connection:
        importing = asyncio.ensure_future(importer.run(knowledge, sources))
        async with asyncio.timeout(90):
            while not await connection.fetchval("SELECT count(*) FROM knowledge.edition"):
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        with suppress(KnowledgeError):
            await importing
        counts = await connection.fetch(WHOLE)
    assert 1 <= len(counts) < FILES, "the kill was to fall into the middle"
    assert {tuple(row) for row in counts} == {(ROWS, ROWS)}

    stored = len(counts)
    async with service(database_url) as (_, knowledge):
        assert not (await knowledge.search("shop", "第1类第1个问题", 3)).passages, "nothing is published yet"
        resumed = await importer.run(knowledge, sources)
        assert (len(resumed.stored), resumed.faults) == (FILES, [])
        assert sum(not reply.changed for reply in resumed.stored) == stored, "what was there is left alone"
        assert resumed.publication is not None
        assert resumed.publication.published
        found = (await knowledge.search("shop", "第1类第1个问题", 1)).passages
        assert [passage.text for passage in found] == ["答案 1-1"]
        again = await importer.run(knowledge, sources)
        assert not any(reply.changed for reply in again.stored)
