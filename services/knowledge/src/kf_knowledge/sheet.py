"""Reads Excel files (.xlsx): a sheet with the columns of an FAQ as one, any other as a table."""

import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import openpyxl

from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.faq import MAX_ROWS, find_columns, read_rows
from kf_knowledge.office import check_package, markdown_table
from kf_knowledge.passages import Passage
from kf_knowledge.prose import Block, packed

MAX_COLUMNS = 100
MAX_CELL = 32_767  # Excel's own limit
_HEADER_WITHIN = 10


def read_xlsx(content: bytes) -> tuple[str, list[Passage]]:
    """No title, and the passages of all sheets."""
    check_package(content, "xl/workbook.xml")
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    except (KeyError, ValueError, TypeError, AttributeError, SyntaxError) as error:
        raise InvalidDocumentError(f"The Excel file is damaged ({type(error).__name__})") from None
    passages: list[Passage] = []
    for sheet in book.worksheets:
        try:
            rows = list(_rows(sheet))
        except (KeyError, ValueError, TypeError, SyntaxError) as error:
            raise InvalidDocumentError(f"sheet {sheet.title!r} is damaged ({type(error).__name__})") from None
        passages += _passages(sheet.title, rows)
    if not passages:
        raise InvalidDocumentError("The Excel file has no rows")
    return "", passages


def _passages(title: str, rows: Sequence[tuple[int, list[str]]]) -> list[Passage]:
    for index, (_, row) in enumerate(rows[:_HEADER_WITHIN]):
        columns = find_columns(row)
        if columns:
            try:
                return read_rows(columns, rows[index + 1 :])
            except InvalidDocumentError as error:
                raise InvalidDocumentError(f"sheet {title!r}, {error}") from None
    if not rows:
        return []
    text, head = markdown_table([row for _, row in rows])
    return packed([Block(text, (title,), head)])


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows that hold something, without blank columns at the end."""
    rows = sheet.iter_rows(max_col=MAX_COLUMNS, max_row=MAX_ROWS + _HEADER_WITHIN + 1, values_only=True)
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS + _HEADER_WITHIN:
            raise InvalidDocumentError(f"sheet {sheet.title!r} has more than {MAX_ROWS:,} rows: split it")
        cells = ["" if value is None else str(value).strip() for value in row]
        if any(len(cell) > MAX_CELL for cell in cells):
            raise InvalidDocumentError(
                f"sheet {sheet.title!r}, row {number}: a cell has more than {MAX_CELL:,} characters"
            )
        if any(cells):
            blank = sum(1 for _ in itertools.takewhile(lambda cell: not cell, reversed(cells)))
            yield number, cells[: len(cells) - blank]
