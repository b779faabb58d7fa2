"""Decides, before anything is sent, which messages a command becomes and under which msgids."""

import base64
import hashlib
import json
from dataclasses import dataclass, field

from kf_wecom.content import TEXT_MAX_BYTES

from kf_sender import splitter

# Said only where it is true: what was left out is not kept for a "continue".
CLOSING = "\n\n内容较长，以上为主要部分，如需更多请告诉我具体想了解哪一步。"
BLANK = "the text is blank: there is nothing to send"


@dataclass(frozen=True)
class Plan:
    """The texts of a command's messages in order, with a remark for operators when something is special."""

    parts: tuple[str, ...] = field(repr=False)
    remark: str = ""


def plan(text: str, max_parts: int) -> Plan:
    """At most `max_parts` messages; what does not fit is cut at a sentence, and the customer is told so."""
    # PostgreSQL stores no NUL, and no customer can see one.
    text = text.replace("\x00", "")
    parts = splitter.split(text, TEXT_MAX_BYTES)
    if not parts:
        return Plan((), BLANK)
    if len(parts) <= max_parts:
        return Plan(tuple(parts))
    *kept, last = parts[:max_parts]
    last = splitter.shorten(last, TEXT_MAX_BYTES - len(CLOSING.encode())) + CLOSING
    left_out = sum(len(part.encode()) for part in parts) - sum(len(part.encode()) for part in (*kept, last))
    total = len(text.encode())
    return Plan(
        (*kept, last),
        f"shortened: {total} bytes do not fit in {max_parts} messages, about {left_out} left out",
    )


def msgid(open_kfid: str, external_userid: str, command_id: str, part_no: int) -> str:
    """The msgid of a part: the same in every attempt and every replica, 32 of [A-Z2-7].

    WeCom refuses a msgid it has seen in the account, which is what makes a repeat harmless (doc 94677).
    """
    key = json.dumps([open_kfid, external_userid, command_id, part_no]).encode()
    return base64.b32encode(hashlib.sha256(key).digest()[:20]).decode()
