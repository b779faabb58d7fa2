"""The doctor names each fault that is injected into a real, healthy installation, and blames nothing else."""

import asyncio
import json
import os
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kf_cli.doctor.catalogue import explained
from kf_cli.doctor.checks import with_needs
from kf_cli.doctor.examination import Report, examine
from kf_cli.doctor.system import open_system
from kf_cli.doctor.trail import trail_of, trails_of
from kf_cli.doctor.verdict import steps, verdict

from tests.faults import callback, local, model, sending, servers, wecom
from tests.faults.world import INJECTIONS, World, healthy_world

MODULES = (local, servers, wecom, sending, callback, model)
TABLE = Path(__file__).parents[2] / "docs" / "fault-matrix.toml"
ROWS: dict[str, dict[str, Any]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["fault"]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with healthy_world(tmp_path_factory.mktemp("matrix")) as made:
        yield made


def secrets_of(world: World) -> list[str]:
    names = ("WECOM_KF_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY", "DEEPSEEK_API_KEY")
    return [world.target.get(name) for name in names]


def named(report: Report) -> set[str]:
    return {finding.diagnosis for finding in report.problems}


async def test_every_row_has_an_injection_and_the_guide_is_covered() -> None:
    assert set(INJECTIONS) == set(ROWS)
    assert len(ROWS) >= 40
    guide = " ".join(row.get("guide", "") for row in ROWS.values())
    entries = [
        *("95018", "45009", "40058", "95016", "95014", "HTTP 403", "HTTP 404", "timeouts", "pgvector"),
        *("database refused", "DeepSeek 401", "does not start", "do not arrive", "turn on logs"),
    ]
    assert [entry for entry in entries if entry not in guide] == []


async def test_a_healthy_installation_has_no_fault_at_all(world: World) -> None:
    report = await world.examine({})
    assert [(f.diagnosis, dict(f.facts)) for f in report.problems] == []
    assert {result.level for result in report.results} <= {"ok", "skipped"}


@pytest.mark.parametrize("name", ROWS)
async def test_the_fault_is_named_and_nothing_healthy_is_blamed(world: World, name: str) -> None:
    row = ROWS[name]
    try:
        async with INJECTIONS[name](world) as changes:
            report = await world.examine(changes)
    finally:
        world.patch.undo()
    assert row["diagnosis"] in named(report)
    allowed = {row["diagnosis"], *row.get("also", ())}
    blamed = [(f.diagnosis, dict(f.facts)) for f in report.problems if f.diagnosis not in allowed]
    assert blamed == []
    told = json.dumps(report.as_dict(), ensure_ascii=False)
    assert [secret for secret in secrets_of(world) if secret in told] == []
    assert all(text for finding in report.problems for text in _words(finding))


def _words(finding: Any) -> list[str]:
    entry = explained(finding)
    words = [text for pair in (entry.cause, entry.harm, entry.remedy) for text in (pair.zh, pair.en)]
    assert not any("<" in text and ">" in text for text in words), words
    return [*words, entry.prove]


async def test_the_command_finds_the_running_stack_by_its_data_folder(world: World) -> None:
    layout = world.run.stack.layout
    ports = {name.upper(): str(value) for name, value in layout.ports.model_dump().items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kf_cli", "doctor", "--json", "--warnings-ok"),
        env={**os.environ, **ports, "KF_DATA_DIR": str(layout.data)},
        cwd=world.folder,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    told = json.loads(output)
    assert [f["diagnosis"] for check in told["checks"] for f in check["findings"]] == []
    assert (process.returncode, told["level"]) == (0, "ok")


async def story_of(world: World, msgid: str) -> tuple[str, str, set[str]]:
    """Name of the verdict, its remedy, and the stores that know the message."""
    async with open_system(world.target) as system:
        await examine(system, with_needs({"nats", "jetstream", "postgres"}))
        trail = await trail_of(system, msgid)
        newest = await trails_of(system, trail.customer, 1) if trail.message else []
    said = verdict(trail)
    assert [each.msgid for each in newest] in ([], [msgid])
    return said.name, said.finding.diagnosis if said.finding else "", {store for store, _, _ in steps(trail)}


async def test_a_message_is_followed_through_every_store(world: World) -> None:
    assert await story_of(world, "no-such-message") == ("unknown", "message.unknown", set())
    async with sending.spoken(world) as chat:
        lines = await world.run.simulator.transcript(chat)
        asked = next(line.msgid for line in lines if line.direction == "customer")
        await sending.until(world, "SELECT count(*) > 0 FROM sender.command WHERE status = 'sent'")
        name, remedy, stores = await story_of(world, asked)
        assert (name, remedy) == ("sent", "")
        assert stores >= {"WeCom", "dialog.inbox", "dialog.turn", "sender.command"}
        await world.sql("UPDATE sender.command SET status = 'parked', errcode = 95018")
        assert (await story_of(world, asked))[:2] == ("parked", "errcode.95018")


async def test_a_message_that_only_the_stream_has_is_found_there(world: World) -> None:
    async with servers.jetstream(world.target.get("NATS_URL")) as js:
        headers = {"Nats-Msg-Id": f"{world.account()}:only-streamed"}
        await js.publish(f"kf.inbound.{world.account()}", b"{}", headers=headers)
    name, _, stores = await story_of(world, "only-streamed")
    # dialog gives up what is no payload at all: the letter then tells of it.
    assert name in ("not_read", "given_up")
    assert stores & {"KF_INBOUND", "KF_DEAD"}
    async with servers.jetstream(world.target.get("NATS_URL")) as js:
        await js.purge_stream("KF_DEAD")
    await world.control("POST", f"/control/callback/notices/{world.account()}")


async def test_it_is_healthy_again_when_every_fault_is_mended(world: World) -> None:
    report = await world.examine({})
    assert [(f.diagnosis, dict(f.facts)) for f in report.problems] == []
