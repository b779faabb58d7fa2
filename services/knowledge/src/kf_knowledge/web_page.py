"""Reads HTML: what a visitor reads, along its headings; menus, scripts and what is hidden are left out."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from kf_knowledge.content import InvalidDocumentError, decode
from kf_knowledge.prose import HEADING_CHARACTERS, Block

_NOISE = "script, style, noscript, template, nav, footer, aside, form, svg, iframe, object, button, dialog"
_HIDDEN = '[hidden], [aria-hidden="true"], [style*="display:none"], [style*="display: none"]'
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(_HEADINGS).union(
    ("p", "div", "section", "article", "main", "header", "body", "li", "tr", "pre", "blockquote"),
    ("dt", "dd", "figcaption", "caption", "summary"),
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{2,20})", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_MAX_NODES = 500_000
_MAX_DEPTH = 500


def read_html(content: bytes) -> tuple[str, list[Block]]:
    """The page's title and its blocks."""
    tree = LexborHTMLParser(_text(content))
    title = tree.css_first("title")
    name = _clean(title.text()) if title else ""
    for selector in (_NOISE, _HIDDEN):
        for node in tree.css(selector):
            node.decompose()
    root = tree.css_first("main") or tree.css_first("article") or tree.body
    return name, list(_blocks(root)) if root else []


def _text(content: bytes) -> str:
    declared = _CHARSET.search(content[:4096])
    if declared and declared[1].lower() in (b"gb2312", b"gbk", b"gb18030"):
        return content.decode("gb18030", "replace").replace("\x00", "")
    return decode(content)


def _blocks(root: LexborNode) -> Iterator[Block]:
    path: list[tuple[int, str]] = []
    for tag, text in _paragraphs(root):
        level = _HEADINGS.get(tag)
        if level:
            path = [*(entry for entry in path if entry[0] < level), (level, text[:HEADING_CHARACTERS])]
        else:
            yield Block(f"- {text}" if tag == "li" else text, tuple(title for _, title in path))


def _paragraphs(root: LexborNode) -> Iterator[tuple[str, str]]:
    """The texts of innermost blocks with their tags, in order; cells of a row are parted by bars."""
    parts: list[str] = []
    current: tuple[int, str] = (0, "")
    cell = 0
    for count, node in enumerate(root.traverse(include_text=True)):
        if count > _MAX_NODES:
            raise InvalidDocumentError(f"The page has more than {_MAX_NODES:,} elements")
        said = _said(node)
        if not said:
            continue
        block, its_cell = _place(node)
        if block != current:
            if text := _clean("".join(parts)):
                yield current[1], text
            current, parts, cell = block, [], its_cell
        if its_cell != cell:
            parts.append(" | ")
            cell = its_cell
        parts.append(said)
    if text := _clean("".join(parts)):
        yield current[1], text


def _said(node: LexborNode) -> str:
    if node.tag == "-text":
        return node.text_content or ""
    if node.tag == "img":
        return str((node.attributes or {}).get("alt") or "")
    return " " if node.tag == "br" else ""


def _place(node: LexborNode) -> tuple[tuple[int, str], int]:
    """The innermost block around a node (its id and tag), and the id of the table cell around it."""
    cell, around = 0, node.parent
    for _ in range(_MAX_DEPTH):
        if around is None:
            break
        if around.tag in ("td", "th") and not cell:
            cell = around.mem_id
        elif around.tag in _BLOCKS and not (cell and around.tag != "tr"):
            return (around.mem_id, str(around.tag)), cell
        around = around.parent
    return (0, ""), cell


def _clean(text: str) -> str:
    return _SPACES.sub(" ", text).strip(" |")
