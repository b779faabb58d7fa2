"""The program itself: start, settings at fault, clean end, and a world that outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from kf_cli import embedded

from tests.fakes.callback_app import App, listening, reaches


@contextmanager
def program(folder: Path, port: int, **others: str) -> Iterator[embedded.Child]:
    settings = [f"KF_SIMULATOR_PORT={port}", f"KF_SIMULATOR_DATA_DIR={folder / 'data'}"]
    settings += [f"{name}={value}" for name, value in others.items()]
    command = ["env", *settings, sys.executable, "-m", "kf_simulator"]
    with embedded.Child("simulator", command, port, folder / "simulator.log") as child:
        yield child


class Client:
    def __init__(self, port: int) -> None:
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.token = ""

    def api(self, path: str, **body: object) -> dict[str, object]:
        query = {"access_token": self.token}
        return self.http.post(f"/cgi-bin/kf/{path}", params=query, json=body).json()  # type: ignore[no-any-return]


@pytest.fixture
def port() -> int:
    return embedded.free_port()


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    client = Client(port)
    with client.http:
        yield client


def test_a_killed_simulator_comes_back_with_its_world(tmp_path: Path, port: int, client: Client) -> None:
    with program(tmp_path, port) as child:
        query = {"corpid": "ww0123456789abcdef", "corpsecret": "simulator-secret"}
        client.token = client.http.get("/cgi-bin/gettoken", params=query).json()["access_token"]
        account = client.http.get("/control/accounts").json()[0]["open_kfid"]
        customer = client.http.post("/control/customers", json={"nickname": "小王"}).json()["external_userid"]
        chat = f"/control/chats/{account}/{customer}"
        client.http.post(f"{chat}/messages", json={"text": "eins"})
        cursor = client.api("sync_msg", open_kfid=account)["next_cursor"]
        send = {"touser": customer, "open_kfid": account, "msgtype": "text", "text": {"content": "x"}}
        assert client.api("send_msg", **send, msgid="m1")["errcode"] == 0
        client.http.post(f"{chat}/messages", json={"text": "zwei"})
        child.kill()
    with program(tmp_path, port) as child:
        page = client.api("sync_msg", open_kfid=account, cursor=cursor)
        assert [item["text"]["content"] for item in page["msg_list"]] == ["zwei"]  # type: ignore[attr-defined]
        assert "msgid" in str(client.api("send_msg", **send, msgid="m1")["errmsg"])
        lines = client.http.get(f"{chat}/transcript").json()["entries"]
        assert [line["direction"] for line in lines] == ["customer", "app", "customer"]
        assert client.http.get("/control/accounts").json()[0]["open_kfid"] == account
        client.http.post("/control/reset")
        assert client.http.get("/control/customers").json() == []
        child.kill()
    with program(tmp_path, port):
        assert client.http.get("/control/customers").json() == []
        page = client.api("sync_msg", open_kfid=account, cursor=cursor)
        assert (page["errcode"], page["msg_list"]) == (0, [])


def test_media_codes_and_tokens_outlive_a_kill(tmp_path: Path, port: int, client: Client) -> None:
    with program(tmp_path, port) as child:
        query = {"corpid": "ww0123456789abcdef", "corpsecret": "simulator-secret"}
        client.token = client.http.get("/cgi-bin/gettoken", params=query).json()["access_token"]
        account = client.http.get("/control/accounts").json()[0]["open_kfid"]
        customer = client.http.post("/control/customers", json={"nickname": "小王"}).json()["external_userid"]
        entered = client.http.post(f"/control/chats/{account}/{customer}/enter", json={}).json()
        token = client.http.post("/control/callback/tokens").json()["token"]
        upload = {"params": {"access_token": client.token, "type": "file"}, "files": {"media": b"inhalt"}}
        media_id = client.http.post("/cgi-bin/media/upload", **upload).json()["media_id"]  # type: ignore[arg-type]
        child.kill()
    with program(tmp_path, port):
        query = {"access_token": client.token, "media_id": media_id}
        assert client.http.get("/cgi-bin/media/get", params=query).content == b"inhalt"
        code, text = entered["body"]["welcome_code"], {"content": "willkommen"}
        for errcode in (0, 40058):
            reply = client.api("send_msg_on_event", code=code, msgtype="text", text=text)
            assert reply["errcode"] == errcode
        for _ in range(11):
            assert client.api("sync_msg", open_kfid=account, token=token)["errcode"] == 0


async def test_a_notice_under_way_is_delivered_after_a_kill(tmp_path: Path, port: int) -> None:
    async with listening(App(*[503] * 100)) as app, httpx.AsyncClient(timeout=30) as http:
        base = f"http://127.0.0.1:{port}"
        with program(tmp_path, port) as child:
            await http.put(f"{base}/control/callback", json={"url": app.url, "retry_seconds": 60})
            account = (await http.get(f"{base}/control/accounts")).json()[0]["open_kfid"]
            customer = (await http.post(f"{base}/control/customers", json={"nickname": "小王"})).json()
            chat = f"{base}/control/chats/{account}/{customer['external_userid']}"
            await http.post(f"{chat}/messages", json={"text": "wichtig"})
            await reaches(app, 1)
            child.kill()
        app.statuses.clear()
        with program(tmp_path, port, KF_SIMULATOR_CALLBACK_URL=app.url):
            await reaches(app, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_even_while_a_request_waits(
    tmp_path: Path, port: int, client: Client, number: signal.Signals
) -> None:
    with program(tmp_path, port) as child:
        process = child.process
        assert process is not None
        assert client.http.get("/health").json() == {"status": "ok"}
        account = client.http.get("/control/accounts").json()[0]["open_kfid"]
        customer = client.http.post("/control/customers", json={"nickname": "小王"}).json()["external_userid"]
        url = f"http://127.0.0.1:{port}/control/chats/{account}/{customer}/transcript?wait_seconds=20"
        waiting = subprocess.Popen([sys.executable, "-c", f"import httpx; httpx.get({url!r}, timeout=60)"])
        process.send_signal(number)
        assert process.wait(30) == 0
        waiting.wait(30)


def test_every_fault_in_the_settings_is_named_and_no_secret_is_shown(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"steps": []}')
    faults = {
        "KF_SIMULATOR_SCRIPT": str(script),
        "KF_SIMULATOR_FAULTS": '[{"kind": "gremlin"}]',
    }
    faults |= {"KF_SIMULATOR_PORT": "99999", "WECOM_ENCODING_AES_KEY": "tooshort", "LOG_LEVEL": "LOUD"}
    command = [sys.executable, "-m", "kf_simulator"]
    ended = subprocess.run(
        command,
        env=os.environ | faults,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == [
        "WECOM_ENCODING_AES_KEY",
        "KF_SIMULATOR_PORT",
        "KF_SIMULATOR_FAULTS",
        "KF_SIMULATOR_SCRIPT",
        "LOG_LEVEL",
    ]
    assert "tooshort" not in ended.stderr
