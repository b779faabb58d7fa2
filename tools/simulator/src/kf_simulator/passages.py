"""The passages in a prompt: fenced by the caller, read here into questions, answers and prose."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from kf_simulator.lexicon import vocabulary

_PASSAGE = re.compile(r'<passage\s+id="([^"]*)"\s+title="([^"]*)"[^>]*>(.*?)</passage>', re.DOTALL)
_FAQ = re.compile(r"^\s*问[:：](.*?)^\s*答[:：](.*?)(?=^\s*问[:：]|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^\s*#{1,6}\s.*$|^[^。！？\n]{1,80} > [^。！？\n]{1,80}$", re.MULTILINE)
_TABLE_RULE = re.compile(r"\|?[\s:|-]+\|?")


@dataclass(frozen=True)
class Unit:
    """Something that can be answered with: a question with its answer, or prose (then `asks` is empty)."""

    passage_id: str
    title: str
    asks: str
    text: str
    ask_terms: frozenset[str]
    all_terms: frozenset[str]


def read_units(prompt: str) -> list[Unit]:
    """Every unit of every passage in a prompt, in order."""
    units: list[Unit] = []
    for passage_id, title, body in _PASSAGE.findall(prompt):
        title, body = html.unescape(title), html.unescape(body).strip()
        pairs = _FAQ.findall(body)
        if pairs:
            units += [_unit(passage_id, title, asks.strip(), text.strip()) for asks, text in pairs]
        elif body:
            units.append(_unit(passage_id, title, "", body))
    return units


def spoken(text: str) -> str:
    """Prose as one would say it in a chat: without heading lines, table rows as `name：value` pairs."""
    lines: list[str] = []
    header: list[str] = []
    for line in (_HEADING.sub("", text).strip() or text.strip()).split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|"):
            header = []
            lines.append(line)
        elif not header:
            header = cells
        elif not _TABLE_RULE.fullmatch(line.strip()):
            pairs = zip(header, cells, strict=False)
            lines.append("，".join(f"{name}：{value}" if name else value for name, value in pairs))
    return "\n".join(lines)


def _unit(passage_id: str, title: str, asks: str, text: str) -> Unit:
    all_terms = vocabulary(f"{title}\n{asks}\n{text}")
    return Unit(passage_id, title, asks, text, vocabulary(asks), all_terms)
