"""The way of a customer message: which traces lack an answer, and what a list row says of the end."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kf_traces.remedy import explain
from kf_traces.search import TraceFilter
from kf_traces.span import Span, Value
from kf_traces.store import Store

NUMBERS = count(1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "traces.db", 2**26)
    yield store
    store.close()


def span(trace: int, name: str, attributes: dict[str, Value], end: int = 200) -> Span:
    return Span(
        *(f"{trace:032x}", f"{next(NUMBERS):016x}", "", name, "kf-x", "internal", 100, end, "unset", "", ""),
        *({}, attributes, (), ()),
    )


def received(trace: int, msgid: str, outcome: str = "new", account: str = "wk1") -> Span:
    told: dict[str, Value] = {"kf.msgid": msgid, "kf.outcome": outcome, "kf.open_kfid": account}
    return span(trace, "process kf.inbound.{open_kfid}", told)


def turn(trace: int, turn_id: str, *msgids: str, outcome: str = "answered") -> Span:
    return span(
        trace, "turn", {"kf.turn_id": turn_id, "kf.msgids": list(msgids), "kf.outcome": outcome}, end=300
    )


def stored(trace: int, turn_id: str) -> Span:
    told: dict[str, Value] = {
        "kf.turn_id": turn_id,
        "kf.command_id": f"{turn_id}-1",
        "kf.outcome": "stored",
    }
    return span(trace, "process kf.outbound.{open_kfid}", told)


def send(trace: int, turn_id: str, outcome: str, end: int = 400, part: int = 1, parts: int = 1) -> Span:
    told: dict[str, Value] = {
        "kf.command_id": f"{turn_id}-1",
        "kf.part": part,
        "kf.parts": parts,
        "kf.outcome": outcome,
        "kf.errcode": 0 if outcome == "delivered" else 95018,
    }
    return span(trace, "send", told, end)


def rows(store: Store, **conditions: Any) -> list[dict[str, Any]]:
    while store.refresh(1):
        pass
    return [json.loads(row["row"]) for row in store.list_traces(TraceFilter(**conditions))]


def outcome(store: Store, trace: int = 1) -> str | None:
    [row] = [row for row in rows(store) if row["trace_id"] == f"{trace:032x}"]
    text: str | None = row["outcome"]
    return text


def unanswered(store: Store) -> list[int]:
    return sorted(int(row["trace_id"], 16) for row in rows(store, unanswered=True))


def test_a_message_waits_until_its_last_part_is_delivered(store: Store) -> None:
    said = []
    for more in (
        received(1, "M"),
        turn(1, "T", "M"),
        stored(1, "T"),
        send(1, "T", "retry", end=400, parts=2),
        send(1, "T", "delivered", end=500, parts=2),
    ):
        store.add([more])
        said.append(outcome(store))
    assert said == ["waiting", "answered", "answered", "retry", "sending"]
    assert unanswered(store) == [1]

    store.add([send(1, "T", "delivered", end=600, part=2, parts=2)])

    assert (outcome(store), unanswered(store)) == ("delivered", [])


def test_attempts_that_arrive_in_the_wrong_order_change_nothing(store: Store) -> None:
    store.add([send(1, "T", "delivered", end=500), send(1, "T", "retry", end=400), stored(1, "T")])
    store.add([turn(1, "T", "M"), turn(1, "S", "M", outcome="superseded"), received(1, "M")])

    assert (outcome(store), unanswered(store)) == ("delivered", [])


def test_a_merged_turn_answers_the_messages_of_other_traces(store: Store) -> None:
    store.add([received(1, "A"), received(2, "B"), received(3, "C")])
    store.add([turn(2, "T", "A", "B"), stored(2, "T"), send(2, "T", "delivered")])

    assert unanswered(store) == [3]
    assert outcome(store, 1) == "delivered"


def test_the_message_without_an_answer_tells_the_end_of_a_shared_trace(store: Store) -> None:
    store.add([received(1, "A"), received(1, "B")])
    store.add([turn(1, "T", "A"), stored(1, "T"), send(1, "T", "delivered")])
    store.add([turn(1, "U", "B"), stored(1, "U"), send(1, "U", "park")])

    assert (outcome(store), unanswered(store)) == ("park", [1])


def failed(trace: int, turn_id: str, end: int) -> Span:
    told: dict[str, Value] = {"kf.command_id": f"{turn_id}-1", "kf.outcome": "send_failed_held"}
    return span(trace, "process kf.inbound.{open_kfid}", told, end)


def test_a_message_that_wecom_took_and_did_not_deliver_is_unanswered_until_it_is_sent_anew(
    store: Store,
) -> None:
    store.add([received(1, "M"), turn(1, "T", "M"), stored(1, "T"), send(1, "T", "delivered")])
    store.add([failed(2, "T", end=500)])
    assert (outcome(store), unanswered(store)) == ("send_failed_held", [1])

    store.add([send(1, "T", "delivered", end=900)])
    assert (outcome(store), unanswered(store)) == ("delivered", [])


def test_what_needs_no_answer_is_not_unanswered(store: Store) -> None:
    store.add([received(1, "H", "history"), received(2, "D", "duplicate"), received(3, "E", "event:x")])

    assert unanswered(store) == []
    assert outcome(store) is None


def test_the_list_can_be_narrowed_to_an_account(store: Store) -> None:
    store.add([received(1, "A", account="wk1"), received(2, "B", account="wk2")])

    assert [(row["trace_id"], row["account"]) for row in rows(store, account="wk2")] == [(f"{2:032x}", "wk2")]
    assert [tuple(row) for row in store.accounts()] == [("wk1", 1), ("wk2", 1)]


def test_errcodes_of_a_trace_are_listed_without_success(store: Store) -> None:
    store.add([received(1, "A"), send(1, "T", "retry"), send(1, "T", "delivered", end=500)])

    assert rows(store)[0]["errcodes"] == ["95018"]


def test_an_errcode_is_explained_in_both_languages() -> None:
    told = explain([95018, 0, "x", 60020, 123456])

    assert sorted(told) == ["123456", "60020", "95018"]
    assert told["95018"]["error_class"] == "state"
    assert all(text for part in ("cause", "remedy") for text in told["60020"][part].values())
    assert "{" not in str(told["60020"]["remedy"].values())
