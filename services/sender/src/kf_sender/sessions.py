"""Handover and end of a session: who gets it, what the customer is told, never away from a human."""

from dataclasses import dataclass, field, replace
from typing import Any

from kf_contracts.commands import EndSession, HandOver
from kf_contracts.events import SessionHolder
from kf_wecom.client import WecomClient
from kf_wecom.content import Text
from kf_wecom.errcodes import ErrorClass
from kf_wecom.errors import ApiError, WecomError
from kf_wecom.replies import ServiceState

from kf_sender import verdict as judge
from kf_sender.claimed import Claimed
from kf_sender.pacing import Pacing
from kf_sender.plan import fitting
from kf_sender.rich import menu_or_text
from kf_sender.store import Store
from kf_sender.verdict import Action, Verdict

_POOL, _HUMAN, _ENDED = 2, 3, 4
_TRIED_MOST = 5
"""Servicers asked in one attempt."""


@dataclass(frozen=True)
class Given:
    """Who has got a session, with the code and the words that tell the customer."""

    holder: SessionHolder
    code: str
    notice: str = field(repr=False)
    servicer_userid: str = field(default="", repr=False)


class Sessions:
    """Carries out HandOver, EndSession and FindHolder; `sends` makes the calls that customers see."""

    def __init__(self, store: Store, sends: WecomClient, states: WecomClient, pacing: Pacing) -> None:
        self._store = store
        self._sends = sends
        self._states = states
        self._pacing = pacing

    async def hand_over(self, claimed: Claimed) -> Verdict:
        """Servicer, else pool, else the truth; what was done in an earlier attempt is not done again."""
        command = HandOver.decode((claimed.payload or "").encode())
        code = await self._store.code_of(claimed)
        if code:
            return await self._notice(claimed, code, look_first=True)
        try:
            state = await self._states.service_state_get(**_chat(claimed))
            if state.service_state in (_POOL, _HUMAN):
                return _done("a human or the pool has the session already", look_first=True, state=state)
            if state.service_state == _ENDED:
                reason = "the session has ended: the handover waits until the customer speaks"
                held = replace(judge.NOT_TRIED, action=Action.HOLD, reason=reason)
                return replace(held, holder=SessionHolder.ENDED)
            given = await self._give_away(claimed, command)
        except WecomError as error:
            return judge.of_lookup(error, None, attempts=claimed.attempt, pacing=self._pacing)
        if given is None:
            return await self._say_sorry(claimed, command)
        await self._store.keep_code(claimed, given.code, given.notice, given.holder, given.servicer_userid)
        if not given.code:
            return _done("handed over; WeCom gave no code for a notice", look_first=True)
        return await self._notice(replace(claimed, text=given.notice), given.code, look_first=True)

    async def end(self, claimed: Claimed) -> Verdict:
        """End the session; one that has ended is a success, one that a human has is left alone."""
        command = EndSession.decode((claimed.payload or "").encode())
        code = await self._store.code_of(claimed)
        try:
            if not code:
                state = await self._states.service_state_get(**_chat(claimed))
                if state.service_state == _ENDED:
                    return _done("the session had ended before", look_first=False, state=state)
                if state.service_state in (_POOL, _HUMAN):
                    return _not_over_a_human(state)
                code = await self._ended(claimed)
        except WecomError as error:
            return judge.of_lookup(error, None, attempts=claimed.attempt, pacing=self._pacing)
        await self._store.keep_code(claimed, code, claimed.text, SessionHolder.ENDED)
        if not code or not command.farewell:
            return _done("ended", look_first=False)
        return await self._notice(claimed, code, look_first=False, menu=command.menu)

    async def find_holder(self, claimed: Claimed) -> Verdict:
        """Who has the session; nobody outside hears of it."""
        try:
            state = await self._states.service_state_get(**_chat(claimed))
        except WecomError as error:
            return judge.of_lookup(error, None, attempts=claimed.attempt, pacing=self._pacing)
        held = state.service_state in (_POOL, _HUMAN)
        return _done("the session's holder was asked for", look_first=held, state=state)

    async def _ended(self, claimed: Claimed) -> str:
        """The end code; empty when somebody else ended the session meanwhile (95016)."""
        try:
            return await self._states.service_state_trans(**_chat(claimed), service_state=_ENDED)
        except ApiError as error:
            if error.error_class is not ErrorClass.STATE:
                raise
            if (await self._states.service_state_get(**_chat(claimed))).service_state != _ENDED:
                raise
            return ""

    async def _give_away(self, claimed: Claimed, command: HandOver) -> Given | None:
        """Who has got the session; None when nobody could."""
        serving = [s.userid for s in await self._states.servicer_list(claimed.open_kfid) if s.is_serving]
        wanted = [u for u in serving if not command.servicer_userids or u in command.servicer_userids]
        for userid in (await self._store.least_busy(wanted))[:_TRIED_MOST]:
            code = await self._trans(claimed, _HUMAN, userid)
            if code is not None:
                await self._store.session_given(claimed.open_kfid, claimed.external_userid, userid)
                return Given(SessionHolder.SERVICER, code, fitting(command.notice), userid)
        code = await self._trans(claimed, _POOL) if command.to_pool else None
        return None if code is None else Given(SessionHolder.POOL, code, fitting(command.waiting_notice))

    async def _trans(self, claimed: Claimed, state: int, servicer_userid: str = "") -> str | None:
        """The code; None when this servicer, or the pool, cannot take the session."""
        try:
            return await self._states.service_state_trans(
                **_chat(claimed), service_state=state, servicer_userid=servicer_userid
            )
        except ApiError as error:
            if error.error_class is ErrorClass.SERVICER or (
                state == _POOL and error.error_class in (ErrorClass.STATE, ErrorClass.PAYLOAD)
            ):
                return None
            raise

    async def _notice(
        self, claimed: Claimed, code: str, *, look_first: bool, menu: dict[str, Any] | None = None
    ) -> Verdict:
        """The words that the code allows; without them the session has changed hands all the same."""
        content = menu_or_text(menu or {}, claimed.text)
        try:
            await self._sends.send_msg_on_event(code=code, content=content, msgid=claimed.msgid)
        except WecomError as error:
            refused = judge.of_event_send(
                error, attempts=claimed.attempt, mends=claimed.mends, pacing=self._pacing
            )
            if refused.action is not Action.FAIL:
                return refused
            reason = f"the session changed hands, but its notice was refused: {refused.reason}"
            return replace(_done(reason, look_first=look_first), counted=True)
        return replace(judge.DELIVERED, look_first=look_first)

    async def _say_sorry(self, claimed: Claimed, command: HandOver) -> Verdict:
        try:
            await self._sends.send_msg(
                touser=claimed.external_userid,
                open_kfid=claimed.open_kfid,
                content=Text(content=fitting(command.apology)),
                msgid=claimed.msgid,
            )
        except WecomError as error:
            refused = judge.of_send(error, attempts=claimed.attempt, mends=claimed.mends, pacing=self._pacing)
            # The state decides again at the next attempt.
            pause = self._pacing.backoff(claimed.attempt)
            again = replace(refused, action=Action.RETRY, pause_seconds=pause)
            return again if refused.action is Action.INSPECT else refused
        told = replace(judge.DELIVERED, reason="nobody could take the session: the customer was told so")
        return replace(told, holder=SessionHolder.ASSISTANT)


def _chat(claimed: Claimed) -> dict[str, str]:
    return {"open_kfid": claimed.open_kfid, "external_userid": claimed.external_userid}


def _done(reason: str, *, look_first: bool, state: ServiceState | None = None) -> Verdict:
    done = replace(judge.DELIVERED, reason=reason, counted=False, look_first=look_first)
    return _held(done, state) if state else done


def _not_over_a_human(state: ServiceState) -> Verdict:
    reason = f"a human or the pool has the session (state {state.service_state}): not ended over them"
    return _held(replace(judge.NOT_TRIED, action=Action.DROP, reason=reason, look_first=True), state)


def _held(verdict: Verdict, state: ServiceState) -> Verdict:
    return replace(verdict, holder=judge.holder_of(state), servicer_userid=state.servicer_userid)
