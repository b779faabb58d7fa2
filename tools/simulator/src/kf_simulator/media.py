"""Temporary media: uploaded by the app or sent by customers, kept for three days (section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kf_simulator import ids
from kf_simulator.clock import Clock
from kf_simulator.errors import WireError
from kf_simulator.journal import Journal
from kf_simulator.records import Json

LIFETIME_SECONDS = 3 * 24 * 3600
_MIB = 1024 * 1024
_MIN_BYTES = 5
_MAX_BYTES = {"image": 10 * _MIB, "voice": 2 * _MIB, "video": 10 * _MIB, "file": 20 * _MIB}
# What a customer may send; above it the app gets a text that says so (section 3.7).
INBOUND_MAX_BYTES = {"image": 2 * _MIB, "voice": 2 * _MIB, "video": 10 * _MIB, "file": 20 * _MIB}
_AMR_FRAME_BYTES = (13, 14, 16, 18, 20, 21, 27, 32, 6)
_AMR_HEADER = b"#!AMR\n"
_AMR_MAX_FRAMES = 60 * 50
_MAGIC = {
    "image": lambda data: data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")),
    "voice": lambda data: data.startswith(b"#!AMR"),
    "video": lambda data: data[4:8] == b"ftyp",
}
_WRONG_KIND = {"image": 40009, "voice": 40004, "video": 40011}


@dataclass(frozen=True)
class Media:
    """One file."""

    media_id: str
    kind: str
    filename: str
    content_type: str
    data: bytes
    created_at: float


class MediaStore:
    """Files by media_id; on disk beside the journal when there is a folder."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._folder = journal.folder / "media" if journal.folder else None
        self._files: dict[str, Media] = {}

    def upload(self, kind: str, filename: str, content_type: str, data: bytes) -> Media:
        """Keep a file of the app: 40005 for the kind, 44001 empty, 40006/45001 for size, else its form."""
        if kind not in _MAX_BYTES:
            raise WireError(40005)
        if not data:
            raise WireError(44001)
        if len(data) <= _MIN_BYTES:
            raise WireError(40006)
        if len(data) > _MAX_BYTES[kind]:
            raise WireError(45001)
        if kind in _MAGIC and not _MAGIC[kind](data):
            raise WireError(_WRONG_KIND[kind])
        if kind == "voice" and _amr_frames(data) > _AMR_MAX_FRAMES:
            raise WireError(45007)
        return self.add(kind, filename, content_type, data)

    def add(self, kind: str, filename: str, content_type: str, data: bytes) -> Media:
        """Keep a file as it is."""
        media = Media(ids.media_id(), kind, filename, content_type, data, self._clock.now())
        self._files[media.media_id] = media
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / media.media_id).write_bytes(data)
        self._note(media)
        return media

    def get(self, media_id: str) -> Media:
        """The file; 41006 without an id, 40007 when unknown or older than three days."""
        if not media_id:
            raise WireError(41006)
        media = self._files.get(media_id)
        if media is None or self._clock.now() - media.created_at > LIFETIME_SECONDS:
            raise WireError(40007)
        return media

    def exists(self, media_id: str, kind: str) -> bool:
        """Whether a message of this kind may carry the media_id."""
        try:
            return self.get(media_id).kind == kind
        except WireError:
            return False

    def restore(self, documents: dict[str, Json]) -> None:
        """Take back the files that a run before this one kept; what has expired goes."""
        if self._folder is None:
            return
        for media_id, document in documents.items():
            path = self._folder / media_id
            if self._clock.now() - document["created_at"] > LIFETIME_SECONDS:
                path.unlink(missing_ok=True)
            elif path.exists():
                self._files[media_id] = Media(media_id=media_id, data=path.read_bytes(), **document)
                self._note(self._files[media_id])

    def clear(self) -> None:
        """Forget all files."""
        for media_id in self._files:
            if self._folder:
                Path(self._folder / media_id).unlink(missing_ok=True)
        self._files.clear()

    def _note(self, media: Media) -> None:
        document = {name: value for name, value in vars(media).items() if name not in ("media_id", "data")}
        self._journal.put("media", media.media_id, document)


def _amr_frames(data: bytes) -> int:
    """How many frames of 20 ms an AMR file has (RFC 4867); what follows a malformed frame is not counted."""
    place, frames = len(_AMR_HEADER), 0
    while place < len(data):
        kind = data[place] >> 3 & 0x0F
        if kind >= len(_AMR_FRAME_BYTES):
            break
        place += _AMR_FRAME_BYTES[kind]
        frames += 1
    return frames
