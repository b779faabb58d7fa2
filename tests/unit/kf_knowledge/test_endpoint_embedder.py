"""Embeddings over HTTP: batches, order, dimension, errors that name the setting to mend."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from kf_knowledge.embedder import EmbeddingConfigError, EmbeddingUnavailableError
from kf_knowledge.endpoint_embedder import EndpointEmbedder

Answer = Callable[[dict[str, list[str]]], tuple[int, object]]


class Endpoint:
    """A tiny OpenAI-compatible HTTP server."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.answer: Answer = lambda body: (200, rows([[float(len(t)), 1.0] for t in body["input"]]))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        self.requests.append(body["input"])
        status, answer = self.answer(body)
        data = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nretry-after-ms: 1\r\n".encode()
        )
        writer.write(f"content-length: {len(data)}\r\nconnection: close\r\n\r\n".encode() + data)
        await writer.drain()
        writer.close()


def rows(vectors: list[list[float]]) -> object:
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return {
        "object": "list",
        "model": "m",
        "data": data[::-1],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    fake = Endpoint()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    async with server:
        yield fake, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def connect(url: str) -> EndpointEmbedder:
    return await EndpointEmbedder.connect(url, "secret-key", "m", timeout_seconds=30)


async def test_dimension_is_learned_and_vectors_are_batched_in_order(endpoint: tuple[Endpoint, str]) -> None:
    fake, url = endpoint
    embedder = await connect(url)
    texts = ["x" * n for n in range(1, 24)]
    vectors = await embedder.embed_passages(texts)
    await embedder.close()
    assert embedder.dimension == 2
    assert [len(batch) for batch in fake.requests] == [1, 10, 10, 3]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 1], range(1, 24), rtol=1e-5)


async def test_changed_dimension_is_a_configuration_error(endpoint: tuple[Endpoint, str]) -> None:
    fake, url = endpoint
    embedder = await connect(url)
    fake.answer = lambda body: (200, rows([[1.0, 2.0, 3.0]] * len(body["input"])))
    with pytest.raises(EmbeddingConfigError, match="EMBEDDING_MODEL"):
        await embedder.embed_queries(["你好"])
    await embedder.close()


@pytest.mark.parametrize(("status", "setting"), [(401, "EMBEDDING_API_KEY"), (404, "EMBEDDING_MODEL")])
async def test_refusal_names_the_setting_and_is_not_retried(
    endpoint: tuple[Endpoint, str], status: int, setting: str
) -> None:
    fake, url = endpoint
    fake.answer = lambda body: (status, {"error": {"message": f"no: secret-key {body['input']}"}})
    with pytest.raises(EmbeddingConfigError, match=setting) as raised:
        await connect(url)
    assert len(fake.requests) == 1
    assert "secret-key" not in str(raised.value)


async def test_overload_is_retried_a_bounded_number_of_times(endpoint: tuple[Endpoint, str]) -> None:
    fake, url = endpoint
    fake.answer = lambda _: (503, {"error": {"message": "busy"}})
    with pytest.raises(EmbeddingUnavailableError, match="after 3 retries"):
        await connect(url)
    assert len(fake.requests) == 4


async def test_passing_overload_is_survived(endpoint: tuple[Endpoint, str]) -> None:
    fake, url = endpoint
    good = fake.answer
    fake.answer = lambda body: (429, {"error": {}}) if len(fake.requests) == 1 else good(body)
    embedder = await connect(url)
    assert embedder.dimension == 2
    await embedder.close()
