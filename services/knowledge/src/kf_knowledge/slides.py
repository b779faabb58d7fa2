"""Reads PowerPoint files (.pptx): the slides' titles as headings, texts, tables, pictures' words, notes."""

import io
from collections.abc import Iterator
from typing import Any

import pptx

from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.office import check_package, markdown_table
from kf_knowledge.prose import HEADING_CHARACTERS, Block

MAX_SLIDES, _MAX_SHAPES, _MAX_DEPTH = 2_000, 2_000, 10


def read_pptx(content: bytes) -> tuple[str, list[Block]]:
    """The presentation's title and its blocks; a slide's number is their page."""
    check_package(content, "ppt/presentation.xml")
    try:
        presentation = pptx.Presentation(io.BytesIO(content))
    except (KeyError, ValueError, AttributeError, SyntaxError) as error:
        raise InvalidDocumentError(f"The PowerPoint file is damaged ({type(error).__name__})") from None
    if len(presentation.slides) > MAX_SLIDES:
        raise InvalidDocumentError(f"The file has more than {MAX_SLIDES:,} slides: split it")
    blocks = [
        block for number, slide in enumerate(presentation.slides, start=1) for block in _slide(slide, number)
    ]
    return str(presentation.core_properties.title or "")[:HEADING_CHARACTERS], blocks


def _slide(slide: Any, number: int) -> Iterator[Block]:
    title_shape = slide.shapes.title
    title = " ".join(title_shape.text_frame.text.split()) if title_shape is not None else ""
    headings = (title[:HEADING_CHARACTERS],) if title else ()
    skipped = title_shape.shape_id if title_shape is not None else None
    found = False
    for shape in _shapes(slide.shapes, 0):
        if shape.shape_id == skipped:
            continue
        for text, lead in _texts(shape):
            found = True
            yield Block(text, headings, lead, number)
    if slide.has_notes_slide:
        notes = slide.notes_slide.notes_text_frame
        if notes is not None and notes.text.strip():
            found = True
            yield Block(notes.text.strip(), headings, page=number)
    if title and not found:
        yield Block(title, page=number)


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    for count, shape in enumerate(shapes):
        if count >= _MAX_SHAPES:
            raise InvalidDocumentError(f"A slide has more than {_MAX_SHAPES:,} shapes")
        if hasattr(shape, "shapes") and depth < _MAX_DEPTH:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _texts(shape: Any) -> Iterator[tuple[str, str]]:
    if getattr(shape, "has_table", False):
        rows = [[cell.text.strip() for cell in row.cells] for row in shape.table.rows]
        if any(any(row) for row in rows):
            yield markdown_table(rows)
    elif shape.has_text_frame and shape.text_frame.text.strip():
        yield shape.text_frame.text.replace("\x0b", "\n").strip(), ""
    else:
        described = str(shape._element._nvXxPr.cNvPr.get("descr") or "").strip()
        if described:
            yield described, ""
