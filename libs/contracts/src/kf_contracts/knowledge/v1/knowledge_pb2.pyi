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
DOCUMENT_FORMAT_UNSPECIFIED: DocumentFormat
DOCUMENT_FORMAT_MARKDOWN: DocumentFormat
DOCUMENT_FORMAT_TEXT: DocumentFormat
DOCUMENT_FORMAT_FAQ_CSV: DocumentFormat

class SearchRequest(_message.Message):
    __slots__ = ("collection", "query", "limit")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    query: str
    limit: int
    def __init__(self, collection: _Optional[str] = ..., query: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("passages", "answerable")
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    ANSWERABLE_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[Passage]
    answerable: bool
    def __init__(self, passages: _Optional[_Iterable[_Union[Passage, _Mapping]]] = ..., answerable: _Optional[bool] = ...) -> None: ...

class Passage(_message.Message):
    __slots__ = ("passage_id", "document_id", "source", "title", "headings", "text", "question", "score", "dense_score", "lexical_score")
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
    def __init__(self, passage_id: _Optional[str] = ..., document_id: _Optional[str] = ..., source: _Optional[str] = ..., title: _Optional[str] = ..., headings: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., question: _Optional[str] = ..., score: _Optional[float] = ..., dense_score: _Optional[float] = ..., lexical_score: _Optional[float] = ...) -> None: ...

class IngestDocumentRequest(_message.Message):
    __slots__ = ("collection", "source", "title", "format", "content")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    source: str
    title: str
    format: DocumentFormat
    content: bytes
    def __init__(self, collection: _Optional[str] = ..., source: _Optional[str] = ..., title: _Optional[str] = ..., format: _Optional[_Union[DocumentFormat, str]] = ..., content: _Optional[bytes] = ...) -> None: ...

class IngestDocumentResponse(_message.Message):
    __slots__ = ("document", "changed")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    document: Document
    changed: bool
    def __init__(self, document: _Optional[_Union[Document, _Mapping]] = ..., changed: _Optional[bool] = ...) -> None: ...

class DeleteDocumentRequest(_message.Message):
    __slots__ = ("collection", "document_id")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    collection: str
    document_id: str
    def __init__(self, collection: _Optional[str] = ..., document_id: _Optional[str] = ...) -> None: ...

class DeleteDocumentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDocumentsRequest(_message.Message):
    __slots__ = ("collection", "page_size", "page_token")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    page_size: int
    page_token: str
    def __init__(self, collection: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDocumentsResponse(_message.Message):
    __slots__ = ("documents", "next_page_token")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    next_page_token: str
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("document_id", "collection", "source", "title", "format", "passage_count", "updated_at")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    collection: str
    source: str
    title: str
    format: DocumentFormat
    passage_count: int
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, document_id: _Optional[str] = ..., collection: _Optional[str] = ..., source: _Optional[str] = ..., title: _Optional[str] = ..., format: _Optional[_Union[DocumentFormat, str]] = ..., passage_count: _Optional[int] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "document_count", "passage_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    document_count: int
    passage_count: int
    def __init__(self, name: _Optional[str] = ..., document_count: _Optional[int] = ..., passage_count: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("question", "expected")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    question: str
    expected: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, question: _Optional[str] = ..., expected: _Optional[_Iterable[str]] = ...) -> None: ...

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
