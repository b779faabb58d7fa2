"""Messages that are more than text: built, given their media, sent as text where WeCom refuses them."""

import base64
import hashlib
from dataclasses import replace
from typing import Any

import structlog
from kf_contracts.commands import SendContent
from kf_wecom import models
from kf_wecom.client import MediaKind, WecomClient
from kf_wecom.errors import ApiError, WecomError
from pydantic import ValidationError

from kf_sender import verdict as judge
from kf_sender.claimed import Claimed
from kf_sender.pacing import Pacing
from kf_sender.store import Store
from kf_sender.verdict import Action, Verdict

AS_TEXT = "text"
"""What a part's code says once WeCom has refused the rich form."""
_MEDIA_GONE = 40007

log = structlog.get_logger()


class RichMessages:
    """Carries out SendContent; `sends` makes the calls that customers see."""

    def __init__(self, store: Store, sends: WecomClient, uploads: WecomClient, pacing: Pacing) -> None:
        self._store = store
        self._sends = sends
        self._uploads = uploads
        self._pacing = pacing

    async def send(self, claimed: Claimed) -> Verdict:
        """One attempt in the rich form; a form that can never work is given up for the text."""
        command = SendContent.decode((claimed.payload or "").encode())
        try:
            media_id = await self._media_id(command)
        except WecomError as error:
            return await self._without_media(claimed, error)
        except ValueError:
            return await self._as_text(claimed, "the media is no base64", counted=False)
        content = content_of(command, media_id)
        if content is None:
            return await self._as_text(claimed, "the content is malformed", counted=False)
        try:
            await self._sends.send_msg(
                touser=claimed.external_userid,
                open_kfid=claimed.open_kfid,
                content=content,
                msgid=claimed.msgid,
            )
        except WecomError as error:
            return await self._refused(claimed, command, error)
        return judge.DELIVERED

    async def _refused(self, claimed: Claimed, command: SendContent, error: WecomError) -> Verdict:
        verdict = judge.of_send(error, attempts=claimed.attempt, mends=claimed.mends, pacing=self._pacing)
        if isinstance(error, ApiError) and error.code == _MEDIA_GONE and claimed.mends == 0:
            await self._store.forget_media(digest_of(command))
            return replace(verdict, action=Action.RETRY, mended=True)
        failed = verdict.action is Action.FAIL
        return await self._as_text(claimed, str(error), counted=True) if failed else verdict

    async def _without_media(self, claimed: Claimed, error: WecomError) -> Verdict:
        verdict = judge.of_lookup(error, None, attempts=claimed.attempt, pacing=self._pacing)
        failed = verdict.action is Action.FAIL
        return await self._as_text(claimed, str(error), counted=False) if failed else verdict

    async def _as_text(self, claimed: Claimed, reason: str, *, counted: bool) -> Verdict:
        """From the next attempt on it is a text, under the same msgid: the rich form was surely refused."""
        log.warning("send.falls_back_to_text", command_id=claimed.command_id, reason=reason)
        await self._store.keep_code(claimed, AS_TEXT, claimed.text)
        why = f"goes out as text: {reason}"
        return replace(judge.NOT_TRIED, action=Action.RETRY, reason=why, mended=True, counted=counted)

    async def _media_id(self, command: SendContent) -> str:
        """The media's id at WeCom, uploaded once per content while WeCom keeps it."""
        if not command.media_base64:
            return ""
        digest = digest_of(command)
        known = await self._store.media_id(digest)
        if known:
            return known
        kind: MediaKind = "file" if command.msgtype == "file" else "image"
        data = base64.b64decode(command.media_base64, validate=True)
        media_id = (await self._uploads.media_upload(kind, command.media_filename, data)).media_id
        await self._store.keep_media(digest, media_id)
        return media_id


def digest_of(command: SendContent) -> str:
    """The name of a media's content in the cache."""
    key = f"{command.msgtype == 'file'}:{command.media_filename}:{command.media_base64}"
    return hashlib.sha256(key.encode()).hexdigest()


def content_of(command: SendContent, media_id: str) -> models.Content | None:
    """What to send; None when WeCom's limits forbid it."""
    try:
        match command.msgtype:
            case "msgmenu":
                return _menu(command.fields)
            case "link":
                return models.Link.model_validate({**command.fields, "thumb_media_id": media_id})
            case "image":
                return models.Image(media_id=media_id)
            case _:
                return models.File(media_id=media_id)
    except (ValidationError, KeyError, TypeError):
        return None


def menu_or_text(fields: dict[str, Any], text: str) -> models.Menu | models.Text:
    """The menu that a command of a code brings; its text when there is none that WeCom would take."""
    try:
        return _menu(fields) if fields else models.Text(content=text)
    except (ValidationError, KeyError, TypeError):
        return models.Text(content=text)


def _menu(fields: dict[str, Any]) -> models.Menu:
    return models.Menu.model_validate({**fields, "items": _items(fields)})


_LINES: dict[str, type[models.MenuItem]] = {
    "click": models.MenuClick,
    "view": models.MenuView,
    "text": models.MenuText,
}


def _items(fields: dict[str, object]) -> list[models.MenuItem]:
    """Each line as `{"type": "click", ...}` made into its class."""
    lines = fields.get("items", [])
    if not isinstance(lines, list):
        raise TypeError
    return [
        _LINES[line["type"]].model_validate({name: value for name, value in line.items() if name != "type"})
        for line in lines
    ]
