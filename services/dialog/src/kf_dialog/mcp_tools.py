"""The tools of MCP servers that an accounts file names: the official client, a connection per exchange.

Read-only unless the accounts file says otherwise; only the configured address is ever called.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx2
import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from kf_dialog.accounts import McpServer
from kf_dialog.toolbox import Function, ToolError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import Tool

log = structlog.get_logger()
tracer = trace.get_tracer("kf_dialog.mcp_tools")

_LISTED_SECONDS = 300.0
_FAILED_SECONDS = 30.0
_LISTING_SECONDS = 4.0
"""A server that is away must not cost every customer's turn its time."""
_MOST_TOOLS = 40
_NAME = re.compile(r"[^0-9A-Za-z_-]")
_NAME_CHARS = 64


class McpTools:
    """Lists and calls; holds the lists for five minutes."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """environment: where the values of secret headers are."""
        self._environment = os.environ if environment is None else environment
        self._listed: dict[str, tuple[float, dict[str, tuple[str, Function]]]] = {}

    async def functions(self, server: McpServer) -> list[Function]:
        """What the model may call of a server; none while it is away."""
        return [function for _, function in (await self._offered(server)).values()]

    async def call(self, server: McpServer, name: str, arguments: Mapping[str, Any]) -> Any:
        """The result of a function by the name the model knows; None when the server has no such function.

        Raises:
            ToolError: no answer in time, or the tool says that it failed.
        """
        remote, _ = (await self._offered(server)).get(name, ("", None))
        if not remote:
            return None
        attributes = {"kf.tool": name}
        with tracer.start_as_current_span(
            "tool mcp", kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
        ) as span:
            try:
                async with self._connected(server, server.timeout_seconds) as client:
                    result = await client.call_tool(remote, dict(arguments))
                if result.is_error:
                    raise ToolError("tool_failed")
            except ToolError as error:
                span.set_attribute("error.type", error.fault)
                span.set_status(Status(StatusCode.ERROR, error.fault))
                log.warning("tool.failed", tool=name, fault=error.fault)
                raise
        if result.structured_content is not None:
            return result.structured_content
        return "\n".join(text for part in result.content if (text := getattr(part, "text", "")))

    async def _offered(self, server: McpServer) -> dict[str, tuple[str, Function]]:
        """By the name for the model: the server's own name and the function."""
        key = server.model_dump_json()
        until, offered = self._listed.get(key, (0.0, {}))
        if monotonic() < until:
            return offered
        try:
            async with self._connected(server, min(_LISTING_SECONDS, server.timeout_seconds)) as client:
                tools = (await client.list_tools()).tools[:_MOST_TOOLS]
        except ToolError as error:
            log.warning("tool.not_listed", server=server.name, fault=error.fault)
            self._listed[key] = (monotonic() + _FAILED_SECONDS, offered)
            return offered
        functions = [(tool.name, _function(server, tool)) for tool in tools if is_allowed(server, tool)]
        offered = {function.name: (name, function) for name, function in functions}
        self._listed[key] = (monotonic() + _LISTED_SECONDS, offered)
        return offered

    @asynccontextmanager
    async def _connected(self, server: McpServer, seconds: float) -> AsyncIterator["Client"]:
        """A session of its own, for so long: cancelling a turn ends it where it began."""
        # Loading the client takes a second, which only those who use it should spend.
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        headers = {name: self._environment.get(env, "") for name, env in server.secret_headers.items()}
        http = httpx2.AsyncClient(headers=headers, follow_redirects=False, timeout=server.timeout_seconds)
        try:
            async with (
                asyncio.timeout(seconds),
                http,
                Client(streamable_http_client(server.url, http_client=http)) as client,
            ):
                yield client
        except ToolError:
            raise
        except TimeoutError:
            raise ToolError("timeout") from None
        except Exception as error:  # noqa: BLE001
            # The client's errors come in groups and of many libraries; none of their words may go further.
            raise ToolError(f"mcp_{type(error).__name__}"[:60]) from None


def is_allowed(server: McpServer, tool: "Tool") -> bool:
    """True for what the accounts file names; where it names nothing, for what the server calls read-only."""
    if server.tools:
        return tool.name in server.tools
    return tool.name in server.side_effects or bool(tool.annotations and tool.annotations.read_only_hint)


def _function(server: McpServer, tool: "Tool") -> Function:
    return Function(
        _NAME.sub("_", f"{server.name}_{tool.name}")[:_NAME_CHARS],
        tool.description or tool.title or tool.name,
        dict(tool.input_schema),
        side_effects=tool.name in server.side_effects,
    )
