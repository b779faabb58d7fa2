"""The documents that an import takes: files, folders searched to the bottom, and what ZIP files hold."""

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

ENDINGS = (".md", ".markdown", ".txt", ".csv", ".html", ".htm", ".pdf", ".docx", ".xlsx", ".pptx")
ARCHIVE = ".zip"
MAX_BYTES = 32 * 1024 * 1024
"""What the service takes of one document."""
MAX_MEMBERS, MAX_UNPACKED = 2_000, 512 * 1024 * 1024
# Text packs 3 to 20 times; a file of zeros packs a thousand times.
_MAX_RATIO = 200


class SourceError(Exception):
    """A file cannot be imported; the message names it and says what to do."""


@dataclass(frozen=True)
class Source:
    """One document to import; `name` is its key within the collection, `member` its place in a ZIP file."""

    path: Path
    name: str
    member: str = ""

    @property
    def ending(self) -> str:
        """Empty: the name tells what it is."""
        return ""

    def read(self) -> bytes:
        """The content, at most a byte more than the service takes.

        Raises:
            SourceError: the file cannot be read.
        """
        try:
            if not self.member:
                with self.path.open("rb") as file:
                    return file.read(MAX_BYTES + 1)
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                return file.read(MAX_BYTES + 1)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
            raise SourceError(f"{self.name}: cannot be read ({type(error).__name__})") from None


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """The documents among files and folders, each once, in order of name.

    Raises:
        SourceError: a path is not there, a file has an ending that is not understood, a ZIP file is hostile,
            or two files would be the same document of the collection.
    """
    found: dict[tuple[Path, str], Source] = {}
    for path in paths:
        for source in _sources(path):
            found[source.path, source.member] = source
    by_name: dict[str, Path] = {}
    for source in found.values():
        first = by_name.setdefault(source.name, source.path)
        if first != source.path:
            raise SourceError(
                f"{first} and {source.path} would both be {source.name}: import their folder instead."
            )
    return list(found.values())


def _sources(path: Path) -> Iterator[Source]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and file.suffix.lower() in (*ENDINGS, ARCHIVE):
                yield from _named(file, file.relative_to(path).as_posix())
    elif not path.exists():
        raise SourceError(f"{path} is not there.")
    elif path.suffix.lower() not in (*ENDINGS, ARCHIVE):
        raise SourceError(f"{path}: only {' '.join((*ENDINGS, ARCHIVE))} are understood.")
    else:
        yield from _named(path, path.name)


def _named(file: Path, name: str) -> Iterator[Source]:
    if file.suffix.lower() != ARCHIVE:
        yield Source(file, name)
        return
    for member in _members(file):
        yield Source(file, f"{name}/{member}", member)


def _members(file: Path) -> list[str]:
    """The documents in a ZIP file; what it says of their sizes is checked again when they are read."""
    try:
        with zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        raise SourceError(f"{file.name}: is no ZIP file, or a damaged one") from None
    wanted = [info for info in infos if PurePosixPath(info.filename).suffix.lower() in ENDINGS]
    if len(wanted) > MAX_MEMBERS:
        raise SourceError(
            f"{file.name}: holds {len(wanted):,} documents, at most {MAX_MEMBERS:,} are allowed"
        )
    if sum(info.file_size for info in wanted) > MAX_UNPACKED:
        raise SourceError(f"{file.name}: unpacks to more than {MAX_UNPACKED:,} bytes")
    for info in wanted:
        if info.file_size > _MAX_RATIO * max(info.compress_size, 100):
            raise SourceError(
                f"{file.name}: {info.filename} unpacks to far more than it should (a ZIP bomb?)"
            )
        if info.flag_bits & 1:
            raise SourceError(f"{file.name}: {info.filename} is encrypted: unpack it first")
    return sorted(info.filename for info in wanted)


def sample_sources() -> list[tuple[str, Source]]:
    """(collection, document) of the sample knowledge base: a folder is a collection."""
    root = Path(str(resources.files("kf_cli") / "sample"))
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    return [(folder.name, source) for folder in folders for source in find_sources([folder])]
