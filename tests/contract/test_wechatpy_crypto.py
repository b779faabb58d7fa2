"""Our callback crypto against a peer nobody here wrote: wechatpy's, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_wecom.crypto import CallbackCrypto, SignatureError
from kf_wecom.notice import KfNotice, extract_encrypted, parse_notice
from wechatpy.enterprise.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.utils import to_text

TOKEN, KEY, CORP = "simtoken01", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "ww0123456789abcdef"

ours = CallbackCrypto(TOKEN, KEY, CORP)
theirs = WeChatCrypto(TOKEN, KEY, CORP)

XML = (
    "<xml><ToUserName>{corp}</ToUserName><CreateTime>1700000000</CreateTime><MsgType>event</MsgType>"
    "<Event>kf_msg_or_event</Event><Token>{token}</Token><OpenKfId>wkSim0001</OpenKfId></xml>"
)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200).filter(lambda text: text == text.strip())
)
def test_what_wechatpy_encrypts_we_verify_and_decrypt(message: str) -> None:
    body = theirs.encrypt_message(message, "nonce1", "1700000000")
    encrypted = extract_encrypted(body.encode())
    signature = body.split("<MsgSignature><![CDATA[")[1].split("]]>")[0]
    ours.verify(signature, "1700000000", "nonce1", encrypted)
    assert ours.decrypt(encrypted).decode() == message


@pytest.mark.parametrize("length", range(1, 65))
def test_what_we_encrypt_wechatpy_verifies_and_decrypts(length: int) -> None:
    message = XML.format(corp=CORP, token="E" * length)
    encrypted = ours.encrypt(message.encode())
    signature = ours.signature("1700000000", "nonce1", encrypted)
    body = f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    assert to_text(theirs.decrypt_message(body, signature, "1700000000", "nonce1")) == message
    assert parse_notice(ours.decrypt(encrypted)) == KfNotice("wkSim0001", "E" * length, 1700000000)


def test_both_refuse_a_wrong_signature() -> None:
    encrypted = ours.encrypt(b"message")
    with pytest.raises(SignatureError):
        ours.verify("0" * 40, "1", "2", encrypted)
    with pytest.raises(InvalidSignatureException):
        theirs.decrypt_message(f"<xml><Encrypt>{encrypted}</Encrypt></xml>", "0" * 40, "1", "2")


def test_the_url_check_answers_what_wechatpy_would() -> None:
    echo = ours.encrypt(b"1616140317555161061")
    signature = ours.signature("1409659589", "263014780", echo)
    assert (
        to_text(theirs.check_signature(signature, "1409659589", "263014780", echo)) == "1616140317555161061"
    )
    assert ours.decrypt(echo) == b"1616140317555161061"
