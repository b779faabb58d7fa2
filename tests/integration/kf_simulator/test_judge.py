"""The judge: every broken rule is counted, and a correct client breaks none."""

import asyncio

from tests.fakes.simulator import Chat, SimulatorClient


async def spoken(sim: SimulatorClient) -> Chat:
    chat = await sim.chat()
    await chat.write()
    return chat


async def broken(sim: SimulatorClient) -> dict[str, int]:
    return dict((await sim.judge())["broken"])


async def test_a_correct_conversation_breaks_no_rule(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    for number in range(3):
        await chat.send(f"Teil {number}", msgid=f"m{number}")
    await chat.write("noch einmal")
    await chat.send("Teil 0", msgid="m3")
    judged = await sim.judge()
    assert (judged["ok"], judged["broken"], judged["unanswered"]) == (True, {}, 0)
    assert judged["calls"]["send_msg"] == {"0": 4}


async def test_the_same_words_twice_to_one_message_are_a_duplicate_answer(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await chat.send("Antwort", msgid="m1")
    await chat.send("Antwort", msgid="m2")
    judged = await sim.judge()
    assert judged["broken"] == {"duplicate_answer": 1}
    example = judged["examples"][0]
    assert (example["msgid"], example["external_userid"]) == ("m2", chat.external_userid)
    assert "Antwort" not in str(judged)


async def test_a_second_answer_to_one_message_is_counted_where_one_is_expected(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", answers_per_message=1)
    chat = await spoken(sim)
    await chat.send("eine Antwort")
    await chat.send("eine ganz andere Antwort", msgid="m2")
    assert (await sim.judge())["examples"][0]["msgid"] == "m2"
    await chat.write("noch eine Frage")
    await chat.send("noch eine Antwort")
    assert await broken(sim) == {"second_answer": 1}


async def test_a_text_over_2048_bytes_is_counted_however_it_is_sent(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    code = (await chat.enter())["body"]["welcome_code"]
    text = {"msgtype": "text", "text": {"content": "好" * 683}}
    assert (await sim.api("send_msg_on_event", code=code, **text))["errcode"] == 45002
    await chat.write()
    await chat.send("好" * 683)
    assert await broken(sim) == {"oversize_text": 2}


async def test_every_call_is_recorded_with_its_errcode_and_ids(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await chat.send("geheim", msgid="m1")
    await chat.send("geheim", msgid="m/1")
    await chat.state()
    calls = await sim.control("GET", "/judge/calls")
    assert [(call["api"], call["errcode"]) for call in calls] == [
        ("gettoken", 0),
        ("send_msg", 0),
        ("send_msg", 40058),
        ("service_state/get", 0),
    ]
    assert (calls[1]["external_userid"], calls[1]["msgid"]) == (chat.external_userid, "m1")
    assert "geheim" not in str(calls)
    assert len(await sim.control("GET", "/judge/calls?api=send_msg&errcode=40058")) == 1


async def test_another_message_under_a_used_msgid_is_reuse(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await chat.send("eins", msgid="m1")
    await chat.send("eins", msgid="m1")
    assert await broken(sim) == {}
    await chat.send("zwei", msgid="m1")
    assert await broken(sim) == {"reused_msgid": 1}


async def test_a_retry_that_lands_after_its_successor_is_out_of_order(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await sim.control("POST", "/control/faults", kind="errcode", api="send_msg", errcode=-1, times=1)
    await chat.send("eins", msgid="m1")
    await chat.send("zwei", msgid="m2")
    await chat.send("eins", msgid="m1")
    assert await broken(sim) == {"out_of_order": 1}


async def test_two_sends_to_one_customer_at_once_are_parallel(sim: SimulatorClient) -> None:
    one, other = await spoken(sim), await spoken(sim)
    await sim.token()
    await sim.control("POST", "/control/faults", kind="slow", api="send_msg", seconds=0.5, times=4)
    await asyncio.gather(one.send("a"), other.send("b"))
    assert await broken(sim) == {}
    await asyncio.gather(one.send("c"), one.send("d"))
    assert await broken(sim) == {"parallel_sends": 1}


async def test_state_quota_and_window_are_counted(sim: SimulatorClient) -> None:
    silent = await sim.chat()
    await silent.send()
    chat = await spoken(sim)
    for number in range(6):
        await chat.send(str(number))
    await sim.control("POST", "/control/clock/advance", seconds=49 * 3600)
    await sim.token()
    await chat.send("spät")
    assert await broken(sim) == {"forbidden_state": 1, "over_quota": 1, "out_of_window": 1}


async def test_the_rate_counts_all_sends_of_the_last_minute(sim: SimulatorClient) -> None:
    await sim.control("PATCH", "/control/switches", send_limit_per_minute=3)
    for _ in range(2):
        chat = await spoken(sim)
        await chat.send("a")
        await chat.send("b")
    assert await broken(sim) == {"over_rate": 1}
    await sim.control("POST", "/control/clock/advance", seconds=61)
    await (await spoken(sim)).send()
    assert await broken(sim) == {"over_rate": 1}


async def test_fetching_tokens_over_and_over_is_counted(sim: SimulatorClient) -> None:
    for _ in range(11):
        await sim.token()
    assert await broken(sim) == {"gettoken_too_often": 1}


async def test_unanswered_chats_are_counted_and_the_judge_can_forget(sim: SimulatorClient) -> None:
    chat = await spoken(sim)
    await chat.enter()
    await (await spoken(sim)).send()
    assert (await sim.judge())["unanswered"] == 1
    await sim.control("POST", "/judge/reset")
    assert (await sim.judge())["calls"] == {}
