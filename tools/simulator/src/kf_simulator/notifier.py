"""Callbacks to the app: verification of its URL, and encrypted notices with WeCom's limits and retries."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass
from enum import StrEnum

import httpx
from kf_wecom.crypto import CallbackCrypto

from kf_simulator import ids
from kf_simulator.clock import Clock
from kf_simulator.faults import Fault, FaultKind, Faults
from kf_simulator.judge import Judge, Rule
from kf_simulator.records import Json
from kf_simulator.switches import Switches

TOKEN_LIFETIME_SECONDS = 600
ANSWER_LIMIT_SECONDS = 5.0
_TRIES = 4
_CONNECTIONS = 24
_NOTICES_KEPT = 2000
_NOTICE_FAULTS = (FaultKind.NOTICE_LOST, FaultKind.NOTICE_DOUBLED, FaultKind.NOTICE_LATE)
_LOG = logging.getLogger(__name__)


class Progress(StrEnum):
    """How far a notice got."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"
    LOST = "lost"


@dataclass
class Notice:
    """The delivery of one notice, as the chat page shows it."""

    open_kfid: str
    msgid: str
    progress: Progress = Progress.WAITING
    tries: int = 0
    fault: str = ""


class Notifier:
    """Posts a notice for every new item; each gets up to three more tries."""

    def __init__(
        self,
        crypto: CallbackCrypto,
        corp_id: str,
        clock: Clock,
        faults: Faults,
        judge: Judge,
        switches: Switches,
        retry_seconds: float,
    ) -> None:
        self.url = ""
        self.retry_seconds = retry_seconds
        self.notices: OrderedDict[str, Notice] = OrderedDict()
        self._crypto = crypto
        self._corp_id = corp_id
        self._clock = clock
        self._faults = faults
        self._judge = judge
        self._switches = switches
        self._tokens: OrderedDict[str, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        # The pool looks at every connection and waiting request for each call: few connections, and the
        # queue stands in front of it.
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._client = httpx.AsyncClient(timeout=ANSWER_LIMIT_SECONDS, trust_env=False)

    def issue_token(self) -> str:
        """A Token that sync_msg accepts for ten minutes."""
        now = self._clock.now()
        while self._tokens and next(iter(self._tokens.values())) <= now - TOKEN_LIFETIME_SECONDS:
            self._tokens.popitem(last=False)
        token = ids.notice_token()
        self._tokens[token] = now
        return token

    def token_valid(self, token: str) -> bool:
        """Whether a Token was given out within ten minutes."""
        issued = self._tokens.get(token)
        return issued is not None and self._clock.now() - issued <= TOKEN_LIFETIME_SECONDS

    def announce(self, open_kfid: str, msgid: str) -> None:
        """Send the notice for a new item, in the background."""
        notice = Notice(open_kfid, msgid)
        self.notices[msgid] = notice
        while len(self.notices) > _NOTICES_KEPT:
            self.notices.popitem(last=False)
        if not self.url:
            notice.progress, notice.fault = (
                Progress.LOST,
                "no callback URL is set (KF_SIMULATOR_CALLBACK_URL)",
            )
            return
        fault = self._faults.strike("callback", *_NOTICE_FAULTS)
        if fault and fault.kind is FaultKind.NOTICE_LOST:
            notice.progress, notice.fault = Progress.LOST, "lost on purpose"
            return
        self._start(notice, fault)
        if fault and fault.kind is FaultKind.NOTICE_DOUBLED:
            self._start(notice, None)

    def notice(self, msgid: str) -> Json | None:
        """How the notice for an item fared, or None when that is no longer known."""
        found = self.notices.get(msgid)
        return asdict(found) if found else None

    async def verify(self) -> Json:
        """The GET check of the admin page: the URL must answer the decrypted echo alone, within 5 s."""
        if not self.url:
            return {"ok": False, "fault": "no callback URL is set (KF_SIMULATOR_CALLBACK_URL)"}
        echo = str(secrets.randbelow(10**19)).zfill(19)
        encrypted = self._crypto.encrypt(echo.encode())
        try:
            async with asyncio.timeout(ANSWER_LIMIT_SECONDS):
                reply = await self._client.get(
                    self.url, params=self._signed(encrypted) | {"echostr": encrypted}
                )
        except (TimeoutError, httpx.HTTPError) as error:
            return {"ok": False, "fault": _describe(error)}
        if reply.status_code != 200:
            return {"ok": False, "fault": f"HTTP {reply.status_code}"}
        right = reply.content == echo.encode()
        return {"ok": right, "fault": "" if right else "the answer is not the decrypted echostr alone"}

    async def close(self) -> None:
        """Give up what is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _start(self, notice: Notice, fault: Fault | None) -> None:
        late = fault.seconds if fault and fault.kind is FaultKind.NOTICE_LATE else 0.0
        task = asyncio.get_running_loop().create_task(self._deliver(notice, late))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, notice: Notice, late: float) -> None:
        if late:
            await asyncio.sleep(late)
        encrypted = self._crypto.encrypt(self._xml(notice.open_kfid).encode())
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(self.retry_seconds)
            notice.tries += 1
            async with self._slots:
                notice.fault = await self._post(encrypted)
            if not notice.fault:
                notice.progress = Progress.DELIVERED
                return
            notice.progress = Progress.RETRYING
        notice.progress = Progress.FAILED
        _LOG.warning("a notice was given up after %d tries: %s", _TRIES, notice.fault)

    async def _post(self, encrypted: str) -> str:
        """Post once; what went wrong, or ""."""
        body = (
            f"<xml><ToUserName><![CDATA[{self._corp_id}]]></ToUserName>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt><AgentID><![CDATA[]]></AgentID></xml>"
        )
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_LIMIT_SECONDS):
                reply = await self._client.post(
                    self.url,
                    params=self._signed(encrypted),
                    content=body.encode(),
                    headers={"content-type": "text/xml"},
                )
        except TimeoutError as error:
            self._judge.broke(Rule.LATE_CALLBACK, seconds=round(time.monotonic() - began, 1))
            self._judge.called("callback", 0)
            return _describe(error)
        except httpx.HTTPError as error:
            self._judge.called("callback", 0)
            return _describe(error)
        self._judge.called("callback", reply.status_code)
        return "" if reply.status_code == 200 else f"HTTP {reply.status_code}"

    def _signed(self, encrypted: str) -> dict[str, str]:
        timestamp, nonce = str(int(self._clock.now())), str(secrets.randbelow(10**10))
        signature = self._crypto.signature(timestamp, nonce, encrypted)
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}

    def _xml(self, open_kfid: str) -> str:
        nodes = [
            f"<ToUserName><![CDATA[{self._corp_id}]]></ToUserName>",
            f"<CreateTime>{int(self._clock.now())}</CreateTime>",
            "<MsgType><![CDATA[event]]></MsgType>",
            "<Event><![CDATA[kf_msg_or_event]]></Event>",
            f"<Token><![CDATA[{self.issue_token()}]]></Token>",
            f"<OpenKfId><![CDATA[{open_kfid}]]></OpenKfId>",
        ]
        if self._switches.notice_shuffle_xml:
            random.shuffle(nodes)
        return f"<xml>{''.join(nodes)}</xml>"


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_LIMIT_SECONDS:.0f} s"
    if isinstance(error, httpx.ConnectError):
        return "the callback URL cannot be reached: is the gateway running?"
    return type(error).__name__
