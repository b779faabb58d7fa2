"""The model goes down in the middle of many conversations: `make prove-dialog` does it at full size."""

import os
from pathlib import Path

import pytest
from kf_cli.knowledge_base import connect, find_sources

from tests.e2e.outage.crowd import FULL, QUESTIONS, SMALL, Crowd
from tests.e2e.outage.verdict import FALLBACKS, PROMISED_SECONDS, Verdict, read_records
from tests.e2e.stack import Running, running_stack

PROFILE = FULL if os.environ.get("KF_DIALOG_PROOF") == "full" else SMALL
SETTINGS = {
    "KF_SENDER_RATE_PER_MINUTE": "9000",
    "KF_SIMULATOR_SEND_LIMIT_PER_MINUTE": "9000",
    "KF_SIMULATOR_LIMIT_SCALE": "100",
}
LONGEST_RECOVERY_SECONDS = 95.0
"""The longest that a circuit stays open, and one probe."""


async def teach(run: Running, folder: Path) -> None:
    """A knowledge base of five entries."""
    rows = [f"{question},{answer}," for question, answer in QUESTIONS.items()]
    (folder / "faq.csv").write_text("\n".join(["问题,答案,相似问题", *rows]), encoding="utf-8")
    async with connect(f"127.0.0.1:{run.stack.layout.port('knowledge')}") as knowledge:
        [source] = find_sources([folder / "faq.csv"])
        await knowledge.ingest("shop", source)


@pytest.mark.timeout(2400)
async def test_an_outage_of_the_model_leaves_nobody_waiting_and_nobody_answered_twice(tmp_path: Path) -> None:
    async with running_stack(tmp_path, settings=SETTINGS, sample=False) as run:
        await teach(run, tmp_path)
        crowd = Crowd(run, PROFILE)
        await crowd.play()
        verdict = Verdict()
        for chat in crowd.chats:
            verdict.add(await run.simulator.transcript(chat), crowd.went_down, crowd.came_back)
        records = await read_records(run.stack.layout.database_url, crowd.went_down, crowd.came_back)
        judge = await run.simulator.judge()
    print(f"{verdict.questions} questions, {verdict.during} of them while the model was down")
    print(f"first reply: p50 {verdict.quantile(0.5):.1f} s, p95 {verdict.quantile(0.95):.1f} s, ", end="")
    print(f"p99 {verdict.quantile(0.99):.1f} s, most {verdict.quantile(1):.1f} s")
    print(f"outcomes {records.outcomes}, back to normal {records.recovered_seconds:.1f} s after its return")
    print(f"judge {judge['broken']}")
    assert verdict.during
    assert not verdict.late, f"without a reply within {PROMISED_SECONDS} s: {verdict.late}"
    assert not verdict.twice
    assert not records.answered_twice
    assert not records.unanswered
    assert any(records.outcomes["down"][outcome] for outcome in FALLBACKS), "the outage was not felt"
    assert records.recovered_seconds < LONGEST_RECOVERY_SECONDS
    if PROFILE is FULL:
        assert records.outcomes["after"]["answered"]
    assert not judge["broken"], judge
