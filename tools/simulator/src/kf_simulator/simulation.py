"""The whole simulator put together, without its HTTP server."""

from __future__ import annotations

import asyncio
from typing import Any

from kf_wecom.crypto import CallbackCrypto

from kf_simulator.access import AccessTokens
from kf_simulator.callback import Callback
from kf_simulator.codes import Codes
from kf_simulator.delivery import Delivery
from kf_simulator.faults import Faults
from kf_simulator.journal import Journal
from kf_simulator.judge import Judge
from kf_simulator.limits import Limits
from kf_simulator.media import MediaStore
from kf_simulator.model import Model
from kf_simulator.notifier import Notifier
from kf_simulator.script import Script, ScriptRunner, Step, read
from kf_simulator.sessions import Sessions
from kf_simulator.settings import Settings
from kf_simulator.switches import Switches
from kf_simulator.sync_tokens import SyncTokens
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
        self._initial = Switches(
            send_limit_per_minute=settings.kf_simulator_send_limit_per_minute,
            limit_scale=settings.kf_simulator_limit_scale,
        )
        self.switches = self._initial.model_copy(deep=True)
        self.world = World(corp_id, self.journal, self.switches)
        clock = self.world.clock
        self.faults = Faults(self.world.customer_number)
        self.script = ScriptRunner(self._take_step)
        self.judge = Judge(clock, self.switches)
        self.codes = Codes(self.journal)
        self.media = MediaStore(clock, self.journal)
        secret = settings.wecom_kf_secret.get_secret_value()
        self.tokens = AccessTokens(corp_id, secret, clock, self.switches, self.journal)
        self.sync_tokens = SyncTokens(clock, self.journal)
        self.limits = Limits(clock, self.switches)
        self.visits = Visits(self.world, self.codes, self.judge)
        self.sessions = Sessions(self.world, self.codes)
        self.delivery = Delivery(self.world, self.codes, self.judge, self.media.exists)
        self.callback = Callback(_crypto(settings), corp_id, clock, self.judge)
        self.callback.url = settings.kf_simulator_callback_url
        self.notifier = Notifier(
            self.callback,
            self.sync_tokens,
            corp_id,
            clock,
            self.faults,
            self.switches,
            self.journal,
            settings.kf_simulator_callback_retry_seconds,
        )
        self.world.announce = self.notifier.announce

    def open(self) -> None:
        """Restore the world of the last run, if there was one, and arm the faults of the settings."""
        kept = self.world.open(self.settings.account_names, self.settings.servicer_ids)
        self.tokens.restore(kept.get("token", {}))
        self.sync_tokens.restore(kept.get("sync_token", {}))
        self.codes.restore(kept.get("code", {}))
        self.media.restore(kept.get("media", {}))
        self.notifier.restore(kept.get("notice", {}))
        self._arm_settings()

    def run_script(self, script: Script) -> None:
        """Start a script; its seed becomes the run's."""
        if script.seed is not None:
            self.faults.seed = script.seed
        self.script.start(script)

    def turn(self, changes: dict[str, Any]) -> None:
        """Turn switches; ValidationError, and nothing changes, when one of them is wrong."""
        checked = Switches.model_validate(self.switches.model_dump() | changes)
        for name in changes:
            setattr(self.switches, name, getattr(checked, name))

    def hurry(self) -> None:
        """Let go of every request that waits for something, because the program ends."""
        self.closing.set()
        self.world.wake_all()

    async def close(self) -> None:
        """Stop notices under way and write the world to the disk."""
        self.script.stop()
        await self.notifier.close()
        await self.callback.close()
        self.journal.close()

    def reset(self) -> None:
        """An empty world with the same accounts; switches and faults as the settings say."""
        self.turn(self._initial.model_dump())
        self.script.stop()
        self.faults.clear()
        self.world.clear()
        self.tokens.keep_all()
        self.tokens.lift_bans()
        self.sync_tokens.keep_all()
        self.limits.reset()
        self.codes.clear()
        self.media.clear()
        self.judge.reset()
        self.model.reset()
        self._arm_settings()

    def unanswered(self) -> int:
        """Chats whose last word is the customer's."""
        count = 0
        for lines in self.world.transcripts.values():
            spoken = [line.direction for line in lines if line.direction != "event"]
            count += bool(spoken) and spoken[-1] == "customer"
        return count

    def _arm_settings(self) -> None:
        self.faults.seed = 0
        for fault in self.settings.kf_simulator_faults:
            self.faults.arm(fault)
        if self.settings.kf_simulator_script:
            self.run_script(read(self.settings.kf_simulator_script))

    def _take_step(self, step: Step) -> None:
        if step.clear:
            self.faults.clear()
        if step.fault:
            self.faults.arm(step.fault)
        if step.switches:
            self.turn(step.switches)
        if step.advance_seconds:
            self.world.advance_clock(step.advance_seconds)
        if step.void_tokens:
            self.tokens.void(step.void_tokens)


def _crypto(settings: Settings) -> CallbackCrypto:
    return CallbackCrypto(
        settings.wecom_token.get_secret_value(),
        settings.wecom_encoding_aes_key.get_secret_value(),
        settings.wecom_corp_id,
    )
