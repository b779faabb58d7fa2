"""Requests of the control API."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kf_simulator.records import Reception


class Request(BaseModel):
    """A request that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class NewCustomer(Request):
    """Make a customer."""

    nickname: str = Field(min_length=1, max_length=64)


class NewAccount(Request):
    """Make a KF account."""

    name: str = Field(min_length=1, max_length=16)


class NewServicer(Request):
    """Make a member of the corp."""

    userid: str = Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")


class AccountChange(Request):
    """Change an account's reception mode, or whether the app may act on it."""

    reception: Reception | None = None
    granted: bool | None = None


class Enter(Request):
    """A customer opens the chat."""

    scene: str = ""
    scene_param: str = ""
    notify: bool = True


class EnterByLink(Request):
    """A customer opens the chat by the link of a contact way, with scene_param behind it if there is one."""

    url: str
    external_userid: str


class Write(Request):
    """A customer sends `text`, or any other msgtype with its body; `notify` false loses the notice."""

    text: str | None = Field(None, min_length=1)
    msgtype: str = "text"
    body: dict[str, Any] | None = None
    menu_id: str | None = None
    notify: bool = True

    @model_validator(mode="after")
    def _one_content(self) -> Write:
        if (self.text is None) == (self.body is None):
            raise ValueError("give either text, or msgtype and body")
        return self

    @property
    def content(self) -> dict[str, Any]:
        """The body on the wire."""
        if self.body is not None:
            return self.body
        return {"content": self.text} | ({"menu_id": self.menu_id} if self.menu_id else {})


class Recall(Request):
    """A customer takes a message back."""

    msgid: str


class SendFail(Request):
    """A message that was accepted fails after all, with a fail_type of section 3.9."""

    msgid: str
    fail_type: int = 13


class ServicerAction(Request):
    """A servicer acts in the WeCom client; `text` is for say, `msgid` for recall."""

    action: Literal["take", "transfer", "end", "say", "recall", "reject", "accept"]
    userid: str
    text: str = ""
    msgid: str = ""


class ServicerStatus(Request):
    """A servicer goes on line (0) or off line (1)."""

    open_kfid: str
    status: Literal[0, 1]
    stop_type: Literal[0, 1] = 0


class Advance(Request):
    """Move the clock."""

    seconds: float


class VoidTokens(Request):
    """End every access token early."""

    errcode: Literal[40001, 40014, 42001] = 40014


class Callback(Request):
    """Where notices go, and how long to wait before another try."""

    url: str | None = Field(None, pattern=r"^(https?://.+)?$")
    retry_seconds: float | None = Field(None, ge=0)
