"""Takes a document in: reads it, cuts it, embeds what is new, stores it whole or not at all."""

import asyncio
import datetime as dt
import hashlib
import uuid
from dataclasses import dataclass, replace

import numpy as np

from kf_knowledge.content import format_of
from kf_knowledge.drafts import DocumentChangedError, Drafts, NewDocument, NewPassage
from kf_knowledge.embedder import Embedder, Vectors
from kf_knowledge.passages import NO_LABELS, Document, Format, Labels, Passage, document_id
from kf_knowledge.reading import CRAFTED, Reading, read_bytes
from kf_knowledge.sandbox import Sandbox
from kf_knowledge.store import Store
from kf_knowledge.tokens import language_of, lexemes

# Part of every content hash: raise it when reading or cutting changes, and the next import renews passages.
READER_VERSION = 2
_ATTEMPTS = 5


@dataclass(frozen=True)
class Submission:
    """A document as it was handed in; without a format the source's ending decides."""

    collection: str
    source: str
    title: str
    format: Format | None
    content: bytes
    labels: Labels = NO_LABELS


class Ingestor:
    """Puts documents into drafts, with one embedding model."""

    def __init__(self, store: Store, drafts: Drafts, embedder: Embedder) -> None:
        self._store = store
        self._drafts = drafts
        self._embedder = embedder
        self._sandbox = Sandbox()

    async def ingest(self, submission: Submission) -> tuple[Document, bool]:
        """Puts a document in place of the draft's with the same source; False when nothing changed.

        Raises:
            InvalidDocumentError: the content cannot be used.
            EmbeddingError: its vectors could not be made; nothing was stored.
            DocumentChangedError: others kept replacing the same document meanwhile.
        """
        id_ = document_id(submission.collection, submission.source)
        content_hash = fingerprint(submission)
        stored = await self._store.document(submission.collection, id_)
        if stored and stored.content_hash == content_hash:
            return stored, False
        reading = await self._read(submission)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._drafts.replace(await self._new(submission, id_, content_hash, reading))
                return await self._stored(submission, id_), True
            except DocumentChangedError:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def preview(self, submission: Submission) -> tuple[Document, bool]:
        """What `ingest` would store, and whether that would change anything; nothing is stored.

        Raises:
            InvalidDocumentError: the content cannot be used.
        """
        id_ = document_id(submission.collection, submission.source)
        content_hash = fingerprint(submission)
        stored = await self._store.document(submission.collection, id_)
        reading = await self._read(submission)
        new = Document(
            id=id_,
            collection=submission.collection,
            source=submission.source,
            title=submission.title or reading.title or submission.source,
            format=kind_of(submission),
            content_hash=content_hash,
            passage_count=len({passage.id_within(id_) for passage in reading.passages}),
            updated_at=dt.datetime.now(dt.UTC),
            labels=submission.labels,
            published=False,
        )
        return new, not stored or stored.content_hash != content_hash

    async def _read(self, submission: Submission) -> Reading:
        kind = kind_of(submission)
        if kind in CRAFTED:
            return await self._sandbox.read(kind, submission.content)
        return await asyncio.to_thread(read_bytes, kind, submission.content)

    async def _stored(self, submission: Submission, id_: uuid.UUID) -> Document:
        document = await self._store.document(submission.collection, id_)
        if document is None:
            raise DocumentChangedError(submission.source)
        return document

    async def _new(
        self, submission: Submission, id_: uuid.UUID, content_hash: bytes, reading: Reading
    ) -> NewDocument:
        wanted = {passage.id_within(id_): passage for passage in reading.passages}
        stored = await self._store.live_keys(id_)
        return NewDocument(
            id=id_,
            collection=submission.collection,
            source=submission.source,
            title=submission.title or reading.title or submission.source,
            format=kind_of(submission),
            content_hash=content_hash,
            keys=list(wanted),
            labels=_labelled(submission.labels, reading),
            pages={key: passage.page for key, passage in wanted.items()},
            new_passages=await self._embedded({i: p for i, p in wanted.items() if i not in stored}),
        )

    async def _embedded(self, passages: dict[uuid.UUID, Passage]) -> list[NewPassage]:
        questions = [text for p in passages.values() if p.is_faq for text in p.embedded_texts]
        prose = [text for p in passages.values() if not p.is_faq for text in p.embedded_texts]
        vectors = dict(zip(questions, await self._embedder.embed_questions(questions), strict=True))
        vectors |= zip(prose, await self._embedder.embed_passages(prose), strict=True)
        return await asyncio.to_thread(
            lambda: [_new_passage(id_, passage, vectors) for id_, passage in passages.items()]
        )


def fingerprint(submission: Submission) -> bytes:
    """A hash of everything that decides what is stored."""
    head = f"{READER_VERSION}\x1f{submission.format or 0:d}\x1f{submission.title}\x1f{submission.labels}\x1f"
    return hashlib.sha256(head.encode() + submission.content).digest()


def kind_of(submission: Submission) -> Format:
    """The format that was named, or that the source's ending stands for."""
    return submission.format or format_of(submission.source)


def _labelled(labels: Labels, reading: Reading) -> Labels:
    """The labels with the language that the text is written in, unless one was named."""
    if labels.language:
        return labels
    sample = "".join(passage.text for passage in reading.passages[:50])
    return replace(labels, language=language_of(sample))


def _new_passage(id_: uuid.UUID, passage: Passage, vectors: dict[str, Vectors]) -> NewPassage:
    return NewPassage(
        key=id_,
        headings=passage.headings,
        question=passage.question,
        text=passage.text,
        lexemes=lexemes(passage.searched_text),
        vectors=np.stack([vectors[text] for text in passage.embedded_texts]),
    )
