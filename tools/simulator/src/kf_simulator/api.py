"""The door of /cgi-bin: token, limits and faults around every call, and the reply on the wire."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from kf_simulator.access import AccessTokens
from kf_simulator.errors import WireError
from kf_simulator.faults import Fault, FaultKind, Faults
from kf_simulator.judge import Judge
from kf_simulator.limits import Limits
from kf_simulator.records import Json
from kf_simulator.switches import Switches
from kf_simulator.world import World

_BODY_MAX_BYTES = 64 * 1024
_BEFORE = (FaultKind.DROP_BEFORE, FaultKind.BAD_GATEWAY, FaultKind.ERRCODE)
_AFTER = (FaultKind.DROP_AFTER, FaultKind.CUT_JSON)
_SENDS = ("send_msg", "send_msg_on_event")
_TOKEN_ERRCODES = (40001, 40014, 42001)


@dataclass
class Call:
    """One call: its name without `kf/`, the query, the JSON body, and the raw request for media."""

    api: str
    query: dict[str, str]
    request: Request
    body: Json = field(default_factory=dict)

    @property
    def client_ip(self) -> str:
        """The caller's address."""
        return self.request.client.host if self.request.client else "127.0.0.1"

    @property
    def customer(self) -> str:
        """The customer a send is for, or ""."""
        return str(self.body.get("touser", "")) if self.api == "send_msg" else ""

    @property
    def key(self) -> tuple[str, str]:
        """The account and the customer the call names, each "" when it names none."""
        customer = self.body.get("touser") or self.body.get("external_userid") or ""
        return str(self.body.get("open_kfid", "")), str(customer)

    @property
    def msgid(self) -> str:
        """The msgid the call names, or ""."""
        return str(self.body.get("msgid", ""))


Reply = Json | Response
Handler = Callable[[Call], Reply | Awaitable[Reply]]


@dataclass(frozen=True)
class Endpoint:
    """A path under /cgi-bin: the methods it takes and the function that answers."""

    methods: frozenset[str]
    handler: Handler
    wants_json: bool = True
    wants_token: bool = True


class Api:
    """Answers every path under /cgi-bin."""

    def __init__(
        self,
        world: World,
        tokens: AccessTokens,
        limits: Limits,
        faults: Faults,
        judge: Judge,
        switches: Switches,
    ) -> None:
        self._world = world
        self._limits = limits
        self._tokens = tokens
        self._faults = faults
        self._judge = judge
        self._switches = switches
        self._endpoints: dict[str, Endpoint] = {}
        self._running: Counter[str] = Counter()

    def add(
        self, path: str, handler: Handler, *methods: str, wants_json: bool = True, wants_token: bool = True
    ) -> None:
        """Serve a path; without methods, POST."""
        allowed = frozenset(methods or ("POST",))
        self._endpoints[path] = Endpoint(allowed, handler, wants_json, wants_token)

    async def answer(self, request: Request) -> Response:
        """One HTTP call, whatever comes of it."""
        path = request.path_params["path"]
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            return HTMLResponse("<html><body><h1>404 Not Found</h1></body></html>", 404)
        call = Call(path.removeprefix("kf/"), dict(request.query_params), request)
        try:
            call.body = await self._read(call, endpoint)
            with self._watched(call):
                return await self._answer(call, endpoint)
        except WireError as error:
            self._judge.called(call.api, error.errcode, call.key, call.msgid)
            return _json(error.to_json(call.client_ip))

    async def _answer(self, call: Call, endpoint: Endpoint) -> Response:
        if early := await self._fault_before(call):
            return early
        self._admit(call, endpoint)
        answered = endpoint.handler(call)
        reply = answered if isinstance(answered, dict | Response) else await answered
        self._judge.called(call.api, 0, call.key, call.msgid)
        after = self._strike(call, *_AFTER)
        response = reply if isinstance(reply, Response) else _json({"errcode": 0, "errmsg": "ok"} | reply)
        return _spoilt(response, after) if after else response

    async def _read(self, call: Call, endpoint: Endpoint) -> Json:
        if call.request.method not in endpoint.methods:
            raise WireError(40058, "wrong HTTP method. invalid Request Parameter")
        if not endpoint.wants_json or call.request.method == "GET":
            return {}
        raw = await call.request.body()
        if len(raw) > _BODY_MAX_BYTES:
            raise WireError(40206, "request body too large")
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            raise WireError(40058, "Warning: wrong json format. invalid Request Parameter") from None
        if not isinstance(body, dict):
            raise WireError(40058, "Warning: wrong json format. invalid Request Parameter")
        return body

    @contextmanager
    def _watched(self, call: Call) -> Iterator[None]:
        key = (str(call.body.get("open_kfid", "")), call.customer)
        self._running[call.api] += 1
        if call.api in _SENDS:
            self._judge.send_called()
        if call.customer:
            self._judge.send_began(key, call.msgid)
        try:
            yield
        finally:
            self._running[call.api] -= 1
            if call.customer:
                self._judge.send_ended(key)

    def _admit(self, call: Call, endpoint: Endpoint) -> None:
        """IP, access token and rate, in this order (section 2)."""
        switches = self._switches
        checked = endpoint.wants_token or switches.trusted_ips_gettoken
        if checked and switches.trusted_ips and call.client_ip not in switches.trusted_ips:
            raise WireError(60020)
        if endpoint.wants_token:
            self._tokens.check(call.query.get("access_token", ""))
        self._limits.admit(call.api, call.client_ip, debug=call.query.get("debug") == "1")
        if call.api == "sync_msg" and 0 < switches.sync_parallel < self._running["sync_msg"]:
            raise WireError(45033)

    async def _fault_before(self, call: Call) -> Response | None:
        if slow := self._strike(call, FaultKind.SLOW):
            await asyncio.sleep(slow.seconds)
        if jump := self._strike(call, FaultKind.CLOCK_JUMP):
            self._world.advance_clock(jump.jump_seconds)
        if ended := self._strike(call, FaultKind.TOKEN_ENDED):
            self._tokens.void(ended.errcode if ended.errcode in _TOKEN_ERRCODES else 42001)
        fault = self._strike(call, *_BEFORE)
        if fault is None:
            return None
        if fault.kind is FaultKind.ERRCODE:
            raise WireError(fault.errcode)
        self._judge.called(call.api, 502, call.key, call.msgid)
        if fault.kind is FaultKind.BAD_GATEWAY:
            return HTMLResponse("<html><head><title>502 Bad Gateway</title></head></html>", 502)
        return _Dropped()

    def _strike(self, call: Call, *kinds: FaultKind) -> Fault | None:
        return self._faults.strike(call.api, *kinds, external_userid=call.customer)


class _Dropped(Response):
    """Announces a body and never sends it: the server then cuts the connection, as a lost reply does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"64")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def _spoilt(response: Response, fault: Fault) -> Response:
    if fault.kind is FaultKind.DROP_AFTER:
        return _Dropped()
    return Response(bytes(response.body)[: len(response.body) // 2], media_type="application/json")


def _json(body: Json) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, media_type="application/json; charset=UTF-8")


def text_field(body: Json, name: str) -> str:
    """A required string of a request; 40058 when it is missing, empty or no string."""
    value: Any = body.get(name)
    if not isinstance(value, str) or not value:
        raise WireError(40058, f"field `{name}` missing. invalid Request Parameter")
    return value
