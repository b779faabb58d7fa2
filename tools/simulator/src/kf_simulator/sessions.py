"""Session states: the API's transitions (section 6.4) and what servicers do in their client (section 3.8)."""

from __future__ import annotations

from kf_simulator import ids
from kf_simulator.codes import Codes, Situation
from kf_simulator.errors import WireError
from kf_simulator.records import Conversation, Entry, Json, Origin, Servicer, State
from kf_simulator.visits import emit
from kf_simulator.world import World

_CODE_FOR = {
    State.POOL: Situation.POOLED,
    State.HUMAN: Situation.TAKEN,
    State.ENDED: Situation.ENDED,
}
_TAKEN, _TRANSFERRED, _ENDED, _REENTERED = 1, 2, 3, 4


class Sessions:
    """Who holds a chat."""

    def __init__(self, world: World, codes: Codes) -> None:
        self._world = world
        self._codes = codes

    def state(self, conversation: Conversation) -> Json:
        """The reply of service_state/get."""
        state = self._world.visible_state(conversation)
        reply: Json = {"service_state": int(state)}
        if state is State.HUMAN:
            reply["servicer_userid"] = conversation.servicer_userid
        return reply

    def transfer(self, conversation: Conversation, target: int, servicer_userid: str) -> Json:
        """service_state/trans: 95016 outside the table, 95014/95019 for the servicer; a code if due."""
        current, switches = self._world.visible_state(conversation), self._world.switches
        if f"{int(current)}>{target}" not in switches.transitions:
            raise WireError(switches.ended_transition_errcode if current is State.ENDED else 95016)
        state = State(target)
        if state is State.HUMAN:
            self._check_servicer(conversation.open_kfid, servicer_userid)
        self._change(conversation, state, servicer_userid if state is State.HUMAN else "")
        if state not in _CODE_FOR or state is current:
            return {}
        return {"msg_code": self._code(conversation, _CODE_FOR[state])}

    def take(self, conversation: Conversation, userid: str) -> Entry:
        """A servicer takes the chat out of the pool."""
        self._known(userid)
        self._change(conversation, State.HUMAN, userid)
        code = self._code(conversation, Situation.TAKEN)
        return self._changed(conversation, _TAKEN, new_servicer_userid=userid, msg_code=code)

    def hand_on(self, conversation: Conversation, userid: str) -> Entry:
        """The servicer gives the chat to a colleague."""
        self._known(userid)
        old = conversation.servicer_userid
        self._change(conversation, State.HUMAN, userid)
        return self._changed(conversation, _TRANSFERRED, old_servicer_userid=old, new_servicer_userid=userid)

    def end(self, conversation: Conversation) -> Entry:
        """The servicer ends the chat."""
        old = conversation.servicer_userid
        self._change(conversation, State.ENDED, "")
        code = self._code(conversation, Situation.ENDED)
        return self._changed(conversation, _ENDED, old_servicer_userid=old, msg_code=code)

    def say(self, conversation: Conversation, userid: str, text: str) -> Entry:
        """The servicer writes (origin 5); writing in an ended chat opens it again with change_type 4."""
        self._known(userid)
        state, old = self._world.visible_state(conversation), conversation.servicer_userid
        if state is not State.HUMAN:
            self._change(conversation, State.HUMAN, userid)
        if state is State.ENDED:
            self._changed(conversation, _REENTERED, old_servicer_userid=old, new_servicer_userid=userid)
        item: Json = {
            "msgid": ids.event_msgid(),
            "open_kfid": conversation.open_kfid,
            "external_userid": conversation.external_userid,
            "send_time": int(self._world.clock.now()),
            "origin": int(Origin.SERVICER),
            "servicer_userid": userid,
            "msgtype": "text",
            "text": {"content": text},
        }
        sequence = self._world.publish(conversation.open_kfid, item)
        extra = {"servicer_userid": userid}
        return self._world.add_entry(
            conversation, "servicer", item["msgid"], "text", item["text"], sequence=sequence, extra=extra
        )

    def recall(self, conversation: Conversation, userid: str, msgid: str) -> Entry:
        """The servicer takes a message of theirs back: servicer_recall_msg. KeyError when there is none."""
        lines = self._world.transcript(conversation.key)
        said = next((line for line in lines if line.msgid == msgid and line.direction == "servicer"), None)
        if said is None:
            raise KeyError(msgid)
        said.recalled = True
        self._world.save_entry(conversation.key, said)
        return self._told(conversation, "servicer_recall_msg", recall_msgid=msgid, servicer_userid=userid)

    def reject(self, conversation: Conversation, userid: str, *, on: bool) -> Entry:
        """The servicer refuses this customer's messages, or takes them again."""
        event_type = "reject_customer_msg_switch_change"
        return self._told(conversation, event_type, servicer_userid=userid, reject_switch=int(on))

    def set_status(self, open_kfid: str, userid: str, status: int, stop_type: int) -> Json:
        """A servicer goes on or off line; the event counts 1 and 2 where servicer/list counts 0 and 1."""
        servicer = self._known(userid)
        servicer.status, servicer.stop_type = status, stop_type
        self._world.save_servicer(servicer)
        event: Json = {
            "event_type": "servicer_status_change",
            "servicer_userid": userid,
            "open_kfid": open_kfid,
            "status": status + 1,
        }
        if status == 1:
            event["stop_type"] = stop_type
        item: Json = {
            "msgid": ids.event_msgid(),
            "send_time": int(self._world.clock.now()),
            "origin": int(Origin.SYSTEM),
            "msgtype": "event",
            "event": event,
        }
        self._world.publish(open_kfid, item)
        return event

    def _check_servicer(self, open_kfid: str, userid: str) -> None:
        servicer = self._world.servicers.get(userid)
        if servicer is None or servicer not in self._world.servicers_of(self._world.accounts[open_kfid]):
            raise WireError(95014)
        if servicer.status != 0:
            raise WireError(95019)

    def _known(self, userid: str) -> Servicer:
        return self._world.servicers[userid]

    def _change(self, conversation: Conversation, state: State, servicer_userid: str) -> None:
        conversation.state = state
        conversation.servicer_userid = servicer_userid
        conversation.last_active_at = self._world.clock.now()
        self._world.save_conversation(conversation)

    def _code(self, conversation: Conversation, situation: Situation) -> str:
        return self._codes.issue(situation, conversation.key, self._world.clock.now())

    def _changed(self, conversation: Conversation, change_type: int, **fields: str) -> Entry:
        return self._told(conversation, "session_status_change", change_type=change_type, **fields)

    def _told(self, conversation: Conversation, event_type: str, **fields: str | int) -> Entry:
        event: Json = {
            "event_type": event_type,
            "open_kfid": conversation.open_kfid,
            "external_userid": conversation.external_userid,
        }
        return emit(self._world, conversation, event | fields)
