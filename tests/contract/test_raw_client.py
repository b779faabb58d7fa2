"""A client that knows only the protocol sheet serves customers of the simulator, and the judge is content."""

import queue
import sys
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from kf_cli import embedded

from tests.fakes.raw_app import Crypto, RawApp, handler

CORP_ID, SECRET = "ww0123456789abcdef", "simulator-secret"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
News = queue.Queue[tuple[str, str]]


@pytest.fixture
def news() -> Iterator[tuple[News, str]]:
    """What the callback URL was told, and its address."""
    told: News = queue.Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(Crypto("simtoken01", KEY, CORP_ID), told)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield told, f"http://127.0.0.1:{server.server_port}/callback"
        server.shutdown()
        thread.join()


@pytest.fixture
def world(tmp_path: Path, news: tuple[News, str]) -> Iterator[httpx.Client]:
    port = embedded.free_port()
    settings = [f"KF_SIMULATOR_PORT={port}", f"KF_SIMULATOR_CALLBACK_URL={news[1]}"]
    command = ["env", *settings, sys.executable, "-m", "kf_simulator"]
    with (
        embedded.Child("simulator", command, port, tmp_path / "simulator.log"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as world,
    ):
        yield world


@pytest.fixture
def app(world: httpx.Client, tmp_path: Path) -> Iterator[RawApp]:
    app = RawApp(str(world.base_url), CORP_ID, SECRET, tmp_path / "app.db")
    yield app
    app.close()


def chat(world: httpx.Client) -> str:
    account = world.get("/control/accounts").json()[0]["open_kfid"]
    customer = world.post("/control/customers", json={"nickname": "小王"}).json()["external_userid"]
    return f"/control/chats/{account}/{customer}"


def serve(app: RawApp, news: News, notices: int) -> None:
    """Do for each notice what the app does: pull, then work."""
    for _ in range(notices):
        app.pull(*news.get(timeout=30))
        app.work()


def said(world: httpx.Client, path: str) -> list[str]:
    lines: list[dict[str, Any]] = world.get(f"{path}/transcript").json()["entries"]
    return [line["body"]["content"] for line in lines if line["direction"] == "app"]


def content(world: httpx.Client) -> bool:
    judged = world.get("/judge").json()
    assert judged["broken"] == {}, judged["examples"]
    return bool(judged["unanswered"] == 0)


def test_the_callback_url_passes_the_check(world: httpx.Client) -> None:
    assert world.post("/control/callback/verify").json() == {"ok": True, "fault": ""}


def test_it_welcomes_and_answers_in_parts_that_fit(
    world: httpx.Client, app: RawApp, news: tuple[News, str]
) -> None:
    path = chat(world)
    world.post(f"{path}/enter", json={})
    serve(app, news[0], 1)
    world.post(f"{path}/messages", json={"text": "好" * 1000})
    serve(app, news[0], 1)
    welcome, *parts = said(world, path)
    assert (welcome, "".join(parts), len(parts)) == ("欢迎！", "您说的是：" + "好" * 1000, 2)
    assert set(app.outcomes().values()) == {"sent"}
    assert content(world)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_after", "api": "send_msg"},
        {"kind": "cut_json", "api": "send_msg"},
        {"kind": "drop_before", "api": "send_msg"},
        {"kind": "token_ended", "api": "send_msg"},
        {"kind": "notice_doubled", "api": "callback"},
        {"kind": "cursor_lost", "api": "sync_msg", "times": None},
        {"kind": "empty_page", "api": "sync_msg"},
        {"kind": "short_page", "api": "sync_msg"},
    ],
)
def test_a_fault_neither_loses_nor_doubles_an_answer(
    world: httpx.Client, app: RawApp, news: tuple[News, str], fault: dict[str, Any]
) -> None:
    path = chat(world)
    world.post(f"{path}/messages", json={"text": "zuvor"})
    serve(app, news[0], 1)
    world.post("/control/faults", json=fault).raise_for_status()
    world.post(f"{path}/messages", json={"text": "eins"})
    world.post(f"{path}/messages", json={"text": "zwei"})
    serve(app, news[0], 3 if fault["kind"] == "notice_doubled" else 2)
    assert said(world, path) == [f"您说的是：{text}" for text in ("zuvor", "eins", "zwei")]
    assert content(world)


def test_a_lost_notice_is_made_good_by_the_slow_poll(world: httpx.Client, app: RawApp) -> None:
    path = chat(world)
    world.post(f"{path}/messages", json={"text": "ungemeldet", "notify": False})
    app.pull(path.split("/")[3])
    app.work()
    assert said(world, path) == ["您说的是：ungemeldet"]
    assert content(world)


def test_a_new_process_goes_on_where_the_old_one_was_stopped(
    world: httpx.Client, app: RawApp, news: tuple[News, str], tmp_path: Path
) -> None:
    path = chat(world)
    world.post(f"{path}/messages", json={"text": "eins"})
    app.pull(*news[0].get(timeout=30))  # stored, not yet answered
    world.post(f"{path}/messages", json={"text": "zwei"})
    successor = RawApp(str(world.base_url), CORP_ID, SECRET, tmp_path / "app.db")
    serve(successor, news[0], 1)
    successor.close()
    assert said(world, path) == ["您说的是：eins", "您说的是：zwei"]
    assert content(world)


def test_a_failure_told_later_changes_the_outcome(
    world: httpx.Client, app: RawApp, news: tuple[News, str]
) -> None:
    path = chat(world)
    fault = {"kind": "send_fail", "api": "send_msg", "seconds": 0, "fail_type": 13}
    world.post("/control/faults", json=fault)
    world.post(f"{path}/messages", json={"text": "eins"})
    serve(app, news[0], 2)
    deadline = time.monotonic() + 30
    while set(app.outcomes().values()) != {"failed 13"}:
        assert time.monotonic() < deadline
        app.work()


def test_it_answers_no_servicer(world: httpx.Client, app: RawApp, news: tuple[News, str]) -> None:
    path = chat(world)
    world.post(f"{path}/messages", json={"text": "eins"})
    serve(app, news[0], 1)
    for deed in ({"action": "take"}, {"action": "say", "text": "Ich bin da"}):
        world.post(f"{path}/servicer", json={"userid": "zhangsan"} | deed).raise_for_status()
    serve(app, news[0], 2)
    assert said(world, path) == ["您说的是：eins"]
    assert content(world) is True
