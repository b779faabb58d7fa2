"""Turns a document's bytes into passages; each format has a module of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from kf_knowledge.content import InvalidDocumentError, check_kind, decode
from kf_knowledge.faq import read_faq
from kf_knowledge.passages import Format, Passage
from kf_knowledge.prose import first_heading, packed, read_markdown, read_text

MAX_PASSAGES = 20_000
CRAFTED = frozenset({Format.HTML, Format.PDF, Format.DOCX, Format.XLSX, Format.PPTX})
"""Formats whose parsers may crash or swell on a crafted file: they are read in the sandbox."""


@dataclass(frozen=True)
class Reading:
    """What a document says: its own title, which may be empty, and its passages."""

    title: str
    passages: Sequence[Passage]


def read_bytes(kind: Format, content: bytes) -> Reading:
    """Reads a document; InvalidDocumentError says what is wrong with it, and where."""
    check_kind(kind, content)
    title, passages = _read(kind, content)
    if not passages:
        raise InvalidDocumentError("The document has headings only, no text")
    if len(passages) > MAX_PASSAGES:
        raise InvalidDocumentError(
            f"The document makes {len(passages):,} passages, at most {MAX_PASSAGES:,} are allowed: split it"
        )
    return Reading(title, passages)


def _read(kind: Format, content: bytes) -> tuple[str, Sequence[Passage]]:
    """Parsers are loaded when they are needed: a sandbox lives for one document."""
    if kind is Format.MARKDOWN:
        text = decode(content)
        return first_heading(text), read_markdown(text)
    if kind is Format.TEXT:
        return "", read_text(decode(content))
    if kind is Format.FAQ_CSV:
        return "", read_faq(decode(content))
    if kind is Format.XLSX:
        from kf_knowledge.sheet import read_xlsx

        return read_xlsx(content)
    if kind is Format.HTML:
        from kf_knowledge.web_page import read_html as read_blocks
    elif kind is Format.PDF:
        from kf_knowledge.pdf import read_pdf as read_blocks
    elif kind is Format.DOCX:
        from kf_knowledge.word import read_docx as read_blocks
    else:
        from kf_knowledge.slides import read_pptx as read_blocks
    title, blocks = read_blocks(content)
    return title, packed(blocks)
