"""Cuts a text into as few messages as fit WeCom's byte limit, at the borders where a reader expects them."""

import re
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import regex

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'，。；！？、（）《》【】“”]+", re.IGNORECASE)
_CLUSTER = regex.compile(r"\X")
_SENTENCE_END = frozenset("。！？!?…")
_CLAUSE_END = frozenset("，、；：,;:")
_CLOSING = frozenset("”’」』）)】》〉]}\"'")


class Border(IntEnum):
    """How good a place for a cut is; smaller is better."""

    PARAGRAPH = 0
    LINE = 1
    SENTENCE = 2
    CLAUSE = 3
    WORD = 4
    CLUSTER = 5
    """Inside a word, between two grapheme clusters: only when nothing else is in reach."""


@dataclass(frozen=True, slots=True)
class Atom:
    """What is never cut: a grapheme cluster or a URL that fits; `border` is the place right behind it."""

    start: int
    end: int
    first_byte: int
    last_byte: int
    """Offsets in UTF-8; white space between atoms belongs to none."""
    border: Border


def split(text: str, limit: int) -> list[str]:
    """The parts of a text, each at most `limit` bytes of UTF-8, in the fewest parts; [] for a blank text.

    Only white space at the cuts is lost. A URL longer than a part is cut like a word, and a cluster longer
    than a part between its code points. `limit` is at least 4, the longest code point.
    """
    atoms = _atoms(text, limit)
    cuts = _cuts(atoms, limit)
    return [text[atoms[first].start : atoms[last - 1].end] for first, last in pairwise([0, *cuts])]


def shorten(text: str, limit: int) -> str:
    """The longest beginning of a text within `limit` bytes that ends with a sentence or a line.

    Without such an end in its second half, the best other border.
    """
    atoms = _atoms(text, limit)
    reach = _reach(atoms, 0, limit)
    if reach == len(atoms):
        return text.strip()
    good = [i for i in range(max(reach // 2, 1), reach + 1) if atoms[i - 1].border <= Border.SENTENCE]
    best = good[-1] if good else _best(atoms, max(reach // 2, 1), reach)
    return text[atoms[0].start : atoms[best - 1].end] if atoms else ""


def _cuts(atoms: list[Atom], limit: int) -> list[int]:
    """Where each part ends, as an index into the atoms: the fewest parts, and among those the best borders.

    Walking back from the end gives for each part the earliest place where it may end without one more part
    behind it; between that and its own limit the best border is taken.
    """
    earliest = _earliest(atoms, limit)
    cuts: list[int] = []
    start = 0
    for least in earliest:
        start = _best(atoms, least, _reach(atoms, start, limit))
        cuts.append(start)
    return cuts


def _earliest(atoms: list[Atom], limit: int) -> list[int]:
    """For part 1, 2 ... of the fewest possible: the earliest end from which the rest still fits."""
    ends: list[int] = []
    end = len(atoms)
    while end:
        ends.append(end)
        first = end - 1
        while first and _size(atoms, first - 1, end) <= limit:
            first -= 1
        end = first
    return ends[::-1]


def _reach(atoms: list[Atom], start: int, limit: int) -> int:
    """The furthest end of a part that starts at `start`."""
    end = start
    while end < len(atoms) and _size(atoms, start, end + 1) <= limit:
        end += 1
    return end


def _best(atoms: list[Atom], least: int, most: int) -> int:
    """The best border in least..most; of equal ones the last."""
    if most == len(atoms):
        return most
    return min(range(least, most + 1), key=lambda end: (atoms[end - 1].border, -end))


def _size(atoms: list[Atom], first: int, end: int) -> int:
    return atoms[end - 1].last_byte - atoms[first].first_byte


def _atoms(text: str, limit: int) -> list[Atom]:
    spans = [span for span in _spans(text, limit) if not text[span[0] : span[1]].isspace()]
    atoms: list[Atom] = []
    offset, position = 0, 0
    for index, (start, end) in enumerate(spans):
        following = spans[index + 1][0] if index + 1 < len(spans) else len(text)
        first = offset + len(text[position:start].encode())
        offset, position = first + len(text[start:end].encode()), end
        atoms.append(Atom(start, end, first, offset, _border(text, start, end, following)))
    return atoms


def _spans(text: str, limit: int) -> list[tuple[int, int]]:
    """Clusters and URLs in order, none longer than `limit` bytes."""
    spans: list[tuple[int, int]] = []
    done = 0
    for url in _URL.finditer(text):
        if len(url.group().encode()) <= limit:
            spans += _clusters(text, done, url.start(), limit)
            spans.append(url.span())
            done = url.end()
    return spans + _clusters(text, done, len(text), limit)


def _clusters(text: str, start: int, end: int, limit: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for match in _CLUSTER.finditer(text, start, end):
        if len(match.group().encode()) <= limit:
            spans.append(match.span())
        else:
            spans += _code_points(text, *match.span(), limit)
    return spans


def _code_points(text: str, start: int, end: int, limit: int) -> list[tuple[int, int]]:
    """A cluster that fits in no part, in pieces of as many code points as fit."""
    pieces: list[tuple[int, int]] = []
    first, size = start, 0
    for position in range(start, end):
        width = len(text[position].encode())
        if size + width > limit:
            pieces.append((first, position))
            first, size = position, 0
        size += width
    return [*pieces, (first, end)]


def _border(text: str, start: int, end: int, following: int) -> Border:
    """What kind of place lies between an atom and the next one at `following`."""
    gap = text[end:following]
    lines = gap.replace("\r\n", "\n").count("\n") + gap.replace("\r\n", "\n").count("\r")
    if lines:
        return Border.PARAGRAPH if lines > 1 else Border.LINE
    return _border_in_line(text, start, end, following)


def _border_in_line(text: str, start: int, end: int, following: int) -> Border:
    here = text[end - 1]
    after = text[following : following + 1]
    if after in _CLOSING or after in _SENTENCE_END or after in _CLAUSE_END:
        # Punctuation never begins a message.
        return Border.WORD if following > end else Border.CLUSTER
    if _ends_sentence(text, start, spaced=following > end):
        return Border.SENTENCE
    if here in _CLAUSE_END and (ord(here) > 127 or following > end):
        return Border.CLAUSE
    return (
        Border.WORD
        if following > end or not (_is_alphabetic(here) and _is_alphabetic(after))
        else Border.CLUSTER
    )


def _ends_sentence(text: str, last: int, *, spaced: bool) -> bool:
    """Whether the atom that begins at `last` closes a sentence, closing quotes included."""
    while last > 0 and text[last] in _CLOSING:
        last -= 1
    if text[last] in _SENTENCE_END:
        return ord(text[last]) > 127 or spaced
    # "1. " begins a list item, "3.14" is a number.
    return text[last] == "." and spaced and not text[last - 1 : last].isdigit()


def _is_alphabetic(char: str) -> bool:
    """Letters and digits of scripts that separate words by spaces; Chinese may be cut between characters."""
    return char.isalnum() and ord(char) < 0x2E80
