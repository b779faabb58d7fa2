"""Notices to the app: one per item or per batch, with up to three more tries (sections 1.6 and 1.7)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from enum import StrEnum

from kf_simulator.callback import NO_URL, Callback
from kf_simulator.clock import Clock
from kf_simulator.faults import FaultKind, Faults
from kf_simulator.journal import Journal
from kf_simulator.records import Json
from kf_simulator.switches import Switches
from kf_simulator.sync_tokens import SyncTokens

_TRIES = 4
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
    """The delivery of one notice, as the chat page shows it; `msgid` names the first item it stands for."""

    open_kfid: str
    msgid: str
    progress: Progress = Progress.WAITING
    tries: int = 0
    fault: str = ""


class Notifier:
    """Tells the app that an account has news."""

    def __init__(
        self,
        callback: Callback,
        tokens: SyncTokens,
        corp_id: str,
        clock: Clock,
        faults: Faults,
        switches: Switches,
        journal: Journal,
        retry_seconds: float,
    ) -> None:
        self.retry_seconds = retry_seconds
        self.notices: OrderedDict[str, Notice] = OrderedDict()
        self._callback = callback
        self._tokens = tokens
        self._corp_id = corp_id
        self._clock = clock
        self._faults = faults
        self._switches = switches
        self._journal = journal
        self._batches: dict[str, Notice] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self, open_kfid: str, msgid: str) -> None:
        """Have the app told about a new item, in the background."""
        if batch := self._batches.get(open_kfid):
            self._remember(msgid, batch)
            return
        notice = self._remember(msgid, Notice(open_kfid, msgid))
        if not self._callback.url:
            notice.progress, notice.fault = Progress.LOST, NO_URL
            return
        fault = self._faults.strike("callback", *_NOTICE_FAULTS)
        if fault and fault.kind is FaultKind.NOTICE_LOST:
            notice.progress, notice.fault = Progress.LOST, "lost on purpose"
            return
        wait = fault.seconds if fault and fault.kind is FaultKind.NOTICE_LATE else 0.0
        if self._switches.notice_batch_seconds:
            wait += self._switches.notice_batch_seconds
            self._batches[open_kfid] = notice
        self._begin(notice, wait)
        if fault and fault.kind is FaultKind.NOTICE_DOUBLED:
            self._start(self._deliver(notice, wait))

    def auth_changed(self, open_kfid: str, *, granted: bool) -> None:
        """Tell the app that an account was granted to it or taken from it (kf_account_auth_change)."""
        if self._callback.url:
            self._start(self._tell_auth(open_kfid, granted=granted))

    def notice(self, msgid: str) -> Json | None:
        """How the notice for an item fared, or None when that is no longer known."""
        found = self.notices.get(msgid)
        return asdict(found) if found else None

    def restore(self, documents: dict[str, Json]) -> None:
        """Go on with the notices that were under way when the run before this one ended."""
        for msgid, document in documents.items():
            self._begin(self._remember(msgid, Notice(document["open_kfid"], msgid)), 0.0)

    async def close(self) -> None:
        """Give up what is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remember(self, msgid: str, notice: Notice) -> Notice:
        self.notices[msgid] = notice
        while len(self.notices) > _NOTICES_KEPT:
            self.notices.popitem(last=False)
        return notice

    def _begin(self, notice: Notice, wait: float) -> None:
        self._journal.put("notice", notice.msgid, {"open_kfid": notice.open_kfid})
        self._start(self._deliver(notice, wait))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, notice: Notice, wait: float) -> None:
        if wait:
            await asyncio.sleep(wait)
        if self._batches.get(notice.open_kfid) is notice:
            del self._batches[notice.open_kfid]
        await self._try(notice, self._xml(notice.open_kfid))
        self._journal.drop("notice", notice.msgid)

    async def _tell_auth(self, open_kfid: str, *, granted: bool) -> None:
        node = "AuthAddOpenKfId" if granted else "AuthDelOpenKfId"
        nodes = self._head("kf_account_auth_change", "sys")
        nodes.append(f"<{node}><![CDATA[{open_kfid}]]></{node}>")
        await self._try(Notice(open_kfid, ""), f"<xml>{''.join(nodes)}</xml>")

    async def _try(self, notice: Notice, xml: str) -> None:
        encrypted = self._callback.encrypt(xml)
        query = self._callback.signed(encrypted)
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(self.retry_seconds)
                if self._switches.notice_retry_resigned:
                    query = self._callback.signed(encrypted)
            notice.tries += 1
            notice.fault = await self._callback.post(encrypted, query)
            if not notice.fault:
                notice.progress = Progress.DELIVERED
                return
            notice.progress = Progress.RETRYING
        notice.progress = Progress.FAILED
        _LOG.warning("a notice was given up after %d tries: %s", _TRIES, notice.fault)

    def _xml(self, open_kfid: str) -> str:
        nodes = self._head("kf_msg_or_event")
        nodes.append(f"<Token><![CDATA[{self._tokens.issue()}]]></Token>")
        nodes.append(f"<OpenKfId><![CDATA[{open_kfid}]]></OpenKfId>")
        if self._switches.notice_shuffle_xml:
            random.shuffle(nodes)
        return f"<xml>{''.join(nodes)}</xml>"

    def _head(self, event: str, sender: str = "") -> list[str]:
        return [
            f"<ToUserName><![CDATA[{self._corp_id}]]></ToUserName>",
            *([f"<FromUserName><![CDATA[{sender}]]></FromUserName>"] if sender else []),
            f"<CreateTime>{int(self._clock.now())}</CreateTime>",
            "<MsgType><![CDATA[event]]></MsgType>",
            f"<Event><![CDATA[{event}]]></Event>",
        ]
