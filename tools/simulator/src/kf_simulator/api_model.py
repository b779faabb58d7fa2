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
from starlette.responses import JSONResponse, Response, StreamingResponse

from kf_simulator.answering import Turn, answer
from kf_simulator.model import Model, ModelBehaviour, ModelFault
from kf_simulator.records import Json

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
        """How the model behaves, how often it was asked, and its latest requests."""
        return {
            "behaviour": self._model.behaviour.model_dump(),
            "calls": self._model.calls,
            "requests": list(self._model.requests),
        }

    async def behave(self, behaviour: ModelBehaviour) -> ModelBehaviour:
        """Set latency and faults."""
        self._model.behaviour = behaviour
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
            turns = [
                Turn(str(message["role"]), _text(message.get("content"))) for message in body["messages"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            return _invalid("messages must be a list of objects with role and content")
        if not turns or turns[-1].role != "user":
            return _invalid("the last message must be the user's")
        self._model.calls += 1
        self._model.requests.append(body)
        fault = self._model.next_fault()
        await self._wait(_HANG_SECONDS if fault == "timeout" else self._model.behaviour.latency_seconds)
        if fault in _ERRORS or fault == "timeout":
            return _error("503" if fault == "timeout" else fault)
        return self._reply(body, turns, fault)

    def _reply(self, body: Json, turns: Sequence[Turn], fault: ModelFault) -> Response:
        system = "\n".join(turn.text for turn in turns if turn.role == "system")
        talk = [turn for turn in turns if turn.role != "system"]
        text = "" if fault == "empty" else answer(system, talk[:-1], talk[-1].text)
        usage = _usage(turns, text)
        head = {
            "id": f"chatcmpl-{next(self._ids):08d}",
            "created": 0,
            "model": body.get("model") or self._name,
        }
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            return JSONResponse(head | {"object": "chat.completion", "choices": [choice], "usage": usage})
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        head["object"] = "chat.completion.chunk"
        stream = self._stream(head, text, usage if wants_usage else None, cut=fault == "cut_stream")
        return StreamingResponse(stream, media_type="text/event-stream")

    async def _stream(self, head: Json, text: str, usage: Json | None, *, cut: bool) -> AsyncIterator[str]:
        yield _event(head, {"role": "assistant", "content": ""})
        for start in range(0, len(text), _CHUNK_CHARACTERS):
            if self._model.behaviour.chunk_seconds:
                await self._wait(self._model.behaviour.chunk_seconds)
            yield _event(head, {"content": text[start : start + _CHUNK_CHARACTERS]})
            if cut:
                return
        yield _event(head, {}, "stop")
        if usage is not None:
            yield f"data: {json.dumps(head | {'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"

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


def _text(content: object) -> str:
    """A message's text: a string, or the text parts of a list."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _usage(turns: Sequence[Turn], text: str) -> Json:
    prompt, completion = sum(_tokens(turn.text) + 4 for turn in turns), _tokens(text)
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


def _error(kind: str) -> Response:
    status, message, error_type = _ERRORS[kind]
    return JSONResponse(
        {"error": {"message": message, "type": error_type, "param": None, "code": "invalid_request_error"}},
        status,
    )


def _invalid(message: str) -> Response:
    body = {
        "message": message,
        "type": "invalid_request_error",
        "param": "messages",
        "code": "invalid_request",
    }
    return JSONResponse({"error": body}, 400)
