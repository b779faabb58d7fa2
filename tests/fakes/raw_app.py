"""A whole KF app on httpx, sqlite3 and cryptography alone, by the client checklist (sheet section 13)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import re
import sqlite3
import struct
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cursor (open_kfid TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS inbox (msgid TEXT, open_kfid TEXT, item TEXT, answered INTEGER DEFAULT 0,
  PRIMARY KEY (open_kfid, msgid));
CREATE TABLE IF NOT EXISTS outbox (msgid TEXT PRIMARY KEY, customer TEXT, outcome TEXT NOT NULL);
"""
_TEXT_MAX_BYTES = 2048
_REFRESH = (40001, 40014, 42001)


class Crypto:
    """Signature and AES of the callback, written out from the documents."""

    def __init__(self, token: str, encoding_aes_key: str, corp_id: str) -> None:
        self._token, self._corp_id = token, corp_id
        self._key = base64.b64decode(encoding_aes_key + "=")

    def open(self, query: dict[str, str], encrypted: str) -> bytes:
        """The message inside; ValueError when signature, padding or receiver are wrong."""
        parts = sorted([self._token, query["timestamp"], query["nonce"], encrypted])
        if not hmac.compare_digest(hashlib.sha1("".join(parts).encode()).hexdigest(), query["msg_signature"]):
            raise ValueError("signature")
        decryptor = Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16])).decryptor()
        plain = decryptor.update(base64.b64decode(encrypted)) + decryptor.finalize()
        pad = plain[-1]
        if not 1 <= pad <= 32 or plain[-pad:] != bytes([pad]) * pad:
            raise ValueError("padding")
        (length,) = struct.unpack(">I", plain[16:20])
        message, receiver = plain[20 : 20 + length], plain[20 + length : -pad]
        if receiver != self._corp_id.encode():
            raise ValueError("receiver")
        return message


def handler(crypto: Crypto, news: queue.Queue[tuple[str, str]]) -> type[BaseHTTPRequestHandler]:
    """The callback URL (1): verify, decrypt, queue, 200; nothing else happens inside the request."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, encrypted: str) -> bytes:
            values = parse_qs(urlsplit(self.path).query)
            return crypto.open({name: value[0] for name, value in values.items()}, encrypted)

        def _reply(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._reply(self._answer(parse_qs(urlsplit(self.path).query)["echostr"][0]))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            message = self._answer(_node("Encrypt", body)).decode()
            news.put((_node("OpenKfId", message), _node("Token", message)))
            self._reply(b"success")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Keep quiet."""

    return Handler


class RawApp:
    """Pulls, stores and answers; every step may be cut off and done again."""

    def __init__(self, url: str, corp_id: str, secret: str, database: Path) -> None:
        self._http = httpx.Client(base_url=url, timeout=10)
        self._credentials = {"corpid": corp_id, "corpsecret": secret}
        self._token = ""
        self._database = sqlite3.connect(database)
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of connections and files."""
        self._http.close()
        self._database.close()

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST with the cached token, one refresh when it has ended; no loop on config errors (12)."""
        for _ in range(2):
            if not self._token:
                got = self._http.get("/cgi-bin/gettoken", params=self._credentials).json()
                assert got["errcode"] == 0, f"config error {got['errcode']}: stop and tell the operator"
                self._token = got["access_token"]
            query = {"access_token": self._token}
            reply: dict[str, Any] = self._http.post(f"/cgi-bin/kf/{path}", params=query, json=body).json()
            if reply["errcode"] not in _REFRESH:
                break
            self._token = ""
        return reply

    def pull(self, open_kfid: str, token: str = "") -> None:
        """All pages (3); items and cursor in one transaction (4)."""
        has_more, cursor = 1, self._cursor(open_kfid)
        while has_more:
            wanted = {"open_kfid": open_kfid, "limit": 100, "token": token, "cursor": cursor}
            page = self.call("sync_msg", {name: value for name, value in wanted.items() if value})
            if page["errcode"] == 95007:
                token = ""
                continue
            assert page["errcode"] == 0, page["errcode"]
            with self._database:
                for item in page["msg_list"]:
                    row = (item["msgid"], open_kfid, json.dumps(item))
                    self._database.execute("INSERT OR IGNORE INTO inbox VALUES (?, ?, ?, 0)", row)
                if page["next_cursor"]:
                    position = (open_kfid, page["next_cursor"])
                    self._database.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", position)
            has_more, cursor = page["has_more"], page["next_cursor"]

    def work(self) -> None:
        """Answer what is stored and not answered: customers (7), welcomes (11), failed sends (13)."""
        rows = self._database.execute(
            "SELECT msgid, open_kfid, item FROM inbox WHERE NOT answered ORDER BY rowid"
        ).fetchall()
        for msgid, open_kfid, text in rows:
            item = json.loads(text)
            if item["origin"] == 3:
                self._answer(open_kfid, item)
            elif item["msgtype"] == "event":
                self._react(msgid, item["event"])
            with self._database:
                self._database.execute("UPDATE inbox SET answered = 1 WHERE msgid = ?", (msgid,))

    def outcomes(self) -> dict[str, str]:
        """msgid to outcome of everything that was sent."""
        return dict(self._database.execute("SELECT msgid, outcome FROM outbox"))

    def _cursor(self, open_kfid: str) -> str:
        found = self._database.execute(
            "SELECT value FROM cursor WHERE open_kfid = ?", (open_kfid,)
        ).fetchone()
        return found[0] if found else ""

    def _answer(self, open_kfid: str, item: dict[str, Any]) -> None:
        said = item["text"]["content"] if item["msgtype"] == "text" else item["msgtype"]
        for number, part in enumerate(split(f"您说的是：{said}")):
            digest = hashlib.sha256(f"{item['msgid']}/{number}".encode()).hexdigest()[:32]
            ids = {"open_kfid": open_kfid, "touser": item["external_userid"], "msgid": digest}
            self._send("send_msg", ids | {"msgtype": "text", "text": {"content": part}})

    def _react(self, msgid: str, event: dict[str, Any]) -> None:
        if event["event_type"] == "msg_send_fail":
            with self._database:
                row = (f"failed {event['fail_type']}", event["fail_msgid"])
                self._database.execute("UPDATE outbox SET outcome = ? WHERE msgid = ?", row)
        elif welcome := event.get("welcome_code"):
            digest = hashlib.sha256(msgid.encode()).hexdigest()[:32]
            text = {"msgtype": "text", "text": {"content": "欢迎！"}}
            self._send("send_msg_on_event", {"code": welcome, "msgid": digest} | text)

    def _send(self, path: str, body: dict[str, Any]) -> None:
        """Stored before it is sent, and sent again under the same msgid when the outcome is unknown (9)."""
        with self._database:
            row = (body["msgid"], body.get("touser", ""), "unknown")
            self._database.execute("INSERT OR IGNORE INTO outbox VALUES (?, ?, ?)", row)
        for _ in range(3):
            try:
                reply = self.call(path, body)
            except (httpx.TransportError, ValueError):
                continue  # it may have been sent
            used = reply["errcode"] != 0 and "msgid has been used" in reply["errmsg"]
            outcome = "sent" if used or reply["errcode"] == 0 else f"refused {reply['errcode']}"
            with self._database:
                self._database.execute(
                    "UPDATE outbox SET outcome = ? WHERE msgid = ?", (outcome, body["msgid"])
                )
            return


def split(text: str) -> list[str]:
    """Parts of at most 2048 bytes, five at most, cut between characters (10)."""
    parts, part = [], ""
    for character in text:
        if len((part + character).encode()) > _TEXT_MAX_BYTES:
            parts.append(part)
            part = ""
        part += character
    return [*parts, part][:5]


def _node(name: str, xml: str) -> str:
    found = re.search(rf"<{name}><!\[CDATA\[(.*?)\]\]></{name}>", xml)
    assert found, f"no {name}"
    return found[1]
