"""Callback crypto: the published and our own vectors, every pad length, every tampered byte."""

import base64
import string
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_wecom.crypto import (
    CallbackCrypto,
    DecryptionError,
    ReceiveIdError,
    SignatureError,
    decode_aes_key,
    pad,
    unpad,
)

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
CORP = "ww0123456789abcdef"
RANDOM16 = b"0123456789abcdef"
TIMESTAMP, NONCE = "1700000000", "1372623149"

XML = (
    b"<xml><ToUserName><![CDATA[ww0123456789abcdef]]></ToUserName><CreateTime>1700000000</CreateTime>"
    b"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>"
    b"<Token><![CDATA[ENCtok1]]></Token><OpenKfId><![CDATA[wkSim0001]]></OpenKfId></xml>"
)
VECTORS = {
    "get": (
        b"1234567890123456789",
        "4j/AuRx71kQlxVlzbpsMWPEOoXwCFLp+PtRNUFFDGb1iCCZLB7XncmFFvfVDkn37Hqjz6A9UCD7udrGGkoeejA==",
        "1da37ad4c794c1e80ea44be2ec3a41ef61259d7e",
    ),
    "full pad": (
        b"x" * 26,
        (
            "4j/AuRx71kQlxVlzbpsMWLdwa700XSzOWDMkXDdU+WosU+ewEoBShSctEkjIMzDluDA/lOKCdUZUkeU4RUQWvlb25E9mxr2aw2oTfGSP"
            "UbVQb5xl1a82fEMwdygm5OKw"
        ),
        "b3d2946f08766283a12c9437a00036302f6c4940",
    ),
    "post": (
        XML,
        (
            "4j/AuRx71kQlxVlzbpsMWKArmag+eIKe8fW3F8UUT6zgqFslIsz3VD92K10ujj3bRGlT4Ede4X1pbkSLTIlWRlhouZ7iKkA6j3peOFZd"
            "MrvKR5IeE5NU8rOV3Y5zZ883NMFdEHx3pCDDpP6JVvVJ6y/z+tiCwKH3y0zZPfcdTmRSj/9iEeJh+Eze5Ma517/EvqhALIlZueBteFsT"
            "IPUQrydOoYwvPx4+2xpzWqFKIv6m1yUKgYxG82TOYjq0XGJtunC0P71Os2AiYdOBYb6quFhlCHq3DbJ0TtWjFtt4AzBpf2z0AYDrVflw"
            "CaTYtPCDcuwBZTVWXWHijsv8KqyPFdOph5PBWeRUnD/UWs2939mJ+lQ2bdmKRfstRIE0WW9BencQIaQZpzcl6fzEHCfgjo0OK3ETXCFs"
            "6525p7rLrT8="
        ),
        "573feada066a1698f5eaa858ab462bdb122cbd4c",
    ),
}

crypto = CallbackCrypto("simtoken01", KEY, CORP)


def raw_encrypt(plain: bytes) -> str:
    """Encrypt whole blocks as they are, to build plaintexts that no honest peer makes."""
    encryptor = crypto._cipher.encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


@pytest.mark.parametrize("name", VECTORS)
def test_our_vectors_decrypt_encrypt_and_sign(name: str) -> None:
    message, encrypted, signature = VECTORS[name]
    crypto.verify(signature, TIMESTAMP, NONCE, encrypted)
    assert crypto.decrypt(encrypted) == message
    assert crypto.encrypt(message, RANDOM16) == encrypted
    assert crypto.signature(TIMESTAMP, NONCE, encrypted) == signature


def test_tencents_published_sample_verifies_and_decrypts() -> None:
    sample = CallbackCrypto("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
    echostr = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
    sample.verify("5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3", "1409659589", "263014780", echostr)
    assert sample.decrypt(echostr) == b"1616140317555161061"


def test_spare_bits_of_the_last_key_character_are_ignored() -> None:
    assert decode_aes_key(KEY) == decode_aes_key(KEY[:-1] + "9") == bytes(range(32))


@given(message=st.binary(max_size=300), receive_id=st.text(string.ascii_letters, max_size=40))
def test_what_is_encrypted_decrypts(message: bytes, receive_id: str) -> None:
    app = CallbackCrypto("t", KEY, receive_id)
    assert app.decrypt(app.encrypt(message)) == message


@pytest.mark.parametrize("count", range(1, 33))
def test_every_pad_length_round_trips(count: int) -> None:
    message = b"m" * (96 - 20 - len(CORP) - count)
    plain = RANDOM16 + struct.pack(">I", len(message)) + message + CORP.encode()
    assert pad(plain)[-1] == count
    assert crypto.decrypt(crypto.encrypt(message)) == message


@pytest.mark.parametrize("count", range(2, 33))
def test_every_pad_byte_is_checked(count: int) -> None:
    plain = bytes(64 - count)
    for position in range(count):
        broken = bytearray(plain + bytes([count]) * count)
        broken[64 - count + position] ^= 0x40
        with pytest.raises(DecryptionError):
            unpad(bytes(broken))


@pytest.mark.parametrize("count", [0, 33, 255])
def test_a_pad_byte_outside_1_to_32_is_refused(count: int) -> None:
    with pytest.raises(DecryptionError):
        unpad(bytes([count]) * 64)


def test_an_empty_plaintext_is_refused() -> None:
    with pytest.raises(DecryptionError):
        unpad(b"")


def test_tampering_any_byte_of_the_ciphertext_breaks_the_signature() -> None:
    _, encrypted, signature = VECTORS["get"]
    data = base64.b64decode(encrypted)
    for index in range(len(data)):
        broken = bytearray(data)
        broken[index] ^= 1
        with pytest.raises(SignatureError):
            crypto.verify(signature, TIMESTAMP, NONCE, base64.b64encode(broken).decode())


@pytest.mark.parametrize("index", range(40))
def test_tampering_any_character_of_the_signature_is_refused(index: int) -> None:
    _, encrypted, signature = VECTORS["get"]
    broken = signature[:index] + ("0" if signature[index] != "0" else "1") + signature[index + 1 :]
    with pytest.raises(SignatureError):
        crypto.verify(broken, TIMESTAMP, NONCE, encrypted)


@pytest.mark.parametrize(
    ("signature", "timestamp", "nonce"),
    [
        ("", TIMESTAMP, NONCE),
        ("签名", TIMESTAMP, NONCE),
        ("\ud800", TIMESTAMP, NONCE),
        (VECTORS["get"][2].upper(), TIMESTAMP, NONCE),
        (VECTORS["get"][2], "1700000001", NONCE),
        (VECTORS["get"][2], TIMESTAMP, "\udcff"),
    ],
)
def test_a_foreign_signature_is_refused_whatever_its_characters(
    signature: str, timestamp: str, nonce: str
) -> None:
    with pytest.raises(SignatureError):
        crypto.verify(signature, timestamp, nonce, VECTORS["get"][1])


@pytest.mark.parametrize("corp", ["ww0123456789abcdee", "", CORP + "x", CORP[:-1]])
def test_a_message_for_another_corp_is_refused(corp: str) -> None:
    with pytest.raises(ReceiveIdError):
        crypto.decrypt(CallbackCrypto("simtoken01", KEY, corp).encrypt(b"hello"))


@pytest.mark.parametrize(
    "encrypted", ["", "not base64!", "AAAA", "签名", "AAAA AAAA", VECTORS["get"][1][:-4], "=" * 16]
)
def test_what_is_not_whole_blocks_of_base64_is_refused(encrypted: str) -> None:
    with pytest.raises(DecryptionError):
        crypto.decrypt(encrypted)


def test_another_aes_key_is_refused() -> None:
    other = CallbackCrypto("simtoken01", KEY[::-1], CORP)
    with pytest.raises((DecryptionError, ReceiveIdError)):
        other.decrypt(VECTORS["post"][1])


@pytest.mark.parametrize("length", [1, 45, 2**31, 2**32 - 1])
def test_a_msg_len_beyond_the_plaintext_is_refused(length: int) -> None:
    plain = pad(RANDOM16 + struct.pack(">I", length) + b"")
    with pytest.raises(DecryptionError):
        crypto.decrypt(raw_encrypt(plain))


def test_a_plaintext_shorter_than_its_header_is_refused() -> None:
    with pytest.raises(DecryptionError):
        crypto.decrypt(raw_encrypt(pad(b"short")))


@given(st.text(max_size=200))
def test_decrypting_anything_raises_only_callback_errors(encrypted: str) -> None:
    with pytest.raises(DecryptionError):
        crypto.decrypt(encrypted)


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "A", KEY[:-1] + "=", KEY[:-1] + "-", KEY[:-1] + "\n"])
def test_a_malformed_aes_key_names_the_mend(key: str) -> None:
    with pytest.raises(ValueError, match="43 letters and digits"):
        CallbackCrypto("simtoken01", key, CORP)


@pytest.mark.parametrize("token", ["", "has space", "x" * 33, "令牌", "ok\n"])
def test_a_malformed_token_names_the_mend_and_not_itself(token: str) -> None:
    with pytest.raises(ValueError, match="1 to 32 letters and digits") as caught:
        CallbackCrypto(token, KEY, CORP)
    assert not token or token not in str(caught.value)
