"""Chaos: customers write while every process is killed and frozen, and nobody may notice.

`make chaos` runs the short profile over five seeds; KF_CHAOS=long, KF_CHAOS_SEEDS=7,8 choose otherwise. A
plan follows from its seed alone; which message each blow meets is up to the machine.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic

import pytest

from tests.e2e.chaos.crowd import Customer, gather_crowd, learn, write_all
from tests.e2e.chaos.misfortune import Misfortune
from tests.e2e.chaos.plan import PROFILES, SERVICES, Profile, blows
from tests.e2e.chaos.records import collect, settle
from tests.e2e.chaos.verdict import Verdict, judge
from tests.e2e.stack import Running, running_stack

NAME = os.environ.get("KF_CHAOS", "small")
PROFILE = PROFILES[NAME]
SEEDS = [int(seed) for seed in os.environ.get("KF_CHAOS_SEEDS", "1").split(",")]
REPORT = os.environ.get("KF_CHAOS_REPORT", "")
_TRACES_SHOWN = 20


# Chaos is slow: what a customer gets late must not become a handover, after which the bot is silent.
ACCOUNTS = "defaults: {handover: {enabled: false}, limits: {deadline_seconds: 600}}\n"


def settings(profile: Profile, folder: Path) -> dict[str, str]:
    accounts = folder / "accounts.yaml"
    accounts.write_text(ACCOUNTS, encoding="utf-8")
    return {
        "KF_DIALOG_ACCOUNTS_FILE": str(accounts),
        "KF_SENDER_RATE_PER_MINUTE": str(profile.sends_per_minute),
        "KF_SIMULATOR_SEND_LIMIT_PER_MINUTE": str(profile.sends_per_minute),
        "KF_GATEWAY_POLL_SECONDS": "15",
    }


async def suffer(run: Running, profile: Profile, seed: int, misfortune: Misfortune) -> list[Customer]:
    """Everybody writes while everything goes wrong; returns when both have ended."""
    answers = await learn(run, "shop", min(profile.messages, 40))
    crowd = await gather_crowd(run, profile, answers, seed)
    await run.simulator.control("POST", "/judge/reset")
    await misfortune.arm(profile, seed)
    await misfortune.deal_while(blows(profile, seed), write_all(run, crowd, answers, profile, seed))
    await run.simulator.control("DELETE", "/control/faults")
    return crowd


async def trace_ids(run: Running, verdict: Verdict) -> Sequence[str]:
    suspects = sorted(verdict.suspects)[:_TRACES_SHOWN]
    return [f"{msgid}: trace {' '.join(await run.traces.find(msgid)) or 'none'}" for msgid in suspects]


def keep(seed: int, seconds: float, misfortune: Misfortune, verdict: Verdict) -> None:
    """Append one line of JSON to the report, if one is wanted."""
    if not REPORT:
        return
    line = {
        "profile": NAME,
        **asdict(PROFILE),
        "seed": seed,
        "took_seconds": round(seconds),
        "dealt": misfortune.dealt,
        "died_by_itself": misfortune.died,
        "found": {kind: len(found) for kind, found in verdict.findings.items()},
        "no_answer": verdict.substitutes,
    }
    with Path(REPORT).open("a", encoding="utf-8") as file:
        print(json.dumps(line, ensure_ascii=False), file=file)


@pytest.mark.timeout(PROFILE.seconds * 2 + PROFILE.settle_seconds + 400)
@pytest.mark.parametrize("seed", SEEDS)
async def test_no_customer_notices_what_befalls_the_stack(tmp_path: Path, seed: int) -> None:
    print(f"chaos profile {NAME}, seed {seed}; again: KF_CHAOS={NAME} KF_CHAOS_SEEDS={seed} make chaos")
    began = monotonic()
    services = dict.fromkeys(SERVICES, PROFILE.replicas)
    async with running_stack(tmp_path, replicas=services, settings=settings(PROFILE, tmp_path)) as run:
        misfortune = Misfortune(run, print)
        async with misfortune.reviving():
            crowd = await suffer(run, PROFILE, seed, misfortune)
            written = sum(len(customer.asked) for customer in crowd) + await others(run, crowd)
            left = await settle(run, written, PROFILE.settle_seconds)
        verdict = judge(await collect(run, crowd, left), crowd)
        print(f"{len(crowd)} customers, {written} messages, blows {dict(misfortune.dealt)}; {verdict}")
        print(f"died by themselves: {misfortune.died or 'none'}")
        keep(seed, monotonic() - began, misfortune, verdict)
        found = [f"{kind}: {text}" for kind, texts in verdict.findings.items() for text in texts]
        assert verdict.clean, "\n".join([*found, *(await trace_ids(run, verdict))])


async def others(run: Running, crowd: Sequence[Customer]) -> int:
    """Messages of customers who only helped to learn the answers: one each."""
    return len(await run.simulator.control("GET", "/control/customers")) - len(crowd)
