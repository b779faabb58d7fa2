"""A company's own HTTP endpoints on loopback: orders to look up, orders to cancel, and ways to misbehave."""

import asyncio
from types import TracebackType
from typing import Any, Self

import uvicorn
from kf_cli.embedded import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route


class FakeCompany:
    """`/orders` (GET), `/cancel` (POST), `/moved`, `/huge`, `/broken`, `/slow`; remembers every request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        """Path, arguments, headers."""
        self.delay = 0.0
        self._port = free_port()
        app = Starlette(routes=[Route("/{path:path}", self._serve, methods=["GET", "POST"])])
        config = uvicorn.Config(app, host="127.0.0.1", port=self._port, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._serving: asyncio.Task[None] | None = None

    def url(self, path: str) -> str:
        """The address of an endpoint."""
        return f"http://127.0.0.1:{self._port}/{path}"

    async def _serve(self, request: Request) -> Response:
        path = request.path_params["path"]
        given = await request.json() if request.method == "POST" else dict(request.query_params)
        self.requests.append((path, given, dict(request.headers)))
        await asyncio.sleep(self.delay)
        match path:
            case "orders":
                return JSONResponse({"订单号": given.get("order_id"), "状态": "已发货", "快递": "顺丰"})
            case "cancel":
                return JSONResponse({"结果": f"订单 {given.get('order_id')} 已取消"})
            case "moved":
                return RedirectResponse(self.url("orders"))
            case "huge":
                return PlainTextResponse("[" + "1," * 300_000 + "1]")
            case "broken":
                return PlainTextResponse("<html>", 200)
        return JSONResponse({"error": "no"}, 404)

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve())
        async with asyncio.timeout(20):
            while not self._server.started:
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.force_exit = True
        self._server.should_exit = True
        if self._serving:
            await self._serving
