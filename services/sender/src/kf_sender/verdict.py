"""What an attempt's end means for the part, the customer, the account and everybody: one pure decision.

Errcodes are judged by their class in kf_wecom's catalogue; no code is named here but the two that ask all
replicas to slow down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from kf_contracts.events import SessionHolder
from kf_runtime.logging import hashed
from kf_wecom.errcodes import ErrorClass
from kf_wecom.errors import AmbiguousError, ApiError, WecomError
from kf_wecom.replies import ServiceState

from kf_sender.pacing import Pacing

SEND_MSG = "/cgi-bin/kf/send_msg"
SEND_ON_EVENT = "/cgi-bin/kf/send_msg_on_event"
_SENDS = (SEND_MSG, SEND_ON_EVENT)
MENDS_MOST = 3
CRASHES_MOST = 10
_TOO_OFTEN = 45009
_TOO_MANY_AT_ONCE = 45033


class Action(StrEnum):
    """What to do with the part in hand."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """This attempt surely had no effect: again after the pause."""
    UNKNOWN = "unknown"
    """It may have had its effect: again after the pause, under the same msgid."""
    INSPECT = "inspect"
    """Read service_state, then judge by who holds the session."""
    HOLD = "hold"
    """Nothing can be sent before the customer speaks."""
    PARK = "park"
    """A human or the pool has the session."""
    SUSPEND = "suspend"
    """The account's configuration is refused: pause the account, keep everything."""
    FAIL = "fail"
    """It can never be sent: dead letter."""
    DROP = "drop"
    """A rule of ours forbids it by now: ended with a reason, and nobody's fault."""


ACTION_OF: Mapping[ErrorClass, Action] = MappingProxyType(
    {
        ErrorClass.OK: Action.DELIVERED,
        ErrorClass.MSGID_USED: Action.DELIVERED,
        ErrorClass.REFRESH: Action.RETRY,
        ErrorClass.BACK_OFF: Action.RETRY,
        ErrorClass.STATE: Action.INSPECT,
        ErrorClass.WINDOW: Action.HOLD,
        ErrorClass.CONFIG: Action.SUSPEND,
        ErrorClass.PAYLOAD: Action.FAIL,
        # send_msg names no servicer and takes no callback token: these would be news to us.
        ErrorClass.SERVICER: Action.FAIL,
        ErrorClass.TOKEN_LESS: Action.FAIL,
        ErrorClass.UNKNOWN: Action.FAIL,
    }
)


@dataclass(frozen=True)
class SharedPause:
    """A pause for all replicas, and what is halved after it."""

    seconds: float
    halve_slots: bool = False
    halve_calls: bool = False


@dataclass(frozen=True)
class Verdict:
    """An action with its numbers and its reason in words for operators."""

    action: Action
    reason: str = ""
    errcode: int | None = None
    pause_seconds: float = 0.0
    shared_pause: SharedPause | None = None
    counted: bool = True
    """WeCom may have counted a send_msg call: the slot stays used."""
    mended: bool = False
    """Something was mended for the next try; such tries are bounded."""
    healthy: bool = False
    """The answer proves that WeCom accepts this account's configuration."""
    corp_wide: bool = False
    """What is to be mended concerns every account."""
    remedy_zh: str = ""
    """For alerts; the reason holds the English one."""
    look_first: bool | None = None
    """Whether service_state must be read before the next send; None: as before."""
    holder: SessionHolder = SessionHolder.UNKNOWN
    """Who has the session, where the attempt found out."""
    servicer_userid: str = field(default="", repr=False)


DELIVERED = Verdict(Action.DELIVERED, errcode=0, healthy=True, look_first=False)
NOT_TRIED = Verdict(Action.INSPECT, counted=False)


def of_send(error: WecomError, *, attempts: int, mends: int, pacing: Pacing) -> Verdict:
    """Judge a send_msg that did not succeed, at its `attempts`-th attempt and after `mends` mended ones."""
    if isinstance(error, ApiError):
        return _of_answer(error, attempts, mends, pacing)
    pause = pacing.backoff(attempts)
    # Before the send there may be a gettoken call: its doubts are none about the message.
    ambiguous = isinstance(error, AmbiguousError) and error.api in _SENDS
    action = Action.UNKNOWN if ambiguous else Action.RETRY
    return Verdict(action, str(error), pause_seconds=pause, counted=ambiguous)


def of_event_send(error: WecomError, *, attempts: int, mends: int, pacing: Pacing) -> Verdict:
    """Judge a send_msg_on_event that did not succeed: a code that is refused is refused for good."""
    verdict = of_send(error, attempts=attempts, mends=mends, pacing=pacing)
    hopeless = verdict.action in (Action.INSPECT, Action.HOLD)
    return replace(verdict, action=Action.FAIL) if hopeless else verdict


def _of_answer(error: ApiError, attempts: int, mends: int, pacing: Pacing) -> Verdict:
    action = ACTION_OF[error.error_class]
    verdict = Verdict(action, str(error), error.code, counted=error.api in _SENDS)
    if error.entry.refresh_once and mends == 0 and error.api in _SENDS:
        return replace(verdict, action=Action.RETRY, mended=True)
    match action:
        case Action.DELIVERED:
            return replace(DELIVERED, errcode=error.code, reason=str(error))
        case Action.RETRY:
            wait = max(error.entry.wait_seconds, error.retry_after or 0, pacing.backoff(attempts))
            return replace(verdict, pause_seconds=wait, shared_pause=_shared_pause(error))
        case Action.SUSPEND:
            pause = max(error.entry.wait_seconds, error.retry_after or 0)
            corp_wide = error.entry.scope == "corp"
            return replace(verdict, pause_seconds=pause, remedy_zh=error.remedy_zh, corp_wide=corp_wide)
        case _:
            return replace(verdict, healthy=True)


def _shared_pause(error: ApiError) -> SharedPause | None:
    """Limits of the corp and a token that nobody can renew concern every customer."""
    # A second more: the clocks need not agree on when the window ends.
    seconds = max(error.entry.wait_seconds, error.retry_after or 0) + 1.0
    if error.code == _TOO_OFTEN:
        return SharedPause(seconds, halve_slots=True)
    if error.code == _TOO_MANY_AT_ONCE:
        return SharedPause(seconds, halve_calls=True)
    return SharedPause(seconds) if error.error_class is ErrorClass.REFRESH else None


def of_state(refusal: Verdict, state: ServiceState, *, mends: int, pacing: Pacing) -> Verdict:
    """Judge a send that the session's state forbade, now that the state is known (wecom-kf-api §4.4, §6.3).

    State 0 is RETRY with `mended`: the caller moves the session to 1 before the one more try.
    """
    refusal = replace(refusal, holder=holder_of(state), servicer_userid=state.servicer_userid)
    match state.service_state:
        case 2:
            return replace(
                refusal, action=Action.PARK, reason=_held_by("the waiting pool (state 2)"), look_first=True
            )
        case 3:
            name = f"servicer {hashed(state.servicer_userid)} (state 3)"
            return replace(refusal, action=Action.PARK, reason=_held_by(name), look_first=True)
        case 4:
            reason = "the session has ended (state 4): held until the customer speaks"
            return replace(refusal, action=Action.HOLD, reason=reason, look_first=False)
        case number if mends >= MENDS_MOST:
            reason = f"{refusal.reason} Refused again in state {number}: held until the customer speaks."
            return replace(refusal, action=Action.HOLD, reason=reason, look_first=False)
        case 0:
            return replace(refusal, action=Action.RETRY, mended=True, look_first=False)
        case _:
            pause = pacing.backoff(mends + 3)
            return replace(refusal, action=Action.RETRY, mended=True, pause_seconds=pause, look_first=False)


def holder_of(state: ServiceState) -> SessionHolder:
    """Who has a session in this state."""
    holders = {2: SessionHolder.POOL, 3: SessionHolder.SERVICER, 4: SessionHolder.ENDED}
    return holders.get(state.service_state, SessionHolder.ASSISTANT)


def of_lookup(error: WecomError, refusal: Verdict | None, *, attempts: int, pacing: Pacing) -> Verdict:
    """Judge a service_state call that failed: the message was not sent, whatever became of this call."""
    counted = refusal is not None
    pause = pacing.backoff(attempts)
    if not isinstance(error, ApiError):
        return Verdict(Action.RETRY, str(error), pause_seconds=pause, counted=counted)
    verdict = Verdict(Action.RETRY, str(error), error.code, pause_seconds=pause, counted=counted)
    action = ACTION_OF[error.error_class]
    if action is Action.SUSPEND:
        return replace(
            verdict,
            action=action,
            pause_seconds=error.entry.wait_seconds,
            remedy_zh=error.remedy_zh,
            corp_wide=error.entry.scope == "corp",
        )
    if action in (Action.FAIL, Action.HOLD):
        # The customer or the account is unknown to service_state; sending would tell the same.
        return replace(verdict, action=action, healthy=True)
    # A transition refused (95016): somebody was faster, and a few more looks will tell.
    return replace(
        verdict, pause_seconds=max(pause, error.entry.wait_seconds), mended=action is Action.INSPECT
    )


def of_crash(error: BaseException, *, attempts: int, pacing: Pacing) -> Verdict:
    """Judge an attempt that ended in an error nobody expected, or was cut off when its lease ran out."""
    reason = f"unexpected {type(error).__name__} in attempt {attempts}"
    if attempts >= CRASHES_MOST:
        return Verdict(Action.FAIL, reason)
    return Verdict(Action.UNKNOWN, reason, pause_seconds=pacing.backoff(attempts))


def _held_by(holder: str) -> str:
    return f"{holder} holds the session: the answer is kept, nothing is sent over a human"
