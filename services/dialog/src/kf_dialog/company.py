"""Calls a company's own HTTP endpoints: only the configured address, JSON only, bounded in time and size."""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any, Self

import httpx2
import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from kf_dialog.accounts import Account, HttpTool
from kf_dialog.mcp_tools import McpTools
from kf_dialog.toolbox import Function, ToolError, company_function

log = structlog.get_logger()
tracer = trace.get_tracer("kf_dialog.company")

_MOST_BYTES = 256 * 1024
_CONNECT_SECONDS = 3.0
_LIMITS = httpx2.Limits(max_connections=50, max_keepalive_connections=20)


class CompanyTools:
    """The HTTP client behind the tools of all accounts."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """environment: where the values of secret headers are."""
        self._environment = os.environ if environment is None else environment
        # A redirect could lead anywhere, and a proxy would see the secrets.
        self._mcp = McpTools(self._environment)
        self._client = httpx2.AsyncClient(follow_redirects=False, limits=_LIMITS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    async def functions(self, account: Account) -> list[Function]:
        """What the model may call for an account besides our own."""
        functions = [company_function(tool) for tool in account.tools.http]
        for server in account.tools.mcp:
            functions += await self._mcp.functions(server)
        return functions

    async def run(
        self,
        account: Account,
        name: str,
        arguments: Mapping[str, Any],
        external_userid: str,
        action_id: str = "",
    ) -> Any:
        """The result of an account's tool by its name; errors as in `call`."""
        for tool in account.tools.http:
            if tool.name == name:
                return await self.call(tool, arguments, external_userid, action_id)
        for server in account.tools.mcp:
            value = await self._mcp.call(server, name, arguments)
            if value is not None:
                return value
        # The accounts file changed while the model was thinking.
        raise ToolError("no_such_tool", reached=False)

    async def call(
        self, tool: HttpTool, arguments: Mapping[str, Any], external_userid: str, action_id: str = ""
    ) -> Any:
        """The endpoint's JSON.

        action_id: sent as Idempotency-Key, so that a repeat after a crash changes nothing twice.

        Raises:
            ToolError: no answer in time, none that is JSON, or an HTTP status of failure.
        """
        with tracer.start_as_current_span(
            "tool http", kind=SpanKind.CLIENT, attributes={"kf.tool": tool.name}, record_exception=False
        ) as span:
            try:
                return await self._exchange(tool, arguments, self._headers(tool, external_userid, action_id))
            except ToolError as error:
                span.set_attribute("error.type", error.fault)
                span.set_status(Status(StatusCode.ERROR, error.fault))
                log.warning("tool.failed", tool=tool.name, fault=error.fault)
                raise

    async def _exchange(self, tool: HttpTool, arguments: Mapping[str, Any], headers: dict[str, str]) -> Any:
        timeout = httpx2.Timeout(tool.timeout_seconds, connect=min(_CONNECT_SECONDS, tool.timeout_seconds))
        request = self._client.build_request(
            tool.method,
            tool.url,
            params={name: _query(value) for name, value in arguments.items()}
            if tool.method == "GET"
            else None,
            json=dict(arguments) if tool.method == "POST" else None,
            headers=headers,
            timeout=timeout,
        )
        try:
            async with asyncio.timeout(tool.timeout_seconds):
                return await self._read(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise ToolError("unreachable", reached=False) from None
        except (httpx2.HTTPError, TimeoutError) as error:
            raise ToolError("timeout" if "Timeout" in type(error).__name__ else "broken_off") from None

    async def _read(self, request: httpx2.Request) -> Any:
        response = await self._client.send(request, stream=True)
        try:
            if response.status_code >= 300:
                raise ToolError(f"http_{response.status_code}", reached=response.status_code >= 500)
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _MOST_BYTES:
                    raise ToolError("too_large")
        finally:
            await response.aclose()
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ToolError("not_json") from None

    def _headers(self, tool: HttpTool, external_userid: str, action_id: str) -> dict[str, str]:
        headers = {"accept": "application/json"}
        headers |= {name: self._environment.get(env, "") for name, env in tool.secret_headers.items()}
        if tool.customer_header:
            headers[tool.customer_header] = external_userid
        if action_id:
            headers["idempotency-key"] = action_id
        return headers


def _query(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
