"""What is done to a stack in one run: a profile says how much, a seed says what exactly and when."""

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, cycle, islice

SERVICES = ("gateway", "dialog", "sender", "knowledge")
INFRASTRUCTURE = ("nats", "postgres")
FREEZE_SECONDS = 18.0
"""Longer than every lease: 8 s of the gateway, 10 s of dialog, 15 s of the sender."""
API_FAULTS = (
    {"kind": "errcode", "errcode": -1},
    {"kind": "errcode", "errcode": 6000},
    {"kind": "bad_gateway"},
    {"kind": "cut_json"},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "slow", "seconds": 0.5},
    {"kind": "token_ended"},
)


@dataclass(frozen=True)
class Profile:
    """How much of everything; the blows fall while customers write, which takes about `seconds`."""

    customers: int
    messages: int
    """Of each customer."""
    seconds: float
    kills: int
    freezes: int
    cuts: int
    """Times that every connection to PostgreSQL is dropped."""
    voids: int
    """Times that every access token ends early."""
    doubled_share: float = 0.05
    """Of callbacks."""
    fault_share: float = 0.02
    """Of calls of WeCom's API."""
    replicas: int = 2
    sends_per_minute: int = 3000
    settle_seconds: float = 600.0
    """For all answers, once the last blow has fallen and the last message is written."""


SMALL = Profile(
    customers=12, messages=5, seconds=25, kills=10, freezes=1, cuts=1, voids=1, settle_seconds=150
)
SHORT = Profile(customers=200, messages=25, seconds=330, kills=30, freezes=10, cuts=3, voids=2)
LONG = Profile(
    customers=1000, messages=100, seconds=6600, kills=500, freezes=100, cuts=30, voids=10, replicas=3
)
PROFILES = {"small": SMALL, "short": SHORT, "long": LONG}


class Kind(StrEnum):
    """What happens to a victim."""

    KILL = "kill"
    FREEZE = "freeze"
    CUT = "cut"
    VOID = "void"


@dataclass(frozen=True)
class Blow:
    """One misfortune: when, what, to whom, and how long the victim stays dead or frozen."""

    at: float
    kind: Kind
    victim: str
    seconds: float


def victims(replicas: int) -> list[str]:
    """Every process that a customer's message passes, as the stack names them."""
    numbers = ["", *(f"-{number}" for number in range(2, replicas + 1))]
    return [*INFRASTRUCTURE, *(service + number for service in SERVICES for number in numbers)]


def blows(profile: Profile, seed: int) -> list[Blow]:
    """The misfortunes of one run, by time: each process is killed before any is killed again."""
    dice = random.Random(seed)
    everyone = victims(profile.replicas)
    dice.shuffle(everyone)
    kinds = chain(
        ((Kind.KILL, name) for name in islice(cycle(everyone), profile.kills)),
        ((Kind.FREEZE, name) for name in islice(cycle(reversed(everyone)), profile.freezes)),
        ((Kind.CUT, "postgres") for _ in range(profile.cuts)),
        ((Kind.VOID, "simulator") for _ in range(profile.voids)),
    )
    made = []
    for kind, victim in kinds:
        seconds = FREEZE_SECONDS if kind is Kind.FREEZE else dice.uniform(0.1, 3.0)
        made.append(Blow(dice.uniform(0, profile.seconds), kind, victim, seconds))
    return sorted(made, key=lambda blow: blow.at)
