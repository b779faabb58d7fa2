"""How `kf kb` shows what the knowledge service says: tables for people, JSON for programs."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kf_cli import config
from kf_cli.knowledge_base import KnowledgeError
from kf_cli.logview import plain
from kf_cli.ports import Ports
from kf_cli.sources import SourceError

Address = Annotated[
    str,
    typer.Option(
        envvar="KF_KNOWLEDGE_ADDRESS",
        help="host:port of the knowledge service; default: this machine, KF_KNOWLEDGE_PORT.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Collection = Annotated[str, typer.Argument(help="Name of the collection, for example shop.")]
Draft = Annotated[bool, typer.Option("--draft", help="The draft instead of the published version.")]

_FIGURES: dict[str, Callable[[pb.Figures], float]] = {
    "nDCG@10": lambda f: f.ndcg_at_10,
    "recall@1": lambda f: f.recall_at_1,
    "recall@5": lambda f: f.recall_at_5,
    "recall@10": lambda f: f.recall_at_10,
    "MRR@10": lambda f: f.mrr_at_10,
    "answerable": lambda f: f.answerable_kept,
    "refused": lambda f: f.unanswerable_refused,
    "no-answer precision": lambda f: f.no_answer_precision,
}


def run(work: Coroutine[Any, Any, int | None]) -> None:
    """Runs a command to its end and leaves with its status; a fault is one sentence and status 1."""
    try:
        status = asyncio.run(work)
    except (KnowledgeError, SourceError) as error:
        typer.echo(f"kf kb: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(status or 0)


def target(address: str) -> str:
    """The service's address: the one given, or this machine's."""
    return address or f"127.0.0.1:{config.read(Ports).kf_knowledge_port}"


def as_plain(message: Message) -> dict[str, Any]:
    """A message as JSON has it."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def print_json(what: Any) -> None:
    """JSON, readable."""
    print(json.dumps(what, ensure_ascii=False, indent=2))


def show(as_json: bool, messages: Sequence[Any], columns: Sequence[str]) -> None:
    """Messages as a table of some of their fields."""
    if as_json:
        print_json([as_plain(message) for message in messages])
        return
    table = Table(*columns)
    for message in messages:
        table.add_row(*(plain(str(getattr(message, column))) for column in columns))
    Console().print(table)


def show_search(reply: pb.SearchResponse) -> None:
    """Passages with their place in both rankings, the question's words marked, and the verdict."""
    console = Console(highlight=False)
    for number, passage in enumerate(reply.passages, 1):
        why = passage.explanation
        place = " > ".join(filter(None, [passage.title, *passage.headings]))
        page = f" p. {passage.page}" if passage.page else ""
        console.print(f"[bold]{number}. {plain(place)}[/] [dim]{plain(passage.source)}{page}[/]")
        console.print(
            f"[dim]   fused {passage.score:.3f} = meaning: place {why.dense_rank}, cosine "
            f"{passage.dense_score:.3f} + words: place {why.lexical_rank}, BM25 "
            f"{passage.lexical_score:.2f}, {why.coverage:.0%} of the question[/]"
        )
        for line in filter(None, (passage.question, passage.text)):
            text = Text.from_markup(plain(f"   {line}"))
            text.highlight_words(list(why.matched_words), "bold yellow", case_sensitive=False)
            console.print(text)
    why_all = reply.explanation
    words = f" Added words: {plain(', '.join(why_all.added_words))}." if why_all.added_words else ""
    console.print(
        f"[dim]Version {why_all.version}, {why_all.candidates} candidates; words weigh "
        f"{why_all.lexical_share:.2f}.{words}[/]"
    )
    verdict = "[green]Enough for an answer[/]" if reply.answerable else "[yellow]No answer there[/]"
    console.print(f"{verdict}: evidence {why_all.evidence:.3f}, needed {why_all.threshold:.3f}.")


def show_evaluation(measured: pb.EvaluateCollectionResponse) -> None:
    """The draft's figures, with those of the published version beside them."""
    before = {figures.category: figures for figures in measured.published}
    table = Table("category", "questions", *_FIGURES)
    for figures in measured.draft:
        old = before.get(figures.category)
        cells = [_compared(value(figures), value(old) if old else None) for value in _FIGURES.values()]
        table.add_row(plain(figures.category) or "all", str(figures.questions), *cells)
    console = Console(highlight=False)
    console.print(table)
    for line in measured.regressions:
        console.print(f"[red]worse[/] {plain(line)}")
    for question in measured.lost_questions:
        console.print(f"[red]lost[/] {plain(question)}")


def show_changes(changes: Iterable[pb.DocumentChange]) -> None:
    """One line for each document: + added, - removed, ~ changed."""
    signs = {"added": "[green]+[/]", "removed": "[red]-[/]"}
    console = Console(highlight=False)
    for change in changes:
        sign = signs.get(change.kind, "[yellow]~[/]")
        counts = f"+{change.passages_added} -{change.passages_removed} passages"
        console.print(f"{sign} {plain(change.source)} [dim]{counts}[/]")


def _compared(now: float, before: float | None) -> str:
    if before is None or abs(now - before) < 0.0005:
        return f"{now:.3f}"
    colour = "green" if now > before else "red"
    return f"{now:.3f} [{colour}]{now - before:+.3f}[/]"
