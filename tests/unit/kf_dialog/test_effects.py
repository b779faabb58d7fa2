"""What the sender is asked for after a turn, and what tapped lines mean."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kf_contracts.commands import EndSession, HandOver, SendContent
from kf_contracts.events import SendReply
from kf_dialog import effects, taps
from kf_dialog.accounts import Account
from kf_dialog.conversation import Answer, Handover, HandoverReason, Menu, MenuLine, Outcome, Question, Work
from kf_wecom.content import Menu as WecomMenu

TO = effects.Addressee("wk1", "wm1", "t1", ("m1",))
ANSWER = Answer("我要投诉", "好的", Outcome.ANSWERED)
ACCOUNT = Account()


def commands(answer: Answer, account: Account = ACCOUNT, *, is_open: bool = True) -> tuple[Any, ...]:
    return effects.commands_of(answer, account, TO, "zh", is_open=is_open)


def asked(*texts: tuple[str, str]) -> Work:
    ids = {"open_kfid": "wk1", "external_userid": "wm1", "send_time": 1, "origin": 3, "msgtype": "text"}
    questions = tuple(
        Question(f"m{n}", n, {**ids, "msgid": f"m{n}", "text": {"content": text, "menu_id": menu}}, {})
        for n, (text, menu) in enumerate(texts)
    )
    return Work(1, datetime.now(UTC), 1.0, questions, ())


def test_a_text_is_a_reply() -> None:
    (reply,) = commands(ANSWER)
    assert isinstance(reply, SendReply)
    assert (reply.command_id, reply.text, reply.in_reply_to) == ("t1-1", "好的", ("m1",))


def test_a_turn_that_decided_nothing_still_says_something() -> None:
    (reply,) = commands(replace(ANSWER, text=""))
    assert "抱歉" in reply.text


def test_a_menu_follows_its_text_and_is_one_that_wecom_takes() -> None:
    menu = Menu("要取消吗？", (MenuLine("确定", id="yes"), MenuLine("看看", url="https://shop.example.com/")))
    reply, content = commands(replace(ANSWER, menu=menu))
    assert isinstance(content, SendContent)
    assert content.text == "要取消吗？\n1. 确定\n2. 看看 https://shop.example.com/"
    assert [line["type"] for line in content.fields["items"]] == ["click", "view"]
    assert reply.command_id < content.command_id


def test_a_handover_tells_the_servicer_what_it_is_about() -> None:
    handover = Handover(HandoverReason.WISH, "客户要退沙发，\n订单 42")
    (command,) = commands(replace(ANSWER, text="", handover=handover))
    assert isinstance(command, HandOver)
    assert command.notice.endswith("咨询摘要：客户要退沙发， 订单 42")
    assert command.to_pool


def test_without_a_summary_the_customers_words_are_it() -> None:
    _, command = commands(replace(ANSWER, handover=Handover(HandoverReason.WISH)))
    assert "我要投诉" in command.notice


def test_outside_the_hours_nobody_is_promised() -> None:
    account = Account.model_validate({"hours": {"weekly": {"mon": ["09:00-18:00"]}}})
    (command,) = commands(
        replace(ANSWER, text="", handover=Handover(HandoverReason.WISH)), account, is_open=False
    )
    assert not command.to_pool
    assert "周一 09:00-18:00" in command.apology


def test_an_account_without_humans_says_so() -> None:
    account = Account.model_validate({"handover": {"enabled": False}})
    (reply,) = commands(replace(ANSWER, text="", handover=Handover(HandoverReason.WISH)), account)
    assert isinstance(reply, SendReply)
    assert "没有人工" in reply.text
    assert not effects.hands_over((reply,))


def test_an_end_asks_whether_the_customer_is_satisfied() -> None:
    reply, end = commands(replace(ANSWER, end_session=True))
    assert isinstance(end, EndSession)
    assert reply.command_id < end.command_id
    assert "满意" in end.farewell
    assert [line["id"] for line in end.menu["items"]] == ["kf.rate.1", "kf.rate.2", "kf.rate.3"]
    account = Account.model_validate({"survey": {"enabled": False}})
    assert commands(replace(ANSWER, end_session=True), account)[1].farewell == ""


def test_the_default_menus_are_within_wecoms_limits() -> None:
    for menu in (effects.survey_menu(ACCOUNT.survey), effects.greeting_menu(welcome().welcome)):
        assert menu is not None
        fields = effects.menu_fields(menu)
        items = [{name: value for name, value in line.items() if name != "type"} for line in fields["items"]]
        WecomMenu.model_validate({**fields, "items": items})


def welcome() -> Account:
    menu = [{"title": "营业时间", "answer": "九点到六点"}, {"title": "多久发货"}]
    return Account.model_validate({"welcome": {"text": "您好", "menu": menu}})


def test_a_tapped_line_with_an_answer_needs_no_model() -> None:
    answer = taps.answer_to(asked(("营业时间", effects.FAQ)), welcome())
    assert answer is not None
    assert (answer.text, answer.outcome) == ("九点到六点", Outcome.MENU)


def test_what_is_typed_or_has_no_answer_is_a_question() -> None:
    assert taps.answer_to(asked(("营业时间", "")), welcome()) is None
    assert taps.answer_to(asked(("多久发货", effects.FAQ)), welcome()) is None
    assert taps.answer_to(asked(("营业时间", effects.FAQ), ("还有别的吗", "")), welcome()) is None


def test_a_rating_is_stored_and_thanked_for() -> None:
    work = asked(("一般", "kf.rate.2"))
    answer = taps.answer_to(work, ACCOUNT)
    assert answer is not None
    assert answer.outcome is Outcome.RATED
    (rating,) = taps.ratings(work.questions)
    assert (rating.msgid, rating.score, rating.label) == ("m0", 2, "一般")


def test_a_rating_beside_a_question_leaves_the_question() -> None:
    work = asked(("满意", "kf.rate.1"), ("还能退货吗", ""))
    assert taps.answer_to(work, ACCOUNT) is None
    assert [q.text for q in taps.without_ratings(work).questions] == ["还能退货吗"]
    assert len(taps.ratings(work.questions)) == 1


def test_a_menu_id_that_is_no_score_is_no_rating() -> None:
    assert taps.ratings(asked(("x", "kf.rate.good"), ("y", "kf.rate.")).questions) == ()
