"""Faults of the callback: other credentials, and everything that stands between WeCom and the gateway."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

from kf_cli.doctor import callback
from kf_contracts.events import MessageReceived
from starlette.responses import Response

from tests.faults.local import closed
from tests.faults.peers import Answer, always, as_it_came, certificate, http_peer, silent_peer, through
from tests.faults.servers import NOWHERE, jetstream
from tests.faults.world import Settings, World, injects, overlay

overlay("callback-token-differs", WECOM_TOKEN="anothertoken")
overlay("callback-key-differs", WECOM_ENCODING_AES_KEY="B" * 42 + "A")
overlay("callback-unknown-host", KF_CALLBACK_URL=f"https://{NOWHERE}/wecom/callback")


def fronted(name: str, answer: Answer) -> None:
    """Register a public callback URL whose server answers like this."""

    @injects(name)
    async def front(world: World) -> AsyncIterator[Settings]:
        async with http_peer(answer) as url:
            yield {"KF_CALLBACK_URL": f"{url}/wecom/callback"}


fronted("callback-404", always(404, "<html>404</html>"))
fronted("callback-login", always(401, "login"))
fronted("callback-blocked", always(403, "<html>blocked by the firewall</html>"))
fronted("callback-no-icp-filing", always(403, "<html>该网站暂时无法访问：未完成备案</html>"))
fronted("callback-upstream-down", always(502, "<html>502 Bad Gateway</html>"))
fronted("callback-redirects", always(301, "", location="https://elsewhere.example/"))
fronted("callback-other-program", always(200, "<html>welcome</html>"))


@injects("callback-query-dropped")
async def callback_query_dropped(world: World) -> AsyncIterator[Settings]:
    gateway = f"http://{world.target.address('gateway')}"
    async with http_peer(through(gateway, as_it_came, query=False)) as url:
        yield {"KF_CALLBACK_URL": f"{url}/wecom/callback"}


@injects("callback-body-changed")
async def callback_body_changed(world: World) -> AsyncIterator[Settings]:
    gateway = f"http://{world.target.address('gateway')}"
    quoted = through(gateway, lambda reply: Response(b'"' + reply.content + b'"', reply.status_code))
    async with http_peer(quoted) as url:
        yield {"KF_CALLBACK_URL": f"{url}/wecom/callback"}


@injects("callback-certificate")
async def callback_certificate(world: World) -> AsyncIterator[Settings]:
    async with http_peer(always(200), certificate(world.folder)) as url:
        yield {"KF_CALLBACK_URL": f"{url}/wecom/callback"}


@injects("callback-refused")
async def callback_refused(world: World) -> AsyncIterator[Settings]:
    yield {"KF_CALLBACK_URL": f"http://{closed()}/wecom/callback"}


@injects("callback-timeout")
async def callback_timeout(world: World) -> AsyncIterator[Settings]:
    world.patch.setattr(callback, "_PATIENCE_SECONDS", 2.5)
    with silent_peer() as port:
        yield {"KF_CALLBACK_URL": f"http://127.0.0.1:{port}/wecom/callback"}


@injects("callbacks-do-not-arrive")
async def callbacks_do_not_arrive(world: World) -> AsyncIterator[Settings]:
    world.patch.setattr(callback, "_SILENT_SECONDS", 0.0)
    # The stream's times are read to the second.
    await asyncio.sleep(1.1)
    found_by_poll = MessageReceived(
        open_kfid=world.account(),
        msgid=uuid4().hex,
        msgtype="event",
        origin=4,
        send_time=datetime.now(UTC),
        answerable=False,
        item={"msgtype": "event", "event": {"event_type": "servicer_status_change"}},
    )
    async with jetstream(world.target.get("NATS_URL")) as js:
        await js.publish(f"kf.inbound.{world.account()}", found_by_poll.encode())
    yield {}
    # The next notice says that callbacks arrive again.
    await world.control("POST", f"/control/callback/notices/{world.account()}")
    await asyncio.sleep(1.1)


@injects("pulls-fail")
async def pulls_fail(world: World) -> AsyncIterator[Settings]:
    fault = {"kind": "errcode", "api": "sync_msg", "errcode": -1, "times": None}
    await world.control("POST", "/control/faults", fault)
    async with jetstream(world.target.get("NATS_URL")) as js:
        bucket = await js.key_value("kf_cursor")
        key = world.account()
        entry = await bucket.get(key)
        stale = (entry.value or b"").decode().replace('"pulled_at":', '"pulled_at":1,"was":')
        await bucket.put(key, stale.encode())
        yield {}
        await bucket.put(key, entry.value or b"")
    await world.control("DELETE", "/control/faults")
