"""Everything that can go wrong in a call to WeCom.

WecomError
├── ApiError            WeCom answered with an errcode; `entry` is its place in the catalogue
└── TransportError      no answer that can be judged
    ├── NotSentError    the request surely did not reach WeCom: safe to send again
    └── AmbiguousError  it may have had its effect: timeout, dropped connection, HTTP 5xx, broken JSON

Their text never holds a token, a secret, a customer's id or a word of a message.
"""

import re
from collections.abc import Iterable

from kf_wecom.errcodes import Entry, ErrorClass, classify

_HINT = re.compile(r"hint:\s*\[([\w-]{1,100})\]")
_FROM_IP = re.compile(r"from ip:\s*([0-9a-fA-F.:]{2,45})")
_TAIL = re.compile(r",?\s*(hint:|from ip:|more info at).*", re.DOTALL)
_OPAQUE = re.compile(r"[A-Za-z0-9_+/=-]{24,}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_ERRMSG_MAX = 200


class WecomError(Exception):
    """A call to WeCom that did not succeed; `api` is its path, such as /cgi-bin/kf/send_msg."""

    api: str

    @property
    def error_class(self) -> ErrorClass:
        """What this asks of the caller."""
        raise NotImplementedError

    @property
    def remedy_zh(self) -> str:
        """What an operator should do, in Chinese."""
        raise NotImplementedError

    @property
    def remedy_en(self) -> str:
        """What an operator should do, in English."""
        raise NotImplementedError


class ApiError(WecomError):
    """An errcode other than 0.

    `errmsg` is cleaned: no values of the request, nothing that looks like an id or a token, no non-ASCII.
    `retry_after` is set (seconds) when the call was not made because an earlier refusal still holds.
    """

    def __init__(
        self,
        api: str,
        code: int,
        errmsg: str = "",
        *,
        private: Iterable[str] = (),
        retry_after: float | None = None,
    ) -> None:
        self.api = api
        self.code = code
        self.entry: Entry = classify(code, errmsg)
        self.hint = _group(_HINT, errmsg)
        self.from_ip = _group(_FROM_IP, errmsg)
        self.errmsg = clean_errmsg(errmsg, private)
        self.retry_after = retry_after
        super().__init__(api, code)

    @property
    def error_class(self) -> ErrorClass:
        """The class of the errcode."""
        return self.entry.error_class

    @property
    def remedy_zh(self) -> str:
        """The catalogue's remedy, with the caller's IP where that is the point."""
        return self.entry.remedy_zh.replace("{from_ip}", self.from_ip or "服务器的公网出口 IP")

    @property
    def remedy_en(self) -> str:
        """The catalogue's remedy, with the caller's IP where that is the point."""
        return self.entry.remedy_en.replace("{from_ip}", self.from_ip or "the server's public egress IP")

    def __str__(self) -> str:
        hint = f", hint {self.hint}" if self.hint else ""
        held = f", held for {self.retry_after:.0f} s" if self.retry_after else ""
        detail = f"{self.errmsg}{hint}{held}"
        return f"{self.api}: errcode {self.code} ({detail}): {self.entry.cause_en}. {self.remedy_en}"


class TransportError(WecomError):
    """No answer that can be judged; `reason` is a short constant such as connect_error or http_502."""

    def __init__(self, api: str, reason: str) -> None:
        self.api = api
        self.reason = reason
        super().__init__(api, reason)

    @property
    def error_class(self) -> ErrorClass:
        """Always back_off."""
        return ErrorClass.BACK_OFF

    @property
    def remedy_zh(self) -> str:
        """Where to look when it lasts."""
        return "检查 WECOM_API_BASE、DNS、出口网络、代理与防火墙；短暂故障会自动恢复"

    @property
    def remedy_en(self) -> str:
        """Where to look when it lasts."""
        return "check WECOM_API_BASE, DNS, egress network, proxy and firewall; short outages mend themselves"

    def __str__(self) -> str:
        return f"{self.api}: {self.reason}. {self.remedy_en}"


class NotSentError(TransportError):
    """The request surely did not reach WeCom."""


class AmbiguousError(TransportError):
    """The request may have had its effect."""


def clean_errmsg(errmsg: str, private: Iterable[str]) -> str:
    """An errmsg fit to log: no tail, no private values, no opaque ids, ASCII only, at most 200 long."""
    text = _TAIL.sub("", errmsg)
    for value in sorted(private, key=len, reverse=True):
        if len(value) > 1:
            text = text.replace(value, "[..]")
    return _UNPRINTABLE.sub(" ", _OPAQUE.sub("[..]", text)).strip()[:_ERRMSG_MAX]


def _group(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None
