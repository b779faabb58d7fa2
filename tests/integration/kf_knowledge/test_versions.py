"""Drafts, publishing, going back: what customers' questions find, and sums that follow every step."""

import asyncio
import datetime as dt

import pytest
from kf_knowledge.drafts import Drafts, UnknownDocumentError
from kf_knowledge.ingestion import Ingestor, Submission
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.passages import NO_LABELS, Labels, document_id
from kf_knowledge.search import Searcher
from kf_knowledge.store import EVERYTHING, Scope, Store
from kf_knowledge.versions import KEPT_VERSIONS, DraftChangedError, UnknownVersionError, Versions
from kf_runtime import postgres

DRAFT = Scope(draft=True)


class Shop:
    """One collection as its keeper and its customers see it."""

    def __init__(self, pool: postgres.Pool, embedder: LocalEmbedder) -> None:
        self.pool, self.store = pool, Store(pool, embedder.dimension, embedder.question_bias)
        self.drafts, self.versions = Drafts(pool), Versions(pool)
        self.ingestor = Ingestor(self.store, self.drafts, embedder)
        self.searcher = Searcher(self.store, embedder, dense_share=0.6, answerable_cosine=0.9)

    async def put(self, answer: str, source: str = "faq.csv", labels: Labels = NO_LABELS) -> None:
        text = f"问题,答案\n保修多久,{answer}\n共同的问题,不变\n"
        await self.ingestor.ingest(Submission("shop", source, "", None, text.encode(), labels))

    async def found(self, scope: Scope = EVERYTHING) -> set[str]:
        result = await self.searcher.search("shop", "保修多久", 9, scope)
        return {one.passage.text for one in result.found}

    async def check_sums(self) -> None:
        """Counts kept step by step equal a full count, for the published version and for the draft."""
        row = await self.pool.fetchrow("SELECT * FROM collection")
        assert row is not None
        for version, prefix, column in (
            (row["published"], "", "passage_count"),
            (row["draft"], "draft_", "draft_count"),
        ):
            visible = f"born <= {version} AND died > {version}"
            counted = await self.pool.fetchrow(
                f"SELECT (SELECT count(*) FROM edition WHERE {visible}), count(*), "
                f"coalesce(sum(lexeme_count), 0) FROM passage_terms WHERE {visible}"
            )
            kept = tuple(row[f"{prefix}{name}_count"] for name in ("document", "passage", "lexeme"))
            assert kept == tuple(counted or ())
            frequencies = await self.pool.fetch(
                f"SELECT lexeme, {column} AS n FROM lexeme_frequency WHERE {column} <> 0 ORDER BY 1"
            )
            assert frequencies == await self.pool.fetch(
                "SELECT substr(lexeme, position(':' IN lexeme) + 1) AS lexeme, count(*)::int AS n "
                f"FROM passage_terms, unnest(tsvector_to_array(lexemes)) lexeme WHERE {visible} "
                "GROUP BY 1 ORDER BY 1"
            )


@pytest.fixture
def shop(pool: postgres.Pool, embedder: LocalEmbedder) -> Shop:
    return Shop(pool, embedder)


async def test_draft_is_hidden_until_it_is_published(shop: Shop) -> None:
    await shop.put("一年")
    assert (await shop.found(), await shop.found(DRAFT)) == (set(), {"一年", "不变"})
    assert await shop.versions.publish("shop") == 1
    await shop.put("两年")
    assert (await shop.found(), await shop.found(DRAFT)) == ({"一年", "不变"}, {"两年", "不变"})
    (change,) = await shop.versions.changes("shop")
    assert (change.source, change.kind) == ("faq.csv", "changed")
    assert (change.passages_added, change.passages_removed) == (1, 1)
    await shop.check_sums()
    assert await shop.versions.publish("shop") == 2
    assert await shop.found() == {"两年", "不变"}
    assert await shop.versions.changes("shop") == []
    await shop.check_sums()


async def test_publishing_an_unchanged_draft_makes_no_version(shop: Shop) -> None:
    await shop.put("一年")
    assert [await shop.versions.publish("shop") for _ in range(3)] == [1, 1, 1]


async def test_rollback_publishes_the_version_before_and_keeps_the_draft(shop: Shop) -> None:
    for answer in ("一年", "两年", "三年"):
        await shop.put(answer)
        await shop.versions.publish("shop")
    assert await shop.versions.rollback("shop") == 2
    assert (await shop.found(), await shop.found(DRAFT)) == ({"两年", "不变"}, {"三年", "不变"})
    await shop.check_sums()
    assert await shop.versions.rollback("shop", 1) == 1
    assert await shop.found() == {"一年", "不变"}
    await shop.check_sums()
    assert await shop.versions.publish("shop") == 4
    assert await shop.found() == {"三年", "不变"}
    with pytest.raises(UnknownVersionError):
        await shop.versions.rollback("shop", 9)
    await shop.check_sums()


async def test_passage_that_comes_back_is_in_the_versions_that_had_it(shop: Shop) -> None:
    for answer in ("一年", "两年", "一年"):
        await shop.put(answer)
        await shop.versions.publish("shop")
    assert await shop.found() == {"一年", "不变"}
    for version, answer in ((2, "两年"), (1, "一年"), (3, "一年")):
        await shop.versions.rollback("shop", version)
        assert await shop.found() == {answer, "不变"}
        await shop.check_sums()


async def test_discarded_draft_equals_the_published_version(shop: Shop) -> None:
    await shop.put("一年")
    await shop.versions.publish("shop")
    await shop.put("两年")
    await shop.put("别的", source="new.csv")
    await shop.versions.discard("shop")
    assert await shop.found(DRAFT) == {"一年", "不变"}
    assert await shop.versions.changes("shop") == []
    assert await shop.pool.fetchval("SELECT count(*) FROM document") == 1
    await shop.check_sums()


async def test_removal_from_the_draft_waits_for_publishing_and_can_be_undone(shop: Shop) -> None:
    await shop.put("一年")
    await shop.versions.publish("shop")
    id_ = document_id("shop", "faq.csv")
    await shop.drafts.remove("shop", id_)
    with pytest.raises(UnknownDocumentError):
        await shop.drafts.remove("shop", id_)
    assert await shop.found() == {"一年", "不变"}
    await shop.versions.publish("shop")
    assert await shop.found() == set()
    await shop.check_sums()
    await shop.versions.rollback("shop")
    assert await shop.found() == {"一年", "不变"}


async def test_erased_document_is_in_no_version(shop: Shop) -> None:
    await shop.put("一年")
    await shop.put("别的", source="other.csv")
    await shop.versions.publish("shop")
    await shop.put("两年")
    await shop.drafts.erase("shop", document_id("shop", "faq.csv"))
    assert (await shop.found(), await shop.found(DRAFT)) == ({"别的", "不变"}, {"别的", "不变"})
    await shop.check_sums()
    assert await shop.pool.fetchval("SELECT count(*) FROM passage") == 2


async def test_old_versions_are_forgotten_with_what_only_they_held(shop: Shop) -> None:
    for number in range(KEPT_VERSIONS + 3):
        await shop.put(f"{number} 年")
        await shop.versions.publish("shop")
    kept = await shop.versions.versions("shop")
    assert [one.number for one in kept] == list(range(KEPT_VERSIONS + 3, 3, -1))
    assert [one.current for one in kept] == [True] + [False] * (KEPT_VERSIONS - 1)
    assert await shop.pool.fetchval("SELECT count(*) FROM passage") == KEPT_VERSIONS + 1
    await shop.check_sums()


async def test_only_the_evaluated_draft_is_published(shop: Shop) -> None:
    await shop.put("一年")
    revision = await shop.versions.revision("shop")
    await shop.put("两年")
    with pytest.raises(DraftChangedError):
        await shop.versions.publish("shop", revision)
    assert await shop.found() == set()


async def test_searches_never_see_a_half_published_version(shop: Shop) -> None:
    """Both documents say the same in every version: a search must never find two answers."""
    seen: set[frozenset[str]] = set()

    async def customer() -> None:
        while True:
            seen.add(frozenset(await shop.found() - {"不变"}))

    asking = asyncio.create_task(customer())
    for answer in ("一年", "两年", "三年", "四年"):
        await asyncio.gather(shop.put(answer), shop.put(answer, source="copy.csv"))
        await shop.versions.publish("shop")
    asking.cancel()
    assert {len(answers) for answers in seen} <= {0, 1}


async def test_documents_outside_their_time_language_or_tags_are_not_found(shop: Shop) -> None:
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    await shop.put("总是")
    await shop.put("过期", source="old.csv", labels=Labels(valid_until=now - day))
    await shop.put("以后", source="new.csv", labels=Labels(valid_from=now + day))
    await shop.put("sale", source="en.csv", labels=Labels("en", ("vip", "sale"), now - day, now + day))
    assert await shop.found(DRAFT) == {"总是", "sale", "不变"}
    assert await shop.found(Scope(draft=True, language="en")) == {"sale", "不变"}
    assert await shop.found(Scope(draft=True, tags=("vip",))) == {"sale", "不变"}
    assert await shop.found(Scope(draft=True, tags=("vip", "other"))) == set()
