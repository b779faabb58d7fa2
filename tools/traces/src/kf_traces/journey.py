"""What a span says about the way of a customer message: received, answered in a turn, commanded, sent."""

from collections.abc import Iterator
from typing import Any

from kf_traces.span import Span

Fact = tuple[str, dict[str, Any]]
"""The name of the query that stores it, and its parameters but for the trace."""

_FRUITLESS_TURNS = ("superseded", "lease_lost")


def facts(span: Span) -> Iterator[Fact]:
    """Read a span by the names and attributes that docs/telemetry.md fixes; most spans tell nothing."""
    told = span.attributes
    outcome = told.get("kf.outcome")
    if outcome == "new" and "kf.msgid" in told:
        yield "add_message", {"msgid": str(told["kf.msgid"])}
    if "kf.turn_id" in told and "kf.command_id" in told:
        yield (
            "add_command",
            {"turn_id": str(told["kf.turn_id"]), "command_id": str(told["kf.command_id"])},
        )
    if outcome is None:
        return
    if span.name == "turn" and outcome not in _FRUITLESS_TURNS:
        yield from _turn(span, str(outcome))
    if str(outcome).startswith("send_failed") and "kf.command_id" in told:
        # WeCom took it and told later that it never arrived; of which part is not known here.
        yield (
            "add_failure",
            {"command_id": str(told["kf.command_id"]), "outcome": str(outcome), "end_ns": span.end_ns},
        )
    if span.name == "send" and "kf.command_id" in told:
        yield (
            "add_send",
            {
                "command_id": str(told["kf.command_id"]),
                "part": told.get("kf.part", 1),
                "parts": told.get("kf.parts", 1),
                "outcome": str(outcome),
                "end_ns": span.end_ns,
            },
        )
        yield (
            "end_failure",
            {"command_id": str(told["kf.command_id"]), "outcome": str(outcome), "end_ns": span.end_ns},
        )


def _turn(span: Span, outcome: str) -> Iterator[Fact]:
    msgids = span.attributes.get("kf.msgids")
    for msgid in msgids if isinstance(msgids, list) else ():
        yield (
            "add_turn",
            {
                "msgid": str(msgid),
                "turn_id": str(span.attributes.get("kf.turn_id")),
                "outcome": outcome,
                "end_ns": span.end_ns,
            },
        )
