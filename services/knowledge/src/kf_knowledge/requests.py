"""Checks what clients send; every fault names the field first."""

import datetime as dt
import re
import uuid
from collections.abc import Sequence

from kf_contracts.knowledge.v1 import knowledge_pb2 as pb

from kf_knowledge.calibration import MOST_QUESTIONS, TestQuestion
from kf_knowledge.ingestion import Submission
from kf_knowledge.passages import Format, Labels
from kf_knowledge.store import Scope

_MAX_SOURCE, _MAX_TITLE = 512, 256
_MAX_TAGS, _MAX_TAG, _MAX_QUESTION = 20, 64, 500
_COLLECTION = re.compile(r"[0-9A-Za-z_-]{1,64}")
_LANGUAGE = re.compile(r"([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?")


class InvalidRequestError(Exception):
    """A field of the request is wrong; the message begins with its name."""


def collection_name(name: str) -> str:
    """The name, when it may be one."""
    if not _COLLECTION.fullmatch(name):
        raise InvalidRequestError("collection: must be 1 to 64 of 0-9 A-Z a-z _ -")
    return name


def number(value: int, name: str, default: int, most: int) -> int:
    """How many are wanted: 0 means the default."""
    if value > most:
        raise InvalidRequestError(f"{name}: {value} is more than {most}")
    return value or default


def document_uuid(text: str) -> uuid.UUID:
    """The id of a document."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidRequestError("document_id: is not an id that ListDocuments gave") from None


def submission(request: pb.IngestDocumentRequest, content: bytes | None = None) -> Submission:
    """The request's document, with the content that came beside it."""
    collection_name(request.collection)
    if not 1 <= len(request.source) <= _MAX_SOURCE or "\x00" in request.source:
        raise InvalidRequestError(f"source: must be 1 to {_MAX_SOURCE} characters")
    if len(request.title) > _MAX_TITLE or "\x00" in request.title:
        raise InvalidRequestError(f"title: must be at most {_MAX_TITLE} characters")
    try:
        kind = Format(request.format) if request.format else None
    except ValueError:
        raise InvalidRequestError(f"format: {request.format} is unknown to this server") from None
    return Submission(
        request.collection,
        request.source,
        request.title.strip(),
        kind,
        request.content if content is None else content,
        labels(request.labels),
    )


def labels(request: pb.Labels) -> Labels:
    """What narrows the questions that the document answers."""
    valid_from = _time(request, "valid_from")
    valid_until = _time(request, "valid_until")
    if valid_from and valid_until and valid_from >= valid_until:
        raise InvalidRequestError("labels.valid_until: is not after valid_from")
    return Labels(language(request.language), tags(request.tags), valid_from, valid_until)


def scope(request: pb.SearchRequest) -> Scope:
    """What of the collection is searched."""
    return Scope(request.draft, language(request.language), tags(request.tags))


def language(code: str) -> str:
    """A language's code as in documents' labels."""
    if not _LANGUAGE.fullmatch(code):
        raise InvalidRequestError("language: must be a code like zh or en")
    return code


def tags(wanted: Sequence[str]) -> tuple[str, ...]:
    """Tags, each once, in order."""
    if len(wanted) > _MAX_TAGS or not all(1 <= len(tag) <= _MAX_TAG and "\x00" not in tag for tag in wanted):
        raise InvalidRequestError(f"tags: at most {_MAX_TAGS} of 1 to {_MAX_TAG} characters")
    return tuple(sorted(set(wanted)))


def test_questions(wanted: Sequence[pb.TestQuestion]) -> list[TestQuestion]:
    """Test questions, checked."""
    if len(wanted) > MOST_QUESTIONS:
        raise InvalidRequestError(f"questions: {len(wanted)} are more than {MOST_QUESTIONS}")
    if not all(one.question.strip() for one in wanted):
        raise InvalidRequestError("questions: one is empty")
    for one in wanted:
        if any(len(text) > _MAX_QUESTION or "\x00" in text for text in (one.question, *one.expected)):
            raise InvalidRequestError(f"questions: one has more than {_MAX_QUESTION} characters")
    return [TestQuestion(one.question, frozenset(one.expected), one.category) for one in wanted]


def _time(request: pb.Labels, name: str) -> dt.datetime | None:
    if not request.HasField(name):
        return None
    try:
        return getattr(request, name).ToDatetime(dt.UTC)  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        raise InvalidRequestError(f"labels.{name}: is not a time") from None
