"""Makes up every credential of a stack that has only the simulator to talk to: for compose, or in a cluster.

`credentials.py env` prints an env file for compose; `credentials.py secret NAME` fills the empty keys of an
existing Secret of this pod's namespace. Standard library only: it also runs before anything is installed.
"""

import base64
import json
import secrets
import ssl
import string
import sys
import urllib.request
from pathlib import Path

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_API = "https://kubernetes.default.svc"
_LETTERS_DIGITS = string.ascii_letters + string.digits
# The simulator makes its accounts' ids of it, and the settings name those.
_CORP_ID = "ww0123456789abcdef"
_ENV_HEAD = """\
# Made by `make compose-env`: a simulated WeCom and model, and made-up passwords. Not for git.
# For real customers: put your own values for WECOM_* and DEEPSEEK_API_KEY, and delete the four lines below.
COMPOSE_PROFILES=demo
WECOM_API_BASE=http://simulator:8090
DEEPSEEK_BASE_URL=http://simulator:8090/v1
# The ids follow from WECOM_CORP_ID and the accounts' order.
KF_DIALOG_COLLECTIONS=wkRb5s4nYqEHBKdM7XiK3URQwEz2W4q6=shop,wkRb5s4nYqEHtewgLRA6tVgTzA5bA4zf=saas
"""


def password() -> str:
    """Letters and digits, a letter first: safe inside a URL and inside nats-server's configuration."""
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(_LETTERS_DIGITS) for _ in range(31))


def aes_key() -> str:
    """43 characters that decode to 32 bytes with no bit left over."""
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=").translate({43: "A", 47: "B"})


def made_up() -> dict[str, str]:
    """A value for every name that the Secret `kefu` must hold."""
    names = (
        "WECOM_KF_SECRET",
        "WECOM_TOKEN",
        "DEEPSEEK_API_KEY",
        "POSTGRES_PASSWORD",
        "KF_DIALOG_DB_PASSWORD",
        "KF_KNOWLEDGE_DB_PASSWORD",
        "KF_SENDER_DB_PASSWORD",
        "KF_GATEWAY_NATS_PASSWORD",
        "KF_DIALOG_NATS_PASSWORD",
        "KF_SENDER_NATS_PASSWORD",
        "KF_OPERATOR_NATS_PASSWORD",
        "KF_ROUTE_NATS_PASSWORD",
    )
    passwords = {name: password() for name in names}
    return {"WECOM_CORP_ID": _CORP_ID, "WECOM_ENCODING_AES_KEY": aes_key(), **passwords}


def env_file() -> str:
    """The lines of an env file for compose."""
    return "\n".join([_ENV_HEAD, *(f"{name}={value}" for name, value in made_up().items()), ""])


def fill_secret(name: str) -> None:
    """Give every key that the Secret lacks a value; what is there stays, so a second run changes nothing."""
    namespace = (_ACCOUNT / "namespace").read_text(encoding="utf-8")
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    there = _call("GET", path).get("data") or {}
    missing = {key: value for key, value in made_up().items() if key not in there}
    if missing:
        _call("PATCH", path, {"stringData": missing})
    print(f"secret/{name}: {len(missing)} keys made, {len(there)} were there")


def _call(method: str, path: str, body: object = None) -> dict[str, dict[str, str]]:
    token = (_ACCOUNT / "token").read_text(encoding="utf-8")
    request = urllib.request.Request(
        _API + path,
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
    )
    trust = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trust, timeout=30) as reply:
        result: dict[str, dict[str, str]] = json.load(reply)
        return result


if __name__ == "__main__":
    if sys.argv[1:] == ["env"]:
        print(env_file(), end="")
    elif len(sys.argv) == 3 and sys.argv[1] == "secret":
        fill_secret(sys.argv[2])
    else:
        sys.exit("usage: credentials.py env | credentials.py secret NAME")
