"""Traces on the command line: edges, links, and a waterfall that shows cause and time."""

from kf_cli.journey import missing, unlinked
from kf_cli.trace import Span, edges, waterfall
from rich.text import Text


def span(
    span_id: str, parent: str, name: str, *, start: int = 0, end: int = 1_000_000, **more: object
) -> Span:
    values: dict[str, object] = {
        "trace_id": "t",
        "service": "kf-dialog",
        "kind": "internal",
        "failed": False,
        "attributes": {},
        "links": (),
    }
    return Span(
        span_id=span_id,
        parent_id=parent,
        name=name,
        start_ns=start,
        end_ns=end,
        **{**values, **more},  # type: ignore[arg-type]
    )


ROOT = span("1", "", "POST /wecom/callback", service="kf-gateway", end=4_000_000)
TURN = span("2", "1", "turn", start=1_000_000, end=3_000_000)
FAR = span("3", "gone", "send", start=2_000_000, end=4_000_000, failed=True, attributes={"kf.errcode": 95001})


def test_edges_name_parent_and_child_with_their_services() -> None:
    assert edges([ROOT, TURN, FAR]) == {("kf-gateway POST /wecom/callback", "kf-dialog turn")}


def test_missing_edges_are_named() -> None:
    wanted = [("kf-gateway POST /wecom/callback", "kf-dialog turn"), ("kf-dialog turn", "kf-dialog send")]
    assert missing([ROOT, TURN], wanted) == ["kf-dialog turn → kf-dialog send"]


def test_a_merged_message_is_linked_or_the_parent() -> None:
    first, last = span("8", "7", "process"), span("9", "7", "process")
    turn = span("2", "9", "turn", links=(("t", "8"),))
    assert unlinked([turn], [first, last]) == 0
    assert unlinked([span("2", "9", "turn")], [first, last]) == 1


def test_waterfall_indents_children_and_moves_bars_with_time() -> None:
    lines = [Text.from_markup(line).plain for line in waterfall([FAR, TURN, ROOT])]
    assert [line.split()[1] for line in lines] == ["POST", "turn", "send"]
    assert "  turn" in lines[1]
    assert lines[0].index("━") < lines[1].index("━") < lines[2].index("━")
    assert "4.0 ms" in lines[0]
    assert "errcode=95001" in lines[2]


def test_every_span_is_drawn_once_even_with_a_parent_elsewhere() -> None:
    assert len(list(waterfall([FAR]))) == 1
