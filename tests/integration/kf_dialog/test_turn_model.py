"""Any interleaving of messages, claims, crashes and commits against a small model of one conversation."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kf_contracts.events import MessageReceived, SendReply
from kf_dialog.conversation import Answer, Claim, Commit, Outcome, Turn, Work
from kf_dialog.store import Store, Timing

ACCOUNT = "wkModel"
# The numbers choose among what there is: a claim to crash, to load, to commit.
NAMES = ["say", "say", "claim", "claim", "repeat", "recall", "crash", "load", "commit", "commit_anyway"]
STEPS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 9)), max_size=20)
_CUSTOMERS = count()


@dataclass
class Model:
    """What must be true of a conversation, kept in plain lists."""

    said: list[str] = field(default_factory=list)
    recalled: set[str] = field(default_factory=set)
    turns: list[list[str]] = field(default_factory=list)
    holder: int = 0
    """Token of the claim that may commit; 0: none."""

    @property
    def waiting(self) -> list[str]:
        """Messages without an answer, in order."""
        done = {msgid for turn in self.turns for msgid in turn}
        return [msgid for msgid in self.said if msgid not in done | self.recalled]


@dataclass
class Trial:
    """One customer of the real store beside the model; every claim ever made may come back later."""

    store: Store
    customer: str
    model: Model = field(default_factory=Model)
    claims: list[Claim] = field(default_factory=list)
    loaded: dict[int, Work] = field(default_factory=dict)

    async def step(self, name: str, number: int) -> None:
        """Do one thing to both, and compare."""
        match name:
            case "say":
                await self.say(f"m{len(self.model.said)}")
            case "repeat" if self.model.said:
                assert not await self.record(self.model.said[number % len(self.model.said)])
            case "recall" if self.model.said:
                await self.recall(self.model.said[number % len(self.model.said)])
            case "claim":
                await self.claim()
            case "crash":
                await self.crash()
            case "load" | "commit" | "commit_anyway" if self.claims:
                claim = self.claims[number % len(self.claims)]
                await (self.load(claim) if name == "load" else self.commit(claim, anyway=name != "commit"))

    async def record(self, msgid: str) -> bool:
        ids = {"msgid": msgid, "open_kfid": ACCOUNT, "external_userid": self.customer}
        item = ids | {"send_time": 1, "origin": 3, "msgtype": "text", "text": {"content": msgid}}
        event = MessageReceived(
            open_kfid=ACCOUNT, external_userid=self.customer, msgid=msgid, msgtype="text", origin=3,
            send_time=datetime.now(UTC), item=item,
        )  # fmt: skip
        return await self.store.record(event, {}, "new", "", 0.0) is not None

    async def say(self, msgid: str) -> None:
        assert await self.record(msgid)
        self.model.said.append(msgid)

    async def recall(self, msgid: str) -> None:
        waits = msgid in self.model.waiting
        assert await self.store.recall(ACCOUNT, self.customer, msgid) is waits
        if waits:
            self.model.recalled.add(msgid)

    async def claim(self) -> None:
        mine = [claim for claim in await self.store.claim(50) if claim.external_userid == self.customer]
        if self.model.holder or not self.model.said:
            assert not mine, "claimed while somebody works on it, or with nothing to do"
        elif self.model.waiting:
            assert mine, "a waiting message is nobody's"
        for claim in mine:
            self.model.holder = claim.token
            self.claims.append(claim)

    async def crash(self) -> None:
        """Whoever holds the conversation dies: its lease runs out."""
        await self.store._pool.execute(
            "UPDATE conversation SET lease_until = now() - interval '1 s' "
            "WHERE external_userid = $1 AND lease_until IS NOT NULL",
            self.customer,
        )
        self.model.holder = 0

    async def load(self, claim: Claim) -> None:
        work = await self.store.load(claim, 5)
        found = [question.msgid for question in work.questions] if work else []
        assert found == self.model.waiting
        if work:
            self.loaded[claim.token] = work

    async def commit(self, claim: Claim, *, anyway: bool) -> None:
        work = self.loaded.get(claim.token)
        if work is None:
            return
        turn_id = f"{self.customer}-{len(self.model.turns)}"
        command = SendReply(
            command_id=f"{turn_id}-1", open_kfid=ACCOUNT, external_userid=self.customer, turn_id=turn_id,
            in_reply_to=tuple(question.msgid for question in work.questions), text="答",
        )  # fmt: skip
        turn = Turn(turn_id, work, Answer("问", "答", Outcome.ANSWERED), {}, (command,))
        before = self.model.waiting
        done = await self.store.commit(claim, turn, accept_newer=anyway)
        mine = [question.msgid for question in work.questions if question.msgid in before]
        if claim.token != max(one.token for one in self.claims):
            assert done is Commit.LOST, "an older claim committed"
        elif done is Commit.DONE:
            assert mine, "a turn that answers nothing"
            assert anyway or mine == before, "a newer message was passed over"
            self.model.turns.append(mine)
            self.model.holder = 0
            del self.loaded[claim.token]

    async def finish(self) -> None:
        """Everybody dies once more, then one good worker answers what is left."""
        await self.crash()
        while self.model.waiting:
            await self.claim()
            await self.load(self.claims[-1])
            await self.commit(self.claims[-1], anyway=True)
            await self.crash()

    async def compare(self) -> None:
        """Each message in exactly one turn, in the order it was said; one command for each turn."""
        rows = await self.store._pool.fetch(
            "SELECT msgid, turn_id, status FROM inbox WHERE external_userid = $1 ORDER BY position",
            self.customer,
        )
        answered = [row["msgid"] for row in rows if row["status"] == "answered"]
        assert answered == [msgid for turn in self.model.turns for msgid in turn]
        assert {row["msgid"] for row in rows if row["status"] == "ignored"} == self.model.recalled
        commands = await self.store._pool.fetchval(
            "SELECT count(*) FROM outbox WHERE external_userid = $1", self.customer
        )
        assert commands == len(self.model.turns)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


def test_every_message_ends_in_exactly_one_turn_in_order(database_url: str, runner: asyncio.Runner) -> None:
    store = runner.run(Store.open(database_url, Timing(join=0.0, lease=600.0)))

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def trial(steps: list[tuple[str, int]]) -> None:
        async def run() -> None:
            one = Trial(store, f"wm{next(_CUSTOMERS)}")
            for name, number in steps:
                await one.step(name, number)
            await one.finish()
            await one.compare()

        runner.run(run())

    trial()
    runner.run(store.close())
