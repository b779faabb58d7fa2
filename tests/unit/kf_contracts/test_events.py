import pytest
from kf_contracts import subjects
from kf_contracts.events import MessageReceived, NoticeReceived, PayloadError, SendReply
from pydantic import ValidationError


def test_a_payload_survives_the_wire() -> None:
    notice = NoticeReceived(open_kfid="wk1", token="ENC1")
    assert NoticeReceived.decode(notice.encode()) == notice


def test_a_reader_ignores_fields_it_does_not_know() -> None:
    assert NoticeReceived.decode(b'{"open_kfid": "wk1", "colour": "red"}').open_kfid == "wk1"


def test_a_newer_schema_version_is_refused() -> None:
    with pytest.raises(PayloadError, match="newer than this reader"):
        NoticeReceived.decode(b'{"open_kfid": "wk1", "schema_version": 99}')


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"token": "x"}', b"\xff\xfe", b'{"open_kfid": 7}'])
def test_what_is_no_payload_is_refused(data: bytes) -> None:
    with pytest.raises(PayloadError):
        NoticeReceived.decode(data)


def test_a_refusal_names_the_field_and_never_the_value() -> None:
    with pytest.raises(PayloadError) as caught:
        MessageReceived.decode(b'{"open_kfid": "wk1", "msgid": {"secret": "13800138000"}}')
    assert "msgid" in str(caught.value)
    assert "13800138000" not in str(caught.value)


def test_text_and_customer_stay_out_of_repr() -> None:
    reply = SendReply(
        command_id="c1",
        open_kfid="wk1",
        external_userid="wmSecret",
        turn_id="t",
        in_reply_to=("m",),
        text="你好",
    )
    assert "wmSecret" not in repr(reply)
    assert "你好" not in repr(reply)


def test_payloads_are_immutable() -> None:
    notice = NoticeReceived(open_kfid="wk1")
    with pytest.raises(ValidationError):
        notice.open_kfid = "wk2"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["", "a.b", "*", ">", "a b", "wk\n", "中", "x" * 65])
def test_an_id_cannot_escape_its_subject_token(name: str) -> None:
    assert not subjects.is_open_kfid(name)
    with pytest.raises(PayloadError):
        subjects.subject(subjects.INBOUND, name)


def test_a_subject_is_prefix_and_account() -> None:
    assert subjects.subject(subjects.NOTICE, "wk_A-1") == "kf.notice.wk_A-1"
