"""The last look at a reply before a customer sees it: whatever it states without a source is taken out."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from kf_dialog.facts import Facts, unknown_address, unknown_amount, unknown_span
from kf_dialog.promises import announces_people, claims_a_deed, unknown_promise

_SENTENCE = re.compile(r"[^。！？!?\n]*(?:[。！？!?]+[”’」』）)\]]*|\n+|$)")
_DENIES = re.compile(r"不|没|无法|未|抱歉|[吗么?？]|\bnot?\b|n't\b|cannot|unable|sorry", re.IGNORECASE)
_OURS = re.compile(
    r"</?passage|<passage|tool_result|system prompt|系统提示词?|hand_over|end_session|search_knowledge"
    r"|\bpassages?\b",
    re.IGNORECASE,
)
_SHINGLE = 14


@dataclass(frozen=True)
class Known:
    """What a reply may rest on."""

    sources: str
    """Passages, results of tools, the account's own facts, and what we said before."""
    customer: str
    """The customer's own words: to be repeated, not to be granted."""
    acted: bool = False
    """A tool changed something in this turn, so the reply may say so."""
    hands_over: bool = False
    """The chat is being handed over, so the reply may say so."""


class Guarded(NamedTuple):
    """A reply without what it may not say."""

    text: str
    removed: tuple[str, ...]
    """Why each removed sentence had to go: address, amount, span, promise, people, deed, inner."""


def guard(reply: str, known: Known, rules: str = "") -> Guarded:
    """Take out every sentence that states what nobody told us; `rules`: ours, never to be quoted."""
    sources, customer = Facts(known.sources), Facts(known.customer)
    everything = Facts(f"{known.sources}\n{known.customer}")
    kept: list[str] = []
    removed: list[str] = []
    secret = shingles(rules)
    for sentence in sentences(reply):
        fault = _fault(sentence, known, sources, customer, everything) or (
            "inner" if secret and not secret.isdisjoint(shingles(sentence)) else ""
        )
        if fault:
            removed.append(fault)
            # A removed line still ends the line before it.
            kept.append("\n" if sentence.endswith("\n") else "")
        else:
            kept.append(sentence)
    return Guarded(re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip(), tuple(removed))


def sentences(text: str) -> list[str]:
    """The text in sentences and lines; joined again they are the text."""
    return [match[0] for match in _SENTENCE.finditer(text) if match[0]]


def shingles(text: str) -> frozenset[str]:
    """Every run of 14 characters: two texts that share one were copied from each other."""
    plain = "".join(text.split())
    return frozenset(plain[at : at + _SHINGLE] for at in range(len(plain) - _SHINGLE + 1))


def _fault(sentence: str, known: Known, sources: Facts, customer: Facts, everything: Facts) -> str:
    """Why the sentence may not be said; empty when it may."""
    if _OURS.search(sentence):
        return "inner"
    said = Facts(sentence)
    if unknown_address(said, everything):
        return "address"
    denies = bool(_DENIES.search(sentence))
    if unknown_amount(said, everything if denies else sources, customer.numbers):
        return "amount"
    if unknown_span(said, everything if denies else sources):
        return "span"
    if unknown_promise(sentence, known.sources):
        return "promise"
    if not known.hands_over and announces_people(sentence, known.sources):
        return "people"
    return "deed" if not known.acted and claims_a_deed(sentence) else ""
