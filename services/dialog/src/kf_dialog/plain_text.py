"""Turns what a model writes into plain text that reads well in WeChat, which shows Markdown as it stands."""

import html
import re
from collections.abc import Callable, Iterator, Sequence

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
# A lone surrogate, half of an emoji, is no text: neither UTF-8 nor PostgreSQL can hold it.
# Marks of direction can show a text in another order than it is written in.
_UNSHOWN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
_FENCE = re.compile(r"^\s{0,12}(?:```|~~~)")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*)$")
_HEADING_END = re.compile(r"\s#+$")
_RULE = re.compile(r"^\s{0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|={3,})$")
_QUOTE = re.compile(r"^\s{0,3}(?:>\s?)+")
_BULLET = re.compile(r"^(\s{0,12})[-*+•]\s+(?:\[[ xX]\]\s+)?(.*)$")
_URL = re.compile(r"https?://[^\s<>()\[\]\ue000-\uf8ff\u4e00-\u9fff，。；！？（）]+")
_CODE = re.compile(r"(`{1,3})([^`\n]+)\1")
_IMAGE_OR_LINK = re.compile(
    r"!?\[([^\[\]\n]*)\]\(\s*<?((?:[^\s()<>]|\([^\s()]*\))+)>?(?:\s+[\"'][^\n\"']*[\"'])?\s*\)"
)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>")
_TAG = re.compile(
    r"</?(?:b|i|u|s|em|strong|p|div|span|font|sub|sup|ul|ol|li|h[1-6]|code|pre|center)(?:\s[^<>]*)?>", re.I
)
_BREAK = re.compile(r"<br\s*/?>|</p>|</li>|</div>", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# Marks touch no letter or digit of the Latin alphabet outside and no space inside: 2*3*4 and snake_case stay.
_MARKED = [
    re.compile(
        rf"(?<![0-9A-Za-z{mark[-1]}]){mark}(?=[^\s{mark[-1]}])([^\n]{{0,300}}?[^\s{mark[-1]}]){mark}(?![0-9A-Za-z{mark[-1]}])"
    )
    for mark in (r"\*\*\*", r"___", r"__", r"~~", r"\*", r"_")
]
# Bold is never arithmetic, and in Chinese it often touches letters: 支持**iOS**和Android.
_BOLD = re.compile(r"\*\*([^\n*]+(?:\*[^\n*]+)*)\*\*")
_SENTENCE_END = re.compile(r"[。！？；!?](?:[”’」』）)\]】]){0,3}|\.(?=\s)|\n")
_PRIVATE = 0xE000
_PLACE = re.compile(r"[\ue000-\uf8ff]")
"""Characters that stand for kept text while the marks are taken out."""
MAX_CHARS = 8_000


def to_plain_text(markdown: str) -> str:
    """Plain text without reasoning, Markdown, HTML or control characters; empty when nothing is left."""
    lines = without_thoughts(markdown)[:MAX_CHARS].expandtabs(4).split("\n")
    text = "\n".join(line.rstrip() for line in _lines(lines))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def without_thoughts(text: str) -> str:
    """The text without a model's reasoning and without characters that nobody can see."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _THOUGHT.sub("", text)
    # Some templates open the thought in the prompt, so that only its end is in the answer.
    text = _THOUGHT_END.sub("", text)
    return _UNSHOWN.sub("", text)


def whole_sentences(text: str) -> str:
    """The text up to its last finished sentence or line; empty when not one is finished."""
    ends = [match.end() for match in _SENTENCE_END.finditer(without_thoughts(text)[:MAX_CHARS])]
    return without_thoughts(text)[: ends[-1]].rstrip() if ends else ""


def _lines(lines: Sequence[str]) -> Iterator[str]:
    in_code = False
    at = 0
    while at < len(lines):
        line = lines[at]
        if _FENCE.match(line):
            in_code = not in_code
        elif in_code:
            yield line
        elif "|" in line and at + 1 < len(lines) and _is_separator(lines[at + 1]):
            rows = _table(lines, at)
            yield from _rows(_cells(line), rows)
            at += 1 + len(rows)
        else:
            yield _line(line)
        at += 1


def _line(line: str) -> str:
    if _RULE.match(line):
        return ""
    line = _QUOTE.sub("", line)
    if heading := _HEADING.match(line):
        return _inline(_HEADING_END.sub("", heading[1].rstrip()))
    if bullet := _BULLET.match(line):
        return f"{bullet[1]}• {_inline(bullet[2])}"
    return _inline(line)


def _is_separator(line: str) -> bool:
    return "|" in line and "-" in line and not line.strip("|:- ")


def _table(lines: Sequence[str], header: int) -> list[str]:
    """The body lines of the table whose header is at `header`."""
    end = header + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    return list(lines[header + 2 : end])


def _cells(line: str) -> list[str]:
    return [_inline(cell.strip()) for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _rows(header: list[str], rows: Sequence[str]) -> Iterator[str]:
    """Two columns: `a：b`; more: `a（B：b；C：c）`, since a table has no shape in a chat bubble."""
    for row in map(_cells, rows):
        if len(header) == 2 and len(row) == 2:
            yield f"• {row[0]}：{row[1]}"
            continue
        rest = [
            f"{name}：{cell}" if name else cell
            for name, cell in zip(header[1:], row[1:], strict=False)
            if cell
        ]
        yield f"• {row[0]}（{'；'.join(rest)}）" if rest else f"• {row[0]}"


def _inline(text: str) -> str:
    """One line without its marks; code and escaped characters are kept as they are."""
    kept: list[str] = []

    def keep(content: str) -> str:
        kept.append(content)
        return chr(_PRIVATE + len(kept) - 1) if len(kept) < 6000 else content

    text = _PLACE.sub("", text)
    text = _CODE.sub(lambda m: keep(m[2]), text)
    text = _ESCAPED.sub(lambda m: keep(m[1]), text)
    text = _links(text, keep)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _ENTITY.sub(_character, text).replace("\xa0", " ")
    text = _BOLD.sub(r"\1", text)
    for marked in _MARKED:
        text = marked.sub(r"\1", text)
    return _PLACE.sub(lambda m: kept[ord(m[0]) - _PRIVATE], text)


def _character(entity: re.Match[str]) -> str:
    """What `&amp;` or `&#38;` stands for, unless nobody could see it."""
    return _PLACE.sub("", _UNSHOWN.sub("", html.unescape(entity[0])))


def _links(text: str, keep: Callable[[str], str]) -> str:
    """`[text](url)` as `text (url)`; a URL keeps its underscores and asterisks."""

    def link(match: re.Match[str]) -> str:
        label, url = match[1].strip(), match[2].removeprefix("mailto:")
        return keep(url) if label in ("", url) else f"{label} ({keep(url)})"

    text = _IMAGE_OR_LINK.sub(link, text)
    text = _AUTOLINK.sub(lambda m: keep(m[1].removeprefix("mailto:")), text)
    return _URL.sub(lambda m: keep(_trimmed(m[0])) + m[0][len(_trimmed(m[0])) :], text)


def _trimmed(url: str) -> str:
    """A bare URL without the marks and stops that follow it: **https://a.b** ends in marks."""
    return url.rstrip("*_~.,;:!?")
