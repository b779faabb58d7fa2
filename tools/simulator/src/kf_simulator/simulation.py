"""The whole simulator put together, without its HTTP server."""

from __future__ import annotations

import asyncio

from kf_wecom.crypto import CallbackCrypto

from kf_simulator.access import AccessTokens
from kf_simulator.codes import Codes
from kf_simulator.delivery import Delivery
from kf_simulator.faults import Faults
from kf_simulator.journal import Journal
from kf_simulator.judge import Judge
from kf_simulator.media import MediaStore
from kf_simulator.model import Model
from kf_simulator.notifier import Notifier
from kf_simulator.sessions import Sessions
from kf_simulator.settings import Settings
from kf_simulator.switches import Switches
from kf_simulator.visits import Visits
from kf_simulator.world import World


class Simulation:
    """One corp, its app, and the world around it."""

    def __init__(self, settings: Settings) -> None:
        corp_id = settings.wecom_corp_id
        self.settings = settings
        self.closing = asyncio.Event()
        self.model = Model()
        self.journal = Journal(settings.kf_simulator_data_dir)
        self._initial = Switches(send_limit_per_minute=settings.kf_simulator_send_limit_per_minute)
        self.switches = self._initial.model_copy(deep=True)
        self.world = World(corp_id, self.journal, self.switches)
        clock = self.world.clock
        self.faults = Faults()
        self.judge = Judge(clock, self.switches)
        self.codes = Codes()
        self.media = MediaStore(clock)
        self.tokens = AccessTokens(
            corp_id, settings.wecom_kf_secret.get_secret_value(), clock, self.switches, self.journal
        )
        self.visits = Visits(self.world, self.codes, self.judge)
        self.sessions = Sessions(self.world, self.codes)
        self.delivery = Delivery(self.world, self.codes, self.judge, self.media.exists)
        crypto = CallbackCrypto(
            settings.wecom_token.get_secret_value(),
            settings.wecom_encoding_aes_key.get_secret_value(),
            corp_id,
        )
        self.notifier = Notifier(
            crypto,
            corp_id,
            clock,
            self.faults,
            self.judge,
            self.switches,
            settings.kf_simulator_callback_retry_seconds,
        )
        self.notifier.url = settings.kf_simulator_callback_url
        self.world.announce = self.notifier.announce

    def open(self) -> None:
        """Restore the world of the last run, if there was one."""
        kept = self.world.open(self.settings.account_names, self.settings.servicer_ids)
        self.tokens.restore(kept.get("token", {}))

    def hurry(self) -> None:
        """Let go of every request that waits for something, because the program ends."""
        self.closing.set()
        self.world.wake_all()

    async def close(self) -> None:
        """Stop notices under way and write the world to the disk."""
        await self.notifier.close()
        self.journal.close()

    def reset(self) -> None:
        """An empty world with the same accounts, and the switches as they were at the start."""
        for name, value in self._initial.model_copy(deep=True):
            setattr(self.switches, name, value)
        self.faults.clear()
        self.world.clear()
        self.tokens.keep_all()
        self.media.clear()
        self.judge.reset()
        self.model.reset()

    def unanswered(self) -> int:
        """Chats whose last word is the customer's."""
        count = 0
        for lines in self.world.transcripts.values():
            spoken = [line.direction for line in lines if line.direction != "event"]
            count += bool(spoken) and spoken[-1] == "customer"
        return count
