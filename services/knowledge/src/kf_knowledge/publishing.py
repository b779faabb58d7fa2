"""Publishes a collection's draft when it answers the collection's test questions no worse than before."""

from collections.abc import Sequence
from dataclasses import dataclass

from kf_knowledge.curation import Curation
from kf_knowledge.drafts import UnknownCollectionError
from kf_knowledge.evaluation import Evaluation, Evaluator
from kf_knowledge.store import Store
from kf_knowledge.versions import Change, Versions


@dataclass(frozen=True)
class Publication:
    """What came of a wish to publish; `version` is what is published now."""

    version: int
    published: bool
    evaluation: Evaluation | None
    changes: Sequence[Change]


class Publisher:
    """The gate between drafts and what customers' questions search."""

    def __init__(self, store: Store, versions: Versions, curation: Curation, evaluator: Evaluator) -> None:
        self._store, self._versions = store, versions
        self._curation, self._evaluator = curation, evaluator

    async def publish(self, collection: str, *, force: bool) -> Publication:
        """Publishes the draft unless it does worse; with `force` even then.

        Raises:
            UnknownCollectionError
            DraftChangedError: somebody changed the draft while it was evaluated.
        """
        revision = await self._versions.revision(collection)
        changes = await self._versions.changes(collection)
        published = await self._published(collection)
        evaluation = await self.evaluate(collection) if changes else None
        if evaluation and evaluation.regressions and not force:
            return Publication(published, published=False, evaluation=evaluation, changes=changes)
        kept = evaluation.as_dict() if evaluation else None
        version = await self._versions.publish(collection, revision, kept)
        return Publication(version, published=True, evaluation=evaluation, changes=changes)

    async def publish_if_untested(self, collection: str) -> None:
        """Publishes the draft of a collection without test questions; another's waits for `publish`."""
        if not await self._curation.questions(collection):
            await self._versions.publish(collection)

    async def evaluate(self, collection: str) -> Evaluation | None:
        """The draft's figures beside those of the published version; None without test questions."""
        questions = await self._curation.questions(collection)
        if not questions:
            return None
        published = bool(await self._published(collection))
        return await self._evaluator.evaluate(collection, questions, published=published)

    async def _published(self, collection: str) -> int:
        for one in await self._store.collections():
            if one.name == collection:
                return one.published
        raise UnknownCollectionError(collection)
