"""Documents come and go whole; sums and frequencies always equal what is stored."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest
from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.drafts import Drafts, UnknownCollectionError, UnknownDocumentError
from kf_knowledge.embedder import EmbeddingUnavailableError, Vectors
from kf_knowledge.ingestion import Ingestor, Submission
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.passages import Format, document_id
from kf_knowledge.search import Searcher
from kf_knowledge.store import Scope, Store
from kf_runtime import postgres

FAQ = "问题,答案,相似问题\nX2 多少钱,2999 元,价格|贵不贵\n保修多久,两年,质保\n"


class Counting:
    """The embedded model that keeps what it was asked to embed, and can be out of order."""

    def __init__(self, inner: LocalEmbedder) -> None:
        self._inner = inner
        self.model, self.dimension = inner.model, inner.dimension
        self.question_bias = inner.question_bias
        self.texts: list[str] = []
        self.broken = False

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return await self._inner.embed_queries(texts)

    async def embed_questions(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return await self._inner.embed_questions(texts)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if self.broken:
            raise EmbeddingUnavailableError("the endpoint did not answer")
        self.texts += texts
        return await self._inner.embed_passages(texts)


@pytest.fixture
def counting(embedder: LocalEmbedder) -> Counting:
    return Counting(embedder)


@pytest.fixture
def ingestor(store: Store, drafts: Drafts, counting: Counting) -> Ingestor:
    return Ingestor(store, drafts, counting)


def faq(text: str = FAQ, source: str = "faq.csv", title: str = "") -> Submission:
    return Submission("shop", source, title, None, text.encode())


async def check_sums(pool: postgres.Pool) -> None:
    """What writes keep up incrementally equals what a full count finds."""
    kept = await pool.fetch(
        "SELECT lexeme, draft_count AS passage_count FROM lexeme_frequency "
        "WHERE draft_count > 0 ORDER BY lexeme"
    )
    counted = await pool.fetch(
        "SELECT split_part(lexeme, ':', 2) AS lexeme, count(*)::int AS passage_count "
        "FROM passage_terms, unnest(tsvector_to_array(lexemes)) lexeme WHERE died = 2147483647 "
        "GROUP BY 1 ORDER BY 1"
    )
    assert kept == counted
    sums = await pool.fetchrow(
        "SELECT draft_document_count, draft_passage_count, draft_lexeme_count FROM collection"
    )
    assert tuple(sums or ()) == tuple(
        await pool.fetchrow(
            "SELECT (SELECT count(*) FROM edition WHERE died = 2147483647), count(*), "
            "coalesce(sum(lexeme_count), 0) FROM passage_terms WHERE died = 2147483647"
        )
        or ()
    )
    assert (
        await pool.fetchval(
            "SELECT count(*) FROM passage_vector WHERE passage_id NOT IN (SELECT id FROM passage)"
        )
        == 0
    )


async def test_each_phrasing_of_a_question_has_its_vector(ingestor: Ingestor, pool: postgres.Pool) -> None:
    document, changed = await ingestor.ingest(faq())
    assert (changed, document.passage_count, document.format) == (True, 2, Format.FAQ_CSV)
    assert await pool.fetchval("SELECT count(*) FROM passage_vector") == 5
    await check_sums(pool)


async def test_unchanged_document_is_not_embedded_again(ingestor: Ingestor, counting: Counting) -> None:
    first, _ = await ingestor.ingest(faq())
    counting.texts.clear()
    again, changed = await ingestor.ingest(faq())
    assert (again, changed, counting.texts) == (first, False, [])


async def test_only_changed_passages_are_embedded_again(
    ingestor: Ingestor, counting: Counting, store: Store, pool: postgres.Pool
) -> None:
    document, _ = await ingestor.ingest(faq())
    before = await store.live_keys(document.id)
    counting.texts.clear()
    replaced, changed = await ingestor.ingest(faq(FAQ.replace("两年", "三年")))
    assert changed
    assert replaced.id == document.id
    assert counting.texts == ["保修多久", "质保"]
    assert len(before & await store.live_keys(document.id)) == 1
    await check_sums(pool)


async def test_new_title_keeps_passages(ingestor: Ingestor, counting: Counting) -> None:
    await ingestor.ingest(faq())
    counting.texts.clear()
    document, changed = await ingestor.ingest(faq(title="价格与保修"))
    assert (document.title, changed, counting.texts) == ("价格与保修", True, [])


async def test_deleted_document_is_not_found_any_more(
    ingestor: Ingestor, store: Store, drafts: Drafts, embedder: LocalEmbedder, pool: postgres.Pool
) -> None:
    document, _ = await ingestor.ingest(faq())
    await ingestor.ingest(faq("问题,答案\n发什么快递,顺丰\n", source="other.csv"))
    await drafts.erase("shop", document.id)
    searcher = Searcher(store, embedder, dense_share=0.5, answerable_cosine=0.9)
    found = (await searcher.search("shop", "X2 多少钱", 5, Scope(draft=True))).found
    assert [one.passage.question for one in found] == ["发什么快递"]
    await check_sums(pool)
    with pytest.raises(UnknownDocumentError):
        await drafts.erase("shop", document.id)
    with pytest.raises(UnknownCollectionError):
        await drafts.erase("no-such", document.id)


async def test_failed_embedding_leaves_the_old_document(
    ingestor: Ingestor, counting: Counting, store: Store
) -> None:
    old = Submission("shop", "a.md", "", None, "# 一\n\n旧的。".encode())
    document, _ = await ingestor.ingest(old)
    counting.broken = True
    with pytest.raises(EmbeddingUnavailableError):
        await ingestor.ingest(Submission("shop", "a.md", "", None, "# 一\n\n新的。".encode()))
    assert await store.document("shop", document.id) == document


async def test_failed_write_leaves_the_old_document(
    ingestor: Ingestor, store: Store, pool: postgres.Pool
) -> None:
    """A transaction that breaks after passages were removed and added rolls all of it back."""
    document, _ = await ingestor.ingest(faq())
    before = await store.live_keys(document.id)
    await pool.execute("ALTER TABLE lexeme_frequency ADD CONSTRAINT broken CHECK (lexeme <> '坏')")
    with pytest.raises(asyncpg.CheckViolationError):
        await ingestor.ingest(faq("问题,答案\n坏了怎么办,报修\n"))
    assert await store.document("shop", document.id) == document
    assert await store.live_keys(document.id) == before
    await check_sums(pool)


async def test_concurrent_replacements_end_with_one_whole_document(
    ingestor: Ingestor, store: Store, pool: postgres.Pool
) -> None:
    versions = [faq(f"问题,答案\n甲,{n}\n共同,不变\n乙{n},答{n}\n") for n in range(6)]
    others = [faq("问题,答案\n丙,丁\n", source=f"{n}.csv") for n in range(4)]
    await asyncio.gather(*(ingestor.ingest(one) for one in (*versions, *others)))
    passages = await store.document_passages("shop", document_id("shop", "faq.csv"), 9, draft=True)
    answers = {p.text for p in passages} - {"不变"}
    assert answers in [{str(n), f"答{n}"} for n in range(6)]
    await check_sums(pool)


async def test_bad_document_is_refused_and_nothing_is_stored(ingestor: Ingestor, store: Store) -> None:
    with pytest.raises(InvalidDocumentError, match="row 2"):
        await ingestor.ingest(faq("问题,答案\n只有问题,\n"))
    assert await store.collections() == []


async def test_gb18030_sheet_is_read(ingestor: Ingestor, store: Store) -> None:
    document, _ = await ingestor.ingest(Submission("shop", "gb.csv", "", None, FAQ.encode("gb18030")))
    passages = await store.document_passages("shop", document.id, 9, draft=True)
    assert {p.question for p in passages} == {"X2 多少钱", "保修多久"}


async def test_documents_are_listed_in_pages_by_source(ingestor: Ingestor, store: Store) -> None:
    for source in ("b.csv", "说明.csv", "a.csv"):
        await ingestor.ingest(faq(source=source))
    seen: list[str] = []
    token = ""
    while True:
        page, token = await store.documents("shop", 2, token, draft=True)
        seen += [document.source for document in page]
        if not token:
            break
    assert seen == ["a.csv", "b.csv", "说明.csv"]
    with pytest.raises(ValueError, match="not a page token"):
        await store.documents("shop", 2, "not a token")
