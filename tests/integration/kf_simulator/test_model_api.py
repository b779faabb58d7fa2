"""The OpenAI-compatible endpoint, driven by the openai client that dialog uses."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.fakes.simulator import MODEL_KEY, SimulatorClient

SYSTEM = (
    "只根据资料回答。\n"
    '<passage id="a" title="常见问题">\n问：怎么退货\n答：在订单页申请，七天内有效。\n</passage>\n'
    '<passage id="b" title="常见问题">\n问：退款多久到账\n答：一到三个工作日原路退回。\n</passage>'
)
ANSWER = "在订单页申请，七天内有效。"
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": "我要怎么退货？"},
]


@pytest.fixture
async def client(sim: SimulatorClient) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key=MODEL_KEY, max_retries=0) as client:
        yield client


async def test_a_whole_answer_comes_with_usage(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(model="deepseek-chat", messages=QUESTION)
    assert reply.choices[0].message.content == ANSWER
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 20


async def test_a_streamed_answer_comes_in_pieces_with_usage_last(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="deepseek-chat", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert ("".join(pieces), len([piece for piece in pieces if piece]) > 1) == (ANSWER, True)
    assert chunks[-1].usage is not None


async def test_models_are_listed_and_the_path_without_v1_works(
    sim: SimulatorClient, client: openai.AsyncOpenAI
) -> None:
    assert [model.id async for model in client.models.list()] == ["deepseek-chat"]
    async with openai.AsyncOpenAI(base_url=sim.url, api_key=MODEL_KEY) as short:
        assert (await short.chat.completions.create(model="m", messages=QUESTION)).choices


async def test_a_wrong_key_is_refused(sim: SimulatorClient) -> None:
    async with openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="m", messages=QUESTION)
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


@pytest.mark.parametrize("status", [401, 402, 429, 500, 503])
async def test_errors_come_as_often_as_told(
    sim: SimulatorClient, client: openai.AsyncOpenAI, status: int
) -> None:
    await sim.control("PUT", "/control/model", fault=str(status), times=1)
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(model="m", messages=QUESTION)
    assert caught.value.status_code == status
    assert (await client.chat.completions.create(model="m", messages=QUESTION)).choices


async def test_it_can_hang_give_nothing_and_break_off(
    sim: SimulatorClient, client: openai.AsyncOpenAI
) -> None:
    await sim.control("PUT", "/control/model", fault="timeout", times=1)
    with pytest.raises(openai.APITimeoutError):
        await client.chat.completions.create(model="m", messages=QUESTION, timeout=0.3)
    await sim.control("PUT", "/control/model", fault="empty", times=1)
    assert (await client.chat.completions.create(model="m", messages=QUESTION)).choices[
        0
    ].message.content == ""
    await sim.control("PUT", "/control/model", fault="cut_stream", times=1, chunk_seconds=0.01)
    stream = await client.chat.completions.create(model="m", messages=QUESTION, stream=True)
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert ANSWER.startswith("".join(pieces))
    assert len("".join(pieces)) < len(ANSWER)


@pytest.mark.parametrize(
    ("fault", "reason", "content"),
    [
        ("content_filter", "content_filter", ""),
        ("cut", "length", ANSWER[: len(ANSWER) // 2]),
        ("reasoning", "stop", ANSWER),
    ],
)
async def test_an_answer_can_be_filtered_cut_or_full_of_reasoning(
    sim: SimulatorClient, client: openai.AsyncOpenAI, fault: str, reason: str, content: str
) -> None:
    await sim.control("PUT", "/control/model", fault=fault, times=1)
    choice = (await client.chat.completions.create(model="m", messages=QUESTION)).choices[0]
    assert choice.finish_reason == reason
    text = choice.message.content or ""
    assert text.rpartition("</think>")[2] == content
    assert ("<think>" in text) is (fault == "reasoning")


async def test_a_fault_hits_a_share_of_the_calls_the_same_way_each_time(
    sim: SimulatorClient, client: openai.AsyncOpenAI
) -> None:
    async def outcomes() -> list[str | None]:
        await sim.control("PUT", "/control/model", fault="empty", probability=0.5, seed=4)
        calls = [await client.chat.completions.create(model="m", messages=QUESTION) for _ in range(12)]
        return [call.choices[0].message.content for call in calls]

    first = await outcomes()
    assert set(first) == {"", ANSWER}
    assert await outcomes() == first


async def test_a_busy_model_says_when_to_come_back(sim: SimulatorClient, client: openai.AsyncOpenAI) -> None:
    await sim.control("PUT", "/control/model", fault="429", retry_after_seconds=7)
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(model="m", messages=QUESTION)
    assert caught.value.response.headers["retry-after"] == "7"


async def test_offered_tools_are_called_whole_and_streamed(
    sim: SimulatorClient, client: openai.AsyncOpenAI
) -> None:
    tools: Any = [{"type": "function", "function": {"name": "hand_over", "parameters": {}}}]
    words: Any = [{"role": "user", "content": "转人工"}]
    whole = (await client.chat.completions.create(model="m", messages=words, tools=tools)).choices[0]
    assert whole.finish_reason == "tool_calls"
    [call] = whole.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "hand_over"
    stream = await client.chat.completions.create(model="m", messages=words, tools=tools, stream=True)
    deltas = [chunk.choices[0].delta.tool_calls async for chunk in stream if chunk.choices]
    assert [call.function.name for delta in deltas for call in delta or [] if call.function] == ["hand_over"]
    result = {"role": "tool", "tool_call_id": "call_0", "content": "已转接"}
    after = [*words, whole.message.model_dump(exclude_none=True), result]
    told = await client.chat.completions.create(model="m", messages=after, tools=tools)
    assert told.choices[0].message.content == "已转接"


async def test_a_scripted_reply_takes_the_place_of_an_answer(
    sim: SimulatorClient, client: openai.AsyncOpenAI
) -> None:
    await sim.control("PUT", "/control/model", overrides=[{"when": ["退货"], "says": "好的，{passage}"}])
    reply = await client.chat.completions.create(model="m", messages=QUESTION)
    assert reply.choices[0].message.content == "好的，a"


async def test_latency_delays_and_requests_are_remembered(
    sim: SimulatorClient, client: openai.AsyncOpenAI
) -> None:
    await sim.control("PUT", "/control/model", latency_seconds=0.05)
    await client.chat.completions.create(model="m", messages=QUESTION)
    shown = await sim.control("GET", "/control/model")
    assert (shown["calls"], shown["requests"][0]["messages"]) == (1, QUESTION)


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": [{"role": "assistant", "content": "x"}]}, {"messages": [1]}]
)
async def test_a_request_without_a_question_is_refused(sim: SimulatorClient, body: dict[str, object]) -> None:
    headers = {"authorization": f"Bearer {MODEL_KEY}"}
    reply = await sim.http.post("/v1/chat/completions", json=body, headers=headers)
    assert (reply.status_code, "error" in reply.json()) == (400, True)
