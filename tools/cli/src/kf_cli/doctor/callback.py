"""Examines the callback: a signed GET that must come back, here and from outside; the newest; the pull."""

import json
import secrets
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from kf_contracts import streams
from kf_wecom.crypto import CallbackCrypto
from nats.js.errors import NoKeysError

from kf_cli.doctor import web
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine, skipped
from kf_cli.doctor.nats import moment, stream_age, stream_state
from kf_cli.doctor.network import certificate_fault, tls_fault
from kf_cli.doctor.system import System
from kf_cli.doctor.wecom import granted

PATH = "/wecom/callback"
_PATIENCE_SECONDS = 5.0
_SLOW_SECONDS = 1.0
_SHOWN = 200_000
_ICP = ("备案", "icp.", "beian", "unregistered domain", "non-compliance")
_OURS = {
    "bad_signature": "callback.signature",
    "undecryptable": "callback.aes_key",
    "wrong_receiver": "callback.corp_id",
    "missing_parameters": "callback.query",
}
"""The gateway's own refusals (kf_gateway.refusal) and what each means here."""
_CERTIFICATE = {"expired": "expired 已过期", "name": "wrong name 域名不符", "untrusted": "untrusted 不受信任"}
_SILENT_SECONDS = 120.0
_STALE_POLLS, _STALE_SECONDS = 4, 240.0


async def local(system: System) -> list[Finding]:
    """The gateway answers WeCom's check with the Token and key of these settings."""
    return [await _verified(system, f"http://{system.target.address('gateway')}{PATH}", "local")]


async def public(system: System) -> list[Finding]:
    """The same through the public address (KF_CALLBACK_URL), as WeCom would come."""
    url = system.target.values.get("KF_CALLBACK_URL", "")
    if not url:
        hint = "未设置 KF_CALLBACK_URL / KF_CALLBACK_URL is not set (https://your-host/wecom/callback)"
        return [skipped(hint)]
    return [await _verified(system, url, "public")]


async def _verified(system: System, url: str, side: str) -> Finding:
    crypto = CallbackCrypto(
        system.get("WECOM_TOKEN"), system.get("WECOM_ENCODING_AES_KEY"), system.get("WECOM_CORP_ID")
    )
    echo = str(secrets.randbelow(10**18) + 10**18)
    facts = {"where": url, "side": side, "host": urlsplit(url).hostname or ""}
    try:
        async with web.client(url, _PATIENCE_SECONDS) as client:
            reply = await client.get(url, params=_signed(crypto, echo))
            if reply.elapsed.total_seconds() > _SLOW_SECONDS:
                # A machine that was busy for a moment is no slow proxy.
                reply = await client.get(url, params=_signed(crypto, echo))
    except httpx.TimeoutException:
        return found("callback.timeout", **facts)
    except httpx.HTTPError as error:
        return _unreachable(error, facts)
    seconds = reply.elapsed.total_seconds()
    name = judged(reply, echo)
    if name:
        return found(name, **facts, status=reply.status_code)
    if seconds > _SLOW_SECONDS:
        return found("callback.slow", **facts, seconds=f"{seconds:.1f}")
    return fine(f"{url}, {seconds * 1000:.0f} ms")


def _signed(crypto: CallbackCrypto, echo: str) -> dict[str, str]:
    timestamp, nonce, encrypted = str(int(time.time())), secrets.token_hex(8), crypto.encrypt(echo.encode())
    signature = crypto.signature(timestamp, nonce, encrypted)
    return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, "echostr": encrypted}


def judged(reply: httpx.Response, echo: str) -> str:
    """The diagnosis that an answer to the signed GET stands for; empty for the right one."""
    ours = _refusal(reply)
    if ours:
        return ours
    if any(word in reply.text[:_SHOWN].lower() for word in _ICP):
        return "callback.icp"
    match reply.status_code:
        case 200:
            return "" if reply.content == echo.encode() else "callback.altered"
        case 301 | 302 | 303 | 307 | 308:
            return "callback.redirect"
        case 401:
            return "callback.login"
        case 403:
            return "callback.blocked"
        case 404 | 405:
            return "callback.path"
        case 500 | 502 | 503 | 504:
            return "callback.bad_gateway"
        case _:
            return "callback.altered"


def _refusal(reply: httpx.Response) -> str:
    try:
        answer: Any = json.loads(reply.content)
    except ValueError:
        return ""
    return _OURS.get(str(answer.get("error", "")), "") if isinstance(answer, dict) else ""


def _unreachable(error: httpx.HTTPError, facts: dict[str, str]) -> Finding:
    fault = tls_fault(error)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return found("callback.tls", **facts, problem=_CERTIFICATE[certificate_fault(fault)])
    if fault is not None:
        return found("callback.tls", **facts, problem="no TLS there 对方不是 HTTPS")
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, socket.gaierror):
        behind = behind.__cause__ or behind.__context__
    return found("callback.dns" if behind else "callback.refused", **facts)


async def last_callback(system: System) -> list[Finding]:
    """Messages that come are announced by callbacks, not only found by the poll."""
    inbound = await _newest(system, streams.KF_INBOUND)
    notice = await _newest(system, streams.KF_NOTICE)
    if inbound is None:
        return [skipped("还没有收到过消息 / no message has come yet")]
    if notice is None or (inbound - notice).total_seconds() > _SILENT_SECONDS:
        return [found("callback.silent")]
    return [fine(f"{_ago((datetime.now(UTC) - notice).total_seconds())} 前 / ago")]


async def _newest(system: System, stream: str) -> datetime | None:
    """When the newest message of a stream came, whether or not it is still there."""
    state = await stream_state(system, stream)
    return moment(str(state["last_ts"])) if state.get("last_seq") else None


async def last_pull(system: System) -> list[Finding]:
    """Every account was pulled to the end of its stream lately: the cursor's age."""
    progress = await _progress(system)
    is_young = await stream_age(system, f"KV_{streams.KV_CURSOR}") < _STALE_SECONDS
    findings = []
    limit = max(_STALE_SECONDS, _STALE_POLLS * float(system.get("KF_GATEWAY_POLL_SECONDS")))
    ages: list[float] = []
    for account in granted(system):
        pulled_at = progress.get(account.open_kfid, 0.0)
        if not pulled_at and is_young:
            # Just installed: the first poll of an account comes within minutes.
            continue
        if not pulled_at:
            findings.append(found("pull.never", account=account.name or account.open_kfid))
            continue
        ages.append(time.time() - pulled_at)
        if ages[-1] > limit:
            findings.append(found("pull.stale", account=account.open_kfid, age=_ago(ages[-1])))
    return findings or [fine(f"{_ago(max(ages))} 前 / ago" if ages else "")]


async def _progress(system: System) -> dict[str, float]:
    """pulled_at (epoch seconds) of every account's cursor, as kf_gateway.cursor stores it."""
    bucket = await system.nats.jetstream().key_value(streams.KV_CURSOR)
    try:
        keys = await bucket.keys()
    except NoKeysError:
        return {}
    stored = {key: json.loads((await bucket.get(key)).value or b"{}") for key in keys}
    return {key: float(value.get("pulled_at", 0)) for key, value in stored.items()}


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


_CRYPTO = ("WECOM_TOKEN", "WECOM_ENCODING_AES_KEY", "WECOM_CORP_ID")
CHECKS = (
    Check(
        "callback_local",
        "回调（本地）",
        "callback, local",
        local,
        needs=("gateway",),
        settings=_CRYPTO,
        seconds=7,
    ),
    Check("callback_public", "回调（公网）", "callback, from outside", public, settings=_CRYPTO, seconds=7),
    Check("last_callback", "最近一次回调", "last callback", last_callback, needs=("streams",)),
    Check("last_pull", "最近一次拉取", "last pull", last_pull, needs=("streams", "permission")),
)
