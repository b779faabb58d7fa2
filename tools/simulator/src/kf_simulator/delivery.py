"""send_msg and send_msg_on_event: state, window and quota, then the effect (sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Callable

from kf_simulator import ids
from kf_simulator.api import text_field
from kf_simulator.bodies import check_body, check_msgid
from kf_simulator.codes import Codes, Situation
from kf_simulator.errors import WireError
from kf_simulator.judge import Judge
from kf_simulator.records import Conversation, Json, State
from kf_simulator.visits import emit
from kf_simulator.world import World

_RECALL_SECONDS = 120
_FAIL_TYPES = {"window": 4, "state": 5, "quota": 6}


class Delivery:
    """Messages from the app to customers."""

    def __init__(
        self, world: World, codes: Codes, judge: Judge, media_exists: Callable[[str, str], bool]
    ) -> None:
        self._world = world
        self._codes = codes
        self._judge = judge
        self._media_exists = media_exists

    def send(self, request: Json) -> tuple[Json, int]:
        """One send_msg: its reply and the fail_type it meets later, 0 for none.

        Every refusal is a WireError and changes nothing.
        """
        open_kfid, touser = (text_field(request, name) for name in ("open_kfid", "touser"))
        self._world.account(open_kfid)
        conversation = self._world.conversation(open_kfid, touser)
        msgid = check_msgid(request)
        try:
            msgtype, body = self._body(request)
            self._refuse_used(conversation, msgid, body)
            breach = self._check_permission(conversation, msgid)
        except WireError as refusal:
            self._judge.refused(conversation.key, msgid, refusal.errcode)
            raise
        return self._take_effect(conversation, msgid, msgtype, body, failed=bool(breach)), breach

    def send_on_event(self, request: Json) -> Json:
        """One send_msg_on_event; a spent, expired or unknown code is refused (its errcode is a guess)."""
        world = self._world
        code = self._codes.find(text_field(request, "code"), world.clock.now())
        if code is None:
            raise WireError(world.switches.spent_code_errcode, "code invalid or expired")
        msgid = check_msgid(request)
        try:
            msgtype, body = self._body(request)
        except WireError as refusal:
            self._judge.refused(code.key, msgid, refusal.errcode)
            raise
        if msgtype not in code.terms.msgtypes:
            raise WireError(40008)
        conversation = world.conversations[code.key]
        if code.terms.state is not None and world.visible_state(conversation) is not code.terms.state:
            raise WireError(95018)
        self._refuse_used(conversation, msgid, body)
        self._codes.spend(code)
        if code.situation is Situation.ENTERED:
            self._codes.withdraw(Situation.ENTERED, code.key)
            conversation.welcomed_at = world.clock.now()
        conversation.sent_since_customer += world.switches.event_sends_count
        world.save_conversation(conversation)
        msgid = msgid or ids.sent_msgid()
        world.add_entry(conversation, "app", msgid, msgtype, body, extra={"situation": str(code.situation)})
        return {"msgid": msgid}

    def recall(self, open_kfid: str, msgid: str) -> None:
        """Take a sent message back: 95028 when there is none, 95029 after two minutes; it still counts."""
        place = self._world.sent.get((open_kfid, msgid))
        if place is None:
            raise WireError(95028)
        entry = self._world.transcript(place.key)[place.number]
        if self._world.clock.now() - entry.at > _RECALL_SECONDS:
            raise WireError(95029)
        entry.recalled = True
        self._world.save_entry(place.key, entry)

    def fail(self, open_kfid: str, msgid: str, fail_type: int) -> None:
        """A send that was accepted fails after all: msg_send_fail. KeyError when nothing has that msgid."""
        key, number = self._world.sent[open_kfid, msgid]
        entry = self._world.transcript(key)[number]
        entry.fail_type = fail_type
        self._world.save_entry(key, entry)
        event = {
            "event_type": "msg_send_fail",
            "open_kfid": open_kfid,
            "external_userid": key[1],
            "fail_msgid": msgid,
            "fail_type": fail_type,
        }
        emit(self._world, self._world.conversations[key], event)

    def _body(self, request: Json) -> tuple[str, Json]:
        oversize = self._world.switches.oversize_errcode
        return check_body(request, oversize_errcode=oversize, media_exists=self._media_exists)

    def _refuse_used(self, conversation: Conversation, msgid: str, body: Json) -> None:
        earlier = self._world.sent.get((conversation.open_kfid, msgid)) if msgid else None
        if earlier is None:
            return
        same = (
            earlier.key == conversation.key
            and self._world.transcript(earlier.key)[earlier.number].body == body
        )
        self._judge.reused(conversation.key, msgid, same_message=same)
        if self._world.switches.duplicate_msgid == "refuse":
            raise WireError(self._world.switches.duplicate_msgid_errcode, "msgid has been used")

    def _check_permission(self, conversation: Conversation, msgid: str) -> int:
        """State, window and quota in the order set; a breach that is only reported later is a fail_type."""
        switches = self._world.switches
        checks = {"state": self._check_state, "window": self._check_window, "quota": self._check_quota}
        for name in switches.check_order:
            try:
                checks[name](conversation)
            except WireError as breach:
                if switches.breach_reported == "at_once":
                    raise
                self._judge.refused(conversation.key, msgid, breach.errcode)
                return _FAIL_TYPES[name]
        return 0

    def _check_state(self, conversation: Conversation) -> None:
        # The stored state: a session that merely ran out is the window's matter, and has its own errcode.
        state, switches = State(conversation.state), self._world.switches
        if state is State.ENDED:
            raise WireError(switches.ended_errcode)
        forbidden = {
            State.NEW: not switches.new_state_sendable,
            State.POOL: True,
            State.HUMAN: not switches.human_state_sendable,
        }
        if forbidden.get(state):
            raise WireError(95018)

    def _check_window(self, conversation: Conversation) -> None:
        if not self._world.window_open(conversation):
            raise WireError(self._world.switches.window_errcode)

    def _check_quota(self, conversation: Conversation) -> None:
        quota = self._world.switches.quota_per_message
        if quota and conversation.sent_since_customer >= quota:
            raise WireError(95001)

    def _take_effect(
        self, conversation: Conversation, msgid: str, msgtype: str, body: Json, *, failed: bool
    ) -> Json:
        if not failed:
            if conversation.state is State.NEW:
                conversation.state = State.ASSISTANT
            conversation.sent_since_customer += 1
            conversation.last_active_at = self._world.clock.now()
            self._world.save_conversation(conversation)
            self._judge.delivered(conversation.key, msgid, body)
        msgid = msgid or ids.sent_msgid()
        self._world.add_entry(conversation, "app", msgid, msgtype, body)
        return {"msgid": msgid}
