"""The harness itself: replicas answer, and what is killed comes back and loses nothing."""

from pathlib import Path

import pytest

from tests.e2e.stack import running_stack


@pytest.mark.timeout(300)
async def test_two_replicas_answer_once_and_a_killed_part_comes_back(tmp_path: Path) -> None:
    replicas = {"gateway": 2, "dialog": 2, "knowledge": 2, "sender": 2}
    async with running_stack(tmp_path, replicas=replicas) as run:
        # Each question here has an answer of one part, and waits for the one before.
        await run.simulator.control("PATCH", "/control/switches", {"answers_per_message": 1})
        chat = await run.simulator.meet(run.account("shop"), "小林")
        await run.simulator.write(chat, "扫地机器人 X2 Pro 多少钱？")
        assert "2999" in (await run.reply_to(chat))[0]

        await run.stack.kill("sender")
        await run.stack.kill("postgres")
        assert not run.stack.children["sender"].running
        await run.simulator.write(chat, "那个保修多久？")
        await run.stack.start_one("postgres")
        await run.stack.start_one("sender")

        assert "2 年" in (await run.reply_to(chat))[0]
        assert (await run.simulator.judge())["broken"] == {}
    assert not any(child.running for child in run.stack.children.values())
