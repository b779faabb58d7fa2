"""A service that cannot start says why in one block, in both languages, and never shows a traceback."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from kf_cli import embedded

AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
GATEWAY = {
    "WECOM_CORP_ID": "ww0123456789abcdef",
    "WECOM_KF_SECRET": "test-secret",
    "WECOM_TOKEN": "testtoken",
    "WECOM_ENCODING_AES_KEY": AES_KEY,
    "HOST": "127.0.0.1",
}


async def started(service: str, folder: Path, settings: dict[str, str]) -> tuple[int, str]:
    """Exit status and everything that was printed, of a service that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"kf_{service}"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **settings},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(90):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    return process.returncode or 0, output.decode()


def is_one_block(status: int, output: str, service: str) -> None:
    assert status == 2
    assert f"kf-{service}: cannot start / 服务无法启动" in output
    assert "Traceback" not in output


@pytest.fixture
async def bare_database(database_url: str) -> str:
    """A database on a server without pgvector, as far as it can see."""
    connection = await asyncpg.connect(database_url)
    try:
        name = database_url.rpartition("/")[2]
        await connection.execute(f"ALTER DATABASE \"{name}\" SET extension_control_path = '/nonexistent'")
    finally:
        await connection.close()
    return database_url


async def test_a_missing_variable_and_a_bad_key_are_named_with_the_menu(tmp_path: Path) -> None:
    settings = {**GATEWAY, "WECOM_KF_SECRET": "", "WECOM_ENCODING_AES_KEY": "tooshort"}
    status, output = await started("gateway", tmp_path, settings)
    is_one_block(status, output, "gateway")
    assert "WECOM_KF_SECRET is not set" in output
    assert "WECOM_KF_SECRET 未设置" in output
    assert "管理后台 → 应用管理 → 自建应用 → Secret" in output
    assert "EncodingAESKey must be 43 letters and digits" in output
    assert "tooshort" not in output


async def test_a_taken_port_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        status, output = await started("gateway", tmp_path, {**GATEWAY, "PORT": port})
    is_one_block(status, output, "gateway")
    assert f"端口 {port} 被" in output
    assert "set PORT to another port" in output


async def test_an_unknown_database_is_one_block(tmp_path: Path, postgres_server: embedded.Child) -> None:
    name = f"missing_{uuid4().hex[:6]}"
    url = embedded.database_url(postgres_server.port, name)
    settings = {"DATABASE_URL": url, "KF_KNOWLEDGE_PORT": "0"}
    status, output = await started("knowledge", tmp_path, settings)
    is_one_block(status, output, "knowledge")
    assert f"数据库 {name} 不存在" in output
    assert f"createdb {name}" in output


async def test_a_missing_pgvector_is_one_block(tmp_path: Path, bare_database: str) -> None:
    settings = {"DATABASE_URL": bare_database, "KF_KNOWLEDGE_PORT": "0"}
    status, output = await started("knowledge", tmp_path, settings)
    is_one_block(status, output, "knowledge")
    assert "没有安装 pgvector" in output
    assert "kf doctor --only pgvector" in output
