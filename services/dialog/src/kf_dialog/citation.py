"""The marks by which the model says what an answer rests on: read, checked, taken out."""

import re
from collections.abc import Collection
from typing import NamedTuple

_ID = r"[pta]\d{1,3}"
_GAP = r"\s{0,3}"
_LABEL = rf"(?:\^|(?:passage|source|ref|id|资料|来源|出处|参考|依据|见){_GAP}[:：=#]?{_GAP}){{0,2}}"
_LIST = rf"{_GAP}{_LABEL}{_ID}(?:{_GAP}[,，、;；/&和]{_GAP}{_LABEL}{_ID}){{0,20}}{_GAP}"
_MARK = re.compile(
    rf"[ \t]{{0,2}}(?:\[{{1,2}}{_LIST}\]{{1,2}}|【{_LIST}】|［{_LIST}］|[(（]{_LIST}[)）])", re.IGNORECASE
)
_ONE = re.compile(_ID, re.IGNORECASE)
_TAG = re.compile(r"</?(?:passage|tool_result)\b[^<>]{0,200}>", re.IGNORECASE)


class Cited(NamedTuple):
    """A reply without its marks."""

    text: str
    ids: tuple[str, ...]
    """What it rests on, of what the model was given, in order of mention."""
    unknown: int
    """How many marks name something that the model was never given."""


def read_citations(reply: str, known: Collection[str]) -> Cited:
    """Take out `[[p1]]`, `[p1]`, `【p1、p2】`, `(来源：p1)` and the like; in round ones known ids."""
    ids: dict[str, None] = {}
    unknown = 0

    def take(mark: re.Match[str]) -> str:
        nonlocal unknown
        named = [name.lower() for name in _ONE.findall(mark[0])]
        real = [name for name in named if name in known]
        # 【P30】 may be a product.
        is_mark = real or (mark[0].strip()[0] in "[【［" and _ONE.findall(mark[0])[0].islower())
        if not is_mark:
            return mark[0]
        unknown += len(named) - len(real)
        ids.update(dict.fromkeys(real))
        return ""

    text = _MARK.sub(take, _TAG.sub("", reply))
    return Cited(text, tuple(ids), unknown)
