"""The simulated world: accounts, customers, conversations, their transcripts and streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from kf_simulator import ids, snapshot
from kf_simulator.clock import Clock
from kf_simulator.errors import WireError
from kf_simulator.journal import Documents, Journal
from kf_simulator.records import (
    Account,
    ContactWay,
    Conversation,
    Customer,
    Direction,
    Entry,
    Json,
    Servicer,
    State,
    document_of,
)
from kf_simulator.stream import Stream
from kf_simulator.switches import Switches

Key = tuple[str, str]
_SECONDS_PER_HOUR = 3600


class SentMessage(NamedTuple):
    """Which conversation, and which line of it, a sent msgid belongs to."""

    key: Key
    number: int


class World:
    """All state that WeCom would hold; every change is put into the journal before a call is answered."""

    def __init__(self, corp_id: str, journal: Journal, switches: Switches) -> None:
        self.corp_id = corp_id
        self.switches = switches
        self.clock = Clock()
        self.accounts: dict[str, Account] = {}
        self.servicers: dict[str, Servicer] = {}
        self.customers: dict[str, Customer] = {}
        self.conversations: dict[Key, Conversation] = {}
        self.transcripts: dict[Key, list[Entry]] = {}
        self.streams: dict[str, Stream] = {}
        self.sent: dict[tuple[str, str], SentMessage] = {}
        self.contact_ways: dict[str, ContactWay] = {}
        self.announce: Callable[[str, str], None] = _nobody_listens
        self.journal = journal
        self._changes: dict[Key, asyncio.Event] = {}
        self._numbers: dict[str, int] = {}

    def open(self, account_names: list[str], servicer_ids: list[str]) -> Documents:
        """Restore what the journal kept and return it; add the named accounts and servicers that are new."""
        kept = self.journal.load()
        snapshot.restore(self, kept)
        self.journal.rewrite(snapshot.take(self))
        for index, name in enumerate(account_names):
            open_kfid = ids.account_id(self.corp_id, index)
            if open_kfid not in self.accounts:
                self.add_account(Account(open_kfid, name))
        for userid in servicer_ids:
            if userid not in self.servicers:
                self.save_servicer(Servicer(userid))
        return kept

    def account(self, open_kfid: str) -> Account:
        """The account; 95000 when the id is malformed, 95004 when there is none, 48007 when not granted."""
        if not open_kfid.startswith("wk"):
            raise WireError(95000)
        account = self.accounts.get(open_kfid)
        if account is None or account.deleted:
            raise WireError(95004)
        if not account.granted:
            raise WireError(48007)
        return account

    def conversation(self, open_kfid: str, external_userid: str) -> Conversation:
        """The conversation, made when the two never met; 40096 for an unknown customer."""
        if external_userid not in self.customers:
            raise WireError(40096)
        key = (open_kfid, external_userid)
        if key not in self.conversations:
            self.conversations[key] = Conversation(open_kfid, external_userid)
        return self.conversations[key]

    def transcript(self, key: Key) -> list[Entry]:
        """All lines of a conversation, oldest first."""
        return self.transcripts.setdefault(key, [])

    def add_account(self, account: Account) -> None:
        """Make a KF account."""
        self.streams.setdefault(account.open_kfid, Stream(account.open_kfid))
        self.save_account(account)

    def new_account(self, name: str, media_id: str = "") -> Account:
        """Make a KF account whose id is derived from the corp and the number of accounts there ever were."""
        account = Account(ids.account_id(self.corp_id, len(self.accounts)), name, media_id=media_id)
        self.add_account(account)
        return account

    @property
    def open_accounts(self) -> list[Account]:
        """The accounts that were not deleted."""
        return [account for account in self.accounts.values() if not account.deleted]

    def servicers_of(self, account: Account) -> list[Servicer]:
        """Who serves an account: those named for it, or everybody."""
        if account.servicers is None:
            return list(self.servicers.values())
        return [self.servicers[userid] for userid in account.servicers]

    def save_account(self, account: Account) -> None:
        """Keep an account as it is now."""
        self.accounts[account.open_kfid] = account
        self.journal.put("account", account.open_kfid, document_of(account))

    def save_servicer(self, servicer: Servicer) -> None:
        """Keep a servicer as they are now."""
        self.servicers[servicer.userid] = servicer
        self.journal.put("servicer", servicer.userid, document_of(servicer))

    def add_customer(self, nickname: str) -> Customer:
        """Make a WeChat user."""
        customer = Customer(ids.customer_id(self.corp_id), nickname)
        self.customers[customer.external_userid] = customer
        self.journal.put("customer", customer.external_userid, document_of(customer))
        return customer

    def customer_number(self, external_userid: str) -> int:
        """1 for the first customer, 2 for the next ...; 0 for nobody. The same in every run."""
        if len(self._numbers) != len(self.customers):
            self._numbers = {known: number for number, known in enumerate(self.customers, 1)}
        return self._numbers.get(external_userid, 0)

    def add_contact_way(self, open_kfid: str, scene: str) -> ContactWay:
        """A new chat link for an account."""
        way = ContactWay(ids.notice_token(), open_kfid, scene)
        self.contact_ways[way.enc_scene] = way
        self.journal.put("contact_way", way.enc_scene, document_of(way))
        return way

    def save_conversation(self, conversation: Conversation) -> None:
        """Keep a conversation as it is now and wake whoever watches it."""
        self.journal.put("conversation", "/".join(conversation.key), document_of(conversation))
        self.wake(conversation.key)

    def add_entry(
        self,
        conversation: Conversation,
        direction: Direction,
        msgid: str,
        msgtype: str,
        body: Json,
        *,
        sequence: int | None = None,
        extra: Json | None = None,
    ) -> Entry:
        """Append a line to the transcript."""
        lines = self.transcript(conversation.key)
        entry = Entry(
            len(lines), direction, msgid, msgtype, body, self.clock.now(), int(conversation.state), sequence
        )
        entry.extra = extra or {}
        lines.append(entry)
        self.save_entry(conversation.key, entry)
        return entry

    def save_entry(self, key: Key, entry: Entry) -> None:
        """Keep a line as it is now."""
        if entry.direction == "app":
            self.note_sent(key, entry)
        self.journal.put("entry", f"{key[0]}/{key[1]}/{entry.number}", document_of(entry))
        self.wake(key)

    def note_sent(self, key: Key, entry: Entry) -> None:
        """Remember which line a sent msgid is."""
        self.sent[key[0], entry.msgid] = SentMessage(key, entry.number)

    def publish(self, open_kfid: str, item: Json, *, notify: bool = True) -> int:
        """Put an item into the account's stream, have it announced, return its sequence number."""
        sequence = self.streams[open_kfid].append(item)
        self.journal.put("item", f"{open_kfid}/{sequence}", item)
        if notify:
            self.announce(open_kfid, item["msgid"])
        return sequence

    def window_open(self, conversation: Conversation) -> bool:
        """Whether the customer wrote within the last 48 h (section 4.3)."""
        spoke = conversation.last_customer_at
        return spoke is not None and self.clock.now() - spoke <= self._window_seconds

    def visible_state(self, conversation: Conversation) -> State:
        """The state as service_state/get shows it: a session without activity for 48 h has ended."""
        idle = self.clock.now() - conversation.last_active_at
        return State.ENDED if idle > self._window_seconds else State(conversation.state)

    def seen_lately(self, external_userid: str) -> list[Conversation]:
        """Conversations in which the customer entered or wrote within 48 h, latest first."""
        found = []
        for open_kfid in self.accounts:
            conversation = self.conversations.get((open_kfid, external_userid))
            if conversation and self.clock.now() - _last_seen(conversation) <= self._window_seconds:
                found.append(conversation)
        return sorted(found, key=_last_seen, reverse=True)

    def watch(self, key: Key) -> asyncio.Event:
        """An event that is set at the next change of a conversation."""
        return self._changes.setdefault(key, asyncio.Event())

    def wake(self, key: Key) -> None:
        """Tell watchers of a conversation that it changed."""
        if change := self._changes.pop(key, None):
            change.set()

    def wake_all(self) -> None:
        """Tell every watcher, so that no waiting request holds up the end of the program."""
        for key in list(self._changes):
            self.wake(key)

    def advance_clock(self, seconds: float) -> None:
        """Move the simulated time, back when negative."""
        self.clock.advance(seconds)
        self.journal.put("clock", "clock", {"offset": self.clock.offset})

    @property
    def _window_seconds(self) -> float:
        return self.switches.window_hours * _SECONDS_PER_HOUR

    def clear(self) -> None:
        """Forget customers, conversations and streams; accounts, servicers and their ids stay.

        Sequence numbers go on: a cursor that a client still holds must never skip what comes next.
        """
        self.customers.clear()
        self.conversations.clear()
        self.transcripts.clear()
        self.sent.clear()
        self._numbers.clear()
        for open_kfid, stream in list(self.streams.items()):
            self.streams[open_kfid] = Stream(open_kfid)
            self.streams[open_kfid].start_at(stream.end)
        self.clock.offset = 0.0
        self.journal.rewrite(snapshot.take(self))
        self.wake_all()


def _last_seen(conversation: Conversation) -> float:
    return max(conversation.last_customer_at or 0.0, conversation.last_entered_at or 0.0)


def _nobody_listens(open_kfid: str, msgid: str) -> None:
    return None
