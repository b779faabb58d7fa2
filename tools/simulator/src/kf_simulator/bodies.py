"""Whether a message body may be sent: types, limits and the errcode of each breach (section 4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kf_simulator.errors import WireError
from kf_simulator.records import Json

TEXT_MAX_BYTES = 2048
_MSGID = re.compile(r"[0-9a-zA-Z_-]*")
_MSGID_MAX_BYTES = 32
_MENU_MAX_ITEMS = 50
_MENU_MAX_BUTTONS = 10
_MENU_FIELDS: dict[str, dict[str, tuple[int, bool]]] = {
    "click": {"id": (128, False), "content": (128, True)},
    "view": {"url": (2048, True), "content": (1024, True)},
    "miniprogram": {"appid": (32, True), "pagepath": (1024, True), "content": (1024, True)},
    "text": {"content": (256, True)},
}


def check_msgid(request: Json) -> str:
    """The msgid the caller chose, or ""; 40058 when it is malformed, too long, or sent empty."""
    if "msgid" not in request:
        return ""
    msgid = request["msgid"]
    if not isinstance(msgid, str) or not msgid:
        raise WireError(40058, "field `msgid` unexpected empty string. invalid Request Parameter")
    if len(msgid.encode()) > _MSGID_MAX_BYTES:
        raise WireError(40058, "msgid exceed max length")
    if not _MSGID.fullmatch(msgid):
        raise WireError(40058, "msgid has illegal characters")
    return msgid


def check_body(
    request: Json, *, oversize_errcode: int, media_exists: Callable[[str, str], bool]
) -> tuple[str, Json]:
    """The msgtype and its body; WireError with the code of the first breach."""
    msgtype = request.get("msgtype")
    if not isinstance(msgtype, str) or msgtype not in _CHECKS:
        raise WireError(40008)
    body = request.get(msgtype)
    if not isinstance(body, dict):
        raise WireError(40058, f"field `{msgtype}` missing. invalid Request Parameter")
    if msgtype == "text":
        _check_text(body, oversize_errcode)
    elif msgtype in _MEDIA_TYPES:
        _check_media(body, "media_id", msgtype, media_exists)
    else:
        _CHECKS[msgtype](body)
        if msgtype in ("link", "miniprogram"):
            _check_media(body, "thumb_media_id", "image", media_exists)
    return msgtype, body


def _check_text(body: Json, oversize_errcode: int) -> None:
    content = _string(body, "content", required=True)
    if not content.strip():
        raise WireError(44004)
    if len(content.encode()) > TEXT_MAX_BYTES:
        raise WireError(oversize_errcode)


def _check_media(body: Json, name: str, kind: str, media_exists: Callable[[str, str], bool]) -> None:
    media_id = _string(body, name, required=True)
    if not media_exists(media_id, kind):
        raise WireError(40007)


def _check_link(body: Json) -> None:
    _string(body, "title", required=True)
    url = _string(body, "url", required=True)
    if not re.match(r"https?://", url):
        raise WireError(45034)
    _at_most(url, 2048, "url")


def _check_miniprogram(body: Json) -> None:
    _string(body, "appid", required=True)
    _string(body, "pagepath", required=True)


def _check_location(body: Json) -> None:
    for name, bound in (("latitude", 90), ("longitude", 180)):
        value = body.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > bound:
            raise WireError(40058, f"field `{name}` out of range. invalid Request Parameter")


def _check_business_card(body: Json) -> None:
    _string(body, "userid", required=True)


def _check_ca_link(body: Json) -> None:
    _string(body, "link_url", required=True)


def _check_menu(body: Json) -> None:
    head, tail = _string(body, "head_content"), _string(body, "tail_content")
    items = body.get("list", [])
    if not isinstance(items, list):
        raise WireError(40058, "field `list` is no array. invalid Request Parameter")
    if not head and not tail and not items:
        raise WireError(40063)
    _at_most(head, 1024, "head_content")
    _at_most(tail, 1024, "tail_content")
    buttons = [item for item in items if isinstance(item, dict) and item.get("type") != "text"]
    if len(items) > _MENU_MAX_ITEMS or len(buttons) > _MENU_MAX_BUTTONS:
        raise WireError(95008)
    for item in items:
        _check_menu_item(item)


def _check_menu_item(item: Any) -> None:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind not in _MENU_FIELDS:
        raise WireError(95009)
    if set(item) - {"type", kind}:
        raise WireError(40058, "menu item holds more than its own type. invalid Request Parameter")
    content = item.get(kind)
    if not isinstance(content, dict):
        raise WireError(40058, f"menu item lacks `{kind}`. invalid Request Parameter")
    for name, (limit, required) in _MENU_FIELDS[kind].items():
        _at_most(_string(content, name, required=required), limit, name)


def _string(body: Json, name: str, *, required: bool = False) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise WireError(40058, f"field `{name}` is no string. invalid Request Parameter")
    if required and not value:
        raise WireError(
            44004 if name == "content" else 40058, "" if name == "content" else f"field `{name}` missing"
        )
    return value


def _at_most(value: str, limit: int, name: str) -> None:
    if len(value.encode()) > limit:
        raise WireError(40058, f"{name} exceed max length")


def _unchecked(body: Json) -> None:
    return None


_MEDIA_TYPES = frozenset({"image", "voice", "video", "file"})
_CHECKS: dict[str, Callable[[Json], None]] = {
    "text": _unchecked,
    **dict.fromkeys(_MEDIA_TYPES, _unchecked),
    "link": _check_link,
    "miniprogram": _check_miniprogram,
    "msgmenu": _check_menu,
    "location": _check_location,
    "business_card": _check_business_card,
    "ca_link": _check_ca_link,
}
