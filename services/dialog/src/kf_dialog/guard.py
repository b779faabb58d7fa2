"""The last look at a reply before a customer sees it: whatever it states without a source is taken out."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kf_dialog.facts import Facts, unknown_address, unknown_amount, unknown_span
from kf_dialog.promises import (
    announces_people,
    asks_for_a_secret,
    claims_a_deed,
    is_rude,
    unknown_promise,
)
from kf_dialog.sentences import sentences

_DENIES = re.compile(r"不|没|无法|未|抱歉|[吗么?？]|\bnot?\b|n't\b|cannot|unable|sorry", re.IGNORECASE)
_OURS = re.compile(
    r"</?passage|<passage|tool_result|system prompt|系统提示词?|hand_over|end_session|search_knowledge"
    r"|\bpassages?\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[，；;]|,(?!\d)")
_SHINGLE = 14


@dataclass(frozen=True)
class Known:
    """What a reply may rest on."""

    sources: tuple[str, ...]
    """Passages, results of tools, the account's own facts, and what we said before."""
    customer: str
    """The customer's own words: to be repeated, not to be granted."""
    acted: bool = False
    """A tool changed something in this turn, so the reply may say so."""

    @cached_property
    def said(self) -> str:
        """All sources as one text."""
        return "\n".join(self.sources)

    @cached_property
    def each(self) -> tuple[Facts, ...]:
        """The facts of each source."""
        return tuple(map(Facts, self.sources))

    @cached_property
    def all(self) -> Facts:
        """The facts of all sources."""
        return Facts(self.said)

    @cached_property
    def heard(self) -> Facts:
        """The facts of the customer's words."""
        return Facts(self.customer)

    @cached_property
    def everything(self) -> Facts:
        """The facts of both."""
        return Facts(f"{self.said}\n{self.customer}")


class Guarded(NamedTuple):
    """A reply without what it may not say."""

    text: str
    removed: tuple[str, ...]
    """Why each removed sentence had to go, by the names of `_fault`."""


def guard(reply: str, known: Known, rules: str = "") -> Guarded:
    """Take out every sentence that states what nobody told us; `rules`: ours, never to be quoted."""
    kept: list[str] = []
    removed: list[str] = []
    secret = shingles(rules)
    for sentence in sentences(reply):
        copied = secret and not secret.isdisjoint(shingles(sentence))
        if fault := "inner" if copied else _fault(sentence, known):
            removed.append(fault)
            # A removed line still ends the line before it.
            kept.append("\n" if sentence.endswith("\n") else "")
        else:
            kept.append(sentence)
    return Guarded(re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip(), tuple(removed))


def shingles(text: str) -> frozenset[str]:
    """Every run of 14 characters: two texts that share one were copied from each other."""
    plain = "".join(text.split())
    return frozenset(plain[at : at + _SHINGLE] for at in range(len(plain) - _SHINGLE + 1))


def _fault(sentence: str, known: Known) -> str:
    """Why the sentence may not be said; empty when it may."""
    said = Facts(sentence)
    # What the customer named may be repeated to deny it or to ask, not to grant it.
    denies = bool(_DENIES.search(sentence))
    prices = (*known.each, known.heard) if denies else known.each
    found = {
        "inner": _OURS.search(sentence),
        "rude": is_rude(sentence),
        "secret": asks_for_a_secret(sentence),
        "address": unknown_address(said, known.everything),
        # Each clause has a product and a price of its own.
        "amount": any(
            unknown_amount(Facts(clause), prices, known.heard.numbers) for clause in _CLAUSE.split(sentence)
        ),
        "span": unknown_span(said, known.everything if denies else known.all),
        "people": announces_people(sentence, known.said),
        "deed": not known.acted and claims_a_deed(sentence, known.said),
        "promise": unknown_promise(sentence, known.said),
    }
    return next((name for name, is_true in found.items() if is_true), "")
