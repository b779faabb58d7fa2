"""MCP servers through the official client, against a server of the official package."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from kf_cli.embedded import free_port
from kf_dialog.accounts import Account, McpServer, Tools
from kf_dialog.company import CompanyTools
from kf_dialog.mcp_tools import McpTools
from kf_dialog.toolbox import ToolError
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

SEEN: list[dict[str, str]] = []


def shop() -> Any:
    """An MCP server with a tool that reads, one that changes, one that fails and one that hangs."""
    server = MCPServer("shop", log_level="CRITICAL")
    reads = ToolAnnotations(read_only_hint=True)

    @server.tool(description="查询库存", annotations=reads)
    def stock(sku: str) -> dict[str, int]:
        return {"库存": len(sku)}

    @server.tool(description="清空库存")
    def clear() -> str:
        return "cleared"

    @server.tool(description="坏的", annotations=reads)
    def broken() -> str:
        raise RuntimeError("words of the server")

    @server.tool(description="慢的", annotations=reads)
    async def slow() -> str:
        await asyncio.sleep(60)
        return ""

    app = server.streamable_http_app(stateless_http=True, json_response=True)

    async def remembering(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            SEEN.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await app(scope, receive, send)

    return remembering


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    port = free_port()
    config = uvicorn.Config(shop(), host="127.0.0.1", port=port, log_level="critical", lifespan="on")
    program = uvicorn.Server(config)
    serving = asyncio.create_task(program.serve())
    async with asyncio.timeout(30):
        while not program.started:
            await asyncio.sleep(0.05)
    SEEN.clear()
    yield McpServer(name="shop", url=f"http://127.0.0.1:{port}/mcp", secret_headers={"X-Key": "SHOP_KEY"})
    program.force_exit = program.should_exit = True
    await serving


async def test_what_a_server_marks_as_read_only_is_offered_and_called(server: McpServer) -> None:
    tools = McpTools({"SHOP_KEY": "s3cret"})
    offered = {function.name: function for function in await tools.functions(server)}
    assert sorted(offered) == ["shop_broken", "shop_slow", "shop_stock"]
    assert offered["shop_stock"].arguments('{"sku": "abc", "x": 1}') == {"sku": "abc"}
    assert await tools.call(server, "shop_stock", {"sku": "abc"}) == {"库存": 3}
    assert await tools.call(server, "shop_clear", {}) is None
    assert all(headers["x-key"] == "s3cret" for headers in SEEN)


async def test_the_accounts_file_decides_what_else_may_be_called(server: McpServer) -> None:
    named = server.model_copy(update={"tools": ("stock", "clear"), "side_effects": ("clear",)})
    account = Account(tools=Tools(mcp=(named,)))
    async with CompanyTools({}) as company:
        functions = {f.name: f.side_effects for f in await company.functions(account)}
        assert functions == {"shop_stock": False, "shop_clear": True}
        assert await company.run(account, "shop_clear", {}, "wm1") == {"result": "cleared"}
        with pytest.raises(ToolError, match="no_such_tool"):
            await company.run(account, "shop_broken", {}, "wm1")


async def test_a_tool_that_fails_or_hangs_gives_a_constant_fault(server: McpServer) -> None:
    tools, hasty = McpTools({}), server.model_copy(update={"timeout_seconds": 3.0})
    with pytest.raises(ToolError) as failed:
        await tools.call(server, "shop_broken", {})
    assert "words of the server" not in str(failed.value)
    with pytest.raises(ToolError, match="timeout"):
        await tools.call(hasty, "shop_slow", {})


async def test_a_server_that_is_away_offers_nothing_and_is_left_alone_for_a_while() -> None:
    tools, away = McpTools({}), McpServer(name="away", url="http://127.0.0.1:9/mcp")
    assert await tools.functions(away) == []
    assert await tools.functions(away) == []
