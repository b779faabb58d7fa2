"""Faults of the model, the embeddings and what the collections hold."""

import json
from collections.abc import AsyncIterator

from kf_cli.doctor import model

from tests.faults.local import closed
from tests.faults.peers import always, http_peer
from tests.faults.world import Settings, World, injects, overlay

overlay("model-key-wrong", DEEPSEEK_API_KEY="sk-wrong")


def misbehaving(name: str, fault: str) -> None:
    """Register a fault of the simulator's model."""

    @injects(name)
    async def misbehave(world: World) -> AsyncIterator[Settings]:
        await world.control("PUT", "/control/model", {"fault": fault, "times": None})
        world.patch.setattr(model, "_SECONDS", 1.5)
        yield {}
        await world.control("PUT", "/control/model", {})


misbehaving("model-balance", "402")
misbehaving("model-limited", "429")
misbehaving("model-broken", "500")
misbehaving("model-timeout", "timeout")


def model_answering(name: str, status: int, body: str) -> None:
    """Register a model endpoint that answers everything alike."""

    @injects(name)
    async def answer(world: World) -> AsyncIterator[Settings]:
        async with http_peer(always(status, body)) as url:
            yield {"DEEPSEEK_BASE_URL": url}


model_answering("model-unknown", 400, json.dumps({"error": {"message": "Model Not Exist"}}))
model_answering("model-path", 404, "<html>404</html>")
model_answering("model-forbidden", 403, "<html>403</html>")
model_answering("model-not-openai", 200, "<html>welcome</html>")


@injects("model-unreachable")
async def model_unreachable(world: World) -> AsyncIterator[Settings]:
    yield {"DEEPSEEK_BASE_URL": f"http://{closed()}/v1"}


def embedding_endpoint(name: str, status: int, body: str) -> None:
    """Register an embeddings endpoint that answers everything alike."""

    @injects(name)
    async def answer(world: World) -> AsyncIterator[Settings]:
        async with http_peer(always(status, body)) as url:
            yield {"EMBEDDING_BASE_URL": f"{url}/v1", "EMBEDDING_MODEL": "bge-m3"}


embedding_endpoint("embeddings-key", 401, "{}")
embedding_endpoint("embeddings-model", 404, "{}")
embedding_endpoint("embeddings-broken", 200, "{}")
embedding_endpoint("embeddings-dimension", 200, json.dumps({"data": [{"index": 0, "embedding": [0.1] * 8}]}))


@injects("embeddings-unreachable")
async def embeddings_unreachable(world: World) -> AsyncIterator[Settings]:
    yield {"EMBEDDING_BASE_URL": f"http://{closed()}/v1", "EMBEDDING_MODEL": "bge-m3"}


@injects("collection-empty")
async def collection_empty(world: World) -> AsyncIterator[Settings]:
    file = world.folder / "accounts.yaml"
    file.write_text(f"accounts:\n  {world.account()}:\n    collection: nothing\n", encoding="utf-8")
    yield {"KF_DIALOG_ACCOUNTS_FILE": str(file)}


@injects("accounts-file-broken")
async def accounts_file_broken(world: World) -> AsyncIterator[Settings]:
    file = world.folder / "broken.yaml"
    file.write_text("accounts: [unclosed\n", encoding="utf-8")
    yield {"KF_DIALOG_ACCOUNTS_FILE": str(file)}
