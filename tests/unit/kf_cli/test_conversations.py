"""What `kf show` prints, and which payloads name a customer."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from kf_cli.conversations import transcript
from kf_cli.erasure import names
from kf_contracts.events import DeadLetter

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_transcript_has_both_sides_in_order_with_the_facts_of_each_turn() -> None:
    said: dict[str, Any] = {"origin": 3, "msgtype": "text", "status": "answered", "reason": ""}
    turn: dict[str, Any] = {
        "at": AT + timedelta(seconds=2),
        "reply": "七天内可以退",
        "outcome": "answered",
        "latency_seconds": 2.0,
        "model": "m",
        "input_tokens": 11,
        "output_tokens": 7,
        "cost": 0.0012,
        "currency": "CNY",
        "passage_ids": ["p1"],
        "handover_reason": "",
        "handover_result": "",
        "gap": "",
        "turn_id": "t1",
        "delivery": '[{"kind": "send_reply", "status": "sent"}]',
    }
    found = {
        "messages": [
            {**said, "at": AT + timedelta(seconds=9), "origin": 5, "text": "我来", "status": "ignored"},
            {**said, "at": AT, "text": "怎么退货"},
            {**said, "at": AT + timedelta(seconds=5), "text": "", "msgtype": "image", "status": "new"},
        ],
        "turns": [turn],
        "ratings": [{"at": AT + timedelta(seconds=20), "score": 1, "label": "满意"}],
    }
    lines = [line.split("  ", 1)[1] for line in transcript(found)]
    assert [line.split()[0] for line in lines] == ["customer", "bot", "customer", "servicer", "rated"]
    assert "[answered; 2.0 s; m 11+7 tokens; 0.0012 CNY; sources p1; send_reply sent; turn t1]" in lines[1]
    assert lines[2] == "customer [image]  (new)"


def test_a_customer_is_found_in_a_payload_and_inside_a_dead_letter() -> None:
    inside = base64.b64encode(b'{"external_userid": "wmGONE"}').decode()
    letter = DeadLetter(service="dialog", subject="kf.inbound.wk1", reason="unreadable", payload=inside)
    assert names(b'{"external_userid": "wmGONE"}', "wmGONE")
    assert names(letter.encode(), "wmGONE")
    assert not names(letter.encode(), "wmOTHER")
    assert not names(b"no json", "wmGONE")
