"""Made-up traces of customer messages, as the services export them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from kf_traces.span import Event, Link, Span, Value

MS = 1_000_000
SEARCH = "kf_contracts.knowledge.v1.KnowledgeService/Search"
ACCOUNTS = ("wkAJ2GCAAAZSfhHCt7IFSvLKtMPxyJTw", "wkAJ2GCAAAq8Xn0pEoVb3mRdTfKuLzQs")


@dataclass
class Journey:
    """One trace under construction; `step` adds a span, times in milliseconds after the start."""

    number: int
    start_ns: int
    account: str = ACCOUNTS[0]
    spans: list[Span] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def msgid(self) -> str:
        """The id of its one customer message."""
        return f"4Vo{self.number:08x}kfmsg{self.number % 997:03d}"

    @property
    def trace_id(self) -> str:
        """Never all zeros."""
        return f"{self.number + 1:032x}"

    def step(
        self,
        service: str,
        name: str,
        kind: str,
        at: float,
        long: float,
        parent: str = "",
        error: str = "",
        links: tuple[Link, ...] = (),
        **told: Value,
    ) -> str:
        """Add a span and return its id; `kf__msgid` stands for the attribute `kf.msgid`."""
        span_id = f"{self.number + 1:08x}{next(self._ids):08x}"
        start = self.start_ns + round(at * MS)
        attributes = {key.replace("__", "."): value for key, value in told.items()}
        events = (Event("exception", start, {"exception.type": "ApiError"}),) if error else ()
        self.spans.append(
            Span(
                *(self.trace_id, span_id, parent, name, service, kind, start, start + round(long * MS)),
                *("error" if error else "unset", error, "kefu"),
                *({"service.name": service, "service.instance.id": f"{service}-1"}, attributes),
                *(events, links),
            )
        )
        return span_id

    def receive(self) -> str:
        """From the callback to the inbox; the id of the last span."""
        told: dict[str, Any] = {"kf__open_kfid": self.account}
        root = self.step(
            *("kf-gateway", "POST /wecom/callback", "server", 0, 9),
            http__response__status_code=200,
            kf__outcome="KfNotice",
            **told,
        )
        notice = self.step("kf-gateway", "publish kf.notice.{open_kfid}", "producer", 3, 4, root)
        taken = self.step("kf-gateway", "process kf.notice.{open_kfid}", "consumer", 18, 70, notice)
        self.step(
            *("kf-gateway", "POST /cgi-bin/kf/sync_msg", "client", 22, 31, taken),
            http__response__status_code=200,
            kf__wecom__errcode=0,
        )
        page = self.step("kf-gateway", "pull page", "internal", 56, 24, taken, kf__items=1, **told)
        item = self.step("kf-gateway", "publish kf.inbound.{open_kfid}", "producer", 60, 5, page)
        return self.step(
            *("kf-dialog", "process kf.inbound.{open_kfid}", "consumer", 74, 12, item),
            kf__msgid=self.msgid,
            kf__outcome="new",
            kf__customer="9f2c41d07a3e",
            **told,
        )

    def answer(self, inbound: str, links: tuple[Link, ...] = ()) -> str:
        """A turn with search and model, down to the ledger; the id of the last span."""
        turn_id = f"{self.number:032x}"
        turn = self.step(
            *("kf-dialog", "turn", "internal", 900, 1650, inbound),
            links=links,
            kf__turn_id=turn_id,
            kf__msgids=[self.msgid],
            kf__outcome="answered",
            kf__passages=4,
        )
        self.step("kf-dialog", "sql claim", "client", 902, 3, turn, db__system__name="postgresql")
        search = self.step("kf-dialog", SEARCH, "client", 910, 62, turn, rpc__method=SEARCH)
        self.step("kf-knowledge", SEARCH, "server", 914, 55, search, rpc__method=SEARCH)
        self.step(
            *("kf-dialog", "chat deepseek-chat", "client", 980, 1490, turn),
            gen_ai__provider__name="deepseek",
            gen_ai__usage__input_tokens=1183,
            gen_ai__usage__output_tokens=96,
        )
        self.step("kf-dialog", "commit turn", "internal", 2480, 14, turn)
        out = self.step("kf-dialog", "publish kf.outbound.{open_kfid}", "producer", 2500, 6, turn)
        return self.step(
            *("kf-sender", "process kf.outbound.{open_kfid}", "consumer", 2520, 11, out),
            kf__turn_id=turn_id,
            kf__command_id=f"{turn_id}-1",
            kf__outcome="stored",
        )

    def send(self, ledger: str, outcome: str = "delivered", errcode: int = 0, at: float = 2560) -> None:
        """One attempt; outcome and errcode as the sender tells them."""
        fault = "" if outcome == "delivered" else outcome
        attempt = self.step(
            *("kf-sender", "send", "internal", at, 130, ledger, fault),
            kf__command_id=f"{self.number:032x}-1",
            kf__part=1,
            kf__parts=1,
            kf__attempt=1,
            kf__outcome=outcome,
            kf__errcode=errcode,
            kf__limiter_wait_ms=12,
        )
        self.step(
            *("kf-sender", "POST /cgi-bin/kf/send_msg", "client", at + 4, 118, attempt, fault),
            http__response__status_code=200,
            kf__wecom__errcode=errcode,
        )


def answered(number: int, start_ns: int, account: str = ACCOUNTS[0]) -> Journey:
    """A message that was answered at the first attempt: 16 spans."""
    journey = Journey(number, start_ns, account)
    journey.send(journey.answer(journey.receive()))
    return journey


def refused(number: int, start_ns: int, outcome: str, errcode: int, account: str = ACCOUNTS[0]) -> Journey:
    """A message whose answer WeCom did not take."""
    journey = Journey(number, start_ns, account)
    journey.send(journey.answer(journey.receive()), outcome, errcode)
    return journey


def large(number: int, start_ns: int, spans: int) -> Journey:
    """A trace of at least so many spans: one callback, many messages."""
    journey = Journey(number, start_ns)
    ledger = journey.answer(journey.receive())
    while len(journey.spans) < spans:
        journey.send(ledger, at=2560 + 140 * len(journey.spans))
    return journey
