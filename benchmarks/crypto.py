"""How fast a callback is verified and decrypted, beside wechatpy and beside AES alone.

    python -m benchmarks.crypto [--rounds 20] [--json FILE]

All take the same envelope as WeCom posts it. wechatpy parses XML first and its signature check is not
constant in time; bare AES is base64 and one CBC decryption by `cryptography`, without any check.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from kf_wecom.crypto import CallbackCrypto, decode_aes_key
from kf_wecom.notice import extract_encrypted
from wechatpy.enterprise.crypto import WeChatCrypto

from benchmarks.measured import Figure, interleaved, ratio
from benchmarks.result import Result, Row, run

TOKEN, KEY, CORP = "simtoken01", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "ww0123456789abcdef"
STAMP, NONCE = "1700000000", "1372623149"
INNER = (
    f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><CreateTime>1700000000</CreateTime>"
    "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>"
    f"<Token><![CDATA[{'ENC' * 16}]]></Token><OpenKfId><![CDATA[{'wk' * 16}]]></OpenKfId></xml>"
).encode()
CALLS = 2000


def envelope(encrypted: str) -> str:
    """The body of a callback."""
    to = f"<ToUserName><![CDATA[{CORP}]]></ToUserName>"
    return f"<xml>{to}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"


def subjects() -> dict[str, Callable[[], object]]:
    """What is compared, each as one call."""
    ours, theirs = CallbackCrypto(TOKEN, KEY, CORP), WeChatCrypto(TOKEN, KEY, CORP)
    encrypted = ours.encrypt(INNER)
    signature = ours.signature(STAMP, NONCE, encrypted)
    body = envelope(encrypted)
    raw = body.encode()
    key = decode_aes_key(KEY)
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))

    def verified() -> bytes:
        text = extract_encrypted(raw)
        ours.verify(signature, STAMP, NONCE, text)
        return ours.decrypt(text)

    def bare() -> bytes:
        decryptor = cipher.decryptor()
        return decryptor.update(base64.b64decode(encrypted)) + decryptor.finalize()

    return {
        "kefu": verified,
        "wechatpy": lambda: theirs.decrypt_message(body, signature, STAMP, NONCE),
        "bare AES": bare,
    }


def per_second(call: Callable[[], object]) -> Callable[[], float]:
    """Calls per second of one core's CPU time."""

    def measure() -> float:
        began = time.process_time()
        for _ in range(CALLS):
            call()
        return CALLS / (time.process_time() - began)

    return measure


def measure(rounds: int) -> Result:
    """One run."""
    found = interleaved({name: per_second(call) for name, call in subjects().items()}, rounds)
    rows = [Row(f"verify + decrypt, {name}", "calls/s of a core", Figure.of(found[name])) for name in found]
    to_wechatpy, to_aes = (ratio(found["kefu"], found[name]) for name in ("wechatpy", "bare AES"))
    return Result(
        "crypto",
        [
            *rows,
            Row("kefu ÷ wechatpy", "×", to_wechatpy, "≥ 5", met=to_wechatpy.median >= 5, digits=2),
            Row("kefu ÷ bare AES", "×", to_aes, "≥ 0.55", met=to_aes.median >= 0.55, digits=2),
        ],
    )


if __name__ == "__main__":
    run(measure, __doc__ or "", rounds=20)
