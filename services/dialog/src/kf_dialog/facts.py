"""What can be checked in a text by its form: addresses, telephone numbers, amounts, spans of time."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kf_dialog.numerals import NUMBER, value_of, values_in

_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>()\[\]{}\"'，。；！？（）【】《》、一-鿿]+"
    r"|(?<![\w@.-])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,12}(?:/[^\s<>()\[\]{}\"'，。；！？（）【】《》、一-鿿]*)?",
    re.IGNORECASE,
)
_FILE_ENDINGS = frozenset(
    [
        "pdf",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "csv",
        "ppt",
        "pptx",
        "txt",
        "md",
        "json",
        "xml",
        "yaml",
        "html",
        "js",
        "ts",
        "py",
        "css",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "zip",
        "rar",
        "exe",
        "apk",
        "mp3",
        "mp4",
        "app",
    ]
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+", re.ASCII)
_DIGIT_RUN = re.compile(r"\+?\d(?:[ -]?\d){6,19}")
_SHORT_CONTACT = re.compile(
    r"(?:电话|热线|拨打|致电|手机号?|微信号?|加v|vx|v信|qq群?|call|dial|phone|hotline|wechat|whatsapp"
    r"|telegram)"
    r"[^\w\n]{0,4}(?:号码|号|id|是|为|at|:|：)?[^\w\n]{0,3}([a-z][a-z0-9_-]{4,30}|\d{3,6})(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_MONEY = re.compile(
    rf"(?:[¥$€£]|rmb|cny|usd|人民币)\s?({NUMBER})"
    rf"|({NUMBER})\s?(?:元|块钱?|圆|美元|yuan|rmb|cny|usd|dollars?|bucks|%|折|percent)",
    re.IGNORECASE,
)
_HOURS = {"分钟": 1 / 60, "minute": 1 / 60, "小时": 1, "hour": 1, "天": 24, "日": 24, "工作日": 24, "day": 24}
_HOURS |= {
    "周": 168,
    "星期": 168,
    "week": 168,
    "个月": 720,
    "月": 720,
    "month": 720,
    "年": 8640,
    "year": 8640,
}
_SPAN = re.compile(
    rf"({NUMBER})\s?(?:个\s?)?(?:business |working )?(分钟|minute|小时|hour|工作日|天|日|day|周|星期|week"
    rf"|个月|month|年|year)(?!月|\d)",
    re.IGNORECASE,
)
_LEAST_BARE_PRICE = 10
_ROUNDING = 0.0005
_MODEL = re.compile(r"(?<![a-z0-9])(?=[a-z0-9]*\d)(?=\d*[a-z])[a-z0-9]{2,10}(?![a-z0-9])")
_UNITS = re.compile(r"\d+(?:rmb|cny|usd|w|k|m|g|kg|ml|l|cm|mm|gb|mb|tb|h|s|v|mah|th|nd|rd|st|am|pm)")
_TOLERANCE = 0.04
"""A year is 365 days to one and twelve months to another."""


def normalised(text: str) -> str:
    """Full-width forms made plain, so that ４００ and 400 are one number."""
    return unicodedata.normalize("NFKC", text)


@dataclass(frozen=True)
class Facts:
    """The checkable facts of one text; found only when asked for."""

    text: str

    @cached_property
    def plain(self) -> str:
        """The text that is looked at."""
        return normalised(self.text)

    @cached_property
    def urls(self) -> frozenset[str]:
        """Addresses without scheme, `www.` and what follows them in a sentence."""
        found = _URL.findall(_EMAIL.sub(" ", self.plain))
        return frozenset(url for url in map(_bare_url, found) if _is_address(url))

    @cached_property
    def contacts(self) -> frozenset[str]:
        """E-mail addresses, long numbers (telephones, orders, accounts), short hotlines and chat ids."""
        plain = _URL.sub(" ", _EMAIL.sub(" ", self.plain))
        runs = {"".join(filter(str.isdigit, run)) for run in _DIGIT_RUN.findall(plain)}
        return frozenset(
            {m.lower() for m in _EMAIL.findall(self.plain)}
            | runs
            | {m.lower() for m in _SHORT_CONTACT.findall(plain)}
        )

    @cached_property
    def amounts(self) -> frozenset[float]:
        """Prices, percentages and discounts, as numbers."""
        found = (value_of(before or after) for before, after in _MONEY.findall(self.plain))
        return frozenset(value for value in found if value is not None)

    @cached_property
    def spans(self) -> frozenset[float]:
        """Spans of time, in hours."""
        found = ((value_of(number), _HOURS[unit.lower()]) for number, unit in _SPAN.findall(self.plain))
        return frozenset(value * hours for value, hours in found if value is not None)

    @cached_property
    def numbers(self) -> frozenset[float]:
        """Every number, whatever it counts."""
        return frozenset(values_in(self.plain))

    @cached_property
    def models(self) -> frozenset[str]:
        """Names that mix letters and digits, such as X2 or A3: what a price belongs to."""
        found = _MODEL.findall(_URL.sub(" ", self.plain).lower())
        return frozenset(name for name in found if not _UNITS.fullmatch(name))

    @cached_property
    def digits(self) -> str:
        """All digits in a row, for numbers that are written with other separators."""
        return re.sub(r"(?<=\d)[ -](?=\d)", "", self.plain).lower()


def unknown_address(said: Facts, known: Facts) -> bool:
    """True when a URL, e-mail address, telephone number or chat id is said that is not in what is known."""
    if any(not any(_leads_to(url, other) for other in known.urls) for url in said.urls):
        return True
    return any(contact not in known.contacts and contact not in known.digits for contact in said.contacts)


def unknown_amount(said: Facts, known: Sequence[Facts], counted: frozenset[float]) -> bool:
    """True when a price is said that neither stands in a source about the same product nor follows from it.

    counted: how many of something the customer asked for: 2 x 2999 is no invention, nor is a sum.
    """
    if not said.amounts:
        return False
    related = [source for source in known if not said.models or said.models & source.models]
    amounts = sorted({amount for source in related for amount in source.amounts})[:60]
    # A table names the currency in its head at most; but a lone 1 is in every text.
    numbers = {
        n for source in related for n in source.numbers if n >= _LEAST_BARE_PRICE or not n.is_integer()
    }
    factors = [n for n in (counted | said.numbers) if n.is_integer() and 1 < n <= 100]
    allowed = {*amounts, *numbers, *(a * f for a in amounts for f in factors)}
    terms_of_sums = [*amounts, *(a for a in said.amounts if a in allowed)][:80]
    allowed |= {x for a in terms_of_sums for b in amounts for x in (a + b, a - b)}
    return any(not _is_near(amount, allowed, _ROUNDING) for amount in said.amounts)


def unknown_span(said: Facts, known: Facts) -> bool:
    """True when a span of time is said that is nowhere in what is known, in whatever unit."""
    return any(not _is_near(span, known.spans, _TOLERANCE) for span in said.spans)


def _is_near(value: float, others: "set[float] | frozenset[float]", tolerance: float) -> bool:
    return any(abs(value - other) <= tolerance * max(abs(value), abs(other)) for other in others)


def _bare_url(found: str) -> str:
    url = found.rstrip(".,;:!?*_~'\"").lower()
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", url).rstrip("/")


def _is_address(url: str) -> bool:
    host = url.partition("/")[0]
    return "." in host and (host.rpartition(".")[2] not in _FILE_ENDINGS or "/" in url)


def _leads_to(said: str, known: str) -> bool:
    """True for the same address, and for a page above it: the site of a known page is no invention."""
    return said == known or known.startswith((f"{said}/", f"{said}?"))
