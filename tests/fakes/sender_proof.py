"""A flood of answers through three sender processes that are killed again and again, before the judge.

What goes wrong all the time: a tenth of the calls, each in one of the ways of FAULTS; processes die; access
tokens end early. What goes wrong by turns, at a share of the answers sent: PostgreSQL's clock is stepped, a
process is stopped for longer than its lease and goes on, WeCom's clock jumps. At last, when no welcome waits
any more (none could be kept while WeCom refuses all): what stops all replicas for a minute, LATE_FAULTS.
"""

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import Any

from kf_contracts.events import MessageReceived
from kf_runtime import nats as kf_nats

from tests.fakes.senders import Office, command, step_clock, welcome
from tests.fakes.simulator import CORP_ID, SECRET, Chat, SimulatorClient

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "errcode", "errcode": -1},
    {"kind": "errcode", "errcode": 6000},
    {"kind": "bad_gateway"},
    {"kind": "cut_json"},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "slow", "seconds": 0.5},
    # Not sent after all, as WeCom tells a second later: sent again when the customer has spoken.
    {"kind": "send_fail", "seconds": 1.0, "fail_type": 6},
)
LATE_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "errcode", "errcode": 45033, "times": 3},
    {"kind": "errcode", "errcode": 60020, "times": 1},
    {"kind": "errcode", "errcode": 45009, "times": 1},
)


@dataclass(frozen=True)
class Profile:
    """How much of everything; `limit` is sends a minute, `demand` how many times that is published."""

    messages: int
    customers: int
    limit: int
    demand: float
    kills: int
    welcome_every: float
    stop_seconds: float
    """How long a process is stopped; past its lease of 15 s in the full run."""
    late_faults: tuple[dict[str, Any], ...] = ()
    fault_share: float = 0.1
    replicas: int = 3

    def answers(self) -> Iterator[tuple[int, int]]:
        """(customer, number of the answer), round and round."""
        for index in range(self.messages):
            yield index % self.customers, index // self.customers


SMALL = Profile(messages=40, customers=8, limit=600, demand=2, kills=2, welcome_every=2.0, stop_seconds=2)
FULL = Profile(
    messages=2000,
    customers=300,
    limit=400,
    demand=10,
    kills=20,
    welcome_every=4.0,
    stop_seconds=20,
    late_faults=LATE_FAULTS,
)


@dataclass
class Proof:
    """One run; afterwards the simulator's judge, the transcripts and the ledger say how it went."""

    profile: Profile
    hall: Office
    simulator: SimulatorClient
    chats: list[Chat] = field(default_factory=list)
    welcomed: list[tuple[str, Chat]] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    kills: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)
    """What WeCom was asked, up to the jump of its clock."""
    _no_welcome: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Customers write, answers are published, replicas die; returns when every answer has been sent."""
        await self._prepare()
        async with self._replicas(), asyncio.TaskGroup() as group:
            tasks = (self._pull(), self._welcome(), self._kill(), self._end_tokens(), self._disturb())
            helpers = [group.create_task(task) for task in tasks]
            for chat in self.chats:
                await chat.write()
            await self._until(
                "SELECT count(*) = $1 FROM customer_queue WHERE spoke_at IS NOT NULL", len(self.chats)
            )
            await self._publish()
            await self._speak_again_until_all_sent()
            await helpers[-1]
            for helper in helpers:
                helper.cancel()

    async def _prepare(self) -> None:
        await self.simulator.control("PATCH", "/control/switches", sync_tokenless_per_minute=1_000_000)
        self.chats = [await self.simulator.chat(index % 2) for index in range(self.profile.customers)]
        for seed, fault in enumerate(FAULTS):
            share = self.profile.fault_share / len(FAULTS)
            fault = {"api": "send_msg", "times": None, "probability": share, "seed": seed, **fault}
            await self.simulator.control("POST", "/control/faults", **fault)

    @asynccontextmanager
    async def _replicas(self) -> AsyncIterator[None]:
        self.processes = [await self._start() for _ in range(self.profile.replicas)]
        try:
            yield
        finally:
            for process in self.processes:
                process.kill()
                await process.wait()

    async def _start(self) -> Process:
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ
        }
        settings = {
            "WECOM_CORP_ID": CORP_ID,
            "WECOM_KF_SECRET": SECRET,
            "WECOM_API_BASE": self.simulator.url,
            "DATABASE_URL": self.hall.database_url,
            "NATS_URL": self.hall.nats_url,
            "KF_SENDER_RATE_PER_MINUTE": str(self.profile.limit),
            # Each answer in a message of its own, so that each can be counted.
            "KF_SENDER_MERGE_SECONDS": "86400",
            "KF_SENDER_HEALTH_PORT": "0",
            "OTEL_SDK_DISABLED": "true",
        }
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kf_sender", stdout=DEVNULL, stderr=DEVNULL, env=kept | settings, cwd="/"
        )

    async def _pull(self) -> None:
        """The gateway's part: everything that sync_msg shows goes to KF_INBOUND."""
        cursors: dict[str, str] = {}
        for index in cycle(range(2)):
            open_kfid = await self.simulator.account(index)
            page = await self.simulator.api(
                "sync_msg", open_kfid=open_kfid, cursor=cursors.get(open_kfid, "")
            )
            if page["errcode"]:
                await self.simulator.token()
                continue
            for item in page["msg_list"]:
                await self._hear(open_kfid, item)
            cursors[open_kfid] = page["next_cursor"]
            await asyncio.sleep(0.3)

    async def _hear(self, open_kfid: str, item: dict[str, Any]) -> None:
        inside = item.get("event", item)
        message = MessageReceived(
            open_kfid=open_kfid,
            external_userid=inside.get("external_userid", ""),
            msgid=item["msgid"],
            msgtype=item["msgtype"],
            origin=item["origin"],
            send_time=datetime.fromtimestamp(item["send_time"], UTC),
            item=item,
        )
        await kf_nats.publish(
            self.hall.client.jetstream(),
            f"kf.inbound.{open_kfid}",
            message.encode(),
            msg_id=f"{open_kfid}:{item['msgid']}",
            template="kf.inbound.{open_kfid}",
        )

    async def _publish(self) -> None:
        pause = 60.0 / (self.profile.limit * self.profile.demand)
        for customer, number in self.profile.answers():
            chat = self.chats[customer]
            await self.hall.publish(
                command(
                    f"a{customer}-{number}", chat.external_userid, f"第{number}条", open_kfid=chat.open_kfid
                )
            )
            await asyncio.sleep(pause)

    async def _welcome(self) -> None:
        for number in count():
            await asyncio.sleep(self.profile.welcome_every)
            async with self._no_welcome:
                chat = await self.simulator.chat(number % 2)
                entered = await chat.enter()
                code = entered["body"]["welcome_code"]
                command_id = f"w{number}"
                ids = {"open_kfid": chat.open_kfid, "code": code, "created_at": datetime.now(UTC)}
                ids["expires_at"] = ids["created_at"] + timedelta(seconds=20)
                await self.hall.publish(welcome(command_id, chat.external_userid, **ids))
                self.welcomed.append((command_id, chat))

    async def _kill(self) -> None:
        """Over the time that the answers need at least, evenly."""
        seconds = 60.0 * self.profile.messages / self.profile.limit
        chance = random.Random(4)
        for _ in range(self.profile.kills):
            await asyncio.sleep(seconds / (self.profile.kills + 1))
            victim = chance.randrange(len(self.processes))
            self.processes[victim].kill()
            await self.processes[victim].wait()
            self.processes[victim] = await self._start()
            self.kills += 1

    async def _end_tokens(self) -> None:
        """WeCom ends every access token early, again and again."""
        for errcode in cycle((42001, 40014)):
            await asyncio.sleep(25)
            await self.simulator.control("POST", "/control/access_tokens/void", errcode=errcode)

    async def _disturb(self) -> None:
        """What goes wrong by turns."""
        await self._sent(0.2)
        await step_clock(self.hall, "1 hour")
        await self._sent(0.3)
        await self._stop_one()
        await self._sent(0.45)
        await step_clock(self.hall, "-10 min")
        await self._sent(0.65)
        self.calls = [
            call
            for api in ("send_msg", "send_msg_on_event")
            for call in await self.simulator.control("GET", f"/judge/calls?api={api}")
        ]
        async with self._no_welcome:
            await self._welcomes_done()
            await self.simulator.control("POST", "/control/clock/advance", seconds=3600)
        await self._sent(0.7)
        await self._stop_one()
        if self.profile.late_faults:
            await self._sent(0.8)
            await self._no_welcome.acquire()
            await self._welcomes_done()
            for fault in self.profile.late_faults:
                await self.simulator.control("POST", "/control/faults", api="send_msg", **fault)

    async def _stop_one(self) -> None:
        """A process stops in the middle of what it does, and goes on as if nothing had been."""
        victim = self.processes[0]
        with suppress(ProcessLookupError):
            victim.send_signal(signal.SIGSTOP)
            await asyncio.sleep(self.profile.stop_seconds)
            victim.send_signal(signal.SIGCONT)

    async def _sent(self, share: float) -> None:
        sql = "SELECT count(*) >= $1 FROM command WHERE kind = 'send_reply' AND status = 'sent'"
        await self._until(sql, int(self.profile.messages * share))

    async def _welcomes_done(self) -> None:
        sql = (
            "SELECT count(*) = $1 FROM command "
            "WHERE kind = 'send_on_event' AND status IN ('sent', 'failed', 'expired')"
        )
        await self._until(sql, len(self.welcomed))

    async def _speak_again_until_all_sent(self) -> None:
        """Customers with held answers write again, which gives them their next messages."""
        wrote_at: dict[str, int] = {}
        done = "SELECT count(*) = $1 FROM command WHERE kind = 'send_reply' AND status = 'sent'"
        # Whose answers are all held, and how many messages they have had.
        waiting = (
            "SELECT json_object_agg(external_userid, sent) "
            "FROM (SELECT external_userid, sum(parts_sent) AS sent FROM command "
            "WHERE kind = 'send_reply' GROUP BY external_userid "
            "HAVING bool_or(status = 'held') AND bool_and(status IN ('held', 'sent'))) AS w"
        )
        by_id = {chat.external_userid: chat for chat in self.chats}
        while not await self._is(done, self.profile.messages):
            for who, sent in json.loads((await self.hall.row(waiting))[0] or "{}").items():
                if wrote_at.get(who) != sent:
                    wrote_at[who] = sent
                    await by_id[who].write("好的")
            await asyncio.sleep(0.5)
        while self.kills < self.profile.kills:
            await asyncio.sleep(0.2)

    async def _until(self, sql: str, *arguments: Any) -> None:
        while not await self._is(sql, *arguments):
            await asyncio.sleep(0.2)

    async def _is(self, sql: str, *arguments: Any) -> bool:
        return bool((await self.hall.row(sql, *arguments))[0])

    async def limiter_use(self) -> float:
        """Share of the limit that was used in the whole minutes of overload; 1.0 without any.

        As long as customers have not had the four messages of their first budget, something waits.
        """
        began = "(SELECT min(granted_at) FROM slot WHERE NOT urgent)"
        seconds = (
            await self.hall.row(f"SELECT extract(epoch FROM max(granted_at) - {began})::float8 FROM slot")
        )[0]
        overload = self.profile.customers * 4 / self.profile.limit
        minutes = int(min(seconds / 60, overload))
        if not minutes:
            return 1.0
        sql = (
            f"SELECT count(*) FROM slot WHERE granted_at >= {began} "
            f"AND granted_at < {began} + make_interval(mins => $1)"
        )
        return float((await self.hall.row(sql, minutes))[0] / (minutes * self.profile.limit))

    def calls_in_overload(self) -> float:
        """Calls that arrived at WeCom, as a share of the limit, in the whole minutes of overload."""
        began = min((call["at"] for call in self.calls), default=0.0)
        overload = self.profile.customers * 4 / self.profile.limit
        minutes = int(min(max((call["at"] for call in self.calls), default=0.0) - began, 60 * overload) / 60)
        counted = sum(call["at"] < began + 60 * minutes for call in self.calls)
        return counted / (minutes * self.profile.limit) if minutes else 1.0

    async def welcome_waits(self) -> list[float]:
        """Seconds from the ledger to the first call of each welcome, shortest first."""
        sql = (
            "SELECT array_agg(wait ORDER BY wait) FROM (SELECT extract(epoch FROM min(s.occurred_at) - "
            "min(q.occurred_at))::float8 AS wait FROM delivery_change q JOIN delivery_change s "
            "USING (command_id) WHERE q.status = 'queued' AND s.status = 'sending' AND command_id LIKE 'w%' "
            "GROUP BY command_id) AS waits"
        )
        return list((await self.hall.row(sql))[0] or [])

    async def welcome_outcomes(self) -> dict[str, int]:
        """Welcomes by status; those of the last moments may be under way still."""
        sql = (
            "SELECT json_object_agg(status, n) FROM (SELECT status, count(*) AS n FROM command "
            "WHERE kind = 'send_on_event' GROUP BY status) AS s"
        )
        return dict(json.loads((await self.hall.row(sql))[0] or "{}"))
