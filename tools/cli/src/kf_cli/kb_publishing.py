"""`kf kb` and `kf eval knowledge`: versions of a collection, its test questions, its own words."""

import csv
from pathlib import Path
from typing import Annotated

import typer
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from rich.console import Console
from rich.table import Table

from kf_cli.kb_import import report_publication
from kf_cli.kb_output import (
    Address,
    AsJson,
    Collection,
    as_plain,
    print_json,
    run,
    show_changes,
    show_evaluation,
    target,
)
from kf_cli.knowledge_base import KnowledgeError, connect
from kf_cli.logview import plain


def register(app: typer.Typer) -> None:
    """Adds the commands to `kf kb`."""
    for command in (publish, rollback, discard, diff, versions, questions, words, calibrate):
        app.command()(command)
    app.command("eval")(evaluate)


def publish(
    collection: Collection,
    force: Annotated[
        bool, typer.Option("--force", help="Even if the test questions are answered worse.")
    ] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Make the draft what customers' questions search, at once.

    [bold]Example[/]

      kf kb publish shop
    """
    run(_publish(collection, force, address, as_json))


def rollback(
    collection: Collection,
    version: Annotated[int, typer.Option(min=0, help="Default: the one before the published one.")] = 0,
    address: Address = "",
) -> None:
    """Publish an older version again; what came later is in the draft again.

    [bold]Example[/]

      kf kb rollback shop
    """
    run(_rollback(collection, version, address))


def discard(collection: Collection, address: Address = "") -> None:
    """Throw the draft's changes away: it equals the published version again.

    [bold]Example[/]

      kf kb discard shop
    """
    run(_discard(collection, address))


def diff(collection: Collection, address: Address = "", as_json: AsJson = False) -> None:
    """Show what publishing the draft would change.

    [bold]Example[/]

      kf kb diff shop
    """
    run(_diff(collection, address, as_json))


def versions(collection: Collection, address: Address = "", as_json: AsJson = False) -> None:
    """List the versions that can be published again, with the figures they were published on.

    [bold]Example[/]

      kf kb versions shop
    """
    run(_versions(collection, address, as_json))


def evaluate(collection: Collection, address: Address = "", as_json: AsJson = False) -> None:
    """Ask the draft and the published version the collection's test questions; status 1: the draft is worse.

    [bold]Examples[/]

      kf eval knowledge shop

      kf kb eval shop --json
    """
    run(_evaluate(collection, address, as_json))


def questions(
    collection: Collection,
    file: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV: question, expected (several with |), category."
        ),
    ] = None,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Show the collection's test questions, or replace them by a sheet's.

    `expected` names what answers: an FAQ question, a heading or a document; empty: nothing does. From the
    first sheet on, a draft is published only if it answers them no worse.

    [bold]Example[/]

      kf kb questions shop questions.csv
    """
    run(_questions(collection, file, address, as_json))


def words(
    collection: Collection,
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="Text: a line for each group, words separated by ,"),
    ] = None,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Show the collection's own words, or replace them by a file's; searches use them at once.

    Words of one line mean the same, the first is the one that the documents use; a word alone is a name.

    [bold]Example[/]

      kf kb words shop words.txt
    """
    run(_words(collection, file, address, as_json))


def calibrate(
    collection: Collection,
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="CSV as for `questions`; default: those stored."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure only.")] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Set from when on a passage counts as an answer, by questions with an answer and questions without.

    [bold]Example[/]

      kf kb calibrate shop questions.csv
    """
    run(_calibrate(collection, file, dry_run, address, as_json))


async def _publish(collection: str, force: bool, address: str, as_json: bool) -> int:
    async with connect(target(address)) as knowledge:
        request = pb.PublishCollectionRequest(collection=collection, force=force)
        reply = await knowledge.ask("PublishCollection", request, work=True)
    if as_json:
        print_json(as_plain(reply))
    elif reply.published and not reply.changes:
        print(f"Nothing to publish: version {reply.version} of {collection} is the draft.")
    else:
        report_publication(collection, reply)
    return int(not reply.published)


async def _rollback(collection: str, version: int, address: str) -> None:
    async with connect(target(address)) as knowledge:
        request = pb.RollbackCollectionRequest(collection=collection, version=version)
        reply = await knowledge.ask("RollbackCollection", request, work=True)
    print(f"Version {reply.version} of {collection} is published; see `kf kb diff {collection}`.")


async def _discard(collection: str, address: str) -> None:
    async with connect(target(address)) as knowledge:
        await knowledge.ask("DiscardDraft", pb.DiscardDraftRequest(collection=collection), work=True)
    print(f"The draft of {collection} equals the published version.")


async def _diff(collection: str, address: str, as_json: bool) -> None:
    async with connect(target(address)) as knowledge:
        reply = await knowledge.ask("DiffCollection", pb.DiffCollectionRequest(collection=collection))
    if as_json:
        print_json([as_plain(change) for change in reply.changes])
    elif reply.changes:
        show_changes(reply.changes)
    else:
        print("No changes.")


async def _versions(collection: str, address: str, as_json: bool) -> None:
    async with connect(target(address)) as knowledge:
        reply = await knowledge.ask("ListVersions", pb.ListVersionsRequest(collection=collection))
    if as_json:
        print_json([as_plain(version) for version in reply.versions])
        return
    table = Table("version", "published", "documents", "passages", "nDCG@10", "")
    for one in reply.versions:
        when = one.published_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
        figure = f"{one.figures.ndcg_at_10:.3f}" if one.HasField("figures") else ""
        now = "current" if one.current else ""
        table.add_row(str(one.number), when, str(one.document_count), str(one.passage_count), figure, now)
    Console().print(table)


async def _evaluate(collection: str, address: str, as_json: bool) -> int:
    async with connect(target(address)) as knowledge:
        request = pb.EvaluateCollectionRequest(collection=collection)
        reply = await knowledge.ask("EvaluateCollection", request, work=True)
    if as_json:
        print_json(as_plain(reply))
    else:
        show_evaluation(reply)
    return int(bool(reply.regressions))


async def _questions(collection: str, file: Path | None, address: str, as_json: bool) -> None:
    async with connect(target(address)) as knowledge:
        if file:
            rows = read_questions(file, collection)
            request = pb.SetTestQuestionsRequest(collection=collection, questions=rows)
            await knowledge.ask("SetTestQuestions", request)
            print(f"{len(rows)} test questions for {collection}.")
            return
        reply = await knowledge.ask("ListTestQuestions", pb.ListTestQuestionsRequest(collection=collection))
    if as_json:
        print_json([as_plain(question) for question in reply.questions])
        return
    table = Table("category", "question", "expected")
    for one in reply.questions:
        table.add_row(plain(one.category), plain(one.question), plain(" | ".join(one.expected)))
    Console().print(table)


async def _words(collection: str, file: Path | None, address: str, as_json: bool) -> None:
    async with connect(target(address)) as knowledge:
        if file:
            groups = read_words(file)
            await knowledge.ask("SetWords", pb.SetWordsRequest(collection=collection, groups=groups))
            print(f"{len(groups)} groups of words for {collection}.")
            return
        reply = await knowledge.ask("ListWords", pb.ListWordsRequest(collection=collection))
    known = [list(group.words) for group in reply.groups]
    if as_json:
        print_json(known)
        return
    for group in known:
        print(", ".join(group))


async def _calibrate(collection: str, file: Path | None, dry_run: bool, address: str, as_json: bool) -> None:
    rows = read_questions(file, collection) if file else []
    async with connect(target(address)) as knowledge:
        request = pb.CalibrateCollectionRequest(collection=collection, questions=rows, dry_run=dry_run)
        reply = await knowledge.ask("CalibrateCollection", request, work=True)
    if as_json:
        print_json(as_plain(reply))
        return
    print(
        f"{'Would set' if dry_run else 'Set'} the threshold to {reply.threshold:.3f}: "
        f"{reply.answerable_kept:.0%} of the questions with an answer pass, "
        f"{reply.unanswerable_refused:.0%} of those without are refused."
    )


def read_questions(file: Path, collection: str) -> list[pb.TestQuestion]:
    """A sheet's test questions; rows that a column `collection` gives to another are left out.

    Raises:
        KnowledgeError: the sheet has no column `question`, or is not UTF-8.
    """
    try:
        reader = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
        rows = [row for row in reader if (row.get("collection") or collection) == collection]
    except (UnicodeDecodeError, csv.Error):
        raise KnowledgeError(f"{file}: is no CSV file in UTF-8") from None
    if "question" not in (reader.fieldnames or ()):
        raise KnowledgeError(f"{file}: needs the columns question, expected, category")
    return [
        pb.TestQuestion(
            question=row["question"],
            expected=[one for one in (row.get("expected") or "").split("|") if one],
            category=row.get("category") or "",
        )
        for row in rows
        if row["question"]
    ]


def read_words(file: Path) -> list[pb.WordGroup]:
    """A file's groups of words: one a line, separated by commas of either width."""
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    groups = [[word.strip() for word in line.replace("，", ",").split(",")] for line in lines]
    return [pb.WordGroup(words=filter(None, group)) for group in groups if any(group)]
