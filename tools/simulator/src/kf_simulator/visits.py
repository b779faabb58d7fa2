"""What customers do: enter a chat, write, take a message back."""

from __future__ import annotations

from kf_simulator import ids
from kf_simulator.codes import Codes, Situation
from kf_simulator.judge import Judge
from kf_simulator.media import INBOUND_MAX_BYTES, Media
from kf_simulator.records import Conversation, Entry, Json, Origin, Reception, State
from kf_simulator.world import World

_RECEPTION_STATE = {
    Reception.ASSISTANT: State.NEW,
    Reception.HUMAN: State.HUMAN,
    Reception.POOL: State.POOL,
}


class Visits:
    """The customer's side of the world."""

    def __init__(self, world: World, codes: Codes, judge: Judge) -> None:
        self._world = world
        self._codes = codes
        self._judge = judge

    def enter(
        self,
        open_kfid: str,
        external_userid: str,
        scene: str = "",
        scene_param: str = "",
        notify: bool = True,
    ) -> Entry:
        """The customer opens the chat: enter_session, with a welcome_code while no welcome was sent (3.8)."""
        world, now = self._world, self._world.clock.now()
        conversation = world.conversation(open_kfid, external_userid)
        event: Json = {
            "event_type": "enter_session",
            "open_kfid": open_kfid,
            "external_userid": external_userid,
            "scene": scene,
            "scene_param": scene_param,
        }
        if self._deserves_welcome(conversation):
            event["welcome_code"] = self._codes.issue(Situation.ENTERED, conversation.key, now)
        conversation.state = world.visible_state(conversation)
        conversation.last_entered_at = now
        conversation.scene, conversation.scene_param = scene, scene_param
        world.save_conversation(conversation)
        return emit(world, conversation, event, notify=notify)

    def write(
        self, open_kfid: str, external_userid: str, msgtype: str, body: Json, notify: bool = True
    ) -> Entry:
        """The customer sends something: quota and window start anew, an ended session becomes a new one."""
        world, now = self._world, self._world.clock.now()
        conversation = world.conversation(open_kfid, external_userid)
        if world.visible_state(conversation) is State.ENDED:
            self._receive(conversation)
        conversation.last_customer_at = conversation.last_active_at = now
        conversation.sent_since_customer = 0
        self._judge.customer_wrote(conversation.key)
        world.save_conversation(conversation)
        item: Json = {
            "msgid": ids.customer_msgid(external_userid),
            "open_kfid": open_kfid,
            "external_userid": external_userid,
            "send_time": int(now),
            "origin": int(Origin.CUSTOMER),
            "msgtype": msgtype,
            msgtype: body,
        }
        return self._deliver(conversation, item, body, notify)

    def send_media(self, open_kfid: str, external_userid: str, media: Media) -> Entry:
        """The customer sends a file; one that is too large arrives as a text that says so (3.7)."""
        if len(media.data) > INBOUND_MAX_BYTES[media.kind]:
            notice = f"[{media.kind}] 文件过大，无法通过接口获取"
            return self.write(open_kfid, external_userid, "text", {"content": notice})
        return self.write(open_kfid, external_userid, media.kind, {"media_id": media.media_id})

    def recall(self, open_kfid: str, external_userid: str, msgid: str) -> Entry:
        """The customer takes a message back: user_recall_msg. KeyError when it is not in the transcript."""
        conversation = self._world.conversation(open_kfid, external_userid)
        lines = self._world.transcript(conversation.key)
        entry = next((line for line in lines if line.msgid == msgid and line.direction == "customer"), None)
        if entry is None:
            raise KeyError(msgid)
        entry.recalled = True
        self._world.save_entry(conversation.key, entry)
        event = {
            "event_type": "user_recall_msg",
            "open_kfid": open_kfid,
            "external_userid": external_userid,
            "recall_msgid": msgid,
        }
        return emit(self._world, conversation, event)

    def _deliver(self, conversation: Conversation, item: Json, body: Json, notify: bool) -> Entry:
        # The line goes first, so that a notice which fails at once finds it.
        entry = self._world.add_entry(conversation, "customer", item["msgid"], item["msgtype"], body)
        entry.sequence = self._world.publish(conversation.open_kfid, item, notify=notify)
        self._world.save_entry(conversation.key, entry)
        return entry

    def _receive(self, conversation: Conversation) -> None:
        account = self._world.accounts[conversation.open_kfid]
        conversation.state = _RECEPTION_STATE[account.reception]
        conversation.servicer_userid = ""
        if conversation.state is State.HUMAN:
            serving = [one.userid for one in self._world.servicers_of(account) if one.status == 0]
            conversation.servicer_userid = serving[0] if serving else ""
            conversation.state = State.HUMAN if serving else State.NEW

    def _deserves_welcome(self, conversation: Conversation) -> bool:
        window = self._world.switches.window_hours * 3600
        now = self._world.clock.now()
        recently_welcomed = conversation.welcomed_at is not None and now - conversation.welcomed_at <= window
        if self._world.switches.welcome_strict and self._world.window_open(conversation):
            return False
        return not recently_welcomed


def emit(world: World, conversation: Conversation, event: Json, *, notify: bool = True) -> Entry:
    """Put a system event into the stream and the transcript; ids live inside `event` only (3.6)."""
    item: Json = {
        "msgid": ids.event_msgid(),
        "send_time": int(world.clock.now()),
        "origin": int(Origin.SYSTEM),
        "msgtype": "event",
        "event": event,
    }
    sequence = world.publish(conversation.open_kfid, item, notify=notify)
    return world.add_entry(conversation, "event", item["msgid"], "event", event, sequence=sequence)
