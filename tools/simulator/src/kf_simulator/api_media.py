"""media/upload and media/get over HTTP (section 8)."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.responses import Response

from kf_simulator.api import Api, Call
from kf_simulator.errors import WireError
from kf_simulator.media import MediaStore
from kf_simulator.records import Json


class MediaApi:
    """Files in and out."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store

    def register(self, api: Api) -> None:
        """Serve the paths."""
        api.add("media/upload", self.upload, wants_json=False)
        api.add("media/get", self.get, "GET")

    async def upload(self, call: Call) -> Json:
        """One multipart part named `media`; created_at is a string, as documented."""
        async with call.request.form() as form:
            part = form.get("media")
            if not isinstance(part, UploadFile):
                raise WireError(44001)
            kind = call.query.get("type", "")
            content_type = part.content_type or "application/octet-stream"
            media = self._store.upload(kind, part.filename or "file", content_type, await part.read())
        return {"type": kind, "media_id": media.media_id, "created_at": str(int(media.created_at))}

    def get(self, call: Call) -> Response:
        """The bytes, or the part that a Range header asks for."""
        media = self._store.get(call.query.get("media_id", ""))
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(media.filename)}",
            "accept-ranges": "bytes",
        }
        begin, end = _range(call.request.headers.get("range", ""), len(media.data))
        if (begin, end) == (0, len(media.data)):
            return Response(media.data, media_type=media.content_type, headers=headers)
        headers["content-range"] = f"bytes {begin}-{end - 1}/{len(media.data)}"
        return Response(media.data[begin:end], 206, media_type=media.content_type, headers=headers)


def _range(header: str, size: int) -> tuple[int, int]:
    """`bytes=a-b` as a half-open interval; anything else means the whole file."""
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not header.startswith("bytes=") or not first.isdigit():
        return 0, size
    end = min(int(last) + 1, size) if last.isdigit() else size
    return (int(first), end) if int(first) < end else (0, size)
