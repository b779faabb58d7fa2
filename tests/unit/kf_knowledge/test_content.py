"""Bytes to text: the encodings of real files, and a clear word about what is not text."""

import pytest
from kf_knowledge.content import MAX_BYTES, InvalidDocumentError, check_kind, decode, format_of
from kf_knowledge.passages import Format

TEXT = "问题,答案\n扫地机器人 X2 Pro 多少钱？,2999 元\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
def test_encodings_of_real_files_are_understood(encoding: str) -> None:
    assert decode(TEXT.replace("\n", "\r\n").encode(encoding)) == TEXT


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", "\u3000\n".encode()])
def test_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidDocumentError, match="empty"):
        decode(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\x00b", "NUL"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe\xfd", "neither UTF-8 nor GB18030"),
        ("Größe über alles — déjà vu, garçon".encode("latin-1", "replace"), "neither UTF-8 nor GB18030"),
        (b"\xff\xfe\x00", "neither"),
        (b"x" * (MAX_BYTES + 1), "at most 4,194,304"),
    ],
)
def test_what_is_not_text_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidDocumentError, match=reason):
        decode(content)


def test_format_follows_the_ending() -> None:
    names = ["faq.CSV", "https://a.example/guide.md", "说明.txt", "a.markdown"]
    assert [format_of(n) for n in names] == [Format.FAQ_CSV, Format.MARKDOWN, Format.TEXT, Format.MARKDOWN]
    with pytest.raises(InvalidDocumentError, match=r"unknown: name it \.md"):
        format_of("手册.doc")


@pytest.mark.parametrize("content", [b"PK\x03\x04rest of an xlsx", b"%PDF-1.7"])
def test_text_that_is_an_office_or_pdf_file_is_refused_with_the_reason(content: bytes) -> None:
    with pytest.raises(InvalidDocumentError, match="Office, PDF or ZIP"):
        check_kind(Format.MARKDOWN, content)


def test_web_address_without_an_ending_is_a_page() -> None:
    assert format_of("https://a.example/help") is Format.HTML
