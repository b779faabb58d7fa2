"""What the dialog measures; declared in docs/telemetry.md, no attribute is open ended."""

from datetime import UTC, datetime

from kf_contracts.events import DeliveryChanged, DeliveryStatus
from kf_runtime.instruments import LONG_SECONDS, SECONDS
from opentelemetry import metrics

from kf_dialog.conversation import Turn
from kf_dialog.records import Records

_meter = metrics.get_meter("kf_dialog")
_answer_delay = _meter.create_histogram(
    "kf.answer.delay",
    unit="s",
    description="From the customer's message until WeCom had taken all of the reply.",
    explicit_bucket_boundaries_advisory=LONG_SECONDS,
)
_turns = _meter.create_counter("kf.turns", unit="{turn}", description="Turns, by how they ended.")
_unanswered = _meter.create_gauge(
    "kf.messages.unanswered", unit="{conversation}", description="Customers who wait for a turn."
)
_oldest = _meter.create_gauge(
    "kf.messages.oldest_unanswered", unit="s", description="How long the one who waits longest has waited."
)
_handovers = _meter.create_counter(
    "kf.handovers", unit="{handover}", description="Handovers, by who has the session now."
)
_tokens = _meter.create_counter(
    "gen_ai.client.token.usage", unit="{token}", description="Tokens of the model, in and out."
)
_cost = _meter.create_counter(
    "kf.model.cost", unit="1", description="What the model's tokens cost, in the account's currency."
)
_asked = _meter.create_histogram(
    "gen_ai.client.operation.duration",
    unit="s",
    description="One call of the model.",
    explicit_bucket_boundaries_advisory=SECONDS,
)
_circuits = _meter.create_gauge("kf.circuit.open", unit="{circuit}", description="Circuits that are open.")
_DELIVERED = (DeliveryStatus.SENT,)
_REPLIES = ("send_reply", "send_content")


def finished(turn: Turn) -> None:
    """A turn is stored."""
    answer = turn.answer
    _turns.add(1, {"kf.outcome": answer.outcome.value})
    for kind, tokens in (("input", answer.input_tokens), ("output", answer.output_tokens)):
        if tokens:
            _tokens.add(tokens, {"gen_ai.token.type": kind, "gen_ai.request.model": answer.model})
    if answer.cost:
        _cost.add(answer.cost, {"kf.currency": turn.currency})


def asked(model: str, seconds: float, fault: str) -> None:
    """One call of the model has ended; an empty fault: well."""
    attributes = {"gen_ai.request.model": model, **({"error.type": fault} if fault else {})}
    _asked.record(seconds, attributes)


def circuit(model: str, *, is_open: bool) -> None:
    """The circuit of an endpoint of the model, after a call."""
    _circuits.set(int(is_open), {"kf.circuit": "model", "gen_ai.request.model": model})


async def delivered(change: DeliveryChanged, handover: str, records: Records) -> None:
    """The sender has told of a command."""
    if handover:
        _handovers.add(1, {"kf.outcome": handover})
    if change.status in _DELIVERED and change.kind in _REPLIES and change.turn_id:
        asked_at = await records.asked_at(change.open_kfid, change.external_userid, change.turn_id)
        if asked_at:
            _answer_delay.record(max(0.0, (change.occurred_at - asked_at).total_seconds()))


async def measure(records: Records) -> None:
    """Take the gauges from the conversations; every replica tells the same."""
    waiting, since = await records.unanswered()
    _unanswered.set(waiting)
    _oldest.set((datetime.now(UTC) - since).total_seconds() if since else 0.0)
