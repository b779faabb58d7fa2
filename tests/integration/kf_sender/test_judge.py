"""Against the simulator: with every kind of fault and three replicas its judge has nothing to say."""

import asyncio
from typing import Any

from tests.fakes.senders import Office, command, office
from tests.fakes.simulator import CORP_ID, SECRET, Chat, running_simulator

FAULTS: list[dict[str, Any]] = [
    {"kind": "errcode", "errcode": -1},
    {"kind": "errcode", "errcode": 6000},
    {"kind": "bad_gateway"},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "cut_json"},
    {"kind": "slow", "seconds": 0.3},
]


async def texts(chat: Chat) -> list[str]:
    return [line["body"]["content"] for line in await chat.transcript() if line["direction"] == "app"]


async def test_no_rule_is_broken_whatever_fails(nats_url: str, database_url: str) -> None:
    async with (
        running_simulator(kf_simulator_send_limit_per_minute=0) as simulator,
        office(nats_url, database_url, simulator.url) as hall,
    ):
        chats = [await simulator.chat(account) for account in (0, 1, 0, 1, 0, 0)]
        for chat in chats:
            await chat.write()
        for seed, fault in enumerate(FAULTS):
            await simulator.control(
                "POST",
                "/control/faults",
                api="send_msg",
                times=None,
                probability=0.06,
                seed=seed,
                **fault,
            )
        replicas = [hall.start(wecom_corp_id=CORP_ID, wecom_kf_secret=SECRET) for _ in range(3)]
        await answer_all(hall, chats)
        await until_sent(hall, 5)
        replicas[0][1].cancel()
        await until_sent(hall, 30)
        assert [await texts(chat) for chat in chats] == [[f"第{n}条" for n in range(5)]] * len(chats)
        report = await simulator.judge()
        assert not report["broken"], report


async def answer_all(hall: Office, chats: list[Chat]) -> None:
    for number in range(5):
        await hall.publish(
            *(
                command(
                    f"{index}-{number}",
                    chat.external_userid,
                    f"第{number}条",
                    open_kfid=chat.open_kfid,
                )
                for index, chat in enumerate(chats)
            )
        )


async def until_sent(hall: Office, count: int) -> None:
    async with asyncio.timeout(90):
        while (await hall.row("SELECT count(*) AS n FROM command WHERE status = 'sent'"))["n"] < count:
            await asyncio.sleep(0.1)
