"""What counts as a right answer in the demo, and that its script covers what the demo promises."""

import pytest
from kf_cli.layout import SAMPLE_ACCOUNTS
from kf_cli.scenario import CONVERSATIONS, Answer, faults


def test_the_right_answer_has_no_fault() -> None:
    assert faults(Answer(has=("2999",)), ["X2 Pro 售价 2999 元"]) == []


@pytest.mark.parametrize(
    ("answer", "parts", "said"),
    [
        (Answer(has=("2999",)), [], "0 messages came, 1 expected"),
        (Answer(has=("a",)), ["a", "b"], "2 messages came, 1 expected"),
        (Answer(parts=(2, 4)), ["a"], "1 messages came, 2 to 4 expected"),
        (Answer(parts=(2, 2)), ["a", "a"], "a message came twice"),
        (Answer(has=("一", "二"), parts=(2, 2)), ["二", "一"], "does not hold 一 … 二"),
        (Answer(), ["字" * 683], "longer than 2048 bytes"),
        (Answer(has_one_of=("没有", "未查到")), ["3 月 1 日"], "holds none of"),
        (Answer(lacks=("3 年",)), ["保修 3 年"], "the answer holds 3 年"),
    ],
)
def test_each_fault_is_named(answer: Answer, parts: list[str], said: str) -> None:
    assert any(said in fault for fault in faults(answer, parts))


def test_the_script_shows_what_it_promises() -> None:
    steps = [step for conversation in CONVERSATIONS for step in conversation.steps]
    assert len(CONVERSATIONS) >= 5
    assert {conversation.account for conversation in CONVERSATIONS} == set(SAMPLE_ACCOUNTS)
    assert any(len(step.says) == 3 for step in steps)
    assert any(step.answer.parts[0] > 1 for step in steps)
    assert any(len(conversation.steps) > 1 for conversation in CONVERSATIONS)
    assert any(step.msgtype != "text" for step in steps)


def test_the_script_fits_into_the_default_rate_limit() -> None:
    steps = [step for conversation in CONVERSATIONS for step in conversation.steps]
    assert sum(step.answer.parts[1] for step in steps) <= 20
