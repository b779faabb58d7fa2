"""`kf kb`: the knowledge base from the command line."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from kf_cli import config
from kf_cli.knowledge_base import KnowledgeBase, KnowledgeError, connect, find_sources, sample_sources
from kf_cli.logview import plain
from kf_cli.ports import Ports

app = typer.Typer(no_args_is_help=True, help="Import, list, search and remove documents.")

Address = Annotated[
    str,
    typer.Option(
        envvar="KF_KNOWLEDGE_ADDRESS",
        help="host:port of the knowledge service; default: this machine, KF_KNOWLEDGE_PORT.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Collection = Annotated[str, typer.Argument(help="Name of the collection, for example shop.")]


@app.command("import")
def import_(
    collection: Collection,
    paths: Annotated[list[Path], typer.Argument(help="Files or folders: .md .txt .csv (FAQ).")],
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Import files and folders; a file of the same name is replaced, an unchanged one is left alone.

    [bold]Examples[/]

      kf kb import shop docs/shop

      kf kb import shop faq.csv policy.md
    """
    _run(_import(collection, paths, address, as_json))


@app.command("list")
def list_(
    collection: Annotated[str, typer.Argument(help="Show its documents; without it, all collections.")] = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """List the collections, or the documents of one.

    [bold]Examples[/]

      kf kb list

      kf kb list shop --json
    """
    _run(_list(collection, address, as_json))


@app.command()
def search(
    collection: Collection,
    question: Annotated[str, typer.Argument(help="A question in a customer's words.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 5,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Show what a customer's question would find, and whether it is enough for an answer.

    [bold]Example[/]

      kf kb search shop 保修多久
    """
    _run(_search(collection, question, limit, address, as_json))


@app.command()
def remove(
    collection: Collection,
    sources: Annotated[list[str], typer.Argument(help="Documents, named as `kf kb list` shows them.")],
    address: Address = "",
) -> None:
    """Remove documents; their passages are not found any more at once.

    [bold]Example[/]

      kf kb remove shop faq.csv
    """
    _run(_remove(collection, sources, address))


@app.command()
def sample(address: Address = "") -> None:
    """Import the sample knowledge base, collections shop and saas; what is there already stays as it is.

    [bold]Example[/]

      kf kb sample
    """
    _run(_sample(address))


async def _import(collection: str, paths: list[Path], address: str, as_json: bool) -> None:
    sources = find_sources(paths)
    if not sources:
        raise KnowledgeError("Nothing to import: no .md .txt .csv files there.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    stored = []
    async with connect(_target(address)) as knowledge:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=len(sources))
            for source in sources:
                progress.update(task, description=plain(source.name))
                stored.append(await knowledge.ingest(collection, source))
                progress.advance(task)
    if as_json:
        _print_json(stored)
        return
    changed = sum(reply.changed for reply in stored)
    passages = sum(reply.document.passage_count for reply in stored)
    print(f"{len(stored)} documents with {passages} passages in {collection}; {changed} new or changed.")


async def _sample(address: str) -> None:
    async with connect(_target(address)) as knowledge:
        for collection, source in sample_sources():
            reply = await knowledge.ingest(collection, source)
            print(f"{collection}/{plain(source.name)}: {reply.document.passage_count} passages")


async def _list(collection: str, address: str, as_json: bool) -> None:
    async with connect(_target(address)) as knowledge:
        if collection:
            documents = await knowledge.documents(collection)
            _show(as_json, documents, ("source", "title", "passage_count"))
        else:
            collections = await knowledge.collections()
            _show(as_json, collections, ("name", "document_count", "passage_count"))


async def _search(collection: str, question: str, limit: int, address: str, as_json: bool) -> None:
    async with connect(_target(address)) as knowledge:
        reply = await knowledge.search(collection, question, limit)
    if as_json:
        print(json.dumps(_plain(reply), ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    for number, passage in enumerate(reply.passages, 1):
        place = " > ".join([passage.title, *passage.headings])
        console.print(f"[bold]{number}. {plain(place)}[/] [dim]{plain(passage.source)}[/]")
        console.print(
            f"[dim]   score {passage.score:.3f}  cosine {passage.dense_score:.3f}  "
            f"bm25 {passage.lexical_score:.2f}[/]"
        )
        console.print(
            plain(f"   {passage.question}\n   {passage.text}" if passage.question else passage.text)
        )
    console.print("[green]Enough for an answer.[/]" if reply.answerable else "[yellow]No answer there.[/]")


async def _remove(collection: str, sources: list[str], address: str) -> None:
    async with connect(_target(address)) as knowledge:
        documents = {document.source: document for document in await knowledge.documents(collection)}
        unknown = [source for source in sources if source not in documents]
        if unknown:
            raise KnowledgeError(f"{collection} has no {', '.join(unknown)}; see `kf kb list {collection}`.")
        for source in sources:
            await _remove_one(knowledge, collection, documents[source])


async def _remove_one(knowledge: KnowledgeBase, collection: str, document: pb.Document) -> None:
    await knowledge.remove(collection, document)
    print(f"Removed {document.source}.")


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KnowledgeError as error:
        typer.echo(f"kf kb: {error}", err=True)
        raise typer.Exit(1) from None


def _target(address: str) -> str:
    return address or f"127.0.0.1:{config.read(Ports).kf_knowledge_port}"


def _plain(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _print_json(messages: list[Any]) -> None:
    print(json.dumps([_plain(message) for message in messages], ensure_ascii=False, indent=2))


def _show(as_json: bool, messages: list[Any], columns: tuple[str, ...]) -> None:
    if as_json:
        _print_json(messages)
        return
    table = Table(*columns)
    for message in messages:
        table.add_row(*(plain(getattr(message, column)) for column in columns))
    Console().print(table)
