"""What WeCom's API answers, without errcode and errmsg.

A missing errcode is 0, so where much hangs on a success, it must be proven by a field that only it has.
"""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from kf_wecom.wire import Wire


class SyncPage(Wire):
    """One page of sync_msg.

    Pull again while `has_more`, however short the list is; an empty `next_cursor` must not replace a stored
    one. The items are raw: parse each with `parse_item` and keep the raw.

    An answer with none of the three fields is no page: taken for an empty one, it would end the catching up.
    """

    next_cursor: str = ""
    has_more: bool = False
    msg_list: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _is_a_page(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("the answer is no page of sync_msg")
        return self

    @field_validator("msg_list", mode="before")
    @classmethod
    def _all_objects(cls, value: Any) -> Any:
        # One entry that is no object must not block the account for three days: it ends as a dead letter.
        if not isinstance(value, list):
            return value
        return [item if isinstance(item, dict) else {"not_an_object": item} for item in value]


class Account(Wire):
    """A KF account; `manage_privilege` False means that the app may not act on it."""

    open_kfid: str
    name: str = ""
    avatar: str = ""
    manage_privilege: bool | None = None


class Servicer(Wire):
    """A servicer of an account: `status` 0 serving, 1 stopped (other numbers than in the event)."""

    userid: str = ""
    department_id: int | None = None
    status: int | None = None
    stop_type: int | None = None

    @property
    def is_serving(self) -> bool:
        """Whether sessions may be given to this member."""
        return bool(self.userid) and self.status == 0


class EnterSessionContext(Wire):
    """How the customer last entered; scene_param is percent-encoded."""

    scene: str = ""
    scene_param: str = ""
    wechat_channels: dict[str, Any] | None = None


class Customer(Wire):
    """A customer who entered or spoke in the last 48 h; `gender` 0 unknown, 1 male, 2 female."""

    external_userid: str
    nickname: str = ""
    avatar: str = ""
    gender: int = 0
    unionid: str = ""
    enter_session_context: EnterSessionContext | None = None


class CustomerBatch(Wire):
    """Customers found, and the ids that are unknown or silent for 48 h."""

    customer_list: tuple[Customer, ...] = ()
    invalid_external_userid: tuple[str, ...] = ()


class ServiceState(Wire):
    """Who has the session: 0 new, 1 assistant, 2 pool, 3 the servicer named, 4 ended or not begun."""

    service_state: int
    servicer_userid: str = ""


class UploadedMedia(Wire):
    """A file at WeCom, valid for 3 days from `created_at` (epoch seconds, text or number on the wire)."""

    type: str = ""
    media_id: str = Field(min_length=1)
    created_at: int = 0


class DownloadedMedia(Wire):
    """A file of a customer's. The declared `content_type` is not always right: sniff it."""

    content: bytes
    content_type: str = ""
    filename: str = ""


class AccountPage(Wire):
    """One page of account/list."""

    account_list: tuple[Account, ...] = ()


class ServicerPage(Wire):
    """The answer of servicer/list."""

    servicer_list: tuple[Servicer, ...] = ()


class SentMessage(Wire):
    """The answer of send_msg and send_msg_on_event: accepted, which is not yet delivered."""

    msgid: str = Field(min_length=1)


class StateChange(Wire):
    """The answer of service_state/trans; `msg_code` allows one message on the event."""

    msg_code: str = ""


class GrantedToken(Wire):
    """The answer of gettoken; `expires_in` seconds."""

    access_token: str = Field(min_length=1)
    expires_in: int = Field(gt=0)
