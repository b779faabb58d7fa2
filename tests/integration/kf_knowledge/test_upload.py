"""Documents in pieces over the real service: limits hold while they come, labels and dry runs are kept."""

from collections.abc import Iterator

import grpc
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from kf_contracts.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub

from tests.fakes import office_files as made
from tests.integration.kf_knowledge.test_service import document, fails, knowledge

__all__ = ["knowledge"]

SHEET = made.excel({"问答": [("问题", "答案"), ("保修多久", "两年"), ("怎么退货", "七天无理由")]})


def upload(head: pb.IngestDocumentRequest | None, *pieces: bytes) -> Iterator[pb.UploadDocumentRequest]:
    if head is not None:
        yield pb.UploadDocumentRequest(document=head)
    for piece in pieces:
        yield pb.UploadDocumentRequest(content=piece)


async def test_upload_in_pieces_with_labels_dry_run_and_limits(knowledge: KnowledgeServiceStub) -> None:
    labels = pb.Labels(tags=["vip"])
    head = document(b"", source="faq.xlsx", dry_run=True, labels=labels)
    pieces = [SHEET[start : start + 1000] for start in range(0, len(SHEET), 1000)]
    tried = await knowledge.UploadDocument(upload(head, *pieces))
    assert (tried.changed, tried.document.passage_count, tried.document.published) == (True, 2, False)
    assert not (await knowledge.ListCollections(pb.ListCollectionsRequest())).collections

    head.dry_run = False
    stored = await knowledge.UploadDocument(upload(head, *pieces))
    assert (stored.changed, stored.document.published) == (True, True)
    assert list(stored.document.labels.tags) == ["vip"]
    assert stored.document.labels.language == "zh"
    search = pb.SearchRequest(collection="shop", query="保修几年", tags=["vip"], explain=True)
    found = await knowledge.Search(search)
    assert found.passages[0].text == "两年"
    assert (found.passages[0].explanation.dense_rank, found.explanation.version) == (1, 1)
    search.tags[:] = ["other"]
    assert not (await knowledge.Search(search)).passages

    piece = b"x" * 1024 * 1024
    for reason, parts in {
        "document: is missing": upload(None, b"x"),
        "content: at most 33,554,432 bytes": upload(document(b"", source="a.pdf"), *[piece] * 33),
        "document: must come once": upload(document(b"x")),
        "source: must be": upload(document(b"", source="")),
        "language: must be a code": upload(document(b"", labels=pb.Labels(language="中文"))),
        "no PDF file, whatever its name says": upload(document(b"", source="a.pdf"), b"MZ"),
    }.items():
        code, details = await fails(knowledge.UploadDocument(parts))
        assert (code, reason in details) == (grpc.StatusCode.INVALID_ARGUMENT, True), (reason, details)
