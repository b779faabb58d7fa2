"""sync_msg, send_msg and send_msg_on_event over HTTP (sections 3 to 5)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from kf_simulator.api import Api, Call, text_field
from kf_simulator.delivery import Delivery
from kf_simulator.errors import WireError
from kf_simulator.faults import FaultKind, Faults
from kf_simulator.judge import Judge, Rule
from kf_simulator.records import Json
from kf_simulator.sync_tokens import SyncTokens
from kf_simulator.windows import Penalty
from kf_simulator.world import World

_LIMIT_MAX = 1000
_CURSOR_MAX_BYTES = 64
_TOKEN_MAX_BYTES = 128
_BREACH_SECONDS = 1.0


class MessageApi:
    """The message endpoints."""

    def __init__(
        self, world: World, tokens: SyncTokens, delivery: Delivery, faults: Faults, judge: Judge
    ) -> None:
        self._world = world
        self._tokens = tokens
        self._delivery = delivery
        self._faults = faults
        self._judge = judge
        self._tokenless = Penalty()

    def register(self, api: Api) -> None:
        """Serve the paths."""
        api.add("kf/sync_msg", self.sync_msg)
        api.add("kf/send_msg", self.send_msg)
        api.add("kf/send_msg_on_event", lambda call: self._delivery.send_on_event(call.body))
        api.add("kf/recall_msg", self.recall_msg)

    def sync_msg(self, call: Call) -> Json:
        """One page of an account's stream."""
        body = call.body
        open_kfid = body.get("open_kfid", "")
        if not isinstance(open_kfid, str) or not open_kfid:
            raise WireError(
                self._world.switches.missing_open_kfid_errcode,
                "syncMsg: field `open_kfid` unexpected empty string. invalid Request Parameter",
            )
        self._world.account(open_kfid)
        limit = self._limit(body)
        self._check_token(_text(body, "token", _TOKEN_MAX_BYTES))
        cursor = _text(body, "cursor", _CURSOR_MAX_BYTES)
        if self._faults.strike("sync_msg", FaultKind.CURSOR_LOST):
            cursor = ""
        fault = self._faults.strike("sync_msg", FaultKind.EMPTY_PAGE, FaultKind.SHORT_PAGE)
        if fault:
            limit = 0 if fault.kind is FaultKind.EMPTY_PAGE else 1
        try:
            page = self._world.streams[open_kfid].page(cursor, limit, self._world.clock.now())
        except ValueError:
            raise WireError(self._world.switches.bad_cursor_errcode, "invalid cursor") from None
        has_more = page.has_more or limit == 0
        return {"next_cursor": page.next_cursor, "msg_list": page.items, "has_more": int(has_more)}

    def send_msg(self, call: Call) -> Json:
        """One message to a customer."""
        reply, breach = self._delivery.send(call.body)
        fault = self._faults.strike("send_msg", FaultKind.SEND_FAIL, external_userid=call.customer)
        if breach:
            self._fail_later(_BREACH_SECONDS, call, reply, breach)
        elif fault:
            self._fail_later(fault.seconds, call, reply, fault.fail_type)
        return reply

    def recall_msg(self, call: Call) -> Json:
        """Take a sent message back within two minutes."""
        open_kfid, msgid = text_field(call.body, "open_kfid"), text_field(call.body, "msgid")
        self._world.account(open_kfid)
        self._delivery.recall(open_kfid, msgid)
        return {}

    def _fail_later(self, seconds: float, call: Call, reply: Json, fail_type: int) -> None:
        def fail() -> None:
            with suppress(KeyError):  # a reset in between forgot the message
                self._delivery.fail(call.body["open_kfid"], reply["msgid"], fail_type)

        asyncio.get_running_loop().call_later(seconds, fail)

    def _check_token(self, token: str) -> None:
        """Without a good Token there are ten calls a minute, then 45009 for a minute; a bad one is 95007."""
        now, switches = self._world.clock.now(), self._world.switches
        if token and self._tokens.valid(token):
            if switches.sync_block_scope == "all" and self._tokenless.blocked(now):
                raise WireError(45009)
            return
        if self._tokenless.exceeded(switches.scaled(switches.sync_tokenless_per_minute), now):
            self._judge.broke(Rule.TOKENLESS_SYNC)
            raise WireError(45009)
        if token:
            raise WireError(95007)

    def _limit(self, body: Json) -> int:
        limit = body.get("limit", _LIMIT_MAX)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise WireError(40058, "field `limit` is no uint32. invalid Request Parameter")
        if limit > _LIMIT_MAX and self._world.switches.sync_limit_over == "error":
            raise WireError(40058, "limit exceed max value")
        if body.get("voice_format", 0) not in (0, 1):
            raise WireError(40058, "field `voice_format` is neither 0 nor 1. invalid Request Parameter")
        return min(limit, _LIMIT_MAX) or _LIMIT_MAX


def _text(body: Json, name: str, max_bytes: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise WireError(40058, f"field `{name}` is no string. invalid Request Parameter")
    if len(value.encode()) > max_bytes:
        raise WireError(40058, f"{name} exceed max length")
    return value
