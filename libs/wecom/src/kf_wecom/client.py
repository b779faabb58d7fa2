"""The calls of the KF API, typed; a dead access token is renewed once here and nowhere else."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.message import Message as Headers
from itertools import count
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from kf_wecom.content import Content, Menu, Text
from kf_wecom.errors import AmbiguousError, ApiError
from kf_wecom.replies import (
    Account,
    AccountPage,
    CustomerBatch,
    DownloadedMedia,
    GrantedToken,
    SentMessage,
    Servicer,
    ServicerPage,
    ServiceState,
    StateChange,
    SyncPage,
    UploadedMedia,
)
from kf_wecom.token import TokenSource
from kf_wecom.transport import Call, Reply, Transport
from kf_wecom.wire import Wire

MediaKind = Literal["image", "voice", "video", "file"]

SYNC_LIMIT_MAX = 1000
_ACCOUNT_PAGE = 100
_MEDIA_SECONDS = 120.0
_MSGID = re.compile(r"[0-9A-Za-z_-]{1,32}")

_Answer = TypeVar("_Answer", bound=Wire)
_Result = TypeVar("_Result")


async def fetch_token(transport: Transport, corp_id: str, secret: str) -> GrantedToken:
    """Gettoken. Not for callers: give it to a TokenSource, which knows when a call is allowed."""
    call = Call("GET", "/cgi-bin/gettoken", query={"corpid": corp_id, "corpsecret": secret})
    return _parsed(GrantedToken, call.path, await transport.call(call))


class WecomClient:
    """WeCom's KF API for one app.

    Every method raises ApiError, NotSentError or AmbiguousError (kf_wecom.errors). Empty optional arguments
    are left out of the request. Nothing is retried but a call whose access token was dead, once.
    """

    def __init__(self, transport: Transport, tokens: TokenSource) -> None:
        self._transport = transport
        self._tokens = tokens

    async def sync_msg(
        self,
        *,
        open_kfid: str,
        cursor: str = "",
        token: str = "",
        limit: int = SYNC_LIMIT_MAX,
        voice_format: int | None = None,
    ) -> SyncPage:
        """One page of messages, from the oldest of 3 days without a cursor; `token` is the callback's."""
        body = _filled(
            cursor=cursor, token=token, limit=limit, voice_format=voice_format, open_kfid=open_kfid
        )
        return await self._post(SyncPage, "/cgi-bin/kf/sync_msg", body)

    async def send_msg(self, *, touser: str, open_kfid: str, content: Content, msgid: str = "") -> str:
        """Send to a customer; the msgid under which WeCom accepted it. ValueError for an impossible msgid."""
        body = _filled(touser=touser, open_kfid=open_kfid, msgid=_checked_msgid(msgid)) | content.wire()
        return (await self._post(SentMessage, "/cgi-bin/kf/send_msg", body)).msgid

    async def send_msg_on_event(self, *, code: str, content: Text | Menu, msgid: str = "") -> str:
        """Send the one message that a welcome_code or msg_code allows; the msgid WeCom accepted."""
        body = _filled(code=code, msgid=_checked_msgid(msgid)) | content.wire()
        return (await self._post(SentMessage, "/cgi-bin/kf/send_msg_on_event", body)).msgid

    async def service_state_get(self, *, open_kfid: str, external_userid: str) -> ServiceState:
        """Who has the session."""
        body = {"open_kfid": open_kfid, "external_userid": external_userid}
        return await self._post(ServiceState, "/cgi-bin/kf/service_state/get", body)

    async def service_state_trans(
        self, *, open_kfid: str, external_userid: str, service_state: int, servicer_userid: str = ""
    ) -> str:
        """Change who has the session (3 needs the servicer); the msg_code, empty if none was given."""
        body = {"open_kfid": open_kfid, "external_userid": external_userid, "service_state": service_state}
        body |= _filled(servicer_userid=servicer_userid)
        return (await self._post(StateChange, "/cgi-bin/kf/service_state/trans", body)).msg_code

    async def account_list(self) -> list[Account]:
        """All KF accounts, over as many pages as it takes."""
        accounts: dict[str, Account] = {}
        for offset in count(step=_ACCOUNT_PAGE):
            body = {"offset": offset, "limit": _ACCOUNT_PAGE}
            page = await self._post(AccountPage, "/cgi-bin/kf/account/list", body)
            known = len(accounts)
            accounts |= {account.open_kfid: account for account in page.account_list}
            # The older form of this API ignores paging: a page without news is the end too.
            if len(page.account_list) < _ACCOUNT_PAGE or len(accounts) == known:
                break
        return list(accounts.values())

    async def servicer_list(self, open_kfid: str) -> list[Servicer]:
        """The servicers of an account."""
        page = await self._get(ServicerPage, "/cgi-bin/kf/servicer/list", {"open_kfid": open_kfid})
        return list(page.servicer_list)

    async def customer_batchget(
        self, external_userids: Sequence[str], *, with_enter_session_context: bool = False
    ) -> CustomerBatch:
        """Up to 100 customers; those silent for 48 h are in the invalid list."""
        body = {
            "external_userid_list": list(external_userids),
            "need_enter_session_context": int(with_enter_session_context),
        }
        return await self._post(CustomerBatch, "/cgi-bin/kf/customer/batchget", body)

    async def media_upload(
        self, kind: MediaKind, filename: str, content: bytes, content_type: str = "application/octet-stream"
    ) -> UploadedMedia:
        """Upload a file; its media_id is valid for 3 days."""
        path = "/cgi-bin/media/upload"
        files = {"media": (filename, content, content_type)}
        answer = await self._authorized(
            lambda token: self._transport.call(
                Call(
                    "POST",
                    path,
                    query={"access_token": token, "type": kind},
                    files=files,
                    timeout_seconds=_MEDIA_SECONDS,
                )
            )
        )
        return _parsed(UploadedMedia, path, answer)

    async def media_get(self, media_id: str) -> DownloadedMedia:
        """A file, whole in memory (WeCom caps customers' files at 20 MB)."""
        reply = await self._authorized(
            lambda token: self._transport.download(
                Call(
                    "GET",
                    "/cgi-bin/media/get",
                    query={"access_token": token, "media_id": media_id},
                    timeout_seconds=_MEDIA_SECONDS,
                )
            )
        )
        return _downloaded(reply)

    async def _post(self, answer: type[_Answer], path: str, body: Mapping[str, Any]) -> _Answer:
        fields = await self._authorized(
            lambda token: self._transport.call(Call("POST", path, query={"access_token": token}, body=body))
        )
        return _parsed(answer, path, fields)

    async def _get(self, answer: type[_Answer], path: str, query: Mapping[str, str]) -> _Answer:
        fields = await self._authorized(
            lambda token: self._transport.call(Call("GET", path, query={"access_token": token, **query}))
        )
        return _parsed(answer, path, fields)

    async def _authorized(self, attempt: Callable[[str], Awaitable[_Result]]) -> _Result:
        """Run the call; if WeCom says that the token is dead and a newer one can be had, run it once more."""
        token = await self._tokens.get()
        try:
            return await attempt(token)
        except ApiError as error:
            if not error.entry.refresh_once:
                raise
            fresh = await self._tokens.refresh(token)
            if fresh == token:
                raise
        return await attempt(fresh)


def _filled(**fields: Any) -> dict[str, Any]:
    """Only what has a value: WeCom refuses some optional fields when they are sent empty."""
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _checked_msgid(msgid: str) -> str:
    if msgid and not _MSGID.fullmatch(msgid):
        raise ValueError(
            "a msgid is 1 to 32 of [0-9A-Za-z_-]; a customer's msgid is too long to be sent back"
        )
    return msgid


def _parsed(answer: type[_Answer], path: str, fields: Mapping[str, Any]) -> _Answer:
    """The answer, if it can be WeCom's: a proxy's `{}` has neither an errcode nor a field of the call's."""
    try:
        parsed = answer.model_validate(fields)
    except ValidationError:
        raise AmbiguousError(path, "malformed_reply") from None
    if "errcode" not in fields and not parsed.model_fields_set:
        raise AmbiguousError(path, "malformed_reply")
    return parsed


def _downloaded(reply: Reply) -> DownloadedMedia:
    headers = Headers()
    headers["Content-Disposition"] = reply.headers.get("content-disposition", "")
    return DownloadedMedia(
        content=reply.content,
        content_type=reply.headers.get("content-type", ""),
        filename=headers.get_filename() or "",
    )
