"""Examines the way to WeCom: name, TLS, what stands in between, and the clocks of both ends."""

import asyncio
import json
import socket
import ssl
import time
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from kf_cli.doctor import web
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine
from kf_cli.doctor.system import System

SECONDS = 8.0
_SKEW_SECONDS = 60.0
_PROBE = "/cgi-bin/kf/account/list"
"""Without a token it answers 41001: it reaches WeCom and costs nothing."""
_EXPIRED, _WRONG_NAME = 10, (62, 64)


async def dns(system: System) -> list[Finding]:
    """The host of WECOM_API_BASE has an address."""
    host = urlsplit(system.get("WECOM_API_BASE")).hostname or ""
    if proxy_of(system.get("WECOM_API_BASE")):
        return [fine("由代理解析 / left to the proxy")]
    try:
        async with asyncio.timeout(SECONDS):
            answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return [found("wecom.dns", host=host)]
    return [fine(f"{host} = {answers[0][4][0]}")]


def proxy_of(url: str) -> str | None:
    """The environment's proxy for a URL, as kf_wecom's transport takes it."""
    parts = urlsplit(url)
    if parts.hostname in web.LOOPBACK or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


async def egress(system: System) -> list[Finding]:
    """A call without a token comes back with one of WeCom's own errcodes."""
    base = system.get("WECOM_API_BASE")
    address = urlsplit(base).netloc
    try:
        async with web.client(base, SECONDS, proxy=proxy_of(base)) as client, asyncio.timeout(SECONDS):
            reply = await client.post(f"{base}{_PROBE}", json={})
    except (TimeoutError, httpx.TimeoutException):
        return [found("wecom.timeout", address=address, seconds=f"{SECONDS:.0f}")]
    except httpx.ProxyError:
        return [found("wecom.proxy", proxy=urlsplit(proxy_of(base) or "").netloc.rpartition("@")[2])]
    except httpx.HTTPError as error:
        return [_unreachable(error, base)]
    system.facts["wecom date"] = reply.headers.get("date", "")
    system.facts["wecom asked at"] = str(time.time())
    return [_judged(reply, address) or fine(f"{address}, {reply.elapsed.total_seconds() * 1000:.0f} ms")]


def _judged(reply: httpx.Response, address: str) -> Finding | None:
    answer = _json(reply)
    if isinstance(answer, dict) and "errcode" in answer:
        return None
    if reply.status_code in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
        return found(f"wecom.http_{reply.status_code}")
    if reply.status_code != httpx.codes.OK:
        return found("wecom.http", address=address, status=reply.status_code)
    return found("wecom.not_wecom", address=address)


def _json(reply: httpx.Response) -> Any:
    try:
        return json.loads(reply.content)
    except ValueError:
        return None


def _unreachable(error: httpx.HTTPError, base: str) -> Finding:
    host, address = urlsplit(base).hostname or "", urlsplit(base).netloc
    fault = tls_fault(error)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return found(f"wecom.tls_{certificate_fault(fault)}", host=host)
    if isinstance(fault, ssl.SSLError):
        return found("wecom.tls_failed", host=host)
    if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError) and base.startswith("https"):
        return found("wecom.tls_failed", host=host)
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return found("wecom.not_wecom", address=address)
    proxy = proxy_of(base)
    if proxy:
        return found("wecom.proxy", proxy=urlsplit(proxy).netloc.rpartition("@")[2])
    return found("wecom.refused", address=address)


def tls_fault(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS error behind one of httpx's, if there is one."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def certificate_fault(error: ssl.SSLCertVerificationError) -> str:
    """`expired`, `name` or `untrusted`."""
    if error.verify_code == _EXPIRED:
        return "expired"
    return "name" if error.verify_code in _WRONG_NAME else "untrusted"


async def clock(system: System) -> list[Finding]:
    """Our clock against the Date header of WeCom's answer."""
    try:
        theirs = parsedate_to_datetime(system.facts["wecom date"]).timestamp()
    except (TypeError, ValueError):
        return [fine("应答没有 Date / the answer had no Date")]
    skew = float(system.facts["wecom asked at"]) - theirs
    if abs(skew) > _SKEW_SECONDS:
        return [found("clock.skew", seconds=f"{skew:+.0f}")]
    return [fine("相差不到一分钟 / within a minute of WeCom's")]


CHECKS = (
    Check("dns", "域名解析", "DNS", dns, settings=("WECOM_API_BASE",)),
    Check("egress", "到企业微信的网络", "way to WeCom", egress, needs=("dns",), seconds=10),
    Check("clock", "时钟", "clock", clock, needs=("egress",)),
)
