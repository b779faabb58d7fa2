"""Measures an import of many mixed documents through the service, and a second run that must embed nothing.

    python -m benchmarks.ingestion [--documents 1000]

FAQ sheets (CSV and Excel), Markdown, web pages, Word, PowerPoint and PDF files in equal parts, two to four
passages each, made here. PostgreSQL, the service and the embedded model run on this machine.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from kf_cli import embedded
from kf_cli.kb_import import Importer
from kf_cli.knowledge_base import connect
from kf_cli.ports import free_ports
from kf_cli.readiness import answers_grpc
from kf_cli.sources import find_sources
from kf_contracts.knowledge.v1 import knowledge_pb2 as pb

from tests.fakes import office_files as made

KINDS = ("csv", "xlsx", "md", "html", "docx", "pptx", "pdf")


def content(kind: str, number: int) -> bytes:
    """One document; the number makes every text its own."""
    answer = (
        f"产品 {number} 的整机保修两年，电池保修一年，人为损坏不在保修范围内，寄修往返运费由我们承担。" * 3
    )
    rows = [(f"产品 {number} 的第 {row} 个问题怎么办？", answer) for row in range(3)]
    if kind == "csv":
        return "\n".join(("问题,答案", *(",".join(row) for row in rows))).encode("gb18030")
    if kind == "xlsx":
        return made.excel({"问答": [("问题", "答案"), *rows]})
    if kind == "md":
        return f"# 手册 {number}\n\n## 保修\n\n{answer}\n\n## 退货\n\n{answer}\n".encode()
    if kind == "html":
        return (
            f"<title>手册 {number}</title><h1>保修</h1><p>{answer}</p><h1>退货</h1><p>{answer}</p>".encode()
        )
    if kind == "docx":
        return made.word([("保修", answer), ("退货", answer)], [["型号", "价格"], ["X2", str(number)]])
    if kind == "pptx":
        return made.powerpoint([("保修", answer, ""), ("退货", answer, f"备注 {number}")])
    return made.pdf([[f"Product {number} has two years of warranty.", "The battery has one year."]] * 2)


async def run(documents: int) -> None:
    """Writes the documents, imports them twice, prints both rates."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "documents").mkdir()
        for number in range(documents):
            kind = KINDS[number % len(KINDS)]
            (folder / "documents" / f"{number:05}.{kind}").write_bytes(content(kind, number))
        embedded.init_postgres(folder / "data")
        (database, port) = free_ports(2)
        command = embedded.postgres_command(folder / "data", database, durable=False)
        with embedded.Child("postgres", command, database, folder / "log"):
            env = os.environ | {
                "DATABASE_URL": embedded.database_url(database),
                "KF_KNOWLEDGE_PORT": str(port),
                "KF_LOG_DIR": "",
            }
            service = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "kf_knowledge", env=env, stdout=asyncio.subprocess.DEVNULL
            )
            try:
                await measure(folder / "documents", port)
            finally:
                service.terminate()
                await service.wait()


async def measure(folder: Path, port: int) -> None:
    """Imports a folder twice."""
    while not await answers_grpc(port):  # noqa: ASYNC110 (another process)
        await asyncio.sleep(0.1)
    sources, importer = find_sources([folder]), Importer("benchmark", pb.Labels())
    async with connect(f"127.0.0.1:{port}") as knowledge:
        for name in ("first run", "second run"):
            start = time.perf_counter()
            result = await importer.run(knowledge, sources)
            seconds = time.perf_counter() - start
            passages = sum(reply.document.passage_count for reply in result.stored)
            changed = sum(reply.changed for reply in result.stored)
            print(
                f"{name}: {len(result.stored)} documents, {passages} passages in {seconds:.0f} s = "
                f"{len(result.stored) / seconds:.1f} documents/s, {passages / seconds:.1f} passages/s; "
                f"{changed} embedded, {len(result.faults)} refused",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=1_000)
    asyncio.run(run(parser.parse_args().documents))
