"""A model that fails in its own way, cut off, filtered, refusing the request; and the second one."""

import json
from pathlib import Path

import pytest
from starlette.responses import Response

from tests.fakes.chat_model import FakeModel, completion, failure
from tests.fakes.dialog import Town

QUESTION = "你们的退货期限到底是几天呢"
PATIENT = {"KF_DIALOG_LEASE_SECONDS": "60"}


async def test_a_cut_answer_is_asked_for_again_in_short(town: Town) -> None:
    town.model.script = [completion("第一，一段说明。第二，", "length"), completion("一段说明。 [[p1]]")]
    async with town.replica(**PATIENT):
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert reply.text == "一段说明。"
    assert "不超过 300 个字" in town.model.prompts[1][-1]["content"]


async def test_an_answer_that_is_cut_again_ends_with_a_whole_sentence(town: Town) -> None:
    town.model.script = [
        completion("长", "length"),
        completion("一段说明。[[p1]] 还有一段说", "length"),
    ]
    async with town.replica(**PATIENT):
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert reply.text == "一段说明。"


async def test_a_filtered_answer_is_not_asked_for_again_and_told_truthfully(town: Town) -> None:
    town.model.script = [completion("", "content_filter") for _ in range(3)]
    async with town.replica(**PATIENT):
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert "换一种说法" in reply.text
    assert "转人工" in reply.text
    assert len(town.model.prompts) == 1


async def test_a_refused_request_is_put_once_more_without_tools(town: Town) -> None:
    town.model.script = [failure(400)]
    async with town.replica(**PATIENT):
        await town.say("wm1", QUESTION)
        (reply,) = await town.replied(1)
    assert reply.text == f"答复：{QUESTION}"
    assert [bool(tools) for tools in town.model.tools] == [True, False]


@pytest.mark.parametrize(
    "fault", [failure(401), failure(402), failure(400), completion("", "content_filter")]
)
async def test_behind_a_model_that_fails_the_second_one_answers(
    town: Town, tmp_path: Path, fault: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECOND_KEY", "k2")
    async with FakeModel() as second:
        second.reply = lambda _: "一段说明。 [[p1]]"
        endpoint = {"base_url": second.base_url, "model": "m2", "api_key_env": "SECOND_KEY"}
        path = tmp_path / "accounts.yaml"
        path.write_text(json.dumps({"defaults": {"fallback_model": endpoint}}), encoding="utf-8")
        town.model.script = [fault, fault]
        async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(path), **PATIENT):
            await town.say("wm1", QUESTION)
            (reply,) = await town.replied(1)
        assert second.headers[0]["authorization"] == "Bearer k2"
    assert reply.text == "一段说明。"


async def test_both_models_down_leave_time_for_the_truth(town: Town, tmp_path: Path) -> None:
    async with FakeModel() as second:
        second.delay = town.model.delay = lambda _: 60.0
        endpoint = {"base_url": second.base_url, "model": "m2"}
        path = tmp_path / "accounts.yaml"
        path.write_text(json.dumps({"defaults": {"fallback_model": endpoint}}), encoding="utf-8")
        async with town.replica(
            KF_DIALOG_ACCOUNTS_FILE=str(path), KF_DIALOG_MODEL_TIMEOUT_SECONDS="4", **PATIENT
        ):
            await town.say("wm1", QUESTION)
            (reply,) = await town.replied(1)
        assert len(second.prompts) == 1
    assert "抱歉" in reply.text
    (row,) = await town.rows("SELECT outcome FROM turn")
    assert row["outcome"] == "apologised"
