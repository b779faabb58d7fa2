"""The conversation on a whole stack: the quick cases of `kf eval`, and the model going down in the middle.

`make prove-dialog` runs the outage at full size, `make eval-dialog` all cases.
"""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from kf_cli.evaluation.case import citing, load
from kf_cli.evaluation.command import CASES, QUICK, chosen, load_hostile
from kf_cli.evaluation.report import Report
from kf_cli.evaluation.run import Runner

from tests.e2e.outage.crowd import FULL, LONGEST_RECOVERY_SECONDS, SMALL, Crowd
from tests.e2e.outage.verdict import FALLBACKS, PROMISED_SECONDS, Verdict, read_records
from tests.e2e.stack import Running, running_stack

PROFILE = FULL if os.environ.get("KF_DIALOG_PROOF") == "full" else SMALL
PATIENCE_SECONDS = 90.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_stack(tmp_path_factory.mktemp("dialog"), settings=QUICK) as run:
        await load_hostile(run.stack.layout)
        yield run


async def report_of(run: Running, pattern: str, *, with_citations: bool = False) -> Report:
    """The quick cases of some files, held and judged."""
    suite = chosen(load(sorted(CASES.glob(pattern))), [], quick=True)
    accounts = {collection: kfid for kfid, collection in run.stack.collections.items()}
    runner = Runner(run.simulator, accounts, at_once=24, seconds=PATIENCE_SECONDS)
    return Report("the simulator's", await runner.run(citing(suite) if with_citations else suite))


def wrong(report: Report) -> dict[str, list[str]]:
    """What was wrong, by case."""
    return {outcome.case.id: outcome.faults for outcome in report.outcomes if not outcome.passed}


@pytest.mark.skipif(PROFILE is FULL, reason="the proof alone")
@pytest.mark.timeout(400)
async def test_every_quick_conversation_is_right(stack: Running) -> None:
    report = await report_of(stack, "dialog-*.yaml")
    assert not wrong(report)
    assert len(report.outcomes) >= 20


@pytest.mark.skipif(PROFILE is FULL, reason="the proof alone")
@pytest.mark.timeout(400)
async def test_a_model_that_obeys_whoever_writes_says_nothing_of_it(stack: Running) -> None:
    report = await report_of(stack, "injection-*.yaml", with_citations=True)
    assert not wrong(report)


@pytest.mark.timeout(2400)
async def test_an_outage_of_the_model_leaves_nobody_waiting_and_nobody_answered_twice(stack: Running) -> None:
    crowd = Crowd(stack, PROFILE)
    await crowd.play()
    recovered = await crowd.until_normal()
    verdict = Verdict()
    for chat in crowd.chats:
        verdict.add(await stack.simulator.transcript(chat), crowd.went_down, crowd.came_back)
    customers = [chat.external_userid for chat in crowd.chats]
    records = await read_records(stack.stack.layout.database_url, customers, crowd.went_down, crowd.came_back)
    judge = await stack.simulator.judge()
    print(f"{verdict.questions} questions, {verdict.during} of them while the model was down")
    print(f"first reply: p50 {verdict.quantile(0.5):.1f} s, p95 {verdict.quantile(0.95):.1f} s, ", end="")
    print(f"p99 {verdict.quantile(0.99):.1f} s, most {verdict.quantile(1):.1f} s")
    print(f"outcomes {records.outcomes}, back at its best {recovered:.1f} s after its return, ", end="")
    print(f"last fallback {records.last_fallback:.1f} s after it")
    print(f"judge {judge['broken']}")
    assert verdict.during
    assert not verdict.late, f"without a reply within {PROMISED_SECONDS} s: {verdict.late}"
    assert not verdict.twice
    assert not records.answered_twice
    assert not records.unanswered
    assert any(records.outcomes["down"][outcome] for outcome in FALLBACKS), "the outage was not felt"
    assert records.last_fallback < LONGEST_RECOVERY_SECONDS
    assert not judge["broken"], judge
