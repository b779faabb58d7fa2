"""A WeCom API on loopback that answers what a test scripts, byte for byte, and remembers its requests."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

GETTOKEN = "/cgi-bin/gettoken"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Raw:
    """An answer of any shape; `declared` lies about the length to cut a body short, `drop` sends nothing."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    drop: bool = False
    delay: float = 0.0


@dataclass
class WecomApi:
    """Answers `script[path]` one by one, then a success of any call; gettoken numbers its tokens."""

    base_url: str = ""
    asked: list[Asked] = field(default_factory=list)
    script: dict[str, deque[dict[str, Any] | Raw]] = field(default_factory=lambda: defaultdict(deque))
    tokens: int = 0

    def on(self, path: str, *answers: dict[str, Any] | Raw) -> None:
        self.script[path].extend(answers)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def answer(self, asked: Asked) -> Raw:
        self.asked.append(asked)
        if self.script[asked.path]:
            scripted = self.script[asked.path].popleft()
            return scripted if isinstance(scripted, Raw) else as_json(scripted)
        if asked.path == GETTOKEN:
            self.tokens += 1
            return as_json({"errcode": 0, "access_token": f"SecretToken{self.tokens}", "expires_in": 7200})
        return as_json({"errcode": 0, "errmsg": "ok", "msgid": "sent", "next_cursor": ""})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                raw = self.answer(await _read(reader))
                await asyncio.sleep(raw.delay)
                if raw.drop:
                    break
                writer.write(_head(raw) + raw.body)
                await writer.drain()
                if raw.declared is not None:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def as_json(answer: dict[str, Any]) -> Raw:
    body = json.dumps(answer, ensure_ascii=False).encode()
    return Raw(body, headers={"Content-Type": "application/json; charset=UTF-8"})


@asynccontextmanager
async def wecom_api() -> AsyncIterator[WecomApi]:
    api = WecomApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    return Asked(method, url.path, query, headers, body)


def _head(raw: Raw) -> bytes:
    length = len(raw.body) if raw.declared is None else raw.declared
    lines = [f"HTTP/1.1 {raw.status} X", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in raw.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
