"""`kf doctor --fix` on real servers; the consumers that the doctor looks for are those of the services."""

import asyncpg
from kf_cli.doctor.checks import with_needs
from kf_cli.doctor.examination import examine
from kf_cli.doctor.finding import Level
from kf_cli.doctor.mending import mend
from kf_cli.doctor.nats import CONSUMERS
from kf_cli.doctor.system import open_system
from kf_cli.doctor.target import Target
from kf_dialog.delivery import CONSUMER as DELIVERY
from kf_dialog.inbound import CONSUMER as DIALOG
from kf_gateway.__main__ import NOTICES
from kf_sender.conversation import CONSUMER as SENDER
from kf_sender.intake import CONSUMER as INTAKE
from kf_sender.intake import URGENT_CONSUMER

STORES = {"streams", "migrations", "postgres_role", "locale"}


async def problems(target: Target, *, fix: bool = False) -> tuple[set[str], list[str]]:
    async with open_system(target) as system:
        report = await examine(system, with_needs(STORES))
        found = [
            f for f in report.problems if f.level is Level.FAULT and not f.diagnosis.startswith("setting")
        ]
        return {f.diagnosis for f in found}, await mend(system, found) if fix else []


async def test_fix_makes_extension_schemas_and_streams_and_says_so(nats_url: str, database_url: str) -> None:
    target = Target({"NATS_URL": nats_url, "DATABASE_URL": database_url})
    before, lines = await problems(target, fix=True)
    assert before == {"pgvector.not_created", "stream.missing"}
    assert [line[0] for line in lines] == ["✓", "✓"]
    # The schemas could be judged only once the extension was there.
    between, lines = await problems(target, fix=True)
    assert between == {"migrations.behind"}
    assert lines == ["✓ 数据库迁移 / migrations"]
    assert await problems(target) == (set(), [])


async def test_fix_says_what_it_may_not_do(nats_url: str, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    role = f"humble_{database_url[-6:]}"
    await connection.execute(f"CREATE ROLE {role} LOGIN")
    await connection.close()
    target = Target({"NATS_URL": nats_url, "DATABASE_URL": database_url.replace("app@", f"{role}@")})
    _, lines = await problems(target, fix=True)
    assert "✗ CREATE EXTENSION vector: InsufficientPrivilegeError" in lines


def test_the_doctor_looks_at_the_consumers_that_the_services_make() -> None:
    ours = {NOTICES, DIALOG, DELIVERY, SENDER, INTAKE, URGENT_CONSUMER}
    assert {(consumer.stream, consumer.durable) for consumer in ours} == set(CONSUMERS)
