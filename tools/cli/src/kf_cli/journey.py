"""The trace that one answered customer message must leave: which span causes which, callback to send_msg."""

from collections.abc import Sequence

from kf_cli.trace import Span, edges

Edge = tuple[str, str]

RECEIVED: tuple[Edge, ...] = (
    ("kf-gateway POST /wecom/callback", "kf-gateway publish kf.notice.{open_kfid}"),
    ("kf-gateway publish kf.notice.{open_kfid}", "kf-gateway process kf.notice.{open_kfid}"),
    ("kf-gateway process kf.notice.{open_kfid}", "kf-gateway POST /cgi-bin/kf/sync_msg"),
    ("kf-gateway process kf.notice.{open_kfid}", "kf-gateway pull page"),
    ("kf-gateway pull page", "kf-gateway publish kf.inbound.{open_kfid}"),
    ("kf-gateway publish kf.inbound.{open_kfid}", "kf-dialog process kf.inbound.{open_kfid}"),
)
"""How a message comes in, whatever becomes of it."""

ANSWERED: tuple[Edge, ...] = (
    ("kf-dialog process kf.inbound.{open_kfid}", "kf-dialog turn"),
    ("kf-dialog turn", "kf-dialog publish kf.outbound.{open_kfid}"),
    ("kf-dialog publish kf.outbound.{open_kfid}", "kf-sender process kf.outbound.{open_kfid}"),
    ("kf-sender process kf.outbound.{open_kfid}", "kf-sender send"),
    ("kf-sender send", "kf-sender POST /cgi-bin/kf/send_msg"),
)
"""How an answer goes out."""

THOUGHT: tuple[Edge, ...] = (
    ("kf-dialog turn", "kf-dialog kf_contracts.knowledge.v1.KnowledgeService/Search"),
    (
        "kf-dialog kf_contracts.knowledge.v1.KnowledgeService/Search",
        "kf-knowledge kf_contracts.knowledge.v1.KnowledgeService/Search",
    ),
    ("kf-dialog turn", "kf-dialog chat deepseek-chat"),
)
"""How an answer from knowledge and model is found; a message that is not text needs neither."""

ACCEPTED = "kf-dialog process kf.inbound.{open_kfid}"
"""The span with the msgid of one message; before it all messages of a pull share their spans."""

_SHARED = "kf-gateway POST /cgi-bin/kf/sync_msg"
_TURN = "kf-dialog turn"


def accepted(spans: Sequence[Span], msgid: str) -> Span | None:
    """The span in which dialog took one message; None when the trace does not hold it."""
    return next((s for s in spans if s.label == ACCEPTED and s.attributes.get("kf.msgid") == msgid), None)


def of_message(spans: Sequence[Span], msgid: str) -> list[Span]:
    """The part of a trace that led to one message and followed from it; a pull may hold many messages."""
    here = accepted(spans, msgid)
    if here is None:
        return []
    by_id = {span.span_id: span for span in spans}
    wanted = {here.span_id}
    above = here
    while above.parent_id in by_id:
        above = by_id[above.parent_id]
        wanted.add(above.span_id)
    below = {here.span_id}
    while below:
        below = {span.span_id for span in spans if span.parent_id in below}
        wanted |= below
    return [span for span in spans if span.span_id in wanted or span.label == _SHARED]


def missing(spans: Sequence[Span], wanted: Sequence[Edge]) -> list[str]:
    """The wanted edges that a trace lacks, readable."""
    found = edges(spans)
    return [f"{parent} → {child}" for parent, child in wanted if (parent, child) not in found]


def unlinked(spans: Sequence[Span], merged: Sequence[Span]) -> int:
    """How many of the merged messages' spans no turn of this trace links to or descends from."""
    turns = [span for span in spans if span.label == _TURN]
    known = {target for turn in turns for target in turn.links} | {(s.trace_id, s.parent_id) for s in turns}
    return sum((span.trace_id, span.span_id) not in known for span in merged)
