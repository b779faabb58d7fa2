import asyncio
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_cli.embedded import free_port
from kf_contracts.knowledge.v1 import knowledge_pb2, knowledge_pb2_grpc
from kf_runtime import grpc as kf_grpc
from kf_runtime import lifecycle


class Servicer(knowledge_pb2_grpc.KnowledgeServiceServicer):  # type: ignore[misc]
    async def Search(self, request: Any, context: Any) -> Any:
        if request.query == "refuse":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "query is refused")
        return knowledge_pb2.SearchResponse(answerable=True)


@pytest.fixture
async def server() -> Any:
    server = kf_grpc.Server("127.0.0.1", 0)
    knowledge_pb2_grpc.add_KnowledgeServiceServicer_to_server(Servicer(), server.server)
    port = await server.start()
    yield server, f"127.0.0.1:{port}"
    await server.stop(0)


async def status(target: str, service: str) -> int:
    async with kf_grpc.channel(target) as channel:
        reply = await health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]
            health_pb2.HealthCheckRequest(service=service), timeout=5
        )
        return int(reply.status)


async def test_a_call_is_answered_and_an_error_keeps_its_code(server: Any) -> None:
    async with kf_grpc.channel(server[1]) as channel:
        stub = knowledge_pb2_grpc.KnowledgeServiceStub(channel)
        assert (await stub.Search(knowledge_pb2.SearchRequest(query="x"), timeout=5)).answerable
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Search(knowledge_pb2.SearchRequest(query="refuse"), timeout=5)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_service_is_live_at_once_and_ready_when_its_dependencies_answer(server: Any) -> None:
    up, stop = asyncio.Event(), asyncio.Event()

    async def check() -> bool:
        if not up.is_set():
            raise ConnectionError("away")
        return True

    watching = asyncio.create_task(lifecycle.watch_ready(server[0], {"postgres": check}, stop))
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    assert await status(server[1], "") == serving
    assert await status(server[1], kf_grpc.READY) == not_serving
    up.set()
    async with asyncio.timeout(10):
        while await status(server[1], kf_grpc.READY) != serving:
            await asyncio.sleep(0.05)
    stop.set()
    await watching
    assert await status(server[1], kf_grpc.READY) == not_serving


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    port = free_port()
    first = kf_grpc.Server("127.0.0.1", port)
    await first.start()
    with pytest.raises(OSError, match=str(port)):
        await kf_grpc.Server("127.0.0.1", port).start()
    await first.stop(0)
