"""Faults on the way to WeCom, and of the app and its accounts there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
from kf_cli.doctor import network, web
from starlette.responses import Response

from tests.faults.local import closed
from tests.faults.peers import always, as_it_came, certificate, http_peer, silent_peer, through, trusting
from tests.faults.servers import NOWHERE
from tests.faults.world import Settings, World, injects, overlay

overlay("wecom-unknown-host", WECOM_API_BASE=f"https://{NOWHERE}")
overlay("secret-wrong", WECOM_KF_SECRET="wrong-secret")
overlay("corp-id-wrong", WECOM_CORP_ID="ww0000000000000000")


@injects("wecom-refused")
async def wecom_refused(world: World) -> AsyncIterator[Settings]:
    yield {"WECOM_API_BASE": f"http://{closed()}"}


@injects("wecom-timeout")
async def wecom_timeout(world: World) -> AsyncIterator[Settings]:
    world.patch.setattr(network, "SECONDS", 0.7)
    with silent_peer() as port:
        yield {"WECOM_API_BASE": f"http://127.0.0.1:{port}"}


def answering(name: str, status: int, body: str) -> None:
    """Register a WECOM_API_BASE whose server answers everything alike."""

    @injects(name)
    async def answer(world: World) -> AsyncIterator[Settings]:
        async with http_peer(always(status, body)) as url:
            yield {"WECOM_API_BASE": url}


answering("wecom-403", 403, "<html>403 Forbidden</html>")
answering("wecom-404", 404, "<html>404 Not Found</html>")
answering("wecom-502", 502, "<html>502 Bad Gateway</html>")
answering("wecom-login-page", 200, "<html>please log in</html>")


@injects("proxy-down")
async def proxy_down(world: World) -> AsyncIterator[Settings]:
    world.patch.setenv("http_proxy", f"http://{closed()}")
    yield {"WECOM_API_BASE": f"http://{NOWHERE}"}


@injects("tls-untrusted")
async def tls_untrusted(world: World) -> AsyncIterator[Settings]:
    async with http_peer(always(200), certificate(world.folder)) as url:
        yield {"WECOM_API_BASE": url}


@injects("tls-expired")
async def tls_expired(world: World) -> AsyncIterator[Settings]:
    pair = certificate(world.folder, days=-3)
    world.patch.setattr(web, "_trusted", lambda: trusting(pair[0]))
    async with http_peer(always(200), pair) as url:
        yield {"WECOM_API_BASE": url}


@injects("tls-wrong-name")
async def tls_wrong_name(world: World) -> AsyncIterator[Settings]:
    pair = certificate(world.folder, name="elsewhere.example")
    world.patch.setattr(web, "_trusted", lambda: trusting(pair[0]))
    async with http_peer(always(200), pair) as url:
        yield {"WECOM_API_BASE": url}


@injects("clock-wrong")
async def clock_wrong(world: World) -> AsyncIterator[Settings]:
    def an_hour_ahead(reply: httpx.Response) -> Response:
        answer = as_it_came(reply)
        answer.headers["date"] = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        return answer

    async with http_peer(through(world.target.get("WECOM_API_BASE"), an_hour_ahead)) as url:
        yield {"WECOM_API_BASE": url}


def refusing(name: str, api: str, errcode: int) -> None:
    """Register a fault of the simulator: one API answers with one errcode."""

    @injects(name)
    async def refuse(world: World) -> AsyncIterator[Settings]:
        fault: dict[str, Any] = {"kind": "errcode", "api": api, "errcode": errcode, "times": None}
        await world.control("POST", "/control/faults", fault)
        yield {}
        await world.control("DELETE", "/control/faults")


refusing("secret-invalid", "gettoken", 40091)
refusing("app-disabled", "gettoken", 50003)
refusing("address-banned", "gettoken", 45009)
refusing("secret-of-standalone", "account/list", 95011)
refusing("kf-not-enabled", "account/list", 95012)
refusing("api-forbidden", "account/list", 48002)
refusing("api-switch-off", "account/list", 95017)
refusing("api-frequency", "account/list", 45009)


@injects("address-untrusted")
async def address_untrusted(world: World) -> AsyncIterator[Settings]:
    await world.control("PATCH", "/control/switches", {"trusted_ips": ["203.0.113.9"]})
    yield {}
    await world.control("PATCH", "/control/switches", {"trusted_ips": []})


@injects("account-not-granted")
async def account_not_granted(world: World) -> AsyncIterator[Settings]:
    path = f"/control/accounts/{world.account()}"
    await world.control("PATCH", path, {"granted": False})
    yield {}
    await world.control("PATCH", path, {"granted": True})


@injects("account-misnamed")
async def account_misnamed(world: World) -> AsyncIterator[Settings]:
    yield {"KF_DIALOG_COLLECTIONS": world.target.get("KF_DIALOG_COLLECTIONS") + ",kfc1234567890abcdef=shop"}


@injects("servicers-off-line")
async def servicers_off_line(world: World) -> AsyncIterator[Settings]:
    for userid in ("zhangsan", "lisi"):
        body = {"open_kfid": world.account(), "status": 1}
        await world.control("POST", f"/control/servicers/{userid}/status", body)
    yield {}
    for userid in ("zhangsan", "lisi"):
        body = {"open_kfid": world.account(), "status": 0}
        await world.control("POST", f"/control/servicers/{userid}/status", body)


async def wecom_api(world: World, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A call of WeCom's API with the installation's own credentials."""
    base = world.target.get("WECOM_API_BASE")
    query = {
        "corpid": world.target.get("WECOM_CORP_ID"),
        "corpsecret": world.target.get("WECOM_KF_SECRET"),
    }
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as client:
        token = (await client.get("/cgi-bin/gettoken", params=query)).json()["access_token"]
        reply = await client.post(f"/cgi-bin/kf/{path}", params={"access_token": token}, json=body)
    found: dict[str, Any] = reply.json()
    assert found["errcode"] == 0, found
    return found


@injects("no-servicers")
async def no_servicers(world: World) -> AsyncIterator[Settings]:
    body = {"open_kfid": world.account(), "userid_list": ["zhangsan", "lisi"]}
    await wecom_api(world, "servicer/del", body)
    yield {}
    await wecom_api(world, "servicer/add", body)
