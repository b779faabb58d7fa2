"""Measures a search without embedding on many made-up passages: time, and recall against exact dense search.

    python benchmarks/search_speed.py [--passages 100000] [--questions 300] [--keep DIRECTORY]

Everything runs here, PostgreSQL from its wheel included; --keep leaves the database for the next run. The
passages are some 400 Chinese characters of a vocabulary with Zipf's frequencies; their vectors crowd around
topics in 64 of the dimensions, as an embedding model's do. One passage in a hundred is in a collection of
its own.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from kf_cli import embedded
from kf_knowledge import database
from kf_knowledge.bm25 import weigh
from kf_knowledge.drafts import Drafts, NewDocument, NewPassage
from kf_knowledge.embedder import Vectors, normalised
from kf_knowledge.passages import Format
from kf_knowledge.ranking import fuse
from kf_knowledge.search import LEXICAL_BUDGET, candidates
from kf_knowledge.settings import Settings
from kf_knowledge.store import Store
from kf_knowledge.tokens import lexemes, query_lexemes
from kf_knowledge.versions import Versions
from kf_runtime import postgres
from numpy import arange, float32, random  # after kf_knowledge, which limits the threads NumPy starts

DIMENSION = 384
SHARE = Settings.model_fields["kf_knowledge_dense_share"].default
TOPICS, WORDS_OF_TOPIC, VOCABULARY, PASSAGE_WORDS = 500, 400, 30_000, 180
DOCUMENT_PASSAGES = 2_000
INDEXES = "passage_vector_hnsw", "passage_terms_lexemes"


class World:
    """Made-up text and vectors, the same in every run."""

    def __init__(self) -> None:
        self.random = random.default_rng(6)
        characters = [chr(code) for code in self.random.permutation(arange(0x4E00, 0x5800))]
        letters = 1 / (arange(len(characters)) + 20)
        sizes = self.random.choice([1, 2, 2, 2, 3], VOCABULARY)
        spelled = [self.random.choice(characters, size, p=letters / letters.sum()) for size in sizes]
        self.words = ["".join(word) for word in spelled]
        frequency = 1 / (arange(VOCABULARY) + 5)
        self.frequency = frequency / frequency.sum()
        self.special = self.random.integers(0, VOCABULARY, (TOPICS, WORDS_OF_TOPIC))
        self.basis = self.random.normal(size=(64, DIMENSION)) / 8
        self.centres = self.random.normal(size=(TOPICS, 64)) + 1.0

    def text(self, topic: int, words: int) -> str:
        """Half of the words from everywhere, half from the topic."""
        common = self.random.choice(VOCABULARY, words // 2, p=self.frequency)
        own = self.random.choice(self.special[topic], words - len(common))
        chosen = [self.words[index] for index in self.random.permutation([*common, *own])]
        return "，".join("".join(chosen[start : start + 9]) for start in range(0, words, 9))

    def vectors(self, topics: Sequence[int]) -> Vectors:
        """One for each topic given, near its centre."""
        inner = self.centres[list(topics)] + 0.7 * self.random.normal(size=(len(topics), 64))
        noise = 0.1 * self.random.normal(size=(len(topics), DIMENSION))
        return normalised((inner @ self.basis + noise).astype(float32))


def passages(world: World, count: int) -> Iterator[list[NewPassage]]:
    """Passages by the document."""
    for start in range(0, count, DOCUMENT_PASSAGES):
        topics = world.random.integers(0, TOPICS, min(DOCUMENT_PASSAGES, count - start)).tolist()
        vectors = world.vectors(topics)
        yield [
            NewPassage(uuid.uuid4(), (), "", text, lexemes(text), vector[None])
            for text, vector in zip((world.text(t, PASSAGE_WORDS) for t in topics), vectors, strict=True)
        ]


async def fill(pool: postgres.Pool, world: World, count: int) -> None:
    """Stores 99 of 100 passages in the collection big, the others in small; indexes are built at the end."""
    definitions = await pool.fetch(
        "SELECT indexdef FROM pg_indexes WHERE indexname = ANY ($1::text[])", INDEXES
    )
    await pool.execute("; ".join(f"DROP INDEX {name}" for name in INDEXES))
    drafts, versions = Drafts(pool), Versions(pool)
    start = time.perf_counter()
    for name, part in (("small", count // 100), ("big", count - count // 100)):
        for number, some in enumerate(passages(world, part)):
            ids = [passage.key for passage in some]
            await drafts.replace(
                NewDocument(uuid.uuid4(), name, f"{number}", "", Format.TEXT, b"", ids, some)
            )
        await versions.publish(name)
    print(f"stored {count:,} passages in {time.perf_counter() - start:.0f} s", flush=True)
    for (definition,) in definitions:
        start = time.perf_counter()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "SET LOCAL statement_timeout = 0; SET LOCAL maintenance_work_mem = '1GB'"
            )
            await connection.execute(definition, timeout=3_600)
        print(f"{definition.split()[2]} built in {time.perf_counter() - start:.0f} s", flush=True)
    await pool.execute("VACUUM ANALYZE", timeout=600)


async def measure(store: Store, pool: postgres.Pool, world: World, collection: str, count: int) -> None:
    """Prints the time of a search and the recall of its dense side for made-up questions."""
    seconds: dict[str, list[float]] = {"dense": [], "words": [], "all": []}
    answered = []
    for _ in range(count):
        topic = int(world.random.integers(TOPICS))
        words = query_lexemes(world.text(topic, 8))
        vector = world.vectors([topic])[0]
        start = time.perf_counter()
        numbers = await store.statistics(collection, words)
        assert numbers is not None
        terms = weigh(words, numbers.passages, numbers.frequencies, LEXICAL_BUDGET)
        dense, lexical = await candidates(store, numbers, vector, terms)
        hits = fuse(dense, lexical, terms.total, SHARE)
        await store.passages(numbers, [hit.id for hit in hits[:10]])
        seconds["all"].append(time.perf_counter() - start)
        start = time.perf_counter()
        found = await store.nearest(numbers, vector, 100)
        seconds["dense"].append(time.perf_counter() - start)
        start = time.perf_counter()
        await store.matching(numbers, terms, vector)
        seconds["words"].append(time.perf_counter() - start)
        answered.append((numbers.collection_id, vector, [candidate.id for candidate in found[:10]]))
    for name, values in seconds.items():
        p10, p50, p95 = (sorted(values)[int(part * len(values))] * 1e3 for part in (0.1, 0.5, 0.95))
        print(f"  {collection:6} {name:6} p10 {p10:5.1f} ms  p50 {p50:5.1f} ms  p95 {p95:5.1f} ms")
    # Afterwards: an exact scan pushes everything else out of the caches.
    recalls = [await recall(pool, *one) for one in answered[:100]]
    print(f"  {collection:6} recall@10 of exact dense search {statistics.mean(recalls):.4f}", flush=True)


async def recall(pool: postgres.Pool, collection_id: int, vector: Vectors, found: list[uuid.UUID]) -> float:
    """The part of the ten nearest passages that was found."""
    rows = await pool.fetch(
        "SELECT passage_id FROM passage_vector WHERE collection_id = $1 "
        "ORDER BY (embedding <=> $2::halfvec) + 0 LIMIT 10",
        collection_id,
        vector,
    )
    return len({row["passage_id"] for row in rows} & set(found)) / len(rows)


async def run(arguments: argparse.Namespace, folder: Path) -> None:
    """Fills the database unless it is filled, and measures both collections."""
    embedded.init_postgres(folder / "data")
    port = embedded.free_port()
    command = embedded.postgres_command(folder / "data", port, durable=False)
    # The default of 128 MB holds a quarter of what searches read here; a server of this size has more.
    command += ["-c", "shared_buffers=1GB"]
    with embedded.Child("postgres", command, port, folder / "log"):
        pool = await database.open_pool(embedded.database_url(port), "made-up", DIMENSION)
        store, world = Store(pool, DIMENSION), World()
        if not await store.collections():
            await fill(pool, world, arguments.passages)
        for collection in await store.collections():
            print(f"{collection.name}: {collection.passage_count:,} passages")
            print("  warming up:")
            await measure(store, pool, world, collection.name, 200)
            print("  measured:")
            await measure(store, pool, world, collection.name, arguments.questions)
        await pool.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(run(chosen, chosen.keep or Path(temporary)))
