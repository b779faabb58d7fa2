"""An OpenAI-compatible chat endpoint on loopback: answers from a script, remembers what it was asked."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvicorn
from kf_cli.embedded import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Prompt = list[dict[str, str]]


def completion(text: str | None, finish_reason: str = "stop") -> Response:
    """A chat completion as DeepSeek sends it."""
    message = {"role": "assistant", "content": text, "reasoning_content": "让我想想"}
    return JSONResponse(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "deepseek-chat-v9",
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    )


def failure(status: int, **headers: str) -> Response:
    """An error of the provider, with words that no customer may see."""
    body = {"error": {"message": "provider words", "type": "x", "code": "y"}}
    return JSONResponse(body, status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def calling(name: str, arguments: str, text: str | None = None) -> Response:
    """A completion that calls one tool; `arguments` as the model writes them."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": text, "tool_calls": [call], "reasoning_content": "查一下"}
    return JSONResponse(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "deepseek-chat-v9",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    )


def echo(prompt: Prompt) -> str:
    """`答复：<last message>`, with the mark of the first passage where there is one."""
    mark = " [[p1]]" if '<passage id="p1"' in prompt[0]["content"] else ""
    return f"答复：{prompt[-1]['content']}{mark}"


class FakeModel:
    """Answers as `echo` does unless `script` holds responses to give first."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        """The messages of each request, in order of arrival."""
        self.tools: list[list[str]] = []
        """The names of the functions that each request offers."""
        self.headers: list[dict[str, str]] = []
        self.script: list[Response] = []
        self.reply: Callable[[Prompt], str] = echo
        self.delay: Callable[[Prompt], float] = lambda _: 0.0
        self._port = free_port()
        app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])
        config = uvicorn.Config(app, host="127.0.0.1", port=self._port, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def base_url(self) -> str:
        """What DEEPSEEK_BASE_URL would be."""
        return f"http://127.0.0.1:{self._port}/v1"

    def questions(self) -> list[str]:
        """The last message of each request."""
        return [prompt[-1]["content"] for prompt in self.prompts]

    async def _complete(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.prompts.append(body["messages"])
        self.tools.append([tool["function"]["name"] for tool in body.get("tools", [])])
        self.headers.append(dict(request.headers))
        scripted = self.script.pop(0) if self.script else None
        await asyncio.sleep(self.delay(body["messages"]))
        return scripted or completion(self.reply(body["messages"]))

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
