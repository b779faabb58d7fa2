"""Each way in which a message can stand still has its own verdict, and a remedy where there is one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from kf_cli.doctor.catalogue import explained
from kf_cli.doctor.trail import Trail
from kf_cli.doctor.verdict import steps, verdict

NOW = datetime.now(UTC)
MESSAGE = {
    "open_kfid": "wk1",
    "external_userid": "wmSecretCustomer",
    "msgid": "m1",
    "msgtype": "text",
    "origin": 3,
    "status": "answered",
    "reason": "",
    "turn_id": "t1",
    "send_time": NOW,
    "received_at": NOW,
}
TURN = {"turn_id": "t1", "outcome": "answered", "model": "m", "handover_reason": "", "finished_at": NOW}
CONVERSATION = {"due_at": NOW, "holder": "bot", "holder_reason": "", "failures": 0, "is_overdue": False}


def command(status: str, **fields: Any) -> dict[str, Any]:
    plain = {"command_id": "c1", "kind": "send_reply", "reason": "", "errcode": None, "changed_at": NOW}
    return {**plain, "status": status, "parts_sent": 0, "parts_total": 1, **fields}


def trail(**fields: Any) -> Trail:
    return Trail("m1", **{"message": MESSAGE, "turn": TURN, "conversation": CONVERSATION, **fields})


STANDS_STILL = {
    "unknown": (Trail("m1"), "message.unknown"),
    "not_read": (Trail("m1", streamed_at=NOW), "message.not_read"),
    "given_up": (Trail("m1", dead_letters=((7, "undecodable"),)), "dead_letters"),
    "ignored": (trail(message={**MESSAGE, "status": "ignored", "reason": "recalled"}), ""),
    "waiting": (trail(message={**MESSAGE, "status": "new"}, turn=None), ""),
    "stuck": (trail(turn=None, conversation={**CONVERSATION, "is_overdue": True}), "turn.stuck"),
    "human": (trail(turn=None, conversation={**CONVERSATION, "holder": "servicer"}), ""),
    "unsent": (trail(unpublished=1), "message.unsent"),
    "silent": (trail(turn={**TURN, "outcome": "kept_quiet"}), ""),
    "queued": (trail(commands=(command("queued"),)), "message.queued"),
    "refused": (trail(commands=(command("queued"),), refused_with=48007), "errcode.48007"),
    "parked": (trail(commands=(command("parked", errcode=95018),)), "errcode.95018"),
    "held": (trail(commands=(command("held", errcode=95001),)), "errcode.95001"),
    "failed": (trail(commands=(command("sent"), command("failed", errcode=40058))), "errcode.40058"),
    "expired": (trail(commands=(command("expired"),)), ""),
    "sent": (trail(commands=(command("sent", parts_sent=2), command("sent", parts_sent=1))), ""),
}


@pytest.mark.parametrize("name", STANDS_STILL)
def test_the_verdict_names_where_it_stands_and_the_remedy(name: str) -> None:
    found, remedy = STANDS_STILL[name]
    said = verdict(found)
    assert said.name == name
    assert (said.finding.diagnosis if said.finding else "") == remedy
    assert "{" not in said.words.zh + said.words.en
    if said.finding:
        assert "<" not in explained(said.finding).remedy.zh


def test_the_steps_hold_no_customer_id_and_no_text() -> None:
    told = str(list(steps(trail(commands=(command("parked", errcode=95018, reason="a human has it"),)))))
    assert "wmSecretCustomer" not in told
    assert "sender.command" in told
    assert "errcode 95018" in told
