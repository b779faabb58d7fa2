"""Turns the service's values into the contract's messages."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict

from google.protobuf.timestamp_pb2 import Timestamp
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb

from kf_knowledge.calibration import TestQuestion
from kf_knowledge.evaluation import Evaluation
from kf_knowledge.explanation import places
from kf_knowledge.passages import Collection, Document, Labels, StoredPassage
from kf_knowledge.publishing import Publication
from kf_knowledge.search import Found, SearchResult
from kf_knowledge.versions import Change, Version


def search_response(result: SearchResult, query: str, *, explain: bool) -> pb.SearchResponse:
    """A search's passages, with the reasons when they are wanted."""
    response = pb.SearchResponse(passages=map(found_passage, result.found), answerable=result.answerable)
    if explain:
        response.explanation.CopyFrom(
            pb.SearchExplanation(
                evidence=result.evidence,
                threshold=result.threshold,
                lexical_share=result.lexical_share,
                candidates=len(result.hits),
                added_words=result.added_words,
                version=result.version,
            )
        )
        for message, one, place in zip(response.passages, result.found, places(result, query), strict=True):
            message.explanation.CopyFrom(
                pb.PassageExplanation(
                    dense_rank=place.dense,
                    lexical_rank=place.lexical,
                    coverage=one.hit.coverage,
                    matched_words=place.matched_words,
                )
            )
    return response


def found_passage(found: Found) -> pb.Passage:
    """A passage with its scores."""
    message = passage(found.passage)
    message.score, message.dense_score = found.hit.score, found.hit.dense
    message.lexical_score = found.hit.lexical
    return message


def passage(stored: StoredPassage) -> pb.Passage:
    """A passage without scores."""
    return pb.Passage(
        passage_id=str(stored.id),
        document_id=str(stored.document_id),
        source=stored.source,
        title=stored.title,
        headings=stored.headings,
        text=stored.text,
        question=stored.question,
        page=stored.page,
    )


def document(stored: Document) -> pb.Document:
    """A document."""
    return pb.Document(
        document_id=str(stored.id),
        collection=stored.collection,
        source=stored.source,
        title=stored.title,
        format=pb.DocumentFormat.Name(stored.format),
        passage_count=stored.passage_count,
        updated_at=_timestamp(stored.updated_at),
        labels=_labels(stored.labels),
        published=stored.published,
    )


def collection(stored: Collection) -> pb.Collection:
    """A collection."""
    return pb.Collection(
        name=stored.name,
        document_count=stored.document_count,
        passage_count=stored.passage_count,
        published_version=stored.published,
        draft_document_count=stored.draft_document_count,
        draft_passage_count=stored.draft_passage_count,
        changed=stored.changed,
        question_count=stored.question_count,
    )


def publish_response(publication: Publication) -> pb.PublishCollectionResponse:
    """What came of a wish to publish."""
    return pb.PublishCollectionResponse(
        version=publication.version,
        published=publication.published,
        evaluation=evaluation(publication.evaluation) if publication.evaluation else None,
        changes=changes(publication.changes),
    )


def evaluation(measured: Evaluation) -> pb.EvaluateCollectionResponse:
    """The figures of a draft and of what is published."""
    return pb.EvaluateCollectionResponse(
        draft=[pb.Figures(**asdict(one)) for one in measured.draft],
        published=[pb.Figures(**asdict(one)) for one in measured.published],
        regressions=measured.regressions,
        lost_questions=measured.lost_questions,
    )


def changes(found: Sequence[Change]) -> list[pb.DocumentChange]:
    """What publishing would change."""
    return [pb.DocumentChange(**asdict(one)) for one in found]


def version(stored: Version) -> pb.Version:
    """A version; its figures are those of all questions."""
    figures = (stored.evaluation or {}).get("figures") or [None]
    return pb.Version(
        number=stored.number,
        published_at=_timestamp(stored.published_at),
        document_count=stored.document_count,
        passage_count=stored.passage_count,
        current=stored.current,
        figures=pb.Figures(**figures[0]) if figures[0] else None,
    )


def test_question(stored: TestQuestion) -> pb.TestQuestion:
    """A test question."""
    return pb.TestQuestion(
        question=stored.question, expected=sorted(stored.expected), category=stored.category
    )


def _labels(labels: Labels) -> pb.Labels:
    return pb.Labels(
        language=labels.language,
        tags=labels.tags,
        valid_from=_timestamp(labels.valid_from) if labels.valid_from else None,
        valid_until=_timestamp(labels.valid_until) if labels.valid_until else None,
    )


def _timestamp(moment: dt.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
