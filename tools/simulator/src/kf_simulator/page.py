"""The chat page, and what it needs to know at start."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from kf_simulator.records import Json
from kf_simulator.simulation import Simulation

# Customers' and the model's words are shown here: nothing but the page's own files may run or load.
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}
_FILES = {
    "/": ("chat.html", "text/html"),
    "/chat.css": ("chat.css", "text/css"),
    "/chat.js": ("chat.js", "text/javascript"),
    "/page.js": ("page.js", "text/javascript"),
    "/bubble.js": ("bubble.js", "text/javascript"),
    "/desk.js": ("desk.js", "text/javascript"),
    "/faults.js": ("faults.js", "text/javascript"),
    "/words.js": ("words.js", "text/javascript"),
}


def page_router(sim: Simulation) -> APIRouter:
    """`/`, its files and its configuration."""
    router = APIRouter(include_in_schema=False)
    for path, (name, media_type) in _FILES.items():
        _serve(router, path, name, media_type)

    @router.get("/favicon.ico")
    async def no_icon() -> Response:
        return Response(status_code=204)

    @router.get("/control/page")
    async def configuration() -> Json:
        return {
            "traces_url": sim.settings.kf_simulator_traces_url,
            "callback_url": sim.callback.url,
            "suggestions": sim.settings.suggestions,
        }

    return router


def _serve(router: APIRouter, path: str, name: str, media_type: str) -> None:
    content = files("kf_simulator").joinpath("static", name).read_bytes()

    @router.get(path)
    async def serve() -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)
