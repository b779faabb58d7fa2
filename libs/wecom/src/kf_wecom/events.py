"""The bodies of the events in sync_msg, one class per event_type (doc 94699)."""

from urllib.parse import unquote

from pydantic import ValidationError

from kf_wecom.wire import Wire


class EventBody(Wire):
    """What an event carries under `event`; the ids of account and customer are here, never at the top."""

    event_type: str
    open_kfid: str = ""
    external_userid: str = ""


class WechatChannels(Wire):
    """Where in WeChat channels the customer came from.

    `scene`: 1 profile, 2 product list of a live, 3 showcase, 4 product page, 5 order page.
    """

    nickname: str = ""
    shop_nickname: str = ""
    scene: int = 0


class EnterSession(EventBody):
    """A customer opened the chat; `welcome_code`, if any, lives 20 s from the event's send_time."""

    open_kfid: str
    external_userid: str
    scene: str = ""
    scene_param: str = ""
    welcome_code: str = ""
    wechat_channels: WechatChannels | None = None

    @property
    def scene_param_text(self) -> str:
        """scene_param, which WeCom leaves percent-encoded, as text."""
        return unquote(self.scene_param)


class MsgSendFail(EventBody):
    """A message of ours, known by `fail_msgid`, did not arrive; fail_type is in kf_wecom.errcodes."""

    open_kfid: str
    external_userid: str
    fail_msgid: str
    fail_type: int = 0


class ServicerStatusChange(EventBody):
    """A servicer went on or off line: `status` 1 serving, 2 stopped; `stop_type` 0 stopped, 1 suspended."""

    open_kfid: str
    servicer_userid: str
    status: int
    stop_type: int = 0


class SessionStatusChange(EventBody):
    """A servicer acted on the session in the WeCom client; our own trans calls do not show here.

    `change_type` 1 taken from the pool, 2 transferred, 3 ended, 4 re-entered; `msg_code` with 1 and 3.
    """

    open_kfid: str
    external_userid: str
    change_type: int
    old_servicer_userid: str = ""
    new_servicer_userid: str = ""
    msg_code: str = ""


class UserRecallMsg(EventBody):
    """The customer took a message back."""

    open_kfid: str
    external_userid: str
    recall_msgid: str


class ServicerRecallMsg(EventBody):
    """A servicer took a message back."""

    open_kfid: str
    external_userid: str
    recall_msgid: str
    servicer_userid: str = ""


class RejectCustomerMsgSwitchChange(EventBody):
    """A servicer blocked (1) or unblocked (0) a customer."""

    open_kfid: str
    external_userid: str
    servicer_userid: str = ""
    reject_switch: int


EVENTS: dict[str, type[EventBody]] = {
    "enter_session": EnterSession,
    "msg_send_fail": MsgSendFail,
    "servicer_status_change": ServicerStatusChange,
    "session_status_change": SessionStatusChange,
    "user_recall_msg": UserRecallMsg,
    "servicer_recall_msg": ServicerRecallMsg,
    "reject_customer_msg_switch_change": RejectCustomerMsgSwitchChange,
}


def parse_event(event: object) -> EventBody | None:
    """The body of a known event_type, or None when the type is unknown or the body malformed."""
    model = EVENTS.get(str(event.get("event_type"))) if isinstance(event, dict) else None
    if model is None:
        return None
    try:
        return model.model_validate(event)
    except ValidationError:
        return None
