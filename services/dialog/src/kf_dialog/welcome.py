"""What is sent with a code that lives 20 seconds: the greeting of a new chat, the survey of an ended one."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from kf_contracts import subjects
from kf_contracts.commands import SendOnEvent
from kf_contracts.events import MessageReceived
from kf_runtime import nats as kf_nats
from kf_wecom import models
from nats.js import JetStreamContext

from kf_dialog import effects
from kf_dialog.accounts import Account

log = structlog.get_logger()

CODE_SECONDS = 20.0
"""From the event's send_time (doc 95122)."""
_DIGEST_CHARS = 32


class Welcome:
    """Publishes at once, past the inbox, the outbox and every turn; the id makes a redelivery harmless."""

    def __init__(self, js: JetStreamContext, account_of: Callable[[str], Account]) -> None:
        self._js, self._account_of = js, account_of

    async def greet(self, event: MessageReceived, item: models.SyncItem) -> None:
        """Use the code of an event that brings one and is young enough; nothing for all others.

        Raises:
            NatsError: nothing is known to be published; call again.
        """
        command = command_of(event, item, self._account_of(event.open_kfid), datetime.now(UTC))
        if command is None:
            return
        await kf_nats.publish(
            self._js,
            subjects.subject(subjects.URGENT, command.open_kfid),
            command.encode(),
            msg_id=command.command_id,
            template=f"{subjects.URGENT}.{{open_kfid}}",
        )
        log.info("welcome.published", command_id=command.command_id, open_kfid=command.open_kfid)


def command_of(
    event: MessageReceived, item: models.SyncItem, account: Account, now: datetime
) -> SendOnEvent | None:
    """The command for an event with a code that is still worth using."""
    expires_at = event.send_time + timedelta(seconds=CODE_SECONDS)
    if not isinstance(item, models.Event) or now >= expires_at:
        return None
    match item.body:
        case models.EnterSession(welcome_code=code, scene=scene) if code:
            greeting = account.welcome.for_scene(scene)
            menu, text = effects.greeting_menu(greeting), greeting.text
        case models.SessionStatusChange(change_type=3, msg_code=code) if code and account.survey.enabled:
            menu, text = effects.survey_menu(account.survey), account.survey.question
        case _:
            return None
    if not text and menu is None:
        return None
    digest = hashlib.sha256(f"{event.open_kfid}\n{event.msgid}".encode()).hexdigest()
    return SendOnEvent(
        command_id=f"event-{digest[:_DIGEST_CHARS]}",
        open_kfid=event.open_kfid,
        external_userid=event.external_userid,
        code=code,
        text=effects.menu_text(menu) if menu else text,
        menu=effects.menu_fields(menu) if menu else {},
        expires_at=expires_at,
    )
