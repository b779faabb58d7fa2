"""`kf kb` against the real knowledge service."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kf_cli.children import Child, Program
from kf_cli.config import clean_environment
from kf_cli.ports import free_ports
from kf_cli.readiness import answers_grpc


@pytest.fixture
async def address(database_url: str, tmp_path: Path) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    env = {**clean_environment(), "DATABASE_URL": database_url, "KF_KNOWLEDGE_PORT": str(port)}
    program = Program("knowledge", [sys.executable, "-m", "kf_knowledge"], env, tmp_path)
    service = Child(program, lambda *_: None)
    await service.start()
    try:
        async with asyncio.timeout(60):
            while not await answers_grpc(port):
                assert service.running, service.tail
                await asyncio.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        await service.stop()


async def kf(address: str, *words: str) -> tuple[int, str, str]:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kf_cli", "kb", *words],
            env={**os.environ, "KF_KNOWLEDGE_ADDRESS": address},
            capture_output=True,
            text=True,
            check=False,
        )

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout, done.stderr


async def test_import_list_search_and_remove(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "faq.csv").write_text(
        "问题,答案\n保修多久？,整机保修 2 年。\n多久发货？,24 小时内发货。\n", encoding="utf-8"
    )
    (folder / "about.md").write_text("# 关于我们\n\n我们在杭州。\n", encoding="utf-8")

    status, said, _ = await kf(address, "import", "shop", str(folder))
    assert (status, said) == (
        0,
        "2 documents with 3 passages in shop; 2 new or changed.\nPublished version 1 of shop.\n",
    )
    status, said, _ = await kf(address, "import", "shop", str(folder))
    assert (status, said) == (0, "2 documents with 3 passages in shop; 0 new or changed.\n")

    status, said, _ = await kf(address, "list", "--json")
    (shop,) = json.loads(said)
    assert (shop["name"], shop["document_count"], shop["passage_count"]) == ("shop", 2, 3)
    status, said, _ = await kf(address, "search", "shop", "质保期是几年？", "--json")
    assert "2 年" in json.loads(said)["passages"][0]["text"]

    assert (await kf(address, "remove", "shop", "faq.csv"))[:2] == (0, "Removed faq.csv.\n")
    status, said, _ = await kf(address, "list", "shop", "--json")
    assert [document["source"] for document in json.loads(said)] == ["about.md"]
    status, _, error = await kf(address, "remove", "shop", "faq.csv")
    assert status == 1
    assert "kf kb list shop" in error


async def test_no_service_there_is_one_sentence_and_status_1() -> None:
    (port,) = free_ports(1)
    status, _, error = await kf(f"127.0.0.1:{port}", "list")
    assert status == 1
    assert f"does not answer at 127.0.0.1:{port}" in error
    assert "Traceback" not in error
