"""Cuts Markdown and plain text into passages along the structure, about 400 characters each."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from kf_knowledge.passages import Passage

MAX_CHARACTERS = 450
HEADING_CHARACTERS = 120
_OVERLAP = 80

_PARSER = MarkdownIt("commonmark").enable("table")
_SENTENCE = re.compile(r"[^。！？!?；;\n]*(?:[。！？!?；;]+[”’」』）)\"']*|\n|$)")
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Block:
    """A piece of a document that belongs together.

    lead: repeated when it is cut (the head of a table). page: where it stands, 0 where there are no pages.
    """

    text: str
    headings: tuple[str, ...] = ()
    lead: str = ""
    page: int = 0


def read_markdown(text: str) -> list[Passage]:
    """Passages of a Markdown document, each with the headings above it."""
    return packed(_markdown_blocks(text))


def read_text(text: str) -> list[Passage]:
    """Passages of a plain text, cut at blank lines first."""
    return packed(Block(part.strip("\n")) for part in _BLANK_LINES.split(text) if part.strip())


def first_heading(text: str) -> str:
    """The text of the first Markdown heading, empty when there is none."""
    tokens = _PARSER.parse(text)
    return next((_title(tokens, i) for i, token in enumerate(tokens) if token.type == "heading_open"), "")


def _markdown_blocks(text: str) -> Iterator[Block]:
    lines = text.split("\n")
    tokens = _PARSER.parse(text)
    path: list[tuple[int, str]] = []
    for index, token in enumerate(tokens):
        if token.level or token.map is None or token.nesting < 0:
            continue
        if token.type == "heading_open":
            level = int(token.tag[1])
            path = [*(entry for entry in path if entry[0] < level), (level, _title(tokens, index))]
            continue
        headings = tuple(title for _, title in path if title)
        for part, lead in _parts(tokens, index, lines):
            yield Block(part, headings, lead)


def _title(tokens: Sequence[Token], index: int) -> str:
    return tokens[index + 1].content.strip()[:HEADING_CHARACTERS]


def _parts(tokens: Sequence[Token], index: int, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A block's source, a list cut into its items, with the lead to repeat."""
    token = tokens[index]
    start, end = token.map or [0, 0]
    if token.type in ("bullet_list_open", "ordered_list_open"):
        for item in _children(tokens, index):
            yield _source(lines, *(item.map or [start, end])), ""
    elif token.type == "table_open":
        yield _source(lines, start, end), _source(lines, start, start + 2)
    else:
        yield _source(lines, start, end), ""


def _children(tokens: Sequence[Token], index: int) -> Iterator[Token]:
    for token in tokens[index + 1 :]:
        if token.level == 0:
            return
        if token.type == "list_item_open" and token.level == 1:
            yield token


def _source(lines: Sequence[str], start: int, end: int) -> str:
    return "\n".join(lines[start:end]).strip("\n").rstrip()


def packed(blocks: Iterable[Block]) -> list[Passage]:
    """Joins neighbours under the same headings as long as they fit, cuts what is too long."""
    passages: list[Passage] = []
    for block in blocks:
        for piece in _pieces(block):
            last = passages[-1] if passages else None
            if last and last.headings == block.headings and _fits(last.text, piece):
                passages[-1] = Passage(f"{last.text}\n{piece}", block.headings, page=last.page)
            elif piece.strip():
                passages.append(Passage(piece, block.headings, page=block.page))
    return list(dict.fromkeys(passages))


def _fits(text: str, piece: str) -> bool:
    return len(text) + 1 + len(piece) <= MAX_CHARACTERS


def _pieces(block: Block) -> Iterator[str]:
    """The block whole, or cut at lines and sentences, or at last by length."""
    if len(block.text) <= MAX_CHARACTERS:
        yield block.text
        return
    room = MAX_CHARACTERS - len(block.lead) - 1 if len(block.lead) < MAX_CHARACTERS // 2 else MAX_CHARACTERS
    lead = f"{block.lead}\n" if block.lead and room < MAX_CHARACTERS else ""
    piece = last = ""
    for sentence in _sentences(block.text.removeprefix(lead), room):
        if piece and len(piece) + len(sentence) > room:
            yield lead + piece.strip("\n")
            # What refers to the sentence before ("it", "the latter") is found with it. Rows of tables do not.
            repeated = last if not lead and len(last) <= _OVERLAP else ""
            piece = repeated if len(repeated) + len(sentence) <= room else ""
        piece += sentence
        last = sentence
    if piece.strip():
        yield lead + piece.strip("\n")


def _sentences(text: str, limit: int) -> Iterator[str]:
    for sentence in _SENTENCE.findall(text):
        for start in range(0, len(sentence), limit):
            yield sentence[start : start + limit]
