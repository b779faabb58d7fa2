"""Examines the model: key, balance, name and how long it takes, by one answer of a single token."""

import json
from typing import Any
from urllib.parse import urlsplit

import httpx

from kf_cli.doctor import web
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine
from kf_cli.doctor.system import System

_SECONDS = 6.0
_SLOW_SECONDS = 4.0
_BY_STATUS = {401: "model.key", 402: "model.balance", 403: "model.forbidden", 429: "model.rate"}


async def model(system: System) -> list[Finding]:
    """One completion of one token: what a listing of models does not show is the balance."""
    base, name = system.get("DEEPSEEK_BASE_URL").rstrip("/"), system.get("DEEPSEEK_MODEL")
    body = {"model": name, "max_tokens": 1, "messages": [{"role": "user", "content": "ping"}]}
    try:
        reply = await ask(f"{base}/chat/completions", system.get("DEEPSEEK_API_KEY"), body, _SECONDS)
    except httpx.TimeoutException:
        return [found("model.timeout", seconds=f"{_SECONDS:.0f}")]
    except httpx.HTTPError:
        return [found("model.refused", address=urlsplit(base).netloc)]
    seconds = reply.elapsed.total_seconds()
    diagnosis = judged(reply)
    if diagnosis:
        return [found(diagnosis, model=name, address=urlsplit(base).netloc, status=reply.status_code)]
    if seconds > _SLOW_SECONDS:
        return [found("model.slow", seconds=f"{seconds:.1f}")]
    return [fine(f"{name} @ {urlsplit(base).netloc}, {seconds * 1000:.0f} ms")]


async def ask(url: str, key: str, body: dict[str, Any], seconds: float) -> httpx.Response:
    """POST to an OpenAI-compatible endpoint. httpx.HTTPError."""
    async with web.client(url, seconds, environment=True) as client:
        return await client.post(url, json=body, headers={"Authorization": f"Bearer {key}"} if key else {})


def judged(reply: httpx.Response) -> str:
    """The diagnosis that an answer stands for; empty for a completion."""
    if reply.status_code in _BY_STATUS:
        return _BY_STATUS[reply.status_code]
    answer = decoded(reply)
    if reply.status_code in (400, 404) and "model" in error_words(answer):
        return "model.name"
    if reply.status_code in (404, 405):
        return "model.path"
    if reply.status_code != httpx.codes.OK:
        return "model.error"
    return "" if isinstance(answer, dict) and answer.get("choices") else "model.reply"


def decoded(reply: httpx.Response) -> Any:
    """The JSON of an answer, None for anything else."""
    try:
        return json.loads(reply.content)
    except ValueError:
        return None


def error_words(answer: Any) -> str:
    """What an OpenAI-compatible endpoint says is wrong, in lower case; never shown."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return json.dumps(error).lower() if error else ""


_SETTINGS = ("DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", "DEEPSEEK_MODEL")
CHECKS = (Check("model", "大模型", "model", model, settings=_SETTINGS, seconds=8),)
