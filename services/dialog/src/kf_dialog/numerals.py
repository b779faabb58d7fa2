"""Numbers as people write them in Chinese and English: 2,999, 1.2万, 二十四, 半."""

import re

# Bounded, or a long row of digits would be tried from each of its places to its end.
_DIGITS_OR_SIGNS = r"\d[\d,]{0,15}(?:\.\d{1,6})?|[零〇一二两三四五六七八九十百千半]{1,12}"
NUMBER = rf"(?:{_DIGITS_OR_SIGNS})\s?[万千百]?"
_PARTS = re.compile(rf"({_DIGITS_OR_SIGNS})\s?([万千百]?)")
_NUMBERS = re.compile(NUMBER)
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_SCALES = {"": 1.0, "百": 100.0, "千": 1000.0, "万": 10_000.0}


def value_of(number: str) -> float | None:
    """The value of what NUMBER matched; None when it has none (两百零)."""
    match = _PARTS.match(number.strip())
    if match is None:
        return None
    digits, scale = match[1], _SCALES[match[2]]
    if digits[0].isascii():
        return float(digits.replace(",", "") or 0) * scale
    spoken = _spoken(digits)
    return None if spoken is None else spoken * scale


def values_in(text: str) -> set[float]:
    """Every number of a text."""
    return {value for match in _NUMBERS.finditer(text) if (value := value_of(match[0])) is not None}


def _spoken(digits: str) -> float | None:
    if digits == "半":
        return 0.5
    total = last = 0.0
    for sign in digits:
        if sign in _UNITS:
            total += (last or 1) * _UNITS[sign]
            last = 0
        elif sign in _DIGITS:
            # 二〇二六 is spelt digit by digit.
            last = last * 10 + _DIGITS[sign]
        else:
            return None
    return total + last
