"""Reads FAQ sheets: CSV with a header row that names the columns question, answer and similar questions."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.passages import Passage

MAX_ROWS = 10_000
MAX_QUESTION_CHARACTERS = 500
MAX_ANSWER_CHARACTERS = 8_000
MAX_SIMILAR = 50

_QUESTION = {"question", "q", "faq", "问题", "问", "标准问题", "标准问", "主问题", "标题"}
_ANSWER = {"answer", "a", "reply", "答案", "答", "回答", "回复", "标准答案", "答复"}
_SIMILAR = re.compile(r"(similar|variants?|aliases|相似|扩展)[a-z _]*(问题|问法|问)?\d*|(其他|其它)问法\d*")
_SEPARATOR = re.compile(r"[\n|｜;；]+")
# As many faults as a person mends in one go.
_REPORTED_FAULTS = 5


@dataclass(frozen=True)
class Columns:
    """Where a sheet has its questions, answers and similar questions, from 0."""

    question: int
    answer: int
    similar: tuple[int, ...]


def read_faq(text: str) -> list[Passage]:
    """One passage for each row, in order; InvalidDocumentError names the wrong rows (the header is row 1)."""
    rows = _rows(text)
    return read_rows(_columns(next(rows)[1]), rows)


def read_rows(columns: Columns, rows: Iterable[tuple[int, Sequence[str]]]) -> list[Passage]:
    """One passage for each numbered row; InvalidDocumentError names the wrong rows."""
    entries: dict[Passage, None] = {}
    faults: list[str] = []
    for number, row in rows:
        try:
            entry = _entry(row, columns)
        except ValueError as error:
            faults.append(f"row {number}: {error}")
            continue
        if entry:
            entries[entry] = None
    if faults:
        more = f"; and {len(faults) - _REPORTED_FAULTS} rows more" * (len(faults) > _REPORTED_FAULTS)
        raise InvalidDocumentError("; ".join(faults[:_REPORTED_FAULTS]) + more)
    if not entries:
        raise InvalidDocumentError("The sheet has a header and no rows")
    return list(entries)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows as a spreadsheet shows them; the separator is the header's: comma, semicolon or tab."""
    header = text.lstrip("\n").split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text.lstrip("\n"), newline=""), delimiter=separator, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if number > MAX_ROWS + 1:
                raise InvalidDocumentError(f"The sheet has more than {MAX_ROWS:,} rows: split it")
            yield number, [cell.strip() for cell in row]
    except csv.Error as error:
        raise InvalidDocumentError(f"row {number + 1}: {error} (check the quotation marks)") from None


def find_columns(header: Sequence[str]) -> Columns | None:
    """Which columns hold what, by the header's names; None when it is not that of an FAQ sheet."""
    names = [re.sub(r"[\s（(].*$", "", name.lower()) if name else "" for name in header]
    question = next((index for index, name in enumerate(names) if name in _QUESTION), None)
    answer = next((index for index, name in enumerate(names) if name in _ANSWER), None)
    if question is None or answer is None:
        return None
    similar = (index for index, name in enumerate(names) if _SIMILAR.fullmatch(name))
    return Columns(question, answer, tuple(similar))


def _columns(header: Sequence[str]) -> Columns:
    columns = find_columns(header)
    if columns is None:
        raise InvalidDocumentError(
            "row 1: the header must name the columns question and answer (问题 and 答案); "
            f"it has {', '.join(repr(name[:20]) for name in header[:8])}"
        )
    return columns


def _entry(row: Sequence[str], columns: Columns) -> Passage | None:
    """The row's entry, None for a blank row; ValueError says what is wrong."""
    if not any(row):
        return None
    question = _cell(row, columns.question, "question", MAX_QUESTION_CHARACTERS)
    answer = _cell(row, columns.answer, "answer", MAX_ANSWER_CHARACTERS)
    phrasings = [
        phrasing.strip()
        for index in columns.similar
        for phrasing in _SEPARATOR.split(row[index] if index < len(row) else "")
    ]
    similar = tuple(dict.fromkeys(p for p in phrasings if p and p != question))
    if len(similar) > MAX_SIMILAR:
        raise ValueError(f"has {len(similar)} similar questions, at most {MAX_SIMILAR} are allowed")
    if any(len(phrasing) > MAX_QUESTION_CHARACTERS for phrasing in similar):
        raise ValueError(f"a similar question has more than {MAX_QUESTION_CHARACTERS:,} characters")
    return Passage(text=answer, question=question, similar=similar)


def _cell(row: Sequence[str], index: int, name: str, limit: int) -> str:
    value = row[index] if index < len(row) else ""
    if not value:
        raise ValueError(f"the {name} is empty")
    if len(value) > limit:
        raise ValueError(f"the {name} has {len(value):,} characters, at most {limit:,} are allowed")
    return value
