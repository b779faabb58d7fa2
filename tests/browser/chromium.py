"""A real headless Chromium, driven over --remote-debugging-pipe; no extra package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
_CALL_SECONDS = 60.0
_WAIT_SECONDS = 30.0
_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def executable() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def running(folder: Path) -> Iterator[Chromium]:
    """A Chromium with its profile in `folder`, ended with the block."""
    path = executable()
    assert path, "no Chromium on this machine"
    read_commands, write_commands = os.pipe()
    read_events, write_events = os.pipe()
    # Out of the way of 3 and 4, where Chromium expects its ends.
    high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read_commands, write_events)]
    flags = [*_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, *map(str, high), path, *flags],
        pass_fds=high,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (read_commands, write_events, *high):
        os.close(end)
    try:
        yield Chromium(write_commands, read_events)
    finally:
        os.close(write_commands)
        os.close(read_events)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Chromium:
    """The browser: commands out, answers and events in."""

    def __init__(self, commands: int, events: int) -> None:
        self._commands = commands
        self._events = events
        self._received = b""
        self._number = 0
        self.trouble: list[str] = []

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command; AssertionError when the browser refuses it."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + _CALL_SECONDS
        while True:
            message = self._next(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]  # type: ignore[no-any-return]
            if _is_trouble(message):
                self.trouble.append(json.dumps(message["params"], ensure_ascii=False)[:500])

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._events], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "Chromium does not answer"
            chunk = os.read(self._events, 1 << 20)
            assert chunk, "Chromium has ended"
            self._received += chunk
        line, _, self._received = self._received.partition(b"\0")
        return json.loads(line)  # type: ignore[no-any-return]

    @contextmanager
    def page(self, url: str, width: int = 1280, height: int = 800, *, mobile: bool = False) -> Iterator[Page]:
        """A page of its own (nothing stored, no cookies) at a window size, closed with the block."""
        self.trouble.clear()
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "DOM"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        page.call("Page.navigate", url=url)
        page.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        try:
            yield page
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


def _is_trouble(message: dict[str, Any]) -> bool:
    if message.get("method") == "Log.entryAdded":
        entry = message["params"]["entry"]
        return entry["source"] != "network" and entry["level"] in ("warning", "error")
    return message.get("method") == "Runtime.exceptionThrown"


class Page:
    """One page, used as a person would: clicks at places, typed text, what is to be seen."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session

    @property
    def trouble(self) -> list[str]:
        """Uncaught errors and refused content of this page so far; failed requests are the page's matter."""
        self.js("0")
        return list(self._browser.trouble)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A DevTools command for this page."""
        return self._browser.call(method, self._session, **params)

    def js(self, expression: str) -> Any:
        """The value of an expression; promises are awaited."""
        reply = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def wait(self, expression: str, seconds: float = _WAIT_SECONDS) -> Any:
        """Wait until an expression is truthy and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.js(expression)):
            assert time.monotonic() < deadline, f"never true: {expression}\n{self.text()[:2000]}"
            time.sleep(0.05)
        return value

    def text(self, selector: str = "body") -> str:
        """The visible text of the first element that matches."""
        return str(self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def wait_text(self, selector: str, wanted: str) -> None:
        """Wait until the element's visible text contains something."""
        place, text = json.dumps(selector), json.dumps(wanted, ensure_ascii=False)
        self.wait(f"document.querySelector({place})?.innerText.includes({text})")

    def count(self, selector: str) -> int:
        """How many elements match."""
        return int(self.js(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def click(self, selector: str, number: int = 0) -> None:
        """Click on the middle of the n-th element that matches, once it is there, in view and enabled."""
        found = f"document.querySelectorAll({json.dumps(selector)})[{number}]"
        self.wait(f"{found} && !{found}.disabled && {found}.getClientRects().length > 0")
        self.js(f"{found}.scrollIntoView({{block: 'center'}})")
        box = self.js(f"{found}.getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str, *, enter: bool = False) -> None:
        """Click into a field and type."""
        self.click(selector)
        self.call("Input.insertText", text=text)
        if enter:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            self.call("Input.dispatchKeyEvent", type="keyDown", **key)
            self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self, path: Path) -> bytes:
        """Write a PNG of the window and return it."""
        picture = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
        return picture
