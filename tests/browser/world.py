"""What browser tests do to the simulator behind the page, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx


class World:
    """The simulator's two sides over HTTP: the control API, and the app as WeCom knows it."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.url = str(http.base_url)
        query = {"corpid": "ww0123456789abcdef", "corpsecret": "simulator-secret"}
        self._token = http.get("/cgi-bin/gettoken", params=query).json()["access_token"]

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Call the control API."""
        reply = self.http.request(method, path, json=body or None)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def app(self, path: str, **body: Any) -> dict[str, Any]:
        """POST /cgi-bin/kf/<path> as the app."""
        query = {"access_token": self._token}
        reply: dict[str, Any] = self.http.post(f"/cgi-bin/kf/{path}", params=query, json=body).json()
        assert reply["errcode"] == 0, reply
        return reply

    def pull(self, account: int = 0) -> list[dict[str, Any]]:
        """Everything in an account's stream that a first pull gets."""
        token = self.control("POST", "/control/callback/tokens")["token"]
        page = self.app("sync_msg", open_kfid=self.account(account), token=token)
        return page["msg_list"]  # type: ignore[no-any-return]

    def send(self, content: str, **fields: Any) -> str:
        """The app writes to the first customer at the first account; the msgid."""
        body = fields or {"msgtype": "text", "text": {"content": content}}
        reply = self.app("send_msg", open_kfid=self.account(), touser=self.customer(), **body)
        return str(reply["msgid"])

    def media(self, media_id: str) -> bytes:
        """A file as the app downloads it."""
        query = {"access_token": self._token, "media_id": media_id}
        return self.http.get("/cgi-bin/media/get", params=query).content

    def account(self, index: int = 0) -> str:
        """open_kfid of an account."""
        return str(self.control("GET", "/control/accounts")[index]["open_kfid"])

    def customer(self, index: int = 0) -> str:
        """external_userid of a customer."""
        return str(self.control("GET", "/control/customers")[index]["external_userid"])
