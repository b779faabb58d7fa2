"""`kf kb gaps`: dialog's unanswered questions, grouped by the real knowledge service."""

import csv
import json
from pathlib import Path

import pytest
from kf_runtime import postgres

from tests.integration.kf_cli.test_kb import address
from tests.integration.kf_cli.test_kb_versions import kf

__all__ = ["address"]

ASKED = ["你们有线下门店吗", "线下有门店吗？", "有没有线下门店", "=HYPERLINK(1) 支持以旧换新吗"]


async def test_gaps_are_grouped_and_written_as_a_sheet_to_fill_in(
    address: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    pool = await postgres.connect(database_url, "dialog")
    await postgres.migrate(pool, "dialog", postgres.load_migrations("kf_dialog"))
    for number, gap in enumerate([*ASKED, ""]):
        await pool.execute(
            "INSERT INTO turn (open_kfid, external_userid, turn_id, position, msgids, question, reply, "
            "outcome, model, input_tokens, output_tokens, passage_ids, waiting_since, search_seconds, "
            "model_seconds, carrier, gap) "
            "VALUES ('wk', 'wm', $1, 1, '{}', '', '', '', '', 0, 0, '{}', now(), 0, 0, '{}', $2)",
            str(number),
            gap,
        )
    await pool.close()
    (tmp_path / "faq.csv").write_text("问题,答案\n保修多久？,两年。\n", encoding="utf-8")
    assert (await kf(address, "import", "shop", str(tmp_path / "faq.csv")))[0] == 0

    sheet = tmp_path / "gaps.csv"
    status, said, _ = await kf(address, "gaps", "shop", "--json", "--write", str(sheet))
    clusters = json.loads(said)
    assert status == 0
    assert [len(cluster["questions"]) for cluster in clusters] == [3, 1]
    assert clusters[0]["nearest"]["source"] == "faq.csv"
    rows = list(csv.DictReader(sheet.read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["asked"], row["answer"]) for row in rows] == [("3", ""), ("1", "")]
    assert rows[1]["question"].startswith("'=")
    assert (await kf(address, "import", "shop", str(sheet)))[0] == 1, "nobody has filled it in"
