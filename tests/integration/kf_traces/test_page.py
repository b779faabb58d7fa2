"""The page's port as a browser and a script meet it, and how the process refuses to start."""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from kf_traces.api import build_page_app
from kf_traces.metrics import Board
from kf_traces.store import Store
from kf_traces.writer import Writer


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    store = Store(tmp_path / "traces.db", 2**20)
    app = build_page_app(store, Writer(store), Board(), ["127.0.0.1"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client
    store.close()


@pytest.mark.parametrize("path", ["/", "/trace/0123", "/?q=M-1"])
async def test_every_address_of_the_page_serves_it_with_a_strict_policy(
    client: httpx.AsyncClient, path: str
) -> None:
    page = await client.get(path)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("name", "media_type"), [("app.js", "javascript"), ("app.css", "text/css"), ("icon.svg", "image/svg")]
)
async def test_static_files_are_packaged_and_asked_for_anew(
    client: httpx.AsyncClient, name: str, media_type: str
) -> None:
    file = await client.get(f"/static/{name}")

    assert (file.status_code, media_type in file.headers["content-type"]) == (200, True)
    assert file.headers["cache-control"] == "no-cache"


async def test_foreign_host_header_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/traces", headers={"Host": "rebound.example"})).status_code == 400


async def test_unchanged_list_is_not_sent_twice(client: httpx.AsyncClient) -> None:
    first = await client.get("/api/traces")

    again = await client.get("/api/traces", headers={"If-None-Match": first.headers["etag"]})

    assert (first.json(), again.status_code, again.content) == (
        {"traces": [], "next": None, "errcodes": {}},
        304,
        b"",
    )


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/traces?limit=many", 400, "limit"),
        ("/api/traces?min_ms=-1", 400, "min_ms"),
        ("/api/traces?before=99999999999999999999", 400, "before"),
        ("/api/traces?status=bad", 400, "status"),
        ("/api/spans?attribute=kf.msgid", 400, "value"),
        ("/api/traces/0123", 404, "0123"),
        ("/api/nothing", 404, "Not Found"),
    ],
)
async def test_bad_request_names_what_is_wrong(
    client: httpx.AsyncClient, path: str, status: int, said: str
) -> None:
    answer = await client.get(path)

    assert answer.status_code == status
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    "setting", ["KF_TRACES_PORT", "KF_TRACES_OTLP_GRPC_PORT", "KF_TRACES_OTLP_HTTP_PORT"]
)
def test_taken_port_ends_the_process_with_the_setting_to_change(tmp_path: Path, setting: str) -> None:
    ports = {"KF_TRACES_PORT": "0", "KF_TRACES_OTLP_GRPC_PORT": "0", "KF_TRACES_OTLP_HTTP_PORT": "0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "kf_traces"],
            env={"KF_TRACES_DATA_DIR": str(tmp_path), **ports, setting: port},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert ended.returncode == 1
    assert f"{setting}={port}" in ended.stderr
    assert "Traceback" not in ended.stderr
