"""The sender's promise before the judge; `make prove-sender` runs it at full size (about twelve minutes)."""

import os

import pytest

from tests.fakes.sender_proof import FULL, SMALL, Proof
from tests.fakes.senders import office
from tests.fakes.simulator import running_simulator

PROFILE = FULL if os.environ.get("KF_SENDER_PROOF") == "full" else SMALL


@pytest.mark.timeout(1800)
async def test_a_flood_with_faults_and_kills_breaks_no_rule(nats_url: str, database_url: str) -> None:
    async with (
        running_simulator(kf_simulator_send_limit_per_minute=PROFILE.limit) as simulator,
        office(nats_url, database_url, simulator.url) as hall,
    ):
        proof = Proof(PROFILE, hall, simulator)
        await proof.run()
        report = await simulator.judge()
        waits, outcomes, use = (
            await proof.welcome_waits(),
            await proof.welcome_outcomes(),
            await proof.limiter_use(),
        )
        print(f"kills {proof.kills}, repeats {report['repeated_sends']}")
        print(f"limiter use {use:.4f} granted, {proof.calls_in_overload():.4f} arrived at WeCom")
        print(f"welcomes {outcomes}, waits of the last ten {[round(wait, 3) for wait in waits[-10:]]}")
        print(f"judge {report['broken']}, calls {report['calls']}")
        for index, chat in enumerate(proof.chats):
            expected = [f"第{number}条" for customer, number in PROFILE.answers() if customer == index]
            shown = [line for line in await chat.transcript() if line["direction"] == "app"]
            said = [(line["body"]["content"], line["fail_type"] is not None) for line in shown]
            again = {text for text, failed in said if failed}
            arrived = [text for text, failed in said if not failed]
            # What WeCom took back was sent once more, later; all else in order, and everything once.
            assert sorted(arrived) == sorted(expected)
            assert [text for text in arrived if text not in again] == [
                text for text in expected if text not in again
            ]
        assert not report["broken"], report
        assert not outcomes.get("expired")
        assert not outcomes.get("failed")
        if PROFILE is FULL:
            assert use >= 0.98
            assert waits[int(len(waits) * 0.99)] < 1.0
