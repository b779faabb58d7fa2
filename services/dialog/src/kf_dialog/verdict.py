"""Turns what the model said into what the customer hears: checked, without marks, honest if unsupported."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kf_dialog import wording
from kf_dialog.case import Case
from kf_dialog.citation import read_citations
from kf_dialog.grounding import Ground, is_small_talk, judge, only_refuses
from kf_dialog.guard import Known, guard
from kf_dialog.plain_text import to_plain_text, whole_sentences
from kf_dialog.prompt import ABOUT, CITE, RULES, SHORTER, Passage
from kf_dialog.thinking import Thought

REPLY_BYTES = 4 * 2048
"""Four of the five messages that WeCom allows; the fifth stays free for a handover's notice."""
_INNER = f"{RULES}\n{CITE}\n{SHORTER}"
"""Our instructions, never to be quoted."""
_SOURCE_LINES = 3
_TITLE_CHARS = 60


class Verdict(NamedTuple):
    """What may be said, and on what ground."""

    text: str
    """Empty when nothing of it may be said."""
    ground: Ground
    ids: tuple[str, ...]
    """What it rests on, as the model knows it."""
    removed: tuple[str, ...]
    """Why sentences had to go (kf_dialog.guard)."""


def weigh(case: Case, thought: Thought) -> Verdict:
    """Judge the model's words; pure, and quick: it stands between every answer and its customer."""
    sources = source_texts(thought.passages) | thought.results
    cited = read_citations(thought.text, sources)
    # The guard first: what it takes out can be all that was supported, or all that was not.
    known = Known(
        sources=(*sources.values(), case.account.name, case.account.persona, *_ours(case)),
        customer="\n".join([case.question, *(e.question for e in case.work.history)]),
        acted=thought.acted,
    )
    guarded = guard(to_plain_text(cited.text), known, _INNER)
    if not guarded.text:
        return Verdict("", Ground.NONE, (), guarded.removed)
    ground, ids = judge(guarded.text, cited.ids, sources, case.question, case.said_before)
    if ground is Ground.NONE and thought.results and not guarded.removed:
        # A result is short, and a model tells it in words of its own.
        ground, ids = Ground.SOURCES, tuple(thought.results)
    text = guarded.text if ground is not Ground.NONE else ""
    return Verdict(fit(text, REPLY_BYTES), ground, ids, guarded.removed)


def wants_another_try(verdict: Verdict, thought: Thought) -> bool:
    """True when the model had passages, used none and did not say so: it may have forgotten the marks."""
    return verdict.ground is Ground.NONE and bool(set(thought.passages) - {ABOUT})


def declined(case: Case, verdict: Verdict, *, available: bool) -> str:
    """What is said when nothing supports an answer: the model's own refusal if it is one, else ours."""
    own = verdict.ground is Ground.REFUSAL and not verdict.removed and only_refuses(verdict.text)
    if own and wording.language_of([verdict.text]) == case.language:
        return verdict.text
    return wording.unknown(case.language) if available else wording.search_down(case.language)


def with_offer(case: Case, text: str) -> str:
    """The text with the offer of a human at its end, where there are humans."""
    if not case.account.handover.enabled:
        return text
    lines = [line for line in text.split("\n") if "转人工" not in line and "human agent" not in line.lower()]
    return "\n".join([*lines, wording.offer(case.language)]).strip()


def with_sources(case: Case, verdict: Verdict, passages: Mapping[str, Passage]) -> str:
    """The text with the line that names its passages, where the account wants it."""
    if not case.account.sources or verdict.ground is not Ground.SOURCES:
        return verdict.text
    titles = dict.fromkeys(
        _title(passages[name]) for name in verdict.ids if name in passages and name != ABOUT
    )
    if not titles:
        return verdict.text
    line = wording.sources(list(titles)[:_SOURCE_LINES], case.language)
    return f"{fit(verdict.text, REPLY_BYTES - len(line.encode()) - 1)}\n{line}"


def source_texts(passages: Mapping[str, Passage]) -> dict[str, str]:
    """Everything a passage says, by the id the model sees."""
    return {name: f"{p.title}\n{p.question}\n{p.text}" for name, p in passages.items()}


def passage_ids(ids: Iterable[str], passages: Mapping[str, Passage]) -> tuple[str, ...]:
    """The knowledge service's ids of what an answer rests on."""
    return tuple(passages[name].passage_id for name in ids if name in passages and name != ABOUT)


def is_gap(case: Case) -> bool:
    """True when an unanswered question is one that the knowledge could cover."""
    return not is_small_talk(case.question)


def fit(text: str, limit: int) -> str:
    """The text, at most `limit` bytes of UTF-8, cut behind a whole sentence where there is one."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    cut = raw[:limit].decode(errors="ignore")
    return whole_sentences(cut) or cut


def _ours(case: Case) -> list[str]:
    """What we said before was checked then."""
    return [exchange.reply for exchange in case.work.history]


def _title(passage: Passage) -> str:
    title = " ".join(passage.title.split())
    return title if len(title) <= _TITLE_CHARS else f"{title[:_TITLE_CHARS]}…"
