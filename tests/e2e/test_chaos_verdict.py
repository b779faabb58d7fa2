"""The verdict on a chaos run sees each kind of damage, and none where there is none."""

from dataclasses import replace
from typing import Any

import pytest
from kf_cli.simulator import Chat, Line

from tests.e2e.chaos.crowd import Customer
from tests.e2e.chaos.plan import SHORT, Kind, blows, victims
from tests.e2e.chaos.records import Records
from tests.e2e.chaos.verdict import judge

WHO = "wm1"
CROWD = [Customer(Chat("wk1", WHO), ["q1", "q2"], [("m1", "第一个答案"), ("m2", "第二个答案")])]


def line(number: int, msgid: str, text: str) -> Line:
    return Line(number, "app", msgid, "text", text, failed=False)


def message(turn_id: str, status: str = "answered", reason: str = "") -> dict[str, Any]:
    return {"external_userid": WHO, "status": status, "reason": reason, "turn_id": turn_id}


def turn(position: int, *msgids: str) -> dict[str, Any]:
    ids = {"external_userid": WHO, "position": position, "msgids": list(msgids)}
    return ids | {"outcome": "answered", "passage_ids": ["p1"]}


def part(turn_id: str, msgid: str, seq: int, text: str) -> dict[str, Any]:
    ids = {"external_userid": WHO, "msgid": msgid, "turn_id": turn_id}
    return ids | {"part_no": 0, "status": "sent", "seq": seq, "text": text}


def broken(rule: str, msgid: str) -> dict[str, Any]:
    return {"broken": {rule: 1}, "examples": [{"rule": rule, "msgid": msgid}]}


GOOD = Records(
    messages={"m1": message("t1"), "m2": message("t2")},
    turns={"t1": turn(1, "m1"), "t2": turn(2, "m2")},
    parts=[part("t1", "a1", 1, "第一个答案"), part("t2", "a2", 2, "第二个答案")],
    transcripts={WHO: [line(0, "a1", "第一个答案"), line(1, "a2", "第二个答案")]},
    judge={"broken": {"late_callback": 3}, "examples": []},
    delivered={"m1": ["delivered"], "m2": ["waiting", "delivered"]},
    open=[],
)
SHOWN = GOOD.transcripts[WHO]


def test_a_good_run_has_no_findings() -> None:
    assert judge(GOOD, CROWD).clean


@pytest.mark.parametrize(
    ("kind", "records"),
    [
        ("lost", replace(GOOD, messages={"m1": message("t1")})),
        ("lost", replace(GOOD, messages=GOOD.messages | {"m2": message("", "ignored", "too_old")})),
        ("lost", replace(GOOD, transcripts={WHO: SHOWN[:1]})),
        ("lost", replace(GOOD, parts=[GOOD.parts[0], part("t2", "a2", 2, "别的")])),
        ("duplicated", replace(GOOD, transcripts={WHO: [*SHOWN, line(2, "a2", "第二个答案")]})),
        ("duplicated", replace(GOOD, transcripts={WHO: [*SHOWN, line(2, "a3", "多余")]})),
        ("duplicated", replace(GOOD, turns=GOOD.turns | {"t2": turn(2, "m1", "m2")})),
        ("reordered", replace(GOOD, transcripts={WHO: SHOWN[::-1]})),
        ("limit broken", replace(GOOD, judge={"broken": {"over_rate": 1}, "examples": []})),
        ("rule broken", replace(GOOD, judge=broken("parallel_sends", "a1"))),
        ("rule broken", replace(GOOD, judge=broken("duplicate_answer", "a2"))),
        ("untraced", replace(GOOD, delivered={"m1": ["delivered"]})),
        ("untraced", replace(GOOD, delivered=GOOD.delivered | {"m2": ["sending"]})),
        ("left open", replace(GOOD, open=["command held: wk1/wm1 c1"])),
    ],
)
def test_damage_is_found(kind: str, records: Records) -> None:
    assert judge(records, CROWD).findings[kind]


def test_an_apology_is_counted_and_not_called_lost() -> None:
    turns = GOOD.turns | {"t2": GOOD.turns["t2"] | {"outcome": "apologised"}}
    parts = [GOOD.parts[0], part("t2", "a2", 2, "抱歉，稍后再试")]
    same_words = broken("duplicate_answer", "a2")
    verdict = judge(replace(GOOD, turns=turns, parts=parts, judge=same_words), CROWD)
    assert verdict.clean
    assert verdict.substitutes == {"apologised": 1}


def test_a_plan_follows_from_its_seed_and_spares_nobody() -> None:
    assert blows(SHORT, 7) == blows(SHORT, 7) != blows(SHORT, 8)
    killed = {blow.victim for blow in blows(SHORT, 7) if blow.kind is Kind.KILL}
    assert killed == set(victims(SHORT.replicas))
