"""The sender's promise before the judge; `make prove-sender` runs it at full size (about seven minutes)."""

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
        print(f"kills {proof.kills}, limiter use {use:.4f}, repeats {report['repeated_sends']}")
        print(f"welcomes {outcomes}, waits of the last ten {[round(wait, 3) for wait in waits[-10:]]}")
        print(f"judge {report['broken']}, calls {report['calls']}")
        for index, chat in enumerate(proof.chats):
            expected = [f"第{number}条" for customer, number in PROFILE.answers() if customer == index]
            lines = await chat.transcript()
            assert [line["body"]["content"] for line in lines if line["direction"] == "app"] == expected
        assert not report["broken"], report
        assert not outcomes.get("expired")
        assert not outcomes.get("failed")
        if PROFILE is FULL:
            assert use >= 0.98
            assert waits[int(len(waits) * 0.99)] < 1.0
