"""Temporary media: uploaded by the app or sent by customers, kept in memory for three days (section 8)."""

from __future__ import annotations

from dataclasses import dataclass

from kf_simulator import ids
from kf_simulator.clock import Clock
from kf_simulator.errors import WireError

LIFETIME_SECONDS = 3 * 24 * 3600
_MIB = 1024 * 1024
_MIN_BYTES = 5
_MAX_BYTES = {"image": 10 * _MIB, "voice": 2 * _MIB, "video": 10 * _MIB, "file": 20 * _MIB}
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
    """Files by media_id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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
        return self.add(kind, filename, content_type, data)

    def add(self, kind: str, filename: str, content_type: str, data: bytes) -> Media:
        """Keep a file as it is."""
        media = Media(ids.media_id(), kind, filename, content_type, data, self._clock.now())
        self._files[media.media_id] = media
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

    def clear(self) -> None:
        """Forget all files."""
        self._files.clear()
