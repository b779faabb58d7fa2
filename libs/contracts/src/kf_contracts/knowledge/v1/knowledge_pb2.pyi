import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DocumentFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOCUMENT_FORMAT_UNSPECIFIED: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_MARKDOWN: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_TEXT: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_FAQ_CSV: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_HTML: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_PDF: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_DOCX: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_XLSX: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_PPTX: _ClassVar[DocumentFormat]
DOCUMENT_FORMAT_UNSPECIFIED: DocumentFormat
DOCUMENT_FORMAT_MARKDOWN: DocumentFormat
DOCUMENT_FORMAT_TEXT: DocumentFormat
DOCUMENT_FORMAT_FAQ_CSV: DocumentFormat
DOCUMENT_FORMAT_HTML: DocumentFormat
DOCUMENT_FORMAT_PDF: DocumentFormat
DOCUMENT_FORMAT_DOCX: DocumentFormat
DOCUMENT_FORMAT_XLSX: DocumentFormat
DOCUMENT_FORMAT_PPTX: DocumentFormat

class SearchRequest(_message.Message):
    __slots__ = ("collection", "query", "limit", "draft", "language", "tags", "explain")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    query: str
    limit: int
    draft: bool
    language: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    explain: bool
    def __init__(self, collection: _Optional[str] = ..., query: _Optional[str] = ..., limit: _Optional[int] = ..., draft: _Optional[bool] = ..., language: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., explain: _Optional[bool] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("passages", "answerable", "explanation")
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    ANSWERABLE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[Passage]
    answerable: bool
    explanation: SearchExplanation
    def __init__(self, passages: _Optional[_Iterable[_Union[Passage, _Mapping]]] = ..., answerable: _Optional[bool] = ..., explanation: _Optional[_Union[SearchExplanation, _Mapping]] = ...) -> None: ...

class SearchExplanation(_message.Message):
    __slots__ = ("evidence", "threshold", "lexical_share", "candidates", "added_words", "version")
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LEXICAL_SHARE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    ADDED_WORDS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    evidence: float
    threshold: float
    lexical_share: float
    candidates: int
    added_words: _containers.RepeatedScalarFieldContainer[str]
    version: int
    def __init__(self, evidence: _Optional[float] = ..., threshold: _Optional[float] = ..., lexical_share: _Optional[float] = ..., candidates: _Optional[int] = ..., added_words: _Optional[_Iterable[str]] = ..., version: _Optional[int] = ...) -> None: ...

class PassageExplanation(_message.Message):
    __slots__ = ("dense_rank", "lexical_rank", "coverage", "matched_words")
    DENSE_RANK_FIELD_NUMBER: _ClassVar[int]
    LEXICAL_RANK_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    MATCHED_WORDS_FIELD_NUMBER: _ClassVar[int]
    dense_rank: int
    lexical_rank: int
    coverage: float
    matched_words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dense_rank: _Optional[int] = ..., lexical_rank: _Optional[int] = ..., coverage: _Optional[float] = ..., matched_words: _Optional[_Iterable[str]] = ...) -> None: ...

class Passage(_message.Message):
    __slots__ = ("passage_id", "document_id", "source", "title", "headings", "text", "question", "score", "dense_score", "lexical_score", "page", "explanation")
    PASSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    HEADINGS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    DENSE_SCORE_FIELD_NUMBER: _ClassVar[int]
    LEXICAL_SCORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    passage_id: str
    document_id: str
    source: str
    title: str
    headings: _containers.RepeatedScalarFieldContainer[str]
    text: str
    question: str
    score: float
    dense_score: float
    lexical_score: float
    page: int
    explanation: PassageExplanation
    def __init__(self, passage_id: _Optional[str] = ..., document_id: _Optional[str] = ..., source: _Optional[str] = ..., title: _Optional[str] = ..., headings: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., question: _Optional[str] = ..., score: _Optional[float] = ..., dense_score: _Optional[float] = ..., lexical_score: _Optional[float] = ..., page: _Optional[int] = ..., explanation: _Optional[_Union[PassageExplanation, _Mapping]] = ...) -> None: ...

class Labels(_message.Message):
    __slots__ = ("language", "tags", "valid_from", "valid_until")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    language: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    valid_from: _timestamp_pb2.Timestamp
    valid_until: _timestamp_pb2.Timestamp
    def __init__(self, language: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., valid_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class IngestDocumentRequest(_message.Message):
    __slots__ = ("collection", "source", "title", "format", "content", "draft", "labels", "dry_run")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    source: str
    title: str
    format: DocumentFormat
    content: bytes
    draft: bool
    labels: Labels
    dry_run: bool
    def __init__(self, collection: _Optional[str] = ..., source: _Optional[str] = ..., title: _Optional[str] = ..., format: _Optional[_Union[DocumentFormat, str]] = ..., content: _Optional[bytes] = ..., draft: _Optional[bool] = ..., labels: _Optional[_Union[Labels, _Mapping]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class UploadDocumentRequest(_message.Message):
    __slots__ = ("document", "content")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    document: IngestDocumentRequest
    content: bytes
    def __init__(self, document: _Optional[_Union[IngestDocumentRequest, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class UploadDocumentResponse(_message.Message):
    __slots__ = ("document", "changed")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    document: Document
    changed: bool
    def __init__(self, document: _Optional[_Union[Document, _Mapping]] = ..., changed: _Optional[bool] = ...) -> None: ...

class IngestDocumentResponse(_message.Message):
    __slots__ = ("document", "changed")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    document: Document
    changed: bool
    def __init__(self, document: _Optional[_Union[Document, _Mapping]] = ..., changed: _Optional[bool] = ...) -> None: ...

class DeleteDocumentRequest(_message.Message):
    __slots__ = ("collection", "document_id", "draft")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    document_id: str
    draft: bool
    def __init__(self, collection: _Optional[str] = ..., document_id: _Optional[str] = ..., draft: _Optional[bool] = ...) -> None: ...

class DeleteDocumentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDocumentsRequest(_message.Message):
    __slots__ = ("collection", "page_size", "page_token", "draft")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    page_size: int
    page_token: str
    draft: bool
    def __init__(self, collection: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., draft: _Optional[bool] = ...) -> None: ...

class ListDocumentsResponse(_message.Message):
    __slots__ = ("documents", "next_page_token")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    next_page_token: str
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("document_id", "collection", "source", "title", "format", "passage_count", "updated_at", "labels", "published")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    collection: str
    source: str
    title: str
    format: DocumentFormat
    passage_count: int
    updated_at: _timestamp_pb2.Timestamp
    labels: Labels
    published: bool
    def __init__(self, document_id: _Optional[str] = ..., collection: _Optional[str] = ..., source: _Optional[str] = ..., title: _Optional[str] = ..., format: _Optional[_Union[DocumentFormat, str]] = ..., passage_count: _Optional[int] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Union[Labels, _Mapping]] = ..., published: _Optional[bool] = ...) -> None: ...

class GetDocumentRequest(_message.Message):
    __slots__ = ("collection", "document_id", "draft", "limit")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    document_id: str
    draft: bool
    limit: int
    def __init__(self, collection: _Optional[str] = ..., document_id: _Optional[str] = ..., draft: _Optional[bool] = ..., limit: _Optional[int] = ...) -> None: ...

class GetDocumentResponse(_message.Message):
    __slots__ = ("passages",)
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[Passage]
    def __init__(self, passages: _Optional[_Iterable[_Union[Passage, _Mapping]]] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "document_count", "passage_count", "published_version", "draft_document_count", "draft_passage_count", "changed", "question_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_VERSION_FIELD_NUMBER: _ClassVar[int]
    DRAFT_DOCUMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DRAFT_PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    QUESTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    document_count: int
    passage_count: int
    published_version: int
    draft_document_count: int
    draft_passage_count: int
    changed: bool
    question_count: int
    def __init__(self, name: _Optional[str] = ..., document_count: _Optional[int] = ..., passage_count: _Optional[int] = ..., published_version: _Optional[int] = ..., draft_document_count: _Optional[int] = ..., draft_passage_count: _Optional[int] = ..., changed: _Optional[bool] = ..., question_count: _Optional[int] = ...) -> None: ...

class CalibrateCollectionRequest(_message.Message):
    __slots__ = ("collection", "questions", "dry_run")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    questions: _containers.RepeatedCompositeFieldContainer[TestQuestion]
    dry_run: bool
    def __init__(self, collection: _Optional[str] = ..., questions: _Optional[_Iterable[_Union[TestQuestion, _Mapping]]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class TestQuestion(_message.Message):
    __slots__ = ("question", "expected", "category")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    question: str
    expected: _containers.RepeatedScalarFieldContainer[str]
    category: str
    def __init__(self, question: _Optional[str] = ..., expected: _Optional[_Iterable[str]] = ..., category: _Optional[str] = ...) -> None: ...

class CalibrateCollectionResponse(_message.Message):
    __slots__ = ("threshold", "answerable_kept", "unanswerable_refused", "recall_at_1", "recall_at_5")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ANSWERABLE_KEPT_FIELD_NUMBER: _ClassVar[int]
    UNANSWERABLE_REFUSED_FIELD_NUMBER: _ClassVar[int]
    RECALL_AT_1_FIELD_NUMBER: _ClassVar[int]
    RECALL_AT_5_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    answerable_kept: float
    unanswerable_refused: float
    recall_at_1: float
    recall_at_5: float
    def __init__(self, threshold: _Optional[float] = ..., answerable_kept: _Optional[float] = ..., unanswerable_refused: _Optional[float] = ..., recall_at_1: _Optional[float] = ..., recall_at_5: _Optional[float] = ...) -> None: ...

class PublishCollectionRequest(_message.Message):
    __slots__ = ("collection", "force")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    force: bool
    def __init__(self, collection: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class PublishCollectionResponse(_message.Message):
    __slots__ = ("version", "published", "evaluation", "changes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    version: int
    published: bool
    evaluation: EvaluateCollectionResponse
    changes: _containers.RepeatedCompositeFieldContainer[DocumentChange]
    def __init__(self, version: _Optional[int] = ..., published: _Optional[bool] = ..., evaluation: _Optional[_Union[EvaluateCollectionResponse, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[DocumentChange, _Mapping]]] = ...) -> None: ...

class RollbackCollectionRequest(_message.Message):
    __slots__ = ("collection", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    version: int
    def __init__(self, collection: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class RollbackCollectionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class DiscardDraftRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class DiscardDraftResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DiffCollectionRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class DiffCollectionResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[DocumentChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[DocumentChange, _Mapping]]] = ...) -> None: ...

class DocumentChange(_message.Message):
    __slots__ = ("source", "kind", "passages_added", "passages_removed")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_ADDED_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_REMOVED_FIELD_NUMBER: _ClassVar[int]
    source: str
    kind: str
    passages_added: int
    passages_removed: int
    def __init__(self, source: _Optional[str] = ..., kind: _Optional[str] = ..., passages_added: _Optional[int] = ..., passages_removed: _Optional[int] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[Version]
    def __init__(self, versions: _Optional[_Iterable[_Union[Version, _Mapping]]] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("number", "published_at", "document_count", "passage_count", "current", "figures")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    number: int
    published_at: _timestamp_pb2.Timestamp
    document_count: int
    passage_count: int
    current: bool
    figures: Figures
    def __init__(self, number: _Optional[int] = ..., published_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., document_count: _Optional[int] = ..., passage_count: _Optional[int] = ..., current: _Optional[bool] = ..., figures: _Optional[_Union[Figures, _Mapping]] = ...) -> None: ...

class SetTestQuestionsRequest(_message.Message):
    __slots__ = ("collection", "questions")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    questions: _containers.RepeatedCompositeFieldContainer[TestQuestion]
    def __init__(self, collection: _Optional[str] = ..., questions: _Optional[_Iterable[_Union[TestQuestion, _Mapping]]] = ...) -> None: ...

class SetTestQuestionsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTestQuestionsRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class ListTestQuestionsResponse(_message.Message):
    __slots__ = ("questions",)
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    questions: _containers.RepeatedCompositeFieldContainer[TestQuestion]
    def __init__(self, questions: _Optional[_Iterable[_Union[TestQuestion, _Mapping]]] = ...) -> None: ...

class EvaluateCollectionRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class EvaluateCollectionResponse(_message.Message):
    __slots__ = ("draft", "published", "regressions", "lost_questions")
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    REGRESSIONS_FIELD_NUMBER: _ClassVar[int]
    LOST_QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    draft: _containers.RepeatedCompositeFieldContainer[Figures]
    published: _containers.RepeatedCompositeFieldContainer[Figures]
    regressions: _containers.RepeatedScalarFieldContainer[str]
    lost_questions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, draft: _Optional[_Iterable[_Union[Figures, _Mapping]]] = ..., published: _Optional[_Iterable[_Union[Figures, _Mapping]]] = ..., regressions: _Optional[_Iterable[str]] = ..., lost_questions: _Optional[_Iterable[str]] = ...) -> None: ...

class Figures(_message.Message):
    __slots__ = ("category", "questions", "recall_at_1", "recall_at_5", "recall_at_10", "mrr_at_10", "ndcg_at_10", "answerable_kept", "unanswerable_refused", "no_answer_precision")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    RECALL_AT_1_FIELD_NUMBER: _ClassVar[int]
    RECALL_AT_5_FIELD_NUMBER: _ClassVar[int]
    RECALL_AT_10_FIELD_NUMBER: _ClassVar[int]
    MRR_AT_10_FIELD_NUMBER: _ClassVar[int]
    NDCG_AT_10_FIELD_NUMBER: _ClassVar[int]
    ANSWERABLE_KEPT_FIELD_NUMBER: _ClassVar[int]
    UNANSWERABLE_REFUSED_FIELD_NUMBER: _ClassVar[int]
    NO_ANSWER_PRECISION_FIELD_NUMBER: _ClassVar[int]
    category: str
    questions: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mrr_at_10: float
    ndcg_at_10: float
    answerable_kept: float
    unanswerable_refused: float
    no_answer_precision: float
    def __init__(self, category: _Optional[str] = ..., questions: _Optional[int] = ..., recall_at_1: _Optional[float] = ..., recall_at_5: _Optional[float] = ..., recall_at_10: _Optional[float] = ..., mrr_at_10: _Optional[float] = ..., ndcg_at_10: _Optional[float] = ..., answerable_kept: _Optional[float] = ..., unanswerable_refused: _Optional[float] = ..., no_answer_precision: _Optional[float] = ...) -> None: ...

class SetWordsRequest(_message.Message):
    __slots__ = ("collection", "groups")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    groups: _containers.RepeatedCompositeFieldContainer[WordGroup]
    def __init__(self, collection: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[WordGroup, _Mapping]]] = ...) -> None: ...

class SetWordsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WordGroup(_message.Message):
    __slots__ = ("words",)
    WORDS_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, words: _Optional[_Iterable[str]] = ...) -> None: ...

class ListWordsRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class ListWordsResponse(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[WordGroup]
    def __init__(self, groups: _Optional[_Iterable[_Union[WordGroup, _Mapping]]] = ...) -> None: ...

class ClusterQuestionsRequest(_message.Message):
    __slots__ = ("collection", "questions")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    questions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, collection: _Optional[str] = ..., questions: _Optional[_Iterable[str]] = ...) -> None: ...

class ClusterQuestionsResponse(_message.Message):
    __slots__ = ("clusters",)
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    clusters: _containers.RepeatedCompositeFieldContainer[QuestionCluster]
    def __init__(self, clusters: _Optional[_Iterable[_Union[QuestionCluster, _Mapping]]] = ...) -> None: ...

class QuestionCluster(_message.Message):
    __slots__ = ("questions", "nearest", "answerable")
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    ANSWERABLE_FIELD_NUMBER: _ClassVar[int]
    questions: _containers.RepeatedScalarFieldContainer[str]
    nearest: Passage
    answerable: bool
    def __init__(self, questions: _Optional[_Iterable[str]] = ..., nearest: _Optional[_Union[Passage, _Mapping]] = ..., answerable: _Optional[bool] = ...) -> None: ...
