"""Identifiers shaped like the real ones (lengths and alphabets of the protocol sheet, section 12)."""

from __future__ import annotations

import hashlib
import secrets
import string

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ALNUM = string.ascii_letters + string.digits
_CURSOR_SEQUENCE_BITS = 40
_CURSOR_LENGTH = 19


def base58(length: int) -> str:
    """Random base58 text."""
    return "".join(BASE58[byte % len(BASE58)] for byte in secrets.token_bytes(length))


def alnum(length: int) -> str:
    """Random letters and digits."""
    return "".join(_ALNUM[byte % len(_ALNUM)] for byte in secrets.token_bytes(length))


def customer_msgid(external_userid: str) -> str:
    """41 characters, the first 16 common to one customer."""
    return _derived(external_userid, 16) + base58(25)


def event_msgid() -> str:
    """44 characters; events and servicers' messages have these."""
    return base58(44)


def sent_msgid() -> str:
    """The id WeCom makes for a send_msg that named none."""
    return base58(32)


def account_id(corp_id: str, index: int) -> str:
    """open_kfid, the same at every start: `wk`, a part shared by the corp, an own part; 32 characters."""
    return "wk" + _derived(corp_id, 10) + _derived(f"{corp_id}/{index}", 20)


def link_id(open_kfid: str) -> str:
    """The `kfc...` of an account's chat link, which is not its open_kfid."""
    return "kfc" + hashlib.sha256(open_kfid.encode()).hexdigest()[:17]


def customer_id(corp_id: str) -> str:
    """external_userid: `wm`, the part shared by the corp, a random part; 32 characters."""
    return "wm" + _derived(corp_id, 10) + alnum(20)


def notice_token() -> str:
    """The Token of a KF notice: `ENC` and 44 characters."""
    return "ENC" + alnum(44)


def one_use_code() -> str:
    """welcome_code or msg_code: 43 characters of url-safe base64."""
    return secrets.token_urlsafe(32)


def access_token() -> str:
    """214 characters, as long as real ones."""
    return secrets.token_urlsafe(160)


def media_id() -> str:
    """A media_id."""
    return secrets.token_urlsafe(48)


def encode_cursor(open_kfid: str, sequence: int) -> str:
    """A 19-character base58 cursor that names the account and the next sequence number to read."""
    number = (_cursor_salt(open_kfid) << _CURSOR_SEQUENCE_BITS) | sequence
    digits = []
    for _ in range(_CURSOR_LENGTH):
        number, digit = divmod(number, 58)
        digits.append(BASE58[digit])
    return "".join(reversed(digits))


def decode_cursor(open_kfid: str, cursor: str) -> int:
    """The sequence number in a cursor; ValueError when it was not made for this account."""
    number = 0
    for char in cursor:
        number = number * 58 + BASE58.index(char)
    if len(cursor) != _CURSOR_LENGTH or number >> _CURSOR_SEQUENCE_BITS != _cursor_salt(open_kfid):
        raise ValueError("cursor belongs to no stream of this account")
    return number & ((1 << _CURSOR_SEQUENCE_BITS) - 1)


def _cursor_salt(open_kfid: str) -> int:
    # 71 bits + 40 bits of sequence are the most that 19 base58 digits hold.
    return int.from_bytes(hashlib.sha256(open_kfid.encode()).digest()[:9], "big") >> 1


def _derived(source: str, length: int) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return "".join(BASE58[byte % 58] for byte in digest[:length])
