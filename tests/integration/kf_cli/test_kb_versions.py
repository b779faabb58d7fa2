"""`kf kb` from draft to published and back, with the gate of test questions, against the real service."""

import asyncio
import json
from pathlib import Path

from kf_cli.__main__ import app
from typer.testing import CliRunner

from tests.integration.kf_cli.test_kb import address

__all__ = ["address"]

GOOD = "问题,答案\n保修多久？,整机保修 2 年。\n多久发货？,24 小时内发货。\n能开发票吗？,可以开电子发票。\n"
BAD = "问题,答案\n我们在哪里？,我们在杭州。\n"
QUESTIONS = (
    "question,expected,category\n"
    "质保期几年,保修多久？,保修\n几天发货,多久发货？,物流\n要发票,能开发票吗？,票据\n"
)


async def kf(address: str, *words: str) -> tuple[int, str, str]:
    """The command in this process: a new one takes a second to start, and this file runs thirty."""
    env = {"KF_KNOWLEDGE_ADDRESS": address, "COLUMNS": "200"}
    done = await asyncio.to_thread(CliRunner().invoke, app, ["kb", *words], env=env)
    return done.exit_code, done.stdout, done.stderr


async def test_draft_gate_publish_and_rollback(address: str, tmp_path: Path) -> None:
    faq, questions = tmp_path / "faq.csv", tmp_path / "questions.csv"
    faq.write_text(GOOD, encoding="utf-8")
    questions.write_text(QUESTIONS, encoding="utf-8")
    assert (await kf(address, "import", "shop", str(faq)))[:2] == (
        0,
        "1 documents with 3 passages in shop; 1 new or changed.\nPublished version 1 of shop.\n",
    )
    assert (await kf(address, "questions", "shop", str(questions)))[1] == "3 test questions for shop.\n"

    faq.write_text(BAD, encoding="utf-8")
    status, said, _ = await kf(address, "import", "shop", str(faq), "--dry-run")
    assert (status, said) == (0, "1 documents with 1 passages in shop; 1 would be new or changed.\n")
    status, said, _ = await kf(address, "import", "shop", str(faq))
    assert status == 1
    assert "recall@5: 0.000, published 1.000" in said
    assert "kf kb publish shop --force" in said.replace("\n", " ")
    assert "lost 质保期几年" in said
    status, said, _ = await kf(address, "search", "shop", "质保期几年", "--json")
    assert "2 年" in json.loads(said)["passages"][0]["text"], "the published version is untouched"
    status, said, _ = await kf(address, "diff", "shop")
    assert (status, said) == (0, "~ faq.csv +1 -3 passages\n")

    assert (await kf(address, "eval", "shop"))[0] == 1
    assert (await kf(address, "publish", "shop", "--force"))[:2] == (0, "Published version 2 of shop.\n")
    status, said, _ = await kf(address, "versions", "shop", "--json")
    assert [(one["number"], one["current"]) for one in json.loads(said)] == [(2, True), (1, False)]
    assert (await kf(address, "rollback", "shop"))[0] == 0
    status, said, _ = await kf(address, "search", "shop", "质保期几年")
    assert "2 年" in said
    assert "meaning: place 1" in said
    assert "Enough for an answer" in said
    assert (await kf(address, "discard", "shop"))[0] == 0
    assert (await kf(address, "diff", "shop"))[1] == "No changes.\n"
    assert (await kf(address, "publish", "shop"))[1].startswith("Nothing to publish: version 1")


async def test_own_words_show_and_export(address: str, tmp_path: Path) -> None:
    """A word that no document has is found through the word that the documents use."""
    (tmp_path / "faq.csv").write_text(
        "问题,答案\n扫地机器人多少钱？,2999 元。\n吸尘器多少钱？,899 元。\n", encoding="utf-8"
    )
    (tmp_path / "words.txt").write_text("扫地机器人, 小旋风\n", encoding="utf-8")
    assert (await kf(address, "import", "shop", str(tmp_path / "faq.csv")))[0] == 0
    assert (await kf(address, "words", "shop", str(tmp_path / "words.txt")))[0] == 0
    assert json.loads((await kf(address, "words", "shop", "--json"))[1]) == [["扫地机器人", "小旋风"]]
    found = json.loads((await kf(address, "search", "shop", "小旋风", "--json"))[1])
    assert found["passages"][0]["text"] == "2999 元。"
    assert found["explanation"]["added_words"] == ["扫地机器人"]

    assert "2999 元。" in (await kf(address, "show", "shop", "faq.csv"))[1]
    out = tmp_path / "out.jsonl"
    assert (await kf(address, "export", "shop", str(out)))[0] == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["question"] for line in lines] == ["扫地机器人多少钱？", "吸尘器多少钱？"]


async def test_bad_file_is_named_and_the_others_are_imported(address: str, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# 关于\n\n我们在杭州。\n", encoding="utf-8")
    (tmp_path / "bad.csv").write_text("问题,答案\n只有问题,\n", encoding="utf-8")
    status, said, faults = await kf(address, "import", "shop", str(tmp_path))
    assert status == 1
    assert "1 documents with 1 passages in shop; 1 new or changed." in said
    assert "bad.csv: row 2: the answer is empty" in faults
    assert json.loads((await kf(address, "list", "--json"))[1])[0]["document_count"] == 1
