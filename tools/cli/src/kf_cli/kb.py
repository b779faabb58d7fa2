"""`kf kb`: the documents of a knowledge base from the command line."""

import asyncio
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from rich.console import Console

from kf_cli import kb_gaps, kb_publishing
from kf_cli.kb_import import Importer, report
from kf_cli.kb_output import (
    Address,
    AsJson,
    Collection,
    Draft,
    as_plain,
    print_json,
    run,
    show,
    show_search,
    target,
)
from kf_cli.knowledge_base import Document, KnowledgeBase, KnowledgeError, connect
from kf_cli.logview import plain
from kf_cli.sources import find_sources, sample_sources
from kf_cli.web import fetch

app = typer.Typer(no_args_is_help=True, help="Import, search, test and publish documents.")
kb_publishing.register(app)
app.command()(kb_gaps.gaps)

Sources = Annotated[list[str], typer.Argument(help="Documents, named as `kf kb list` shows them.")]
_MOMENT = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@app.command("import")
def import_(
    collection: Collection,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files or folders: .md .txt .csv (FAQ) .html .pdf .docx .xlsx .pptx .zip"),
    ] = [],  # noqa: B006
    url: Annotated[list[str], typer.Option("--url", help="A web page; may be given more than once.")] = [],  # noqa: B006
    draft: Annotated[
        bool, typer.Option("--draft", help="Only change the draft; `kf kb publish` publishes it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Publish even if the test questions are answered worse.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything, store nothing.")] = False,
    language: Annotated[str, typer.Option(help="zh, en ...: what searches may be narrowed to.")] = "",
    tag: Annotated[list[str], typer.Option(help="May be given more than once.")] = [],  # noqa: B006
    valid_from: Annotated[dt.datetime | None, typer.Option(formats=_MOMENT, help="Not found before.")] = None,
    valid_until: Annotated[
        dt.datetime | None, typer.Option(formats=_MOMENT, help="Not found from then on.")
    ] = None,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Import files and folders, then publish; a file of the same name is replaced, an unchanged one stays.

    A collection with test questions is published only if it answers them no worse than before. A file that
    cannot be read is named with the reason, the others are imported.

    [bold]Examples[/]

      kf kb import shop docs/shop

      kf kb import shop faq.xlsx manual.pdf --draft

      kf kb import shop --url https://shop.example/help
    """
    labels = pb.Labels(language=language, tags=tag)
    for name, moment in (("valid_from", valid_from), ("valid_until", valid_until)):
        if moment:
            getattr(labels, name).FromDatetime(moment.astimezone(dt.UTC))
    importer = Importer(collection, labels, draft=draft or dry_run, force=force, dry_run=dry_run)
    run(_import(importer, paths, url, address, as_json))


@app.command("list")
def list_(
    collection: Annotated[str, typer.Argument(help="Show its documents; without it, all collections.")] = "",
    draft: Draft = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """List the collections, or the documents of one.

    [bold]Examples[/]

      kf kb list

      kf kb list shop --json
    """
    run(_list(collection, draft, address, as_json))


@app.command("show")
def show_(
    collection: Collection,
    source: Annotated[str, typer.Argument(help="A document, named as `kf kb list` shows it.")],
    draft: Draft = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Show a document as it was cut into passages.

    [bold]Example[/]

      kf kb show shop policy.md
    """
    run(_show(collection, source, draft, address, as_json))


@app.command()
def search(
    collection: Collection,
    question: Annotated[str, typer.Argument(help="A question in a customer's words.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 5,
    draft: Draft = False,
    language: Annotated[str, typer.Option(help="Only documents of this language.")] = "",
    tag: Annotated[list[str], typer.Option(help="Only documents with all of these tags.")] = [],  # noqa: B006
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Show what a customer's question would find, and why: both rankings, the fusion, the words found.

    [bold]Example[/]

      kf kb search shop 保修多久
    """
    request = pb.SearchRequest(
        collection=collection,
        query=question,
        limit=limit,
        draft=draft,
        language=language,
        tags=tag,
        explain=True,
    )
    run(_search(request, address, as_json))


@app.command()
def remove(
    collection: Collection,
    sources: Sources,
    draft: Annotated[
        bool, typer.Option("--draft", help="Only from the draft: found until that is published.")
    ] = False,
    address: Address = "",
) -> None:
    """Remove documents from every version; their passages are not found any more at once.

    [bold]Example[/]

      kf kb remove shop faq.csv
    """
    run(_remove(collection, sources, draft, address))


@app.command()
def export(
    collection: Collection,
    file: Annotated[Path, typer.Argument(help="Written as JSON Lines: one passage each.")],
    draft: Draft = False,
    address: Address = "",
) -> None:
    """Write every passage of a collection into a file, with its document, headings and page.

    [bold]Example[/]

      kf kb export shop shop.jsonl
    """
    run(_export(collection, file, draft, address))


@app.command()
def sample(address: Address = "") -> None:
    """Import the sample knowledge base, collections shop and saas; what is there already stays as it is.

    [bold]Example[/]

      kf kb sample
    """
    run(_sample(address))


async def _import(
    importer: Importer, paths: Sequence[Path], urls: Sequence[str], address: str, as_json: bool
) -> int:
    pages = await asyncio.gather(*map(fetch, urls))
    sources: list[Document] = [*find_sources(paths), *pages]
    if not sources:
        raise KnowledgeError("Nothing to import: no documents there.")
    async with connect(target(address)) as knowledge:
        result = await importer.run(knowledge, sources)
    return report(result, importer, as_json=as_json)


async def _sample(address: str) -> None:
    async with connect(target(address)) as knowledge:
        for collection, source in sample_sources():
            reply = await knowledge.ingest(collection, source)
            print(f"{collection}/{plain(source.name)}: {reply.document.passage_count} passages")


async def _list(collection: str, draft: bool, address: str, as_json: bool) -> None:
    async with connect(target(address)) as knowledge:
        if collection:
            documents = await knowledge.documents(collection, draft=draft)
            show(as_json, documents, ("source", "title", "passage_count", "published"))
        else:
            columns = ("name", "document_count", "passage_count", "published_version", "changed")
            show(as_json, await knowledge.collections(), columns)


async def _show(collection: str, source: str, draft: bool, address: str, as_json: bool) -> None:
    async with connect(target(address)) as knowledge:
        documents = await _named(knowledge, collection, [source], draft=draft)
        reply = await knowledge.ask("GetDocument", _content(collection, documents[0], draft))
    if as_json:
        print_json([as_plain(passage) for passage in reply.passages])
        return
    console = Console(highlight=False)
    for passage in reply.passages:
        place = " > ".join(passage.headings) or passage.question or passage.title
        page = f" p. {passage.page}" if passage.page else ""
        console.print(f"[bold]{plain(place)}[/][dim]{page}[/]")
        console.print(plain(passage.text))


async def _search(request: pb.SearchRequest, address: str, as_json: bool) -> None:
    async with connect(target(address)) as knowledge:
        reply = await knowledge.ask("Search", request)
    if as_json:
        print_json(as_plain(reply))
    else:
        show_search(reply)


async def _remove(collection: str, sources: list[str], draft: bool, address: str) -> None:
    async with connect(target(address)) as knowledge:
        for document in await _named(knowledge, collection, sources, draft=True):
            await knowledge.ask(
                "DeleteDocument",
                pb.DeleteDocumentRequest(
                    collection=collection, document_id=document.document_id, draft=draft
                ),
            )
            print(f"Removed {document.source}.")


async def _export(collection: str, file: Path, draft: bool, address: str) -> None:
    written = 0
    async with connect(target(address)) as knowledge:
        documents = await knowledge.documents(collection, draft=draft)
        with file.open("w", encoding="utf-8") as out:
            for document in documents:
                reply = await knowledge.ask("GetDocument", _content(collection, document, draft))
                for passage in reply.passages:
                    line = json.dumps(as_plain(passage), ensure_ascii=False)
                    await asyncio.to_thread(out.write, line + "\n")
                    written += 1
    print(f"{written} passages of {len(documents)} documents written to {file}.")


def _content(collection: str, document: pb.Document, draft: bool) -> pb.GetDocumentRequest:
    return pb.GetDocumentRequest(
        collection=collection, document_id=document.document_id, draft=draft, limit=1_000
    )


async def _named(
    knowledge: KnowledgeBase, collection: str, sources: list[str], *, draft: bool
) -> list[pb.Document]:
    documents = {document.source: document for document in await knowledge.documents(collection, draft=draft)}
    unknown = [source for source in sources if source not in documents]
    if unknown:
        raise KnowledgeError(f"{collection} has no {', '.join(unknown)}; see `kf kb list {collection}`.")
    return [documents[source] for source in sources]
