"""A client nobody here wrote talks to the simulator: wechatpy's work client pulls and sends."""

import queue
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from kf_cli import embedded
from wechatpy.enterprise.client import WeChatClient
from wechatpy.enterprise.crypto import WeChatCrypto
from wechatpy.exceptions import APILimitedException, WeChatClientException
from wechatpy.utils import to_text

CORP_ID, SECRET = "ww0123456789abcdef", "simulator-secret"


class Callback(BaseHTTPRequestHandler):
    """A callback URL that understands what wechatpy's crypto understands."""

    crypto = WeChatCrypto("simtoken01", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", CORP_ID)
    notices: queue.Queue[str]

    def _signed(self) -> tuple[str, str, str]:
        query = parse_qs(urlsplit(self.path).query)
        return query["msg_signature"][0], query["timestamp"][0], query["nonce"][0]

    def do_GET(self) -> None:
        echo = parse_qs(urlsplit(self.path).query)["echostr"][0]
        self._reply(to_text(self.crypto.check_signature(*self._signed(), echo)).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.notices.put(to_text(self.crypto.decrypt_message(body, *self._signed())))
        self._reply(b"success")

    def _reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep quiet."""


class Client(WeChatClient):  # type: ignore[misc]
    """wechatpy's client, pointed at another host; its token address is hard-coded."""

    def fetch_access_token(self) -> Any:
        query = {"corpid": self.corp_id, "corpsecret": self.secret}
        return self._fetch_access_token(url=f"{self.API_BASE_URL}gettoken", params=query)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = embedded.free_port()
    command = ["env", f"KF_SIMULATOR_PORT={port}", sys.executable, "-m", "kf_simulator"]
    log = tmp_path_factory.mktemp("simulator") / "simulator.log"
    with embedded.Child("simulator", command, port, Path(log)):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def world(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as world:
        world.post("/control/reset")
        yield world


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    client = Client(CORP_ID, SECRET)
    client.API_BASE_URL = f"{url}/cgi-bin/"
    with client._http:
        yield client


@pytest.fixture
def notices(world: httpx.Client) -> Iterator["queue.Queue[str]"]:
    """Decrypted notices of a simulator whose callback URL is wechatpy's."""
    Callback.notices = queue.Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), Callback) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        world.put("/control/callback", json={"url": f"http://127.0.0.1:{server.server_port}/"})
        yield Callback.notices
        world.put("/control/callback", json={"url": ""})
        server.shutdown()
        thread.join()


def spoken(world: httpx.Client) -> tuple[str, str]:
    account = world.get("/control/accounts").json()[0]["open_kfid"]
    customer = world.post("/control/customers", json={"nickname": "小王"}).json()["external_userid"]
    world.post(f"/control/chats/{account}/{customer}/messages", json={"text": "你好😀 "})
    return account, customer


def test_it_pulls_what_a_customer_wrote_and_answers(client: Client, world: httpx.Client) -> None:
    account, customer = spoken(world)
    token = world.post("/control/callback/tokens").json()["token"]
    page = client.post("kf/sync_msg", data={"open_kfid": account, "token": token, "limit": 1000})
    assert (page["msg_list"][0]["text"]["content"], page["has_more"]) == ("你好😀 ", 0)
    message = {"touser": customer, "open_kfid": account, "msgtype": "text", "text": {"content": "您好"}}
    assert client.post("kf/send_msg", data={**message, "msgid": "w1"})["msgid"] == "w1"
    state = client.post("kf/service_state/get", data={"open_kfid": account, "external_userid": customer})
    assert state["service_state"] == 1
    lines = world.get(f"/control/chats/{account}/{customer}/transcript").json()["entries"]
    assert [line["body"]["content"] for line in lines] == ["你好😀 ", "您好"]
    assert world.get("/judge").json()["broken"] == {}


def test_its_crypto_opens_the_notices_and_their_token_pulls(
    client: Client, world: httpx.Client, notices: "queue.Queue[str]"
) -> None:
    assert world.post("/control/callback/verify").json() == {"ok": True, "fault": ""}
    account, _ = spoken(world)
    notice = notices.get(timeout=30)
    token = re.search(r"<Token><!\[CDATA\[(ENC\w{44})\]\]>", notice)
    assert token
    assert f"<OpenKfId><![CDATA[{account}]]></OpenKfId>" in notice
    page = client.post("kf/sync_msg", data={"open_kfid": account, "token": token[1]})
    assert page["msg_list"][0]["text"]["content"] == "你好😀 "


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_it_refreshes_a_token_that_ended_early(client: Client, world: httpx.Client, errcode: int) -> None:
    account, _ = spoken(world)
    client.post("kf/account/list", data={})
    assert world.post("/control/access_tokens/void", json={"errcode": errcode}).json()["voided"] >= 1
    assert client.post("kf/sync_msg", data={"open_kfid": account})["errcode"] == 0


def test_it_raises_the_errcodes(client: Client, world: httpx.Client) -> None:
    account, customer = spoken(world)
    message = {"touser": customer, "open_kfid": account, "msgtype": "text", "text": {"content": "好" * 683}}
    with pytest.raises(WeChatClientException) as refused:
        client.post("kf/send_msg", data=message)
    assert refused.value.errcode == 45002
    world.post("/control/faults", json={"kind": "errcode", "api": "send_msg", "errcode": 45009})
    with pytest.raises(APILimitedException):
        client.post("kf/send_msg", data=message)


def test_it_carries_media(client: Client, world: httpx.Client) -> None:
    picture = BytesIO(b"\x89PNG\r\n\x1a\n" + b"0" * 20)
    uploaded = client.post("media/upload", params={"type": "image"}, files={"media": ("a.png", picture)})
    got = client.get("media/get", params={"media_id": uploaded["media_id"]})
    assert got.content == picture.getvalue()
