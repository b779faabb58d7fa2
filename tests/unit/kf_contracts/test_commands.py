"""Whatever is on KF_OUTBOUND is read by its kind; what is none is refused without its words."""

from datetime import UTC, datetime

import pytest
from kf_contracts.commands import Command, EndSession, HandOver, SendContent, SendOnEvent, decode_command
from kf_contracts.events import PayloadError, SendReply

IDS = {"command_id": "c1", "open_kfid": "wk1", "external_userid": "wm1"}
COMMANDS: list[Command] = [
    SendReply(**IDS, turn_id="t1", in_reply_to=("m1",), text="您好"),
    SendOnEvent(**IDS, code="code", text="欢迎", expires_at=datetime(2030, 1, 1, tzinfo=UTC)),
    SendContent(**IDS, msgtype="msgmenu", text="菜单", fields={"head_content": "请选择"}),
    HandOver(**IDS, servicer_userids=("zhangsan",)),
    EndSession(**IDS, farewell="再见"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_every_command_survives_the_wire(command: Command) -> None:
    assert decode_command(command.encode()) == command
    assert "wm1" not in repr(command)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"kind":"dance"}', b'{"kind":"send_on_event","text":"geheim"}', b"\xff"]
)
def test_what_is_no_command_is_refused_without_its_words(data: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        decode_command(data)
    assert "geheim" not in str(caught.value)


def test_a_newer_schema_is_refused() -> None:
    newer = HandOver(**IDS, schema_version=99)
    with pytest.raises(PayloadError, match="newer"):
        decode_command(newer.encode())
