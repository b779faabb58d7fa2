"""Which messages make one turn, in what order they are answered, and what is not answered at all."""

import asyncio

from kf_contracts.knowledge.v1 import knowledge_pb2

from tests.fakes.chat_model import Prompt
from tests.fakes.dialog import ACCOUNT, Town


async def test_a_question_is_answered_from_the_passages(town: Town) -> None:
    town.knowledge.add("退货", "收到商品七天内可以退货。")
    town.model.reply = lambda _: "七天内可以退货。 [[p1]]"
    async with town.replica():
        msgid = await town.say("wm1", "怎么退货")
        (reply,) = await town.replied(1)
    assert (reply.open_kfid, reply.external_userid, reply.in_reply_to) == (ACCOUNT, "wm1", (msgid,))
    assert reply.text == "七天内可以退货。"
    assert (
        '<passage id="p1" title="手册">收到商品七天内可以退货。</passage>'
        in town.model.prompts[0][0]["content"]
    )
    (turn,) = await town.rows("SELECT * FROM turn")
    assert (turn["turn_id"], turn["outcome"], turn["reply"]) == (reply.turn_id, "answered", reply.text)
    assert (turn["model"], turn["input_tokens"], turn["output_tokens"]) == ("deepseek-chat-v9", 11, 7)
    assert turn["passage_ids"] == ["p1"]
    (row,) = await town.rows("SELECT status, turn_id FROM inbox")
    assert tuple(row) == ("answered", reply.turn_id)


async def test_a_burst_of_three_is_one_turn_in_order(town: Town) -> None:
    async with town.replica():
        msgids = [await town.say("wm1", text) for text in ("你好", "我想问一下", "几天发货")]
        (reply,) = await town.replied(1)
    assert reply.in_reply_to == tuple(msgids)
    assert town.model.questions() == ["你好\n我想问一下\n几天发货"]


async def test_a_message_while_the_model_thinks_joins_the_turn(town: Town) -> None:
    town.model.delay = lambda prompt: 30.0 if "红色" not in prompt[-1]["content"] else 0.0
    async with town.replica():
        await town.say("wm1", "这件有货吗")
        await town.asked(1)
        await town.say("wm1", "红色的")
        (reply,) = await town.replied(1)
    assert reply.text == "答复：这件有货吗\n红色的"
    assert len(reply.in_reply_to) == 2


async def test_a_newer_message_is_heard_of_long_before_the_next_heartbeat(town: Town) -> None:
    town.model.delay = lambda prompt: 30.0 if "红色" not in prompt[-1]["content"] else 0.0
    async with town.replica(KF_DIALOG_LEASE_SECONDS="300", KF_DIALOG_JOIN_SECONDS="60"):
        await town.say("wm1", "这件有货吗")
        await town.asked(1)
        await town.say("wm1", "红色的")
        async with asyncio.timeout(20):
            await town.asked(2)
        await town.replied(1)


async def test_without_notify_the_heartbeat_finds_the_newer_message(town: Town) -> None:
    town.model.delay = lambda prompt: 100.0 if "红色" not in prompt[-1]["content"] else 0.0
    stop = asyncio.Event()
    silence = asyncio.create_task(unheard(town, stop))
    async with town.replica(KF_DIALOG_JOIN_SECONDS="100", KF_DIALOG_MODEL_TIMEOUT_SECONDS="100"):
        await town.say("wm1", "这件有货吗")
        await town.asked(1)
        await town.say("wm1", "红色的")
        (reply,) = await town.replied(1)
        stop.set()
        await silence
    assert reply.text == "答复：这件有货吗\n红色的"


async def unheard(town: Town, stop: asyncio.Event) -> None:
    """Cut every LISTEN connection as soon as it is there."""
    while not stop.is_set():
        await town.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'kf-dialog-listener' AND datname = current_database()"
        )
        await asyncio.sleep(0.05)


async def test_an_endless_typist_gets_an_answer_all_the_same(town: Town) -> None:
    stop = asyncio.Event()

    async def type_on() -> None:
        while not stop.is_set():
            await town.say("wm1", "还有")
            await asyncio.sleep(0.2)

    town.model.delay = lambda _: 0.5
    async with town.replica(KF_DIALOG_JOIN_SECONDS="1.5"):
        typing = asyncio.create_task(type_on())
        async with asyncio.timeout(40):
            while not await town.replies():
                await asyncio.sleep(0.1)
        stop.set()
        await typing
        async with asyncio.timeout(40):
            while await town.rows("SELECT 1 FROM inbox WHERE status = 'new'"):
                await asyncio.sleep(0.1)
    answered = [msgid for reply in await town.replies() for msgid in reply.in_reply_to]
    assert len(answered) == len(set(answered))
    assert answered == [row["msgid"] for row in await town.rows("SELECT msgid FROM inbox ORDER BY position")]


async def test_a_follow_up_sees_the_history_and_searches_with_its_topic(town: Town) -> None:
    town.knowledge.add("蓝牙耳机", "蓝牙耳机保修一年。")
    async with town.replica():
        await town.say("wm1", "蓝牙耳机多少钱")
        await town.replied(1)
        await town.say("wm1", "那个多久保修")
        await town.replied(2)
    roles = [(m["role"], m["content"]) for m in town.model.prompts[1][1:]]
    assert roles == [
        ("user", "蓝牙耳机多少钱"),
        ("assistant", "答复：蓝牙耳机多少钱"),
        ("user", "那个多久保修"),
    ]
    assert "蓝牙耳机保修一年" in town.model.prompts[1][0]["content"]


async def test_what_merely_comes_nearest_is_not_offered_as_an_answer(town: Town) -> None:
    town.knowledge.nearest = [knowledge_pb2.Passage(passage_id="n", title="t", text="无关内容")]
    async with town.replica():
        await town.say("wm1", "火星上有分店吗请问一下")
        await town.replied(1)
    assert "无关内容" not in town.model.prompts[0][0]["content"]
    assert "没有查到" in town.model.prompts[0][0]["content"]


async def test_a_slow_customer_does_not_hold_up_the_others(town: Town) -> None:
    town.model.delay = lambda prompt: 60.0 if prompt[-1]["content"] == "慢" else 0.0
    async with town.replica(KF_DIALOG_DRAIN_SECONDS="0"):
        await town.say("slow", "慢")
        await town.asked(1)
        for number in range(5):
            await town.say(f"wm{number}", "快")
        replies = await town.replied(5)
    assert {reply.external_userid for reply in replies} == {f"wm{number}" for number in range(5)}


async def test_each_customer_is_answered_in_the_order_of_the_questions(town: Town) -> None:
    town.model.delay = lambda prompt: 0.3 if prompt[-1]["content"].endswith("0") else 0.0
    async with town.replica(KF_DIALOG_MERGE_MS="0", KF_DIALOG_JOIN_SECONDS="0.001"):
        said: dict[str, list[str]] = {}
        for number in range(4):
            for customer in ("wm1", "wm2", "wm3"):
                said.setdefault(customer, []).append(await town.say(customer, f"问题{number}"))
            await asyncio.sleep(0.05)
        await town.stored(12)
        async with asyncio.timeout(40):
            while sum(len(r.in_reply_to) for r in await town.replies()) < 12:
                await asyncio.sleep(0.1)
    for customer, msgids in said.items():
        replies = [r for r in await town.replies() if r.external_userid == customer]
        assert [msgid for reply in replies for msgid in reply.in_reply_to] == msgids


async def test_two_accounts_search_their_own_collections(town: Town) -> None:
    async with town.replica(KF_DIALOG_COLLECTIONS="wk2=saas,*=shop"):
        await town.say("wm1", "怎么开通发票功能呢请说明")
        await town.say("wm1", "怎么开通发票功能呢请说明", open_kfid="wk2")
        replies = await town.replied(2)
    assert {reply.open_kfid for reply in replies} == {"wk1", "wk2"}
    assert {collection for collection, _ in town.knowledge.queries} == {"shop", "saas"}


async def test_a_recalled_message_is_not_answered(town: Town) -> None:
    def slow(prompt: Prompt) -> float:
        return 30.0 if "错" in prompt[-1]["content"] else 0.0

    town.model.delay = slow
    async with town.replica():
        wrong = await town.say("wm1", "发错了的话")
        await town.asked(1)
        event = {"event_type": "user_recall_msg", "open_kfid": ACCOUNT, "external_userid": "wm1"}
        await town.send("wm1", {"msgtype": "event", "event": {**event, "recall_msgid": wrong}}, origin=4)
        await town.stored(2)
        right = await town.say("wm1", "几点关门")
        (reply,) = await town.replied(1)
    assert reply.in_reply_to == (right,)
    rows = await town.rows("SELECT msgid, status, reason FROM inbox ORDER BY position")
    assert tuple(rows[0]) == (wrong, "ignored", "recalled")


async def test_what_is_not_the_customers_or_too_old_is_recorded_and_never_answered(town: Town) -> None:
    enter = {"event_type": "enter_session", "open_kfid": ACCOUNT, "external_userid": "wm1"}
    async with town.replica():
        await town.say("wm1", "我是同事", origin=5)
        await town.say("wm1", "上周的问题", answerable=False)
        await town.send("wm1", {"msgtype": "event", "event": enter}, origin=4)
        await town.say("wm2", "现在的问题")
        (reply,) = await town.replied(1)
    assert reply.external_userid == "wm2"
    rows = await town.rows("SELECT status, reason FROM inbox ORDER BY position")
    assert [tuple(row) for row in rows] == [
        ("ignored", "servicer"),
        ("ignored", "history"),
        ("ignored", "event:enter_session"),
        ("answered", ""),
    ]


async def test_a_picture_gets_an_honest_sentence_and_with_words_it_joins_them(town: Town) -> None:
    picture = {"msgtype": "image", "image": {"media_id": "x"}}
    async with town.replica():
        await town.send("wm1", picture)
        (reply,) = await town.replied(1)
        assert "图片" in reply.text
        assert "文字" in reply.text
        assert town.model.prompts == []
        await town.send("wm1", picture)
        await town.say("wm1", "这个坏了怎么办呢")
        await town.replied(2)
    assert town.model.questions() == ["[图片]\n这个坏了怎么办呢"]
