"""What WeCom's errcodes mean and how to mend them, for the spans that carry one."""

from collections.abc import Iterable
from typing import TypedDict

from kf_wecom.errcodes import lookup

ERRCODE_KEYS = ("kf.errcode", "kf.wecom.errcode")


class Explanation(TypedDict):
    """One errcode of the catalogue, in the page's two languages; menu is where to click, or empty."""

    error_class: str
    menu: str
    cause: dict[str, str]
    remedy: dict[str, str]


def explain(codes: Iterable[object]) -> dict[str, Explanation]:
    """The explanation of each whole number among the codes, by its text; 0 is success and has none."""
    return {
        text: _explanation(int(text)) for text in sorted({str(code) for code in codes}) if _is_fault(text)
    }


def _is_fault(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < 10 and int(digits) != 0


def _explanation(code: int) -> Explanation:
    entry = lookup(code)
    # The address WeCom refused is in the log; a span does not carry it.
    return {
        "error_class": str(entry.error_class),
        "menu": entry.menu,
        "cause": {"zh": entry.cause_zh, "en": entry.cause_en},
        "remedy": {
            "zh": entry.remedy_zh.replace("{from_ip}", "（见日志 from_ip）"),
            "en": entry.remedy_en.replace("{from_ip}", "(from_ip in the log)"),
        },
    }
