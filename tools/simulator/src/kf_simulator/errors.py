"""Errors as WeCom words them: HTTP 200, an errcode, and an errmsg that ends in a hint (section 2.2)."""

from __future__ import annotations

import secrets
import time

from kf_simulator.records import Json

MESSAGES = {
    -1: "system busy",
    40001: "invalid credential",
    40004: "invalid media file type",
    40005: "invalid media type",
    40006: "invalid media size",
    40007: "invalid media_id",
    40008: "invalid message type",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40058: "invalid Request Parameter",
    40063: "some parameters are empty",
    40096: "invalid external userid",
    40206: "request body too large",
    41001: "access_token missing",
    41002: "corpid missing",
    41004: "corpsecret missing",
    41006: "media_id missing",
    42001: "access_token expired",
    44001: "empty media data",
    44004: "empty content",
    45001: "media size out of limit",
    45002: "content size out of limit",
    45007: "voice too long",
    45009: "api freq out of limit",
    45033: "api concurrent out of limit",
    45034: "url lacks scheme",
    46004: "user not exist",
    48002: "api forbidden",
    48007: "api forbidden for this kf account",
    60020: "not allow to access from your ip",
    60111: "userid not found",
    95000: "invalid open_kfid",
    95001: "send msg count limit",
    95002: "send msg time limit",
    95004: "open_kfid not exist",
    95005: "kf account count out of limit",
    95006: "invalid kf account name",
    95007: "invalid msg token",
    95008: "menu list size over limit",
    95009: "invalid menu item type",
    95013: "conversation end",
    95014: "user is not servicer or not activated",
    95015: "exclusive service is configured",
    95016: "session state change not allowed",
    95017: "api switch closed",
    95018: "send msg session status invalid",
    95019: "servicer stopped or suspended",
    95022: "invalid location type",
    95028: "msgid not found",
    95029: "recall time limit",
    95031: "customer has not consulted in 48 hours",
}


class WireError(Exception):
    """A refusal with its errcode; `detail` replaces the catalogue's sentence."""

    def __init__(self, errcode: int, detail: str = "") -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.message = detail or MESSAGES.get(errcode, "unknown error")

    def to_json(self, client_ip: str) -> Json:
        """The reply body, with the tail that support asks for."""
        hint = f"[{int(time.time())}_{secrets.randbelow(1000)}_{secrets.token_hex(16)}]"
        more = f"https://open.work.weixin.qq.com/devtool/query?e={self.errcode}"
        tail = f", hint: {hint}, from ip: {client_ip}, more info at {more}"
        return {"errcode": self.errcode, "errmsg": self.message + tail}
