"""The values that ingestion, storage and search exchange: documents, passages, hits."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from enum import IntEnum


class Format(IntEnum):
    """How a document's content is written; the numbers are stored and equal those of the contract."""

    MARKDOWN = 1
    TEXT = 2
    FAQ_CSV = 3
    HTML = 4
    PDF = 5
    DOCX = 6
    XLSX = 7
    PPTX = 8


@dataclass(frozen=True)
class Labels:
    """What narrows the questions a document answers: its language (zh, en ...), tags, its validity."""

    language: str = ""
    tags: tuple[str, ...] = ()
    valid_from: dt.datetime | None = None
    valid_until: dt.datetime | None = None


NO_LABELS = Labels()


@dataclass(frozen=True)
class Passage:
    """The unit that is found: a piece of prose under its headings, or one FAQ entry.

    For an FAQ entry `text` is the answer and `similar` are other phrasings of `question`. `page` is where it
    begins, from 1, and 0 where there are no pages; it is no part of what the passage says.
    """

    text: str
    headings: tuple[str, ...] = ()
    question: str = ""
    similar: tuple[str, ...] = ()
    page: int = field(default=0, compare=False)

    @property
    def is_faq(self) -> bool:
        """Whether it is matched by its questions rather than by its text."""
        return bool(self.question)

    @property
    def embedded_texts(self) -> tuple[str, ...]:
        """The texts whose vectors stand for the passage."""
        if self.is_faq:
            return (self.question, *self.similar)
        return (f"{' > '.join(self.headings)}\n{self.text}".lstrip(),)

    @property
    def searched_text(self) -> str:
        """All words under which the lexical side finds the passage."""
        return "\n".join((*self.headings, self.question, *self.similar, self.text))

    def id_within(self, document_id: uuid.UUID) -> uuid.UUID:
        """The passage's id: the same words in the same document have the same id."""
        words = "\x1f".join(("\x1e".join(self.headings), self.question, "\x1e".join(self.similar), self.text))
        return uuid.uuid5(document_id, words)


@dataclass(frozen=True)
class Document:
    """A stored document; `published` tells whether customers' questions find it in this form."""

    id: uuid.UUID
    collection: str
    source: str
    title: str
    format: Format
    content_hash: bytes
    passage_count: int
    updated_at: dt.datetime
    labels: Labels
    published: bool


@dataclass(frozen=True)
class Collection:
    """A collection: what its published version holds, and what its draft does.

    published: number of the version that customers' questions search; 0 when there is none yet.
    changed: whether the draft differs from it.
    """

    name: str
    document_count: int
    passage_count: int
    published: int
    draft_document_count: int
    draft_passage_count: int
    changed: bool
    question_count: int


@dataclass(frozen=True)
class StoredPassage:
    """A passage as it is stored, with the document it is from."""

    id: uuid.UUID
    document_id: uuid.UUID
    source: str
    title: str
    headings: tuple[str, ...]
    question: str
    text: str
    page: int = 0


_DOCUMENTS = uuid.UUID("6c0e2f8e-6f0c-5a53-9d8c-0d4cbb2a7a51")


def document_id(collection: str, source: str) -> uuid.UUID:
    """The id of the document with this source in this collection; it survives replacing and re-importing."""
    return uuid.uuid5(_DOCUMENTS, f"{collection}\x1f{source}")
