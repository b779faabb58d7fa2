"""From bytes to text: encodings, and refusing what is not text."""

import codecs

from kf_knowledge.passages import Format

MAX_BYTES = 4 * 1024 * 1024
# Real Chinese text is almost wholly of GB2312 characters; other bytes read as GB18030 are not.
_COMMON_SHARE = 0.9

_FORMATS = {
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".txt": Format.TEXT,
    ".csv": Format.FAQ_CSV,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".xlsx": Format.XLSX,
    ".pptx": Format.PPTX,
}
_TEXT = frozenset({Format.MARKDOWN, Format.TEXT, Format.FAQ_CSV, Format.HTML})
_OFFICE = frozenset({Format.DOCX, Format.XLSX, Format.PPTX})
_ZIP, _OLE, _PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF"


class InvalidDocumentError(Exception):
    """The document cannot be used; the message says why, where, and what to do."""


def format_of(source: str) -> Format:
    """The format that a source's ending stands for; an address without one is a web page."""
    for ending, kind in _FORMATS.items():
        if source.lower().endswith(ending):
            return kind
    if source.startswith(("http://", "https://")):
        return Format.HTML
    raise InvalidDocumentError(
        f"The format of {source!r} is unknown: name it {' '.join(_FORMATS)}, or set the field format"
    )


def check_kind(kind: Format, content: bytes) -> None:
    """Raises InvalidDocumentError when the first bytes say that it is something else than it is called."""
    if not content.strip():
        raise InvalidDocumentError("The file is empty")
    if content.startswith(_OLE):
        raise InvalidDocumentError(
            "This is an old Office file or one with a password: save it as .docx, .xlsx or .pptx without"
        )
    if kind in _OFFICE and not content.startswith(_ZIP):
        raise InvalidDocumentError(f"This is no .{kind.name.lower()} file, whatever its name says")
    if kind is Format.PDF and _PDF not in content[:1024]:
        raise InvalidDocumentError("This is no PDF file, whatever its name says")
    if kind in _TEXT and content.startswith((_ZIP, _PDF)):
        raise InvalidDocumentError("This is an Office, PDF or ZIP file: name it .docx, .xlsx, .pptx or .pdf")


def decode(content: bytes) -> str:
    """The text of a UTF-8 (with or without BOM), UTF-16 (with BOM) or GB18030 file, with \\n line ends."""
    if len(content) > MAX_BYTES:
        raise InvalidDocumentError(f"The file has {len(content):,} bytes, at most {MAX_BYTES:,} are allowed")
    text = _decoded(content)
    if "\x00" in text:
        raise InvalidDocumentError("This is not a text file: it holds NUL characters")
    if not text.strip():
        raise InvalidDocumentError("The file is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "gb18030" or _is_plausible(text):
            return text
    raise InvalidDocumentError("The file is neither UTF-8 nor GB18030 text: save it as UTF-8")


def _is_plausible(text: str) -> bool:
    return len(text.encode("gb2312", "ignore").decode("gb2312")) >= _COMMON_SHARE * len(text)
