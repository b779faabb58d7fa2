"""The callback body: outer extraction without a parser, inner XML without entities."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_wecom.crypto import MalformedNoticeError
from kf_wecom.notice import (
    AccountAuthChanged,
    KfNotice,
    UnknownEvent,
    extract_encrypted,
    parse_notice,
)

NODES = [
    "<ToUserName><![CDATA[ww0123456789abcdef]]></ToUserName>",
    "<CreateTime>1700000000</CreateTime>",
    "<MsgType><![CDATA[event]]></MsgType>",
    "<Event><![CDATA[kf_msg_or_event]]></Event>",
    "<Token><![CDATA[ENCtok1]]></Token>",
    "<OpenKfId><![CDATA[wkSim0001]]></OpenKfId>",
]


def xml(*nodes: str) -> bytes:
    return f"<xml>{''.join(nodes)}</xml>".encode()


@pytest.mark.parametrize(
    "body",
    [
        b"<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt><![CDATA[QUJD+/==]]></Encrypt></xml>",
        b"<xml><Encrypt>QUJD+/==</Encrypt><AgentID></AgentID></xml>",
        b"<xml>\n <Encrypt>\n <![CDATA[ QUJD+/== ]]> \n</Encrypt>\n</xml>",
    ],
)
def test_the_ciphertext_is_found_with_and_without_cdata(body: bytes) -> None:
    assert extract_encrypted(body) == "QUJD+/=="


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<xml></xml>",
        b"<xml><Encrypt></Encrypt></xml>",
        b"<xml><Encrypt><![CDATA[a b]]></Encrypt></xml>",
        b"<xml><Encrypt>QUJD</encrypt></xml>",
        b"<xml><Encrypt>QUJD</Encrypt><Encrypt>REVG</Encrypt></xml>",
        b"\xff\xfe<Encrypt>&a;</Encrypt>",
    ],
)
def test_a_body_without_exactly_one_ciphertext_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedNoticeError):
        extract_encrypted(body)


@pytest.mark.parametrize(
    "hostile",
    [
        b"<Encrypt>" + b" " * 65000,
        b"<Encrypt>" + b"A" * 65000,
        b"<Encrypt>" * 7000,
        b"<Encrypt><![CDATA[" * 3600,
    ],
)
def test_a_hostile_body_is_refused_without_backtracking(hostile: bytes) -> None:
    with pytest.raises(MalformedNoticeError):
        extract_encrypted(hostile)


def test_a_notice_is_read_whatever_the_order_of_its_nodes() -> None:
    for seed in range(20):
        nodes = random.Random(seed).sample(NODES, len(NODES))
        assert parse_notice(xml(*nodes)) == KfNotice("wkSim0001", "ENCtok1", 1700000000)


def test_a_notice_is_read_without_cdata_and_with_white_space() -> None:
    body = b"<?xml version='1.0' encoding='UTF-8'?>\n" + xml(
        *(node.replace("<![CDATA[", " ").replace("]]>", "\n") for node in NODES)
    )
    assert parse_notice(body) == KfNotice("wkSim0001", "ENCtok1", 1700000000)


def test_granted_and_taken_accounts_are_listed_in_order() -> None:
    body = xml(
        "<FromUserName>sys</FromUserName><MsgType>event</MsgType><Event>kf_account_auth_change</Event>",
        "<AuthAddOpenKfId>wk1</AuthAddOpenKfId><AuthDelOpenKfId>wk2</AuthDelOpenKfId>",
        "<AuthAddOpenKfId><![CDATA[wk3]]></AuthAddOpenKfId><AuthAddOpenKfId/>",
    )
    assert parse_notice(body) == AccountAuthChanged(added=("wk1", "wk3"), removed=("wk2",))


def test_another_event_is_unknown_not_an_error() -> None:
    assert parse_notice(xml("<MsgType>event</MsgType><Event>change_contact</Event>")) == UnknownEvent(
        "event", "change_contact"
    )
    assert parse_notice(xml("<MsgType>text</MsgType>")) == UnknownEvent("text", "")


@pytest.mark.parametrize("missing", range(len(NODES)))
def test_only_the_nodes_that_a_pull_needs_are_demanded(missing: int) -> None:
    body = xml(*(node for index, node in enumerate(NODES) if index != missing))
    if NODES[missing].startswith(("<ToUserName", "<MsgType")):
        assert isinstance(parse_notice(body), KfNotice)
    elif NODES[missing].startswith("<Event"):
        assert isinstance(parse_notice(body), UnknownEvent)
    else:
        with pytest.raises(MalformedNoticeError):
            parse_notice(body)


@pytest.mark.parametrize("open_kfid", ["wk.1", "wk*", "wk 1", ">", "w" * 65, "客服"])
def test_an_account_id_that_could_not_be_a_subject_is_refused(open_kfid: str) -> None:
    with pytest.raises(MalformedNoticeError):
        parse_notice(xml(*NODES[:-1], f"<OpenKfId>{open_kfid}</OpenKfId>"))


@pytest.mark.parametrize("created", ["", "soon", "-1", "1.5", "٣"])
def test_a_create_time_that_is_no_number_is_refused(created: str) -> None:
    with pytest.raises(MalformedNoticeError):
        parse_notice(xml(NODES[0], *NODES[2:], f"<CreateTime>{created}</CreateTime>"))


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xml><Event>&b;</Event></xml>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>',
        b"<xml><Event>&undeclared;</Event></xml>",
        b"<xml><Event>kf_msg_or_event</Event>",
        b"",
        b"not xml",
        b"<xml>\xff</xml>",
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x []><xml/>'.encode("utf-16"),
    ],
)
def test_doctypes_and_broken_xml_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedNoticeError):
        parse_notice(body)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_callback_errors(body: bytes) -> None:
    for read in (extract_encrypted, parse_notice):
        with pytest.raises(MalformedNoticeError):
            read(body)
