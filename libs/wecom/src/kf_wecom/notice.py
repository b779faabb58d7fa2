"""The callback body: <Encrypt> out of the outer XML, and the decrypted inner XML as a frozen value."""

import re
from dataclasses import dataclass
from xml.parsers import expat

from kf_wecom.crypto import MalformedNoticeError

# Possessive, so that matching stays linear in the body whatever an unauthenticated caller posts.
_ENCRYPT = re.compile(
    rb"<Encrypt>\s*+(?:<!\[CDATA\[)?+\s*+([A-Za-z0-9+/]++={0,2}+)\s*+(?:\]\]>)?+\s*+</Encrypt>"
)
_OPEN_KFID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN_MAX_BYTES = 128


@dataclass(frozen=True, slots=True)
class KfNotice:
    """One account has news: pull it. `token` is valid for 10 minutes from `created_at` (epoch seconds)."""

    open_kfid: str
    token: str
    created_at: int


@dataclass(frozen=True, slots=True)
class AccountAuthChanged:
    """KF accounts granted to or taken from the app."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """A genuine callback that is none of ours: answer 200 and log it."""

    msg_type: str
    event: str


Notice = KfNotice | AccountAuthChanged | UnknownEvent


def extract_encrypted(body: bytes) -> str:
    """The ciphertext of the outer body, which the caller has capped; MalformedNoticeError if not just one."""
    match = _ENCRYPT.search(body)
    if match is None or body.count(b"<Encrypt>") != 1:
        raise MalformedNoticeError("the body has no single <Encrypt> node")
    return match[1].decode()


def parse_notice(xml: bytes) -> Notice:
    """The decrypted inner XML as a value; nodes in any order, CDATA or not.

    A kf_msg_or_event without OpenKfId (the form of 2021) is a MalformedNoticeError: nothing can be pulled
    without the account, and the fallback poll covers it.
    """
    nodes = _children(xml)
    fields = dict(nodes)
    event = fields.get("Event", "")
    if event == "kf_msg_or_event":
        return _kf_notice(fields)
    if event == "kf_account_auth_change":
        return AccountAuthChanged(
            added=tuple(text for name, text in nodes if name == "AuthAddOpenKfId" and text),
            removed=tuple(text for name, text in nodes if name == "AuthDelOpenKfId" and text),
        )
    return UnknownEvent(msg_type=fields.get("MsgType", ""), event=event)


def _kf_notice(fields: dict[str, str]) -> KfNotice:
    open_kfid, token, created = (fields.get(name, "") for name in ("OpenKfId", "Token", "CreateTime"))
    if not _OPEN_KFID.fullmatch(open_kfid):
        raise MalformedNoticeError("OpenKfId is missing or malformed")
    if not token or len(token.encode()) > _TOKEN_MAX_BYTES:
        raise MalformedNoticeError("Token is missing or too long")
    if not (created.isascii() and created.isdigit()):
        raise MalformedNoticeError("CreateTime is missing or not a number")
    return KfNotice(open_kfid=open_kfid, token=token, created_at=int(created))


def _children(xml: bytes) -> list[tuple[str, str]]:
    """(name, text) of the root's children; a DOCTYPE is refused, so no entity can ever be declared."""
    collector = _Collector()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = collector.start
    parser.CharacterDataHandler = collector.text
    parser.EndElementHandler = collector.end
    parser.StartDoctypeDeclHandler = collector.doctype
    try:
        parser.Parse(xml, True)
    except (expat.ExpatError, ValueError) as error:
        raise MalformedNoticeError("the decrypted message is not XML") from error
    return collector.children


class _Collector:
    """Gathers the text of the elements one level below the root."""

    def __init__(self) -> None:
        self.children: list[tuple[str, str]] = []
        self._depth = 0
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._text = []

    def text(self, data: str) -> None:
        self._text.append(data)

    def end(self, name: str) -> None:
        if self._depth == 2:
            self.children.append((name, "".join(self._text).strip()))
        self._depth -= 1

    def doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        raise MalformedNoticeError("a DOCTYPE has no place in a callback")
