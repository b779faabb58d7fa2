"""One Chromium for the session, and a simulator that tests of its page share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kf_cli import embedded

from tests.browser import chromium
from tests.browser.world import World


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    """A running Chromium; without one the tests skip, or fail where KF_BROWSER_TESTS=required."""
    if chromium.executable() is None:
        message = "no Chromium here; on Debian: apt-get install chromium fonts-wqy-microhei"
        if os.environ.get("KF_BROWSER_TESTS") == "required":
            pytest.fail(message)
        pytest.skip(message)
    with chromium.running(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(scope="session")
def simulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = embedded.free_port()
    settings = [
        f"KF_SIMULATOR_PORT={port}",
        "KF_SIMULATOR_TRACES_URL=http://127.0.0.1:9/traces",
        "KF_SIMULATOR_SUGGESTIONS=耳机怎么配对？|保修多久？",
    ]
    log: Path = tmp_path_factory.mktemp("simulator") / "simulator.log"
    with embedded.Child("simulator", ["env", *settings, sys.executable, "-m", "kf_simulator"], port, log):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def world(simulator_url: str) -> Iterator[World]:
    """A simulator as after its start."""
    with httpx.Client(base_url=simulator_url, timeout=30) as http:
        http.post("/control/reset").raise_for_status()
        for account in http.get("/control/accounts").json():
            http.patch(f"/control/accounts/{account['open_kfid']}", json={"reception": "assistant"})
        yield World(http)
