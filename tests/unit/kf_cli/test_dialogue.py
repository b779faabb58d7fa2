"""The verdict on a demo: answers are told apart by step, traces by message."""

from kf_cli.demo import as_json, transcript, verdict
from kf_cli.dialogue import Outcome, judge_answers, trace_faults
from kf_cli.scenario import Answer, Conversation, Step
from kf_cli.simulator import Chat, Line
from rich.text import Text

TALK = Conversation(
    "小林", "店", "memory", (Step(("a?",), Answer(has=("A",))), Step(("b?",), Answer(has=("B",))))
)
FINE = {"broken": {}, "unanswered": 0}


def line(number: int, direction: str, text: str, *, failed: bool = False) -> Line:
    return Line(number, direction, f"m{number}", "text", text, failed)


def outcome(*lines: Line) -> Outcome:
    asked = [line.msgid for line in lines if line.direction == "customer"]
    return Outcome(TALK, Chat("wk", "wm"), [[msgid] for msgid in asked], list(lines))


RIGHT = (line(0, "customer", "a?"), line(1, "app", "A"), line(2, "customer", "b?"), line(3, "app", "B"))


def test_right_answers_in_their_steps_are_no_fault() -> None:
    assert judge_answers(outcome(*RIGHT)) == []


def test_an_answer_to_the_wrong_step_is_a_fault() -> None:
    swapped = (RIGHT[0], line(1, "app", "B"), RIGHT[2], line(3, "app", "A"))
    assert len(judge_answers(outcome(*swapped))) == 2


def test_a_late_double_is_a_fault() -> None:
    faults = judge_answers(outcome(*RIGHT, line(4, "app", "B")))
    assert any("a message came twice" in fault for fault in faults)


def test_a_step_that_was_never_reached_is_a_fault() -> None:
    assert any("broken off" in fault for fault in judge_answers(outcome(RIGHT[0])))


def test_a_message_that_failed_after_all_is_a_fault() -> None:
    lines = (*RIGHT[:3], line(3, "app", "B", failed=True))
    assert judge_answers(outcome(*lines)) == ["a message failed after it was sent"]


def test_a_message_without_a_trace_is_a_fault() -> None:
    assert any("process kf.inbound" in fault for fault in trace_faults(TALK.steps[0], {"m0": []}))


def test_the_verdict_names_customers_and_broken_rules() -> None:
    wrong = outcome(*RIGHT)
    wrong.faults = ["no answer"]
    judge = {"broken": {"duplicate_answer": 2}, "unanswered": 1}
    assert verdict([outcome(*RIGHT)], FINE) == []
    assert verdict([wrong], judge) == [
        "小林: no answer",
        "the judge counted 2 × duplicate_answer",
        "the judge found 1 chats without an answer",
    ]
    assert as_json([wrong], judge, ["x"])["ok"] is False


def test_a_transcript_shows_who_said_what_and_shortens_long_answers() -> None:
    long = outcome(RIGHT[0], line(1, "app", "长" * 500))
    shown = [Text.from_markup(markup).plain for markup in transcript(long)]
    assert shown[1] == "  客户 a?"
    assert shown[2].endswith("… (1500 bytes)")
