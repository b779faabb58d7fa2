"""What the sender measures; declared in docs/telemetry.md, no attribute is open ended."""

from kf_runtime.instruments import LONG_SECONDS
from kf_wecom.errcodes import lookup
from opentelemetry import metrics

from kf_sender.claimed import Claimed
from kf_sender.store import Store
from kf_sender.verdict import Verdict

_meter = metrics.get_meter("kf_sender")
_attempts = _meter.create_counter(
    "kf.send.attempts", unit="{attempt}", description="Attempts to send one part, by how they ended."
)
_limiter_wait = _meter.create_histogram(
    "kf.limiter.wait",
    unit="s",
    description="From due until the limiter let an attempt begin.",
    explicit_bucket_boundaries_advisory=LONG_SECONDS,
)
_limiter_use = _meter.create_gauge(
    "kf.limiter.use", unit="1", description="Share of the allowed calls that the last minute used."
)
_commands = _meter.create_gauge(
    "kf.commands", unit="{command}", description="Commands that are not finished, by status."
)
_oldest = _meter.create_gauge("kf.commands.oldest", unit="s", description="Age of the oldest, by status.")
_quota_left = _meter.create_gauge(
    "kf.quota.left",
    unit="{customer}",
    description="Customers who wrote within 48 h, by how many messages they may still get.",
)
_circuits = _meter.create_gauge("kf.circuit.open", unit="{circuit}", description="Circuits that are open.")

WAITING = ("queued", "sending", "unknown", "held", "parked")


def attempted(claimed: Claimed, verdict: Verdict) -> None:
    """One attempt has ended."""
    code = verdict.errcode
    error_class = "unanswered" if code is None else "ok" if code == 0 else lookup(code).error_class.value
    _attempts.add(1, {"kf.outcome": str(verdict.action), "kf.errcode.class": error_class})
    _limiter_wait.record(claimed.queued_seconds)


async def measure(store: Store) -> None:
    """Take the gauges from the ledger; every replica tells the same."""
    found = await store.standing()
    _limiter_use.set(found.limiter_use)
    for status in WAITING:
        number, age = found.commands.get(status, (0, 0.0))
        _commands.set(number, {"kf.status": status})
        _oldest.set(age, {"kf.status": status})
    for left, customers in found.quota.items():
        _quota_left.set(customers, {"kf.left": left})
    _circuits.set(found.suspended_accounts, {"kf.circuit": "account"})
