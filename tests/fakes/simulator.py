"""The simulator on a loopback port inside the test's own event loop, and a client for both of its sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from kf_simulator.app import create_app
from kf_simulator.settings import Settings
from kf_simulator.simulation import Simulation

CORP_ID, SECRET, MODEL_KEY = "ww0123456789abcdef", "simulator-secret", "simulator-key"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running_simulator(**settings: Any) -> AsyncIterator[SimulatorClient]:
    """Start a simulator (settings without their environment names' upper case) and stop it at the end."""
    sim = Simulation(Settings(_env_file=None, **settings))
    config = uvicorn.Config(
        create_app(sim),
        host="127.0.0.1",
        port=0,
        log_config=None,
        timeout_graceful_shutdown=3,
        # Longer than any client keeps a connection: on a busy machine both would give it up at once.
        timeout_keep_alive=60,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            yield SimulatorClient(http)
    finally:
        sim.hurry()
        server.should_exit = True
        await task


class SimulatorClient:
    """Short names for what tests do with a simulator."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.url = str(http.base_url).rstrip("/")
        self.access_token = ""

    async def token(self) -> str:
        """Fetch the access token that api() uses from now on."""
        query = {"corpid": CORP_ID, "corpsecret": SECRET}
        self.access_token = (await self.http.get("/cgi-bin/gettoken", params=query)).json()["access_token"]
        return self.access_token

    async def api(self, path: str, **body: Any) -> dict[str, Any]:
        """POST /cgi-bin/kf/<path>."""
        if not self.access_token:
            await self.token()
        query = {"access_token": self.access_token}
        return (await self.http.post(f"/cgi-bin/kf/{path}", params=query, json=body)).json()  # type: ignore[no-any-return]

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """Call the control API; any refusal fails the test."""
        reply = await self.http.request(method, path, json=body or None)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    async def account(self, index: int = 0) -> str:
        """open_kfid of an account."""
        return str((await self.control("GET", "/control/accounts"))[index]["open_kfid"])

    async def customer(self, nickname: str = "小王") -> str:
        """external_userid of a new customer."""
        return str((await self.control("POST", "/control/customers", nickname=nickname))["external_userid"])

    async def chat(self, account: int = 0) -> Chat:
        """A new customer's chat at an account."""
        return Chat(self, await self.account(account), await self.customer())

    async def judge(self) -> dict[str, Any]:
        """The judge's report."""
        return await self.control("GET", "/judge")  # type: ignore[no-any-return]


class Chat:
    """One customer at one account."""

    def __init__(self, client: SimulatorClient, open_kfid: str, external_userid: str) -> None:
        self.client, self.open_kfid, self.external_userid = client, open_kfid, external_userid
        self._path = f"/control/chats/{open_kfid}/{external_userid}"

    async def enter(self, **fields: Any) -> dict[str, Any]:
        """The customer opens the chat."""
        return await self.client.control("POST", f"{self._path}/enter", **fields or {"scene": ""})  # type: ignore[no-any-return]

    async def write(self, text: str = "你好", **fields: Any) -> dict[str, Any]:
        """The customer writes."""
        message = fields if "body" in fields else {"text": text, **fields}
        return await self.client.control("POST", f"{self._path}/messages", **message)  # type: ignore[no-any-return]

    async def servicer(self, action: str, userid: str = "zhangsan", text: str = "") -> dict[str, Any]:
        """A servicer acts."""
        path = f"{self._path}/servicer"
        return await self.client.control("POST", path, action=action, userid=userid, text=text)  # type: ignore[no-any-return]

    async def send(self, content: str = "您好", msgid: str = "", **fields: Any) -> dict[str, Any]:
        """The app sends."""
        body: dict[str, Any] = {
            "touser": self.external_userid,
            "open_kfid": self.open_kfid,
            "msgtype": "text",
        }
        body |= {"text": {"content": content}} | ({"msgid": msgid} if msgid else {}) | fields
        return await self.client.api("send_msg", **body)

    async def pull(self, **fields: Any) -> dict[str, Any]:
        """The app pulls this account's stream."""
        return await self.client.api("sync_msg", open_kfid=self.open_kfid, **fields)

    async def state(self) -> dict[str, Any]:
        """The app reads the session's state."""
        ids = {"open_kfid": self.open_kfid, "external_userid": self.external_userid}
        return await self.client.api("service_state/get", **ids)

    async def trans(self, target: int, **fields: Any) -> dict[str, Any]:
        """The app changes the session's state."""
        ids = {"open_kfid": self.open_kfid, "external_userid": self.external_userid}
        return await self.client.api("service_state/trans", **ids, service_state=target, **fields)

    async def transcript(self, after: int = -1, wait_seconds: float = 0) -> list[dict[str, Any]]:
        """Both sides of the chat."""
        path = f"{self._path}/transcript?after={after}&wait_seconds={wait_seconds}"
        return (await self.client.control("GET", path))["entries"]  # type: ignore[no-any-return]
