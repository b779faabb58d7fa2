"""Reads PDF files: paragraphs put together from lines, running heads left out, the outline's titles."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import pypdfium2

from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.prose import HEADING_CHARACTERS, Block

MAX_PAGES = 2_000
MAX_CHARACTERS = 4_000_000
_MAX_PAGE_CHARACTERS = 100_000
_MAX_OUTLINE = 5_000
# A line at the top or bottom of this part of the pages is a running head.
_RUNNING_SHARE, _RUNNING_PAGES = 0.5, 4
_SENTENCE_END = re.compile(r"[。！？.!?;；:：]$")
_NEW_ITEM = re.compile(
    r"^([-•·●▪*]|\d{1,3}[.、)）]|[（(][一二三四五六七八九十\d]{1,3}[)）]|第.{1,6}[章节条])"
)
_CJK = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")


def read_pdf(content: bytes) -> tuple[str, list[Block]]:
    """The document's title and its blocks."""
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        why = "is encrypted: take the password off" if "assword" in str(error) else "is damaged"
        raise InvalidDocumentError(f"The PDF file {why}") from None
    if len(document) > MAX_PAGES:
        raise InvalidDocumentError(
            f"The PDF has {len(document):,} pages, at most {MAX_PAGES:,} are allowed: split it"
        )
    pages = list(_pages(document))
    if not any(pages):
        raise InvalidDocumentError("The PDF holds pictures of pages and no text: run OCR over it first")
    headings = _headings(document)
    running = _running(pages)
    blocks = [
        Block(paragraph, headings.get(number, ()), page=number)
        for number, lines in enumerate(pages, start=1)
        for paragraph in _paragraphs([line for line in lines if _shape(line) not in running])
    ]
    title = str(document.get_metadata_dict().get("Title") or "").replace("\x00", "").strip()
    return title[:HEADING_CHARACTERS], blocks


def _pages(document: pypdfium2.PdfDocument) -> Iterator[list[str]]:
    """The lines of each page."""
    total = 0
    for index in range(len(document)):
        page = document[index]
        text_page = page.get_textpage()
        characters = text_page.count_chars()
        total += characters
        if characters > _MAX_PAGE_CHARACTERS or total > MAX_CHARACTERS:
            raise InvalidDocumentError(f"page {index + 1}: holds too much text ({total:,} characters so far)")
        text = text_page.get_text_range() if characters else ""
        text_page.close()
        page.close()
        yield [line.strip() for line in text.replace("\x00", "").splitlines()]


def _headings(document: pypdfium2.PdfDocument) -> dict[int, tuple[str, ...]]:
    """The outline's titles that are open at each page."""
    path: list[str] = []
    starts: dict[int, tuple[str, ...]] = {}
    for count, item in enumerate(document.get_toc(max_depth=6)):
        if count >= _MAX_OUTLINE:
            break
        destination = item.get_dest()
        page = destination.get_index() if destination else None
        path = [*path[: item.level], item.get_title().strip()[:HEADING_CHARACTERS]]
        if page is not None:
            starts.setdefault(page + 1, tuple(filter(None, path)))
    if not starts:
        return {}
    filled: dict[int, tuple[str, ...]] = {}
    current: tuple[str, ...] = ()
    for number in range(1, len(document) + 1):
        current = starts.get(number, current)
        filled[number] = current
    return filled


def _running(pages: Sequence[Sequence[str]]) -> set[str]:
    """The shapes of lines that stand at the top or bottom of most pages."""
    counts: Counter[str] = Counter()
    written = 0
    for lines in pages:
        texts = [line for line in lines if line]
        if texts:
            written += 1
            counts.update({_shape(line) for line in (texts[0], texts[-1])})
    if written < _RUNNING_PAGES:
        return set()
    return {shape for shape, count in counts.items() if count > _RUNNING_SHARE * written}


def _shape(line: str) -> str:
    return re.sub(r"\d+", "0", line)


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Lines joined where a sentence goes on; Chinese without a blank between."""
    text = ""
    for line in lines:
        if not line or (text and (_SENTENCE_END.search(text) or _NEW_ITEM.match(line))):
            if text:
                yield text
            text = line
        elif text:
            glue = "" if _CJK.match(line[0]) and _CJK.match(text[-1]) else " "
            text = f"{text}{glue}{line}"
        else:
            text = line
    if text:
        yield text
