"""The service as a process: gRPC from outside, errors with their codes, start-up faults, SIGTERM."""

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_cli import embedded
from kf_cli.embedded import Child, EmbeddedError, free_port, init_postgres, postgres_command
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from kf_contracts.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from kf_runtime import grpc as kf_grpc
from kf_runtime.grpc import READY

PRICE = "2999.0013 CNY"  # long enough not to stand in a duration or a hash by chance
FAQ = f"问题,答案,相似问题\nX2 多少钱,{PRICE},价格|贵不贵\n保修多久,两年,质保\n"


async def start(database_url: str, port: int, **environment: str) -> Process:
    own = {"DATABASE_URL": database_url, "KF_KNOWLEDGE_PORT": str(port), **environment}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kf_knowledge", env=os.environ | own, stdout=PIPE, stderr=PIPE
    )


async def ready(channel: grpc.aio.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await health.Check(health_pb2.HealthCheckRequest(service=READY))
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(0.1)


@pytest.fixture
async def knowledge(database_url: str) -> AsyncIterator[KnowledgeServiceStub]:
    """A stub of a running service; the process must drain on SIGTERM and leave with 0."""
    port = free_port()
    process = await start(database_url, port)
    async with kf_grpc.channel(f"127.0.0.1:{port}") as channel:
        try:
            await ready(channel)
            yield KnowledgeServiceStub(channel)
        finally:
            process.send_signal(signal.SIGTERM)
            output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, errors.decode()) == (0, "")
    assert PRICE not in output.decode(), "passages and questions are in no log"


def document(content: bytes = FAQ.encode(), **fields: Any) -> pb.IngestDocumentRequest:
    return pb.IngestDocumentRequest(**{"collection": "shop", "source": "faq.csv", **fields}, content=content)


async def fails(call: "grpc.aio.UnaryUnaryCall[object, object]") -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details() or ""


async def test_document_is_found_listed_and_deleted(knowledge: KnowledgeServiceStub) -> None:
    """The whole life of a document through the contract."""
    stored = await knowledge.IngestDocument(document(FAQ.encode("gb18030")))
    assert (stored.changed, stored.document.passage_count) == (True, 2)
    assert stored.document.format == pb.DOCUMENT_FORMAT_FAQ_CSV
    assert stored.document.updated_at.seconds > 1_700_000_000
    assert not (await knowledge.IngestDocument(document(FAQ.encode("gb18030")))).changed

    answer = await knowledge.Search(pb.SearchRequest(collection="shop", query="X2 Pro 贵不贵", limit=1))
    (passage,) = answer.passages
    assert answer.answerable
    assert (passage.question, passage.text, passage.source) == ("X2 多少钱", PRICE, "faq.csv")
    assert 0 < passage.score <= 1
    assert passage.dense_score > 0.9

    listed = await knowledge.ListDocuments(pb.ListDocumentsRequest(collection="shop"))
    assert [one.document_id for one in listed.documents] == [passage.document_id]
    wanted = pb.DeleteDocumentRequest(collection="shop", document_id=passage.document_id)
    await knowledge.DeleteDocument(wanted)
    assert not (await knowledge.Search(pb.SearchRequest(collection="shop", query="X2 价格"))).passages
    assert (await fails(knowledge.DeleteDocument(wanted)))[0] is grpc.StatusCode.NOT_FOUND
    collections = (await knowledge.ListCollections(pb.ListCollectionsRequest())).collections
    assert [(c.name, c.document_count, c.passage_count) for c in collections] == [("shop", 0, 0)]


def questions(*texts: str, expected: str = "") -> list[pb.TestQuestion]:
    return [pb.TestQuestion(question=text, expected=[expected] if expected else []) for text in texts]


async def test_collection_is_calibrated_by_its_own_questions(knowledge: KnowledgeServiceStub) -> None:
    """The threshold is kept with the collection and decides; a dry run and too few questions leave it."""
    await knowledge.IngestDocument(document())
    known = questions("X2 价格", "X2 多少钱啊", "X2 贵不贵", "X2 要花多少", "X2 卖多少", expected="X2 多少钱")
    foreign = questions("今天天气", "红烧肉怎么做", "写一首诗", "谁是冠军", "下围棋吗")
    asked = pb.CalibrateCollectionRequest(collection="shop", questions=[*known, *foreign])
    search = pb.SearchRequest(collection="shop", query="X2 价格")

    measured = await knowledge.CalibrateCollection(asked)
    assert (measured.answerable_kept, measured.unanswerable_refused) == (1, 1)
    assert (measured.recall_at_1, measured.recall_at_5) == (1, 1)
    assert (await knowledge.Search(search)).answerable

    swapped = [*questions(*(q.question for q in foreign), expected="保修多久"), *questions("X2 多少钱")]
    code, details = await fails(
        knowledge.CalibrateCollection(pb.CalibrateCollectionRequest(collection="shop", questions=swapped))
    )
    assert (code, "at least 5 of each" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    strict = [*questions(*["X2 多少钱"] * 5, expected="X2 多少钱"), *questions(*(q.question for q in known))]
    for dry_run in (True, False):
        request = pb.CalibrateCollectionRequest(collection="shop", questions=strict, dry_run=dry_run)
        assert (await knowledge.CalibrateCollection(request)).threshold > measured.threshold
        assert (await knowledge.Search(search)).answerable == dry_run


async def test_bad_requests_are_refused_by_field_and_place(knowledge: KnowledgeServiceStub) -> None:
    """INVALID_ARGUMENT says which field or row is wrong."""
    calls = {
        "query: is empty": knowledge.Search(pb.SearchRequest(collection="shop", query=" \n")),
        "limit: 51": knowledge.Search(pb.SearchRequest(collection="shop", query="x", limit=51)),
        "collection: must be": knowledge.IngestDocument(document(collection="店铺")),
        "source: must be": knowledge.IngestDocument(document(source="")),
        "title: must be": knowledge.IngestDocument(document(title="x" * 257)),
        "format of 'faq.exe' is unknown": knowledge.IngestDocument(document(source="faq.exe")),
        "row 1: the header": knowledge.IngestDocument(document("名称,内容\n甲,乙".encode())),
        "row 2: the answer is empty": knowledge.IngestDocument(document("问题,答案\n甲,".encode())),
        "The file is empty": knowledge.IngestDocument(document(b"")),
        "at most 4,194,304": knowledge.IngestDocument(document(b"x" * 4_194_305)),
        "document_id: is not": knowledge.DeleteDocument(pb.DeleteDocumentRequest(document_id="1")),
        "page_size: 1001": knowledge.ListDocuments(pb.ListDocumentsRequest(page_size=1001)),
        "page_token: is not": knowledge.ListDocuments(pb.ListDocumentsRequest(page_token="?")),
    }
    for reason, call in calls.items():
        code, details = await fails(call)
        assert (code, reason in details) == (grpc.StatusCode.INVALID_ARGUMENT, True), (reason, details)


async def test_too_late_is_said_instead_of_answered(knowledge: KnowledgeServiceStub) -> None:
    rows = "".join(f"问题{n}是什么,答案{n}\n" for n in range(3_000))
    call = knowledge.IngestDocument(document(f"问题,答案\n{rows}".encode()), timeout=1)
    assert (await fails(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not (await knowledge.ListDocuments(pb.ListDocumentsRequest(collection="shop"))).documents


async def test_import_does_not_hold_up_searches(knowledge: KnowledgeServiceStub) -> None:
    """A search started during a long import ends before it."""
    await knowledge.IngestDocument(document())
    rows = "".join(f"第{n}个问题是什么呢,答案{n}\n" for n in range(300))
    long_import = asyncio.ensure_future(
        knowledge.IngestDocument(document(f"问题,答案\n{rows}".encode(), source="long.csv"))
    )
    await asyncio.sleep(0.2)
    for query in ("X2 贵不贵", "质保几年"):
        assert (await knowledge.Search(pb.SearchRequest(collection="shop", query=query))).passages
    assert not long_import.done()
    assert (await long_import).document.passage_count == 300


async def test_taken_port_ends_with_status_2_and_the_setting_to_change(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start(database_url, port)
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    said = errors.decode()
    assert f"port {port}" in said
    assert "KF_KNOWLEDGE_PORT" in said


async def test_searches_work_again_after_postgres_was_killed(tmp_path: Path) -> None:
    """kill -9 of the database: UNAVAILABLE while it is away, then answers; the service keeps running."""
    init_postgres(tmp_path / "data")
    database, port = free_port(), free_port()
    command = postgres_command(tmp_path / "data", database)
    with Child("postgres", command, database, tmp_path / "log") as server:
        process = await start(embedded.database_url(database), port)
        async with kf_grpc.channel(f"127.0.0.1:{port}") as channel:
            try:
                await ready(channel)
                knowledge = KnowledgeServiceStub(channel)
                await knowledge.IngestDocument(document())
                server.kill()
                search = pb.SearchRequest(collection="shop", query="X2 贵不贵")
                assert (await fails(knowledge.Search(search)))[0] is grpc.StatusCode.UNAVAILABLE
                await asyncio.to_thread(start_again, server)
                assert (await answered(knowledge, search)).passages
            finally:
                process.terminate()
                await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0


async def answered(knowledge: KnowledgeServiceStub, search: pb.SearchRequest) -> pb.SearchResponse:
    async with asyncio.timeout(60):
        while True:
            try:
                response: pb.SearchResponse = await knowledge.Search(search)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)
            else:
                return response


def start_again(server: Child) -> None:
    """Right after kill -9 the old server's processes may still hold its memory."""
    for _ in range(100):
        try:
            server.start()
        except EmbeddedError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("PostgreSQL does not start again")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"EMBEDDING_BASE_URL": "localhost:80"}, "EMBEDDING_BASE_URL does not have the right form"),
        ({"EMBEDDING_BASE_URL": "http://127.0.0.1:1/v1"}, "EMBEDDING_MODEL"),
        (
            {"EMBEDDING_BASE_URL": "http://127.0.0.1:1/v1", "EMBEDDING_MODEL": "m", "EMBEDDING_API_KEY": "k"},
            "embedding endpoint did not answer",
        ),
    ],
)
async def test_start_up_fault_ends_with_status_2_and_the_remedy(
    database_url: str, environment: dict[str, str], reason: str
) -> None:
    process = await start(**{"database_url": database_url, "port": free_port(), **environment})  # type: ignore[arg-type]
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert reason in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_stored_vectors_of_another_model_stop_the_start(
    database_url: str, knowledge: KnowledgeServiceStub
) -> None:
    await knowledge.IngestDocument(document())
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE knowledge.embedding_model SET name = 'bge-m3', dimension = 1024")
    await connection.close()
    process = await start(database_url, free_port())
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert "embedded by bge-m3 (1024 dimensions)" in errors.decode()
