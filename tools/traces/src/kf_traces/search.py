"""What someone asks of the list of traces, and how the words of a search are read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MAX_TIME_NS = 2**63 - 1
MAX_WORDS = 8
_PAIR = re.compile(r"(?P<key>[A-Za-z_][\w.\-]*)=(?P<value>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Conditions that all must hold; before is an exclusive start time in Unix nanoseconds.

    unanswered: a customer message in the trace has no answer that WeCom accepted whole.
    text: words parted by spaces. A word is `key=value`, or an attribute value such as an id, or any text.
    """

    text: str = ""
    service: str | None = None
    account: str | None = None
    unanswered: bool = False
    status: str | None = None
    min_ns: int = 0
    before: int = MAX_TIME_NS
    limit: int = 100


class Words(NamedTuple):
    """The words of a search: key=value pairs, and everything else."""

    pairs: list[tuple[str, str]]
    free: list[str]


def read_words(text: str) -> Words:
    """Split a search into its first MAX_WORDS words."""
    words = Words([], [])
    for word in text.split()[:MAX_WORDS]:
        if match := _PAIR.fullmatch(word):
            words.pairs.append((match["key"], match["value"]))
        else:
            words.free.append(word)
    return words


def like_patterns(words: Iterable[str]) -> list[str]:
    r"""SQL LIKE patterns (escape character \) that find each word anywhere."""
    return ["%" + re.sub(r"([\\%_])", r"\\\1", word) + "%" for word in words]
