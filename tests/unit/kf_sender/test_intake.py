"""What is no command is refused with a reason that quotes nothing."""

import pytest
from kf_contracts.events import PayloadError
from kf_sender.intake import read

from tests.fakes.senders import command


def test_a_command_is_read_as_it_was_written() -> None:
    sent = command("c1")
    assert read(sent.encode()) == sent


@pytest.mark.parametrize(
    "fields",
    [{"open_kfid": "wk 1"}, {"open_kfid": "a.b"}, {"external_userid": ""}, {"external_userid": "wm\x00"}],
)
def test_what_cannot_be_stored_or_reported_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(PayloadError):
        read(command("c1", **fields).encode())


def test_a_refusal_quotes_no_value() -> None:
    with pytest.raises(PayloadError) as refusal:
        read(b'{"kind": "send_reply", "text": 5, "command_id": "geheim geheim"}')
    assert "geheim" not in str(refusal.value)
