"""An OpenAI-compatible chat endpoint in front of the scripted model."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import AsyncIterator, Sequence
from itertools import count

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from kf_simulator import reply as replies
from kf_simulator.model import Model, ModelBehaviour, ModelFault
from kf_simulator.records import Json
from kf_simulator.reply import Reply

_CHUNK_CHARACTERS = 6
_HANG_SECONDS = 3600.0
_WIDE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
_ERRORS = {
    "401": (401, "Authentication Fails, Your api key is invalid", "authentication_error"),
    "402": (402, "Insufficient Balance", "unknown_error"),
    "429": (429, "Rate limit reached", "rate_limit_error"),
    "500": (500, "Internal server error", "server_error"),
    "503": (503, "Server overloaded, please retry", "server_error"),
}
_BUSY = ("429", "503")
_REASONING = "先想一想：这句推理不能让客户看到 / this reasoning is not for customers"


class ChatApi:
    """/v1/chat/completions and /v1/models; the paths without /v1 are served too, as DeepSeek does."""

    def __init__(self, model: Model, name: str, api_key: str, closing: asyncio.Event) -> None:
        self._model = model
        self._name = name
        self._authorization = f"Bearer {api_key}".encode()
        self._closing = closing
        self._ids = count(1)

    def router(self) -> APIRouter:
        """The endpoint's routes and its control."""
        router = APIRouter(tags=["model"])
        for prefix in ("/v1", ""):
            router.add_api_route(f"{prefix}/chat/completions", self.complete, methods=["POST"])
            router.add_api_route(f"{prefix}/models", self.models, methods=["GET"])
        router.add_api_route("/control/model", self.show, methods=["GET"])
        router.add_api_route("/control/model", self.behave, methods=["PUT"])
        return router

    async def show(self) -> Json:
        """How the model behaves, how often it was asked, used each override, and its latest requests."""
        return {
            "behaviour": self._model.behaviour.model_dump(),
            "calls": self._model.calls,
            "overridden": self._model.overridden,
            "requests": list(self._model.requests),
        }

    async def behave(self, behaviour: ModelBehaviour) -> ModelBehaviour:
        """Set latency, faults and scripted replies."""
        self._model.behave(behaviour)
        return behaviour

    async def models(self, request: Request) -> Response:
        """The one model there is."""
        if not self._authorised(request):
            return _error("401")
        return JSONResponse(
            {"object": "list", "data": [{"id": self._name, "object": "model", "owned_by": "kefu"}]}
        )

    async def complete(self, request: Request) -> Response:
        """One completion, whole or streamed."""
        if not self._authorised(request):
            return _error("401")
        try:
            body = json.loads(await request.body())
            roles = [str(message["role"]) for message in body["messages"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            return _invalid("messages must be a list of objects with role and content")
        if not roles or roles[-1] not in ("user", "tool"):
            return _invalid("the last message must be the user's or a tool's")
        self._model.calls += 1
        self._model.requests.append(body)
        fault = self._model.next_fault()
        await self._wait(_HANG_SECONDS if fault == "timeout" else self._model.next_latency())
        if fault in _ERRORS or fault == "timeout":
            return self._error("503" if fault == "timeout" else fault)
        if fault == "html":
            return HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>")
        return self._answer(body, fault)

    def _answer(self, body: Json, fault: ModelFault) -> Response:
        messages = body["messages"]
        override = self._model.override(replies.newest_words(messages))
        reply = replies.obeyed(override, messages) if override else replies.reply_to(body)
        message, reason = _message(reply, fault)
        usage = _usage(messages, message["content"] or "")
        head = {
            "id": f"chatcmpl-{next(self._ids):08d}",
            "created": 0,
            "model": body.get("model") or self._name,
        }
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
            return JSONResponse(head | {"object": "chat.completion", "choices": [choice], "usage": usage})
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        head["object"] = "chat.completion.chunk"
        stream = self._stream(
            head, message, reason, usage if wants_usage else None, cut=fault == "cut_stream"
        )
        return StreamingResponse(stream, media_type="text/event-stream")

    async def _stream(
        self, head: Json, message: Json, reason: str, usage: Json | None, *, cut: bool
    ) -> AsyncIterator[str]:
        text = message.pop("content") or ""
        calls = [call | {"index": place} for place, call in enumerate(message.pop("tool_calls", []))]
        yield _event(head, message | {"content": ""} | ({"tool_calls": calls} if calls else {}))
        for start in range(0, len(text), _CHUNK_CHARACTERS):
            if self._model.behaviour.chunk_seconds:
                await self._wait(self._model.behaviour.chunk_seconds)
            yield _event(head, {"content": text[start : start + _CHUNK_CHARACTERS]})
            if cut:
                return
        yield _event(head, {}, reason)
        if usage is not None:
            yield f"data: {json.dumps(head | {'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"

    def _error(self, kind: str) -> Response:
        seconds = self._model.behaviour.retry_after_seconds
        headers = {"retry-after": f"{seconds:g}"} if seconds is not None and kind in _BUSY else {}
        return _error(kind, headers)

    async def _wait(self, seconds: float) -> None:
        """Let time pass, but not past the end of the program."""
        if not seconds:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _authorised(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), self._authorization)


def _message(reply: Reply, fault: ModelFault) -> tuple[Json, str]:
    """The assistant's message and its finish_reason, spoilt as the fault says."""
    message: Json = {"role": "assistant", "content": reply.text}
    if fault == "empty":
        return message | {"content": ""}, "stop"
    if fault == "content_filter":
        return message | {"content": ""}, "content_filter"
    if fault == "cut":
        return message | {"content": reply.text[: len(reply.text) // 2]}, "length"
    if fault == "reasoning":
        message["content"] = f"<think>{_REASONING}</think>{reply.text}"
        message["reasoning_content"] = _REASONING
    if not reply.calls:
        return message, "stop"
    calls = [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": json.dumps(call.arguments, ensure_ascii=False),
            },
        }
        for place, call in enumerate(reply.calls)
    ]
    return message | {"content": message["content"] or None, "tool_calls": calls}, "tool_calls"


def _usage(messages: Sequence[Json], text: str) -> Json:
    prompt = sum(_tokens(replies.content_text(message)) + 4 for message in messages)
    completion = _tokens(text)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_cache_hit_tokens": 0,
        "prompt_cache_miss_tokens": prompt,
    }


def _tokens(text: str) -> int:
    """DeepSeek's rule of thumb: 0.6 tokens for a Chinese character, 0.3 for others."""
    wide = len(_WIDE.findall(text))
    return round(0.6 * wide + 0.3 * (len(text) - wide))


def _event(head: Json, delta: Json, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return f"data: {json.dumps(head | {'choices': [choice]}, ensure_ascii=False)}\n\n"


def _error(kind: str, headers: dict[str, str] | None = None) -> Response:
    status, message, error_type = _ERRORS[kind]
    return JSONResponse(
        {"error": {"message": message, "type": error_type, "param": None, "code": "invalid_request_error"}},
        status,
        headers,
    )


def _invalid(message: str) -> Response:
    body = {
        "message": message,
        "type": "invalid_request_error",
        "param": "messages",
        "code": "invalid_request",
    }
    return JSONResponse({"error": body}, 400)
