"""The chat page, and what it needs to know at start."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from kf_simulator.records import Json
from kf_simulator.simulation import Simulation

# The page brings everything along: no other host, no inline handlers.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self';"
    " img-src data:; base-uri 'none'; frame-ancestors 'none'"
)


def page_router(sim: Simulation) -> APIRouter:
    """`/` and its configuration."""
    router = APIRouter(include_in_schema=False)
    html = files("kf_simulator").joinpath("chat.html").read_text(encoding="utf-8")

    @router.get("/")
    async def page() -> Response:
        return HTMLResponse(html, headers={"content-security-policy": _POLICY})

    @router.get("/favicon.ico")
    async def no_icon() -> Response:
        return Response(status_code=204)

    @router.get("/control/page")
    async def configuration() -> Json:
        return {
            "traces_url": sim.settings.kf_simulator_traces_url,
            "callback_url": sim.notifier.url,
            "quota": sim.switches.quota_per_message,
        }

    return router
