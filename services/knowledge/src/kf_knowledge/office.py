"""What Word, Excel and PowerPoint files have in common: a ZIP package that is checked before it is opened."""

import io
import zipfile

from kf_knowledge.content import InvalidDocumentError

MAX_MEMBERS, MAX_UNPACKED = 5_000, 256 * 1024 * 1024
# XML packs some 10 to 30 times; a file of zeros packs a thousand times.
_MAX_RATIO, _RATIO_FROM = 150, 1024 * 1024


def check_package(content: bytes, main_part: str) -> None:
    """Raises InvalidDocumentError for a package that is damaged or hostile, has macros or no main part."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            parts = package.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise InvalidDocumentError("The file is damaged: open it in Office and save it again") from None
    if len(parts) > MAX_MEMBERS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise InvalidDocumentError(
            f"The file unpacks to more than {MAX_UNPACKED // 2**20} MiB or {MAX_MEMBERS:,} parts"
        )
    for part in parts:
        if part.file_size > max(_RATIO_FROM, _MAX_RATIO * part.compress_size):
            raise InvalidDocumentError(
                "The file unpacks to far more than it should (a ZIP bomb?): it is refused"
            )
    names = {part.filename for part in parts}
    if any(name.endswith("vbaProject.bin") for name in names):
        raise InvalidDocumentError("The file has macros: save it without them (.docx, .xlsx, .pptx)")
    if main_part not in names:
        raise InvalidDocumentError("The file is of another kind than its name says")


def markdown_table(rows: list[list[str]]) -> tuple[str, str]:
    """A table as Markdown, and its head, which is repeated when it is cut."""
    width = max(len(row) for row in rows)
    padded = [
        [cell.replace("|", "/").replace("\n", " ") for cell in row] + [""] * (width - len(row))
        for row in rows
    ]
    lines = [f"| {' | '.join(row)} |" for row in padded]
    head = f"{lines[0]}\n|{'---|' * width}"
    return "\n".join([head, *lines[1:]]), head
