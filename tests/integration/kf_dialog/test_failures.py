"""What a customer hears when the model or the knowledge service fails."""

from typing import Any

import grpc
import pytest
from kf_dialog import knowledge
from kf_dialog.conversation import Claim, Outcome, Turn
from kf_dialog.store import Store
from starlette.responses import Response

from tests.fakes.chat_model import completion, failure
from tests.fakes.dialog import Town

QUESTION = "你们的退货期限到底是几天呢"


async def outcomes(town: Town) -> list[str]:
    return [row["outcome"] for row in await town.rows("SELECT outcome FROM turn ORDER BY position")]


@pytest.mark.parametrize("status", [401, 402, 404])
async def test_a_refusal_of_the_model_is_not_retried_and_the_faq_answers(town: Town, status: int) -> None:
    town.knowledge.add("退货", "收到后**七天**内可退。", question="退货期限")
    town.model.script = [failure(status)]
    async with town.replica():
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert reply.text == "收到后七天内可退。"
    assert len(town.model.prompts) == 1
    assert await outcomes(town) == ["answered_from_faq"]


@pytest.mark.parametrize(
    "hiccup",
    [failure(429, retry_after="0.1"), failure(500), failure(503), completion(""), completion("<think>嗯")],
)
async def test_a_hiccup_of_the_model_is_retried(town: Town, hiccup: Response) -> None:
    town.model.script = [hiccup]
    async with town.replica():
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert reply.text == f"答复：{QUESTION}"
    assert len(town.model.prompts) == 2


@pytest.mark.parametrize(("text", "expected"), [(QUESTION, "抱歉"), ("When do you open today?", "sorry")])
async def test_a_model_that_stays_down_gets_an_apology_in_the_customers_language(
    town: Town, text: str, expected: str
) -> None:
    town.knowledge.add("退货", "一段说明，不是问答。")
    town.model.script = [failure(500) for _ in range(20)]
    async with town.replica():
        await town.say("wm1", text)
        (reply,) = await town.replied(1)
    assert expected in reply.text
    assert "provider" not in reply.text
    assert len(town.model.prompts) == 3
    assert await outcomes(town) == ["apologised"]


async def test_a_model_that_hangs_is_given_up_in_time(town: Town) -> None:
    town.model.delay = lambda _: 60.0
    async with town.replica(KF_DIALOG_MODEL_TIMEOUT_SECONDS="1"):
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert "抱歉" in reply.text


async def test_with_a_refused_key_the_model_is_left_alone(town: Town) -> None:
    town.model.script = [failure(401) for _ in range(9)]
    async with town.replica():
        for number in range(3):
            await town.say(f"wm{number}", QUESTION)
            await town.replied(number + 1)
    assert len(town.model.prompts) == 1
    assert await outcomes(town) == ["apologised"] * 3


async def test_reasoning_and_markdown_never_reach_the_customer(town: Town) -> None:
    town.knowledge.add("退货", "退货期限是七天，见 https://a.cn/x_y")
    town.model.script = [
        completion("<think>他想退货</think>## 退货\n- **七天**内 [[p1]]\n- 见[说明](https://a.cn/x_y)")
    ]
    async with town.replica():
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert reply.text == "退货\n• 七天内\n• 见说明 (https://a.cn/x_y)"


async def test_the_model_gets_no_trace_headers(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", QUESTION)
        await town.replied(1)
    assert not {"traceparent", "tracestate", "baggage"} & set(town.model.headers[0])


async def test_a_short_absence_of_knowledge_is_bridged(town: Town) -> None:
    town.knowledge.add("退货", "七天。")
    town.knowledge.fail_with = [grpc.StatusCode.UNAVAILABLE] * 3
    async with town.replica():
        await town.say("wm1", QUESTION)
        await town.replied(1)
    assert "七天。" in town.model.prompts[0][0]["content"]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
async def test_without_knowledge_nobody_answers_from_memory(
    town: Town, code: grpc.StatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge, "AWAY_SECONDS", 1.0)
    town.knowledge.fail_with = [code] * 99
    async with town.replica():
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert "暂时查不到" in reply.text
    assert "资料库此刻无法查询" in town.model.prompts[0][0]["content"]


async def test_text_that_no_database_holds_is_answered_all_the_same(town: Town) -> None:
    town.model.reply = lambda _: "好\x00的[[p1]]"
    async with town.replica():
        await town.say("wm1", "你\x00好吗朋友")
        (reply,) = await town.replied(1)
    assert reply.text == "好的"


async def test_half_an_emoji_of_the_model_does_not_cost_the_reply(town: Town) -> None:
    whole = bytes(completion("好的X[[p1]]").body)
    town.model.script = [Response(whole.replace(b"X", rb"\ud83d"), media_type="application/json")]
    async with town.replica():
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert reply.text == "好的"


async def test_an_answer_that_cannot_be_stored_ends_in_an_apology(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Store._add

    async def picky(self: Store, connection: Any, claim: Claim, turn: Turn, msgids: list[str]) -> None:
        if turn.answer.outcome is Outcome.ANSWERED:
            raise ValueError("refused")
        await add(self, connection, claim, turn, msgids)

    monkeypatch.setattr(Store, "_add", picky)
    async with town.replica():
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert "抱歉" in reply.text
    assert len(town.model.prompts) == 3
    assert await outcomes(town) == ["apologised"]


async def test_what_cannot_be_read_is_parked_and_the_next_is_answered(town: Town) -> None:
    async with town.replica():
        await town.publish(b"{}", "broken")
        await town.say("wm1", QUESTION)
        await town.replied(1)
    dead = await town.js.get_msg("KF_DEAD", 1)
    assert b"open_kfid: missing" in (dead.data or b"")


async def test_a_bug_costs_the_customer_the_answer_but_not_a_reply_and_logs_no_words(
    town: Town, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(question: str, *_: object, **__: object) -> None:
        raise KeyError(question)

    monkeypatch.setattr("kf_dialog.answer.build", broken)
    async with town.replica():
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert "抱歉" in reply.text
    output = "".join(capfd.readouterr())
    assert "turn.answer_failed" in output
    assert "in broken" in output
    assert QUESTION not in output
