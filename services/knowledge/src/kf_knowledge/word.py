"""Reads Word files (.docx): paragraphs and tables along the headings, pictures' alternative texts."""

import io
import re
from collections.abc import Iterator

import docx
from docx.document import Document
from docx.table import Table
from docx.text.paragraph import Paragraph

from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.office import check_package, markdown_table
from kf_knowledge.prose import HEADING_CHARACTERS, Block

_MAX_ROWS = 5_000
_HEADING = re.compile(r"(?:heading|标题)\s*([1-9])", re.IGNORECASE)
_ALT = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}docPr"


def read_docx(content: bytes) -> tuple[str, list[Block]]:
    """The document's title and its blocks."""
    check_package(content, "word/document.xml")
    try:
        document = docx.Document(io.BytesIO(content))
    except (KeyError, ValueError, AttributeError, SyntaxError) as error:
        raise InvalidDocumentError(f"The Word file is damaged ({type(error).__name__})") from None
    return str(document.core_properties.title or "")[:HEADING_CHARACTERS], list(_blocks(document))


def _blocks(document: Document) -> Iterator[Block]:
    path: list[tuple[int, str]] = []
    for item in document.iter_inner_content():
        headings = tuple(title for _, title in path)
        if isinstance(item, Table):
            rows = _rows(item)
            if rows:
                text, head = markdown_table(rows)
                yield Block(text, headings, head)
            continue
        text = _text(item)
        level = _level(item)
        if not text:
            continue
        if level:
            path = [*(entry for entry in path if entry[0] < level), (level, text[:HEADING_CHARACTERS])]
        else:
            yield Block(text, headings)


def _text(paragraph: Paragraph) -> str:
    pictures = [str(node.get("descr") or "") for node in paragraph._p.iter(_ALT)]
    text = " ".join([paragraph.text, *pictures]).strip()
    is_item = paragraph.style is not None and str(paragraph.style.name).startswith("List")
    return f"- {text}" if text and is_item else text


def _level(paragraph: Paragraph) -> int:
    name = str(paragraph.style.name) if paragraph.style is not None else ""
    if name == "Title":
        return 1
    match = _HEADING.match(name)
    return int(match[1]) if match else 0


def _rows(table: Table) -> list[list[str]]:
    """The table's cells; one that spans several columns is named once."""
    rows = []
    for count, row in enumerate(table.rows):
        if count >= _MAX_ROWS:
            raise InvalidDocumentError(f"A table has more than {_MAX_ROWS:,} rows: save it as .xlsx")
        cells = {id(cell._tc): cell.text.strip() for cell in row.cells}
        if any(cells.values()):
            rows.append(list(cells.values()))
    return rows
