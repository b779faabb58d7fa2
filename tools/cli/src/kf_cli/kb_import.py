"""Imports many documents, several at a time, with progress; a bad one is named and the others go on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kf_cli.kb_output import as_plain, print_json, show_changes, show_evaluation
from kf_cli.knowledge_base import Document, KnowledgeBase, KnowledgeError
from kf_cli.logview import plain
from kf_cli.sources import SourceError

# Reading one document and embedding another go side by side.
_TOGETHER = 4
# As many as one mends in one go.
_SHOWN_FAULTS = 20


@dataclass
class Imported:
    """What came of an import; `faults` are sentences that begin with the document's name."""

    stored: list[pb.UploadDocumentResponse] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    publication: pb.PublishCollectionResponse | None = None


@dataclass(frozen=True)
class Importer:
    """How a collection's documents are imported."""

    collection: str
    labels: pb.Labels
    draft: bool = False
    force: bool = False
    dry_run: bool = False

    async def run(self, knowledge: KnowledgeBase, sources: Sequence[Document]) -> Imported:
        """Imports all, then publishes unless only the draft was to change."""
        result = Imported()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=len(sources))
            waiting = iter(sources)

            async def work() -> None:
                for source in waiting:
                    progress.update(task, description=plain(source.name))
                    await self._one(knowledge, source, result)
                    progress.advance(task)

            await asyncio.gather(*(work() for _ in range(_TOGETHER)))
        if not self.draft:
            request = pb.PublishCollectionRequest(collection=self.collection, force=self.force)
            result.publication = await knowledge.ask("PublishCollection", request, work=True)
        return result

    async def _one(self, knowledge: KnowledgeBase, source: Document, result: Imported) -> None:
        try:
            reply = await knowledge.ingest(
                self.collection, source, draft=True, labels=self.labels, dry_run=self.dry_run
            )
        except KnowledgeError as error:
            if not error.about_document:
                raise
            result.faults.append(str(error))
        except SourceError as error:
            result.faults.append(str(error))
        else:
            result.stored.append(reply)


def report(result: Imported, importer: Importer, *, as_json: bool) -> int:
    """Says what came of it; the status is 1 when a document or the publication was refused."""
    refused = result.publication is not None and not result.publication.published
    if as_json:
        publication = as_plain(result.publication) if result.publication else None
        documents = [as_plain(reply) for reply in result.stored]
        print_json({"documents": documents, "faults": result.faults, "publication": publication})
        return int(refused or bool(result.faults))
    changed = sum(reply.changed for reply in result.stored)
    passages = sum(reply.document.passage_count for reply in result.stored)
    print(
        f"{len(result.stored)} documents with {passages} passages in {importer.collection}; "
        f"{changed} {'would be ' if importer.dry_run else ''}new or changed."
    )
    console = Console(stderr=True, highlight=False)
    for fault in result.faults[:_SHOWN_FAULTS]:
        console.print(f"[red]not imported[/] {plain(fault)}", soft_wrap=True)
    if len(result.faults) > _SHOWN_FAULTS:
        console.print(f"[red]not imported[/] and {len(result.faults) - _SHOWN_FAULTS} more")
    if result.publication:
        report_publication(importer.collection, result.publication)
    return int(refused or bool(result.faults))


def report_publication(collection: str, publication: pb.PublishCollectionResponse) -> None:
    """Says what is published now, or why the draft was refused."""
    if publication.published:
        if publication.changes:
            print(f"Published version {publication.version} of {collection}.")
        return
    show_changes(publication.changes)
    show_evaluation(publication.evaluation)
    Console(highlight=False).print(
        f"[yellow]Not published:[/] the draft answers the test questions worse than version "
        f"{publication.version}. Mend the documents, or `kf kb publish {collection} --force`.",
        soft_wrap=True,
    )
