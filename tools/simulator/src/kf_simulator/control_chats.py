"""The control API's view over chats: the servicers' desk, files that customers send, chat links."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, HTTPException, Query
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from kf_simulator.control import find_conversation, found, show_line
from kf_simulator.control_models import EnterByLink
from kf_simulator.errors import WireError
from kf_simulator.records import Json, document_of
from kf_simulator.simulation import Simulation

_SHOWN_INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp")


def chats_router(sim: Simulation) -> APIRouter:
    """Chats of all customers, and what needs more than one of the world's parts."""
    router = APIRouter(prefix="/control", tags=["world"])
    _add_desk(router, sim)
    _add_media(router, sim)
    _add_links(router, sim)
    return router


def _add_desk(router: APIRouter, sim: Simulation) -> None:
    @router.get("/chats")
    async def chats(open_kfid: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[Json]:
        """Conversations with state, servicer and last line, the one that last changed first."""
        world = sim.world
        listed: list[Json] = []
        for key, conversation in world.conversations.items():
            lines = [line for line in world.transcript(key) if line.direction != "event"]
            if open_kfid not in ("", key[0]) or not lines:
                continue
            customer = world.customers[key[1]]
            chat = {"open_kfid": key[0], "external_userid": key[1], "nickname": customer.nickname}
            listed.append(chat | sim.sessions.state(conversation) | {"last": document_of(lines[-1])})
        listed.sort(key=lambda chat: chat["last"]["at"], reverse=True)
        return listed[:limit]


def _add_media(router: APIRouter, sim: Simulation) -> None:
    @router.post("/chats/{open_kfid}/{external_userid}/media", status_code=201)
    async def send_media(
        request: Request,
        open_kfid: str,
        external_userid: str,
        kind: Literal["image", "voice", "video", "file"] = "file",
    ) -> Json:
        """The customer sends a picture, voice note, video or file: one multipart part named `media`."""
        find_conversation(sim, open_kfid, external_userid)
        async with request.form() as form:
            part = form.get("media")
            if not isinstance(part, UploadFile):
                raise HTTPException(422, "send one multipart part named media")
            content_type = part.content_type or "application/octet-stream"
            media = sim.media.add(kind, part.filename or kind, content_type, await part.read())
        return show_line(sim, open_kfid, sim.visits.send_media(open_kfid, external_userid, media))

    @router.get("/media/{media_id}")
    async def media(media_id: str) -> Response:
        """A file as the chat page shows it; what is no picture is a download."""
        try:
            file = sim.media.get(media_id)
        except WireError:
            raise HTTPException(404, "no such media_id, or older than three days") from None
        shown = file.content_type in _SHOWN_INLINE
        name = f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(file.filename)}"
        headers = {"content-disposition": name, "x-content-type-options": "nosniff"}
        return Response(file.data, media_type=file.content_type, headers=headers)


def _add_links(router: APIRouter, sim: Simulation) -> None:
    @router.post("/links/enter", status_code=201)
    async def enter(request: EnterByLink) -> Json:
        """The customer opens the chat by a link of add_contact_way; scene_param stays percent-encoded."""
        query = urlsplit(request.url).query
        scene = parse_qs(query).get("enc_scene", [""])[0]
        way = found(sim.world.contact_ways.get(scene), "chat link")
        find_conversation(sim, way.open_kfid, request.external_userid)
        entry = sim.visits.enter(way.open_kfid, request.external_userid, way.scene, _raw(query))
        return show_line(sim, way.open_kfid, entry)


def _raw(query: str) -> str:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name == "scene_param":
            return value
    return ""
