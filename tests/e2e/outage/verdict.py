"""What the transcripts and the records of an outage say: who waited how long for what."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
from kf_cli.simulator import Line

PROMISED_SECONDS = 30.0


@dataclass
class Verdict:
    """Counts over all customers."""

    questions: int = 0
    during: int = 0
    """Questions that came while the model was down."""
    late: list[str] = field(default_factory=list)
    """Questions without a reply in the promised time, and how long it took."""
    twice: list[str] = field(default_factory=list)
    """Questions that got the same words twice."""
    waits: list[float] = field(default_factory=list)

    def add(self, lines: Sequence[Line], down: float, up: float) -> None:
        """One customer's transcript; `down` and `up`: when the model went and came back."""
        spoken = [line for line in lines if line.direction != "event"]
        for place, line in enumerate(spoken):
            if line.direction != "customer":
                continue
            self.questions += 1
            self.during += down <= line.at < up
            self._judge(line, _until_next_question(spoken[place + 1 :]), spoken[place + 1 :])

    def _judge(self, question: Line, replies: Sequence[Line], later: Sequence[Line]) -> None:
        # Two questions that came together have one answer, behind the second.
        first = next((line for line in later if line.direction != "customer"), None)
        wait = first.at - question.at if first else float("inf")
        self.waits.append(wait)
        if wait > PROMISED_SECONDS:
            self.late.append(f"{wait:.0f} s: {question.text}")
        texts = Counter(line.text for line in replies if line.direction == "app")
        self.twice += [question.text for count in texts.values() if count > 1]

    def quantile(self, share: float) -> float:
        """Seconds that a share of the questions waited at most."""
        return sorted(self.waits)[int(share * (len(self.waits) - 1))]


def _until_next_question(lines: Sequence[Line]) -> list[Line]:
    found = []
    for line in lines:
        if line.direction == "customer":
            break
        found.append(line)
    return found


@dataclass
class Records:
    """What the dialog service stored."""

    answered_twice: int
    """Messages that are in more than one turn."""
    unanswered: int
    outcomes: dict[str, Counter[str]]
    """Outcomes of turns by phase: before, down, after."""
    last_fallback: float
    """Seconds from the model's return to the last turn that it did not answer."""


async def read_records(database_url: str, customers: list[str], down: float, up: float) -> Records:
    """Of these customers (external_userid)."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "dialog,public"})
    try:
        twice = await connection.fetchval(
            "SELECT count(*) - count(DISTINCT msgid) FROM turn, unnest(msgids) AS msgid "
            "WHERE external_userid = ANY ($1)",
            customers,
        )
        unanswered = await connection.fetchval(
            "SELECT count(*) FROM inbox WHERE status = 'new' AND external_userid = ANY ($1)", customers
        )
        turns = await connection.fetch(
            "SELECT finished_at, outcome FROM turn WHERE external_userid = ANY ($1)", customers
        )
    finally:
        await connection.close()
    outcomes: dict[str, Counter[str]] = {"before": Counter(), "down": Counter(), "after": Counter()}
    last = 0.0
    for turn in turns:
        at = turn["finished_at"].timestamp()
        phase = "before" if at < down else "down" if at < up else "after"
        outcomes[phase][turn["outcome"]] += 1
        if phase == "after" and turn["outcome"] in FALLBACKS:
            last = max(last, at - up)
    return Records(twice, unanswered, outcomes, last)


FALLBACKS = ("answered_from_faq", "apologised")
"""Outcomes of turns that the model did not answer."""
