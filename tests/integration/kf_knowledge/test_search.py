"""Search on real PostgreSQL: exact scores, both ways to the nearest vectors, quality on the sample."""

import csv
import math
import statistics
import uuid
from collections.abc import Iterator
from pathlib import Path

import kf_cli
import numpy as np
import pytest
from kf_knowledge import store as store_module
from kf_knowledge.drafts import Drafts, NewDocument, NewPassage
from kf_knowledge.ingestion import Ingestor, Submission
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.passages import Format, document_id
from kf_knowledge.search import Searcher
from kf_knowledge.settings import Settings
from kf_knowledge.store import Scope, Store
from kf_knowledge.tokens import lexemes
from kf_knowledge.versions import Versions
from kf_runtime import postgres

SAMPLE = Path(kf_cli.__file__).with_name("sample")
QUESTIONS = list(csv.DictReader((SAMPLE / "questions.csv").read_text(encoding="utf-8").splitlines()))
ANSWERABLE = Settings.model_fields["kf_knowledge_answerable_cosine"].default
SHARE = Settings.model_fields["kf_knowledge_dense_share"].default


@pytest.fixture
def searcher(store: Store, embedder: LocalEmbedder) -> Searcher:
    return Searcher(store, embedder, dense_share=SHARE, answerable_cosine=ANSWERABLE)


async def load(store: Store, embedder: LocalEmbedder, collection: str, name: str, content: str) -> None:
    pool = store._pool
    await Ingestor(store, Drafts(pool), embedder).ingest(
        Submission(collection, name, "", None, content.encode())
    )
    await Versions(pool).publish(collection)


async def test_sample_questions_find_their_entries(
    store: Store, embedder: LocalEmbedder, searcher: Searcher
) -> None:
    """The sample's own test questions: the entry comes first, or among three; the rest is refused."""
    for path in sorted(SAMPLE.glob("*/*.*")):
        await load(store, embedder, path.parent.name, path.name, path.read_text(encoding="utf-8"))
    first, among, answerable, refused = [], [], [], []
    for row in QUESTIONS:
        result = await searcher.search(row["collection"], row["question"], 3)
        expected = set(row["expected"].split("|"))
        right = [bool(expected & {f.passage.question, *f.passage.headings}) for f in result.found]
        if row["expected"]:
            first.append(right[0])
            among.append(any(right))
            answerable.append(result.answerable)
        else:
            refused.append(not result.answerable)
    assert statistics.mean(first) > 0.82
    assert statistics.mean(among) > 0.92
    assert statistics.mean(answerable) > 0.85
    assert statistics.mean(refused) > 0.7


@pytest.mark.parametrize(
    "question",
    ["请问可以开增值税专用发票吗？", "买贵了的话能退差价吗？", "扫地机器人 X2 Pro 多少钱？ 那个保修多久？"],
)
async def test_polite_and_double_questions_are_answerable(
    question: str, store: Store, embedder: LocalEmbedder, searcher: Searcher
) -> None:
    """Each was flagged unanswerable once."""
    text = (SAMPLE / "shop" / "faq.csv").read_text(encoding="utf-8")
    await load(store, embedder, "shop", "faq.csv", text)
    assert (await searcher.search("shop", question, 3)).answerable


async def test_prose_that_answers_comes_before_a_question_that_merely_resembles(
    store: Store, embedder: LocalEmbedder, searcher: Searcher
) -> None:
    """Questions of an FAQ lie nearer to any query than prose does; that alone must not win."""
    await load(store, embedder, "shop", "a.csv", "问题,答案\n安静模式吵吗？,不吵。\n怎么充电？,放回基站。\n")
    await load(store, embedder, "shop", "m.md", "# 清扫模式\n\n- 强力：适合厨房，续航 80 分钟。\n")
    result = await searcher.search("shop", "强力模式续航多久", 3)
    assert result.found[0].passage.headings == ("清扫模式",)


async def test_collections_are_apart(store: Store, embedder: LocalEmbedder, searcher: Searcher) -> None:
    await load(store, embedder, "shop", "a.csv", "问题,答案\n多少钱,2999 元\n")
    await load(store, embedder, "saas", "a.csv", "问题,答案\n多少钱,39 元\n")
    for collection, answer in (("shop", "2999 元"), ("saas", "39 元")):
        found = (await searcher.search(collection, "多少钱", 50)).found
        assert [one.passage.text for one in found] == [answer]


async def test_unknown_or_empty_collection_has_no_answer(
    store: Store, embedder: LocalEmbedder, searcher: Searcher
) -> None:
    assert await searcher.search("nothing", "多少钱", 5) == await searcher.search("nothing", "x", 5)
    await load(store, embedder, "shop", "a.csv", "问题,答案\n多少钱,2999 元\n")
    await Drafts(store._pool).erase("shop", document_id("shop", "a.csv"))
    result = await searcher.search("shop", "多少钱", 5)
    assert (list(result.found), result.answerable) == ([], False)


async def test_answers_in_the_same_words_are_merged(
    store: Store, embedder: LocalEmbedder, searcher: Searcher
) -> None:
    await load(store, embedder, "shop", "a.csv", "问题,答案\n多少钱,2999 元。\n什么价格,2999 元\n保修,两年\n")
    assert [one.passage.text for one in (await searcher.search("shop", "多少钱", 2)).found] == [
        "2999 元。",
        "两年",
    ]


@pytest.mark.parametrize(
    "query", ["'", "\\", "a'b\\c | & ! ( ) :*", "\ufdfa" * 100, "\u0000多少钱", "👍", "的", "x" * 5_000]
)
async def test_hostile_queries_are_answered(
    query: str, store: Store, embedder: LocalEmbedder, searcher: Searcher
) -> None:
    await load(store, embedder, "shop", "a.csv", "问题,答案\n多少钱,2999 元\n")
    assert len((await searcher.search("shop", query, 5)).found) == 1


async def test_lexical_score_is_bm25(store: Store, embedder: LocalEmbedder, searcher: Searcher) -> None:
    """Recomputed here by the book: k1 = 1.2, b = 0.75, from the words alone."""
    texts = ["保修 保修 两年", "apple banana", "保修 three words more here"]
    await load(store, embedder, "c", "a.txt", "\n\n".join(f"{text}{'。' * 400}" for text in texts))
    lengths = {text: lexemes(text).total() for text in texts}
    mean = sum(lengths.values()) / 3
    for one in (await searcher.search("c", "保修", 5)).found:
        text = one.passage.text.rstrip("。")
        expected = 0.0
        for term in ("保", "修", "保修"):
            tf = lexemes(text)[term]
            idf = math.log(1 + (3 - 2 + 0.5) / 2.5)
            expected += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths[text] / mean))
        assert one.hit.lexical == pytest.approx(expected, rel=1e-6)


@pytest.fixture
def small_scan() -> Iterator[None]:
    """Send even small collections through the HNSW index."""
    original, store_module.SCAN_PASSAGES = store_module.SCAN_PASSAGES, 0
    yield
    store_module.SCAN_PASSAGES = original


async def test_index_finds_a_rare_collection_among_many_vectors(
    store: Store, pool: postgres.Pool, small_scan: None
) -> None:
    """1 % of the rows: without an iterative scan the index's candidates are all of the other collection."""
    random = np.random.default_rng(7)
    centre = random.normal(size=384)
    for name, count in (("big", 2_000), ("rare", 20)):
        vectors = (centre + random.normal(size=(count, 384))).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        passages = [
            NewPassage(uuid.uuid4(), (), "", f"t{n}", lexemes(f"t{n}"), vectors[n : n + 1])
            for n in range(count)
        ]
        ids = [passage.key for passage in passages]
        await Drafts(pool).replace(NewDocument(uuid.uuid4(), name, "s", "t", Format.TEXT, b"", ids, passages))
    await pool.execute("ANALYZE")
    numbers = await store.statistics("rare", [], Scope(draft=True))
    assert numbers is not None
    query = (centre / np.linalg.norm(centre)).astype(np.float32)
    by_index = await store.nearest(numbers, query, 10)
    exact = dict(zip(ids, vectors @ query, strict=True))
    assert [one.id for one in by_index] == sorted(ids, key=lambda id_: -exact[id_])[:10]
