"""Whether each customer message left one whole trace: every expected parent → child edge, in one trace alone.

A message is whole when one trace alone holds it, from the callback (or a poll) into the inbox, and a turn
that answers it, below it or linked to it, leads through search and model to a send_msg call. Attempts that a
kill cut short may stand beside that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import httpx
from kf_cli import journey
from kf_cli.journey import Edge
from kf_cli.trace import Span, edges

from tests.e2e.stack import Running

POLLED = tuple(
    edge for edge in journey.RECEIVED if edge[0].endswith(("pull page", "publish kf.inbound.{open_kfid}"))
)
"""How a message comes in that the fallback poll found: its trace begins with the page."""
_CALLBACK = "kf-gateway POST /wecom/callback"
_TURN = "kf-dialog turn"
_PAGE = 5_000


@dataclass
class Found:
    """Every span by trace, and where messages and turns are."""

    traces: dict[str, list[Span]] = field(default_factory=dict)
    accepted: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    turns: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def add(self, spans: list[Span]) -> None:
        """Take in one trace."""
        for span in spans:
            self.traces.setdefault(span.trace_id, []).append(span)
            if span.label == journey.ACCEPTED:
                self.accepted[span.attributes.get("kf.msgid", "")].append(span)
            elif span.label == _TURN:
                for msgid in span.attributes.get("kf.msgids", ()):
                    self.turns[msgid].append(span)


async def read(run: Running) -> Found:
    """Everything that the dashboard holds."""
    found, before = Found(), ""
    async with httpx.AsyncClient(base_url=run.stack.layout.traces_url, trust_env=False, timeout=60) as client:
        while True:
            query = {"limit": str(_PAGE), **({"before": before} if before else {})}
            page = (await client.get("/api/traces", params=query)).json()
            for trace in page["traces"]:
                found.add([span for span in await run.traces.spans(trace["trace_id"]) if not span.is_sql])
            before = page["next"]
            if not before:
                return found


def fault(found: Found, msgid: str) -> str:
    """What is wrong with the trace of one message; empty: it is whole."""
    accepted = found.accepted.get(msgid, [])
    homes = {span.trace_id for span in accepted}
    if len(homes) != 1:
        return f"stands in {len(homes)} traces"
    spans = found.traces[homes.pop()]
    if not any(_came_in(spans, span) for span in accepted):
        return f"came in without {_first(_lacks(spans, accepted[0]))}"
    answers = [turn for turn in found.turns.get(msgid, []) if _belongs(turn, accepted)]
    if not answers:
        return "has no turn"
    lacking = [_lacking_below(found.traces[turn.trace_id], turn) for turn in answers]
    whole = sum(not edges for edges in lacking)
    return "" if whole == 1 else f"has {whole} whole turns, one lacks {_first(min(lacking, key=len))}"


def faults(found: Found, msgids: Iterable[str]) -> dict[str, str]:
    """msgid → what is wrong, for those that are not whole."""
    return {msgid: wrong for msgid in msgids if (wrong := fault(found, msgid))}


def told(wrong: dict[str, str]) -> str:
    """Kinds of faults and how often each was found."""
    return "\n".join(f"{count:5} {what}" for what, count in Counter(wrong.values()).most_common())


def _came_in(spans: Sequence[Span], accepted: Span) -> bool:
    return not _lacks(spans, accepted)


def _lacks(spans: Sequence[Span], accepted: Span) -> list[Edge]:
    above = _ancestors(spans, accepted)
    wanted = journey.RECEIVED if any(span.label == _CALLBACK for span in spans) else POLLED
    ids = {span.span_id for span in above}
    # The call beside the page: one for all messages of the pull.
    near = above + [span for span in spans if span.parent_id in ids and span.kind == "client"]
    present = edges(near)
    return [edge for edge in wanted if edge not in present]


def _ancestors(spans: Sequence[Span], span: Span) -> list[Span]:
    by_id = {one.span_id: one for one in spans}
    chain = [span]
    while chain[-1].parent_id in by_id:
        chain.append(by_id[chain[-1].parent_id])
    return chain


def _belongs(turn: Span, accepted: Sequence[Span]) -> bool:
    return any(
        turn.parent_id == span.span_id or (span.trace_id, span.span_id) in turn.links for span in accepted
    )


def _lacking_below(spans: Sequence[Span], top: Span) -> list[Edge]:
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        children[span.parent_id].append(span)
    below, waiting = [], [top]
    while waiting:
        span = waiting.pop()
        below.append(span)
        waiting += children[span.span_id]
    present = edges(below)
    return [edge for edge in (*journey.ANSWERED[1:], *_thought(top, below)) if edge not in present]


def _thought(turn: Span, below: Sequence[Span]) -> list[Edge]:
    """The edges of search and model; a search that failed, its service being dead, has no other side."""
    found, other_side, chat = journey.THOUGHT
    answered = any(span.label == found[1] and not span.failed for span in below)
    asked = turn.attributes.get("kf.outcome") == "answered"
    return [found, *([other_side] if answered else []), *([chat] if asked else [])]


def _first(lacking: Sequence[Edge]) -> str:
    return " → ".join(lacking[0]) if lacking else "nothing"
