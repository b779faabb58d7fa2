"""`kf kb gaps`: what customers asked in vain, put together, as drafts for a person to approve."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import httpx
import typer
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb
from kf_runtime.postgres import DatabaseError
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from kf_cli.config import read
from kf_cli.dialog_records import open_records
from kf_cli.kb_output import Address, AsJson, Collection, as_plain, print_json, run, target
from kf_cli.knowledge_base import KnowledgeError, connect
from kf_cli.logview import plain
from kf_cli.operations import database_url

_MOST_QUESTIONS = 1_000
_SIMILAR = 10
_MODEL_SECONDS = 60.0
_PROMPT = (
    "你是客服知识库编辑。根据资料为下面的客户问题写一条简短的 FAQ 答案草稿，供人工审核。"
    "只能使用资料中的事实；"
    "资料不足时只写“资料不足：”和需要补充的内容。\n\n资料：\n{passage}\n\n问题：\n{questions}"
)


class ModelSettings(BaseSettings):
    """The model that drafts answers, as dialog uses it."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)
    deepseek_api_key: SecretStr = SecretStr("")
    deepseek_base_url: str = "https://api.deepseek.com"
    deepseek_model: str = Field("deepseek-chat")


def gaps(
    collection: Collection,
    days: Annotated[float, typer.Option(min=0.01, help="How far back.")] = 30.0,
    account: Annotated[str, typer.Option(help="Only questions to this open_kfid.")] = "",
    write: Annotated[Path | None, typer.Option(help="Write an FAQ sheet to fill in.")] = None,
    draft_answers: Annotated[
        bool,
        typer.Option("--draft-answers", help="Have the model draft each answer (DEEPSEEK_API_KEY)."),
    ] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Group the questions that found no answer, the most frequent first, with what comes nearest.

    A drafted answer stands in a column of its own: nothing is imported until a person has put an answer into
    the column `answer`.

    [bold]Examples[/]

      kf kb gaps shop

      kf kb gaps shop --write gaps.csv --draft-answers
    """
    run(_gaps(collection, days, account, write, draft_answers, address, as_json))


async def _gaps(
    collection: str,
    days: float,
    account: str,
    write: Path | None,
    draft_answers: bool,
    address: str,
    as_json: bool,
) -> None:
    try:
        async with open_records(database_url()) as records:
            asked = await records.gaps(account, days, _MOST_QUESTIONS)
    except DatabaseError as error:
        raise KnowledgeError(str(error)) from None
    async with connect(target(address)) as knowledge:
        request = pb.ClusterQuestionsRequest(collection=collection, questions=asked)
        reply = await knowledge.ask("ClusterQuestions", request, work=True)
    if as_json:
        print_json([as_plain(cluster) for cluster in reply.clusters])
    else:
        _show(reply.clusters)
    if write:
        drafts = await _drafted(reply.clusters) if draft_answers else [""] * len(reply.clusters)
        write_sheet(write, reply.clusters, drafts)
        typer.echo(f"{len(reply.clusters)} entries to fill in: {write}", err=True)


def _show(clusters: Sequence[pb.QuestionCluster]) -> None:
    console = Console(highlight=False)
    if not clusters:
        console.print("No questions without an answer.")
    for cluster in clusters:
        known = " [green](answered by now)[/]" if cluster.answerable else ""
        console.print(f"[bold]{len(cluster.questions)} x[/] {plain(cluster.questions[0])}{known}")
        nearest = cluster.nearest
        if nearest.source:
            what = nearest.question or " > ".join(nearest.headings) or nearest.title
            console.print(
                f"[dim]   nearest: {plain(what)} ({plain(nearest.source)}), {nearest.dense_score:.3f}[/]"
            )


def write_sheet(file: Path, clusters: Sequence[pb.QuestionCluster], drafts: Sequence[str]) -> None:
    """An FAQ sheet whose answers are empty: importing it refuses every row that nobody has filled in."""
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        sheet = csv.writer(out)
        sheet.writerow(("question", "similar questions", "answer", "draft", "asked"))
        for cluster, draft in zip(clusters, drafts, strict=True):
            first, *others = dict.fromkeys(cluster.questions)
            cells = (first, "|".join(others[:_SIMILAR]), "", draft)
            sheet.writerow((*map(_harmless, cells), len(cluster.questions)))


def _harmless(cell: str) -> str:
    """A customer's words must not be a formula where the sheet is opened."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t")) else cell


async def _drafted(clusters: Sequence[pb.QuestionCluster]) -> list[str]:
    settings = read(ModelSettings)
    key = settings.deepseek_api_key.get_secret_value()
    if not key:
        raise KnowledgeError("DEEPSEEK_API_KEY is not set: leave --draft-answers out, or set it.")
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=settings.deepseek_base_url, headers=headers, timeout=_MODEL_SECONDS
    ) as client:
        return [await _draft(client, settings.deepseek_model, cluster) for cluster in clusters]


async def _draft(client: httpx.AsyncClient, model: str, cluster: pb.QuestionCluster) -> str:
    prompt = _PROMPT.format(
        passage=cluster.nearest.text or "（无）", questions="\n".join(cluster.questions[:5])
    )
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 500}
    try:
        reply = await client.post("chat/completions", json=body)
        reply.raise_for_status()
        return str(reply.json()["choices"][0]["message"]["content"]).strip()
    except (httpx.HTTPError, ValueError, LookupError) as error:
        raise KnowledgeError(f"The model did not answer ({type(error).__name__}).") from None
