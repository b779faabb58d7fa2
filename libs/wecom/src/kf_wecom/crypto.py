"""Callback crypto: signature, AES-256-CBC with 32-byte padding and the receiveid check, free of I/O.

CallbackError
├── SignatureError       msg_signature does not fit token, timestamp, nonce and ciphertext
├── DecryptionError      not base64, wrong length, bad padding or an impossible msg_len
├── ReceiveIdError       decrypted well, but meant for another corp or suite
└── MalformedNoticeError (raised by kf_wecom.notice) the XML is not a callback

A malformed Token or EncodingAESKey is a ValueError that names the mend.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_TOKEN = re.compile(r"[A-Za-z0-9]{1,32}")
_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")
_AES_BLOCK = 16
_PAD_BLOCK = 32
_RANDOM = 16
_HEADER = _RANDOM + 4


class CallbackError(Exception):
    """A callback that must not be acted upon."""


class SignatureError(CallbackError):
    """The signature does not match: wrong Token, or not WeCom."""


class DecryptionError(CallbackError):
    """The ciphertext does not decrypt to a message; its text says which step failed."""


class ReceiveIdError(CallbackError):
    """The message is meant for another corp or suite."""


class MalformedNoticeError(CallbackError):
    """The XML is not a callback body; its text says what is missing."""


class CallbackCrypto:
    """Signs, verifies, encrypts and decrypts callbacks of one app.

    `token` and `encoding_aes_key` are those of the app's callback configuration; `receive_id` is the corp id
    for a self-built app.
    """

    def __init__(self, token: str, encoding_aes_key: str, receive_id: str) -> None:
        if not _TOKEN.fullmatch(token):
            raise ValueError(
                "the callback Token must be 1 to 32 letters and digits: copy it from the app's 接收消息 page"
            )
        self._token = token.encode()
        self._receive_id = receive_id.encode()
        key = decode_aes_key(encoding_aes_key)
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:_AES_BLOCK]))

    def signature(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """Lowercase hex SHA-1 over the byte-wise sorted parts (doc 91144)."""
        parts = [part.encode(errors="backslashreplace") for part in (timestamp, nonce, encrypted)]
        return hashlib.sha1(b"".join(sorted([self._token, *parts])), usedforsecurity=False).hexdigest()

    def verify(self, signature: str, timestamp: str, nonce: str, encrypted: str) -> None:
        """Raise SignatureError unless `signature` fits; compares in constant time."""
        expected = self.signature(timestamp, nonce, encrypted).encode()
        if not hmac.compare_digest(expected, signature.encode(errors="backslashreplace")):
            raise SignatureError("msg_signature does not match: check WECOM_TOKEN against the app's Token")

    def decrypt(self, encrypted: str) -> bytes:
        """The message inside; DecryptionError or ReceiveIdError otherwise. Verify first."""
        decryptor = self._cipher.decryptor()
        plain = unpad(decryptor.update(_ciphertext(encrypted)) + decryptor.finalize())
        if len(plain) < _HEADER:
            raise DecryptionError("the plaintext is shorter than its header")
        (length,) = struct.unpack_from(">I", plain, _RANDOM)
        end = _HEADER + length
        if end > len(plain):
            raise DecryptionError("msg_len is longer than the plaintext")
        if not hmac.compare_digest(plain[end:], self._receive_id):
            raise ReceiveIdError("receiveid is not ours: check WECOM_CORP_ID")
        return plain[_HEADER:end]

    def encrypt(self, message: bytes, random16: bytes | None = None) -> str:
        """Base64 ciphertext as WeCom would send it; `random16` is for test vectors only."""
        prefix = secrets.token_bytes(_RANDOM) if random16 is None else random16
        if len(prefix) != _RANDOM:
            raise ValueError("random16 must be 16 bytes")
        plain = pad(prefix + struct.pack(">I", len(message)) + message + self._receive_id)
        encryptor = self._cipher.encryptor()
        return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


def decode_aes_key(encoding_aes_key: str) -> bytes:
    """The 32-byte AES key; ValueError with the mend if the form is wrong.

    The 43rd character may carry spare bits (Tencent's own sample does), so decoding is lenient about them.
    """
    if not _AES_KEY.fullmatch(encoding_aes_key):
        raise ValueError(
            "EncodingAESKey must be 43 letters and digits: copy it whole from the app's 接收消息 page"
        )
    return base64.b64decode(encoding_aes_key + "=")


def pad(plain: bytes) -> bytes:
    """PKCS#7 with block 32: adds 1 to 32 bytes."""
    count = _PAD_BLOCK - len(plain) % _PAD_BLOCK
    return plain + bytes([count]) * count


def unpad(padded: bytes) -> bytes:
    """Take PKCS#7 with block 32 off, validating every pad byte."""
    count = padded[-1] if padded else 0
    if not 1 <= count <= _PAD_BLOCK or padded[-count:] != bytes([count]) * count:
        raise DecryptionError("the padding is wrong: check WECOM_ENCODING_AES_KEY")
    return padded[:-count]


def _ciphertext(encrypted: str) -> bytes:
    try:
        data = binascii.a2b_base64(encrypted, strict_mode=True)
    except ValueError as error:  # binascii.Error, or non-ASCII text
        raise DecryptionError("the ciphertext is not base64") from error
    if not data or len(data) % _AES_BLOCK:
        raise DecryptionError("the ciphertext is not a whole number of AES blocks")
    return data
