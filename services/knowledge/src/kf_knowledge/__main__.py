"""Starts the knowledge service: settings, embedding model, database, gRPC server; drains on SIGTERM."""

from kf_contracts.knowledge.v1 import knowledge_pb2_grpc
from kf_runtime import lifecycle, postgres, settings
from kf_runtime.grpc import Server

from kf_knowledge import database
from kf_knowledge.curation import Curation
from kf_knowledge.drafts import Drafts
from kf_knowledge.embedder import EmbeddingError
from kf_knowledge.endpoint_embedder import EndpointEmbedder
from kf_knowledge.evaluation import Evaluator
from kf_knowledge.ingestion import Ingestor
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.publishing import Publisher
from kf_knowledge.search import Searcher
from kf_knowledge.servicer import KnowledgeServicer
from kf_knowledge.settings import Settings
from kf_knowledge.store import Store
from kf_knowledge.versions import Versions


async def serve(config: Settings) -> None:
    """Runs until SIGTERM or SIGINT."""
    stop = lifecycle.stop_on_signals()
    embedder = await open_embedder(config)
    pool = await database.open_pool(
        config.database_url.get_secret_value(), embedder.model, embedder.dimension
    )
    servicer = _servicer(pool, embedder, config)
    server = Server(config.kf_knowledge_host, config.kf_knowledge_port)
    knowledge_pb2_grpc.add_KnowledgeServiceServicer_to_server(servicer, server.server)
    await server.start()
    try:
        watch = lifecycle.watch_ready(server, {"postgres": servicer.answers}, stop)
        await lifecycle.supervise(stop, {"readiness": watch}, config.kf_knowledge_drain_seconds)
    finally:
        await server.stop(config.kf_knowledge_drain_seconds)
        await embedder.close()
        await pool.close()


def _servicer(
    pool: postgres.Pool, embedder: LocalEmbedder | EndpointEmbedder, config: Settings
) -> KnowledgeServicer:
    store, drafts = Store(pool, embedder.dimension, embedder.question_bias), Drafts(pool)
    versions, curation = Versions(pool), Curation(pool)
    searcher = Searcher(
        store,
        embedder,
        dense_share=config.kf_knowledge_dense_share,
        answerable_cosine=config.kf_knowledge_answerable_cosine,
    )
    return KnowledgeServicer(
        store=store,
        drafts=drafts,
        versions=versions,
        curation=curation,
        searcher=searcher,
        ingestor=Ingestor(store, drafts, embedder),
        publisher=Publisher(store, versions, curation, Evaluator(searcher)),
        embedder=embedder,
    )


async def open_embedder(config: Settings) -> LocalEmbedder | EndpointEmbedder:
    """The model the settings name; a fault in it ends the process with the remedy."""
    try:
        if not config.embedding_base_url:
            return await LocalEmbedder.load()
        return await EndpointEmbedder.connect(
            config.embedding_base_url,
            config.embedding_api_key.get_secret_value(),
            config.embedding_model,
            config.kf_knowledge_embedding_timeout_seconds,
        )
    except EmbeddingError as error:
        settings.stop("kf-knowledge: cannot start / 服务无法启动", [str(error)])


def main() -> None:
    """Entry point of `python -m kf_knowledge`."""
    lifecycle.start(Settings, "knowledge", serve)


if __name__ == "__main__":
    main()
