"""The trace that one answered customer message must leave: which span causes which, callback to send_msg."""

from collections.abc import Sequence

from kf_cli.trace import Span, edges

Edge = tuple[str, str]

RECEIVED: tuple[Edge, ...] = (
    ("kf-gateway POST /wecom/callback", "kf-gateway publish kf.notice.{open_kfid}"),
    ("kf-gateway publish kf.notice.{open_kfid}", "kf-gateway process kf.notice.{open_kfid}"),
    ("kf-gateway process kf.notice.{open_kfid}", "kf-gateway pull page"),
    ("kf-gateway pull page", "kf-gateway POST /cgi-bin/kf/sync_msg"),
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

TURN = "kf-dialog turn"


def missing(spans: Sequence[Span], wanted: Sequence[Edge]) -> list[str]:
    """The wanted edges that a trace lacks, readable."""
    found = edges(spans)
    return [f"{parent} → {child}" for parent, child in wanted if (parent, child) not in found]


def unlinked(spans: Sequence[Span], merged: Sequence[Span]) -> int:
    """How many of the merged messages' spans no turn of this trace links to or descends from."""
    turns = [span for span in spans if span.label == TURN]
    known = {target for turn in turns for target in turn.links} | {(s.trace_id, s.parent_id) for s in turns}
    return sum((span.trace_id, span.span_id) not in known for span in merged)
