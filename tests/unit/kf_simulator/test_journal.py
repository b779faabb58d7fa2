"""The journal: the newest document counts, a torn line does not."""

from pathlib import Path

from kf_simulator.journal import Journal


def test_the_newest_document_of_an_id_counts_in_first_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.rewrite({})
    journal.put("customer", "a", {"n": 1})
    journal.put("customer", "b", {"n": 2})
    journal.put("customer", "a", {"n": 3})
    assert Journal(tmp_path).load() == {"customer": {"a": {"n": 3}, "b": {"n": 2}}}
    assert list(Journal(tmp_path).load()["customer"]) == ["a", "b"]
    journal.close()


def test_a_line_that_a_crash_cut_off_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "world.jsonl").write_text('["customer","a",{"n":1}]\n["customer","b",{"n"', encoding="utf-8")
    assert Journal(tmp_path).load() == {"customer": {"a": {"n": 1}}}


def test_rewriting_leaves_one_line_per_document(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new")
    journal.rewrite({"clock": {"clock": {"offset": 1}}})
    for number in range(5):
        journal.put("clock", "clock", {"offset": number})
    journal.rewrite(journal.load())
    journal.close()
    assert (tmp_path / "new" / "world.jsonl").read_text(encoding="utf-8").count("\n") == 1


def test_text_with_line_separators_survives(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.rewrite({})
    journal.put("entry", "a", {"text": "一\u2028二\x85三\n四"})
    journal.close()
    assert Journal(tmp_path).load()["entry"]["a"]["text"] == "一\u2028二\x85三\n四"


def test_without_a_folder_nothing_is_kept() -> None:
    journal = Journal(None)
    journal.rewrite({})
    journal.put("customer", "a", {})
    assert journal.load() == {}
