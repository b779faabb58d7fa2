"""The HTTP application: WeCom's API, the model, the control API and the chat page on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import Route

from kf_simulator.api import Api, Call
from kf_simulator.api_accounts import AccountApi
from kf_simulator.api_customers import CustomerApi
from kf_simulator.api_media import MediaApi
from kf_simulator.api_messages import MessageApi
from kf_simulator.api_model import ChatApi
from kf_simulator.api_sessions import SessionApi
from kf_simulator.api_statistics import StatisticApi
from kf_simulator.control import control_router
from kf_simulator.control_chats import chats_router
from kf_simulator.control_faults import faults_router
from kf_simulator.page import page_router
from kf_simulator.records import Json
from kf_simulator.simulation import Simulation


def create_app(sim: Simulation) -> FastAPI:
    """Every route; the simulation opens and closes with the application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sim.open()
        try:
            yield
        finally:
            await sim.close()

    app = FastAPI(
        title="Kefu simulator",
        lifespan=lifespan,
        # No /docs: its page loads scripts from another host. The description is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        # WeCom sends no spans of its own either; a trace begins at the gateway.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    # Plain routes: WeCom's own API is the hot path and wants none of FastAPI's validation.
    app.router.routes.append(Route("/cgi-bin/{path:path}", _wecom_api(sim).answer, methods=["GET", "POST"]))
    # Routes are tried in this order: what benchmarks call most comes first.
    app.include_router(control_router(sim))
    name, key = sim.settings.kf_simulator_model_name, sim.settings.kf_simulator_model_api_key
    app.include_router(ChatApi(sim.model, name, key.get_secret_value(), sim.closing).router())
    app.include_router(page_router(sim))
    app.include_router(chats_router(sim))
    app.include_router(faults_router(sim))

    @app.get("/health", tags=["health"])
    def health() -> Json:
        """The simulator runs."""
        return {"status": "ok"}

    return app


def _wecom_api(sim: Simulation) -> Api:
    api = Api(sim.world, sim.tokens, sim.limits, sim.faults, sim.judge, sim.switches)

    def gettoken(call: Call) -> Json:
        sim.judge.token_fetched()
        return sim.tokens.get(call.query, call.client_ip)

    api.add("gettoken", gettoken, "GET", wants_token=False)
    MessageApi(sim.world, sim.sync_tokens, sim.delivery, sim.faults, sim.judge).register(api)
    SessionApi(sim.world, sim.sessions).register(api)
    AccountApi(sim.world).register(api)
    CustomerApi(sim.world).register(api)
    StatisticApi(sim.world).register(api)
    MediaApi(sim.media).register(api)
    return api
