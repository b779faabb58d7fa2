"""Decides, before anything is sent, which messages a command becomes and under which msgids."""

import base64
import hashlib
import json
from dataclasses import dataclass, field

from kf_contracts.commands import Command, EndSession, FindHolder, HandOver, SendContent, SendOnEvent
from kf_contracts.events import SendReply
from kf_wecom.content import TEXT_MAX_BYTES

from kf_sender import splitter

OFFER = "\n\n（内容较长，回复“继续”查看后面的部分）"
UNDELIVERED = "抱歉，刚才的回复没能送达。请换一种方式提问，或回复“人工”转接人工客服。"
# Said only where it is true: what was left out is not kept for a "continue".
CLOSING = "\n\n内容较长，以上为主要部分，如需更多请告诉我具体想了解哪一步。"
BLANK = "the text is blank: there is nothing to send"
PAGES_MOST = 5
# A part must have a text; this one is never sent.
NOTHING_TO_SAY = "-"

_WANTS_REST = frozenset(
    [
        "继续",
        "请继续",
        "继续说",
        "继续吧",
        "接着说",
        "请接着说",
        "往下说",
        "下一页",
        "更多",
        "看更多",
        "还有呢",
        "然后呢",
        "continue",
        "pleasecontinue",
        "more",
        "next",
        "goon",
    ]
)


@dataclass(frozen=True)
class Plan:
    """The texts of a command's messages in order, with a remark for operators when something is special."""

    parts: tuple[str, ...] = field(repr=False)
    remark: str = ""


def plan(text: str, budget: int) -> Plan:
    """The messages of a text: what does not fit into a `budget` of them goes out when the customer asks.

    Then every message has room for the offer, whichever will be the last of a budget. A text of more than
    five budgets is cut at a sentence, and the customer is told so.
    """
    # PostgreSQL stores no NUL, and no customer can see one.
    text = text.replace("\x00", "")
    parts = splitter.split(text, TEXT_MAX_BYTES)
    if not parts:
        return Plan((), BLANK)
    if len(parts) > budget:
        parts = splitter.split(text, TEXT_MAX_BYTES - len(OFFER.encode()))
    most = budget * PAGES_MOST
    return Plan(tuple(parts)) if len(parts) <= most else _shortened(text, parts, most)


def _shortened(text: str, parts: list[str], most: int) -> Plan:
    *kept, last = parts[:most]
    last = splitter.shorten(last, TEXT_MAX_BYTES - len(CLOSING.encode())) + CLOSING
    left_out = sum(len(part.encode()) for part in parts) - sum(len(part.encode()) for part in (*kept, last))
    total = len(text.encode())
    return Plan(
        (*kept, last),
        f"shortened: {total} bytes do not fit in {most} messages, about {left_out} left out",
    )


def plan_of(command: Command, budget: int) -> Plan:
    """The messages of any command; a notice is one message, whatever its length."""
    match command:
        case SendReply():
            return plan(command.text, budget)
        case SendOnEvent() | SendContent():
            text = fitting(command.text)
            return Plan((text,)) if text else Plan((), BLANK)
        case HandOver():
            return Plan((fitting(command.notice) or NOTHING_TO_SAY,))
        case FindHolder():
            return Plan((NOTHING_TO_SAY,))
        case EndSession():
            return Plan((fitting(command.farewell) or NOTHING_TO_SAY,))


def substitute(command_id: str, customer: tuple[str, str], turn_id: str) -> SendReply:
    """What a customer gets when WeCom withholds an answer for good: silence would be worse."""
    return SendReply(
        command_id=command_id,
        open_kfid=customer[0],
        external_userid=customer[1],
        turn_id=turn_id,
        in_reply_to=(),
        text=UNDELIVERED,
    )


def fitting(text: str) -> str:
    """As much of a text as one message takes."""
    return splitter.shorten(text.replace("\x00", ""), TEXT_MAX_BYTES)


def wants_rest(text: str) -> bool:
    """Whether a customer's words ask for the rest of a long answer, and nothing else."""
    return "".join(char for char in text.casefold() if char.isalnum()) in _WANTS_REST


def msgid(open_kfid: str, external_userid: str, command_id: str, part_no: int, again: str = "") -> str:
    """The msgid of a part: the same in every attempt and every replica, 32 of [A-Z2-7].

    WeCom refuses a msgid it has seen in the account, which is what makes a repeat harmless (doc 94677).
    `again` is the msgid that WeCom took and then could not deliver: the part goes out under another.
    """
    key = json.dumps([open_kfid, external_userid, command_id, part_no, *([again] if again else [])]).encode()
    return base64.b32encode(hashlib.sha256(key).digest()[:20]).decode()
