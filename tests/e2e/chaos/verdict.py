"""Compares the witnesses of a run: what was lost, doubled, reordered, refused, untraced, left open."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kf_cli.simulator import Line

from tests.e2e.chaos.crowd import Customer
from tests.e2e.chaos.records import Records

# A frozen gateway answers late whatever it does; the notice comes again, or the poll finds the message.
_EXPECTED_BREACHES = {"late_callback"}
_LIMITS = {"over_rate", "over_quota", "out_of_window", "gettoken_too_often", "tokenless_sync"}
_SAME_WORDS = "duplicate_answer"
_WITH_PEOPLE = ("with_pool", "with_servicer")


@dataclass
class Verdict:
    """Findings by kind, each as text that names the ids; `substitutes` counts answers that were no answer."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    broken_limit: list[str] = field(default_factory=list)
    broken_rule: list[str] = field(default_factory=list)
    untraced: list[str] = field(default_factory=list)
    left_open: list[str] = field(default_factory=list)
    substitutes: Counter[str] = field(default_factory=Counter)
    suspects: set[str] = field(default_factory=set)
    """The msgids that the findings are about."""

    @property
    def findings(self) -> dict[str, list[str]]:
        """Every kind with what was found of it."""
        return {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "limit broken": self.broken_limit,
            "rule broken": self.broken_rule,
            "untraced": self.untraced,
            "left open": self.left_open,
        }

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not any(self.findings.values())

    def __str__(self) -> str:
        counts = ", ".join(f"{len(found)} {kind}" for kind, found in self.findings.items())
        return f"{counts}; turns that were no answer: {dict(self.substitutes) or 'none'}"


def judge(records: Records, crowd: Sequence[Customer]) -> Verdict:
    """The verdict on one run."""
    verdict = Verdict(left_open=list(records.open))
    _rules(records, verdict)
    sent = _sent_by_turn(records)
    for customer in crowd:
        lines = records.transcripts[customer.chat.external_userid]
        _messages(records, customer, sent, verdict)
        _lines(records, customer, lines, verdict)
        _words(records, customer, verdict)
    return verdict


def _sent_by_turn(records: Records) -> dict[str, list[str]]:
    """turn_id → msgids that both the ledger and the customer have."""
    shown = {line.msgid for lines in records.transcripts.values() for line in lines if not line.failed}
    sent: defaultdict[str, list[str]] = defaultdict(list)
    for part in records.parts:
        if part["status"] == "sent" and part["msgid"] in shown:
            sent[part["turn_id"]].append(part["msgid"])
    return sent


def _rules(records: Records, verdict: Verdict) -> None:
    """The judge's rules; the same words twice are no double where both turns had no answer to give."""
    turn_of = {part["msgid"]: records.turns.get(part["turn_id"]) for part in records.parts}
    for rule, count in records.judge["broken"].items():
        examples = [e for e in records.judge["examples"] if e["rule"] == rule]
        if rule == _SAME_WORDS:
            examples = [e for e in examples if not _gave_up(turn_of.get(e["msgid"]))]
        text = f"{rule} {count} times: {examples[:5]}"
        if rule in _LIMITS:
            verdict.broken_limit.append(text)
        elif rule not in _EXPECTED_BREACHES and examples:
            verdict.broken_rule.append(text)


def _gave_up(turn: Any) -> bool:
    return turn is not None and turn["outcome"] != "answered"


def _messages(records: Records, customer: Customer, sent: dict[str, list[str]], verdict: Verdict) -> None:
    """Each message: in one turn, that turn sent, all of it in the traces."""
    who = customer.chat.external_userid
    turns_of = Counter(
        msgid for turn in records.turns.values() if turn["external_userid"] == who for msgid in turn["msgids"]
    )
    for msgid, _ in customer.asked:
        row = records.messages.get(msgid)
        if row is None or row["status"] == "new" or row["reason"] not in ("", *_WITH_PEOPLE):
            fate = "never arrived" if row is None else f"{row['status']} {row['reason']}"
            _note(verdict, verdict.lost, msgid, f"{who} {msgid}: {fate}")
        elif row["status"] == "answered" and not sent.get(row["turn_id"]):
            _note(verdict, verdict.lost, msgid, f"{who} {msgid}: nothing of turn {row['turn_id']} was sent")
        elif row["status"] == "ignored":
            verdict.substitutes[row["reason"]] += 1
        elif "delivered" not in records.delivered.get(msgid, ()):
            known = records.delivered.get(msgid, "nothing")
            _note(verdict, verdict.untraced, msgid, f"{who} {msgid}: the traces say {known}")
        if turns_of[msgid] > 1:
            _note(verdict, verdict.duplicated, msgid, f"{who} {msgid}: in {turns_of[msgid]} turns")


def _lines(records: Records, customer: Customer, lines: Sequence[Line], verdict: Verdict) -> None:
    """What the customer saw is what the ledger holds, once each and in the order of the turns."""
    who = customer.chat.external_userid
    parts = {part["msgid"]: part for part in records.parts if part["external_userid"] == who}
    seen = [line.msgid for line in lines if line.direction == "app"]
    for msgid, count in Counter(seen).items():
        if count > 1:
            verdict.duplicated.append(f"{who}: {msgid} was shown {count} times")
        if msgid not in parts:
            verdict.duplicated.append(f"{who}: {msgid} is in no ledger")
    places = [
        (records.turns[part["turn_id"]]["position"], part["seq"], part["part_no"])
        for part in (parts[msgid] for msgid in seen if msgid in parts)
        if part["turn_id"] in records.turns
    ]
    if places != sorted(places):
        verdict.reordered.append(f"{who}: answers were shown in the order {places}")


def _words(records: Records, customer: Customer, verdict: Verdict) -> None:
    """A message that had a turn and passages of its own is answered with the words that answer it.

    What the model says to many messages at once, or with nothing found, is no matter of delivery.
    """
    for msgid, words in customer.asked:
        row = records.messages.get(msgid)
        turn = records.turns.get(row["turn_id"]) if row else None
        if row is None or turn is None:
            continue
        said = "\n".join(part["text"] for part in records.parts if part["turn_id"] == row["turn_id"])
        if turn["outcome"] != "answered":
            verdict.substitutes[turn["outcome"]] += 1
        elif words not in said and (len(turn["msgids"]) > 1 or not turn["passage_ids"]):
            verdict.substitutes["other words for many questions at once"] += 1
        elif words not in said:
            _note(
                verdict, verdict.lost, msgid, f"{customer.chat.external_userid} {msgid}: not told {words!r}"
            )


def _note(verdict: Verdict, found: list[str], msgid: str, text: str) -> None:
    verdict.suspects.add(msgid)
    found.append(text)
